//! The words every Hearth crate speaks: slots, operators, share indexes, duties, chain parameters and
//! the consensus containers that a validator signs.
//!
//! This crate knows no other Hearth crate, no clock, no disk and no key. A number enters here once, through
//! a constructor that states its range, and is not re-checked behind that border.
//!
//! Invariant: a type of this crate that exists is in range, and every root it computes is the one that the
//! consensus specifications define.

mod bytes;
mod cluster;
mod containers;
mod duty;
mod number;
mod signing;
mod spec;

pub use bytes::{
    Domain, ExecutionAddress, ForkVersion, HexError, LockHash, Root, SignatureBytes, SigningRoot,
    ValidatorPubkey,
};
pub use cluster::{OperatorIndex, Quorum, ShareIndex, Threshold, ThresholdOutOfRange, faulty_tolerated};
pub use containers::{AttestationData, AttesterDuty, Checkpoint, SingleAttestation};
pub use duty::{Duty, DutyKind, UnknownDutyKind};
pub use number::{CommitteeIndex, Epoch, Gwei, Slot, UnixMillis, ValidatorIndex};
pub use signing::{DomainType, Vote, compute_domain, compute_signing_root, vote_of};
pub use spec::{ChainSpec, ForkName, ForkSchedule, InvalidSpec, ScheduledFork, UnknownFork};
