//! Link arguments of the plain-cargo shared library.

fn main() {
    // A handler of ours may be installed when the library is unloaded: it must stay mapped.
    for arg in ["-Wl,-soname,libec_security.so.0", "-Wl,-z,nodelete", "-Wl,-z,now", "-Wl,-z,relro"] {
        println!("cargo:rustc-cdylib-link-arg={arg}");
    }
}
