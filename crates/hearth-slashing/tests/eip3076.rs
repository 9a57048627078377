//! The conformance cases of EIP-3076, against a complete and against a minimal database.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "it is a test"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use hearth_slashing::{Form, ImportOptions, Interchange, SlashingDb};
use hearth_types::{Epoch, Root, SigningRoot, Slot, ValidatorPubkey, Vote};
use serde::Deserialize;

use common::{ask, propose, start_of};

#[test]
fn every_public_case_is_answered_as_expected_in_every_mode() {
    let folder = std::env::var("HEARTH_VECTORS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors").into());
    let folder = Path::new(&folder).join("eip3076");
    if !folder.is_dir() {
        println!("skipped: {} not found", folder.display());
        return;
    }
    assert_eq!(run_all(&folder), 28);
}

#[test]
fn every_case_of_our_own_is_answered_as_expected_in_every_mode() {
    assert_eq!(run_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")), 3);
}

fn run_all(folder: &Path) -> usize {
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    cases.sort();
    for path in &cases {
        let case: Case = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        run_complete(&case);
        run_minimal(&case, false);
        run_minimal(&case, true);
        run_complete_on_minimal_files(&case);
    }
    cases.len()
}

/// Complete database, complete files: exactly the answers of a database that forgets nothing.
fn run_complete(case: &Case) {
    case.run(
        "complete",
        Form::Complete,
        false,
        |_| {},
        |name, question, permitted| {
            assert_eq!(permitted, question.complete(), "{name}");
        },
    );
}

/// Minimal database: exactly the answers of one that knows only how far each validator has got.
fn run_minimal(case: &Case, minimal_files: bool) {
    let forget = |db: &mut SlashingDb| {
        db.prune(start_of(u64::MAX)).unwrap();
    };
    case.run("minimal", Form::Minimal, minimal_files, forget, |name, question, permitted| {
        assert_eq!(permitted, question.should_succeed, "{name}");
    });
}

/// Complete database, files that tell little: it can refuse more than a complete one, and less than a minimal one.
fn run_complete_on_minimal_files(case: &Case) {
    case.run(
        "complete, minimal files",
        Form::Complete,
        true,
        |_| {},
        |name, question, permitted| {
            assert!(permitted || !question.should_succeed, "{name}: refused");
            assert!(!permitted || question.complete(), "{name}: permitted");
        },
    );
}

#[derive(Deserialize)]
struct Case {
    name: String,
    genesis_validators_root: Root,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    should_succeed: bool,
    interchange: Interchange,
    blocks: Vec<Question<Block>>,
    attestations: Vec<Question<Attestation>>,
}

#[derive(Deserialize)]
struct Question<T> {
    pubkey: ValidatorPubkey,
    signing_root: SigningRoot,
    should_succeed: bool,
    should_succeed_complete: Option<bool>,
    #[serde(flatten)]
    message: T,
}

#[derive(Clone, Copy, Deserialize)]
struct Block {
    slot: Slot,
}

#[derive(Clone, Copy, Deserialize)]
struct Attestation {
    source_epoch: Epoch,
    target_epoch: Epoch,
}

/// What was expected of one question.
struct Expected {
    should_succeed: bool,
    should_succeed_complete: Option<bool>,
}

impl Expected {
    fn complete(&self) -> bool {
        self.should_succeed_complete.unwrap_or(self.should_succeed)
    }
}

impl<T> Question<T> {
    fn expected(&self) -> Expected {
        Expected { should_succeed: self.should_succeed, should_succeed_complete: self.should_succeed_complete }
    }
}

impl Case {
    fn run(
        &self,
        mode: &str,
        form: Form,
        minimal_files: bool,
        after_each: impl Fn(&mut SlashingDb),
        judge: impl Fn(&str, &Expected, bool),
    ) {
        let mut db = SlashingDb::in_memory(self.genesis_validators_root).unwrap();
        for (number, step) in self.steps.iter().enumerate() {
            let name = format!("{} ({mode}), step {number}", self.name);
            let minimal = step.interchange.to_minimal();
            let file = if minimal_files { &minimal } else { &step.interchange };
            let imported = db.import(file, ImportOptions { form, implausible_from: None });
            assert_eq!(imported.is_ok(), step.should_succeed, "{name}: {imported:?}");
            for (number, block) in step.blocks.iter().enumerate() {
                let permitted = propose(&mut db, block.pubkey, block.message.slot.get(), block.signing_root);
                judge(&format!("{name}, block {number}: {permitted:?}"), &block.expected(), permitted.is_ok());
                after_each(&mut db);
            }
            for (number, attestation) in step.attestations.iter().enumerate() {
                let Attestation { source_epoch: source, target_epoch: target } = attestation.message;
                let vote = Vote { slot: Slot::new(0), source, target, root: attestation.signing_root };
                let permitted = ask(&mut db, attestation.pubkey, vote);
                judge(
                    &format!("{name}, attestation {number}: {permitted:?}"),
                    &attestation.expected(),
                    permitted.is_ok(),
                );
                after_each(&mut db);
            }
        }
    }
}
