//! What is permitted and what is refused.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "it is a test"
)]

mod common;

use std::collections::BTreeMap;

use hearth_slashing::{
    Form, ImportOptions, Interchange, RecordedVote, Refusal, SignedAttestation, SignedBlock, SigningHistory,
    SlashingDb,
};
use hearth_types::{Epoch, SigningRoot, Slot, ValidatorPubkey, Vote};
use proptest::collection::vec;
use proptest::prelude::*;

use common::{CHAIN, ask, database, propose, root, start_of, validator, vote};

#[test]
fn a_vote_is_permitted_unless_it_is_slashable_with_one_on_record() {
    let recorded = |source, target| RecordedVote { source: Epoch::new(source), target: Epoch::new(target) };
    for (name, next, expected) in [
        ("same vote again", vote(3, 5, 0xaa), Ok(())),
        ("double vote", vote(3, 5, 0xbb), Err(double_vote(recorded(3, 5), 0xaa))),
        ("double vote from another source", vote(4, 5, 0xaa), Err(double_vote(recorded(3, 5), 0xaa))),
        ("surrounds", vote(2, 8, 0xbb), Err(Refusal::Surrounds { recorded: recorded(3, 5) })),
        ("surrounds the newest only", vote(5, 21, 0xbb), Err(Refusal::Surrounds { recorded: recorded(6, 20) })),
        ("is surrounded", vote(7, 10, 0xbb), Err(Refusal::SurroundedBy { recorded: recorded(6, 20) })),
        ("fills the gap", vote(4, 10, 0xbb), Ok(())),
        ("follows", vote(20, 21, 0xbb), Ok(())),
        ("skips epochs", vote(6, 400, 0xbb), Ok(())),
        (
            "goes backwards",
            vote(6, 4, 0xbb),
            Err(Refusal::SourceAfterTarget { source_epoch: Epoch::new(6), target: Epoch::new(4) }),
        ),
        (
            "precedes the history",
            vote(0, 1, 0xbb),
            Err(Refusal::TargetNotAboveFloor { target: Epoch::new(1), floor: Epoch::new(2) }),
        ),
        ("ends time", vote(6, u64::MAX, 0xbb), Err(Refusal::OutOfRange { value: u64::MAX })),
    ] {
        let mut db = SlashingDb::in_memory(CHAIN).unwrap();
        for history in [vote(1, 2, 0xaa), vote(3, 5, 0xaa), vote(6, 20, 0xaa)] {
            ask(&mut db, validator(1), history).unwrap();
        }
        assert_eq!(ask(&mut db, validator(1), next), expected, "{name}");
    }
}

#[test]
fn a_block_is_permitted_unless_another_of_its_slot_is_on_record() {
    let mut db = SlashingDb::in_memory(CHAIN).unwrap();
    let double = Err(Refusal::DoubleProposal { slot: Slot::new(9), root: Some(root(1)) });
    let early = Err(Refusal::SlotNotAboveFloor { slot: Slot::new(8), floor: Slot::new(9) });
    for (name, slot, number, expected) in [
        ("first", 9, 1, Ok(())),
        ("same again", 9, 1, Ok(())),
        ("another", 9, 2, double),
        ("before the first", 8, 1, early),
        ("next", 12, 1, Ok(())),
        ("between", 10, 3, Ok(())),
        ("the end of time", u64::MAX, 1, Err(Refusal::OutOfRange { value: u64::MAX })),
    ] {
        assert_eq!(propose(&mut db, validator(1), slot, root(number)), expected, "{name}");
    }
    assert_eq!(propose(&mut db, validator(2), 9, root(2)), Ok(()), "another validator's block");
}

#[test]
fn of_two_votes_in_one_batch_that_contradict_each_other_exactly_one_wins() {
    let mut db = SlashingDb::in_memory(CHAIN).unwrap();
    let batch = [
        (validator(1), vote(1, 2, 0xaa)),
        (validator(2), vote(1, 2, 0xaa)),
        (validator(1), vote(1, 2, 0xbb)), // Double vote.
        (validator(2), vote(0, 3, 0xbb)), // Surrounds.
        (validator(1), vote(1, 2, 0xaa)), // The same once more.
    ];
    let permitted: Vec<bool> = db.permit_attestations(&batch).unwrap().iter().map(Result::is_ok).collect();
    assert_eq!(permitted, [true, true, false, false, true]);
}

#[test]
fn a_permit_names_the_validator_and_the_root_that_were_recorded() {
    let mut db = SlashingDb::in_memory(CHAIN).unwrap();
    let permits =
        db.permit_attestations(&[(validator(1), vote(1, 2, 3)), (validator(4), vote(5, 6, 7))]).unwrap();
    let named: Vec<_> = permits.iter().flatten().map(|permit| (*permit.validator(), *permit.root())).collect();
    assert_eq!(named, [(validator(1), root(3)), (validator(4), root(7))]);
    assert!(db.permit_attestations(&[]).unwrap().is_empty());
}

#[test]
fn pruning_forgets_what_may_be_signed_again_but_not_what_must_not_be() {
    let mut db = SlashingDb::in_memory(CHAIN).unwrap();
    for target in 1..=100 {
        ask(&mut db, validator(1), vote(target - 1, target, 1)).unwrap();
        propose(&mut db, validator(1), target * 32, root(1)).unwrap();
    }
    assert_eq!(db.prune(start_of(61)).unwrap(), 120);
    assert_eq!(db.prune(start_of(61)).unwrap(), 0);
    for target in 1..=100 {
        let again = ask(&mut db, validator(1), vote(target - 1, target, 1)).is_ok();
        assert_eq!(again, target > 60, "vote {target} again");
        assert!(ask(&mut db, validator(1), vote(target - 1, target, 2)).is_err(), "other vote {target}");
        let again = propose(&mut db, validator(1), target * 32, root(1)).is_ok();
        assert_eq!(again, target > 60, "block {target} again");
        assert!(propose(&mut db, validator(1), target * 32, root(2)).is_err(), "other block {target}");
    }
    let floor = Epoch::new(99);
    let surrounding = ask(&mut db, validator(1), vote(50, 101, 1));
    assert_eq!(
        surrounding,
        Err(Refusal::Surrounds { recorded: RecordedVote { source: floor, target: floor.next() } })
    );

    db.prune(start_of(u64::MAX)).unwrap();
    assert!(ask(&mut db, validator(1), vote(98, 101, 1)).is_err());
    assert_eq!(ask(&mut db, validator(1), vote(99, 101, 1)), Ok(()));
}

#[test]
fn below_an_imported_floor_nothing_is_permitted() {
    let mut db = SlashingDb::in_memory(CHAIN).unwrap();
    let signed = SignedAttestation {
        source_epoch: Epoch::new(5),
        target_epoch: Epoch::new(9),
        signing_root: Some(root(1)),
    };
    let block = SignedBlock { slot: Slot::new(40), signing_root: Some(root(1)) };
    let file = interchange(&[(1, signed)], &[(1, block)]);
    db.import(&file, ImportOptions { form: Form::Minimal, implausible_from: None }).unwrap();
    let target =
        |target| Err(Refusal::TargetNotAboveFloor { target: Epoch::new(target), floor: Epoch::new(9) });
    for (name, next, expected) in [
        ("the imported vote", vote(5, 9, 1), target(9)),
        ("an earlier target", vote(5, 6, 1), target(6)),
        (
            "an earlier source",
            vote(4, 10, 1),
            Err(Refusal::SourceBelowFloor { source_epoch: Epoch::new(4), floor: Epoch::new(5) }),
        ),
        ("just above", vote(5, 10, 1), Ok(())),
    ] {
        assert_eq!(ask(&mut db, validator(1), next), expected, "{name}");
    }
    let floor = Slot::new(40);
    assert_eq!(
        propose(&mut db, validator(1), 40, root(1)),
        Err(Refusal::SlotNotAboveFloor { slot: floor, floor })
    );
    assert_eq!(propose(&mut db, validator(1), 41, root(1)), Ok(()));
}

fn double_vote(recorded: RecordedVote, number: u8) -> Refusal {
    Refusal::DoubleVote { recorded, root: Some(root(number)) }
}

/// Another database that knows what this one tells.
fn fresh_copy(db: &SlashingDb) -> SlashingDb {
    let mut copy = SlashingDb::in_memory(CHAIN).unwrap();
    let told = db.export(Form::Complete).unwrap();
    copy.import(&told, ImportOptions { form: Form::Complete, implausible_from: None }).unwrap();
    copy
}

/// What can happen to a record.
#[derive(Clone, Debug)]
enum Event {
    Ask(Vec<(u16, Vote)>),
    Propose(u16, u64, SigningRoot),
    Import(Form, Vec<(u16, SignedAttestation)>, Vec<(u16, SignedBlock)>),
    Prune(u64),
    Reopen,
}

/// Something that was signed. `root` is `None` where only the epochs or the slot are known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Signed {
    Vote { source: u64, target: u64, root: Option<SigningRoot> },
    Block { slot: u64, root: Option<SigningRoot> },
}

/// Whether a validator that signed both may be slashed. Written from consensus-specs,
/// `is_slashable_attestation_data` and `process_proposer_slashing`.
fn slashable(first: Signed, second: Signed) -> bool {
    match (first, second) {
        (
            Signed::Vote { source: s1, target: t1, root: r1 },
            Signed::Vote { source: s2, target: t2, root: r2 },
        ) => {
            let double = t1 == t2 && (s1 != s2 || r1 != r2 || r1.is_none());
            double || (s1 < s2 && t2 < t1) || (s2 < s1 && t1 < t2)
        }
        (Signed::Block { slot: first, root: r1 }, Signed::Block { slot: second, root: r2 }) => {
            first == second && (r1 != r2 || r1.is_none())
        }
        _ => false,
    }
}

fn any_vote() -> impl Strategy<Value = (u16, Vote)> {
    (0..2u16, 0..12u64, 0..12u64, 1..3u8)
        .prop_map(|(key, source, target, root)| (key, vote(source, target, root)))
}

fn any_event() -> impl Strategy<Value = Event> {
    let root_or_none = || prop_oneof![Just(None), (1..3u8).prop_map(|number| Some(root(number)))];
    let attestation =
        (0..2u16, 0..12u64, 0..12u64, root_or_none()).prop_map(|(key, source, target, signing_root)| {
            let (source_epoch, target_epoch) = (Epoch::new(source), Epoch::new(target));
            (key, SignedAttestation { source_epoch, target_epoch, signing_root })
        });
    let block = (0..2u16, 0..12u64, root_or_none())
        .prop_map(|(key, slot, signing_root)| (key, SignedBlock { slot: Slot::new(slot), signing_root }));
    let form = prop_oneof![Just(Form::Complete), Just(Form::Minimal)];
    prop_oneof![
        12 => vec(any_vote(), 1..5).prop_map(Event::Ask),
        4 => (0..2u16, 0..12u64, 1..3u8).prop_map(|(key, slot, number)| Event::Propose(key, slot, root(number))),
        2 => (form, vec(attestation, 0..4), vec(block, 0..3)).prop_map(|(form, votes, blocks)| Event::Import(form, votes, blocks)),
        1 => (0..12u64).prop_map(Event::Prune),
        2 => Just(Event::Reopen),
    ]
}

fn interchange(votes: &[(u16, SignedAttestation)], blocks: &[(u16, SignedBlock)]) -> Interchange {
    let votes = votes.iter().map(|(key, vote)| SigningHistory {
        pubkey: validator(*key),
        signed_blocks: vec![],
        signed_attestations: vec![*vote],
    });
    let blocks = blocks.iter().map(|(key, block)| SigningHistory {
        pubkey: validator(*key),
        signed_blocks: vec![*block],
        signed_attestations: vec![],
    });
    Interchange::new(CHAIN, votes.chain(blocks).collect())
}

/// Everything that validators signed, here or elsewhere, in order; each permit is held against all before it.
#[derive(Default)]
struct Witness(BTreeMap<u16, Vec<Signed>>);

impl Witness {
    fn permitted(&mut self, key: u16, signed: Signed) {
        let before = self.0.entry(key).or_default();
        let repeated = before.contains(&signed); // To sign the same message twice adds nothing.
        let offended = before.iter().find(|earlier| !repeated && slashable(**earlier, signed));
        assert_eq!(offended, None, "validator {key} was permitted to sign {signed:?}");
        before.push(signed);
    }

    fn imported(&mut self, key: u16, signed: Signed) {
        self.0.entry(key).or_default().push(signed);
    }
}

fn happen(db: &mut SlashingDb, witness: &mut Witness, event: &Event) {
    match event {
        Event::Ask(votes) => {
            let asked: Vec<_> = votes.iter().map(|(key, vote)| (validator(*key), *vote)).collect();
            let answers = db.permit_attestations(&asked).unwrap();
            for ((key, vote), answer) in votes.iter().zip(answers) {
                let (source, target) = (vote.source.get(), vote.target.get());
                if answer.is_ok() {
                    assert!(source <= target);
                    witness.permitted(*key, Signed::Vote { source, target, root: Some(vote.root) });
                }
            }
        }
        Event::Propose(key, slot, root) => {
            if propose(db, validator(*key), *slot, *root).is_ok() {
                witness.permitted(*key, Signed::Block { slot: *slot, root: Some(*root) });
            }
        }
        Event::Import(form, votes, blocks) => {
            let options = ImportOptions { form: *form, implausible_from: None };
            db.import(&interchange(votes, blocks), options).unwrap();
            for (key, SignedAttestation { source_epoch, target_epoch, signing_root: root }) in votes {
                let (source, target) = (source_epoch.get(), target_epoch.get());
                witness.imported(*key, Signed::Vote { source, target, root: *root });
            }
            for (key, SignedBlock { slot, signing_root: root }) in blocks {
                witness.imported(*key, Signed::Block { slot: slot.get(), root: *root });
            }
        }
        Event::Prune(epoch) => {
            db.prune(start_of(*epoch)).unwrap();
        }
        Event::Reopen => {}
    }
}

/// The greatest source and target, and the greatest slot, of one validator.
type Reach = (Option<(Epoch, Epoch)>, Option<Slot>);

/// How far each validator has got, as the record tells it.
fn reach(db: &SlashingDb) -> BTreeMap<ValidatorPubkey, Reach> {
    let told = db.export(Form::Minimal).unwrap();
    assert_eq!(told, db.export(Form::Complete).unwrap().to_minimal(), "both forms tell the same");
    let reach = |history: SigningHistory| {
        let vote = history.signed_attestations.first().map(|vote| (vote.source_epoch, vote.target_epoch));
        (history.pubkey, (vote, history.signed_blocks.first().map(|block| block.slot)))
    };
    told.data.into_iter().map(reach).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn permits_never_slash(votes in vec(any_vote(), 40)) {
        let mut db = SlashingDb::in_memory(CHAIN).unwrap();
        let mut witness = Witness::default();
        for vote in votes {
            happen(&mut db, &mut witness, &Event::Ask(vec![vote]));
        }
    }

    #[test]
    fn permits_never_slash_whatever_is_imported_or_pruned_in_between(events in vec(any_event(), 1..40)) {
        let mut db = SlashingDb::in_memory(CHAIN).unwrap();
        let mut witness = Witness::default();
        let mut reached: BTreeMap<ValidatorPubkey, Reach> = BTreeMap::new();
        for event in events {
            happen(&mut db, &mut witness, &event);
            let now = reach(&db);
            for (validator, (vote, slot)) in reached {
                let (vote_now, slot_now) = now[&validator];
                let ((source, target), (source_now, target_now)) = (vote.unzip(), vote_now.unzip());
                prop_assert!(source_now >= source && target_now >= target && slot_now >= slot, "it only rises");
            }
            reached = now;
        }
        for key in 0..2 {
            prop_assert!(ask(&mut db, validator(key), vote(12, 13, 1)).is_ok(), "what is above all is free");
            prop_assert!(propose(&mut db, validator(key), 13 * 32, root(1)).is_ok());
        }
    }

    #[test]
    fn a_complete_history_is_judged_as_by_a_list_that_forgets_nothing(votes in vec(any_vote(), 60)) {
        let mut db = SlashingDb::in_memory(CHAIN).unwrap();
        let mut lists = BTreeMap::<u16, Vec<Signed>>::new();
        for (key, vote) in votes {
            let list = lists.entry(key).or_default();
            let (source, target) = (vote.source.get(), vote.target.get());
            let signed = Signed::Vote { source, target, root: Some(vote.root) };
            let min = |pick: fn(&Signed) -> u64| list.iter().map(pick).min();
            let min_source = min(|signed| if let Signed::Vote { source, .. } = signed { *source } else { 0 });
            let min_target = min(|signed| if let Signed::Vote { target, .. } = signed { *target } else { 0 });
            let expected = list.contains(&signed)
                || source <= target
                    && !list.iter().any(|earlier| slashable(*earlier, signed))
                    && min_source.is_none_or(|min| source >= min)
                    && min_target.is_none_or(|min| target > min);
            prop_assert_eq!(ask(&mut db, validator(key), vote).is_ok(), expected, "{:?} after {:?}", vote, list);
            if expected {
                list.push(signed);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_copy_made_by_export_and_import_is_never_laxer_and_without_pruning_the_same(
        events in vec(any_event(), 1..12)
    ) {
        let replay = || {
            let mut db = SlashingDb::in_memory(CHAIN).unwrap();
            events.iter().for_each(|event| happen(&mut db, &mut Witness::default(), event));
            db
        };
        let only_permits = events.iter().all(|event| matches!(event, Event::Ask(_) | Event::Propose(..)));
        for source in (0..13).step_by(3) {
            for target in source..13 {
                let probe = vote(source, target, 1);
                let (mut original, mut copy) = (replay(), fresh_copy(&replay()));
                let (first, second) = (ask(&mut original, validator(0), probe), ask(&mut copy, validator(0), probe));
                prop_assert!(first.is_ok() || second.is_err(), "{:?}: {:?}, copy {:?}", probe, first, second);
                if only_permits {
                    prop_assert_eq!(first, second);
                }
            }
        }
    }

    #[test]
    fn a_record_that_is_closed_and_opened_in_between_answers_as_if_it_had_stayed_open(
        events in vec(any_event(), 1..30)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = database(folder.path());
        let mut on_disk = SlashingDb::open(&path, CHAIN).unwrap();
        let mut in_memory = SlashingDb::in_memory(CHAIN).unwrap();
        let mut witnesses = (Witness::default(), Witness::default());
        for event in &events {
            if let Event::Reopen = event {
                drop(on_disk);
                on_disk = SlashingDb::open(&path, CHAIN).unwrap();
            }
            happen(&mut on_disk, &mut witnesses.0, event);
            happen(&mut in_memory, &mut witnesses.1, event);
            prop_assert_eq!(&witnesses.0.0, &witnesses.1.0);
        }
        drop(on_disk);
        let reopened = SlashingDb::open(&path, CHAIN).unwrap();
        prop_assert_eq!(reopened.export(Form::Complete).unwrap(), in_memory.export(Form::Complete).unwrap());
    }
}
