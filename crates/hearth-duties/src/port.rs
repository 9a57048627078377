//! What the road of a duty asks of the chain, and what the chain may answer.

use hearth_types::{
    AttestationData, AttesterDuty, Epoch, SingleAttestation, Slot, UnixMillis, ValidatorIndex, ValidatorPubkey,
};
use thiserror::Error;

/// A question to the beacon nodes. The adapter retries what may heal until `until`, then answers with a failure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ChainQuery {
    /// Indexes and states of these validators.
    Validators {
        /// Group public keys.
        pubkeys: Vec<ValidatorPubkey>,
    },
    /// Attester duties of these validators in an epoch.
    AttesterDuties {
        /// The epoch, at most one ahead of now.
        epoch: Epoch,
        /// The validators.
        validators: Vec<ValidatorIndex>,
    },
    /// What to attest to in a slot (committee 0, as from Electra on).
    AttestationData {
        /// The slot.
        slot: Slot,
    },
    /// Hand over finished attestations.
    SubmitAttestations {
        /// Slot they belong to; tells the fork.
        slot: Slot,
        /// One a validator.
        attestations: Vec<SingleAttestation>,
    },
}

/// A question and the moment after which the answer is worthless.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Deadlined {
    /// The question.
    pub query: ChainQuery,
    /// When to give up.
    pub until: UnixMillis,
}

/// What the chain knows of one validator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ValidatorRecord {
    /// Group public key.
    pub pubkey: ValidatorPubkey,
    /// Its index.
    pub index: ValidatorIndex,
    /// Whether it has duties now (`active_*` states).
    pub active: bool,
    /// Whether it was slashed.
    pub slashed: bool,
    /// Whether it has no duties yet.
    pub waiting: Option<Waiting>,
}

/// For what a validator waits whose deposit the chain has taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Waiting {
    /// For its place among those who are next.
    Queued,
    /// For the first epoch in which it has duties.
    Until(Epoch),
}

/// Why the chain could not be asked or did not take what it was given.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum ChainFailure {
    /// No beacon node answered in time.
    #[error("no beacon node answered in time: {0}")]
    Unreachable(String),
    /// A beacon node answered with a refusal.
    #[error("the beacon node refused: {0}")]
    Refused(String),
    /// A beacon node answered something that cannot be right.
    #[error("the beacon node's answer is unusable: {0}")]
    Unusable(String),
}

/// An answer; each names the question it belongs to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ChainReply {
    /// To [`ChainQuery::Validators`]: those that the chain knows.
    Validators(Result<Vec<ValidatorRecord>, ChainFailure>),
    /// To [`ChainQuery::AttesterDuties`].
    AttesterDuties {
        /// The epoch asked for.
        epoch: Epoch,
        /// Duties of the validators asked for.
        duties: Result<Vec<AttesterDuty>, ChainFailure>,
    },
    /// To [`ChainQuery::AttestationData`].
    AttestationData {
        /// The slot asked for.
        slot: Slot,
        /// What to attest to.
        data: Result<AttestationData, ChainFailure>,
    },
    /// To [`ChainQuery::SubmitAttestations`].
    Submitted {
        /// The slot they belong to.
        slot: Slot,
        /// How many were handed over.
        validators: usize,
        /// Taken, or why not.
        outcome: Result<(), ChainFailure>,
    },
}
