//! A node's key, and the record by which others know it.

use std::path::{Path, PathBuf};

use hearth_obol::enr::Enr;
use hearth_signer::identity::{self, FILE_NAME, IdentityError};

/// The public side of a node's key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The file with the key.
    pub path: PathBuf,
    /// The record to give to others.
    pub enr: String,
    /// Compressed public key; 33 bytes.
    pub public_key: [u8; 33],
}

/// Makes a new key in `folder`, which is made if it is not there.
pub fn create_identity(folder: &Path) -> Result<Identity, IdentityError> {
    let path = folder.join(FILE_NAME);
    let failed = |source| IdentityError::Io { action: "create", path: folder.to_owned(), source };
    if !folder.is_dir() {
        if let Some(above) = folder.parent() {
            std::fs::create_dir_all(above).map_err(failed)?;
        }
        super::draft::create_private(folder).map_err(failed)?;
    }
    let key = identity::create(&path, &mut rand::rng())?;
    Ok(Identity::of(path, &Enr::create(&key)))
}

/// The identity of the node with this folder.
pub fn read_identity(folder: &Path) -> Result<Identity, IdentityError> {
    let path = folder.join(FILE_NAME);
    let key = identity::load(&path)?;
    Ok(Identity::of(path, &Enr::create(&key)))
}

impl Identity {
    fn of(path: PathBuf, enr: &Enr) -> Self {
        Self { path, enr: enr.text().to_owned(), public_key: enr.public_key().to_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_always_has_the_same_record() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("a/.charon");
        let made = create_identity(&folder).unwrap();
        assert!(made.enr.starts_with("enr:-HW4Q"), "{}", made.enr);
        assert_eq!(read_identity(&folder).unwrap().enr, made.enr);
        assert!(matches!(create_identity(&folder), Err(IdentityError::Exists { .. })));
        assert_eq!(read_identity(&folder).unwrap().enr, made.enr, "it was left alone");
        assert!(matches!(read_identity(home.path()), Err(IdentityError::Io { .. })));
    }
}
