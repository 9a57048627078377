//! Keeps the file beside the node's key that tells other programs, and other computers that share the folder, that this
//! node uses it.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use hearth_obol::cluster::{Claimant, KEY_LOCK_FILE, KEY_LOCK_REFRESH_MS, KeyInUse, KeyLock};
use hearth_types::LockHash;
use thiserror::Error;

use crate::clock;

/// A real file has about 200 bytes.
const MOST_BYTES: u64 = 64 << 10;

/// Why the node's key is not to be used.
#[derive(Debug, Error)]
pub enum KeyGuardError {
    /// Another program uses it, or may.
    #[error("{}: {source}", path.display())]
    InUse {
        /// The file that says so.
        path: PathBuf,
        /// What it says.
        source: KeyInUse,
    },
    /// The file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// The use of a node's key, made known every second until this is dropped. The file stays, as other programs expect.
#[derive(Debug)]
pub(crate) struct KeyGuard {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl KeyGuard {
    /// Takes the key in `folder` for the duties of a cluster, or for the ceremony that makes one, unless the file says that somebody else has it. The caller has the folder to himself on
    /// this computer; `machine` tells it from others.
    pub(crate) fn take(
        folder: &Path,
        command: &str,
        cluster: Option<LockHash>,
        machine: Option<String>,
    ) -> Result<Self, KeyGuardError> {
        let path = folder.join(KEY_LOCK_FILE);
        let claimant = Claimant { cluster, machine: machine.as_deref() };
        refuse_if_used(&path, &claimant)?;
        let mut lock = KeyLock {
            command: command.to_owned(),
            timestamp: clock::now(),
            cluster_lock_hash: cluster.map_or_else(String::new, |cluster| cluster.to_string()),
            machine,
        };
        let failed = |source| KeyGuardError::Io { action: "write", path: path.clone(), source };
        write(&path, &lock).map_err(failed)?;
        let (stop, stopped) = mpsc::channel();
        let file = path.clone();
        let refresh = move || {
            let mut writable = true;
            while stopped.recv_timeout(Duration::from_millis(KEY_LOCK_REFRESH_MS))
                == Err(RecvTimeoutError::Timeout)
            {
                lock.timestamp = clock::now();
                let written = write(&file, &lock);
                // Duties matter more than this advice; once is enough to say that it cannot be given.
                if let (true, Err(error)) = (writable, &written) {
                    tracing::warn!(file = %file.display(), %error, "other programs cannot see that the key is in use");
                }
                writable = written.is_ok();
            }
        };
        let thread = std::thread::Builder::new().name("key-guard".into()).spawn(refresh).map_err(failed)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for KeyGuard {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// Fails if the file at `path` means that somebody uses the key.
pub(crate) fn refuse_if_used(path: &Path, claimant: &Claimant<'_>) -> Result<(), KeyGuardError> {
    let in_use = |source| KeyGuardError::InUse { path: path.to_owned(), source };
    let mut json = Vec::new();
    match fs::File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut json)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(KeyGuardError::Io { action: "read", path: path.to_owned(), source }),
    }
    let found = KeyLock::from_json(&json).map_err(in_use)?;
    found.admits(claimant, clock::now()).map_err(in_use)
}

/// Replaces the file: a reader sees the old one or the new one, never half of one.
fn write(path: &Path, lock: &KeyLock) -> io::Result<()> {
    let draft = path.with_extension("lock.new");
    fs::write(&draft, lock.to_json())?;
    fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(seed: u8) -> LockHash {
        LockHash::new([seed; 32])
    }

    fn take(folder: &Path, cluster: u8, machine: &str) -> Result<KeyGuard, KeyGuardError> {
        KeyGuard::take(folder, "hearth run", Some(hash(cluster)), Some(machine.to_owned()))
    }

    #[test]
    fn a_key_in_use_is_refused_to_others_and_a_predecessor_on_this_machine_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        drop(take(folder.path(), 1, "here").unwrap());
        let file = folder.path().join(KEY_LOCK_FILE);
        let left = KeyLock::from_json(&fs::read(&file).unwrap()).unwrap();
        assert_eq!((left.command.as_str(), left.cluster_lock_hash), ("hearth run", hash(1).to_string()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the file stays, and nothing else does");

        let elsewhere = take(folder.path(), 1, "there").unwrap_err();
        assert!(matches!(&elsewhere, KeyGuardError::InUse { source: KeyInUse::Running { .. }, .. }));
        let other_cluster = take(folder.path(), 2, "here").unwrap_err();
        assert!(matches!(&other_cluster, KeyGuardError::InUse { source: KeyInUse::OtherCluster { .. }, .. }));
        assert!(take(folder.path(), 1, "here").is_ok());
    }

    #[test]
    fn a_file_that_cannot_be_understood_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(KEY_LOCK_FILE);
        fs::write(&file, "{").unwrap();
        let refused = take(folder.path(), 1, "here").unwrap_err();
        assert!(matches!(&refused, KeyGuardError::InUse { source: KeyInUse::Unreadable, .. }), "{refused}");
        assert!(refused.to_string().contains(KEY_LOCK_FILE), "{refused}");
        assert_eq!(fs::read(&file).unwrap(), b"{", "it is left as it is");
    }
}
