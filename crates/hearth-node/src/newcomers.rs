//! Clusters that come into a node's folder while it runs: out of a backup, or out of a folder of Charon.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hearth_api::{BringBackRequest, ErrorCode, MoveInRequest, NewClusterReply, UiError};
use hearth_types::{LockHash, OperatorIndex};
use tokio::sync::{Mutex, Notify};

use crate::aside::{absolute, aside};
use crate::folder::{CLUSTERS, LOCK, cluster_folders};
use crate::installation::Installation;
use crate::offline::{BackupFacts, ImportError, Imported, Scrutiny, import_charon, practise_restore, restore};
use crate::settings::testnet_described_in;

/// Takes clusters in, beside the duties. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Newcomers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    home: PathBuf,
    scrutiny: Scrutiny,
    installation: Arc<Installation>,
    /// Whether the node has no cluster yet and begins with one that comes.
    waits: AtomicBool,
    arrived: Notify,
    turn: Mutex<()>,
}

impl Newcomers {
    pub(crate) fn new(home: &Path, scrutiny: Scrutiny, installation: Arc<Installation>, waits: bool) -> Self {
        let waits = AtomicBool::new(waits);
        let (arrived, turn) = (Notify::new(), Mutex::const_new(()));
        Self(Arc::new(Inner { home: home.to_owned(), scrutiny, installation, waits, arrived, turn }))
    }

    /// Whether one that comes from now on is begun with at once.
    pub(crate) fn set_waiting(&self, waits: bool) {
        self.0.waits.store(waits, Ordering::Relaxed);
    }

    /// One came that was formed here. Returns whether the node has to be started again before it performs its duties.
    pub(crate) fn come(&self) -> bool {
        let restart_needed = !self.0.waits.load(Ordering::Relaxed);
        self.0.arrived.notify_waiters();
        restart_needed
    }

    /// Waits for the next one after this call.
    pub(crate) fn arrived(&self) -> impl Future<Output = ()> + '_ {
        let mut notified = Box::pin(self.0.arrived.notified());
        notified.as_mut().enable();
        notified
    }

    /// Out of a backup, on a computer that takes the place of a lost one.
    pub(crate) async fn bring_back(&self, request: BringBackRequest) -> Result<NewClusterReply, UiError> {
        let BringBackRequest { path, passphrase, confirmed } = request;
        refuse_unless(
            confirmed,
            "Make sure that the computer of the backup never signs again, and confirm that.",
        )?;
        let path = absolute(&path)?;
        self.take_in(move |inner| {
            let Inner { scrutiny, installation, .. } = inner;
            // Opened before anything is written: it says whose it is.
            let facts = practise_restore(&path, &passphrase, scrutiny, &mut |_, _| true)?;
            let to = inner.place_of(facts.lock_hash)?;
            let facts = restore(&path, &to, &passphrase, scrutiny, installation, &mut |_, _| true)?;
            let BackupFacts { name, lock_hash, operator, validators, .. } = facts;
            Ok(Came { folder: to, name, lock_hash, operator, validators, warnings: Vec::new() })
        })
        .await
    }

    /// Out of a folder that Charon has run on.
    pub(crate) async fn move_in(&self, request: MoveInRequest) -> Result<NewClusterReply, UiError> {
        let MoveInRequest { path, history, confirmed } = request;
        refuse_unless(confirmed, "Stop Charon and its validator client for good, and confirm that.")?;
        let path = absolute(&path)?;
        let history = history.as_deref().map(absolute).transpose()?;
        self.take_in(move |inner| {
            let described = testnet_described_in(&path);
            let testnet = inner.scrutiny.testnet.clone().or(described);
            let scrutiny = Scrutiny { testnet, ..inner.scrutiny.clone() };
            let (lock, _told_again_below) =
                scrutiny.usable_lock(&path.join(LOCK)).map_err(ImportError::from)?;
            let to = inner.place_of(lock.lock_hash())?;
            let (history, go_on) = (history.as_deref(), &mut |_, _| true);
            let imported = import_charon(&path, &to, history, &scrutiny, &inner.installation, go_on)?;
            let Imported { lock_hash, name, operator, validators, warnings, .. } = imported;
            Ok(Came { folder: to, name, lock_hash, operator, validators, warnings })
        })
        .await
    }

    /// One at a time, beside the duties.
    async fn take_in(
        &self,
        work: impl FnOnce(&Inner) -> Result<Came, UiError> + Send + 'static,
    ) -> Result<NewClusterReply, UiError> {
        let (inner, _turn) = (Arc::clone(&self.0), self.0.turn.lock().await);
        let Came { folder, name, lock_hash, operator, validators, warnings } =
            aside(move || work(&inner)).await?;
        let restart_needed = self.come();
        Ok(NewClusterReply {
            folder: folder.display().to_string(),
            name,
            cluster: lock_hash,
            operator: operator.share().get(),
            validators: u32::try_from(validators).unwrap_or(u32::MAX),
            warnings,
            restart_needed,
        })
    }
}

/// A cluster that was taken in.
struct Came {
    folder: PathBuf,
    name: String,
    lock_hash: LockHash,
    operator: OperatorIndex,
    validators: usize,
    warnings: Vec<String>,
}

impl Inner {
    /// The folder of a new cluster. One that is there already is not taken in again.
    fn place_of(&self, cluster: LockHash) -> Result<PathBuf, UiError> {
        let folders =
            cluster_folders(&self.home).map_err(|error| UiError::because(ErrorCode::Unreadable, error))?;
        if let Some(there) = folders.iter().find(|folder| lock_hash_in(folder) == Some(cluster)) {
            let details = format!("the cluster is in {} already", there.display());
            return Err(UiError {
                remedy: "There is nothing to do: this node has the cluster.".into(),
                ..UiError::because(ErrorCode::FileRefused, details)
            });
        }
        let name: String = cluster.to_string().chars().skip(2).take(8).collect();
        Ok(self.home.join(CLUSTERS).join(name))
    }
}

/// As the lock file says. It is checked when the cluster is run.
fn lock_hash_in(folder: &Path) -> Option<LockHash> {
    let lock: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join(LOCK)).ok()?).ok()?;
    lock.get("lock_hash")?.as_str()?.parse().ok()
}

fn refuse_unless(confirmed: bool, remedy: &str) -> Result<(), UiError> {
    if confirmed { Ok(()) } else { Err(UiError::value_refused(remedy)) }
}

impl From<ImportError> for UiError {
    fn from(error: ImportError) -> Self {
        let code = match &error {
            ImportError::Identity(_) | ImportError::Unreadable { .. } | ImportError::Installation(_) => {
                ErrorCode::Unreadable
            }
            ImportError::Occupied(_) | ImportError::Unwritable(_) => ErrorCode::Unwritable,
            ImportError::Running(_) => {
                let remedy = "Stop what runs on that folder, for good: two signers with one key share get validators slashed.";
                return Self { remedy: remedy.into(), ..Self::because(ErrorCode::FileRefused, error) };
            }
            _ => ErrorCode::FileRefused,
        };
        Self::because(code, error)
    }
}
