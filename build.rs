//! Link arguments of the plain-cargo shared library, and a fresh header in OUT_DIR for the test that compares it with the
//! committed one. Nothing is written into the source tree.

use std::{env, path::PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=src/capi/mod.rs");
    println!("cargo:rerun-if-changed=src/caps/set.rs");
    println!("cargo:rerun-if-changed=cbindgen.toml");

    // A handler of ours may be installed when the library is unloaded: it must stay mapped.
    for arg in ["-Wl,-soname,libec_security.so.0", "-Wl,-z,nodelete", "-Wl,-z,now", "-Wl,-z,relro"] {
        println!("cargo:rustc-cdylib-link-arg={arg}");
    }

    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml parses");
    cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("src/capi/mod.rs"))
        .with_src(root.join("src/caps/set.rs"))
        .generate()
        .expect("cbindgen reads src/capi/mod.rs")
        .write_to_file(out.join("ec_security.h"));
    println!("cargo:rustc-env=EC_SECURITY_FRESH_HEADER={}", out.join("ec_security.h").display());
}
