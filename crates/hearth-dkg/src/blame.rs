//! Why a ceremony ends without a key.

use hearth_types::OperatorIndex;
use thiserror::Error;

/// An operator broke a rule. There is no complaint round: the ceremony ends for all, and begins again with fresh randomness.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("operator {} {rule}{}", .culprit.share(), of(.validator))]
pub struct Blame {
    /// Who.
    pub culprit: OperatorIndex,
    /// For which validator of the ceremony, counted from zero; `None` where the rule is about the whole message.
    pub validator: Option<usize>,
    /// What.
    pub rule: Rule,
}

fn of(validator: &Option<usize>) -> String {
    validator.map_or_else(String::new, |validator| format!(" (validator {validator})"))
}

/// A rule of the ceremony, broken. Completes the sentence "operator 3 …".
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum Rule {
    /// A message is not about each validator once.
    #[error("sent {found} entries for {wanted} validators")]
    Entries {
        /// In the message.
        found: usize,
        /// In the ceremony.
        wanted: usize,
    },
    /// A polynomial of another degree makes another threshold.
    #[error("committed to {found} coefficients where the threshold is {wanted}")]
    Degree {
        /// Commitments.
        found: usize,
        /// The threshold.
        wanted: usize,
    },
    /// It cannot show that it knows the secret behind its commitment.
    #[error("sent a proof of knowledge that does not hold")]
    Proof,
    /// Its secret is that of another commitment of this ceremony.
    #[error("committed to a secret that is already committed to")]
    Repeated,
    /// The share that it sent us is not the one it committed to.
    #[error("sent a share that does not lie on its polynomial")]
    Share,
    /// It computed another group key than we.
    #[error("has another validator key than we")]
    GroupKey,
    /// It claims a public share that does not follow from the commitments.
    #[error("claims a public share that is not its own")]
    PublicShare,
}

/// How a ceremony ends without a key.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum Abort {
    /// Somebody is to blame.
    #[error(transparent)]
    Blamed(#[from] Blame),
    /// The parts of all cancel out. Nobody can be blamed, and with honest randomness it never happens.
    #[error("the parts of validator {validator} cancel out")]
    Degenerate {
        /// Counted from zero.
        validator: usize,
    },
    /// A message that is needed is not there. Whoever drives the ceremony asks for a result too early.
    #[error("operator {} was not heard yet", .0.share())]
    Unheard(OperatorIndex),
}
