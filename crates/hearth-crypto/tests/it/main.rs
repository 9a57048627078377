//! What the crate promises, through its public face.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod batch;
mod encodings;
mod k1;
mod signatures;
mod slot;
mod threshold;

use std::path::PathBuf;

use hearth_crypto::{PublicKey, SecretKey, Signature};
use hearth_types::{ShareIndex, SigningRoot};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::Value;

/// A vector of our own, in `tests/vectors`.
fn own(name: &str) -> Value {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors")).join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A vector of the collection that is shared among projects; `None` where there is no such collection.
fn shared(name: &str) -> Option<Value> {
    let folder = std::env::var_os("HEARTH_VECTORS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors")),
        PathBuf::from,
    );
    let path = folder.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(_) => {
            println!("skipped: {} not found", path.display());
            None
        }
    }
}

/// A text field of hex digits, with or without `0x`, of exactly `N` bytes.
fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    let text = value.as_str().unwrap_or_else(|| panic!("no text: {value}"));
    hex::decode(text.trim_start_matches("0x"))
        .unwrap()
        .try_into()
        .unwrap_or_else(|_| panic!("not {N} bytes: {text}"))
}

fn secret(value: &Value) -> SecretKey {
    SecretKey::from_bytes(&bytes(value)).unwrap()
}

fn public(value: &Value) -> PublicKey {
    PublicKey::from_bytes(&bytes(value)).unwrap()
}

fn signature(value: &Value) -> Signature {
    Signature::from_bytes(&bytes(value)).unwrap()
}

fn root(value: &Value) -> SigningRoot {
    SigningRoot::new(bytes(value))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_else(|| panic!("no list: {value}"))
}

/// An object whose names are share indexes, or a list whose first element is share one.
fn by_share(value: &Value) -> Vec<(ShareIndex, &Value)> {
    match value {
        Value::Array(list) => (1..).zip(list).map(|(x, entry)| (share(x), entry)).collect(),
        Value::Object(map) => map.iter().map(|(x, entry)| (share(x.parse().unwrap()), entry)).collect(),
        _ => panic!("no shares: {value}"),
    }
}

fn share(x: u8) -> ShareIndex {
    ShareIndex::new(x).unwrap()
}

fn seeded(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

const ROOT: SigningRoot = SigningRoot::new([0x5a; 32]);
const OTHER_ROOT: SigningRoot = SigningRoot::new([0xa5; 32]);
