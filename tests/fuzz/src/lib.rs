//! What the parsers of foreign files and messages promise, held against any bytes.
//!
//! One function per kind of file. It takes bytes as a stranger could send them, does with them whatever a node would do,
//! and panics when a promise is broken: a parser that panics itself, a file that is written otherwise than it was read,
//! an error that is no line of text. `fuzz_targets/` hands these functions to libFuzzer, which looks for such bytes;
//! `tests/replay.rs` hands them the bytes of `corpus/`, so that what was found once stays found.
//!
//! Knows only what the crates make public. The same bytes always take the same road.

mod ceremony;
mod definition;
mod enr;
mod frame;
mod gathering;
mod keystore;
mod lock;
mod wire;

use std::fmt::Display;

pub use ceremony::ceremony;
pub use definition::definition;
pub use enr::enr;
pub use frame::frame;
pub use gathering::gathering;
pub use keystore::keystore;
pub use lock::lock;
pub use wire::wire;

/// What a target does with bytes.
type Promise = fn(&[u8]);

/// Every target, by the name of its file in `fuzz_targets/` and of its folder in `corpus/`.
pub const TARGETS: [(&str, Promise); 8] = [
    ("definition", definition),
    ("lock", lock),
    ("enr", enr),
    ("keystore", keystore),
    ("ceremony", ceremony),
    ("gathering", gathering),
    ("wire", wire),
    ("frame", frame),
];

/// Bytes of the longest sentence about a file. Parts of the file that a sentence repeats are cut, well below this.
const LONGEST_SENTENCE: usize = 1024;

/// A sentence about a file goes to a terminal and into a log: whatever the file holds, it stays one line of bounded
/// length, without control characters.
fn assert_is_a_line(sentence: &impl Display) {
    let text = sentence.to_string();
    assert!(!text.is_empty() && text.len() <= LONGEST_SENTENCE, "{} bytes: {text:?}", text.len());
    assert!(!text.contains(char::is_control), "{text:?}");
}
