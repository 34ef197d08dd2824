%% The one call in an emulator with its threads: drop USER GROUP CAPS, where "-" leaves an argument out.
-module(drop).
-export([main/0]).

main() ->
    [User, Group, Caps] = [case Word of "-" -> undefined; _ -> Word end || Word <- init:get_plain_arguments()],
    io:put_chars("ready\n"),
    io:get_line(""),
    Status =
        case ec_security:apply(User, Group, Caps) of
            ok -> io:put_chars("dropped\n"), 0;
            {error, {_, Kind, Message}} -> io:format("refused: ~s: ~s~n", [Kind, Message]), 1
        end,
    io:get_line(""),
    halt(Status).
