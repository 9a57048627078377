//! What the owner of the node may want to know about a duty.

use hearth_qbft::Round;
use hearth_types::{Duty, OperatorIndex, ShareIndex, ValidatorIndex, ValidatorPubkey};
use serde::Serialize;

use crate::{ChainFailure, Equivocation};

/// How far a duty came. Ordered along the road.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Ask the beacon node what to do.
    Fetch,
    /// Agree on it.
    Agree,
    /// Sign our part.
    Sign,
    /// Gather the parts of the others.
    Collect,
    /// Hand the whole to the beacon node.
    Submit,
}

/// What stopped a duty.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Failure {
    /// The stage that did not succeed.
    pub stage: Stage,
    /// Short code, as Charon's tracker names it.
    pub code: &'static str,
    /// What is known about it, for people.
    pub detail: String,
}

/// Something that happened on the road of a duty. Times are milliseconds since the duty was due.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Report {
    /// The cluster agreed.
    Decided {
        /// The duty.
        duty: Duty,
        /// In which round.
        #[serde(serialize_with = "number")]
        round: Round,
        /// Who led that round.
        leader: OperatorIndex,
        /// When.
        after_ms: u64,
    },
    /// Our partial signatures exist and are on their way to the peers.
    Signed {
        /// The duty.
        duty: Duty,
        /// For how many validators.
        validators: usize,
        /// When.
        after_ms: u64,
    },
    /// The signer would not sign.
    Refused {
        /// The duty.
        duty: Duty,
        /// For which validator.
        validator: ValidatorPubkey,
        /// Its reason.
        reason: String,
    },
    /// Whole signatures exist.
    Completed {
        /// The duty.
        duty: Duty,
        /// For how many validators.
        validators: usize,
        /// When.
        after_ms: u64,
    },
    /// The beacon node took the whole signatures.
    Submitted {
        /// The duty.
        duty: Duty,
        /// For how many validators.
        validators: usize,
        /// When.
        after_ms: u64,
    },
    /// A peer sent something that no honest peer sends.
    Misbehaved {
        /// The peer.
        operator: OperatorIndex,
        /// What it sent.
        reason: String,
    },
    /// A peer said two things that exclude each other: its node runs twice, forgot what it had said, or is not honest.
    Equivocated {
        /// The peer.
        operator: OperatorIndex,
        /// The duty.
        duty: Duty,
        /// Both.
        #[serde(skip)]
        proof: Equivocation,
    },
    /// This operator does not support what was proposed. Others may.
    Withheld {
        /// The duty.
        duty: Duty,
        /// Who proposed it, or repeated it.
        leader: OperatorIndex,
        /// What is wrong with it.
        reason: String,
    },
    /// The word on a duty, once for each that began, one slot after it was due. Of a duty that was slower than that
    /// it says what it was waiting for, and a [`Self::Submitted`] may still follow.
    Finished {
        /// The duty.
        duty: Duty,
        /// Validators that had it.
        validators: Vec<ValidatorIndex>,
        /// What stopped it; `None` if the beacon node took all of it.
        failure: Option<Failure>,
        /// Shares of which a partial signature arrived, ours included; those that were not needed are not checked.
        signers: Vec<ShareIndex>,
        /// When the beacon node took it.
        after_ms: Option<u64>,
    },
    /// The chain could not be asked.
    ChainTrouble {
        /// About what.
        about: &'static str,
        /// Why.
        #[serde(serialize_with = "sentence")]
        failure: ChainFailure,
    },
}

fn number<S: serde::Serializer>(round: &Round, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(round.get())
}

fn sentence<S: serde::Serializer>(failure: &ChainFailure, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(failure)
}
