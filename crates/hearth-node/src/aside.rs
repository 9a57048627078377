//! Work for whoever asks over the local socket, done where it keeps no duty waiting.

use std::io::Write;
use std::path::{Path, PathBuf};

use hearth_api::{ErrorCode, UiError};

/// Does what blocks on a thread of its own.
pub(crate) async fn aside<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, UiError>
where
    T: Send + 'static,
    E: Into<UiError> + Send + 'static,
{
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| UiError::because(ErrorCode::Internal, error))?.map_err(Into::into)
}

/// The path of a file that somebody else names: what is relative there lies elsewhere for the node.
pub(crate) fn absolute(path: &str) -> Result<PathBuf, UiError> {
    let path = PathBuf::from(path);
    if path.is_absolute() { Ok(path) } else { Err(UiError::value_refused("Give the whole path of the file.")) }
}

/// Writes a file in the place of what is there: all or nothing, for its owner alone. Its folder must exist.
pub(crate) fn replace_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut draft = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    draft.write_all(bytes)?;
    draft.as_file().sync_all()?;
    draft.persist(path).map(drop).map_err(|error| error.error)?;
    sync_folder(path)
}

/// A rename is durable once its folder is.
#[cfg(unix)]
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}
