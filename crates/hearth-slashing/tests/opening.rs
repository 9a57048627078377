//! Which files are opened, and which are left alone.
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

use hearth_slashing::{Form, OpenError, SlashingDb};
use hearth_types::Root;

use common::{CHAIN, ask, database, propose, root, validator, vote, write_ahead_log};

#[test]
fn a_new_database_is_private_and_remembers() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path());
    let mut db = SlashingDb::open(&path, CHAIN).unwrap();
    ask(&mut db, validator(1), vote(1, 2, 3)).unwrap();
    propose(&mut db, validator(1), 64, root(4)).unwrap();
    let mut names = file_names(folder.path());
    #[cfg(unix)]
    for name in &names {
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(folder.path().join(name)).unwrap());
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(names, ["slashing.sqlite", "slashing.sqlite-wal", "slashing.sqlite.lock"]);

    drop(db);
    names = file_names(folder.path());
    assert_eq!(names, ["slashing.sqlite", "slashing.sqlite.lock"], "closing folds the log into the database");
    let mut db = SlashingDb::open(&path, CHAIN).unwrap();
    assert!(ask(&mut db, validator(1), vote(1, 2, 9)).is_err());
    assert!(ask(&mut db, validator(1), vote(1, 2, 3)).is_ok());
    assert!(propose(&mut db, validator(1), 64, root(9)).is_err());
    assert!(propose(&mut db, validator(1), 64, root(4)).is_ok());
}

#[test]
fn a_database_can_be_opened_for_whatever_chain_it_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path());
    assert!(SlashingDb::open_existing(&path).unwrap().is_none());
    assert!(file_names(folder.path()).is_empty(), "looking for one leaves nothing");
    ask(&mut SlashingDb::open(&path, CHAIN).unwrap(), validator(1), vote(1, 2, 3)).unwrap();
    let mut found = SlashingDb::open_existing(&path).unwrap().unwrap();
    assert_eq!(found.export(Form::Complete).unwrap().metadata.genesis_validators_root, CHAIN);
    assert!(ask(&mut found, validator(1), vote(1, 2, 9)).is_err(), "it protects as before");
}

#[test]
fn a_second_opener_in_the_same_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path());
    let db = SlashingDb::open(&path, CHAIN).unwrap();
    for _ in 0..2 {
        let refused = SlashingDb::open(&path, CHAIN).unwrap_err();
        assert!(matches!(&refused, OpenError::InUse { path: named } if *named == path), "{refused:?}");
    }
    drop(db);
    SlashingDb::open(&path, CHAIN).unwrap();
}

#[test]
fn a_database_of_another_chain_is_refused_and_unchanged() {
    let folder = recorded();
    let other = Root::new([8; 32]);
    refused_and_unchanged(folder.path(), |path| {
        let refused = SlashingDb::open(path, other).unwrap_err();
        assert!(
            matches!(refused, OpenError::OtherChain { expected, found, .. } if expected == other && found == CHAIN)
        );
    });
    SlashingDb::open(&database(folder.path()), CHAIN).unwrap();
}

#[test]
fn a_database_of_a_newer_version_is_refused_and_unchanged() {
    let folder = recorded();
    patch(&database(folder.path()), 60, &2_u32.to_be_bytes()); // `user_version` in SQLite's file header.
    refused_and_unchanged(folder.path(), |path| {
        let refused = SlashingDb::open(path, CHAIN).unwrap_err();
        assert!(matches!(refused, OpenError::Newer { found: 2, known: 1, .. }), "{refused:?}");
    });
}

#[test]
fn what_is_not_a_whole_database_of_ours_is_refused_and_unchanged() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage); 9] = [
        ("empty", |path| fs::write(path, []).unwrap()),
        ("text", |path| fs::write(path, [b'x'; 9_000]).unwrap()),
        ("another application's", |path| patch(path, 68, b"NOPE")),
        ("an older version than there is", |path| patch(path, 60, &[0; 4])),
        ("cut to its header", |path| cut(path, 100)),
        ("cut to one page", |path| cut(path, 4_096)),
        ("cut in half", |path| cut(path, fs::metadata(path).unwrap().len() / 2)),
        ("without its last page", |path| cut(path, fs::metadata(path).unwrap().len() - 4_096)),
        ("a table's pages zeroed", |path| patch(path, 4_096, &[0; 4_096 * 3])),
    ];
    for (name, damage) in cases {
        let folder = recorded();
        damage(&database(folder.path()));
        refused_and_unchanged(folder.path(), |path| {
            let refused = SlashingDb::open(path, CHAIN).unwrap_err();
            let expected = matches!(refused, OpenError::Damaged { .. } | OpenError::Foreign { .. });
            assert!(expected, "{name}: {refused:?}");
        });
    }
}

#[test]
fn a_byte_changed_anywhere_is_noticed_or_harmless() {
    let folder = recorded();
    let whole = fs::read(database(folder.path())).unwrap();
    let mut noticed = 0;
    for position in (0..whole.len()).step_by(61) {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = whole.clone();
        bytes[position] ^= 0x55;
        fs::write(database(folder.path()), &bytes).unwrap();
        // No panic; and what opens can be read and asked.
        match SlashingDb::open(&database(folder.path()), CHAIN) {
            Err(_) => noticed += 1,
            Ok(mut db) => {
                let _ = db.export(Form::Complete);
                let _ = db.permit_attestations(&[(validator(1), vote(300, 301, 1))]);
            }
        }
    }
    assert!(noticed > 0);
}

#[test]
fn a_log_without_its_database_is_not_taken_for_a_fresh_start() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(write_ahead_log(folder.path()), [1; 5_000]).unwrap();
    let refused = SlashingDb::open(&database(folder.path()), CHAIN).unwrap_err();
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused:?}");
    assert!(!database(folder.path()).exists());
}

#[test]
fn a_creation_that_was_cut_short_is_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("slashing.sqlite.new"), b"half").unwrap();
    fs::write(folder.path().join("slashing.sqlite.new-journal"), b"written").unwrap();
    SlashingDb::open(&database(folder.path()), CHAIN).unwrap();
    assert_eq!(file_names(folder.path()), ["slashing.sqlite", "slashing.sqlite.lock"]);
}

#[test]
fn a_missing_folder_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(&folder.path().join("nowhere"));
    let refused = SlashingDb::open(&path, CHAIN).unwrap_err();
    assert!(matches!(refused, OpenError::Io { .. }) && refused.to_string().contains("nowhere"), "{refused}");
}

/// A closed database with a few pages of history.
fn recorded() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut db = SlashingDb::open(&database(folder.path()), CHAIN).unwrap();
    for target in 1..=40 {
        let votes: Vec<_> = (0..20).map(|key| (validator(key), vote(target - 1, target, 1))).collect();
        assert!(db.permit_attestations(&votes).unwrap().iter().all(Result::is_ok));
    }
    folder
}

fn refused_and_unchanged(folder: &Path, attempt: impl Fn(&Path)) {
    let path = database(folder);
    let before = fs::read(&path).unwrap();
    attempt(&path);
    assert!(fs::read(&path).unwrap() == before, "the file was touched");
}

fn file_names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

fn patch(path: &Path, at: usize, with: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at..at + with.len()].copy_from_slice(with);
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path, length: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}
