//! Many signatures for less than the price of each alone.
//!
//! Since Electra all validators that attest in one slot sign the same root, so one hash to the curve and one pairing
//! check serve them all ([`find_invalid`]). Where every key signed several roots, one pairing serves each key ([`all_hold`]).
//! Likewise one interpolation says whether the public shares of many keys lie where they must ([`all_interpolate`]).

use std::ops::Range;

use blst::{blst_p1_affine, blst_p2_affine};
use hearth_types::{OperatorIndex, SigningRoot, Threshold};
use rand::CryptoRng;

use crate::bls::{PublicKey, Signature};
use crate::curve;
use crate::k1::keccak256;
use crate::threshold::recombine_public;

/// Several roots that one key claims to have signed.
#[derive(Clone, Debug)]
pub struct Claims {
    /// The key.
    pub key: PublicKey,
    /// What it signed.
    pub signed: Vec<(SigningRoot, Signature)>,
}

/// Whether every key signed all that it claims. Costs one Miller loop a key, and for each signature a hash to the curve and two
/// short multiplications.
///
/// The factors follow from the claims themselves, so there is no randomness to ask for; they have 128 bits, because whoever
/// made the claims can try as many as he likes before he shows them.
pub fn all_hold(claims: &[Claims]) -> bool {
    const BITS: usize = 128;
    let seed = digest(claims);
    let (mut keys, mut messages) = (Vec::new(), Vec::new());
    let (mut signatures, mut all_factors) = (Vec::new(), Vec::new());
    for (number, Claims { key, signed }) in (0_u64..).zip(claims) {
        let mut factors = Vec::new();
        for (position, (_, signature)) in (0_u64..).zip(signed) {
            let one = [&seed[..], &number.to_le_bytes(), &position.to_le_bytes()].concat();
            factors.extend(keccak256(&one).into_iter().take(BITS / 8));
            signatures.push(signature.point());
        }
        let hashes: Vec<_> = signed.iter().map(|(root, _)| curve::hash_to_g2(root)).collect();
        // A sum that is the identity adds nothing to either side.
        if let Some(message) = curve::g2_affine(&curve::g2_multiply_sum(&hashes, &factors, BITS)) {
            keys.push(key.point());
            messages.push(message);
        }
        all_factors.extend(factors);
    }
    let signature = curve::g2_affine(&curve::g2_multiply_sum(&signatures, &all_factors, BITS));
    curve::pairings_hold(&keys, &messages, signature.as_ref())
}

/// Whether every key is the value at zero of the one polynomial of degree below `threshold` on which all its shares lie.
/// Element `i` of the shares is share `i + 1`; no where the keys differ in their number of shares, or have too few.
///
/// Each key and its shares are multiplied by a factor of that key, and the sums interpolated: the price is that of one key and a
/// short multiplication for each point. The factors are made as in [`all_hold`].
pub fn all_interpolate(keys: &[(PublicKey, &[PublicKey])], threshold: Threshold) -> bool {
    const BITS: usize = 128;
    let Some((_, first)) = keys.first() else { return true };
    let (shares, least) = (first.len(), threshold.count());
    if shares < least || keys.iter().any(|(_, own)| own.len() != shares) {
        return false;
    }
    let seed = {
        let points = keys.iter().flat_map(|(key, own)| std::iter::once(key).chain(*own));
        keccak256(&points.flat_map(PublicKey::to_bytes).collect::<Vec<u8>>())
    };
    let factor = |number: u64| {
        let hash = keccak256(&[&seed[..], &number.to_le_bytes()].concat());
        hash.into_iter().take(BITS / 8)
    };
    let factors: Vec<u8> = (0_u64..).take(keys.len()).flat_map(factor).collect();
    let sum =
        |points: Vec<blst_p1_affine>| PublicKey::from_sum(&curve::g1_multiply_sum(&points, &factors, BITS));
    // A sum that is the identity is left to whoever checks the keys one by one.
    let Some(group) = sum(keys.iter().map(|(key, _)| key.point()).collect()) else { return false };
    let share = |(position, index): (usize, OperatorIndex)| {
        let points = keys.iter().filter_map(|(_, own)| own.get(position)).map(PublicKey::point).collect();
        Some((index.share(), sum(points)?))
    };
    let sums: Option<Vec<_>> = OperatorIndex::all(u8::MAX).take(shares).enumerate().map(share).collect();
    let Some(sums) = sums.filter(|sums| sums.len() == shares) else { return false };
    let (most, rest) = sums.split_at(least - 1);
    rest.iter().all(|last| recombine_public(&[most, &[*last]].concat()) == Ok(group))
}

/// Binds the factors to everything that is claimed.
fn digest(claims: &[Claims]) -> [u8; 32] {
    let mut bytes = Vec::new();
    for Claims { key, signed } in claims {
        bytes.extend_from_slice(&key.to_bytes());
        bytes.extend_from_slice(&signed.len().to_le_bytes());
        for (root, signature) in signed {
            bytes.extend_from_slice(root.as_bytes());
            bytes.extend_from_slice(signature.to_bytes().as_bytes());
        }
    }
    keccak256(&bytes)
}

/// Length of the random factors. A set of bad signatures passes with probability 2^-64, once per attempt.
const FACTOR_BYTES: usize = 8;

/// Positions of the signatures that are not by their key over `root`, ascending. Empty: all are good.
///
/// The sum of all signatures, each times a random factor, is checked against the sum of their keys times the same
/// factors. Where that fails, halves are checked until every bad signature stands alone. A good signature is never
/// named. Costs one pairing check if all are good, and at most two per signature however many are bad; callers who
/// put the signatures of one peer next to each other let a bad peer cost least.
pub fn find_invalid(
    root: &SigningRoot,
    claims: &[(PublicKey, Signature)],
    rng: &mut impl CryptoRng,
) -> Vec<usize> {
    if claims.is_empty() { Vec::new() } else { find_invalid_over(curve::hash_to_g2(root), claims, rng) }
}

/// As [`find_invalid`], where the root is already hashed to the curve.
pub(crate) fn find_invalid_over(
    message: blst_p2_affine,
    claims: &[(PublicKey, Signature)],
    rng: &mut impl CryptoRng,
) -> Vec<usize> {
    if claims.is_empty() {
        return Vec::new();
    }
    let mut factors = vec![0; claims.len() * FACTOR_BYTES];
    rng.fill_bytes(&mut factors);
    let batch = Batch {
        message,
        keys: claims.iter().map(|(key, _)| key.point()).collect(),
        signatures: claims.iter().map(|(_, signature)| signature.point()).collect(),
        factors,
    };
    let mut invalid = Vec::new();
    batch.search(0..claims.len(), Known::Nothing, &mut invalid);
    invalid
}

struct Batch {
    message: blst_p2_affine,
    keys: Vec<blst_p1_affine>,
    signatures: Vec<blst_p2_affine>,
    factors: Vec<u8>,
}

#[derive(PartialEq)]
enum Known {
    Nothing,
    Bad,
}

impl Batch {
    fn search(&self, range: Range<usize>, known: Known, invalid: &mut Vec<usize>) {
        if known == Known::Nothing && self.holds(range.clone()) {
            return;
        }
        if range.len() == 1 {
            invalid.push(range.start);
            return;
        }
        let middle = range.start + range.len() / 2;
        let before = invalid.len();
        self.search(range.start..middle, Known::Nothing, invalid);
        // The factors stay the same, so what is wrong with the whole and not with the left is wrong with the right.
        let right = if invalid.len() == before { Known::Bad } else { Known::Nothing };
        self.search(middle..range.end, right, invalid);
    }

    fn holds(&self, range: Range<usize>) -> bool {
        let bytes = range.start * FACTOR_BYTES..range.end * FACTOR_BYTES;
        let (Some(keys), Some(signatures), Some(factors)) =
            (self.keys.get(range.clone()), self.signatures.get(range), self.factors.get(bytes))
        else {
            return false;
        };
        if let ([key], [signature]) = (keys, signatures) {
            return curve::pairing_holds(key, &self.message, signature);
        }
        let key = curve::g1_affine(&curve::g1_multiply_sum(keys, factors, 8 * FACTOR_BYTES));
        let signature = curve::g2_affine(&curve::g2_multiply_sum(signatures, factors, 8 * FACTOR_BYTES));
        match (key, signature) {
            (Some(key), Some(signature)) => curve::pairing_holds(&key, &self.message, &signature),
            (None, None) => true,
            _ => false,
        }
    }
}
