--- Threads for LuaJIT, which has none: each runs a Lua state of its own, as servers that embed it have them.
--
--     local worker = threads.start("return function(shared) … end", shared)
--
-- The function gets a pointer to memory that all share, as a number.
local ffi = require("ffi")

ffi.cdef([[
typedef struct lua_State lua_State;
lua_State *luaL_newstate(void);
void luaL_openlibs(lua_State *);
int luaL_loadstring(lua_State *, const char *);
int lua_pcall(lua_State *, int, int, int);
void lua_pushnumber(lua_State *, double);
double lua_tonumber(lua_State *, int);
const char *lua_tolstring(lua_State *, int, size_t *);
int pthread_create(unsigned long *, const void *, void *(*)(void *), void *);
]])
local L = ffi.load("luajit-5.1.so.2")

local threads = {}

-- The new state makes the C function of the thread itself: a callback runs in the state that has made it, which from then
-- on belongs to the new thread alone.
local STARTER = [[
local ffi = require("ffi")
local body = %s
local address = %.0f
callback = ffi.cast("void *(*)(void *)", function()
    local fine, why = pcall(body, address)
    io.stderr:write("a worker has ended: ", tostring(why), "\n")
    os.exit(1)
end)
return tonumber(ffi.cast("uintptr_t", ffi.cast("void *", callback)))
]]

function threads.start(body, shared)
    local state = L.luaL_newstate()
    L.luaL_openlibs(state)
    local source = STARTER:format("(function() " .. body .. " end)()", tonumber(ffi.cast("uintptr_t", ffi.cast("void *", shared))))
    if L.luaL_loadstring(state, source) ~= 0 or L.lua_pcall(state, 0, 1, 0) ~= 0 then
        error(ffi.string(L.lua_tolstring(state, -1, nil)))
    end
    local start = ffi.cast("void *(*)(void *)", ffi.cast("uintptr_t", L.lua_tonumber(state, -1)))
    local thread = ffi.new("unsigned long[1]")
    if ffi.C.pthread_create(thread, nil, start, nil) ~= 0 then
        error("pthread_create failed")
    end
end

return threads
