//! The narrow door to the wire protocol: who leads, how long a round lasts, how a value is written.

use std::collections::BTreeMap;

use hearth_qbft::Timer;
use hearth_types::{
    AttestationData, AttesterDuty, ChainSpec, Duty, OperatorIndex, UnixMillis, ValidatorPubkey,
};
use thiserror::Error;

use crate::Value;

/// What the cluster agrees on for one validator's attestation: the vote, and the place in the committee.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AgreedAttestation {
    /// The vote.
    pub data: AttestationData,
    /// The validator's duty as the leader saw it.
    pub duty: AttesterDuty,
}

/// A value that a cluster can agree on, by duty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AgreedValue {
    /// Attestations of one slot, by group public key.
    Attestations(BTreeMap<ValidatorPubkey, AgreedAttestation>),
}

/// A value that the cluster decided but that does not mean anything for its duty.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("the value of {duty} is malformed: {reason}")]
pub struct MalformedValue {
    /// The duty it was decided for.
    pub duty: Duty,
    /// What is wrong with it.
    pub reason: String,
}

/// Rules of one distributed-validator protocol that the road of a duty depends on.
///
/// All methods are pure.
pub trait Dialect {
    /// Leader of round 1 in a cluster of `operators`.
    fn first_leader(&self, duty: Duty, operators: u8) -> OperatorIndex;

    /// The moment at which a round's timer fires.
    fn round_deadline(&self, spec: &ChainSpec, duty: Duty, timer: Timer) -> UnixMillis;

    /// The moment after which nothing about the duty matters; `None` if it never expires.
    fn duty_deadline(&self, spec: &ChainSpec, duty: Duty) -> Option<UnixMillis>;

    /// Writes a value as it is agreed on.
    fn encode_value(&self, value: &AgreedValue) -> Value;

    /// Reads an agreed value.
    fn decode_value(&self, duty: Duty, value: &Value) -> Result<AgreedValue, MalformedValue>;
}
