//! A process that is killed at any moment, and two that want the same file.
//!
//! Each test starts this very program again as its child; the variable [`CHILD`] tells it what to be.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "it is a test"
)]

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use hearth_slashing::{OpenError, SlashingDb};
use hearth_types::{Epoch, Slot, Vote};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use common::{CHAIN, ask, database, root, validator};

const CHILD: &str = "HEARTH_SLASHING_CHILD";
const SEED: &str = "HEARTH_SLASHING_SEED";

#[test]
fn every_permit_of_a_killed_process_is_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path());
    let mut rng = ChaCha8Rng::seed_from_u64(45);
    let mut all = Vec::new();
    for round in 0..60_u64 {
        let mut child = start("permit_until_killed", &path, round);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut permits: Vec<Permit> = Vec::new();
        // The child is in the middle of its next transaction, or of opening the file, whenever this ends.
        let enough = rng.random_range(0..40);
        while permits.len() < enough {
            let line = lines.next().expect("the child permits until it is killed").unwrap();
            permits.extend(Permit::parse(&line));
        }
        (0..rng.random_range(0..20_000)).for_each(|_| std::hint::spin_loop());
        child.kill().unwrap();
        child.wait().unwrap();
        permits.extend(lines.map_while(Result::ok).filter_map(|line| Permit::parse(&line)));

        all.extend(permits);
        let mut db = SlashingDb::open(&path, CHAIN).unwrap();
        for Permit { key, vote } in &all {
            let other = Vote { root: root(0xff), ..*vote };
            assert!(ask(&mut db, validator(*key), other).is_err(), "round {round}: {vote:?} forgotten");
            assert!(ask(&mut db, validator(*key), *vote).is_ok(), "round {round}: {vote:?} not on record");
        }
    }
    assert!(all.len() > 300, "{} permits", all.len());
}

#[test]
fn another_process_is_refused_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path());
    let mut child = start("hold", &path, 0);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("open")), "the child holds the file");

    let refused = SlashingDb::open(&path, CHAIN).unwrap_err();
    assert!(matches!(&refused, OpenError::InUse { path: named } if *named == path), "{refused:?}");
    assert!(refused.to_string().contains("in use by another Hearth"));
    // Also where somebody has tidied the lock file away.
    std::fs::remove_file(folder.path().join("slashing.sqlite.lock")).unwrap();
    let refused = SlashingDb::open(&path, CHAIN).unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused:?}");

    child.kill().unwrap();
    child.wait().unwrap();
    SlashingDb::open(&path, CHAIN).unwrap();
}

/// Not a test of its own: what the child does.
#[test]
fn child() {
    let Ok(role) = std::env::var(CHILD) else { return };
    let (role, path) = role.split_once(' ').unwrap();
    let mut db = SlashingDb::open(Path::new(path), CHAIN).unwrap();
    println!("\nopen");
    if role == "hold" {
        std::io::stdin().lines().count(); // Until the parent is gone, or kills it.
        return;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(std::env::var(SEED).unwrap().parse().unwrap());
    loop {
        let votes: Vec<_> = (0..rng.random_range(1..12)).map(|_| random_vote(&mut rng)).collect();
        let asked: Vec<_> = votes.iter().map(|permit| (validator(permit.key), permit.vote)).collect();
        let answers = db.permit_attestations(&asked).unwrap();
        for (permit, _) in votes.iter().zip(answers).filter(|(_, answer)| answer.is_ok()) {
            permit.print();
        }
    }
}

fn start(role: &str, path: &Path, seed: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, format!("{role} {}", path.display()))
        .env(SEED, seed.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn random_vote(rng: &mut impl Rng) -> Permit {
    let target = rng.random_range(1..100_000);
    let vote = Vote {
        slot: Slot::new(0),
        source: Epoch::new(target - 1),
        target: Epoch::new(target),
        root: root(rng.random_range(0..200)),
    };
    Permit { key: rng.random_range(0..300), vote }
}

/// One line on the child's standard output.
struct Permit {
    key: u16,
    vote: Vote,
}

impl Permit {
    fn print(&self) {
        let Vote { source, target, root, .. } = self.vote;
        println!("permit {} {source} {target} {root} .", self.key);
    }

    /// A line that the child could finish.
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let ["permit", key, source, target, root, "."] = words.as_slice() else { return None };
        let vote = Vote {
            slot: Slot::new(0),
            source: source.parse().unwrap(),
            target: target.parse().unwrap(),
            root: root.parse().unwrap(),
        };
        Some(Self { key: key.parse().unwrap(), vote })
    }
}
