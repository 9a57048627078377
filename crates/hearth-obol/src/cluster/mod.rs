//! Cluster files: the plan of a cluster (`cluster-definition.json`), the cluster with its keys (`cluster-lock.json`),
//! and the deposits that activate its validators.
//!
//! Read in every version, written in the latest. [`Lock::from_json`] judges form only; [`Lock::verify`] judges every
//! hash and signature and makes the [`VerifiedLock`] that a node may act on. [`deal`] makes a new cluster.
//!
//! ```text
//! model         what the files say
//! read, shape, write   JSON; one table of keys per object for all versions
//! hash, merkle  the three hashes; one table of leaves for all versions
//! wallet, eip712, contract, verify   every signature; finding says what came of it
//! usable        a lock to act on
//! plan, deal    a trusted dealer's new cluster
//! deposit, registration    what validators sign before they start
//! network, threshold, version   facts
//! words         six words to compare a plan by
//! key_lock      who uses a node's key
//! obol_api      what a node signs for Obol's public service
//! ```
//!
//! Source: `obol-cluster.md` of the protocol specification; sections are named where they apply.

mod contract;
mod deal;
mod deposit;
mod eip712;
mod finding;
mod hash;
mod key_lock;
mod merkle;
mod model;
mod network;
mod obol_api;
mod plan;
mod read;
mod registration;
mod shape;
#[cfg(test)]
#[path = "../../tests/cluster/vectors.rs"]
mod testing;
mod threshold;
pub(crate) mod unsigned;
mod usable;
mod verify;
mod version;
mod wallet;
mod words;
mod write;

pub use contract::ContractSignature;
pub use deal::{Dealt, deal, deal_definition};
pub use deposit::{
    AmountError, DepositFile, DepositFileError, amounts_to_sign, check_amounts, deposit_files, file_name,
    read_deposit_file, withdrawal_credentials,
};
pub use eip712::WalletMessage;
pub use finding::{Check, Finding, Outcome, Problem, VerifyError};
pub use hash::Unhashable;
pub use key_lock::{Claimant, KEY_LOCK_FILE, KEY_LOCK_REFRESH_MS, KeyInUse, KeyLock};
pub use merkle::Oversize;
pub use model::{
    Addresses, Creator, Definition, Deposit, DistributedValidator, Lock, OperatorEntry, Registration,
};
pub use network::{IncompleteNetwork, Network, Networks};
pub use obol_api::{PartialExit, exit_access_root, partial_exits_root, test_result_root};
pub use plan::{
    AddressError, DkgAlgorithm, Plan, PlanError, new_uuid, parse_address, parse_checksummed, timestamp_text,
};
pub use read::ParseError;
pub use registration::DEFAULT_GAS_LIMIT;
pub use threshold::threshold_warning;
pub use usable::{AcceptedUnverified, Operator, Unusable, UsableLock, VerifiedLock};
pub(crate) use verify::network_of_definition;
pub use version::Version;
pub use wallet::{Signatory, WalletProblem};
pub use words::{MATCHING_WORDS, matching_words};

/// Bytes of the longest file that is read. A validator takes about 3,000.
pub const MAX_FILE_BYTES: usize = 64 << 20;
/// Depth to which lists and objects may be nested in a file. Real ones reach 6.
pub const MAX_NESTING: usize = 32;
/// Values in a file: entries of lists and objects. Real ones take about a hundred bytes each.
pub const MAX_VALUES: usize = 1 << 20;
/// Operators that a file may list. Only 254 can have a share.
pub const MAX_OPERATORS: usize = 256;
/// Validators that a file may list.
pub const MAX_VALIDATORS: usize = 65_536;
/// Deposit amounts that a plan may list.
pub const MAX_DEPOSIT_AMOUNTS: usize = 256;
