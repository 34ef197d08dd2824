--- libec_security for LuaJIT, through its ffi: drops the privileges of every thread of this process.
--
--     local security = require("ec_security")
--     security.apply("ecuser", "ecuser", "cap_net_bind_service+ep")
--
-- A call that is refused raises an error object, whose tostring() is the library's message, and nothing about the process
-- has changed: err.status is the number, err.name its name as in security.status_numbers, err.kind its fixed text,
-- err.message the message. Needs libec_security.so.0, which the loader must find; EC_SECURITY_LIB may name another file.
local ffi = require("ffi")

ffi.cdef([[
typedef struct ec_security_policy ec_security_policy;
typedef struct ec_security_caps { uint64_t effective, permitted, inheritable; } ec_security_caps;
int ec_security_apply(const char *user, const char *group, const char *caps_text);
ec_security_policy *ec_security_policy_new(void);
void ec_security_policy_free(ec_security_policy *policy);
int ec_security_policy_set(ec_security_policy *policy, const char *option, const char *value);
int ec_security_policy_load(ec_security_policy *policy, const char *path);
int ec_security_policy_parse(ec_security_policy *policy, const char *text);
int ec_security_policy_check(ec_security_policy *policy);
int ec_security_policy_apply(ec_security_policy *policy);
int ec_security_policy_get(ec_security_policy *policy, const char *option, char *buf, size_t len);
const char *ec_security_policy_error(const ec_security_policy *policy);
int ec_security_caps_from_text(const char *text, ec_security_caps *out);
int ec_security_caps_to_text(const ec_security_caps *caps, char *buf, size_t len);
int ec_security_status(int pid, char *buf, size_t len);
int ec_security_raise(const char *caps_text);
int ec_security_lower(const char *caps_text);
const char *ec_security_strerror(int status);
const char *ec_security_last_error(void);
const char *ec_security_version(void);
]])

local C = ffi.load(os.getenv("EC_SECURITY_LIB") or "libec_security.so.0")

local security = {
    --- The EC_SECURITY_E… of ec_security.h. Numbers are never given away again; a newer library may have more.
    status_numbers = {
        EARGUMENT = 1,
        ESYNTAX = 2,
        EOPTION = 3,
        EUSER = 4,
        EGROUP = 5,
        ELOOKUP = 6,
        ECAPABILITY = 7,
        EREFUSED = 8,
        ETHREAD = 9,
        EPROC = 10,
        EBUSY = 11,
        ERESOURCE = 12,
        EFILE = 13,
        ENOSTANZA = 14,
        ECHROOT = 15,
        ENOPROCESS = 16,
        EINTERNAL = 17,
    },
}

local names = {}
for name, number in pairs(security.status_numbers) do
    names[number] = name
end

--- The metatable of error objects: getmetatable(err) == security.Error.
security.Error = {
    __tostring = function(err)
        return err.message
    end,
}

-- A policy has a message of its own.
local function fail(status, policy)
    local message = ffi.string(policy and C.ec_security_policy_error(policy) or C.ec_security_last_error())
    error(
        setmetatable({
            status = status,
            name = names[status],
            kind = ffi.string(C.ec_security_strerror(status)),
            message = message,
        }, security.Error),
        0
    )
end

local function check(status, policy)
    if status ~= 0 then
        fail(math.abs(status), policy)
    end
end

-- nil stays NULL; numbers become decimal ids. A NUL inside would cut the text short, which may mean something else.
local function text(value)
    if value == nil then
        return nil
    end
    if type(value) == "number" then
        return ("%.0f"):format(value)
    end
    if type(value) ~= "string" then
        error("a string, a number or nil was expected, not a " .. type(value), 3)
    end
    if value:find("%z") then
        error("a NUL byte inside", 3)
    end
    return value
end

-- What a function like snprintf writes: it is asked again with a larger buffer until all of it fits.
local function written(fill, policy)
    local size = 256
    while true do
        local buffer = ffi.new("char[?]", size)
        local needed = fill(buffer, size)
        if needed < 0 then
            fail(-needed, policy)
        end
        if needed < size then
            return ffi.string(buffer, needed)
        end
        size = needed + 1
    end
end

--- Becomes a user and group, by name or number, with just these capabilities left, in every thread of the process.
function security.apply(user, group, capabilities)
    check(C.ec_security_apply(text(user), text(group), text(capabilities)))
end

local Policy = {}
Policy.__index = Policy

--- Every option of the Security stanza: security.policy({ user = "ecuser", bounding = "keep" }):apply()
function security.policy(options)
    local policy = C.ec_security_policy_new()
    if policy == nil then
        fail(security.status_numbers.ERESOURCE)
    end
    local self = setmetatable({ _policy = ffi.gc(policy, C.ec_security_policy_free) }, Policy)
    for option, value in pairs(options or {}) do
        self:set(option, value)
    end
    return self
end

--- What an option has come to, as set() takes it; also "uid", "gid" and "groups", as numbers.
function Policy:get(option)
    local name = text(option)
    return written(function(buffer, size)
        return C.ec_security_policy_get(self._policy, name, buffer, size)
    end, self._policy)
end

--- Sets one option; nil sets it to its default.
function Policy:set(option, value)
    check(C.ec_security_policy_set(self._policy, text(option), text(value)), self._policy)
end

--- Sets the options of the Security stanza of a configuration file.
function Policy:load(path)
    check(C.ec_security_policy_load(self._policy, text(path)), self._policy)
end

--- As load(), of a text.
function Policy:parse(configuration)
    check(C.ec_security_policy_parse(self._policy, text(configuration)), self._policy)
end

--- Raises what apply() would raise; changes nothing.
function Policy:check()
    check(C.ec_security_policy_check(self._policy), self._policy)
end

--- Every thread of the process ends as asked, or this raises an error and nothing has changed.
function Policy:apply()
    check(C.ec_security_policy_apply(self._policy), self._policy)
end

--- The sets that a text in the format of cap_from_text(3) describes: effective, permitted and inheritable, as uint64_t.
function security.caps_from_text(capabilities)
    local caps = ffi.new("ec_security_caps")
    check(C.ec_security_caps_from_text(text(capabilities), caps))
    return { effective = caps.effective, permitted = caps.permitted, inheritable = caps.inheritable }
end

--- The text of three sets, as cap_to_text(3) has it.
function security.caps_to_text(caps)
    local given = ffi.new("ec_security_caps", caps.effective, caps.permitted, caps.inheritable)
    return written(function(buffer, size)
        return C.ec_security_caps_to_text(given, buffer, size)
    end)
end

--- What each thread of a process holds, as text; nothing or 0 is this process.
function security.status(pid)
    return written(function(buffer, size)
        return C.ec_security_status(pid or 0, buffer, size)
    end)
end

--- Makes permitted capabilities effective in the calling thread.
function security.raise(capabilities)
    check(C.ec_security_raise(text(capabilities)))
end

--- Takes capabilities out of the calling thread's effective set; they stay permitted.
function security.lower(capabilities)
    check(C.ec_security_lower(text(capabilities)))
end

--- Calls body(...) with capabilities effective in this thread, and lowers them however it ends.
function security.raised(capabilities, body, ...)
    security.raise(capabilities)
    local function done(fine, ...)
        security.lower(capabilities)
        if not fine then
            error((...), 0)
        end
        return ...
    end
    return done(pcall(body, ...))
end

--- The version of the library that is loaded.
function security.version()
    return ffi.string(C.ec_security_version())
end

return security
