/* The NIFs of ec_security.erl. A status and its message are read within one call, in the same thread. */
#include <ec_security.h>
#include <erl_nif.h>
#include <string.h>

static const struct {
    const char *name;
    int status;
} statuses[] = {
    {"eargument", EC_SECURITY_EARGUMENT}, {"esyntax", EC_SECURITY_ESYNTAX},
    {"eoption", EC_SECURITY_EOPTION},     {"euser", EC_SECURITY_EUSER},
    {"egroup", EC_SECURITY_EGROUP},       {"elookup", EC_SECURITY_ELOOKUP},
    {"erefused", EC_SECURITY_EREFUSED},   {"ecapability", EC_SECURITY_ECAPABILITY},
    {"ethread", EC_SECURITY_ETHREAD},     {"eproc", EC_SECURITY_EPROC},
    {"ebusy", EC_SECURITY_EBUSY},         {"eresource", EC_SECURITY_ERESOURCE},
    {"efile", EC_SECURITY_EFILE},         {"enostanza", EC_SECURITY_ENOSTANZA},
    {"echroot", EC_SECURITY_ECHROOT},     {"enoprocess", EC_SECURITY_ENOPROCESS},
    {"einternal", EC_SECURITY_EINTERNAL},
};

static ERL_NIF_TERM binary(ErlNifEnv *env, const char *text, size_t length)
{
    ERL_NIF_TERM made;
    memcpy(enif_make_new_binary(env, length, &made), text, length);
    return made;
}

static ERL_NIF_TERM ok(ErlNifEnv *env, ERL_NIF_TERM result) { return enif_make_tuple2(env, enif_make_atom(env, "ok"), result); }

static ERL_NIF_TERM refused_with(ErlNifEnv *env, int status, const char *message)
{
    const char *kind = ec_security_strerror(status);
    ERL_NIF_TERM name = enif_make_int(env, status);
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].status == status)
            name = enif_make_atom(env, statuses[i].name);
    return enif_make_tuple2(env, enif_make_atom(env, "error"),
                            enif_make_tuple3(env, name, binary(env, kind, strlen(kind)), binary(env, message, strlen(message))));
}

static ERL_NIF_TERM refused(ErlNifEnv *env, int status) { return refused_with(env, status, ec_security_last_error()); }

static ERL_NIF_TERM result_of(ErlNifEnv *env, int status)
{
    return status == EC_SECURITY_OK ? enif_make_atom(env, "ok") : refused(env, status);
}

/* A binary that ends with a NUL, which ec_security.erl has put there; or undefined, which is NULL. */
static int get_text(ErlNifEnv *env, ERL_NIF_TERM term, const char **text)
{
    ErlNifBinary given;
    *text = NULL;
    if (enif_is_identical(term, enif_make_atom(env, "undefined")))
        return 1;
    if (!enif_inspect_binary(env, term, &given) || given.size == 0 || given.data[given.size - 1] != 0)
        return 0;
    *text = (const char *)given.data;
    return 1;
}

static ERL_NIF_TERM nif_apply(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    const char *text[3];
    for (int i = 0; i < argc; i++)
        if (!get_text(env, argv[i], &text[i]))
            return enif_make_badarg(env);
    return result_of(env, ec_security_apply(text[0], text[1], text[2]));
}

/* Sets options from a list of pairs, up to the first that is refused. Returns 0 for a term that is no such list. */
static int set_options(ErlNifEnv *env, ec_security_policy *policy, ERL_NIF_TERM list, int *status)
{
    ERL_NIF_TERM head;
    while (*status == EC_SECURITY_OK && enif_get_list_cell(env, list, &head, &list)) {
        const ERL_NIF_TERM *pair;
        const char *option, *value;
        int arity;
        if (!enif_get_tuple(env, head, &arity, &pair) || arity != 2 || !get_text(env, pair[1], &value))
            return 0;
        if (enif_is_identical(pair[0], enif_make_atom(env, "load")))
            *status = ec_security_policy_load(policy, value);
        else if (enif_is_identical(pair[0], enif_make_atom(env, "parse")))
            *status = ec_security_policy_parse(policy, value);
        else if (get_text(env, pair[0], &option))
            *status = ec_security_policy_set(policy, option, value);
        else
            return 0;
    }
    return 1;
}

static ERL_NIF_TERM nif_policy(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    ec_security_policy *policy = ec_security_policy_new();
    if (!policy)
        return refused(env, EC_SECURITY_ERESOURCE);
    ERL_NIF_TERM result;
    int status = EC_SECURITY_OK;
    if (!set_options(env, policy, argv[0], &status)) {
        result = enif_make_badarg(env);
    } else {
        if (status == EC_SECURITY_OK)
            status = enif_is_identical(argv[1], enif_make_atom(env, "true")) ? ec_security_policy_apply(policy)
                                                                             : ec_security_policy_check(policy);
        result = status == EC_SECURITY_OK ? enif_make_atom(env, "ok")
                                          : refused_with(env, status, ec_security_policy_error(policy));
    }
    ec_security_policy_free(policy);
    return result;
}

static ERL_NIF_TERM nif_get(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    const char *option;
    ec_security_policy *policy = ec_security_policy_new();
    if (!policy)
        return refused(env, EC_SECURITY_ERESOURCE);
    ERL_NIF_TERM result;
    int status = EC_SECURITY_OK;
    /* The groups of a user may be many: 65536 numbers of eleven characters. */
    size_t length = 65536 * 11 + 1;
    char *buffer = enif_alloc(length);
    if (!buffer)
        result = enif_raise_exception(env, enif_make_atom(env, "enomem"));
    else if (!set_options(env, policy, argv[0], &status) || !get_text(env, argv[1], &option))
        result = enif_make_badarg(env);
    else {
        int needed = status == EC_SECURITY_OK ? ec_security_policy_get(policy, option, buffer, length) : -status;
        result = needed < 0 ? refused_with(env, -needed, ec_security_policy_error(policy))
                            : ok(env, binary(env, buffer, (size_t)needed < length ? (size_t)needed : length - 1));
    }
    if (buffer)
        enif_free(buffer);
    ec_security_policy_free(policy);
    return result;
}

static ERL_NIF_TERM nif_caps_from_text(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    const char *text;
    ec_security_caps caps;
    if (!get_text(env, argv[0], &text))
        return enif_make_badarg(env);
    int status = ec_security_caps_from_text(text, &caps);
    if (status != EC_SECURITY_OK)
        return refused(env, status);
    return ok(env, enif_make_tuple3(env, enif_make_uint64(env, caps.effective), enif_make_uint64(env, caps.permitted),
                                    enif_make_uint64(env, caps.inheritable)));
}

/* What a function like snprintf(3) writes: it is called again with a larger buffer until all of it fits. */
#define FILLED(env, call) \
    do { \
        size_t length = 256; \
        for (;;) { \
            char *buffer = enif_alloc(length); \
            if (!buffer) \
                return enif_raise_exception(env, enif_make_atom(env, "enomem")); \
            int needed = (call); \
            if (needed >= 0 && (size_t)needed >= length) { \
                enif_free(buffer); \
                length = (size_t)needed + 1; \
                continue; \
            } \
            ERL_NIF_TERM result = needed < 0 ? refused(env, -needed) : ok(env, binary(env, buffer, (size_t)needed)); \
            enif_free(buffer); \
            return result; \
        } \
    } while (0)

static ERL_NIF_TERM nif_caps_to_text(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    const ERL_NIF_TERM *set;
    int arity;
    ErlNifUInt64 effective, permitted, inheritable;
    if (!enif_get_tuple(env, argv[0], &arity, &set) || arity != 3 || !enif_get_uint64(env, set[0], &effective) ||
        !enif_get_uint64(env, set[1], &permitted) || !enif_get_uint64(env, set[2], &inheritable))
        return enif_make_badarg(env);
    ec_security_caps caps = {.effective = effective, .permitted = permitted, .inheritable = inheritable};
    FILLED(env, ec_security_caps_to_text(&caps, buffer, length));
}

static ERL_NIF_TERM nif_status(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc;
    int pid;
    if (!enif_get_int(env, argv[0], &pid))
        return enif_make_badarg(env);
    FILLED(env, ec_security_status(pid, buffer, length));
}

static ERL_NIF_TERM nif_statuses(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc, (void)argv;
    ERL_NIF_TERM list = enif_make_list(env, 0);
    for (size_t i = sizeof statuses / sizeof *statuses; i-- > 0;)
        list = enif_make_list_cell(env,
                                   enif_make_tuple2(env, enif_make_atom(env, statuses[i].name),
                                                    enif_make_int(env, statuses[i].status)),
                                   list);
    return list;
}

static ERL_NIF_TERM nif_version(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc, (void)argv;
    const char *version = ec_security_version();
    return binary(env, version, strlen(version));
}

static ErlNifFunc functions[] = {
    {"nif_apply", 3, nif_apply, ERL_NIF_DIRTY_JOB_IO_BOUND},
    {"nif_policy", 2, nif_policy, ERL_NIF_DIRTY_JOB_IO_BOUND},
    {"nif_get", 2, nif_get, ERL_NIF_DIRTY_JOB_IO_BOUND},
    {"nif_caps_from_text", 1, nif_caps_from_text, ERL_NIF_DIRTY_JOB_CPU_BOUND},
    {"nif_caps_to_text", 1, nif_caps_to_text, 0},
    {"nif_status", 1, nif_status, ERL_NIF_DIRTY_JOB_IO_BOUND},
    {"statuses", 0, nif_statuses, 0},
    {"version", 0, nif_version, 0},
};

ERL_NIF_INIT(ec_security, functions, NULL, NULL, NULL, NULL)
