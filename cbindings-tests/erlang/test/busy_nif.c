/* What Erlang cannot: setuid(2). For busy.erl. */
#include <erl_nif.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

static ERL_NIF_TERM set_uid(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    unsigned uid;
    if (argc != 1 || !enif_get_uint(env, argv[0], &uid))
        return enif_make_badarg(env);
    return enif_make_int(env, syscall(SYS_setuid, uid) == 0 ? 0 : errno);
}

static ErlNifFunc functions[] = {{"set_uid", 1, set_uid, 0}};

ERL_NIF_INIT(busy, functions, NULL, NULL, NULL, NULL)
