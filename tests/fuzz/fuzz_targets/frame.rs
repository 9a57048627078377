//! libFuzzer's way into [`hearth_fuzz::frame`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| hearth_fuzz::frame(input));
