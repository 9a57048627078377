//! Files that hold secrets: read within a bound, written whole, for the owner's eyes, never over another.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rand::CryptoRng;
use zeroize::Zeroizing;

/// Why a file was not read.
pub(crate) enum ReadError {
    TooLarge,
    Io(io::Error),
}

/// The content of a file of at most `limit_bytes`.
pub(crate) fn read(path: &Path, limit_bytes: usize) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    // Opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(ReadError::Io)?.is_file() {
        return Err(ReadError::Io(io::Error::new(io::ErrorKind::InvalidInput, "not a file")));
    }
    // Room for everything at once: a buffer that grows leaves copies of the secret behind.
    let mut content = Zeroizing::new(Vec::with_capacity(limit_bytes.saturating_add(1)));
    let file = File::open(path).map_err(ReadError::Io)?;
    file.take(limit_bytes as u64 + 1).read_to_end(&mut content).map_err(ReadError::Io)?;
    if content.len() > limit_bytes { Err(ReadError::TooLarge) } else { Ok(content) }
}

/// Creates a file that only its owner may read and write (0600), and sees it to the disk.
///
/// Fails with `AlreadyExists` where anything is. Windows: access is what the folder grants.
pub(crate) fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Creates a folder that only its owner may enter (0700).
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Sees the entries of a folder to the disk. Windows does so by itself.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// The folder that `path` is in.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// A place beside `path` where something is made ready. What is still there when this is dropped is removed.
pub(crate) struct Workplace(PathBuf);

impl Workplace {
    /// A hidden name beside `path` that nobody else uses.
    pub(crate) fn beside(path: &Path, rng: &mut impl CryptoRng) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
        Ok(Self(parent(path).join(format!(".{name}.{:016x}.tmp", rng.next_u64()))))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // Nothing to tell: the error that led here is on its way, and what was moved away is no longer here.
        let _ = if self.0.is_dir() { fs::remove_dir_all(&self.0) } else { fs::remove_file(&self.0) };
    }
}
