//! The key shares of one operator on disk: `validator_keys/keystore-N.json` with its password in `keystore-N.txt`.
//!
//! N counts the validators of the cluster from zero. File names order the files and nothing else: which share a
//! keystore holds is found by its public key in the cluster lock.
//!
//! Source: `obol-cluster.md` 9.1 and 9.2.

mod load;
mod write;

pub use load::{LoadError, LoadedShare, LockedValidator, load, load_keyring};
pub use write::{WriteError, write};

use crate::keystore::Cost;

/// Name of the folder in an operator's folder.
pub const FOLDER_NAME: &str = "validator_keys";

/// How far a long work has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// Keystores that are finished.
    pub done: usize,
    /// Keystores that there are.
    pub total: usize,
}

/// What the files of a keystore are called, without the ending.
///
/// Keystores that protect nothing say so in their name. Source: `obol-cluster.md` 7, "Insecure keys".
fn stem(cost: Cost, number: usize) -> String {
    match cost {
        Cost::Standard => format!("keystore-{number}"),
        Cost::Insecure => format!("keystore-insecure-{number}"),
    }
}
