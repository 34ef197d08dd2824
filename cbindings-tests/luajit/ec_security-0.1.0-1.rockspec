rockspec_format = "3.0"
package = "ec_security"
version = "0.1.0-1"
-- The host fills in where the sources are; `luarocks make` takes those of this directory.
source = { url = "." }
description = {
    summary = "Drops the privileges of every thread of this process, through libec_security",
    license = "MIT OR Apache-2.0",
}
-- LuaJIT, for its ffi, goes by the version of the language that it speaks.
dependencies = { "lua == 5.1" }
build = { type = "builtin", modules = { ec_security = "ec_security.lua" } }
