//! The key shares of an operator in memory, on their way from one place to another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hearth_types::ShareIndex;
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::load::{Closed, LoadError, LockedValidator, Numbers, open_all, parse_name, read_all};
use super::write::{WriteError, put_in_place, refuse_if_occupied};
use super::{Passwords, Progress, Shelf};
use crate::files::{self, Workplace};
use crate::keystore::Password;
use crate::seal;

/// Keystores, encrypted as they are, with their passwords. Wiped on drop.
pub struct Carried(Vec<Closed>);

/// One of them.
pub struct CarriedKeystore {
    /// Its file name without ending, such as `keystore-0`.
    pub stem: String,
    /// Its text.
    pub json: Zeroizing<Vec<u8>>,
    /// What opens it.
    pub password: Password,
}

impl Carried {
    /// Takes up those of a folder, one for each validator; none is opened.
    pub fn read(from: Shelf<'_>, validators: usize) -> Result<Self, LoadError> {
        Ok(Self(read_all(from, validators)?))
    }

    /// Takes up those that `source` held, one for each validator; none is opened. Errors name `source` as their folder.
    pub fn of(source: &Path, keystores: Vec<CarriedKeystore>, validators: usize) -> Result<Self, LoadError> {
        let mut numbers = Numbers::new(source, validators);
        let mut closed = Vec::with_capacity(keystores.len());
        for CarriedKeystore { stem, json, password } in keystores {
            let name = format!("{stem}.json");
            let number = parse_name(&name, "json").map(|(_, number)| number);
            numbers.take(number, &name)?;
            closed.push(Closed::parse(source.join(&name), stem, json, password, source.to_owned())?);
        }
        numbers.refuse_missing()?;
        Ok(Self(closed))
    }

    /// What there is, in the order of the files' numbers.
    pub fn keystores(&self) -> impl ExactSizeIterator<Item = CarriedKeystore> + '_ {
        self.0.iter().map(|closed| CarriedKeystore {
            stem: closed.stem.clone(),
            json: closed.json.clone(),
            password: Password::new(closed.password.reveal()),
        })
    }

    /// Opens every one and finds its share among those of this operator in the lock, which takes as long as loading them.
    pub fn check(
        &self,
        validators: &[LockedValidator],
        own: ShareIndex,
        progress: impl FnMut(Progress),
    ) -> Result<(), LoadError> {
        open_all(&self.0, validators, Some(own), progress).map(drop)
    }

    /// Puts them down, and their passwords where `to` says.
    ///
    /// The folder of `to` must be absent or empty, its parent must exist; it appears whole or not at all, for the owner alone
    /// (0600 in 0700).
    pub fn put(&self, to: Shelf<'_>, rng: &mut impl CryptoRng) -> Result<(), WriteError> {
        refuse_if_occupied(to.folder)?;
        let draft = Workplace::beside(to.folder, rng).map_err(failed(to.folder))?;
        let create = |name: &str, content: &[u8]| {
            let path: PathBuf = draft.path().join(name);
            files::create(&path, content).map_err(failed(&path))
        };
        files::create_folder(draft.path()).map_err(failed(draft.path()))?;
        for keystore in &self.0 {
            create(&format!("{}.json", keystore.stem), &keystore.json)?;
        }
        match to.passwords {
            Passwords::Beside => {
                for keystore in &self.0 {
                    create(&format!("{}.txt", keystore.stem), keystore.password.reveal().as_bytes())?;
                }
            }
            Passwords::Sealed(key) => {
                let passwords: BTreeMap<_, _> =
                    self.keystores().map(|keystore| (keystore.stem, keystore.password)).collect();
                create(seal::FILE_NAME, &seal::seal(&passwords, key, rng))?;
            }
        }
        files::sync_folder(draft.path()).map_err(failed(draft.path()))?;
        put_in_place(draft.path(), to.folder)?;
        files::sync_folder(files::parent(to.folder)).map_err(failed(to.folder))
    }
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> WriteError {
    let path = path.to_owned();
    move |source| WriteError::Io { path: path.clone(), source }
}
