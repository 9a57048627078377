//! The shares of enough operators give back the validators' keys.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hearth_crypto::threshold::recombine_secret;
use hearth_crypto::{PublicKey, SecretKey};
use hearth_obol::cluster::UsableLock;
use hearth_signer::folder::{self, FOLDER_NAME, LoadError, LoadedShare, is_sealed, load};
use hearth_signer::keystore::Cost;
use hearth_types::{ShareIndex, Threshold, ValidatorPubkey};
use thiserror::Error;

use super::check::{ClusterFileError, Scrutiny};
use super::draft::{Draft, Unwritable};
use crate::seat::locked_validators;

/// What is to be put together.
#[derive(Clone, Debug)]
pub struct Combination {
    /// Folder with a folder for each operator, as `create cluster` leaves it.
    pub cluster: PathBuf,
    /// Where the keys go.
    pub output: PathBuf,
    /// Keystores that are there already are replaced.
    pub force: bool,
    /// How the locks are checked.
    pub scrutiny: Scrutiny,
}

/// Keys that were put together.
#[derive(Debug)]
pub struct Combined {
    /// Group public keys, in the order of the lock; each is in the keystore of its number.
    pub validators: Vec<PublicKey>,
    /// The operators' folders that were used.
    pub folders: Vec<PathBuf>,
    /// What the owner should know.
    pub warnings: Vec<String>,
}

/// Keys that were not put together. Nothing was written.
#[derive(Debug, Error)]
pub enum CombineError {
    /// The folder cannot be looked into.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No folder of an operator.
    #[error("{} holds no folder of an operator (one with cluster-lock.json and validator_keys)", .0.display())]
    NoOperators(PathBuf),
    /// Folders of different clusters.
    #[error("{} and {} belong to different clusters; leave the folders of one cluster only", first.display(), second.display())]
    OtherCluster {
        /// One folder.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A lock cannot be used.
    #[error(transparent)]
    Lock(#[from] ClusterFileError),
    /// Key shares cannot be used.
    #[error(transparent)]
    Keys(#[from] LoadError),
    /// The passwords of a folder are not in it.
    #[error(
        "the passwords in {} are sealed to the computer of its operator; export the folder there first \
         (hearth export charon)", .0.display()
    )]
    Sealed(PathBuf),
    /// Fewer operators than a signature needs.
    #[error(
        "{have} operators' shares of validator {}, {need} are needed: add the folders of more operators", .number + 1
    )]
    TooFew {
        /// Number of the validator in the lock, from zero.
        number: usize,
        /// Different shares at hand.
        have: usize,
        /// The threshold.
        need: Threshold,
    },
    /// The shares give another key than the lock says.
    #[error("the shares of validator {} do not give its key", .number + 1)]
    WrongKey {
        /// Number of the validator in the lock, from zero.
        number: usize,
    },
    /// There are keystores already.
    #[error("{} is not empty and was left alone; choose another folder, or replace the keystores in it with --force", .0.display())]
    Occupied(PathBuf),
    /// The output is where a node has its key shares.
    #[error("{} holds the key shares of a node (cluster-lock.json is beside it); choose another folder", .0.display())]
    Shares(PathBuf),
    /// The caller said no to going on.
    #[error("stopped; nothing was written")]
    Interrupted,
    /// The keystores could not be written.
    #[error(transparent)]
    Write(#[from] folder::WriteError),
    /// A folder could not be made or moved.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
}

/// Puts the keys together and writes a keystore for each.
///
/// `progress` hears how many keystores of how many were opened or written, and says whether to go on. Blocks for about
/// 0.06 s of one core a keystore, and must not be called from a task of an async runtime.
pub fn combine(
    combination: &Combination,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Combined, CombineError> {
    let Combination { cluster, output, force, scrutiny } = combination;
    if output.parent().is_some_and(|above| above.join("cluster-lock.json").exists()) {
        return Err(CombineError::Shares(output.clone()));
    }
    if !force && super::draft::refuse_occupied(output).is_err() {
        return Err(CombineError::Occupied(output.clone()));
    }
    let folders = operators(cluster)?;
    let (lock, warnings) = common_lock(&folders, scrutiny)?;
    let validators = lock.validators().len() as u64;
    let total = validators * (folders.len() as u64 + 1);

    let locked = locked_validators(&lock);
    let mut shares: BTreeMap<ValidatorPubkey, BTreeMap<ShareIndex, SecretKey>> = BTreeMap::new();
    for (before, folder) in (0_u64..).zip(&folders) {
        let keys = folder.join(FOLDER_NAME);
        if is_sealed(&keys) {
            return Err(CombineError::Sealed(keys));
        }
        let mut go_on = true;
        let loaded = load(&keys, &locked, |opened| {
            go_on &= progress(before * validators + opened.done as u64, total);
        })?;
        if !go_on {
            return Err(CombineError::Interrupted);
        }
        for LoadedShare { validator, share, secret, .. } in loaded {
            shares.entry(validator).or_default().insert(share, secret);
        }
    }
    let secrets = recombine(&lock, &shares)?;
    drop(shares);
    let written = |done| progress(validators * folders.len() as u64 + done, total);
    write(output, *force, &secrets, written)?;
    let validators = lock.validators().iter().map(|keys| keys.group).collect();
    Ok(Combined { validators, folders, warnings })
}

/// Folders of operators in `cluster`, sorted.
fn operators(cluster: &Path) -> Result<Vec<PathBuf>, CombineError> {
    let unreadable = |source| CombineError::Unreadable { path: cluster.to_owned(), source };
    let mut folders = Vec::new();
    for entry in fs::read_dir(cluster).map_err(unreadable)? {
        let folder = entry.map_err(unreadable)?.path();
        if folder.join("cluster-lock.json").is_file() && folder.join(FOLDER_NAME).is_dir() {
            folders.push(folder);
        }
    }
    folders.sort();
    if folders.is_empty() { Err(CombineError::NoOperators(cluster.to_owned())) } else { Ok(folders) }
}

/// The lock that all folders have.
fn common_lock(folders: &[PathBuf], scrutiny: &Scrutiny) -> Result<(UsableLock, Vec<String>), CombineError> {
    let mut common: Option<(&PathBuf, UsableLock, Vec<String>)> = None;
    for folder in folders {
        // Usually every operator has the same file, and checking it once is enough.
        if common.as_ref().is_some_and(|(first, ..)| same_lock(first, folder)) {
            continue;
        }
        let (lock, mut warnings) = scrutiny.usable_lock(&folder.join("cluster-lock.json"))?;
        common = Some(match common {
            None => (folder, lock, warnings),
            Some((first, known, heard)) if known.lock_hash() == lock.lock_hash() => (first, known, heard),
            Some((first, known, heard)) if scrutiny.no_verify => {
                let other = format!("{} has another lock than {}", folder.display(), first.display());
                warnings.splice(0..0, heard.into_iter().chain([other]));
                (first, known, warnings)
            }
            Some((first, ..)) => {
                let (first, second) = (first.clone(), folder.clone());
                return Err(CombineError::OtherCluster { first, second });
            }
        });
    }
    let (_, lock, warnings) = common.ok_or_else(|| CombineError::NoOperators(PathBuf::new()))?;
    Ok((lock, warnings))
}

fn same_lock(first: &Path, second: &Path) -> bool {
    let [first, second] = [first, second].map(|folder| folder.join("cluster-lock.json"));
    let size = |path: &Path| fs::metadata(path).map(|metadata| metadata.len()).ok();
    size(&first) == size(&second) && matches!((fs::read(first), fs::read(second)), (Ok(a), Ok(b)) if a == b)
}

/// The key of every validator, in the order of the lock.
fn recombine(
    lock: &UsableLock,
    shares: &BTreeMap<ValidatorPubkey, BTreeMap<ShareIndex, SecretKey>>,
) -> Result<Vec<SecretKey>, CombineError> {
    let (need, none) = (lock.threshold(), BTreeMap::new());
    let combined = |(number, keys): (usize, &hearth_duties::ClusterValidator)| {
        let shares = shares.get(&ValidatorPubkey::new(keys.group.to_bytes())).unwrap_or(&none);
        if shares.len() < need.count() {
            return Err(CombineError::TooFew { number, have: shares.len(), need });
        }
        // All of them: a share that lies beside the polynomial would be noticed.
        let points: Vec<_> = shares.iter().map(|(index, secret)| (*index, secret)).collect();
        recombine_secret(&points)
            .ok()
            .filter(|secret| secret.public_key() == keys.group)
            .ok_or(CombineError::WrongKey { number })
    };
    lock.validators().iter().enumerate().map(combined).collect()
}

fn write(
    output: &Path,
    force: bool,
    secrets: &[SecretKey],
    mut progress: impl FnMut(u64) -> bool,
) -> Result<(), CombineError> {
    let draft = Draft::of(output)?;
    let made = draft.path().join("keys");
    let mut go_on = true;
    folder::write(&made, secrets, Cost::Standard, &mut rand::rng(), |written| {
        go_on &= progress(written.done as u64);
    })?;
    if !go_on {
        return Err(CombineError::Interrupted);
    }
    if !force || !output.is_dir() {
        return Ok(draft.publish_folder(&made, output, "")?);
    }
    // The old keys go only now, when the new ones are whole and on disk. Other files stay.
    let is_keystore =
        |name: &str| name.starts_with("keystore-") && (name.ends_with(".json") || name.ends_with(".txt"));
    Ok(draft.replace(&made, output, is_keystore)?)
}

#[cfg(test)]
mod tests {
    use hearth_signer::keystore::{Keystore, Password};
    use hearth_types::ForkVersion;

    use super::*;
    use crate::offline::{Creation, Keys, create_cluster};
    use crate::settings::Settings;

    const FORK: ForkVersion = ForkVersion::new([0, 0xde, 0x30, 1]);

    fn keys(seeds: [u8; 2]) -> Vec<SecretKey> {
        seeds.map(|seed| SecretKey::from_bytes(&[seed; 32]).unwrap()).into()
    }

    /// A cluster of four with two known validators.
    fn cluster(folder: &Path) -> Vec<PathBuf> {
        let creation = Creation::for_tests(folder, 4, FORK);
        create_cluster(&creation, Keys::Split(keys([1, 2])), &mut |_, _| true).unwrap().folders
    }

    fn combination(home: &Path) -> Combination {
        let testnet = Settings::load(&home.join("c/node3")).unwrap().testnet;
        Combination {
            cluster: home.join("c"),
            output: home.join("keys"),
            force: false,
            scrutiny: Scrutiny { testnet, ..Scrutiny::default() },
        }
    }

    fn stored(folder: &Path, number: usize) -> [u8; 32] {
        let read = |ending: &str| fs::read(folder.join(format!("keystore-{number}.{ending}"))).unwrap();
        let password = Password::new(&String::from_utf8(read("txt")).unwrap());
        *Keystore::parse(&read("json")).unwrap().decrypt(&password).unwrap().to_bytes()
    }

    #[test]
    fn any_three_of_four_operators_give_back_the_keys_that_were_split_and_two_do_not() {
        let home = tempfile::tempdir().unwrap();
        let folders = cluster(&home.path().join("c"));
        fs::remove_dir_all(&folders[1]).unwrap();
        // Names do not matter, nor does what else lies there.
        fs::rename(&folders[0], home.path().join("c/zoe")).unwrap();
        fs::create_dir(home.path().join("c/notes")).unwrap();
        let mut heard = Vec::new();
        let combined = combine(&combination(home.path()), &mut |done, total| {
            heard.push((done, total));
            true
        });
        let combined = combined.unwrap();
        assert_eq!(heard, (1..=8).map(|done| (done, 8)).collect::<Vec<_>>());
        assert_eq!((combined.validators.len(), combined.folders.len()), (2, 3));
        for (number, key) in keys([1, 2]).iter().enumerate() {
            assert_eq!(stored(&home.path().join("keys"), number), *key.to_bytes(), "{number}");
        }

        fs::remove_dir_all(home.path().join("c/zoe")).unwrap();
        let force = Combination { force: true, ..combination(home.path()) };
        let few = combine(&force, &mut |_, _| true).unwrap_err();
        assert!(matches!(few, CombineError::TooFew { number: 0, have: 2, .. }), "{few}");
        assert_eq!(stored(&home.path().join("keys"), 0), [1; 32], "nothing was replaced");
    }

    #[test]
    fn keys_that_are_there_are_replaced_only_when_forced_and_other_files_never() {
        let home = tempfile::tempdir().unwrap();
        cluster(&home.path().join("c"));
        let output = home.path().join("keys");
        fs::create_dir(&output).unwrap();
        fs::write(output.join("keystore-7.json"), "old").unwrap();
        fs::write(output.join("notes.txt"), "mine").unwrap();
        let refused = combine(&combination(home.path()), &mut |_, _| true).unwrap_err();
        assert!(matches!(refused, CombineError::Occupied(_)), "{refused}");

        let force = Combination { force: true, ..combination(home.path()) };
        combine(&force, &mut |_, _| true).unwrap();
        assert!(!output.join("keystore-7.json").exists());
        assert_eq!(fs::read(output.join("notes.txt")).unwrap(), b"mine");
        assert_eq!(stored(&output, 1), [2; 32]);
        let left: Vec<_> = fs::read_dir(home.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "no draft is left: {left:?}");
    }

    #[test]
    fn folders_of_different_clusters_and_damaged_folders_are_named() {
        let home = tempfile::tempdir().unwrap();
        let (folders, others) = (cluster(&home.path().join("c")), cluster(&home.path().join("d")));
        fs::rename(&others[0], home.path().join("c/other")).unwrap();
        let mixed = combine(&combination(home.path()), &mut |_, _| true).unwrap_err();
        assert!(matches!(&mixed, CombineError::OtherCluster { second, .. } if second.ends_with("other")));
        fs::remove_dir_all(home.path().join("c/other")).unwrap();

        fs::remove_file(folders[2].join("validator_keys/keystore-insecure-1.txt")).unwrap();
        let damaged = combine(&combination(home.path()), &mut |_, _| true).unwrap_err();
        assert!(
            damaged.to_string().contains("node2/validator_keys/keystore-insecure-1.txt is missing"),
            "{damaged}"
        );

        let empty = Combination { cluster: home.path().join("d/node1"), ..combination(home.path()) };
        assert!(matches!(combine(&empty, &mut |_, _| true), Err(CombineError::NoOperators(_))));
        assert!(!home.path().join("keys").exists());

        let shares =
            Combination { output: folders[0].join("validator_keys"), force: true, ..combination(home.path()) };
        assert!(matches!(combine(&shares, &mut |_, _| true), Err(CombineError::Shares(_))));
        assert!(folders[0].join("validator_keys/keystore-insecure-0.json").exists());
    }

    #[test]
    fn a_command_that_is_stopped_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        cluster(&home.path().join("c"));
        for stop_at in [1, 5, 9] {
            let stopped = combine(&combination(home.path()), &mut |done, _| done < stop_at);
            assert!(matches!(stopped, Err(CombineError::Interrupted)), "{stop_at}: {stopped:?}");
        }
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
