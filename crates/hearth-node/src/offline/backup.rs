//! One encrypted file with what an operator cannot get again: the node's key, the key shares with their passwords, the
//! cluster's files and the settings. Never the record of what was signed: an old one, restored, would forget.
//!
//! The file is one of age (age-encryption.org), locked with a passphrase, so that it can be opened without Hearth; inside is one
//! JSON document. Everything happens in memory: a practice of the restore writes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use hearth_api::Secret;
use hearth_crypto::k1::NodeKey;
use hearth_obol::cluster::{Networks, UsableLock};
use hearth_signer::Progress;
use hearth_signer::folder::{
    Carried, CarriedKeystore, FOLDER_NAME, LoadError, Passwords, Shelf, WriteError, is_sealed,
};
use hearth_signer::identity::{self, IdentityError};
use hearth_signer::keystore::Password;
use hearth_types::{LockHash, OperatorIndex};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use super::charon::{LOCK, is_open_file, read};
use super::check::{ClusterFileError, Scrutiny};
use super::draft::{Draft, Unwritable, put, put_whole, refuse_occupied};
use crate::installation::{Installation, InstallationError};
use crate::restored;
use crate::seat::{SeatError, locked_validators, seat_of};
use crate::settings::{self, Settings};

/// What the document inside calls itself.
const FORMAT: u32 = 1;
/// Largest file: 3,000 validators need 6 MiB.
const MOST_BYTES: u64 = 256 << 20;
/// Cost of trying a passphrase: 2^17 rounds of scrypt, about half a second and 128 MiB. Files of up to 2^20 are opened.
const WORK: u8 = if cfg!(test) { 4 } else { 17 };
const MOST_WORK: u8 = 20;
/// Shortest passphrase, in characters.
const SHORTEST: usize = 12;

/// Why there is no backup, or why one is no use. Nothing was written.
#[derive(Debug, Error)]
pub enum BackupError {
    /// Too short to protect anything.
    #[error(
        "the passphrase is shorter than {SHORTEST} characters; four or five words that nobody would guess do well"
    )]
    WeakPassphrase,
    /// It does not open the file.
    #[error("the passphrase does not open this backup")]
    WrongPassphrase,
    /// It is no backup, or a damaged one.
    #[error("{} is no backup of Hearth, or it is damaged: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The identity cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The cluster lock cannot be used.
    #[error(transparent)]
    Lock(#[from] ClusterFileError),
    /// The identity is not that of an operator of the cluster.
    #[error(transparent)]
    Seat(#[from] SeatError),
    /// The key shares cannot be used.
    #[error(transparent)]
    Keys(#[from] LoadError),
    /// The passwords cannot be opened or sealed.
    #[error(transparent)]
    Installation(#[from] InstallationError),
    /// The key shares cannot be put down.
    #[error(transparent)]
    PutDown(#[from] WriteError),
    /// A file cannot be written.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    /// Something is where the restored folder was to be.
    #[error("{} is not empty and was left alone; choose another folder", .0.display())]
    Occupied(PathBuf),
    /// The caller said no to going on.
    #[error("stopped; nothing was written")]
    Interrupted,
}

/// What a backup holds, as far as it may be told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BackupFacts {
    /// The cluster's name.
    pub name: String,
    /// The cluster.
    pub lock_hash: LockHash,
    /// Which operator it is of.
    pub operator: OperatorIndex,
    /// Operators of the cluster.
    pub operators: usize,
    /// Validators, each with a key share.
    pub validators: usize,
    /// When it was made, in milliseconds since 1970.
    pub made_ms: u64,
    /// Size of the file.
    pub bytes: u64,
}

/// Says how many key shares of how many were opened; the answer says whether to go on.
type Opened<'a> = &'a mut dyn FnMut(u64, u64) -> bool;

/// What is inside. Wiped on drop.
#[derive(Serialize, Deserialize)]
struct Document {
    hearth_backup: u32,
    made_ms: u64,
    program: String,
    identity: String,
    /// The cluster's files by name, the lock among them.
    files: BTreeMap<String, String>,
    settings: Option<String>,
    keystores: Vec<DocumentKeystore>,
}

#[derive(Serialize, Deserialize)]
struct DocumentKeystore {
    name: String,
    keystore: String,
    password: String,
}

impl Drop for Document {
    fn drop(&mut self) {
        self.identity.zeroize();
        self.settings.zeroize();
        for keystore in &mut self.keystores {
            keystore.password.zeroize();
        }
    }
}

/// A document that was found to be whole: everything in it fits together.
struct Whole {
    document: Document,
    identity: NodeKey,
    keys: Carried,
    facts: BackupFacts,
}

/// Makes a backup of a node's folder, whether or not a node runs on it, at `to`, where nothing may be yet. Every key share
/// is opened first, as in [`practise_restore`].
///
/// Blocks for about 0.06 s of one core a key share.
pub fn back_up(
    folder: &Path,
    to: &Path,
    passphrase: &Secret,
    scrutiny: &Scrutiny,
    installation: &Installation,
    now_ms: u64,
    opened: Opened<'_>,
) -> Result<BackupFacts, BackupError> {
    if passphrase.reveal().chars().count() < SHORTEST {
        return Err(BackupError::WeakPassphrase);
    }
    let document = gather(folder, scrutiny, installation, now_ms)?;
    let whole = document.check(folder, scrutiny, 0, opened)?;
    let sealed = seal(&whole.document, passphrase).map_err(|reason| malformed(to, reason))?;
    put_whole(to, &sealed, 0o600)?;
    Ok(BackupFacts { bytes: sealed.len() as u64, ..whole.facts })
}

/// Opens a backup in memory and proves that each key share in it is the one that the lock lists. Writes nothing.
///
/// Blocks for about 0.06 s of one core a key share, and half a second for the passphrase.
pub fn practise_restore(
    file: &Path,
    passphrase: &Secret,
    scrutiny: &Scrutiny,
    opened: Opened<'_>,
) -> Result<BackupFacts, BackupError> {
    Ok(unseal(file, passphrase, scrutiny, opened)?.facts)
}

/// Makes the data folder `to`, absent or empty, out of a backup. The passwords are sealed to this computer. A node on it waits
/// some epochs before it signs: what the lost one signed last is not known.
pub fn restore(
    file: &Path,
    to: &Path,
    passphrase: &Secret,
    scrutiny: &Scrutiny,
    installation: &Installation,
    opened: Opened<'_>,
) -> Result<BackupFacts, BackupError> {
    refuse_occupied(to).map_err(|_| BackupError::Occupied(to.to_owned()))?;
    let whole = unseal(file, passphrase, scrutiny, opened)?;
    let draft = Draft::of(to)?;
    let folder = draft.folder("folder")?;
    identity::store(&folder.join(identity::FILE_NAME), &whole.identity, &mut rand::rng())?;
    for (name, content) in &whole.document.files {
        put(&folder.join(name), content.as_bytes(), if name == LOCK { 0o400 } else { 0o444 })?;
    }
    if let Some(settings) = &whole.document.settings {
        put(&folder.join(settings::FILE_NAME), settings.as_bytes(), 0o600)?;
    }
    let key = installation.sealing_key()?;
    let shelf = Shelf { folder: &folder.join(FOLDER_NAME), passwords: Passwords::Sealed(&key) };
    whole.keys.put(shelf, &mut rand::rng())?;
    put(&folder.join(restored::FILE_NAME), b"{}\n", 0o600)?;
    draft.publish_folder(&folder, to, LOCK)?;
    Ok(whole.facts)
}

fn malformed(path: &Path, reason: impl ToString) -> BackupError {
    BackupError::Malformed { path: path.to_owned(), reason: reason.to_string() }
}

/// Reads a folder. Its files do not change while a node runs on it.
fn gather(
    folder: &Path,
    scrutiny: &Scrutiny,
    installation: &Installation,
    now_ms: u64,
) -> Result<Document, BackupError> {
    let unreadable = |path: &Path, source| BackupError::Unreadable { path: path.to_owned(), source };
    let identity = identity::load(&folder.join(identity::FILE_NAME))?;
    let (lock, _) = scrutiny.usable_lock(&folder.join(LOCK))?;
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(|source| unreadable(folder, source))? {
        let path = entry.map_err(|source| unreadable(folder, source))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if is_open_file(&name) {
            let content = read(&path).map_err(|source| unreadable(&path, source))?;
            let text = String::from_utf8(content).map_err(|_| malformed(&path, "it is not a text"))?;
            files.insert(name, text);
        }
    }
    let path = folder.join(settings::FILE_NAME);
    let settings = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => None,
        Err(source) => return Err(unreadable(&path, source)),
    };
    let keys = folder.join(FOLDER_NAME);
    let sealing_key = is_sealed(&keys).then(|| installation.opening_key()).transpose()?;
    let passwords = sealing_key.as_ref().map_or(Passwords::Beside, Passwords::Sealed);
    let carried = Carried::read(Shelf { folder: &keys, passwords }, lock.validators().len())?;
    let keystores = carried.keystores().map(|keystore| DocumentKeystore {
        name: keystore.stem,
        keystore: String::from_utf8_lossy(&keystore.json).into_owned(),
        password: keystore.password.reveal().to_owned(),
    });
    Ok(Document {
        hearth_backup: FORMAT,
        made_ms: now_ms,
        program: concat!("hearth ", env!("CARGO_PKG_VERSION")).into(),
        identity: identity.to_hex().to_string(),
        files,
        settings,
        keystores: keystores.collect(),
    })
}

impl Document {
    /// Whether everything fits together. `source` is what errors call it.
    fn check(
        self,
        source: &Path,
        scrutiny: &Scrutiny,
        bytes: u64,
        opened: Opened<'_>,
    ) -> Result<Whole, BackupError> {
        if self.hearth_backup != FORMAT {
            return Err(malformed(
                source,
                format!("its format {} is newer than this program", self.hearth_backup),
            ));
        }
        // A name is not a path: nothing of a backup may land beside the folder.
        let strange = |name: &&String| !is_open_file(name) || name.contains(['/', '\\']);
        if let Some(name) = self.files.keys().find(strange) {
            return Err(malformed(source, format!("it holds a file {name:?}")));
        }
        let scrutiny = &self.described(scrutiny);
        let identity = NodeKey::from_hex(&self.identity)
            .map_err(|_| IdentityError::Malformed { path: source.join(identity::FILE_NAME) })?;
        let path = source.join(LOCK);
        let json = self.files.get(LOCK).ok_or_else(|| malformed(source, "it holds no cluster lock"))?;
        let (lock, _) = scrutiny.usable_lock_in(json.as_bytes(), &path)?;
        let operator = seat_of(&identity, &lock, source)?;
        let keys = self.carried(source, &lock)?;
        let mut go_on = true;
        let told = |keys: Progress| go_on &= opened(keys.done as u64, keys.total as u64);
        keys.check(&locked_validators(&lock), operator.share(), told)?;
        if !go_on {
            return Err(BackupError::Interrupted);
        }
        let facts = BackupFacts {
            name: lock.name().to_owned(),
            lock_hash: lock.lock_hash(),
            operator,
            operators: lock.operators().len(),
            validators: lock.validators().len(),
            made_ms: self.made_ms,
            bytes,
        };
        Ok(Whole { document: self, identity, keys, facts })
    }

    /// The settings inside may describe a network that nobody knows, and nothing more.
    fn described(&self, given: &Scrutiny) -> Scrutiny {
        let settings = self.settings.as_deref().and_then(|text| toml::from_str::<Settings>(text).ok());
        let known = Networks::known();
        let testnet = settings.and_then(|settings| settings.testnet);
        let testnet = testnet.filter(|testnet| known.by_fork_version(testnet.fork_version).is_none());
        Scrutiny { testnet: given.testnet.clone().or(testnet), ..given.clone() }
    }

    fn carried(&self, source: &Path, lock: &UsableLock) -> Result<Carried, LoadError> {
        let keystores = self.keystores.iter().map(|keystore| CarriedKeystore {
            stem: keystore.name.clone(),
            json: Zeroizing::new(keystore.keystore.clone().into_bytes()),
            password: Password::new(&keystore.password),
        });
        Carried::of(&source.join(FOLDER_NAME), keystores.collect(), lock.validators().len())
    }
}

fn seal(document: &Document, passphrase: &Secret) -> Result<Vec<u8>, String> {
    let text = Zeroizing::new(serde_json::to_vec(document).map_err(|error| error.to_string())?);
    let mut lock = age::scrypt::Recipient::new(SecretString::from(passphrase.reveal().to_owned()));
    lock.set_work_factor(WORK);
    age::encrypt(&lock, &text).map_err(|error| error.to_string())
}

fn unseal(
    file: &Path,
    passphrase: &Secret,
    scrutiny: &Scrutiny,
    opened: Opened<'_>,
) -> Result<Whole, BackupError> {
    let unreadable = |source| BackupError::Unreadable { path: file.to_owned(), source };
    let bytes = std::fs::metadata(file).map_err(unreadable)?.len();
    if bytes > MOST_BYTES {
        return Err(malformed(file, "it is larger than any backup"));
    }
    let sealed = std::fs::read(file).map_err(unreadable)?;
    let mut key = age::scrypt::Identity::new(SecretString::from(passphrase.reveal().to_owned()));
    key.set_max_work_factor(MOST_WORK);
    let text = age::decrypt(&key, &sealed).map_err(|error| match error {
        age::DecryptError::DecryptionFailed
        | age::DecryptError::NoMatchingKeys
        | age::DecryptError::KeyDecryptionFailed => BackupError::WrongPassphrase,
        other => malformed(file, other),
    })?;
    let text = Zeroizing::new(text);
    let document: Document = serde_json::from_slice(&text).map_err(|error| malformed(file, error))?;
    document.check(file, scrutiny, bytes, opened)
}

/// When a folder's backup was made and practised last, as its owner's notes say.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct BackupNotes {
    /// In milliseconds since 1970.
    pub made_ms: Option<u64>,
    /// The same.
    pub practised_ms: Option<u64>,
}

impl BackupNotes {
    const FILE_NAME: &str = "backup-notes.json";

    /// Those of a folder; none where they cannot be read.
    pub fn of(folder: &Path) -> Self {
        let text = std::fs::read(folder.join(Self::FILE_NAME)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Keeps them. Losing them costs a reminder.
    pub fn keep(self, folder: &Path) {
        let written = serde_json::to_vec(&self).map_err(std::io::Error::other).and_then(|text| {
            let draft = tempfile::NamedTempFile::new_in(folder)?;
            std::fs::write(draft.path(), text)?;
            draft.persist(folder.join(Self::FILE_NAME)).map(drop).map_err(|error| error.error)
        });
        if let Err(error) = written {
            tracing::warn!(%error, "when the backup was made is not noted");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use hearth_types::ForkVersion;

    use super::*;
    use crate::folder::DataFolder;
    use crate::offline::{Creation, Keys, create_cluster};
    use crate::seat::Seat;

    const PASSPHRASE: &str = "amber bridge candle meadow";

    struct World {
        home: tempfile::TempDir,
        node: PathBuf,
        scrutiny: Scrutiny,
    }

    fn world() -> World {
        let home = tempfile::tempdir().unwrap();
        let creation = Creation::for_tests(&home.path().join("c"), 4, ForkVersion::new([0, 0xde, 0x30, 2]));
        let created = create_cluster(&creation, Keys::Fresh(2), &mut |_, _| true).unwrap();
        let testnet = Settings::load(&created.folders[2]).unwrap().testnet;
        World { node: created.folders[2].clone(), scrutiny: Scrutiny { testnet, ..Scrutiny::default() }, home }
    }

    impl World {
        fn path(&self, name: &str) -> PathBuf {
            self.home.path().join(name)
        }

        fn installation(&self, name: &str) -> Installation {
            Installation::at(self.path(name))
        }

        fn back_up(&self, passphrase: &str) -> Result<BackupFacts, BackupError> {
            let (to, state) = (self.path("b.hearthbackup"), self.installation("state"));
            back_up(&self.node, &to, &passphrase.into(), &self.scrutiny, &state, 7, &mut |_, _| true)
        }

        fn practise(&self, passphrase: &str) -> Result<BackupFacts, BackupError> {
            practise_restore(&self.path("b.hearthbackup"), &passphrase.into(), &self.scrutiny, &mut |_, _| true)
        }
    }

    #[test]
    fn a_backup_is_practised_and_restored_on_another_computer_and_says_the_same_each_time() {
        let world = world();
        fs::write(world.node.join("slashing.sqlite"), "never in a backup").unwrap();
        let made = world.back_up(PASSPHRASE).unwrap();
        assert_eq!((made.validators, made.operator.share().get(), made.made_ms), (2, 3, 7));
        let before: Vec<_> =
            fs::read_dir(world.home.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(world.practise(PASSPHRASE).unwrap(), made);
        let after: Vec<_> =
            fs::read_dir(world.home.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(before, after, "a practice writes nothing");

        let (to, elsewhere) = (world.path("new"), world.installation("another computer"));
        let file = world.path("b.hearthbackup");
        let restored =
            restore(&file, &to, &PASSPHRASE.into(), &world.scrutiny, &elsewhere, &mut |_, _| true).unwrap();
        assert_eq!(restored, made);
        let folder = DataFolder::open(&to).unwrap();
        let seat = Seat::take(&folder, &world.scrutiny, &elsewhere, |_| {}).unwrap();
        assert_eq!((seat.lock_hash, seat.keyring.validators().len()), (made.lock_hash, 2));
        assert!(!to.join("slashing.sqlite").exists() && to.join(restored::FILE_NAME).exists());
        assert!(!to.join(FOLDER_NAME).join("keystore-insecure-0.txt").exists(), "passwords are sealed");
        let again = restore(&file, &to, &PASSPHRASE.into(), &world.scrutiny, &elsewhere, &mut |_, _| true);
        assert!(matches!(again, Err(BackupError::Occupied(_))));
    }

    #[test]
    fn a_backup_tells_nothing_without_its_passphrase_and_a_damaged_one_is_refused() {
        let world = world();
        assert!(matches!(world.back_up("too short"), Err(BackupError::WeakPassphrase)));
        world.back_up(PASSPHRASE).unwrap();
        assert!(matches!(world.back_up(PASSPHRASE), Err(BackupError::Unwritable(_))), "never overwritten");
        assert!(matches!(world.practise("amber bridge candle meadows"), Err(BackupError::WrongPassphrase)));

        let file = world.path("b.hearthbackup");
        let whole = fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&whole);
        assert!(!text.contains("keystore") && !text.contains("identity"));
        for at in [0, 40, whole.len() / 2, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&file, &changed).unwrap();
            assert!(world.practise(PASSPHRASE).is_err(), "byte {at}");
        }
        fs::write(&file, &whole[..whole.len() - 20]).unwrap();
        assert!(world.practise(PASSPHRASE).is_err(), "cut off");
        fs::write(&file, "{}").unwrap();
        assert!(matches!(world.practise(PASSPHRASE), Err(BackupError::Malformed { .. })));
    }

    #[test]
    fn a_document_that_does_not_fit_together_is_refused() {
        let world = world();
        let state = world.installation("state");
        type Change = fn(&mut Document);
        let changes: [(&str, Change); 7] = [
            ("another format", |document| document.hearth_backup = 2),
            ("another key", |document| document.identity = "11".repeat(32)),
            ("no lock", |document| drop(document.files.remove(LOCK))),
            ("a file that is none of ours", |document| {
                document.files.insert("../../.bashrc".into(), String::new());
            }),
            ("a name that leads elsewhere", |document| {
                document.files.insert("deposit-data/../../beside.json".into(), String::new());
            }),
            ("a key share less", |document| drop(document.keystores.pop())),
            ("the same key share twice", |document| {
                let first = document.keystores[0].keystore.clone();
                document.keystores[1].keystore = first;
            }),
        ];
        for (name, change) in changes {
            let mut document = gather(&world.node, &world.scrutiny, &state, 1).unwrap();
            change(&mut document);
            let checked = document.check(Path::new("b"), &world.scrutiny, 0, &mut |_, _| true);
            assert!(checked.is_err(), "{name}");
        }
    }
}
