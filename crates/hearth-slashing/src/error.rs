//! What can go wrong with the record itself. A refused vote is not an error: see [`crate::Refusal`].

use std::io;
use std::path::PathBuf;

use hearth_types::Root;
use rusqlite::ErrorCode;
use thiserror::Error;

/// The record could not be read or written. Nothing was recorded, so nothing may be signed.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum StorageError {
    /// No space left. Signing resumes by itself once there is some.
    #[error("the disk is full: the slashing record cannot be written")]
    DiskFull,
    /// The file or its file system became read-only.
    #[error("the slashing record is read-only")]
    ReadOnly,
    /// The content contradicts itself.
    #[error("the slashing record is damaged: {detail}")]
    Damaged {
        /// What was found.
        detail: String,
    },
    /// Anything else that the storage engine reported.
    #[error("the slashing record cannot be used: {detail}")]
    Failed {
        /// In the words of the storage engine.
        detail: String,
    },
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        let detail = error.to_string();
        match (&error, error.sqlite_error_code()) {
            (_, Some(ErrorCode::DiskFull)) => Self::DiskFull,
            (_, Some(ErrorCode::ReadOnly)) => Self::ReadOnly,
            (
                _,
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation),
            )
            | (
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::QueryReturnedNoRows,
                _,
            ) => Self::Damaged { detail },
            _ => Self::Failed { detail },
        }
    }
}

/// Why a slashing database was not opened. In no case was the file changed or replaced.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process, or this one, has it open. Two signers on one record would be two signers without one.
    #[error("{} is in use by another Hearth: stop that one first", path.display())]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// It records votes of another chain.
    #[error("{} belongs to the chain with genesis validators root {found}, not {expected}", path.display())]
    OtherChain {
        /// The database.
        path: PathBuf,
        /// The chain that this node validates on.
        expected: Root,
        /// The chain on record.
        found: Root,
    },
    /// A later version of Hearth wrote it, and may have recorded what this version cannot see.
    #[error("{} was written by a newer Hearth (schema {found}, known up to {known}): update Hearth", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The latest schema version that this program knows.
        known: i64,
    },
    /// A SQLite database of something else.
    #[error("{} is not a slashing database of Hearth", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be trusted. It is left as it is; starting afresh is the owner's decision.
    #[error("{} is damaged ({detail}); restore it or import a slashing-protection file before signing", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The file system refused.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file that was to be opened, created or locked.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// The storage engine refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why bytes are not an interchange file.
#[derive(Debug, Error)]
pub enum InterchangeError {
    /// Larger than [`crate::MAX_JSON_BYTES`]. The minimal form of the same history is small.
    #[error("the file is larger than {limit_bytes} bytes; export it in minimal form")]
    TooLarge {
        /// The bound.
        limit_bytes: u64,
    },
    /// Not the JSON of EIP-3076.
    #[error("not a slashing-protection file: {0}")]
    Malformed(serde_json::Error),
    /// It could not be read.
    #[error("cannot read the slashing-protection file: {0}")]
    Io(#[from] io::Error),
}

/// Why an interchange file was not imported. Nothing of it was taken over.
#[derive(Debug, Error)]
pub enum ImportError {
    /// Not version 5 of the format.
    #[error("interchange format version {found:?} is not supported, only \"5\" is")]
    UnknownVersion {
        /// What the file says.
        found: String,
    },
    /// History of another chain.
    #[error("the file belongs to the chain with genesis validators root {found}, not {expected}")]
    OtherChain {
        /// The chain of this database.
        expected: Root,
        /// The chain of the file.
        found: Root,
    },
    /// The record could not be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for ImportError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}
