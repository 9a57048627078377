//! libFuzzer's way into [`hearth_fuzz::gathering`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| hearth_fuzz::gathering(input));
