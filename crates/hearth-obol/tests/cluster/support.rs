//! What the tests of cluster files share.

use std::path::Path;

use hearth_crypto::SecretKey;
use hearth_crypto::k1::NodeKey;
use hearth_obol::cluster::{DkgAlgorithm, Network, Networks, Plan};
use hearth_types::ForkVersion;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::Value;

use crate::vectors::{folder, vector_json};

/// A rich person's address with its checksum.
pub(crate) const ADDRESS: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

/// The known networks and the testnet of one of the vectors.
pub(crate) fn networks() -> Networks {
    let fork_version = ForkVersion::new([0x01, 0x01, 0x70, 0x00]);
    Networks::known().with(Network::custom("testnet", fork_version, 17_000, 1_696_000_704, None).unwrap())
}

/// A source of randomness that repeats itself.
pub(crate) fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([7; 32])
}

/// Keys of nodes, the same each time.
pub(crate) fn node_keys(count: u8) -> Vec<NodeKey> {
    let key = |seed: u8| {
        let mut bytes = [0x11; 32];
        bytes[31] = seed;
        NodeKey::from_bytes(&bytes).unwrap()
    };
    (1..=count).map(key).collect()
}

/// Keys of validators, the same each time.
pub(crate) fn secrets(count: u8) -> Vec<SecretKey> {
    (1..=count).map(|seed| SecretKey::from_bytes(&[seed; 32]).unwrap()).collect()
}

/// A plan that nothing speaks against.
pub(crate) fn plan() -> Plan {
    Plan {
        name: "a cluster of ours".to_owned(),
        network: Networks::known().by_name("hoodi").unwrap().clone(),
        threshold: None,
        withdrawal_addresses: vec![ADDRESS.to_owned()],
        fee_recipients: vec![ADDRESS.to_lowercase()],
        deposit_amounts: Vec::new(),
        compounding: false,
        gas_limit: 60_000_000,
        consensus_protocol: "qbft".to_owned(),
        dkg_algorithm: DkgAlgorithm::Default,
        timestamp: "2026-01-02T03:04:05Z".to_owned(),
        uuid: "A0000000-0000-4000-8000-000000000000".to_owned(),
        registered_at_s: None,
    }
}

/// The rows of a vector file that is a list; empty where the vectors are not at hand.
pub(crate) fn rows(name: &str) -> Vec<Value> {
    vector_json(name).map_or_else(Vec::new, |json| json.as_array().unwrap().clone())
}

/// The files of a folder of the vectors whose names begin like this, as (name, content), sorted.
pub(crate) fn vectors_in(name: &str, prefix: &str) -> Vec<(String, Vec<u8>)> {
    files(&folder().join(name), prefix)
}

/// Vectors of our own making: one lock per version, made and signed with fixed keys.
pub(crate) fn own_locks() -> Vec<(String, Vec<u8>)> {
    let own = files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors")), "cluster-lock-");
    assert_eq!(own.len(), 12);
    own
}

/// Our own lock in the latest version.
pub(crate) fn latest_lock() -> Value {
    let (_, json) = own_locks().into_iter().find(|(name, _)| name == "cluster-lock-v1.11.0.json").unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn files(folder: &Path, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        println!("skipped: {} not found", folder.display());
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .filter(|(name, _)| {
            name.starts_with(prefix) && name.ends_with(".json") && !name.ends_with(".keys.json")
        })
        .map(|(name, path)| (name, std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}
