//! The record of signed messages, for people: summed up, written to a file (EIP-3076), and told what such a file knows.
//!
//! The same for a node that runs ([`desk`]) and for one that does not ([`crate::offline::StoppedNode`]).

mod desk;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use hearth_api::{
    ErrorCode, ImportedValidator, RecordKeys, RecordReach, RecordedValidator, SlashingExportReply,
    SlashingImportReply, SlashingReply, UiError,
};
use hearth_obol::cluster::UsableLock;
use hearth_slashing::{
    EpochStart, Extent, Form, ImportOptions, Interchange, InterchangeError, SigningHistory, SlashingDb,
    StorageError,
};
use hearth_types::{Epoch, OperatorIndex, ValidatorPubkey};
use thiserror::Error;

use crate::offline::{Unwritable, put_whole};

pub(crate) use desk::RecordDesk;

/// Why the record was not read, written or added to. Nothing of it changed.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is something else.
    #[error("{}: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: InterchangeError,
    },
    /// It says nothing about these validators.
    #[error(
        "{} tells of no validator of this cluster, neither by its key nor by this operator's share of it; is it the \
         right file?", .0.display()
    )]
    Strange(PathBuf),
    /// It claims signatures of the future. What it claims could never be signed again.
    #[error(
        "the file claims signatures from epoch {from} on, which lies in the future, for {count} of this cluster's \
         validators: they could not sign until then"
    )]
    Beyond {
        /// The first epoch that is too late.
        from: Epoch,
        /// Validators.
        count: usize,
    },
    /// The file was not taken over.
    #[error(transparent)]
    Refused(#[from] hearth_slashing::ImportError),
    /// The new file cannot be written.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    /// The record cannot be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<RecordError> for UiError {
    fn from(error: RecordError) -> Self {
        let code = match error {
            RecordError::Unreadable { .. } => ErrorCode::Unreadable,
            RecordError::Unwritable(_) => ErrorCode::Unwritable,
            RecordError::Storage(_) | RecordError::Refused(hearth_slashing::ImportError::Storage(_)) => {
                ErrorCode::Internal
            }
            RecordError::Malformed { .. }
            | RecordError::Strange(_)
            | RecordError::Beyond { .. }
            | RecordError::Refused(_) => ErrorCode::FileRefused,
        };
        Self::because(code, error)
    }
}

/// The validators of a cluster by the keys that files may call them by.
#[derive(Clone, Debug)]
pub(crate) struct ClusterKeys {
    groups: BTreeSet<ValidatorPubkey>,
    /// The validator of each of this operator's shares, by the share's public key.
    shares: BTreeMap<[u8; 48], ValidatorPubkey>,
}

impl ClusterKeys {
    /// Public key of each of this operator's shares, and the validator that it is a share of.
    pub(crate) fn shares(&self) -> impl Iterator<Item = ([u8; 48], ValidatorPubkey)> + '_ {
        self.shares.iter().map(|(share, validator)| (*share, *validator))
    }

    pub(crate) fn of(lock: &UsableLock, me: OperatorIndex) -> Self {
        let groups = lock.validators().iter().map(|keys| ValidatorPubkey::new(keys.group.to_bytes()));
        Self { groups: groups.collect(), shares: lock.share_keys(me) }
    }

    /// Histories under the validators' own keys, and how many of strangers were left out. A validator client beside Charon
    /// knows each validator by its share's key.
    pub(crate) fn ours(&self, data: Vec<SigningHistory>) -> (Vec<SigningHistory>, usize) {
        let all = data.len();
        let ours = |history: SigningHistory| {
            let group = self.shares.get(history.pubkey.as_bytes()).copied();
            let pubkey = group.or_else(|| self.groups.get(&history.pubkey).copied())?;
            Some(SigningHistory { pubkey, ..history })
        };
        let ours: Vec<SigningHistory> = data.into_iter().filter_map(ours).collect();
        let strangers = all - ours.len();
        (ours, strangers)
    }

    /// The same under the keys of this operator's shares.
    pub(crate) fn under_shares(&self, data: Vec<SigningHistory>) -> Vec<SigningHistory> {
        let shares: BTreeMap<ValidatorPubkey, ValidatorPubkey> =
            self.shares.iter().map(|(share, group)| (*group, ValidatorPubkey::new(*share))).collect();
        let share =
            |history: SigningHistory| Some(SigningHistory { pubkey: *shares.get(&history.pubkey)?, ..history });
        data.into_iter().filter_map(share).collect()
    }
}

/// What a file tells of this cluster.
pub(crate) struct Foreign {
    interchange: Interchange,
    silent: usize,
    strangers: usize,
}

/// Reads a file. Blocks.
pub(crate) fn read(path: &Path, keys: &ClusterKeys) -> Result<Foreign, RecordError> {
    let mut interchange = read_file(path)?;
    let (ours, strangers) = keys.ours(interchange.data);
    if ours.is_empty() {
        return Err(RecordError::Strange(path.to_owned()));
    }
    let told: BTreeSet<ValidatorPubkey> = ours.iter().map(|history| history.pubkey).collect();
    interchange.data = ours;
    Ok(Foreign { interchange, silent: keys.groups.len() - told.len(), strangers })
}

/// The same before anybody asked whose validators it tells of.
pub(crate) fn read_file(path: &Path) -> Result<Interchange, RecordError> {
    let unreadable = |source| RecordError::Unreadable { path: path.to_owned(), source };
    // Opening a pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::new(io::ErrorKind::InvalidInput, "not a file")));
    }
    let file = BufReader::new(File::open(path).map_err(unreadable)?);
    let malformed = |source| RecordError::Malformed { path: path.to_owned(), source };
    Interchange::read(file).map_err(malformed)
}

impl Foreign {
    /// The chain that it is about.
    pub(crate) const fn chain(&self) -> hearth_types::Root {
        self.interchange.metadata.genesis_validators_root
    }

    /// Adds it to the record, or (not `confirmed`) says what that would do. Nothing at or after `limit` is believed.
    ///
    /// Taken over is how far each validator got, not message by message: what the file does not mention must not be signed
    /// either, because programs forget.
    pub(crate) fn add_to(
        &self,
        record: &mut SlashingDb,
        limit: Option<EpochStart>,
        confirmed: bool,
    ) -> Result<SlashingImportReply, RecordError> {
        if let Some(limit) = limit {
            let count = self.interchange.beyond(limit).len();
            if count > 0 {
                return Err(RecordError::Beyond { from: limit.epoch(), count });
            }
        }
        let options = ImportOptions { form: Form::Minimal, implausible_from: None };
        let summary = if confirmed {
            record.import(&self.interchange, options)?
        } else {
            record.rehearse_import(&self.interchange, options)?
        };
        let validators = summary.validators.into_iter().map(|(pubkey, history)| ImportedValidator {
            pubkey,
            before: reach(history.before),
            after: reach(history.after),
            slashable: few(history.slashable),
        });
        Ok(SlashingImportReply {
            imported: confirmed,
            validators: validators.collect(),
            silent: few(self.silent),
            strangers: few(self.strangers),
        })
    }
}

/// The record, summed up; `path` is where it lies.
pub(crate) fn sum_up(record: &SlashingDb, path: &Path) -> Result<SlashingReply, RecordError> {
    let summed = record.overview()?.into_iter().map(|(pubkey, overview)| RecordedValidator {
        pubkey,
        reach: reach(overview.extent),
        entries: overview.entries,
    });
    Ok(SlashingReply { validators: summed.collect(), bytes: bytes_of(path) })
}

/// The record as a file for others tells it.
pub(crate) fn tell(
    record: &SlashingDb,
    cluster: &ClusterKeys,
    keys: RecordKeys,
    complete: bool,
) -> Result<Interchange, RecordError> {
    let mut interchange = record.export(if complete { Form::Complete } else { Form::Minimal })?;
    if keys == RecordKeys::Shares {
        interchange.data = cluster.under_shares(interchange.data);
    }
    Ok(interchange)
}

/// Writes a file that is not there yet, for its owner's eyes. Blocks.
pub(crate) fn write(path: &Path, interchange: &Interchange) -> Result<SlashingExportReply, RecordError> {
    let mut json = Vec::new();
    interchange.write(&mut json).map_err(Unwritable::at(path))?;
    put_whole(path, &json, 0o600)?;
    Ok(SlashingExportReply {
        path: path.display().to_string(),
        validators: few(interchange.data.len()),
        bytes: json.len() as u64,
    })
}

const fn reach(extent: Extent) -> RecordReach {
    let (source, target) = match extent.vote {
        Some(vote) => (Some(vote.source), Some(vote.target)),
        None => (None, None),
    };
    RecordReach { source, target, block: extent.block }
}

fn few(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// With what SQLite keeps beside it.
fn bytes_of(path: &Path) -> u64 {
    let mut beside = path.as_os_str().to_owned();
    beside.push("-wal");
    [path, Path::new(&beside)]
        .iter()
        .filter_map(|file| std::fs::metadata(file).ok())
        .map(|file| file.len())
        .sum()
}

#[cfg(test)]
pub(crate) mod tests {
    use hearth_slashing::{SignedAttestation, SignedBlock};
    use hearth_types::{Root, Slot};

    use super::*;

    const CHAIN: Root = Root::new([9; 32]);
    const GROUP: ValidatorPubkey = ValidatorPubkey::new([1; 48]);
    const OTHER_GROUP: ValidatorPubkey = ValidatorPubkey::new([2; 48]);
    const SHARE: ValidatorPubkey = ValidatorPubkey::new([3; 48]);
    const STRANGER: ValidatorPubkey = ValidatorPubkey::new([4; 48]);

    pub(super) fn keys() -> ClusterKeys {
        ClusterKeys { groups: [GROUP, OTHER_GROUP].into(), shares: [([3; 48], GROUP)].into() }
    }

    pub(super) fn history(pubkey: ValidatorPubkey, target: u64, slot: u64) -> SigningHistory {
        SigningHistory {
            pubkey,
            signed_blocks: vec![SignedBlock { slot: Slot::new(slot), signing_root: None }],
            signed_attestations: vec![SignedAttestation {
                source_epoch: Epoch::new(target - 1),
                target_epoch: Epoch::new(target),
                signing_root: None,
            }],
        }
    }

    fn file(folder: &tempfile::TempDir, data: Vec<SigningHistory>) -> PathBuf {
        let path = folder.path().join(format!("{}.json", rand::random::<u64>()));
        Interchange::new(CHAIN, data).write(File::create(&path).unwrap()).unwrap();
        path
    }

    const fn reach(target: u64, block: u64) -> RecordReach {
        RecordReach {
            source: Some(Epoch::new(target - 1)),
            target: Some(Epoch::new(target)),
            block: Some(Slot::new(block)),
        }
    }

    #[test]
    fn a_file_is_rehearsed_then_taken_over_and_an_older_one_lowers_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = SlashingDb::in_memory(CHAIN).unwrap();
        let read_in = |data| read(&file(&folder, data), &keys()).unwrap();
        let new = read_in(vec![history(SHARE, 5, 50), history(STRANGER, 9, 9)]);
        let rehearsed = new.add_to(&mut record, None, false).unwrap();
        assert_eq!(record.overview().unwrap(), BTreeMap::new(), "a rehearsal does nothing");
        let imported = new.add_to(&mut record, None, true).unwrap();
        assert_eq!(SlashingImportReply { imported: true, ..rehearsed }, imported);
        let [validator] = imported.validators[..] else { panic!("{imported:?}") };
        assert_eq!((validator.pubkey, validator.before), (GROUP, RecordReach::default()));
        assert_eq!(validator.after, reach(5, 50));
        assert_eq!((imported.raised(), imported.silent, imported.strangers), (1, 1, 1));

        let older = read_in(vec![history(GROUP, 3, 60)]).add_to(&mut record, None, true).unwrap();
        assert_eq!(older.validators[0].after, reach(5, 60), "what is greater counts, each by itself");
        let same = read_in(vec![history(GROUP, 2, 10)]).add_to(&mut record, None, true).unwrap();
        assert_eq!((same.raised(), same.validators[0].after), (0, reach(5, 60)));

        let told = tell(&record, &keys(), RecordKeys::Shares, false).unwrap();
        assert_eq!(
            told.data,
            [history(SHARE, 5, 60)].map(|mut history| {
                history.signed_attestations[0].source_epoch = Epoch::new(4);
                history
            })
        );
        let path = folder.path().join("out.json");
        assert_eq!(write(&path, &told).unwrap().validators, 1);
        let again = write(&path, &told).unwrap_err();
        assert_eq!(UiError::from(again).code, ErrorCode::Unwritable, "what is there is left alone");
        assert_eq!(read(&path, &keys()).unwrap().interchange.data, [history(GROUP, 5, 60)]);
    }

    #[test]
    fn a_file_that_does_harm_or_is_something_else_is_refused_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = SlashingDb::in_memory(CHAIN).unwrap();
        let limit = hearth_slashing::EpochStart::of(&spec(), Epoch::new(100));
        for data in [vec![history(GROUP, 101, 1)], vec![history(OTHER_GROUP, 5, 3_200)]] {
            let ahead = read(&file(&folder, data), &keys()).unwrap();
            let refused = ahead.add_to(&mut record, Some(limit), true).unwrap_err();
            assert!(matches!(refused, RecordError::Beyond { count: 1, .. }), "{refused}");
        }
        let other_chain = folder.path().join("other.json");
        let other = Interchange::new(Root::new([8; 32]), vec![history(GROUP, 5, 5)]);
        other.write(File::create(&other_chain).unwrap()).unwrap();
        let refused = read(&other_chain, &keys()).unwrap().add_to(&mut record, None, true).unwrap_err();
        assert_eq!(UiError::from(refused).code, ErrorCode::FileRefused);
        assert_eq!(record.overview().unwrap(), BTreeMap::new());

        let garbage = folder.path().join("garbage.json");
        std::fs::write(&garbage, "{").unwrap();
        let strange = file(&folder, vec![history(STRANGER, 1, 1)]);
        for (path, code) in [
            (garbage.as_path(), ErrorCode::FileRefused),
            (&strange, ErrorCode::FileRefused),
            (folder.path(), ErrorCode::Unreadable),
            (Path::new("/absent/file"), ErrorCode::Unreadable),
        ] {
            let refused = read(path, &keys()).err().map(|error| UiError::from(error).code);
            assert_eq!(refused, Some(code), "{}", path.display());
        }
    }

    pub(crate) fn spec() -> hearth_types::ChainSpec {
        use hearth_types::{ChainSpec, ForkName, ForkSchedule, ForkVersion, ScheduledFork, UnixMillis};
        let electra =
            ScheduledFork { name: ForkName::Electra, version: ForkVersion::new([5; 4]), epoch: Epoch::new(0) };
        let forks = ForkSchedule::new(vec![electra], Epoch::new(u64::MAX)).unwrap();
        ChainSpec::new(UnixMillis::new(0), CHAIN, 12_000, 32, forks).unwrap()
    }
}
