//! What the crate promises, through its public face.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod hostile;
mod pedersen;
mod runs;
mod vectors;

use hearth_dkg::frost::{Cast, Claim, MadeKey, RoundOne, RoundTwo, Terms};
use hearth_types::{OperatorIndex, Threshold};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

fn operator(position: u8) -> OperatorIndex {
    OperatorIndex::new(position).unwrap()
}

fn terms(me: u8, operators: u8, threshold: u64, validators: usize) -> Terms {
    let threshold = Threshold::new(threshold, operators).unwrap();
    Terms { me: operator(me), operators, threshold, validators }
}

/// Every operator's first round, drawn from a seed.
fn begin(operators: u8, threshold: u64, validators: usize, seed: u64) -> Vec<RoundOne> {
    let round = |me: u8| {
        let mut rng = ChaCha20Rng::seed_from_u64(seed * 1_000 + u64::from(me));
        RoundOne::begin(terms(me, operators, threshold, validators), &mut rng)
    };
    (0..operators).map(round).collect()
}

/// What an operator tells in the first round, and to whom.
fn casts_of(round: &RoundOne) -> Vec<Cast> {
    round.casts().to_vec()
}

fn shares_from(round: &RoundOne, to: OperatorIndex) -> Vec<hearth_crypto::SecretKey> {
    let copy =
        |share: &hearth_crypto::SecretKey| hearth_crypto::SecretKey::from_bytes(&share.to_bytes()).unwrap();
    round.shares_for(to).iter().map(copy).collect()
}

/// Tells everybody everything of the first round.
fn exchange(mut rounds: Vec<RoundOne>) -> Vec<RoundOne> {
    for to in 0..rounds.len() {
        for from in (0..rounds.len()).filter(|from| *from != to) {
            let (sender, receiver) = (operator(from as u8), operator(to as u8));
            let (casts, shares) = (casts_of(&rounds[from]), shares_from(&rounds[from], receiver));
            // Whichever comes first.
            if from > to {
                rounds[to].take_casts(sender, casts).unwrap();
                rounds[to].take_shares(sender, shares).unwrap();
            } else {
                rounds[to].take_shares(sender, shares).unwrap();
                rounds[to].take_casts(sender, casts).unwrap();
            }
        }
    }
    rounds
}

/// Tells everybody everything of the second round.
fn confirm(mut rounds: Vec<RoundTwo>) -> Vec<Vec<MadeKey>> {
    let claims: Vec<Vec<Claim>> = rounds.iter().map(RoundTwo::claims).collect();
    for (to, round) in rounds.iter_mut().enumerate() {
        for (from, claims) in claims.iter().enumerate().filter(|(from, _)| *from != to) {
            round.take_claims(operator(from as u8), claims).unwrap();
        }
    }
    rounds.into_iter().map(|round| round.finish().unwrap()).collect()
}
