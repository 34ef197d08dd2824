//! The command `ec-security`.
fn main() {}
