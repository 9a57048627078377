//! What it costs to check and record the votes of one slot, flush included, on a database file.
//!
//! Samples are single batches, so divan's "slowest" column bounds the worst percentile.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails may panic")]

use divan::{Bencher, counter::ItemsCount};
use hearth_slashing::{Form, ImportOptions, Interchange, SignedAttestation, SigningHistory, SlashingDb};
use hearth_types::{Epoch, Root, SigningRoot, Slot, ValidatorPubkey, Vote};
use rand::{Rng, SeedableRng};

const CHAIN: Root = Root::new([7; 32]);
const BATCHES: [usize; 4] = [1, 100, 1_000, 3_000];
const EPOCHS_PER_YEAR: u64 = 82_125;
/// History is cut here, to be built within seconds: a year of one validator, two weeks of a thousand.
const MOST_ROWS: u64 = 3_200_000;

fn main() {
    divan::main();
}

#[divan::bench(args = BATCHES, sample_count = 300, sample_size = 1)]
fn check_and_record_on_an_empty_database(bencher: Bencher<'_, '_>, validators: usize) {
    record(bencher, validators, 0);
}

#[divan::bench(args = BATCHES, sample_count = 300, sample_size = 1)]
fn check_and_record_after_a_year(bencher: Bencher<'_, '_>, validators: usize) {
    record(bencher, validators, EPOCHS_PER_YEAR.min(MOST_ROWS / validators as u64));
}

#[divan::bench(args = [1_000], sample_count = 50, sample_size = 1)]
fn refuse_what_surrounds_a_year(bencher: Bencher<'_, '_>, validators: usize) {
    let mut fixture = Fixture::new(validators, EPOCHS_PER_YEAR.min(MOST_ROWS / validators as u64));
    let votes = fixture.votes(1, fixture.next + 1);
    bencher.counter(ItemsCount::new(validators)).bench_local(|| {
        let refused = fixture.db.permit_attestations(&votes).unwrap();
        assert!(refused.iter().all(Result::is_err));
    });
}

fn record(bencher: Bencher<'_, '_>, validators: usize, history_epochs: u64) {
    let fixture = std::cell::RefCell::new(Fixture::new(validators, history_epochs));
    bencher
        .counter(ItemsCount::new(validators))
        .with_inputs(|| {
            let mut fixture = fixture.borrow_mut();
            let target = fixture.next;
            fixture.next += 1;
            fixture.votes(target - 1, target)
        })
        .bench_local_values(|votes| {
            let permits = fixture.borrow_mut().db.permit_attestations(&votes).unwrap();
            assert!(permits.iter().all(Result::is_ok));
        });
}

/// A database file with some history, in the target folder: a temporary folder may live in memory.
struct Fixture {
    db: SlashingDb,
    validators: Vec<ValidatorPubkey>,
    next: u64,
    _folder: tempfile::TempDir,
}

impl Fixture {
    fn new(validators: usize, history_epochs: u64) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut db = SlashingDb::open(&folder.path().join("slashing.sqlite"), CHAIN).unwrap();
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3_076);
        let validators: Vec<_> = (0..validators)
            .map(|_| {
                let mut key = [0; 48];
                rng.fill_bytes(&mut key);
                ValidatorPubkey::new(key)
            })
            .collect();
        let step = (200_000 / validators.len() as u64).max(1);
        for first in (1..=history_epochs).step_by(step as usize) {
            let until = (first + step).min(history_epochs + 1);
            let signed = |target| SignedAttestation {
                source_epoch: Epoch::new(target - 1),
                target_epoch: Epoch::new(target),
                signing_root: Some(root(target)),
            };
            let history = |pubkey: &ValidatorPubkey| SigningHistory {
                pubkey: *pubkey,
                signed_blocks: vec![],
                signed_attestations: (first..until).map(signed).collect(),
            };
            let file = Interchange::new(CHAIN, validators.iter().map(history).collect());
            db.import(&file, ImportOptions { form: Form::Complete, implausible_from: None }).unwrap();
        }
        Self { db, validators, next: history_epochs + 1, _folder: folder }
    }

    fn votes(&self, source: u64, target: u64) -> Vec<(ValidatorPubkey, Vote)> {
        let vote = Vote {
            slot: Slot::new(target * 32),
            source: Epoch::new(source),
            target: Epoch::new(target),
            root: root(target),
        };
        self.validators.iter().map(|validator| (*validator, vote)).collect()
    }
}

fn root(target: u64) -> SigningRoot {
    let mut root = [0x5a; 32];
    root[..8].copy_from_slice(&target.to_le_bytes());
    SigningRoot::new(root)
}
