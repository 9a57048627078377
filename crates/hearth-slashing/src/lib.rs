//! The record of what this operator's keys signed, and the only maker of [`SigningPermit`].
//!
//! A vote or a block is first written here, to disk, and only then may a key share touch it: the permit that
//! [`SlashingDb`] hands out is the proof, and the signer takes nothing else. Records are kept per *group* public
//! key, so that an edit of the cluster, which changes every share, keeps the history.
//!
//! This crate knows SQLite and nothing of key shares, peers, consensus or time.
//!
//! Invariants:
//! - no two permits ever given for one validator form a slashable pair, whatever was asked, imported or pruned
//!   in between, and whatever was killed, cut off or full;
//! - a permit exists only if its record survives a power cut;
//! - a floor (what EIP-3076 calls a watermark) never sinks.
//!
//! # How a surround vote is found in logarithmic time
//!
//! In a history without slashable pairs, sources never decrease as targets grow: a later target with an earlier
//! source *is* a surround vote. A new vote therefore only needs to be compared with its two neighbours by target.
//! `rules` decides on them, `records` finds them by index, `standings` knows the newest without looking. All three
//! hold for any history: a contradiction that an import brings along is covered by raising the floor above it.
//!
//! # How long history is kept
//!
//! Rows older than [`RETENTION_EPOCHS`] may go: [`SlashingDb::prune`] turns them into a floor, which protects as
//! well as they did and only forgets which old votes may be signed once more. A node calls it once per epoch in a
//! quiet moment. A database pruned up to now is a minimal one in the sense of EIP-3076.
//!
//! Source: EIP-3076, Conditions; consensus-specs, phase0/beacon-chain.md, `is_slashable_attestation_data` and
//! `process_proposer_slashing`.

mod error;
mod export;
mod extent;
mod import;
mod interchange;
mod open;
mod permit;
mod prune;
mod records;
mod rules;
mod standings;

pub use error::{ImportError, InterchangeError, OpenError, StorageError};
pub use extent::{Extent, Overview};
pub use import::{ImportOptions, ImportSummary, ImportedHistory};
pub use interchange::{
    Form, Interchange, MAX_JSON_BYTES, Metadata, SignedAttestation, SignedBlock, SigningHistory,
};
pub use open::SlashingDb;
pub use permit::SigningPermit;
pub use prune::{EpochStart, RETENTION_EPOCHS};
pub use rules::{RecordedVote, Refusal};
