//! Where vectors are, and keys to play with.

use std::path::PathBuf;

use hearth_crypto::SecretKey;
use hearth_types::{ChainSpec, Epoch, ForkName, ForkSchedule, ForkVersion, Root, ScheduledFork, UnixMillis};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use serde_json::Value;

/// The folder of the shared vectors, or a line that says that the test was skipped.
pub(crate) fn vectors(folder: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
    let root = std::env::var_os("HEARTH_VECTORS").map_or_else(|| default.into(), PathBuf::from);
    let found = root.join(folder);
    if !found.exists() {
        println!("skipped: {} not found", found.display());
        return None;
    }
    Some(found)
}

pub(crate) fn json(path: impl Into<PathBuf>) -> Value {
    let path = path.into();
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

/// Bytes of a hex text with or without `0x`.
pub(crate) fn bytes<const N: usize>(text: &Value) -> [u8; N] {
    let text = text.as_str().unwrap();
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).unwrap().try_into().unwrap()
}

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(crate) fn secret(seed: u64) -> SecretKey {
    SecretKey::generate(&mut rng(seed))
}

/// The same key again: keys have no `Clone`.
pub(crate) fn again(key: &SecretKey) -> SecretKey {
    SecretKey::from_bytes(&key.to_bytes()).unwrap()
}

/// A chain with a fork in every one of its first epochs. `tests/vectors/signing-roots.json` is of this chain.
pub(crate) fn chain() -> ChainSpec {
    let epochs = [0, 1, 2, 3, 4, 5, 9];
    let fork = |(name, epoch): (ForkName, u64)| ScheduledFork {
        name,
        epoch: Epoch::new(epoch),
        version: ForkVersion::new([name.number() as u8, 0, 9, 0x10]),
    };
    chain_with(ForkName::ALL.into_iter().zip(epochs).map(fork).collect())
}

pub(crate) fn chain_with(forks: Vec<ScheduledFork>) -> ChainSpec {
    let forks = ForkSchedule::new(forks, Epoch::new(1_000_000)).unwrap();
    ChainSpec::new(UnixMillis::new(0), Root::new([0x4b; 32]), 12_000, 32, forks).unwrap()
}
