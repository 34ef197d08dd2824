//! Hostile configuration texts.
#![no_main]

use std::sync::Once;

#[path = "../checks/stanza.rs"]
mod stanza;

// Not before the first text: with -merge=1, libFuzzer runs itself again by the relative name it was started by.
static SET_UP: Once = Once::new();

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    SET_UP.call_once(stanza::set_up);
    stanza::check(text)
});
