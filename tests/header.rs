//! The committed header is the one cbindgen makes of the source: a forgotten `make header` is found here.

use std::{env, fs, path::Path};

#[test]
fn header_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("include/ec_security.h");
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml parses");
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("src/capi/types.rs"))
        .with_src(root.join("src/capi/mod.rs"))
        .with_src(root.join("src/caps/set.rs"))
        .generate()
        .expect("cbindgen reads the sources");
    let mut fresh = Vec::new();
    bindings.write(&mut fresh);
    let fresh = String::from_utf8(fresh).expect("the header is UTF-8");
    // How `make header` writes it: a build script may not write into the source tree.
    if env::var_os("EC_SECURITY_WRITE_HEADER").is_some() {
        fs::create_dir_all(path.parent().expect("include/")).expect("include/ can be made");
        fs::write(&path, &fresh).expect("include/ec_security.h can be written");
    }
    let committed = fs::read_to_string(&path).expect("include/ec_security.h");
    let differs = fresh.lines().zip(committed.lines()).position(|(a, b)| a != b);
    let at = differs.unwrap_or(fresh.lines().count().min(committed.lines().count()));
    assert!(
        fresh == committed,
        "include/ec_security.h is stale from line {}: run `make header`\n  fresh:     {}\n  committed: {}",
        at + 1,
        fresh.lines().nth(at).unwrap_or("(ends)"),
        committed.lines().nth(at).unwrap_or("(ends)"),
    );
}
