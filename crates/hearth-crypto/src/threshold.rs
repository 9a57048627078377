//! One key among several operators: splitting it, and putting any `threshold` results back together.
//!
//! Source: `spec/obol-cluster.md` section 7; Shamir, "How to share a secret" (1979).

use hearth_types::{OperatorIndex, ShareIndex, Threshold};
use rand::CryptoRng;
use thiserror::Error;

use crate::bls::{PublicKey, SecretKey, Signature};
use crate::curve::{self, Scalar};
use crate::lagrange::{self, Weights};
use crate::polynomial::Polynomial;

/// Splits `secret` so that any `threshold` of the shares determine it and fewer say nothing about it.
///
/// Element `i` is share `i + 1`: the value at `x = i + 1` of a random polynomial of degree `threshold - 1` whose
/// value at zero is the secret. At most 254 shares are made, because no more have an index. A threshold above
/// `operators` yields shares that all together do not suffice.
pub fn split(
    secret: &SecretKey,
    threshold: Threshold,
    operators: u8,
    rng: &mut impl CryptoRng,
) -> Vec<SecretKey> {
    loop {
        let polynomial = Polynomial::of_secret(secret.again(), threshold, rng);
        let shares: Option<Vec<SecretKey>> =
            OperatorIndex::all(operators).map(|operator| polynomial.share(operator.share())).collect();
        // A share of zero is no key. It happens once in 2^255 times; another polynomial then serves as well.
        if let Some(shares) = shares {
            return shares;
        }
    }
}

/// Why shares cannot be put together. Shares that are wrong or too few are not noticed here: the result then simply
/// does not belong to the group key.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum RecombineError {
    /// There are none.
    #[error("no shares to recombine")]
    Empty,
    /// One share appears twice.
    #[error("share {0} appears twice")]
    Duplicate(ShareIndex),
    /// The shares cancel out. Shares of a real key never do.
    #[error("the shares cancel out")]
    Infinity,
}

/// The group signature from partial signatures by distinct shares, at least `threshold` of them.
pub fn recombine(partials: &[(ShareIndex, Signature)]) -> Result<Signature, RecombineError> {
    let points: Vec<_> = partials.iter().map(|(_, signature)| signature.point()).collect();
    let sum = match lagrange::weights(&indexes(partials))? {
        Weights::Small { numerators, denominator } => {
            let terms: Vec<_> = numerators.into_iter().zip(points).collect();
            let sum = curve::g2_multiply_sum_small(&terms);
            // Dividing once at the end is the only multiplication by a full-length number.
            if denominator == 1 { sum } else { curve::g2_multiply(&sum, &Scalar::small(denominator).inverse()) }
        }
        Weights::Full(weights) => curve::g2_multiply_sum(&points, &packed(&weights), curve::SCALAR_BITS),
    };
    Signature::from_sum(&sum).ok_or(RecombineError::Infinity)
}

/// The group secret from distinct shares, at least `threshold` of them.
pub fn recombine_secret(shares: &[(ShareIndex, &SecretKey)]) -> Result<SecretKey, RecombineError> {
    let weights = lagrange::weights(&indexes(shares))?.into_full();
    let secret = weights
        .iter()
        .zip(shares)
        .fold(Scalar::small(0), |sum, (weight, (_, share))| sum.plus(&weight.times(&share.scalar())));
    SecretKey::from_scalar(&secret).ok_or(RecombineError::Infinity)
}

/// The group public key from the public keys of distinct shares, at least `threshold` of them.
pub fn recombine_public(shares: &[(ShareIndex, PublicKey)]) -> Result<PublicKey, RecombineError> {
    let weights = lagrange::weights(&indexes(shares))?.into_full();
    let points: Vec<_> = shares.iter().map(|(_, key)| key.point()).collect();
    let sum = curve::g1_multiply_sum(&points, &packed(&weights), curve::SCALAR_BITS);
    PublicKey::from_sum(&sum).ok_or(RecombineError::Infinity)
}

fn indexes<T>(shares: &[(ShareIndex, T)]) -> Vec<ShareIndex> {
    shares.iter().map(|(share, _)| *share).collect()
}

fn packed(weights: &[Scalar]) -> Vec<u8> {
    weights.iter().flat_map(|weight| *weight.as_le_bytes()).collect()
}
