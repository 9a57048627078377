//! Threshold BLS on the Ethereum curve, and secp256k1 operator identity.
//!
//! Knows no message format and no duty: it signs and checks 32-byte roots. Randomness is an argument.
//!
//! Invariant: a [`PublicKey`] or [`Signature`] that exists is a canonical encoding of a point of the right
//! subgroup and not the identity; a [`Verified`] value passed its own check.

pub mod batch;
pub mod bls;
mod curve;
pub mod k1;
mod lagrange;
mod polynomial;
mod proof;
mod sealed;
pub mod slot;
pub mod threshold;
mod verified;

pub use bls::{InvalidPoint, InvalidSecretKey, PublicKey, SecretKey, Signature};
pub use polynomial::{Commitments, JointCommitments, Polynomial};
pub use proof::{InvalidScalar, Proof};
pub use sealed::{SEALED_SHARE_BYTES, open_share, seal_share};
pub use slot::{Partial, SlotJob, SlotOutcome, Standing, ValidatorPartials, complete_slot};
pub use verified::{Unverified, Verified, Verify};
