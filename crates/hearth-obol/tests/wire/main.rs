//! Every byte between operators: the vectors of the specification, and what malformed and hostile input does.

#![allow(clippy::indexing_slicing, clippy::print_stdout, clippy::unwrap_used, reason = "a test may fail")]

mod consensus;
mod infosync;
mod partials;
mod pb;
mod peerinfo;
mod priority;
mod support;
mod values;

/// A file of the vectors of the specification as JSON; `None` where these are not at hand.
fn vector_json(name: &str) -> Option<serde_json::Value> {
    support::vector(name).map(|content| serde_json::from_slice(&content).unwrap())
}

/// The bytes behind a field of hex digits, with or without `0x`.
fn bytes(field: &serde_json::Value) -> Vec<u8> {
    let text = field.as_str().unwrap();
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).unwrap()
}
