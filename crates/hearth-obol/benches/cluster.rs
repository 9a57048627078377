//! What a cluster of a thousand validators costs, key derivation apart: dealing it, checking it as a stranger, and putting its
//! keys together again. Uses all cores.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark may fail")]

use divan::{Bencher, black_box};
use hearth_crypto::SecretKey;
use hearth_crypto::k1::NodeKey;
use hearth_crypto::threshold::recombine_secret;
use hearth_obol::cluster::{Dealt, DkgAlgorithm, Lock, Networks, Plan, deal};
use hearth_types::{OperatorIndex, ShareIndex};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

const ADDRESS: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
/// A thousand; a debug build only makes sure that this runs.
const VALIDATORS: usize = if cfg!(debug_assertions) { 20 } else { 1_000 };

fn main() {
    divan::main();
}

fn secrets(rng: &mut ChaCha20Rng) -> Vec<SecretKey> {
    std::iter::repeat_with(|| SecretKey::generate(rng)).take(VALIDATORS).collect()
}

fn dealt(secrets: Vec<SecretKey>) -> Dealt {
    let plan = Plan {
        name: "a thousand".to_owned(),
        network: Networks::known().by_name("hoodi").unwrap().clone(),
        threshold: None,
        withdrawal_addresses: vec![ADDRESS.to_owned()],
        fee_recipients: vec![ADDRESS.to_owned()],
        deposit_amounts: Vec::new(),
        compounding: false,
        gas_limit: 60_000_000,
        consensus_protocol: String::new(),
        dkg_algorithm: DkgAlgorithm::Default,
        timestamp: "2026-01-02T03:04:05Z".to_owned(),
        uuid: "A0000000-0000-4000-8000-000000000000".to_owned(),
        registered_at_s: None,
    };
    let nodes: Vec<NodeKey> = (1..=4).map(|seed| NodeKey::from_bytes(&[seed; 32]).unwrap()).collect();
    deal(&plan, &nodes, secrets, &mut ChaCha20Rng::seed_from_u64(2)).unwrap()
}

/// Splits, signs, and checks the result.
#[divan::bench(sample_count = 5)]
fn deal_1000_validators_to_4(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(|| secrets(&mut ChaCha20Rng::seed_from_u64(1))).bench_local_values(dealt);
}

/// Reads and checks a lock.
#[divan::bench(sample_count = 5)]
fn verify_1000_validators_of_4(bencher: Bencher<'_, '_>) {
    let json = dealt(secrets(&mut ChaCha20Rng::seed_from_u64(1))).lock_json;
    let networks = Networks::known();
    bencher.bench_local(|| Lock::from_json(black_box(json.as_bytes())).unwrap().verify(&networks).unwrap());
}

/// Puts three of four shares together, for each validator.
#[divan::bench(sample_count = 5)]
fn recombine_1000_keys(bencher: Bencher<'_, '_>) {
    let shares = dealt(secrets(&mut ChaCha20Rng::seed_from_u64(1))).shares;
    let indexes: Vec<ShareIndex> = OperatorIndex::all(3).map(OperatorIndex::share).collect();
    bencher.bench_local(|| {
        for validator in 0..VALIDATORS {
            let points: Vec<_> =
                indexes.iter().zip(&shares).map(|(index, node)| (*index, &node[validator])).collect();
            black_box(recombine_secret(&points).unwrap().public_key());
        }
    });
}
