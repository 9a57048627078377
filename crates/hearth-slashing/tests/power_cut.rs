//! What survives when the power goes, at every length that the log can have reached the disk with.
//!
//! The disk keeps what was flushed. Of what was written since, it may keep any part. So: flush nothing beyond the
//! k-th permit, cut the log anywhere behind it, and the first k permits must still be on record.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "it is a test"
)]

mod common;

use std::fs;
use std::path::Path;

use hearth_slashing::SlashingDb;
use hearth_types::{ValidatorPubkey, Vote};

use common::{CHAIN, ask, database, propose, root, validator, vote, write_ahead_log};

/// Bytes before the first frame, and per frame of one page of 4,096 bytes. Source: SQLite, "WAL file format".
const LOG_HEADER: usize = 32;
const FRAME: usize = 24 + 4_096;

/// A database while it is being written, as it lies on the disk.
struct Recording {
    database: Vec<u8>,
    log: Vec<u8>,
    /// Per batch: its votes, and the length of the log when it was permitted.
    batches: Vec<(Vec<(ValidatorPubkey, Vote)>, usize)>,
}

#[test]
fn a_log_cut_at_any_length_keeps_every_permit_that_was_given_before() {
    let recording = record();
    let frames = (recording.log.len() - LOG_HEADER) / FRAME;
    assert!(frames > 20, "{frames} frames");
    let boundaries = (0..=frames).map(|frame| LOG_HEADER + frame * FRAME);
    let cuts = boundaries
        .flat_map(|boundary| [boundary - 1, boundary, boundary + 1, boundary + 24, boundary + 512])
        .chain((0..recording.log.len()).step_by(1_997))
        .chain([0, 1, LOG_HEADER - 1]);
    for cut in cuts.map(|cut| cut.min(recording.log.len())) {
        let log = &recording.log[..cut];
        recording.holds_what_was_permitted_by(cut, &recording.database, log, &format!("cut at {cut}"));
    }
}

#[test]
fn a_log_whose_unflushed_tail_is_torn_keeps_every_permit_that_was_given_before() {
    let recording = record();
    for torn in (LOG_HEADER..recording.log.len()).step_by(FRAME / 3) {
        let mut log = recording.log.clone();
        let end = (torn + 512).min(log.len());
        log[torn..end].fill(0); // A sector that did not arrive, though later ones did.
        recording.holds_what_was_permitted_by(torn, &recording.database, &log, &format!("torn at {torn}"));
    }
}

#[test]
fn a_power_cut_while_the_log_is_copied_into_the_database_loses_nothing() {
    let recording = record();
    let everything = recording.log.len();
    let folder = tempfile::tempdir().unwrap();
    lay_down(folder.path(), &recording.database, &recording.log);
    drop(SlashingDb::open(&database(folder.path()), CHAIN).unwrap());
    let copied = fs::read(database(folder.path())).unwrap();
    assert!(!write_ahead_log(folder.path()).exists(), "closing copies the whole log");

    let pages = copied.len() / 4_096;
    for seed in 0..64_u64 {
        // Any subset of the pages may have arrived, the log is still whole.
        let mut mixed = copied.clone();
        for page in 0..pages {
            let arrived = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (page % 61)) & 1 == 1;
            let range = page * 4_096..(page + 1) * 4_096;
            if !arrived {
                match recording.database.get(range.clone()) {
                    Some(old) => mixed[range].copy_from_slice(old),
                    None => mixed[range].fill(0),
                }
            }
        }
        recording.holds_what_was_permitted_by(everything, &mixed, &recording.log, &format!("subset {seed}"));
    }
}

/// Permits some batches and takes the files as they lie on the disk, without closing the database.
fn record() -> Recording {
    let folder = tempfile::tempdir().unwrap();
    let mut db = SlashingDb::open(&database(folder.path()), CHAIN).unwrap();
    let mut batches = Vec::new();
    for target in 1..=12_u64 {
        let batch: Vec<_> = (0..target as u16 % 5 * 30 + 1)
            .map(|number| (validator(number), vote(target - 1, target, number as u8)))
            .collect();
        assert!(db.permit_attestations(&batch).unwrap().iter().all(Result::is_ok));
        propose(&mut db, validator(0), target * 32, root(target as u8)).unwrap();
        batches.push((batch, fs::metadata(write_ahead_log(folder.path())).unwrap().len() as usize));
    }
    let read = |path| fs::read(path).unwrap();
    Recording { database: read(database(folder.path())), log: read(write_ahead_log(folder.path())), batches }
}

impl Recording {
    /// Opens the files as a power cut left them and holds the record against what was permitted before it.
    fn holds_what_was_permitted_by(&self, flushed: usize, database_file: &[u8], log: &[u8], name: &str) {
        let folder = tempfile::tempdir().unwrap();
        lay_down(folder.path(), database_file, log);
        let mut db =
            SlashingDb::open(&database(folder.path()), CHAIN).unwrap_or_else(|e| panic!("{name}: {e}"));
        for (number, (batch, length)) in self.batches.iter().enumerate() {
            if *length > flushed {
                break;
            }
            for (key, vote) in batch {
                let other = Vote { root: root(0xee), ..*vote };
                assert!(ask(&mut db, *key, other).is_err(), "{name}: vote {number} forgotten");
                assert!(ask(&mut db, *key, *vote).is_ok(), "{name}: vote {number} not on record");
            }
            let slot = (number as u64 + 1) * 32;
            assert!(
                propose(&mut db, validator(0), slot, root(0xee)).is_err(),
                "{name}: block {number} forgotten"
            );
        }
    }
}

fn lay_down(folder: &Path, database_file: &[u8], log: &[u8]) {
    fs::write(database(folder), database_file).unwrap();
    fs::write(write_ahead_log(folder), log).unwrap();
}
