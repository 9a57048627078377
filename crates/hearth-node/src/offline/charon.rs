//! What a folder of Charon holds beside keys, and how it is carried over.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use hearth_obol::cluster::KEY_LOCK_FILE;

use super::deposits::is_deposit_file;
use super::draft::{Unwritable, put};

/// What was signed, for the validator client beside Charon, as `export charon` names it.
pub(super) const HISTORY: &str = "slashing-protection.json";
/// The lock, whose presence says that a folder is whole.
pub(super) const LOCK: &str = "cluster-lock.json";
/// Bytes of a file that are read.
const MOST_BYTES: u64 = 64 << 20;

/// A file that could not be carried over.
pub(super) enum CopyError {
    Unreadable { path: PathBuf, source: io::Error },
    Unwritable(Unwritable),
}

/// Later fee recipients.
const OVERRIDES: &str = "builder_registrations_overrides.json";

/// Whether a file of this name is one of the cluster's that is no secret.
pub(super) fn is_open_file(name: &str) -> bool {
    matches!(name, LOCK | OVERRIDES | "cluster-definition.json") || is_deposit_file(name)
}

/// Copies what is no secret: the lock, the definition, later fee recipients, deposit data, and the waiting time of the node's
/// key.
pub(super) fn copy_open_files(from: &Path, to: &Path) -> Result<(), CopyError> {
    let unreadable = |path: &Path, source| CopyError::Unreadable { path: path.to_owned(), source };
    for entry in std::fs::read_dir(from).map_err(|source| unreadable(from, source))? {
        let entry = entry.map_err(|source| unreadable(from, source))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Source of the names: `obol-cluster.md` 9.1.
        let mode = match name.as_str() {
            LOCK => 0o400,
            KEY_LOCK_FILE => 0o600,
            OVERRIDES => 0o644,
            name if is_open_file(name) => 0o444,
            _ => continue,
        };
        let content = read(&entry.path()).map_err(|source| unreadable(&entry.path(), source))?;
        put(&to.join(name), &content, mode).map_err(CopyError::Unwritable)?;
    }
    Ok(())
}

pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut content = Vec::new();
    File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MOST_BYTES {
        return Err(io::Error::other(format!("it has more than {MOST_BYTES} bytes")));
    }
    Ok(content)
}
