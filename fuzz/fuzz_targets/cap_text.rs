//! Hostile capability texts, and any three sets.
#![no_main]

#[path = "../checks/cap_text.rs"]
mod cap_text;

libfuzzer_sys::fuzz_target!(|text: &[u8]| cap_text::check(text));
