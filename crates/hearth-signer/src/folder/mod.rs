//! The key shares of one operator on disk: `validator_keys/keystore-N.json`, with its password in `keystore-N.txt` as
//! Charon has it, or with all passwords in one sealed file.
//!
//! N counts the validators of the cluster from zero. File names order the files and nothing else: which share a
//! keystore holds is found by its public key in the cluster lock.
//!
//! Source: `obol-cluster.md` 9.1 and 9.2.

mod carry;
mod load;
mod transfer;
mod write;

use std::path::{Path, PathBuf};

pub use carry::{Carried, CarriedKeystore};
pub use load::{LoadError, LoadedShare, LockedValidator, load, load_keyring};
pub use transfer::{TransferError, transfer};
pub use write::{WriteError, write};

use crate::keystore::Cost;
use crate::seal::{self, SealingKey};

/// Name of the folder in an operator's folder.
pub const FOLDER_NAME: &str = "validator_keys";

/// Where the passwords of keystores are.
#[derive(Clone, Copy, Debug)]
pub enum Passwords<'a> {
    /// In a text file beside each keystore.
    Beside,
    /// In one file that this key opens.
    Sealed(&'a SealingKey),
}

/// A folder of keystores and their passwords. A folder alone is one with text files.
#[derive(Clone, Copy, Debug)]
pub struct Shelf<'a> {
    /// The folder.
    pub folder: &'a Path,
    /// The passwords.
    pub passwords: Passwords<'a>,
}

impl<'a> From<&'a Path> for Shelf<'a> {
    fn from(folder: &'a Path) -> Self {
        Self { folder, passwords: Passwords::Beside }
    }
}

impl<'a> From<&'a PathBuf> for Shelf<'a> {
    fn from(folder: &'a PathBuf) -> Self {
        Self { folder, passwords: Passwords::Beside }
    }
}

/// Whether the passwords of this folder are sealed.
pub fn is_sealed(folder: &Path) -> bool {
    folder.join(seal::FILE_NAME).is_file()
}

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
