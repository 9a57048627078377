//! A folder of Charon becomes one of Hearth: everything checked, the passwords sealed, nothing taken away.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hearth_obol::cluster::{Claimant, KEY_LOCK_FILE, Network, UsableLock};
use hearth_signer::Progress;
use hearth_signer::folder::{FOLDER_NAME, Passwords, Shelf, TransferError, is_sealed, transfer};
use hearth_signer::identity::{self, IdentityError};
use hearth_slashing::{Form, ImportOptions, Interchange, OpenError, SlashingDb, StorageError};
use hearth_types::{LockHash, OperatorIndex};
use thiserror::Error;

use super::charon::{CopyError, HISTORY, LOCK, copy_open_files};
use super::check::{ClusterFileError, Scrutiny};
use super::deposits::{self, DepositsError};
use super::draft::{Draft, Unwritable, put};
use crate::folder::{DataFolder, FolderError};
use crate::installation::{Installation, InstallationError};
use crate::key_guard::{KeyGuardError, refuse_if_used};
use crate::record::{ClusterKeys, RecordError, read_file};
use crate::seat::{SeatError, locked_validators, seat_of};
use crate::settings::{self, Testnet};

/// A folder that was taken over.
#[derive(Debug)]
pub struct Imported {
    /// The cluster.
    pub lock_hash: LockHash,
    /// Its name; may be empty.
    pub name: String,
    /// Which operator this is.
    pub operator: OperatorIndex,
    /// How many operators there are.
    pub operators: usize,
    /// Validators, each with a key share.
    pub validators: usize,
    /// Validators whose history of signatures was taken over; `None` if no history was given.
    pub histories: Option<usize>,
    /// What the owner should know.
    pub warnings: Vec<String>,
}

/// A folder that was not taken over. Nothing of it is left in the new place.
#[derive(Debug, Error)]
pub enum ImportError {
    /// Something is there already.
    #[error("{} is not empty and was left alone; choose another folder", .0.display())]
    Occupied(PathBuf),
    /// The identity cannot be loaded.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The cluster lock cannot be used.
    #[error(transparent)]
    Lock(#[from] ClusterFileError),
    /// The folder is not that of an operator of the cluster.
    #[error(transparent)]
    Seat(#[from] SeatError),
    /// Charon, or another node, runs on the folder.
    #[error("stop it first, for good: {0}")]
    Running(#[from] KeyGuardError),
    /// The folder is one of Hearth's already.
    #[error("{} is a folder of Hearth already, with sealed passwords; use it as it is (hearth run --data-dir)", .0.display())]
    Ours(PathBuf),
    /// The key shares cannot be used.
    #[error(transparent)]
    Keys(#[from] TransferError),
    /// The passwords cannot be sealed.
    #[error(transparent)]
    Installation(#[from] InstallationError),
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A deposit file would lose money, or is another cluster's.
    #[error("{0}. Move the file away and import again")]
    Deposits(#[from] DepositsError),
    /// The history cannot be read, or is not one.
    #[error(transparent)]
    History(#[from] RecordError),
    /// The history says nothing about these validators.
    #[error(
        "{} tells of no validator of this cluster, neither by its key nor by this operator's share of it; is it the \
         right file?", .0.display()
    )]
    StrangeHistory(PathBuf),
    /// The record of the node that ran on the folder cannot be read.
    #[error(transparent)]
    OwnRecord(#[from] StorageError),
    /// The history could not be recorded.
    #[error(transparent)]
    Record(#[from] OpenError),
    /// The history was refused.
    #[error(transparent)]
    Refused(#[from] hearth_slashing::ImportError),
    /// A folder cannot be locked, or a node runs on it.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The caller said no to going on.
    #[error("stopped; nothing was written")]
    Interrupted,
    /// A file could not be written.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
}

impl From<CopyError> for ImportError {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Unreadable { path, source } => Self::Unreadable { path, source },
            CopyError::Unwritable(error) => Self::Unwritable(error),
        }
    }
}

/// Makes `to`, a folder that `hearth run` starts from, out of `from`, one that Charon starts from. `from` stays as it is.
///
/// `history` is an EIP-3076 file of the validator client that signed until now. What `export charon` left in the folder, and the
/// record of a node of Hearth that ran on it, are taken over without being named. `progress` hears how many key shares of how
/// many were opened, and says whether to go on. Blocks for about 0.06 s of one core a key share, and must not be called from a task of an async
/// runtime.
pub fn import_charon(
    from: &Path,
    to: &Path,
    history: Option<&Path>,
    scrutiny: &Scrutiny,
    installation: &Installation,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Imported, ImportError> {
    if super::draft::refuse_occupied(to).is_err() {
        return Err(ImportError::Occupied(to.to_owned()));
    }
    let keys = from.join(FOLDER_NAME);
    if is_sealed(&keys) {
        return Err(ImportError::Ours(from.to_owned()));
    }
    let identity = identity::load(&from.join(identity::FILE_NAME))?;
    let (lock, mut warnings) = scrutiny.usable_lock(&from.join(LOCK))?;
    let me = seat_of(&identity, &lock, &from.join(identity::FILE_NAME))?;
    let claimant = Claimant { cluster: Some(lock.lock_hash()), machine: None };
    refuse_if_used(&from.join(KEY_LOCK_FILE), &claimant)?;

    let draft = Draft::of(to)?;
    let folder = draft.folder("folder")?;
    let network = scrutiny.networks().by_fork_version(lock.fork_version()).cloned();
    if let Some(network) = &network {
        let credentials = deposits::credentials(&lock);
        for path in deposits::list(from)? {
            deposits::read(&path, network, &credentials)?;
        }
    }
    identity::store(&folder.join(identity::FILE_NAME), &identity, &mut rand::rng())?;
    copy_open_files(from, &folder)?;
    let settings = settings_text(scrutiny, network.as_ref());
    if !settings.is_empty() {
        put(&folder.join(settings::FILE_NAME), settings.as_bytes(), 0o600)?;
    }

    let sealing_key = installation.sealing_key()?;
    let shelf = Shelf { folder: &folder.join(FOLDER_NAME), passwords: Passwords::Sealed(&sealing_key) };
    let mut go_on = true;
    let opened = |keys: Progress| go_on &= progress(keys.done as u64, keys.total as u64);
    transfer(Shelf::from(&keys), shelf, &locked_validators(&lock), me.share(), &mut rand::rng(), opened)?;
    if !go_on {
        return Err(ImportError::Interrupted);
    }

    let histories = record(from, history, &folder, &lock, me, &mut warnings)?;
    draft.publish_folder(&folder, to, LOCK)?;
    Ok(Imported {
        lock_hash: lock.lock_hash(),
        name: lock.name().to_owned(),
        operator: me,
        operators: lock.operators().len(),
        validators: lock.validators().len(),
        histories,
        warnings,
    })
}

/// What the new node has to know that its command line told this command.
fn settings_text(scrutiny: &Scrutiny, network: Option<&Network>) -> String {
    let client = scrutiny.execution_client.clone().map(toml::Value::String);
    let client = client.map_or_else(String::new, |url| format!("execution-client = {url}\n"));
    let testnet = network.and_then(Testnet::of).map_or_else(String::new, |testnet| testnet.to_toml());
    client + &testnet
}

/// Records what was signed until now, under the validators' own keys: by a validator client (`history`, or what `export charon`
/// left in the folder), and by a node of Hearth that ran on the folder. Returns for how many validators; `None` if nobody
/// tells.
fn record(
    from: &Path,
    history: Option<&Path>,
    folder: &Path,
    lock: &UsableLock,
    me: OperatorIndex,
    warnings: &mut Vec<String>,
) -> Result<Option<usize>, ImportError> {
    let (mut told, keys) = (Vec::<(Interchange, Form)>::new(), ClusterKeys::of(lock, me));
    let left = from.join(HISTORY);
    for path in history.into_iter().chain(left.is_file().then_some(left.as_path())) {
        let mut interchange = read_file(path)?;
        interchange.data = keys.ours(interchange.data).0;
        if interchange.data.is_empty() && Some(path) == history {
            return Err(ImportError::StrangeHistory(path.to_owned()));
        }
        // Minimal: what the file does not mention must not be signed either, because clients prune.
        told.push((interchange, Form::Minimal));
    }
    if from.join("slashing.sqlite").exists() {
        // While it is read, no node may add to it.
        let node = DataFolder::open(from)?;
        if let Some(record) = SlashingDb::open_existing(&node.slashing())? {
            told.push((record.export(Form::Complete)?, Form::Complete));
        }
    }
    let Some((first, _)) = told.first() else { return Ok(None) };
    let node = DataFolder::open(folder)?;
    let mut record = SlashingDb::open(&node.slashing(), first.metadata.genesis_validators_root)?;
    let (mut known, mut slashable) = (BTreeSet::new(), BTreeSet::new());
    for (interchange, form) in &told {
        let summary = record.import(interchange, ImportOptions { form: *form, implausible_from: None })?;
        for (validator, history) in summary.validators {
            known.insert(validator);
            if history.slashable > 0 {
                slashable.insert(validator);
            }
        }
    }
    let silent = lock.validators().len().saturating_sub(known.len());
    if silent > 0 {
        warnings.push(format!("nothing is known of what {silent} of this cluster's validators signed before"));
    }
    if !slashable.is_empty() {
        let count = slashable.len();
        warnings
            .push(format!("the history of {count} validators holds signatures that could get them slashed"));
    }
    Ok(Some(known.len()))
}
