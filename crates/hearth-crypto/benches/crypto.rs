//! What signing, checking and recombining cost. One thread; `blst` is built without its thread pool.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use divan::{Bencher, black_box};
use hearth_crypto::batch::find_invalid;
use hearth_crypto::threshold::{recombine, split};
use hearth_crypto::{
    Partial, PublicKey, SecretKey, Signature, SlotJob, Standing, ValidatorPartials, complete_slot,
};
use hearth_types::{OperatorIndex, ShareIndex, SigningRoot, Threshold};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

fn main() {
    divan::main();
}

const ROOT: SigningRoot = SigningRoot::new([7; 32]);

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

#[divan::bench]
fn sign(bencher: Bencher<'_, '_>) {
    let key = SecretKey::generate(&mut rng());
    bencher.bench(|| key.sign(black_box(&ROOT)));
}

#[divan::bench]
fn verify_one(bencher: Bencher<'_, '_>) {
    let key = SecretKey::generate(&mut rng());
    let (public, signature) = (key.public_key(), key.sign(&ROOT));
    bencher.bench(|| assert!(signature.verify(black_box(&public), &ROOT)));
}

#[divan::bench]
fn read_signature(bencher: Bencher<'_, '_>) {
    let bytes = SecretKey::generate(&mut rng()).sign(&ROOT).to_bytes();
    bencher.bench(|| Signature::from_bytes(black_box(bytes.as_bytes())).unwrap());
}

fn claims(count: usize) -> Vec<(PublicKey, Signature)> {
    let mut rng = rng();
    let keys = std::iter::repeat_with(|| SecretKey::generate(&mut rng));
    keys.take(count).map(|key| (key.public_key(), key.sign(&ROOT))).collect()
}

#[divan::bench(args = [4, 16, 64, 256])]
fn batch_verify(bencher: Bencher<'_, '_>, count: usize) {
    let (claims, mut rng) = (claims(count), rng());
    bencher.bench_local(|| assert!(find_invalid(&ROOT, black_box(&claims), &mut rng).is_empty()));
}

#[divan::bench(args = [4, 16, 64, 256])]
fn batch_with_one_bad(bencher: Bencher<'_, '_>, count: usize) {
    let (mut claims, mut rng) = (claims(count), rng());
    claims[count / 2].1 = claims[0].1;
    bencher.bench_local(|| assert_eq!(find_invalid(&ROOT, black_box(&claims), &mut rng), [count / 2]));
}

/// Partial signatures by the given shares of a new key.
fn partials(threshold: u64, operators: u8, shares: &[u8]) -> Vec<(ShareIndex, Signature)> {
    let mut rng = rng();
    let secret = SecretKey::generate(&mut rng);
    let keys = split(&secret, Threshold::new(threshold, operators).unwrap(), operators, &mut rng);
    shares.iter().map(|x| (ShareIndex::new(*x).unwrap(), keys[usize::from(*x) - 1].sign(&ROOT))).collect()
}

// Most sets of shares have whole weights; the second set of each pair has not, and pays for the division.
#[divan::bench(args = [[1, 2, 3], [1, 2, 4]])]
fn recombine_3_of_4(bencher: Bencher<'_, '_>, shares: [u8; 3]) {
    let partials = partials(3, 4, &shares);
    bencher.bench(|| recombine(black_box(&partials)).unwrap());
}

#[divan::bench(args = [[1, 2, 3, 4, 5], [1, 2, 3, 4, 7]])]
fn recombine_5_of_7(bencher: Bencher<'_, '_>, shares: [u8; 5]) {
    let partials = partials(5, 7, &shares);
    bencher.bench(|| recombine(black_box(&partials)).unwrap());
}

/// Three operators of four have signed for `count` validators; we are the one with share `own`.
fn job(count: usize, shares: [u8; 3], own: u8) -> SlotJob {
    let mut rng = rng();
    let threshold = Threshold::new(3, 4).unwrap();
    let validators = std::iter::repeat_with(|| {
        let secret = SecretKey::generate(&mut rng);
        let keys = split(&secret, threshold, 4, &mut rng);
        let partials =
            OperatorIndex::all(4).zip(&keys).filter(|(operator, _)| shares.contains(&operator.share().get()));
        let partials = partials.map(|(operator, key)| Partial {
            share: operator.share(),
            key: key.public_key(),
            signature: key.sign(&ROOT).to_bytes(),
            standing: if operator.share().get() == own { Standing::Own } else { Standing::Unchecked },
        });
        ValidatorPartials { group: secret.public_key(), partials: partials.collect() }
    });
    SlotJob { root: ROOT, threshold, validators: validators.take(count).collect() }
}

#[divan::bench(args = [1, 31, 94])]
fn complete_slot_of_4(bencher: Bencher<'_, '_>, count: usize) {
    let (job, mut rng) = (job(count, [1, 2, 4], 1), rng());
    bencher.bench_local(|| {
        assert!(complete_slot(black_box(&job), &mut rng).signatures.iter().all(Option::is_some))
    });
}

#[divan::bench(args = [1, 31, 94])]
fn complete_slot_of_4_whole_weights(bencher: Bencher<'_, '_>, count: usize) {
    let (job, mut rng) = (job(count, [1, 2, 3], 1), rng());
    bencher.bench_local(|| {
        assert!(complete_slot(black_box(&job), &mut rng).signatures.iter().all(Option::is_some))
    });
}
