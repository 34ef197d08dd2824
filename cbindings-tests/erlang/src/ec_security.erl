%% libec_security for Erlang: drops the privileges of every thread of the emulator.
%%
%%     ok = ec_security:apply(<<"ecuser">>, <<"ecuser">>, <<"cap_net_bind_service+ep">>).
%%
%% What is refused is {error, {Status, Kind, Message}}, and nothing has changed. Texts are iodata without a NUL byte, ids may be
%% integers, undefined leaves an argument out. The calls run on dirty schedulers, and stop all threads of the emulator for a moment.
%%
%% Two things of the library are not here. Raised capabilities belong to a thread, and a process has none of its own. And
%% erl_child_setup, by which the emulator starts every port and os:cmd/1, is a process that was forked before: the drop does not
%% reach it. bin/erl_child_setup beside this starts it with what it should have.
-module(ec_security).
-export([apply/1, apply/3, check/1, get/2, caps_from_text/1, caps_to_text/1, status/0, status/1, statuses/0, version/0]).
-compile({no_auto_import, [get/1]}).
-on_load(load/0).

load() ->
    Directory =
        case code:priv_dir(?MODULE) of
            {error, _} -> filename:dirname(code:which(?MODULE));
            Found -> Found
        end,
    erlang:load_nif(filename:join(Directory, "ec_security_nif"), 0).

%% Becomes a user and group, by name or number, with just these capabilities left, in every thread.
apply(User, Group, Capabilities) ->
    nif_apply(text(User), text(Group), text(Capabilities)).

%% Every option of the Security stanza, as ec_security_policy_set() takes it, in order; {load, Path} and {parse, Text} read a
%% stanza: apply([{load, "/etc/server.conf"}, {bounding, "keep"}]).
apply(Options) -> nif_policy(options(Options), true).

%% What apply/1 would return; changes nothing.
check(Options) -> nif_policy(options(Options), false).

%% What an option comes to with these options: {ok, Text}; also uid, gid and groups, as numbers.
get(Options, Option) -> nif_get(options(Options), text(Option)).

options(Options) ->
    [{if Name =:= load; Name =:= parse -> Name; true -> text(Name) end, text(Value)} || {Name, Value} <- Options].

%% The sets that a text in the format of cap_from_text(3) describes: {ok, {Effective, Permitted, Inheritable}}.
caps_from_text(Text) -> nif_caps_from_text(text(Text)).

caps_to_text({_Effective, _Permitted, _Inheritable} = Caps) -> nif_caps_to_text(Caps).

%% What each thread of a process of the operating system holds; 0 is the emulator.
status() -> status(0).
status(Pid) -> nif_status(Pid).

%% [{eargument, 1}, ...]: the statuses that this module knows by name; another is its number.
statuses() -> erlang:nif_error(not_loaded).
version() -> erlang:nif_error(not_loaded).

text(undefined) -> undefined;
text(Number) when is_integer(Number) -> text(integer_to_binary(Number));
text(Name) when is_atom(Name) -> text(atom_to_binary(Name));
text(Text) ->
    Binary = iolist_to_binary(Text),
    case binary:match(Binary, <<0>>) of
        nomatch -> <<Binary/binary, 0>>;
        _ -> error(badarg, [Text])
    end.

nif_apply(_User, _Group, _Capabilities) -> erlang:nif_error(not_loaded).
nif_policy(_Options, _Apply) -> erlang:nif_error(not_loaded).
nif_get(_Options, _Option) -> erlang:nif_error(not_loaded).
nif_caps_from_text(_Text) -> erlang:nif_error(not_loaded).
nif_caps_to_text(_Caps) -> erlang:nif_error(not_loaded).
nif_status(_Pid) -> erlang:nif_error(not_loaded).
