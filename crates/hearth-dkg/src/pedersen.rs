//! Key generation by joint Feldman sharing with sealed deals, responses and justifications: what Drand's library does and Charon
//! calls Pedersen. A run makes one key; a ceremony holds one run after another.
//!
//! ```text
//! Run::begin ─► DealBundle            to everybody
//!    hear    ◄─ bundles of the others, of any phase, in any order
//!    step    ─► ResponseBundle        when all deals are in, or their time is up
//!            ─► JustificationBundle   when all responses are in, or their time is up, and somebody has complained
//!            ─► MadeKey, or why there is none
//! ```
//!
//! A bundle is known by its author's signature; what is signed by nobody of the ceremony is ignored. Who sends two different bundles of
//! a kind has sent none. Dealers who do not do their part are left out, as long as enough are left; but Charon then wants a public
//! share of every operator, so that a ceremony needs all of them in the end.
//!
//! Source: `spec/obol-dkg.md` 13.

mod bundle;
mod run;

use hearth_crypto::PublicKey;
use hearth_types::OperatorIndex;
use sha2::{Digest, Sha256};
use thiserror::Error;

pub use bundle::{Deal, DealBundle, JustificationBundle, Response, ResponseBundle};
pub use run::{Bundle, Run, Step};

/// What makes the bundles of one run those of this run: the ceremony's keys and the number of the validator, hashed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Session([u8; 32]);

impl Session {
    /// Of the run for this validator, counted from zero, among operators with these keys, in order.
    pub fn of(keys: &[PublicKey], validator: u32) -> Self {
        let leaf = |(index, key): (u32, &PublicKey)| {
            let bytes = key.to_bytes();
            let (low, high) = bytes.split_at(32);
            sha([&padded(&index.to_le_bytes()), &sha([&padded(low), &padded(high)])])
        };
        let leaves: Vec<[u8; 32]> = (0..).zip(keys).map(leaf).collect();
        let count = u64::try_from(keys.len()).unwrap_or(u64::MAX);
        let list = sha([&merkle(leaves), &padded(&count.to_le_bytes())]);
        Self(sha([&padded(&validator.to_le_bytes()), &list]))
    }

    /// As a bundle says it.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// As a bundle says it.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Root of a tree whose leaves are padded with zeros to a power of two.
fn merkle(mut row: Vec<[u8; 32]>) -> [u8; 32] {
    let mut nothing = [0; 32];
    while row.len() > 1 {
        row = row
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => sha([left, right]),
                _ => sha([pair.first().unwrap_or(&nothing), &nothing]),
            })
            .collect();
        nothing = sha([&nothing, &nothing]);
    }
    row.first().copied().unwrap_or_default()
}

fn sha<const N: usize>(parts: [&[u8; 32]; N]) -> [u8; 32] {
    parts.into_iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into()
}

fn padded(bytes: &[u8]) -> [u8; 32] {
    let mut word = [0; 32];
    word.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    word
}

/// What an operator did not do, or did wrong. Completes the sentence "operator 3 …".
#[derive(Clone, Copy, Debug, Error, Eq, Ord, PartialEq, PartialOrd)]
pub enum Fault {
    /// No deals came, or two different bundles of them.
    #[error("sent no deals, or different ones")]
    NoDeals,
    /// Deals of another run.
    #[error("sent deals of another run")]
    DealsOfAnotherRun,
    /// A polynomial of another degree makes another threshold.
    #[error("committed to {found} coefficients where the threshold is {wanted}")]
    Degree {
        /// Commitments.
        found: usize,
        /// The threshold.
        wanted: usize,
    },
    /// A deal for somebody who is not in the ceremony, or two for one.
    #[error("dealt to somebody who is not there, or twice to one")]
    Receiver,
    /// The share that it dealt to somebody is missing, cannot be opened, or is not the one it committed to; and it has not put that
    /// right.
    #[error("dealt shares that do not lie on its polynomial, and did not put them right")]
    Share,
    /// So many have complained that its secret cannot be shared any more.
    #[error("was complained of by {0} operators, as many as the threshold")]
    Complaints(usize),
    /// No response came, or two different ones.
    #[error("sent no responses, or different ones")]
    NoResponse,
    /// Responses of another run, or about somebody who is not there.
    #[error("sent responses of another run, or about somebody who is not there")]
    Response,
    /// A justification that justifies nothing.
    #[error("sent a justification that does not hold")]
    Justification,
    /// It claims a public share that does not follow from the commitments.
    #[error("claims a public share that is not its own")]
    PublicShare,
}

/// Why a run ends without a key.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum NoKey {
    /// Too few dealers have done their part.
    #[error("{qualified} of {needed} operators that are needed have done their part{}", listed(.faults))]
    TooFew {
        /// Dealers that have.
        qualified: usize,
        /// The threshold.
        needed: usize,
        /// What the others did wrong.
        faults: Vec<(OperatorIndex, Fault)>,
    },
    /// The others go on without this operator.
    #[error("the others take this operator for one who {0}")]
    LeftOut(Fault),
    /// The parts of all cancel out. With honest randomness that never happens.
    #[error("the parts of all operators cancel out")]
    Degenerate,
}

fn listed(faults: &[(OperatorIndex, Fault)]) -> String {
    faults.iter().map(|(operator, fault)| format!("; operator {} {fault}", operator.share())).collect()
}
