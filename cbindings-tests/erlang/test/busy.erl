%% A server of Erlang whose processes never rest; tests/runtimes says what it answers to.
-module(busy).
-export([main/0]).
-on_load(load/0).

load() -> erlang:load_nif(filename:join(filename:dirname(code:which(?MODULE)), "busy_nif"), 0).
set_uid(_) -> erlang:nif_error(not_loaded).

-define(WORKERS, 6).

main() ->
    Done = counters:new(?WORKERS, []),
    put(done, Done),
    put(workers, [spawn_link(fun() -> work(Done, Number) end) || Number <- lists:seq(1, ?WORKERS)]),
    put(listeners, []),
    io:put_chars("ready\n"),
    serve().

%% They compute, make garbage, read files on the dirty schedulers, wait for timers, and send themselves messages.
work(Done, Number) ->
    case Number of
        1 -> erlang:md5(binary:copy(<<"x">>, 16384));
        2 -> erlang:md5(binary:copy(<<"y">>, 16384));
        3 -> _ = length(lists:seq(1, 20000)), erlang:garbage_collect();
        4 -> {ok, _} = file:read_file("/proc/self/stat");
        5 -> timer:sleep(1);
        6 -> Self = self(), spawn(fun() -> Self ! done end), receive done -> ok end
    end,
    counters:add(Done, Number, 1),
    receive
        {job, From, Job} -> From ! {answer, Job()}
    after 0 -> ok
    end,
    work(Done, Number).

in_worker(Number, Job) ->
    lists:nth(Number, get(workers)) ! {job, self(), Job},
    receive {answer, Answer} -> Answer end.

bind(Port) ->
    case gen_tcp:listen(list_to_integer(Port), [{ip, {127, 0, 0, 1}}, inet]) of
        {ok, Socket} ->
            %% It belongs to who made it, and ends with it: none of them ends.
            put(listener, Socket),
            "ok";
        {error, Why} -> io_lib:format("failed\t~p", [Why])
    end.

%% More processes than threads, so that each wanders from one to another.
race() ->
    Self = self(),
    Names = [io_lib:format("no-such-~b-", [N]) || N <- lists:seq(1, 8)],
    [spawn_link(fun() -> Self ! {wrong, wrong(iolist_to_binary(Name), 50, 0)} end) || Name <- Names],
    io_lib:format("race\t400\t~b", [lists:sum([receive {wrong, Wrong} -> Wrong end || _ <- Names])]).

wrong(_, 0, Wrong) -> Wrong;
wrong(Name, Left, Wrong) ->
    {error, {euser, _, Message}} = ec_security:apply(Name, undefined, undefined),
    case binary:match(Message, Name) of
        nomatch -> wrong(Name, Left - 1, Wrong + 1);
        _ -> wrong(Name, Left - 1, Wrong)
    end.

said(ok) -> "ok";
said({error, {Status, Kind, Message}}) ->
    io_lib:format("error\t~s\t~s\t~s", [string:uppercase(io_lib:format("~p", [Status])), Kind, Message]).

optional("-") -> undefined;
optional(Word) -> Word.

answer(["work"]) ->
    lists:join("\t", ["work" | [integer_to_list(counters:get(get(done), N)) || N <- lists:seq(1, ?WORKERS)]]);
answer(["apply", User, Group, Caps]) ->
    said(ec_security:apply(optional(User), optional(Group), optional(Caps)));
answer(["policy", Verb | Words]) ->
    Options = [list_to_tuple(string:split(Word, "=")) || Word <- Words],
    said(case Verb of "check" -> ec_security:check(Options); "apply" -> ec_security:apply(Options) end);
answer(["get", User, Option]) ->
    case ec_security:get([{user, User}], Option) of
        {ok, Text} -> Text;
        Error -> said(Error)
    end;
answer(["parse", Text]) -> said(ec_security:apply([{parse, Text}]));
answer(["load", Path]) -> said(ec_security:apply([{load, Path}]));
answer(["bind", "main", Port]) -> bind(Port);
answer(["bind", "worker", Port]) -> in_worker(1, fun() -> bind(Port) end);
answer(["root"]) ->
    case set_uid(0) of
        0 -> "ok";
        Errno -> io_lib:format("failed\terrno ~b", [Errno])
    end;
answer(["text", Text]) ->
    case ec_security:caps_from_text(Text) of
        {ok, {Effective, Permitted, Inheritable} = Caps} ->
            {ok, Back} = ec_security:caps_to_text(Caps),
            io_lib:format("text\t~b\t~b\t~b\t~s", [Effective, Permitted, Inheritable, Back]);
        Error -> said(Error)
    end;
answer(["status"]) ->
    {ok, Text} = ec_security:status(),
    ["status\t", string:replace(Text, "\n", " | ", all)];
answer(["version"]) -> ["version\t", ec_security:version()];
answer(["names"]) ->
    ["names" | [io_lib:format("\t~s=~b", [string:uppercase(atom_to_list(Name)), Status])
                || {Name, Status} <- ec_security:statuses()]];
answer(["nul"]) ->
    try ec_security:apply("root\0nobody", undefined, undefined) of
        _ -> "taken"
    catch
        error:badarg -> "refused"
    end;
answer(["race"]) -> race();
%% What a command has that the emulator starts: its ids and capabilities.
answer(["command"]) ->
    ["command\t", string:replace(string:trim(os:cmd("grep -E '^(Uid|Gid|CapPrm|CapEff)' /proc/self/status")), "\n", " | ", all)];
answer(_) -> "what?".

serve() ->
    case io:get_line("") of
        Line when is_list(Line) ->
            io:put_chars([answer(string:split(string:trim(Line, trailing, "\n"), "\t", all)), "\n"]),
            serve();
        _ -> halt(0)
    end.
