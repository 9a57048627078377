//! Keystores of existing validators, whose keys are to be split.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hearth_crypto::SecretKey;
use hearth_signer::keystore::{Keystore, KeystoreError, Password};
use rayon::prelude::*;
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
    /// Keys and addresses cannot be matched by number.
    #[error(
        "{} is missing: with an address for each validator, the {keystores} keystores must be named keystore-0.json to \
         keystore-{}.json, in the order of the addresses", path.display(), keystores.saturating_sub(1)
    )]
    NotNumbered {
        /// The keystore that should be there.
        path: PathBuf,
        /// Keystores that there are.
        keystores: usize,
    },
    /// The caller said no to going on.
    #[error("stopped")]
    Interrupted,
    /// No password in the folder opens a keystore.
    #[error("no password in {} opens {}", folder.display(), path.display())]
    NoPassword {
        /// Where passwords were looked for.
        folder: PathBuf,
        /// The keystore.
        path: PathBuf,
    },
}

/// Which keystores are meant, and in which order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyOrder {
    /// Every keystore in the folder and below it, in the order of their paths.
    Any,
    /// `keystore-0.json`, `keystore-1.json`, … in the folder itself, without gaps: where each key has an address of its own.
    Numbered,
}

/// Opens keystores: with the password of the same name first, then with any other in the folder. Uses all cores.
///
/// `progress` hears how many of how many are open, and says whether to go on.
/// Source: `obol-cluster.md` 7, "Split existing keys".
pub fn read_keys(
    folder: &Path,
    order: KeyOrder,
    progress: &mut (dyn FnMut(u64, u64) -> bool + Send),
) -> Result<Vec<SecretKey>, KeysError> {
    let mut files = Vec::new();
    collect(folder, if order == KeyOrder::Any { DEPTH } else { 0 }, &mut files)?;
    if files.len() > MOST_FILES {
        return Err(KeysError::TooMany(folder.to_owned()));
    }
    files.sort();
    let passwords: Vec<(PathBuf, Password)> = files
        .iter()
        .filter(|path| has_ending(path, "txt"))
        .map(|path| Ok((path.clone(), Password::new(&read(path)?))))
        .collect::<Result<_, KeysError>>()?;
    let keystores = match order {
        KeyOrder::Any => any(&files)?,
        KeyOrder::Numbered => numbered(folder, &files)?,
    };
    if keystores.is_empty() {
        return Err(KeysError::None(folder.to_owned()));
    }
    let (total, heard) = (keystores.len() as u64, Mutex::new((0, progress)));
    let open_one = |(path, keystore): &(PathBuf, Keystore)| {
        let key = open(folder, path, keystore, &passwords)?;
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.0 += 1;
        let done = heard.0;
        if (heard.1)(done, total) { Ok(key) } else { Err(KeysError::Interrupted) }
    };
    keystores.par_iter().map(open_one).collect()
}

fn any(files: &[PathBuf]) -> Result<Vec<(PathBuf, Keystore)>, KeysError> {
    let mut keystores = Vec::new();
    for path in files.iter().filter(|path| has_ending(path, "json")) {
        match Keystore::parse(read(path)?.as_bytes()) {
            Ok(keystore) => keystores.push((path.clone(), keystore)),
            // What calls itself a keystore must be one: a validator left out in silence would stop attesting.
            Err(source) if is_named_keystore(path) => {
                return Err(KeysError::Keystore { path: path.clone(), source });
            }
            // Other JSON may lie around: deposit data, a lock.
            Err(_) => {}
        }
    }
    Ok(keystores)
}

fn numbered(folder: &Path, files: &[PathBuf]) -> Result<Vec<(PathBuf, Keystore)>, KeysError> {
    let named = files.iter().filter(|path| has_ending(path, "json") && is_named_keystore(path)).count();
    let numbered = |number| {
        let path = folder.join(format!("keystore-{number}.json"));
        if !path.is_file() {
            return Err(KeysError::NotNumbered { path, keystores: named });
        }
        let keystore = Keystore::parse(read(&path)?.as_bytes());
        keystore.map(|keystore| (path.clone(), keystore)).map_err(|source| KeysError::Keystore { path, source })
    };
    (0..named).map(numbered).collect()
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|extension| extension == ending)
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
        let keys = read_keys(home.path(), KeyOrder::Any, &mut |_, _| true).unwrap();
        let public: Vec<_> = keys.iter().map(SecretKey::public_key).collect();
        assert_eq!(public, [first.public_key(), second.public_key()]);
    }

    #[test]
    fn a_folder_without_keys_and_a_key_without_password_are_named() {
        let home = tempfile::tempdir().unwrap();
        let any = |folder: &Path| read_keys(folder, KeyOrder::Any, &mut |_, _| true);
        assert!(matches!(any(home.path()), Err(KeysError::None(_))));
        assert!(matches!(any(&home.path().join("absent")), Err(KeysError::Unreadable { .. })));
        put(home.path(), "keystore-0.json", &SecretKey::generate(&mut rand::rng()), &Password::new("one"));
        fs::write(home.path().join("keystore-0.txt"), "other").unwrap();
        assert!(matches!(any(home.path()), Err(KeysError::NoPassword { .. })));
        fs::write(home.path().join("keystore-0.json"), "{").unwrap();
        assert!(
            matches!(any(home.path()), Err(KeysError::Keystore { .. })),
            "a damaged one is not passed over"
        );
    }

    #[test]
    fn keys_that_belong_to_addresses_come_in_the_order_of_their_numbers() {
        let home = tempfile::tempdir().unwrap();
        let keys: Vec<_> = (0..12).map(|_| SecretKey::generate(&mut rand::rng())).collect();
        for (number, key) in keys.iter().enumerate() {
            put(home.path(), &format!("keystore-{number}.json"), key, &Password::new("all"));
        }
        fs::write(home.path().join("all.txt"), "all").unwrap();
        let in_order = || read_keys(home.path(), KeyOrder::Numbered, &mut |_, _| true);
        let public = |keys: &[SecretKey]| keys.iter().map(SecretKey::public_key).collect::<Vec<_>>();
        assert_eq!(public(&in_order().unwrap()), public(&keys), "ten comes after nine");

        fs::rename(home.path().join("keystore-3.json"), home.path().join("keystore-30.json")).unwrap();
        let gap = in_order().unwrap_err();
        assert!(matches!(&gap, KeysError::NotNumbered { keystores: 12, .. }), "{gap}");
        assert!(gap.to_string().contains("keystore-3.json is missing"), "{gap}");
    }

    #[test]
    fn opening_can_be_stopped() {
        let home = tempfile::tempdir().unwrap();
        put(home.path(), "keystore-0.json", &SecretKey::generate(&mut rand::rng()), &Password::new("one"));
        fs::write(home.path().join("keystore-0.txt"), "one").unwrap();
        let stopped = read_keys(home.path(), KeyOrder::Any, &mut |_, _| false);
        assert!(matches!(stopped, Err(KeysError::Interrupted)));
    }
}
