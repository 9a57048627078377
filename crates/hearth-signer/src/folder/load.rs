//! Key shares from disk, each matched to the validator whose public share the lock lists.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use hearth_crypto::{PublicKey, SecretKey};
use hearth_types::{OperatorIndex, ShareIndex, ValidatorPubkey};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{Passwords, Progress, Shelf, stem};
use crate::Keyring;
use crate::cores::{available, spread};
use crate::files::{self, ReadError};
use crate::keystore::{self, Cost, Keystore, KeystoreError, Password};
use crate::seal::{self, SealError, SealingKey};

/// A password has 32 bytes; this leaves room for words.
const MOST_PASSWORD_BYTES: usize = 4 << 10;

/// Two files for each of the 65,536 validators that a lock can have, and as many again of other things.
const MOST_ENTRIES: usize = 4 << 16;

/// Keystores with scrypt that are opened at the same time: together they need at most 1 GiB.
const MOST_SCRYPT_LANES: usize = 4;

/// One validator as the cluster lock lists it.
#[derive(Clone, Debug)]
pub struct LockedValidator {
    /// Its group public key.
    pub validator: ValidatorPubkey,
    /// Public keys of its shares, in the order of the operators.
    pub public_shares: Vec<PublicKey>,
}

/// A key share, and where it belongs.
#[derive(Debug)]
pub struct LoadedShare {
    /// The keystore that held it.
    pub file: PathBuf,
    /// Group public key of the validator.
    pub validator: ValidatorPubkey,
    /// Which of its shares this is.
    pub share: ShareIndex,
    /// The share.
    pub secret: SecretKey,
}

/// Why the key shares of a folder cannot be used. Every variant but one names the file to look at.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The operating system refused.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There are more files than any cluster has.
    #[error("{} holds more than {limit} files", path.display())]
    TooManyFiles {
        /// The folder.
        path: PathBuf,
        /// What is read at most.
        limit: usize,
    },
    /// The lock has a validator whose keystore is not there.
    #[error("{} is missing; the cluster has {validators} validators", path.display())]
    MissingKeystore {
        /// The file that should be there.
        path: PathBuf,
        /// Validators in the lock.
        validators: usize,
    },
    /// A keystore without its password.
    #[error("{} is missing; it should hold the password of the keystore of the same name", path.display())]
    MissingPassword {
        /// The file that should be there.
        path: PathBuf,
    },
    /// The sealed passwords stay closed.
    #[error("cannot use the passwords in {}: {source}", path.display())]
    Sealed {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SealError,
    },
    /// A file with the name of a keystore or password that belongs to no validator of the lock.
    #[error("{} is one file too many; the cluster has {validators} validators", path.display())]
    ExtraFile {
        /// The file.
        path: PathBuf,
        /// Validators in the lock.
        validators: usize,
    },
    /// A password file that is too long or not text.
    #[error("{} is not a password", path.display())]
    NotAPassword {
        /// The file.
        path: PathBuf,
    },
    /// The password beside the keystore is not its password.
    #[error("the password in {} does not open {}", password.display(), path.display())]
    WrongPassword {
        /// The keystore.
        path: PathBuf,
        /// The file with the password.
        password: PathBuf,
    },
    /// The keystore is of no use for another reason.
    #[error("{}: {source}", path.display())]
    Keystore {
        /// The keystore.
        path: PathBuf,
        /// What is wrong with it.
        source: KeystoreError,
    },
    /// The keystore opens, but no validator of the lock has a share with this public key.
    #[error("{} holds the key of 0x{}, which is no share of this cluster", path.display(), hex::encode(public_key.to_bytes()))]
    UnknownKey {
        /// The keystore.
        path: PathBuf,
        /// Public key of what it holds.
        public_key: PublicKey,
    },
    /// The keystore holds the share of another operator.
    #[error("{} holds a share of {}, this node is {}", path.display(), found.operator(), own.operator())]
    OtherOperator {
        /// The keystore.
        path: PathBuf,
        /// The share that it holds.
        found: ShareIndex,
        /// The share that it should hold.
        own: ShareIndex,
    },
    /// Two keystores hold shares of one validator.
    #[error("{} and {} hold keys of the same validator {}", first.display(), path.display(), validator.abbreviated())]
    SecondKey {
        /// The keystore with the higher number.
        path: PathBuf,
        /// The keystore with the lower number.
        first: PathBuf,
        /// Group public key of the validator.
        validator: ValidatorPubkey,
    },
    /// The lock lists one public share twice.
    #[error("the cluster lock lists the public share 0x{} twice", hex::encode(public_share.to_bytes()))]
    AmbiguousLock {
        /// The public share.
        public_share: PublicKey,
    },
}

/// Loads the shares of this operator, one for every validator of the lock, ready to sign.
///
/// `own` is the operator's share index: the position of its identity among the operators, plus one.
///
/// Errors: as [`load`], and [`LoadError::OtherOperator`].
pub fn load_keyring<'a>(
    from: impl Into<Shelf<'a>>,
    validators: &[LockedValidator],
    own: ShareIndex,
    progress: impl FnMut(Progress),
) -> Result<Keyring, LoadError> {
    let loaded = open_all(&read_all(from.into(), validators.len())?, validators, Some(own), progress)?;
    Ok(Keyring::new(loaded.into_iter().map(|share| (share.validator, share.secret))))
}

/// Loads one share for every validator of the lock, of whichever operators, in the order of the files' numbers.
///
/// Opens up to as many keystores at once as there are cores (with scrypt at most four) and blocks until all are open;
/// 1,000 of them take about half a minute on two cores. `progress` is called after each.
///
/// Other files whose name does not begin with `keystore` are left alone.
///
/// Errors: [`LoadError`], on every run the same one for the same folder.
pub fn load<'a>(
    from: impl Into<Shelf<'a>>,
    validators: &[LockedValidator],
    progress: impl FnMut(Progress),
) -> Result<Vec<LoadedShare>, LoadError> {
    open_all(&read_all(from.into(), validators.len())?, validators, None, progress)
}

/// Every keystore of the folder with its password, in the order of their numbers, all parsed and none opened.
pub(super) fn read_all(from: Shelf<'_>, validators: usize) -> Result<Vec<Closed>, LoadError> {
    let Listing { stems, mut texts } = list(from.folder, validators)?;
    let file = |stem: &str, ending: &str| from.folder.join(format!("{stem}.{ending}"));
    let mut closed = Vec::with_capacity(stems.len());
    match from.passwords {
        Passwords::Beside => {
            for stem in stems.into_values() {
                let password = file(&stem, "txt");
                if !texts.remove(&stem) {
                    return Err(LoadError::MissingPassword { path: password });
                }
                closed.push(Closed::read(file(&stem, "json"), stem, read_password(&password)?, password)?);
            }
        }
        Passwords::Sealed(key) => {
            let sealed = from.folder.join(seal::FILE_NAME);
            let mut passwords = read_sealed(&sealed, key)?;
            for stem in stems.into_values() {
                let missing = || LoadError::MissingPassword { path: sealed.clone() };
                let password = passwords.remove(&stem).ok_or_else(missing)?;
                closed.push(Closed::read(file(&stem, "json"), stem, password, sealed.clone())?);
            }
        }
    }
    match texts.first() {
        Some(stem) => Err(LoadError::ExtraFile { path: file(stem, "txt"), validators }),
        None => Ok(closed),
    }
}

/// Opens what was read and finds the place of each share in the lock.
pub(super) fn open_all(
    closed: &[Closed],
    validators: &[LockedValidator],
    own: Option<ShareIndex>,
    mut progress: impl FnMut(Progress),
) -> Result<Vec<LoadedShare>, LoadError> {
    let owners = owners(validators)?;
    let lanes = match closed.iter().any(|closed| closed.keystore.is_memory_hard()) {
        true => available().min(MOST_SCRYPT_LANES),
        false => available(),
    };
    let total = closed.len();
    let open = |closed: &Closed| closed.open(&owners, own);
    let loaded = spread(closed.iter().collect(), lanes, open, |done| progress(Progress { done, total }))?;
    refuse_second_keys(&loaded)?;
    Ok(loaded)
}

/// Which validator and operator each public share of the lock belongs to.
type Owners = BTreeMap<PublicKey, (ValidatorPubkey, ShareIndex)>;

fn owners(validators: &[LockedValidator]) -> Result<Owners, LoadError> {
    let mut owners = Owners::new();
    for LockedValidator { validator, public_shares } in validators {
        for (operator, public_share) in OperatorIndex::all(u8::MAX).zip(public_shares) {
            if owners.insert(*public_share, (*validator, operator.share())).is_some() {
                return Err(LoadError::AmbiguousLock { public_share: *public_share });
            }
        }
    }
    Ok(owners)
}

/// The files of a folder, by name.
struct Listing {
    /// Keystores `0..validators`, without ending.
    stems: BTreeMap<usize, String>,
    /// Passwords in text files, without ending.
    texts: BTreeSet<String>,
}

fn list(folder: &Path, validators: usize) -> Result<Listing, LoadError> {
    let extra = |name: &str| LoadError::ExtraFile { path: folder.join(name), validators };
    let (mut stems, mut texts) = (BTreeMap::new(), BTreeSet::new());
    let mut numbers = Numbers::new(folder, validators);
    for name in &names(folder)? {
        let Some((stem, number)) = ["json", "txt"].iter().find_map(|ending| parse_name(name, ending)) else {
            return Err(extra(name));
        };
        if name.ends_with("txt") {
            if number >= validators {
                return Err(extra(name));
            }
            texts.insert(stem.to_owned());
        } else {
            // Refuses the second of `keystore-0.json` and `keystore-insecure-0.json`.
            numbers.take(Some(number), name)?;
            stems.insert(number, stem.to_owned());
        }
    }
    numbers.refuse_missing()?;
    Ok(Listing { stems, texts })
}

/// Which keystores of `0..validators` there are, one by one.
pub(super) struct Numbers<'a> {
    folder: &'a Path,
    validators: usize,
    seen: BTreeSet<usize>,
}

impl<'a> Numbers<'a> {
    pub(super) const fn new(folder: &'a Path, validators: usize) -> Self {
        Self { folder, validators, seen: BTreeSet::new() }
    }

    /// Takes note of one; refuses what is none, or is there already.
    pub(super) fn take(&mut self, number: Option<usize>, name: &str) -> Result<(), LoadError> {
        match number.filter(|number| *number < self.validators) {
            Some(number) if self.seen.insert(number) => Ok(()),
            _ => Err(LoadError::ExtraFile { path: self.folder.join(name), validators: self.validators }),
        }
    }

    pub(super) fn refuse_missing(&self) -> Result<(), LoadError> {
        let missing = (0..self.validators).find(|number| !self.seen.contains(number));
        missing.map_or(Ok(()), |number| {
            let path = self.folder.join(format!("{}.json", stem(Cost::Standard, number)));
            Err(LoadError::MissingKeystore { path, validators: self.validators })
        })
    }
}

/// Names in the folder that claim to be of a keystore or its password, sorted.
fn names(folder: &Path) -> Result<BTreeSet<String>, LoadError> {
    let failed = |source| LoadError::Io { path: folder.to_owned(), source };
    let mut names = BTreeSet::new();
    for (seen, entry) in std::fs::read_dir(folder).map_err(failed)?.enumerate() {
        if seen >= MOST_ENTRIES {
            return Err(LoadError::TooManyFiles { path: folder.to_owned(), limit: MOST_ENTRIES });
        }
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if name.starts_with("keystore") {
            names.insert(name);
        }
    }
    Ok(names)
}

/// The stem and the number of a file with this ending, if it is one of ours.
pub(super) fn parse_name<'a>(name: &'a str, ending: &str) -> Option<(&'a str, usize)> {
    let found = name.strip_suffix(ending)?.strip_suffix('.')?;
    let number = found.rsplit('-').next()?.parse().ok()?;
    [Cost::Standard, Cost::Insecure].iter().any(|cost| stem(*cost, number) == found).then_some((found, number))
}

/// A keystore that was read and parsed, and its password.
pub(super) struct Closed {
    /// Its file, without ending.
    pub(super) stem: String,
    /// Its text.
    pub(super) json: Zeroizing<Vec<u8>>,
    pub(super) password: Password,
    path: PathBuf,
    /// The file that the password came from.
    password_path: PathBuf,
    keystore: Keystore,
}

impl Closed {
    fn read(
        path: PathBuf,
        stem: String,
        password: Password,
        password_path: PathBuf,
    ) -> Result<Self, LoadError> {
        let refused = |source| LoadError::Keystore { path: path.clone(), source };
        let json = files::read(&path, keystore::MOST_BYTES).map_err(|error| match error {
            ReadError::TooLarge => refused(KeystoreError::TooLarge { limit_bytes: keystore::MOST_BYTES }),
            ReadError::Io(source) => LoadError::Io { path: path.clone(), source },
        })?;
        // The buffer has room for the largest file; there may be thousands.
        let json = Zeroizing::new(json.to_vec());
        Self::parse(path, stem, json, password, password_path)
    }

    pub(super) fn parse(
        path: PathBuf,
        stem: String,
        json: Zeroizing<Vec<u8>>,
        password: Password,
        password_path: PathBuf,
    ) -> Result<Self, LoadError> {
        let refused = |source| LoadError::Keystore { path: path.clone(), source };
        let keystore = Keystore::parse(&json).map_err(refused)?;
        Ok(Self { stem, json, password, path, password_path, keystore })
    }

    fn open(&self, owners: &Owners, own: Option<ShareIndex>) -> Result<LoadedShare, LoadError> {
        let path = self.path.clone();
        let secret = match self.keystore.decrypt(&self.password) {
            Ok(secret) => secret,
            Err(KeystoreError::WrongPassword) => {
                return Err(LoadError::WrongPassword { path, password: self.password_path.clone() });
            }
            Err(source) => return Err(LoadError::Keystore { path, source }),
        };
        let public_key = secret.public_key();
        match (owners.get(&public_key), own) {
            (None, _) => Err(LoadError::UnknownKey { path, public_key }),
            (Some((_, found)), Some(own)) if *found != own => {
                Err(LoadError::OtherOperator { path, found: *found, own })
            }
            (Some((validator, share)), _) => {
                Ok(LoadedShare { file: path, validator: *validator, share: *share, secret })
            }
        }
    }
}

fn read_password(path: &Path) -> Result<Password, LoadError> {
    let not_a_password = || LoadError::NotAPassword { path: path.to_owned() };
    let text = files::read(path, MOST_PASSWORD_BYTES).map_err(|error| match error {
        ReadError::TooLarge => not_a_password(),
        ReadError::Io(source) => LoadError::Io { path: path.to_owned(), source },
    })?;
    Ok(Password::new(std::str::from_utf8(&text).map_err(|_| not_a_password())?))
}

fn read_sealed(path: &Path, key: &SealingKey) -> Result<BTreeMap<String, Password>, LoadError> {
    let sealed = |source| LoadError::Sealed { path: path.to_owned(), source };
    let file = files::read(path, seal::MOST_BYTES).map_err(|error| match error {
        ReadError::TooLarge => sealed(SealError::Unknown),
        ReadError::Io(source) => LoadError::Io { path: path.to_owned(), source },
    })?;
    seal::unseal(&file, key).map_err(sealed)
}

fn refuse_second_keys(loaded: &[LoadedShare]) -> Result<(), LoadError> {
    let mut files = BTreeMap::new();
    for LoadedShare { file, validator, .. } in loaded {
        if let Some(first) = files.insert(validator, file) {
            let (path, first, validator) = (file.clone(), first.clone(), *validator);
            return Err(LoadError::SecondKey { path, first, validator });
        }
    }
    Ok(())
}
