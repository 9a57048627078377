//! The messages of a ceremony: as others write them, as we write them, and as nobody should.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod broadcasts;
mod bundles;
mod independent;
mod own;
mod rounds;
mod signatures;
mod steps;
mod whole;

use std::path::PathBuf;

use hearth_crypto::k1::{NodeKey, NodePublicKey};
use hearth_dkg::frost::{RoundOne, Terms};
use hearth_types::{OperatorIndex, Threshold};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::Value;

/// A vector of the specification; `None` where these are not at hand.
fn vector(name: &str) -> Option<Value> {
    let folder = std::env::var_os("HEARTH_VECTORS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors")),
        PathBuf::from,
    );
    let path = folder.join("obol-dkg").join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(_) => {
            println!("skipped: {} not found", path.display());
            None
        }
    }
}

fn hex_of(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn sized<const N: usize>(value: &Value) -> [u8; N] {
    hex_of(value).try_into().unwrap()
}

/// Keys of the operators of the vectors.
fn peers(file: &Value) -> Vec<NodePublicKey> {
    let key = |peer: &Value| NodePublicKey::from_bytes(&sized(&peer["k1_pubkey"])).unwrap();
    file["peers"].as_array().unwrap().iter().map(key).collect()
}

fn operator(position: u8) -> OperatorIndex {
    OperatorIndex::new(position).unwrap()
}

/// Four operators, any three of whom suffice, and two validators: the ceremony of the vectors, too.
fn terms(me: u8) -> Terms {
    let threshold = Threshold::new(3, 4).unwrap();
    Terms { me: operator(me), operators: 4, threshold, validators: 2 }
}

fn round(me: u8) -> RoundOne {
    RoundOne::begin(terms(me), &mut ChaCha20Rng::seed_from_u64(me.into()))
}

fn node_key(seed: u8) -> NodeKey {
    NodeKey::from_bytes(&[seed; 32]).unwrap()
}
