//! Work on a cluster's files, without a running node: what the command line does beside `hearth run`.
//!
//! ```text
//! identity        a node's key and its record
//! plan, create    new clusters: a plan for a ceremony, or everything by a trusted dealer
//! keys, combine   keys of validators: existing ones to be split, shares to be put together
//! check, show     what a cluster file is worth, and what it says
//! backup          one encrypted file with all that cannot be got again, its practice and its restore
//! deposits        files for the launchpad, read again
//! import, export  folders of Charon, in and out; charon is what both know of one
//! stopped         the record of signed messages of a node that does not run
//! formed          the files of a cluster that a ceremony has formed
//! draft           folders that appear whole or not at all
//! ```
//!
//! Everything here blocks. Nothing is ever overwritten, and an interrupted command leaves nothing behind.

mod backup;
mod charon;
mod check;
mod combine;
mod create;
mod deposits;
mod draft;
mod export;
mod formed;
mod identity;
mod import;
mod keys;
mod plan;
mod show;
mod stopped;

pub use backup::{BackupError, BackupFacts, BackupNotes, back_up, practise_restore, restore};
pub use check::{ClusterFileError, FileCheck, FileKind, Scrutiny, verify_file, verify_folder};
pub use combine::{Combination, CombineError, Combined, combine};
pub use create::{Blueprint, CreateError, Created, Creation, Keys, create_cluster};
pub use deposits::DepositsError;
pub(crate) use deposits::checked_deposits;
pub use draft::Unwritable;
pub(crate) use draft::put_whole;
pub use export::{ExportError, Exported, export_charon};
pub use formed::SaveError;
pub(crate) use formed::{check_room, holds, save};
pub use hearth_obol::cluster::DkgAlgorithm;
pub use identity::{Identity, create_identity, read_identity};
pub use import::{ImportError, Imported, import_charon};
pub use keys::{KeyOrder, KeysError, read_keys};
pub(crate) use plan::DEFINITION;
pub use plan::{DefinitionError, Planned, Wishes, create_definition, read_definition};
pub use show::{ClusterFacts, OperatorFacts, ValidatorFacts, show};
pub use stopped::{StoppedNode, StoppedNodeError};
