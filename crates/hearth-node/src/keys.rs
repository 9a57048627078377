//! The key shares, for people: which there are, their backup and its practice. No secret leaves the node.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hearth_api::{
    BackUpRequest, BackupReply, DepositReply, ErrorCode, KeyShare, KeysReply, PractiseRestoreRequest, Secret,
    UiError,
};
use hearth_signer::folder::{FOLDER_NAME, is_sealed};
use hearth_types::{LockHash, ValidatorPubkey};
use tokio::sync::Mutex;

use crate::aside::{absolute, aside};
use crate::clock;
use crate::installation::Installation;
use crate::offline::{
    BackupError, BackupFacts, BackupNotes, Scrutiny, back_up, checked_deposits, practise_restore,
};
use crate::record::ClusterKeys;

/// Answers about key shares and makes backups of them, beside the duties. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct KeysDesk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    /// Empty where there is no cluster.
    cluster: Option<(LockHash, Arc<ClusterKeys>)>,
    scrutiny: Scrutiny,
    installation: Arc<Installation>,
    /// One at a time: each takes all the cores it gets.
    turn: Mutex<()>,
}

impl KeysDesk {
    /// `cluster`: whose folder it is, if it is a cluster's.
    pub(crate) fn new(
        folder: &Path,
        cluster: Option<(LockHash, Arc<ClusterKeys>)>,
        scrutiny: Scrutiny,
        installation: Arc<Installation>,
    ) -> Self {
        let (folder, turn) = (folder.to_owned(), Mutex::const_new(()));
        Self(Arc::new(Inner { folder, cluster, scrutiny, installation, turn }))
    }

    pub(crate) async fn show(&self) -> Result<KeysReply, UiError> {
        let inner = Arc::clone(&self.0);
        aside(move || {
            let notes = BackupNotes::of(&inner.folder);
            let keys = inner.folder.join(FOLDER_NAME);
            let shares = inner.cluster.iter().flat_map(|(_, cluster)| cluster.shares());
            let share = |(share, validator)| KeyShare { validator, share: ValidatorPubkey::new(share) };
            Ok::<_, UiError>(KeysReply {
                shares: shares.map(share).collect(),
                sealed: is_sealed(&keys),
                folder: keys.display().to_string(),
                backed_up_ms: notes.made_ms,
                practised_ms: notes.practised_ms,
            })
        })
        .await
    }

    /// The cluster's deposit files, checked.
    pub(crate) async fn deposit(&self) -> Result<DepositReply, UiError> {
        let inner = Arc::clone(&self.0);
        if inner.cluster.is_none() {
            return Err(UiError::because(ErrorCode::NotReady, "the node has no cluster"));
        }
        aside(move || checked_deposits(&inner.folder, &inner.scrutiny)).await
    }

    pub(crate) async fn back_up(&self, request: BackUpRequest) -> Result<BackupReply, UiError> {
        let (inner, _turn) = (Arc::clone(&self.0), self.0.turn.lock().await);
        let path = absolute(&request.path)?;
        let now_ms = clock::now().get();
        aside(move || {
            let Inner { folder, scrutiny, installation, .. } = &*inner;
            let passphrase: &Secret = &request.passphrase;
            let made = back_up(folder, &path, passphrase, scrutiny, installation, now_ms, &mut |_, _| true)?;
            BackupNotes { made_ms: Some(now_ms), ..BackupNotes::of(folder) }.keep(folder);
            Ok::<_, UiError>(reply(&path, made))
        })
        .await
    }

    pub(crate) async fn practise(&self, request: PractiseRestoreRequest) -> Result<BackupReply, UiError> {
        let (inner, _turn) = (Arc::clone(&self.0), self.0.turn.lock().await);
        let path = absolute(&request.path)?;
        let now_ms = clock::now().get();
        aside(move || {
            let Inner { folder, scrutiny, .. } = &*inner;
            let facts = practise_restore(&path, &request.passphrase, scrutiny, &mut |_, _| true)?;
            // That of another cluster proves nothing about this one's.
            if inner.cluster.as_ref().is_none_or(|(cluster, _)| *cluster == facts.lock_hash) {
                BackupNotes { practised_ms: Some(now_ms), ..BackupNotes::of(folder) }.keep(folder);
            }
            Ok::<_, UiError>(reply(&path, facts))
        })
        .await
    }
}

fn reply(path: &Path, facts: BackupFacts) -> BackupReply {
    BackupReply {
        path: path.display().to_string(),
        bytes: facts.bytes,
        cluster: facts.name,
        lock_hash: facts.lock_hash,
        operator: facts.operator.share().get(),
        validators: u32::try_from(facts.validators).unwrap_or(u32::MAX),
        made_ms: facts.made_ms,
    }
}

impl From<BackupError> for UiError {
    fn from(error: BackupError) -> Self {
        let code = match &error {
            BackupError::WeakPassphrase => {
                return Self::value_refused(
                    "Choose a passphrase of at least 12 characters; four or five words that nobody would guess do well.",
                );
            }
            BackupError::WrongPassphrase => {
                return Self::value_refused("Type the passphrase that the backup was made with.");
            }
            BackupError::Unreadable { .. } | BackupError::Identity(_) | BackupError::Installation(_) => {
                ErrorCode::Unreadable
            }
            BackupError::Unwritable(_) | BackupError::PutDown(_) | BackupError::Occupied(_) => {
                ErrorCode::Unwritable
            }
            BackupError::Malformed { .. }
            | BackupError::Lock(_)
            | BackupError::Seat(_)
            | BackupError::Keys(_)
            | BackupError::Interrupted => ErrorCode::FileRefused,
        };
        Self::because(code, error)
    }
}
