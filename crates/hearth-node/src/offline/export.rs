//! A folder of Hearth becomes one that Charon starts from, so that nobody is locked in.

use std::path::{Path, PathBuf};

use hearth_obol::cluster::UsableLock;
use hearth_signer::Progress;
use hearth_signer::folder::{FOLDER_NAME, Passwords, Shelf, TransferError, is_sealed, transfer};
use hearth_signer::identity::{self, IdentityError};
use hearth_slashing::{Form, OpenError, SlashingDb, StorageError};
use hearth_types::{LockHash, OperatorIndex};
use thiserror::Error;

use super::charon::{CopyError, HISTORY, LOCK, copy_open_files};
use super::check::{ClusterFileError, Scrutiny};
use super::draft::{Draft, Unwritable, put};
use crate::folder::{DataFolder, FolderError};
use crate::installation::{Installation, InstallationError};
use crate::record::ClusterKeys;
use crate::seat::{SeatError, locked_validators, seat_of};

/// A folder that was made.
#[derive(Debug)]
pub struct Exported {
    /// The cluster.
    pub lock_hash: LockHash,
    /// Which operator this is.
    pub operator: OperatorIndex,
    /// Validators, each with a key share.
    pub validators: usize,
    /// The file with what was signed here, if anything was.
    pub history: Option<PathBuf>,
    /// What the owner should know.
    pub warnings: Vec<String>,
}

/// A folder that was not made. Nothing of it is left.
#[derive(Debug, Error)]
pub enum ExportError {
    /// Something is there already.
    #[error("{} is not empty and was left alone; choose another folder", .0.display())]
    Occupied(PathBuf),
    /// The folder cannot be used, or a node runs on it.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The identity cannot be loaded.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The cluster lock cannot be used.
    #[error(transparent)]
    Lock(#[from] ClusterFileError),
    /// The folder is not that of an operator of the cluster.
    #[error(transparent)]
    Seat(#[from] SeatError),
    /// The key shares cannot be used.
    #[error(transparent)]
    Keys(#[from] TransferError),
    /// The passwords cannot be opened.
    #[error(transparent)]
    Installation(#[from] InstallationError),
    /// The record of what was signed cannot be used.
    #[error(transparent)]
    Record(#[from] OpenError),
    /// The record of what was signed cannot be read.
    #[error(transparent)]
    History(#[from] StorageError),
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The caller said no to going on.
    #[error("stopped; nothing was written")]
    Interrupted,
    /// A file could not be written.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
}

impl From<CopyError> for ExportError {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Unreadable { path, source } => Self::Unreadable { path, source },
            CopyError::Unwritable(error) => Self::Unwritable(error),
        }
    }
}

/// Makes `to`, a folder that Charon starts from, out of `from`, a node's data folder that no node runs on. The passwords of
/// the key shares are in text files there. `from` stays as it is.
///
/// `progress` hears how many key shares of how many were opened, and says whether to go on. Blocks for about 0.06 s of one core a key share, and must
/// not be called from a task of an async runtime.
pub fn export_charon(
    from: &Path,
    to: &Path,
    scrutiny: &Scrutiny,
    installation: &Installation,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Exported, ExportError> {
    if super::draft::refuse_occupied(to).is_err() {
        return Err(ExportError::Occupied(to.to_owned()));
    }
    let node = DataFolder::open(from)?;
    let identity = identity::load(&node.identity())?;
    let (lock, warnings) = scrutiny.usable_lock(&node.lock())?;
    let me = seat_of(&identity, &lock, &node.identity())?;

    let draft = Draft::of(to)?;
    let folder = draft.folder("folder")?;
    identity::store(&folder.join(identity::FILE_NAME), &identity, &mut rand::rng())?;
    copy_open_files(from, &folder)?;
    let keys = node.validator_keys();
    let sealing_key = is_sealed(&keys).then(|| installation.opening_key()).transpose()?;
    let passwords = sealing_key.as_ref().map_or(Passwords::Beside, Passwords::Sealed);
    let (there, locked) = (folder.join(FOLDER_NAME), locked_validators(&lock));
    let shelf = Shelf { folder: &keys, passwords };
    let mut go_on = true;
    let opened = |keys: Progress| go_on &= progress(keys.done as u64, keys.total as u64);
    transfer(shelf, Shelf::from(&there), &locked, me.share(), &mut rand::rng(), opened)?;
    if !go_on {
        return Err(ExportError::Interrupted);
    }
    let history = write_history(&node.slashing(), &folder, &lock, me)?;
    draft.publish_folder(&folder, to, LOCK)?;
    Ok(Exported {
        lock_hash: lock.lock_hash(),
        operator: me,
        validators: lock.validators().len(),
        history: history.then(|| to.join(HISTORY)),
        warnings,
    })
}

/// Writes what was signed here under the keys that a validator client beside Charon knows. Says whether there was anything.
fn write_history(
    record: &Path,
    folder: &Path,
    lock: &UsableLock,
    me: OperatorIndex,
) -> Result<bool, ExportError> {
    let Some(record) = SlashingDb::open_existing(record)? else { return Ok(false) };
    let mut interchange = record.export(Form::Complete)?;
    interchange.data = ClusterKeys::of(lock, me).under_shares(interchange.data);
    let mut json = Vec::new();
    let path = folder.join(HISTORY);
    interchange.write(&mut json).map_err(Unwritable::at(&path))?;
    put(&path, &json, 0o600)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use hearth_obol::cluster::KEY_LOCK_FILE;
    use hearth_slashing::{ImportOptions, Interchange, SignedAttestation, SignedBlock, SigningHistory};
    use hearth_types::{Epoch, ForkVersion, Root, Slot, ValidatorPubkey};

    use super::*;
    use crate::offline::{Creation, DepositsError, ImportError, Keys, create_cluster, import_charon};
    use crate::seat::Seat;
    use crate::settings::Settings;

    const CHAIN: Root = Root::new([9; 32]);

    struct World {
        home: tempfile::TempDir,
        installation: Installation,
        scrutiny: Scrutiny,
    }

    /// A home with a folder of Charon, `charon`, for the third of four operators.
    fn world() -> World {
        let home = tempfile::tempdir().unwrap();
        let creation = Creation::for_tests(&home.path().join("c"), 4, ForkVersion::new([0, 0xde, 0x30, 1]));
        let created = create_cluster(&creation, Keys::Fresh(2), &mut |_, _| true).unwrap();
        let testnet = Settings::load(&created.folders[2]).unwrap().testnet;
        fs::rename(&created.folders[2], home.path().join("charon")).unwrap();
        // Charon does not know this file.
        fs::remove_file(home.path().join("charon/settings.toml")).unwrap();
        World {
            installation: Installation::at(home.path().join("state")),
            scrutiny: Scrutiny { testnet, ..Scrutiny::default() },
            home,
        }
    }

    impl World {
        fn path(&self, name: &str) -> PathBuf {
            self.home.path().join(name)
        }

        fn import(&self, history: Option<&Path>) -> Result<super::super::Imported, ImportError> {
            let (from, to) = (self.path("charon"), self.path("hearth"));
            import_charon(&from, &to, history, &self.scrutiny, &self.installation, &mut |_, _| true)
        }

        fn export(&self, from: &str, to: &str) -> Result<Exported, ExportError> {
            export_charon(&self.path(from), &self.path(to), &self.scrutiny, &self.installation, &mut |_, _| {
                true
            })
        }

        fn lock(&self) -> UsableLock {
            self.scrutiny.usable_lock(&self.path("charon/cluster-lock.json")).unwrap().0
        }

        fn third(&self) -> OperatorIndex {
            OperatorIndex::new(2).unwrap()
        }
    }

    fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let (name, path) = (entry.as_ref().unwrap().file_name(), entry.unwrap().path());
            let name = name.into_string().unwrap();
            if path.is_dir() {
                let below = super::tests::files(&path);
                files.extend(below.into_iter().map(|(file, content)| (format!("{name}/{file}"), content)));
            } else {
                files.push((name, fs::read(path).unwrap()));
            }
        }
        files.sort();
        files
    }

    fn names(folder: &Path) -> Vec<String> {
        files(folder).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_folder_of_charon_runs_under_hearth_without_a_password_in_a_text_file_and_goes_back_as_it_was() {
        let world = world();
        let before = files(&world.path("charon"));
        let imported = world.import(None).unwrap();
        assert_eq!((imported.operator, imported.validators), (world.third(), 2));
        assert_eq!(files(&world.path("charon")), before, "the original stays as it was");

        let kept = names(&world.path("hearth"));
        assert!(!kept.iter().any(|name| name.ends_with(".txt")), "{kept:?}");
        let settings = Settings::load(&world.path("hearth")).unwrap();
        let taken = Seat::take(
            &DataFolder::open(&world.path("hearth")).unwrap(),
            &settings.scrutiny(),
            &world.installation,
            |_| {},
        );
        assert_eq!(taken.unwrap().cluster.me, world.third());

        let exported = world.export("hearth", "back").unwrap();
        assert_eq!((exported.operator, exported.history), (world.third(), None), "nothing was signed");
        assert_eq!(files(&world.path("back")), before);
        assert_eq!(names(world.home.path()).iter().filter(|name| name.contains("draft")).count(), 0);
    }

    #[test]
    fn another_installation_cannot_open_what_was_sealed_here() {
        let world = world();
        world.import(None).unwrap();
        let elsewhere = Installation::at(world.path("elsewhere"));
        let (from, to) = (world.path("hearth"), world.path("back"));
        let export = |installation| export_charon(&from, &to, &world.scrutiny, installation, &mut |_, _| true);
        assert!(matches!(export(&elsewhere), Err(ExportError::Installation(InstallationError::NoKey(_)))));
        elsewhere.sealing_key().unwrap();
        let refused = export(&elsewhere).unwrap_err();
        assert!(refused.to_string().contains("sealed on another computer"), "{refused}");
        assert!(!to.exists());
    }

    #[test]
    fn what_the_validator_client_signed_is_remembered_under_the_validators_keys_and_told_under_the_shares() {
        let world = world();
        let lock = world.lock();
        let shares: Vec<ValidatorPubkey> =
            lock.share_keys(world.third()).into_keys().map(ValidatorPubkey::new).collect();
        let history = |pubkey, target| SigningHistory {
            pubkey,
            signed_blocks: vec![SignedBlock { slot: Slot::new(7), signing_root: None }],
            signed_attestations: vec![SignedAttestation {
                source_epoch: Epoch::new(3),
                target_epoch: Epoch::new(target),
                signing_root: None,
            }],
        };
        let stranger = ValidatorPubkey::new([1; 48]);
        let put = |name: &str, data| {
            let file = fs::File::create(world.path(name)).unwrap();
            Interchange::new(CHAIN, data).write(file).unwrap();
            world.path(name)
        };
        let strange = put("strange.json", vec![history(stranger, 5)]);
        assert!(matches!(world.import(Some(&strange)), Err(ImportError::StrangeHistory(_))));
        assert!(!world.path("hearth").exists());

        let one = put("one.json", vec![history(shares[0], 5), history(stranger, 9)]);
        let imported = world.import(Some(&one)).unwrap();
        assert_eq!(imported.histories, Some(1));
        assert!(
            imported.warnings.iter().any(|warning| warning.contains("what 1 of this cluster's")),
            "{imported:?}"
        );
        let mut record = SlashingDb::open(&world.path("hearth/slashing.sqlite"), CHAIN).unwrap();
        let known = record.export(Form::Minimal).unwrap();
        let group = lock.share_keys(world.third())[shares[0].as_bytes()];
        assert_eq!(known.data.iter().map(|history| history.pubkey).collect::<Vec<_>>(), [group]);
        let more = Interchange::new(CHAIN, vec![history(group, 6)]);
        record.import(&more, ImportOptions { form: Form::Minimal, implausible_from: None }).unwrap();
        drop(record);

        let exported = world.export("hearth", "back").unwrap();
        let told = Interchange::read(fs::File::open(exported.history.unwrap()).unwrap()).unwrap();
        assert_eq!(told.metadata.genesis_validators_root, CHAIN);
        let [only] = &told.data[..] else { panic!("{told:?}") };
        assert_eq!(only.pubkey, shares[0]);
        assert_eq!(only.signed_attestations.iter().map(|vote| vote.target_epoch.get()).max(), Some(6));

        // Taken over once more, by somebody who names no history: it is found where it was left.
        let again = import_charon(
            &world.path("back"),
            &world.path("again"),
            None,
            &world.scrutiny,
            &world.installation,
            &mut |_, _| true,
        );
        assert_eq!(again.unwrap().histories, Some(1));
        let record = SlashingDb::open(&world.path("again/slashing.sqlite"), CHAIN).unwrap();
        let reach = &record.export(Form::Minimal).unwrap().data[0];
        assert_eq!((reach.pubkey, reach.signed_attestations[0].target_epoch.get()), (group, 6));
    }

    #[test]
    fn what_a_node_signed_on_a_folder_with_text_files_goes_along_when_it_is_imported() {
        let world = world();
        let group = *world.lock().share_keys(world.third()).values().next().unwrap();
        let mut record = SlashingDb::open(&world.path("charon/slashing.sqlite"), CHAIN).unwrap();
        let signed_attestations = vec![SignedAttestation {
            source_epoch: Epoch::new(3),
            target_epoch: Epoch::new(4),
            signing_root: None,
        }];
        let history = SigningHistory { pubkey: group, signed_blocks: vec![], signed_attestations };
        let signed = Interchange::new(CHAIN, vec![history]);
        record.import(&signed, ImportOptions { form: Form::Complete, implausible_from: None }).unwrap();
        drop(record);
        let running = DataFolder::open(&world.path("charon")).unwrap();
        assert!(matches!(world.import(None), Err(ImportError::Folder(FolderError::InUse(_)))));
        drop(running);
        assert_eq!(world.import(None).unwrap().histories, Some(1));
        let record = SlashingDb::open(&world.path("hearth/slashing.sqlite"), CHAIN).unwrap();
        assert_eq!(record.export(Form::Minimal).unwrap().data[0].signed_attestations[0].target_epoch.get(), 4);
    }

    #[test]
    fn a_deposit_that_pays_to_somebody_else_is_refused_although_the_validator_signed_it() {
        let home = tempfile::tempdir().unwrap();
        let create = |name: &str, address: &str| {
            let folder = home.path().join(name);
            let mut creation = Creation::for_tests(&folder, 4, ForkVersion::new([0, 0xde, 0x30, 1]));
            if let crate::offline::Blueprint::Wishes { wishes, .. } = &mut creation.blueprint {
                wishes.withdrawal_addresses = vec![address.to_owned()];
            }
            let key = hearth_crypto::SecretKey::from_bytes(&[7; 32]).unwrap();
            create_cluster(&creation, Keys::Split(vec![key]), &mut |_, _| true).unwrap().folders.remove(0)
        };
        let ours = create("ours", "0x000000000000000000000000000000000000dEaD");
        let theirs = create("theirs", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
        let deposits = ours.join("deposit-data.json");
        fs::remove_file(&deposits).unwrap();
        fs::copy(theirs.join("deposit-data.json"), &deposits).unwrap();
        let scrutiny = Settings::load(&ours).unwrap().scrutiny();
        let installation = Installation::at(home.path().join("state"));
        let to = home.path().join("hearth");
        let refused = import_charon(&ours, &to, None, &scrutiny, &installation, &mut |_, _| true).unwrap_err();
        assert!(matches!(&refused, ImportError::Deposits(DepositsError::OtherAddress(_))), "{refused}");
        let checks = crate::offline::verify_folder(&ours, &scrutiny).unwrap();
        assert!(
            checks.iter().any(|check| check.failed && check.sentence.contains("another address than the plan"))
        );
    }

    #[test]
    fn what_is_there_what_runs_and_what_would_lose_money_is_refused() {
        let world = world();
        fs::create_dir(world.path("hearth")).unwrap();
        fs::write(world.path("hearth/mine"), "").unwrap();
        assert!(matches!(world.import(None), Err(ImportError::Occupied(_))));
        fs::remove_dir_all(world.path("hearth")).unwrap();

        let deposits = world.path("charon/deposit-data.json");
        let sound = fs::read_to_string(&deposits).unwrap();
        fs::remove_file(&deposits).unwrap();
        fs::write(&deposits, sound.replacen("32000000000", "31000000000", 1)).unwrap();
        let bad = world.import(None).unwrap_err();
        assert!(
            matches!(&bad, ImportError::Deposits(DepositsError::Refused { path, .. }) if *path == deposits),
            "{bad}"
        );
        fs::write(&deposits, sound).unwrap();

        let running = crate::key_guard::KeyGuard::take(
            &world.path("charon"),
            "charon run",
            Some(world.lock().lock_hash()),
            None,
        );
        assert!(matches!(world.import(None), Err(ImportError::Running(_))));
        drop(running);
        fs::remove_file(world.path("charon").join(KEY_LOCK_FILE)).unwrap();
        world.import(None).unwrap();

        let again = import_charon(
            &world.path("hearth"),
            &world.path("h2"),
            None,
            &world.scrutiny,
            &world.installation,
            &mut |_, _| true,
        );
        assert!(matches!(again, Err(ImportError::Ours(_))), "{again:?}");
        let in_use = DataFolder::open(&world.path("hearth")).unwrap();
        assert!(matches!(world.export("hearth", "back"), Err(ExportError::Folder(FolderError::InUse(_)))));
        drop(in_use);
        assert!(!world.path("back").exists() && !world.path("h2").exists());
    }
}
