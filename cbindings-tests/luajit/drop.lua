-- The one call in a LuaJIT program with threads: drop.lua USER GROUP CAPS, where "-" stands for nil.
local ffi = require("ffi")
local security = require("ec_security")
local threads = require("threads")

local function given(word)
    return word ~= "-" and word or nil
end

for _ = 1, 3 do
    threads.start('require("ffi").cdef("int pause(void);") return function() while true do require("ffi").C.pause() end end', nil)
end
io.stdout:setvbuf("line")
print("ready")
io.read()
local fine, err = pcall(security.apply, given(arg[1]), given(arg[2]), given(arg[3]))
if fine then
    print("dropped")
elseif getmetatable(err) == security.Error then
    print(("refused: %s: %s"):format(err.kind, err))
else
    error(err, 0)
end
io.read()
-- At once: the others wait for ever.
ffi.cdef("void _exit(int);")
ffi.C._exit(fine and 0 or 1)
