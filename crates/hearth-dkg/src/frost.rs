//! Key generation in two rounds.
//!
//! ```text
//! RoundOne::begin ─► casts()          to everybody, by reliable broadcast
//!                 ─► shares_for(j)    to operator j alone, secret
//!        take_casts, take_shares      from everybody else
//!        finish ─► RoundTwo ─► claims()     to everybody
//!                   take_claims             from everybody else
//!                   finish ─► MadeKey for each validator
//! ```
//!
//! Of each operator and kind the first message counts; later ones are ignored. Whoever drives it has made sure that a message is
//! its sender's, and that it has an entry for each validator once, in order.

mod one;
mod two;

use hearth_crypto::{Commitments, Proof, PublicKey, SecretKey};
use hearth_types::{OperatorIndex, Threshold};

pub use one::RoundOne;
pub use two::RoundTwo;

/// What a ceremony is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// The operator that this is.
    pub me: OperatorIndex,
    /// Operators.
    pub operators: u8,
    /// Shares that are needed.
    pub threshold: Threshold,
    /// Keys to be made.
    pub validators: usize,
}

impl Terms {
    pub(crate) fn others(&self) -> impl Iterator<Item = OperatorIndex> + use<> {
        let me = self.me;
        OperatorIndex::all(self.operators).filter(move |operator| *operator != me)
    }
}

/// What an operator tells everybody of its part in one validator's key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cast {
    /// Binds it to its polynomial.
    pub commitments: Commitments,
    /// That it knows the secret of it.
    pub proof: Proof,
}

/// What an operator computed of one validator's key, told so that all see that they have the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Claim {
    /// The validator's key.
    pub group: PublicKey,
    /// The public key of the operator's own share.
    pub share: PublicKey,
}

/// One validator's key, of which this operator holds a share and nobody the whole.
#[derive(Debug)]
pub struct MadeKey {
    /// The validator's key.
    pub group: PublicKey,
    /// Our share of it.
    pub share: SecretKey,
    /// The public key of every operator's share, in the order of the operators: computed here, not as they claim.
    pub public_shares: Vec<PublicKey>,
}
