//! Slashing protection that comes from, or goes to, another validator client.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "it is a test"
)]

mod common;

use hearth_slashing::{
    Form, ImportError, ImportOptions, Interchange, InterchangeError, SignedAttestation, SignedBlock,
    SigningHistory, SlashingDb,
};
use hearth_types::{Epoch, Root, Slot};

use common::{CHAIN, ask, propose, root, start_of, validator, vote};

const COMPLETE: ImportOptions = ImportOptions { form: Form::Complete, implausible_from: None };
const MINIMAL: ImportOptions = ImportOptions { form: Form::Minimal, implausible_from: None };

#[test]
fn a_file_is_read_with_unknown_fields_and_the_greatest_numbers() {
    let file = Interchange::read(
        format!(
            r#"{{"metadata":{{"interchange_format_version":"5","genesis_validators_root":"{CHAIN}","client":"x"}},
            "extra":[[[{{"deep":[1,2.5,null]}}]]],
            "data":[{{"pubkey":"{}","signed_blocks":[{{"slot":"18446744073709551615","signing_root":null,"body":{{}}}}],
            "signed_attestations":[{{"source_epoch":"0","target_epoch":"18446744073709551615","signing_root":"{}"}}]}}]}}"#,
            validator(1),
            root(5)
        )
        .as_bytes(),
    )
    .unwrap();
    assert_eq!(file, history(1, &[(0, u64::MAX, 5)], &[(u64::MAX, 0)]));
    let mut written = Vec::new();
    file.write(&mut written).unwrap();
    assert_eq!(Interchange::read(written.as_slice()).unwrap(), file, "and written so that it reads the same");
}

#[test]
fn what_is_not_an_interchange_file_is_refused() {
    let (chain, key) = (CHAIN, validator(1));
    let head =
        format!(r#""metadata":{{"interchange_format_version":"5","genesis_validators_root":"{chain}"}}"#);
    let entry = |votes: &str| {
        format!(
            r#"{{{head},"data":[{{"pubkey":"{key}","signed_blocks":[],"signed_attestations":[{votes}]}}]}}"#
        )
    };
    for (name, json) in [
        ("nothing", String::new()),
        ("not JSON", "slashing".into()),
        ("cut short", format!("{{{head},\"data\":[")),
        ("no metadata", r#"{"data":[]}"#.into()),
        ("no data", format!("{{{head}}}")),
        ("trailing text", format!("{{{head},\"data\":[]}} x")),
        ("nested without end", "[".repeat(1_000_000)),
        ("a number that is not text", entry(r#"{"source_epoch":1,"target_epoch":"2"}"#)),
        ("a number above 2^64 - 1", entry(r#"{"source_epoch":"1","target_epoch":"18446744073709551616"}"#)),
        ("a negative number", entry(r#"{"source_epoch":"-1","target_epoch":"2"}"#)),
        ("no target", entry(r#"{"source_epoch":"1"}"#)),
        ("the same field twice", entry(r#"{"source_epoch":"1","source_epoch":"1","target_epoch":"2"}"#)),
        ("a short root", entry(r#"{"source_epoch":"1","target_epoch":"2","signing_root":"0x00"}"#)),
        ("a short key", entry("").replace(&key.to_string(), "0xaa")),
        ("a chain that is not a root", entry("").replace(&chain.to_string(), "mainnet")),
    ] {
        let read = Interchange::read(json.as_bytes());
        assert!(matches!(read, Err(InterchangeError::Malformed(_))), "{name}: {read:?}");
    }
}

#[test]
fn a_file_of_another_chain_or_version_changes_nothing() {
    let mut db = SlashingDb::in_memory(CHAIN).unwrap();
    let mut file = history(1, &[(3, 9, 1)], &[(9, 1)]);
    file.metadata.genesis_validators_root = Root::new([8; 32]);
    assert!(matches!(db.import(&file, COMPLETE), Err(ImportError::OtherChain { .. })));
    file.metadata.genesis_validators_root = CHAIN;
    for version in ["4", "6", "", "5.0"] {
        file.metadata.interchange_format_version = version.into();
        assert!(
            matches!(db.import(&file, MINIMAL), Err(ImportError::UnknownVersion { found }) if found == version)
        );
    }
    assert!(db.export(Form::Complete).unwrap().data.is_empty());
}

#[test]
fn an_import_only_raises() {
    for options in [COMPLETE, MINIMAL] {
        let mut db = SlashingDb::in_memory(CHAIN).unwrap();
        db.import(&history(1, &[(30, 40, 0)], &[(500, 0)]), options).unwrap();
        let before = db.export(Form::Complete).unwrap();
        let summary = db.import(&history(1, &[(3, 4, 0)], &[(5, 0)]), options).unwrap();
        assert!(!summary.validators[&validator(1)].floor_raised);
        assert_eq!(db.export(Form::Complete).unwrap(), before, "{options:?}");
        assert!(ask(&mut db, validator(1), vote(10, 11, 1)).is_err());
        assert!(propose(&mut db, validator(1), 100, root(1)).is_err());
    }
}

#[test]
fn a_rehearsal_tells_what_the_import_will_do_and_does_nothing() {
    let mut db = SlashingDb::in_memory(CHAIN).unwrap();
    ask(&mut db, validator(1), vote(4, 5, 1)).unwrap();
    let file = history(1, &[(3, 4, 9), (6, 7, 1)], &[(40, 1), (50, 2)]);
    for options in [COMPLETE, MINIMAL] {
        let before = (db.export(Form::Complete).unwrap(), db.overview().unwrap());
        let rehearsed = db.rehearse_import(&file, options).unwrap();
        assert_eq!((db.export(Form::Complete).unwrap(), db.overview().unwrap()), before);
        assert_eq!(db.import(&file, options).unwrap(), rehearsed, "{options:?}");

        let told = rehearsed.validators[&validator(1)];
        let overview = db.overview().unwrap()[&validator(1)];
        assert_eq!(overview.extent, told.after, "{options:?}");
        assert_eq!(told.after.block, Some(Slot::new(50)));
        assert_eq!(told.after.vote.map(|vote| (vote.source.get(), vote.target.get())), Some((6, 7)));
    }
    // A stranger that was rehearsed only is still free to sign.
    let stranger = history(2, &[(8, 9, 1)], &[]);
    let told = db.rehearse_import(&stranger, MINIMAL).unwrap().validators[&validator(2)];
    assert_eq!((told.before.vote, told.after.vote.map(|vote| vote.target.get())), (None, Some(9)));
    ask(&mut db, validator(2), vote(1, 2, 1)).unwrap();
}

#[test]
fn a_floor_that_comes_to_lie_above_recorded_votes_covers_their_sources_too() {
    let mut db = SlashingDb::in_memory(CHAIN).unwrap();
    ask(&mut db, validator(1), vote(10, 20, 1)).unwrap();
    ask(&mut db, validator(1), vote(15, 30, 1)).unwrap();
    db.import(&history(1, &[(3, 25, 0)], &[]), MINIMAL).unwrap();
    for (source, target, allowed) in [(9, 40, false), (10, 26, true), (10, 40, false), (15, 40, true)] {
        assert_eq!(
            ask(&mut db, validator(1), vote(source, target, 2)).is_ok(),
            allowed,
            "{source} to {target}"
        );
    }
}

#[test]
fn several_histories_of_one_validator_are_one() {
    let mut file = history(1, &[(1, 2, 1)], &[(3, 1)]);
    file.data.extend(history(1, &[(2, 3, 1)], &[(3, 2)]).data);
    file.data.extend(history(2, &[], &[]).data);
    let mut db = SlashingDb::in_memory(CHAIN).unwrap();
    let summary = db.import(&file, COMPLETE).unwrap();
    assert_eq!(summary.validators.len(), 2);
    let first = summary.validators[&validator(1)];
    assert_eq!((first.read, first.recorded, first.slashable), (4, 3, 1), "two blocks of slot 3");
    assert!(first.floor_raised && !summary.validators[&validator(2)].floor_raised);
    assert!(
        ask(&mut db, validator(1), vote(1, 2, 1)).is_ok() && ask(&mut db, validator(1), vote(2, 3, 1)).is_ok()
    );
    assert!(
        propose(&mut db, validator(1), 3, root(1)).is_err(),
        "nobody knows any more which of the two it was"
    );
}

#[test]
fn a_root_of_zeros_is_no_root() {
    let mut file = history(1, &[(1, 2, 7)], &[(3, 7)]);
    file.data[0].signed_attestations[0].signing_root = Some(root(0));
    file.data[0].signed_blocks[0].signing_root = Some(root(0));
    let mut db = SlashingDb::in_memory(CHAIN).unwrap();
    db.import(&file, COMPLETE).unwrap();
    assert!(ask(&mut db, validator(1), vote(1, 2, 0)).is_err());
    assert!(propose(&mut db, validator(1), 3, root(0)).is_err());
}

#[test]
fn a_history_that_reaches_into_the_future_is_reported_before_and_after() {
    let limit = start_of(102); // At epoch 100, a message of epoch 101 may exist, one of 102 not.
    for (name, file, expected) in [
        ("now", history(1, &[(99, 100, 1)], &[(3_231, 1)]), false),
        ("next epoch", history(1, &[(100, 101, 1)], &[(3_263, 1)]), false),
        ("target", history(1, &[(100, 102, 1)], &[]), true),
        ("source", history(1, &[(102, 101, 1)], &[]), true),
        ("slot", history(1, &[], &[(3_264, 1)]), true),
        ("end of time", history(1, &[(1, 2, 1), (u64::MAX, u64::MAX, 1)], &[(u64::MAX, 1)]), true),
        ("nothing", history(1, &[], &[]), false),
    ] {
        assert_eq!(file.beyond(limit) == [validator(1)], expected, "{name}");
        for form in [Form::Complete, Form::Minimal] {
            let mut db = SlashingDb::in_memory(CHAIN).unwrap();
            let summary = db.import(&file, ImportOptions { form, implausible_from: Some(limit) }).unwrap();
            assert_eq!(summary.validators[&validator(1)].implausible, expected, "{name}");
        }
    }
}

#[test]
fn after_the_end_of_time_nothing_is_permitted() {
    for options in [COMPLETE, MINIMAL] {
        let mut db = SlashingDb::in_memory(CHAIN).unwrap();
        db.import(&history(1, &[(u64::MAX - 1, u64::MAX, 1)], &[(u64::MAX, 1)]), options).unwrap();
        for target in [1, 100, i64::MAX as u64, u64::MAX] {
            assert!(ask(&mut db, validator(1), vote(target - 1, target, 1)).is_err(), "{target}");
            assert!(propose(&mut db, validator(1), target, root(1)).is_err(), "{target}");
        }
        assert!(ask(&mut db, validator(2), vote(1, 2, 1)).is_ok(), "another validator is not concerned");
    }
}

#[test]
fn an_export_tells_the_floor_and_what_is_above_it_but_nothing_below() {
    let mut db = SlashingDb::in_memory(CHAIN).unwrap();
    for target in [2, 4, 6, 8] {
        ask(&mut db, validator(1), vote(target - 2, target, target as u8)).unwrap();
        propose(&mut db, validator(1), target * 32, root(target as u8)).unwrap();
    }
    let complete = |db: &SlashingDb| db.export(Form::Complete).unwrap();
    let votes = [(0, 2, 2), (2, 4, 4), (4, 6, 6), (6, 8, 8)];
    assert_eq!(complete(&db), history(1, &votes, &[(64, 2), (128, 4), (192, 6), (256, 8)]));

    db.prune(start_of(5)).unwrap();
    let pruned = history(1, &[(2, 4, 0), (4, 6, 6), (6, 8, 8)], &[(128, 0), (192, 6), (256, 8)]);
    assert_eq!(complete(&db), pruned);

    db.import(&history(1, &[(3, 7, 0)], &[(200, 0)]), MINIMAL).unwrap();
    assert_eq!(complete(&db), history(1, &[(4, 7, 0), (6, 8, 8)], &[(200, 0), (256, 8)]));
    assert_eq!(db.export(Form::Minimal).unwrap(), history(1, &[(6, 8, 0)], &[(256, 0)]));
}

/// One validator's history: attestations (source, target, root) and blocks (slot, root); root 0 is absent.
fn history(key: u16, votes: &[(u64, u64, u8)], blocks: &[(u64, u8)]) -> Interchange {
    let known = |number: u8| (number != 0).then(|| root(number));
    let signed_attestations = votes
        .iter()
        .map(|(source, target, number)| SignedAttestation {
            source_epoch: Epoch::new(*source),
            target_epoch: Epoch::new(*target),
            signing_root: known(*number),
        })
        .collect();
    let signed_blocks = blocks
        .iter()
        .map(|(slot, number)| SignedBlock { slot: Slot::new(*slot), signing_root: known(*number) })
        .collect();
    Interchange::new(CHAIN, vec![SigningHistory { pubkey: validator(key), signed_blocks, signed_attestations }])
}
