//! What one of four operators computes in a ceremony, without the way of the messages.

#![allow(missing_docs, clippy::unwrap_used)]

use divan::Bencher;
use hearth_crypto::SecretKey;
use hearth_dkg::frost::{Cast, RoundOne, Terms};
use hearth_types::{OperatorIndex, Threshold};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

const OPERATORS: u8 = 4;

fn main() {
    divan::main();
}

fn begin(me: OperatorIndex, validators: usize) -> RoundOne {
    let threshold = Threshold::default_for(OPERATORS);
    let terms = Terms { me, operators: OPERATORS, threshold, validators };
    RoundOne::begin(terms, &mut ChaCha20Rng::seed_from_u64(me.share().get().into()))
}

fn me() -> OperatorIndex {
    OperatorIndex::all(OPERATORS).next().unwrap()
}

type Told = Vec<(OperatorIndex, Vec<Cast>, Vec<SecretKey>)>;

/// What the others say to the first.
fn told(validators: usize) -> Told {
    let copy = |share: &SecretKey| SecretKey::from_bytes(&share.to_bytes()).unwrap();
    let said = |other| {
        let round = begin(other, validators);
        (other, round.casts().to_vec(), round.shares_for(me()).iter().map(copy).collect())
    };
    OperatorIndex::all(OPERATORS).skip(1).map(said).collect()
}

/// Draws polynomials, commits to them and proves.
#[divan::bench(args = [1, 100, 1_000], sample_count = 5, sample_size = 1)]
fn draw(validators: usize) -> RoundOne {
    begin(me(), validators)
}

/// Checks the commitments, proofs and shares of three others, and puts the keys together.
#[divan::bench(args = [1, 100, 1_000], sample_count = 5, sample_size = 1)]
fn judge(bencher: Bencher<'_, '_>, validators: usize) {
    bencher.with_inputs(|| (begin(me(), validators), told(validators))).bench_values(|(mut round, told)| {
        for (from, casts, shares) in told {
            round.take_casts(from, casts).unwrap();
            round.take_shares(from, shares).unwrap();
        }
        round.finish().unwrap().claims()
    });
}
