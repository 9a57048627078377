//! Keystores of existing validators, whose keys are to be split.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use hearth_crypto::SecretKey;
use hearth_signer::keystore::{Keystore, KeystoreError, Password};
use thiserror::Error;

/// Folders below the given one that are looked into.
const DEPTH: usize = 8;
/// Bytes of a file that are read; no keystore is near that long.
const LARGEST_FILE: u64 = 1 << 20;
/// Files that are looked at.
const MOST_FILES: usize = 20_000;

/// Keys that cannot be read. Nothing was changed.
#[derive(Debug, Error)]
pub enum KeysError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no keystore.
    #[error("{} holds no keystore (a .json file with its password in a .txt file beside it)", .0.display())]
    None(PathBuf),
    /// There are too many files.
    #[error("{} holds more than {MOST_FILES} files; is it the right folder?", .0.display())]
    TooMany(PathBuf),
    /// A keystore is damaged.
    #[error("{}: {source}", path.display())]
    Keystore {
        /// The keystore.
        path: PathBuf,
        /// What is wrong with it.
        source: KeystoreError,
    },
    /// No password in the folder opens a keystore.
    #[error("no password in {} opens {}", folder.display(), path.display())]
    NoPassword {
        /// Where passwords were looked for.
        folder: PathBuf,
        /// The keystore.
        path: PathBuf,
    },
}

/// Opens every keystore below `folder`, in the order of their paths: the password of the same name first, then any other.
///
/// Source: `obol-cluster.md` 7, "Split existing keys".
pub fn read_keys(folder: &Path) -> Result<Vec<SecretKey>, KeysError> {
    let mut files = Vec::new();
    collect(folder, DEPTH, &mut files)?;
    if files.len() > MOST_FILES {
        return Err(KeysError::TooMany(folder.to_owned()));
    }
    files.sort();
    let ends = |path: &&PathBuf, ending| path.extension().is_some_and(|extension| extension == ending);
    let passwords: Vec<(PathBuf, Password)> = files
        .iter()
        .filter(|path| ends(path, "txt"))
        .map(|path| Ok((path.clone(), Password::new(&read(path)?))))
        .collect::<Result<_, KeysError>>()?;
    let mut keys = Vec::new();
    for path in files.iter().filter(|path| ends(path, "json")) {
        let keystore = match Keystore::parse(read(path)?.as_bytes()) {
            Ok(keystore) => keystore,
            // What calls itself a keystore must be one: a validator left out in silence would stop attesting.
            Err(source) if is_named_keystore(path) => {
                return Err(KeysError::Keystore { path: path.clone(), source });
            }
            // Other JSON may lie around: deposit data, a lock.
            Err(_) => continue,
        };
        keys.push(open(folder, path, &keystore, &passwords)?);
    }
    if keys.is_empty() { Err(KeysError::None(folder.to_owned())) } else { Ok(keys) }
}

fn is_named_keystore(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("keystore"))
}

fn open(
    folder: &Path,
    path: &Path,
    keystore: &Keystore,
    passwords: &[(PathBuf, Password)],
) -> Result<SecretKey, KeysError> {
    let own = path.with_extension("txt");
    let (same_name, others): (Vec<_>, Vec<_>) = passwords.iter().partition(|(of, _)| *of == own);
    for (_, password) in same_name.into_iter().chain(others) {
        match keystore.decrypt(password) {
            Ok(key) => return Ok(key),
            Err(KeystoreError::WrongPassword) => {}
            Err(source) => return Err(KeysError::Keystore { path: path.to_owned(), source }),
        }
    }
    Err(KeysError::NoPassword { folder: folder.to_owned(), path: path.to_owned() })
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), KeysError> {
    let unreadable = |source| KeysError::Unreadable { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        // Links are not followed: they can lead in circles.
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_file() {
            files.push(entry.path());
        } else if kind.is_dir() && depth > 0 {
            collect(&entry.path(), depth - 1, files)?;
        }
        if files.len() > MOST_FILES {
            return Ok(());
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, KeysError> {
    let unreadable = |source| KeysError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    file.take(LARGEST_FILE).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use hearth_signer::keystore::{Cost, encrypt};

    use super::*;

    fn put(folder: &Path, name: &str, key: &SecretKey, password: &Password) {
        let json = encrypt(key, password, Cost::Insecure, &mut rand::rng()).unwrap();
        fs::write(folder.join(name), json).unwrap();
    }

    #[test]
    fn every_keystore_is_opened_by_the_password_of_its_name_or_by_any_other() {
        let home = tempfile::tempdir().unwrap();
        let below = home.path().join("more");
        fs::create_dir(&below).unwrap();
        let (first, second) = (SecretKey::generate(&mut rand::rng()), SecretKey::generate(&mut rand::rng()));
        put(home.path(), "keystore-0.json", &first, &Password::new("one"));
        put(&below, "keystore-1.json", &second, &Password::new("two"));
        fs::write(home.path().join("keystore-0.txt"), "one\n").unwrap();
        fs::write(home.path().join("passwords.txt"), "two").unwrap();
        fs::write(home.path().join("deposit-data.json"), "[]").unwrap();
        let keys = read_keys(home.path()).unwrap();
        let public: Vec<_> = keys.iter().map(SecretKey::public_key).collect();
        assert_eq!(public, [first.public_key(), second.public_key()]);
    }

    #[test]
    fn a_folder_without_keys_and_a_key_without_password_are_named() {
        let home = tempfile::tempdir().unwrap();
        assert!(matches!(read_keys(home.path()), Err(KeysError::None(_))));
        assert!(matches!(read_keys(&home.path().join("absent")), Err(KeysError::Unreadable { .. })));
        put(home.path(), "keystore-0.json", &SecretKey::generate(&mut rand::rng()), &Password::new("one"));
        fs::write(home.path().join("keystore-0.txt"), "other").unwrap();
        assert!(matches!(read_keys(home.path()), Err(KeysError::NoPassword { .. })));
        fs::write(home.path().join("keystore-0.json"), "{").unwrap();
        assert!(
            matches!(read_keys(home.path()), Err(KeysError::Keystore { .. })),
            "a damaged one is not passed over"
        );
    }
}
