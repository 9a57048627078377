//! Where a node's socket is: a function of its data folder, so that `hearth status --data-dir DIR` finds it without
//! being told, and several nodes on one computer do not meet.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Longest path that every Unix takes for a socket: 104 bytes on macOS, the last of them zero.
const LONGEST_SOCKET_PATH: usize = 103;

/// The place of the node of `data_folder`, which must exist.
///
/// On Unix `run/hearth.sock` in the data folder; if that path is too long, a name made from it in `/run/user/<uid>` or
/// `/tmp`, where `<uid>` is the owner of the data folder. On Windows a pipe's name made from the folder's path.
pub fn place_of(data_folder: &Path) -> io::Result<PathBuf> {
    // One folder has many spellings.
    let folder = std::fs::canonicalize(data_folder)?;
    if cfg!(windows) {
        return Ok(pipe_of(&folder));
    }
    Ok(socket_of(&folder, &runtime_folder(&folder)?))
}

/// The socket of the node of `folder`; in `runtime` if its path were too long.
fn socket_of(folder: &Path, runtime: &Path) -> PathBuf {
    let beside = folder.join("run").join("hearth.sock");
    if beside.as_os_str().len() <= LONGEST_SOCKET_PATH {
        return beside;
    }
    runtime.join(format!("{}.sock", digest(folder)))
}

fn pipe_of(folder: &Path) -> PathBuf {
    PathBuf::from(format!(r"\\.\pipe\hearth-{}", digest(folder)))
}

fn digest(folder: &Path) -> String {
    let hash = Sha256::digest(folder.as_os_str().as_encoded_bytes());
    hex::encode(hash.first_chunk::<8>().unwrap_or(&[0; 8]))
}

/// Does not look at the environment: a service and its owner's terminal have different ones.
#[cfg(unix)]
fn runtime_folder(folder: &Path) -> io::Result<PathBuf> {
    let owner = owner_of(folder)?;
    let of_session = PathBuf::from(format!("/run/user/{owner}"));
    Ok(if of_session.is_dir() {
        of_session.join("hearth")
    } else {
        PathBuf::from(format!("/tmp/hearth-{owner}"))
    })
}

#[cfg(not(unix))]
fn runtime_folder(folder: &Path) -> io::Result<PathBuf> {
    Ok(folder.to_owned())
}

/// Whose node it is.
#[cfg(unix)]
pub(crate) fn owner_of(path: &Path) -> io::Result<u32> {
    use std::os::unix::fs::MetadataExt;
    Ok(std::fs::symlink_metadata(path)?.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_data_folder_gets_a_short_name_of_its_own() {
        let runtime = Path::new("/run/user/1000/hearth");
        let long = |end: &str| PathBuf::from(format!("/{}/{end}", "x".repeat(100)));
        assert_eq!(
            socket_of(Path::new("/home/sam/.charon"), runtime),
            Path::new("/home/sam/.charon/run/hearth.sock")
        );
        let (one, other) = (socket_of(&long("one"), runtime), socket_of(&long("other"), runtime));
        assert_ne!(one, other);
        for path in [one, other] {
            assert!(path.starts_with(runtime) && path.as_os_str().len() <= LONGEST_SOCKET_PATH, "{path:?}");
        }
        let just_fits =
            PathBuf::from(format!("/{}", "y".repeat(LONGEST_SOCKET_PATH - "/run/hearth.sock".len() - 1)));
        assert!(socket_of(&just_fits, runtime).starts_with(&just_fits));
    }

    #[test]
    fn two_spellings_of_a_folder_have_one_place() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        let spelt = folder.path().join("sub").join("..");
        assert_eq!(place_of(folder.path()).unwrap(), place_of(&spelt).unwrap());
        assert!(place_of(&folder.path().join("missing")).is_err());
    }
}
