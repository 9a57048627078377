//! Many signatures over one root for little more than the price of one.
//!
//! Since Electra all validators that attest in one slot sign the same root, so one hash to the curve and one pairing
//! check serve them all.

use std::ops::Range;

use blst::{blst_p1_affine, blst_p2_affine};
use hearth_types::SigningRoot;
use rand::CryptoRng;

use crate::bls::{PublicKey, Signature};
use crate::curve;

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
