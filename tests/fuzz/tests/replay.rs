//! Every file of the corpus, every time the tests run: what was found once stays found.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use hearth_fuzz::TARGETS;

#[test]
fn no_file_of_the_corpus_breaks_a_promise() {
    for (name, target) in TARGETS {
        let files = files(&folder("corpus").join(name));
        assert!(!files.is_empty(), "the corpus of {name} is empty");
        for file in files {
            let input = std::fs::read(&file).unwrap();
            assert!(catch_unwind(|| target(&input)).is_ok(), "{name} breaks a promise: {}", file.display());
        }
    }
}

#[test]
fn every_target_has_a_program_a_corpus_and_a_dictionary() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for parts in ["fuzz_targets", "corpus", "dictionaries"] {
        let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        let found: BTreeSet<String> = files(&folder(parts)).into_iter().map(stem).collect();
        assert_eq!(found, targets, "{parts}");
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// What is in a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
