//! Key shares at rest and in memory; signs a permit or a free message, nothing else.
//!
//! [`Signer`] owns the keyring and the record of what was signed, and has two doors. Votes and blocks go through a
//! permit that exists only once the record is on disk. Everything else is a [`FreeMessage`], which computes its own
//! domain. On disk, shares are EIP-2335 keystores in Charon's layout ([`keystore`], [`folder`]), and the operator's
//! identity is a file of its own ([`identity`]).
//!
//! Knows no network, no duty and no consensus. Blocks its thread: key derivation takes seconds, the record is
//! synchronous. Randomness is an argument.
//!
//! Invariants: no public function takes a validator key together with a bare 32-byte root; no file is ever
//! overwritten; no error and no `Debug` output tells a key or a password.

mod block;
mod cores;
mod files;
pub mod folder;
mod free;
pub mod identity;
mod keyring;
pub mod keystore;
mod seal;
mod signer;

pub use block::BlockHeader;
pub use folder::Progress;
pub use free::{DepositMessage, FreeMessage, NoDomain, ValidatorRegistration};
pub use keyring::{FreeRefusal, Keyring, UnknownValidator};
pub use seal::{SealError, SealingKey, SealingKeyError};
pub use signer::{SignError, Signer};
