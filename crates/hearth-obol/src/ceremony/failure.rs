//! Why a ceremony ends without a cluster.

use hearth_dkg::pedersen::Fault;
use hearth_dkg::{Abort, Blame, Rule};
use hearth_types::OperatorIndex;
use thiserror::Error;

use super::broadcast::BroadcastRejection;
use super::frost::FrostRejection;
use super::pedersen::PedersenRejection;
use super::signatures::SignatureRejection;
use super::sync::SyncRejection;
use crate::cluster::{PlanError, Unhashable, VerifyError};

/// A ceremony that came to nothing: all operators begin again, together, with fresh randomness.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("step {step}: {}{reason}", who(.culprit))]
pub struct Failure {
    /// Who is to blame; `None` where nobody can be named.
    pub culprit: Option<OperatorIndex>,
    /// The step in which it happened.
    pub step: i64,
    /// Why.
    pub reason: Reason,
}

fn who(culprit: &Option<OperatorIndex>) -> String {
    culprit.map_or_else(String::new, |operator| format!("operator {} ", operator.share()))
}

/// A rule that was broken. Completes the sentence "operator 3 …" where somebody broke it.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum Reason {
    /// Of the key generation.
    #[error("{rule}{}", .validator.map_or_else(String::new, |validator| format!(" (validator {validator})")))]
    Rule {
        /// The rule.
        rule: Rule,
        /// For which validator, counted from zero.
        validator: Option<usize>,
    },
    /// Of its messages.
    #[error("sent {0}")]
    Frost(#[from] FrostRejection),
    /// Of the key generation after Pedersen.
    #[error("{0}")]
    Fault(#[from] Fault),
    /// Of its messages.
    #[error("sent {0}")]
    Pedersen(#[from] PedersenRejection),
    /// The others would go on without us.
    #[error("the others take this operator for one who {0}")]
    LeftOut(Fault),
    /// Of a broadcast.
    #[error("sent {0}")]
    Broadcast(#[from] BroadcastRejection),
    /// Of signatures over the files.
    #[error("sent {0}")]
    Signature(#[from] SignatureRejection),
    /// Of the steps.
    #[error("cannot take part: {0}")]
    Sync(#[from] SyncRejection),
    /// A share signed something else.
    #[error("sent a partial signature that is not by its share over our files (validator {validator})")]
    Partial {
        /// Counted from zero.
        validator: usize,
    },
    /// It signed two different things in one place.
    #[error("sent two different answers")]
    TwoAnswers,
    /// A broadcast comes from somebody who has not got that far, or is of another kind of ceremony.
    #[error("sent something that this ceremony has no place for")]
    NoSuchPurpose,
    /// More than a ceremony consists of.
    #[error("sent more than there is in a ceremony")]
    TooMany,
    /// The parts of a key cancel out.
    #[error("the parts of validator {validator} cancel out")]
    Degenerate {
        /// Counted from zero.
        validator: usize,
    },
    /// The whole is wrong and every part is right.
    #[error("the signatures of all are right, and together they are not")]
    Unexplained,
    /// The definition is none that keys can be made for.
    #[error("this definition cannot be carried out: {0}")]
    Plan(#[from] PlanError),
    /// The definition's own keys.
    #[error("the operators' records cannot be used: {0}")]
    Records(String),
    /// The ceremony is to be held in a way that this version does not know.
    #[error("the definition asks for the key generation \"{0}\", which this version does not know")]
    Algorithm(String),
    /// The finished lock is refused by the checks that everybody makes.
    #[error("the finished lock does not hold: {0}")]
    Lock(#[from] VerifyError),
}

impl From<Unhashable> for Reason {
    fn from(error: Unhashable) -> Self {
        Self::Plan(error.into())
    }
}

/// Who broke which rule of the key generation.
pub(super) fn of_abort(abort: Abort) -> (Option<OperatorIndex>, Reason) {
    match abort {
        Abort::Blamed(Blame { culprit, validator, rule }) => (Some(culprit), Reason::Rule { rule, validator }),
        Abort::Degenerate { validator } => (None, Reason::Degenerate { validator }),
        Abort::Unheard(operator) => (Some(operator), Reason::NoSuchPurpose),
    }
}
