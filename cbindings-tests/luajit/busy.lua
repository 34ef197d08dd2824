-- A LuaJIT server whose workers, each a Lua state of its own, never rest; tests/runtimes says what it answers to.
local ffi = require("ffi")
local security = require("ec_security")
local threads = require("threads")

local WORKERS = 3

-- What all states declare, and the memory they share.
local DECLARATIONS = [[
typedef struct { volatile double done[3]; volatile int job[3], argument[3], answer[3]; } shared_t;
struct in_address { uint16_t family, port; uint32_t address; char zero[8]; };
int socket(int, int, int);
int bind(int, const struct in_address *, uint32_t);
int listen(int, int);
uint16_t htons(uint16_t);
uint32_t htonl(uint32_t);
char *strerror(int);
int poll(void *, unsigned long, int);
int setuid(unsigned);
void _exit(int);
]]
ffi.cdef(DECLARATIONS)

-- Listens on a port of 127.0.0.1: 0, or the errno.
local LISTEN = [[
function(port)
    local ffi = require("ffi")
    local C = ffi.C
    local listener = C.socket(2, 1, 0) -- AF_INET, SOCK_STREAM
    local address = ffi.new("struct in_address", 2, C.htons(port), C.htonl(0x7f000001))
    if listener < 0 or C.bind(listener, address, 16) ~= 0 or C.listen(listener, 5) ~= 0 then
        return ffi.errno()
    end
    return 0
end
]]

local BIND, RACE = 1, 2

-- Computes and waits; a job may come in between.
local WORKER = [[
local ffi = require("ffi")
local security = require("ec_security")
ffi.cdef(%q)
local listen = %s
local number = %d

local function wrong_messages(name)
    local wrong = 0
    for _ = 1, 100 do
        local fine, err = pcall(security.apply, name)
        if fine or not tostring(err):find(name, 1, true) then
            wrong = wrong + 1
        end
    end
    return wrong
end

return function(address)
    local shared = ffi.cast("shared_t *", ffi.cast("uintptr_t", address))
    local sum = 0
    while true do
        for n = 1, 1e5 do
            sum = sum + n %% 7
        end
        -- Also what makes the compiler read shared memory anew.
        ffi.C.poll(nil, 0, number == 0 and 0 or 1)
        shared.done[number] = shared.done[number] + 1
        local job = shared.job[number]
        if job ~= 0 then
            shared.answer[number] = job == 1 and listen(shared.argument[number]) or wrong_messages("no-such-" .. number)
            shared.job[number] = 0
        end
    end
end
]]

local shared = ffi.new("shared_t")
local listen = loadstring("return " .. LISTEN)()

local function begin(number, job, argument)
    shared.argument[number] = argument
    shared.job[number] = job
end

local function answer_of(number)
    while shared.job[number] ~= 0 do
        ffi.C.poll(nil, 0, 1)
    end
    return shared.answer[number]
end

local function verdict(errno)
    return errno == 0 and "ok" or "failed\t" .. ffi.string(ffi.C.strerror(errno))
end

local function decimal(number)
    return (tostring(number):gsub("ULL$", ""))
end

local function policy_from(how, argument)
    local policy = security.policy()
    policy[how](policy, argument)
    policy:apply()
    return "ok"
end

local commands = {
    work = function()
        local said = { "work" }
        for number = 0, WORKERS - 1 do
            said[#said + 1] = ("%.0f"):format(shared.done[number])
        end
        return table.concat(said, "\t")
    end,
    apply = function(...)
        security.apply(...)
        return "ok"
    end,
    policy = function(verb, ...)
        local options = {}
        for _, word in ipairs({ ... }) do
            local option, value = word:match("^(.-)=(.*)$")
            options[option] = value
        end
        local policy = security.policy(options)
        policy[verb](policy)
        return "ok"
    end,
    get = function(user, option)
        return security.policy({ user = user }):get(option)
    end,
    parse = function(text)
        return policy_from("parse", text)
    end,
    load = function(path)
        return policy_from("load", path)
    end,
    raised = function(caps)
        return security.raised(caps, function()
            print("inside")
            io.read()
            return "ok"
        end)
    end,
    bind = function(where, port)
        if where == "main" then
            return verdict(listen(tonumber(port)))
        end
        begin(0, BIND, tonumber(port))
        return verdict(answer_of(0))
    end,
    root = function()
        return verdict(ffi.C.setuid(0) == 0 and 0 or ffi.errno())
    end,
    text = function(text)
        local caps = security.caps_from_text(text)
        local sets = { decimal(caps.effective), decimal(caps.permitted), decimal(caps.inheritable) }
        return ("text\t%s\t%s"):format(table.concat(sets, "\t"), security.caps_to_text(caps))
    end,
    status = function()
        return "status\t" .. security.status():gsub("\n", " | ")
    end,
    version = function()
        return "version\t" .. security.version()
    end,
    names = function()
        local said = { "names" }
        for name, number in pairs(security.status_numbers) do
            said[#said + 1] = name .. "=" .. number
        end
        return table.concat(said, "\t")
    end,
    nul = function()
        local fine, err = pcall(security.apply, "root\0nobody")
        return not fine and tostring(err):find("NUL byte") and "refused" or "taken"
    end,
    race = function()
        begin(0, RACE, 0)
        begin(1, RACE, 0)
        return ("race\t200\t%d"):format(answer_of(0) + answer_of(1))
    end,
}

for number = 0, WORKERS - 1 do
    threads.start(WORKER:format(DECLARATIONS, LISTEN, number), shared)
end
io.stdout:setvbuf("line")
print("ready")
for line in io.lines() do
    local words, last = {}, 0
    for word in (line .. "\t"):gmatch("([^\t]*)\t") do
        last = last + 1
        words[last] = word ~= "-" and word or nil
    end
    local fine, said = pcall(commands[words[1]], unpack(words, 2, last))
    if not fine then
        if getmetatable(said) ~= security.Error then
            error(said, 0)
        end
        said = ("error\t%s\t%s\t%s"):format(said.name, said.kind, said)
    end
    print(said)
end
-- At once: the workers never end.
ffi.C._exit(0)
