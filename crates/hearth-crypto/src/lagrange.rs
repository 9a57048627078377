//! Weights that carry the values of a polynomial at some shares to its value at zero.
//!
//! Share indexes are small integers, so the weights are small fractions: over a common denominator they are short
//! integers, and multiplying a point by a short integer costs a fraction of a full multiplication.

use std::collections::BTreeSet;

use hearth_types::ShareIndex;

use crate::curve::Scalar;
use crate::threshold::RecombineError;

/// `value(0) = sum of weight[i] * value(share[i])`, in the order of the shares.
pub(crate) enum Weights {
    /// `weight[i] = numerators[i] / denominator`.
    Small { numerators: Vec<i128>, denominator: u128 },
    /// The weights themselves, where the integers would overflow.
    Full(Vec<Scalar>),
}

/// The weights of distinct shares.
pub(crate) fn weights(shares: &[ShareIndex]) -> Result<Weights, RecombineError> {
    if shares.is_empty() {
        return Err(RecombineError::Empty);
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = shares.iter().find(|share| !seen.insert(**share)) {
        return Err(RecombineError::Duplicate(*twice));
    }
    Ok(small(shares)
        .unwrap_or_else(|| Weights::Full(shares.iter().map(|share| full(*share, shares)).collect())))
}

impl Weights {
    /// The weights as full-length numbers.
    pub(crate) fn into_full(self) -> Vec<Scalar> {
        match self {
            Self::Full(weights) => weights,
            Self::Small { numerators, denominator } => {
                let inverse = Scalar::small(denominator).inverse();
                numerators.into_iter().map(|numerator| signed(numerator).times(&inverse)).collect()
            }
        }
    }
}

/// `None` where an intermediate number would not fit.
fn small(shares: &[ShareIndex]) -> Option<Weights> {
    let fractions: Vec<(i128, i128)> =
        shares.iter().map(|share| fraction(*share, shares)).collect::<Option<_>>()?;
    let common = fractions.iter().try_fold(1i128, |common, (_, denominator)| {
        (common / gcd(common, *denominator)).checked_mul(*denominator)
    })?;
    let numerators = fractions
        .iter()
        .map(|(numerator, denominator)| numerator.checked_mul(common / denominator))
        .collect::<Option<_>>()?;
    Some(Weights::Small { numerators, denominator: common.unsigned_abs() })
}

/// `product of other / (other - share)` in lowest terms, with a positive denominator.
fn fraction(share: ShareIndex, shares: &[ShareIndex]) -> Option<(i128, i128)> {
    let x = i128::from(share.get());
    let others = shares.iter().map(|other| i128::from(other.get())).filter(|other| *other != x);
    others.into_iter().try_fold((1i128, 1i128), |(numerator, denominator), other| {
        let (factor, divisor) = (other * (other - x).signum(), (other - x).abs());
        // Reducing at every step keeps the numbers short enough for clusters of ordinary size.
        let (across, along) = (gcd(factor, denominator), gcd(numerator, divisor));
        let common = gcd(factor / across, divisor / along);
        Some((
            (numerator / along).checked_mul(factor / across / common)?,
            (denominator / across).checked_mul(divisor / along / common)?,
        ))
    })
}

fn full(share: ShareIndex, shares: &[ShareIndex]) -> Scalar {
    let x = i128::from(share.get());
    let (numerator, denominator) = shares
        .iter()
        .map(|other| i128::from(other.get()))
        .filter(|other| *other != x)
        .fold((Scalar::small(1), Scalar::small(1)), |(numerator, denominator), other| {
            (numerator.times(&signed(other)), denominator.times(&signed(other - x)))
        });
    numerator.times(&denominator.inverse())
}

fn signed(number: i128) -> Scalar {
    let magnitude = Scalar::small(number.unsigned_abs());
    if number < 0 { magnitude.negated() } else { magnitude }
}

/// Greatest common divisor; positive unless both are zero.
fn gcd(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a.abs(), b.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(x: &[u8]) -> Vec<ShareIndex> {
        x.iter().map(|x| ShareIndex::new(*x).unwrap()).collect()
    }

    #[test]
    fn small_sets_have_short_weights_in_lowest_terms() {
        for (set, expected, expected_denominator) in [
            (&[9][..], &[1][..], 1),
            (&[1, 2], &[2, -1], 1),
            (&[2, 1], &[-1, 2], 1),
            (&[1, 2, 3], &[3, -3, 1], 1),
            (&[1, 2, 4], &[8, -6, 1], 3),
            (&[1, 3, 4], &[2, -2, 1], 1),
            (&[2, 3, 4], &[6, -8, 3], 1),
            (&[1, 2, 3, 4, 5], &[5, -10, 10, -5, 1], 1),
            (&[1, 254], &[254, -1], 253),
        ] {
            match weights(&shares(set)) {
                Ok(Weights::Small { numerators, denominator }) => {
                    assert_eq!((&numerators[..], denominator), (expected, expected_denominator), "{set:?}");
                }
                _ => panic!("{set:?} has short weights"),
            }
        }
    }

    #[test]
    fn every_quorum_of_an_ordinary_cluster_has_short_weights() {
        let last = shares(&(5..=13).collect::<Vec<u8>>());
        let spread = shares(&[1, 2, 4, 6, 7, 9, 11, 12, 13]);
        for set in [last, spread] {
            assert!(matches!(weights(&set), Ok(Weights::Small { .. })), "{set:?}");
        }
    }

    #[test]
    fn weights_too_long_for_short_integers_are_full_numbers() {
        let set = shares(&(1..=254).rev().step_by(3).collect::<Vec<u8>>());
        assert!(matches!(weights(&set), Ok(Weights::Full(_))));
    }

    #[test]
    fn short_and_full_weights_agree() {
        for set in [&[1, 3, 4][..], &[1, 2, 3], &[7], &[2, 30, 99, 254], &[1, 3, 4, 6, 7, 9, 10]] {
            let set = shares(set);
            let short = weights(&set).unwrap().into_full();
            let full = set.iter().map(|share| full(*share, &set));
            assert!(
                short.iter().zip(full).all(|(short, full)| short.as_le_bytes() == full.as_le_bytes()),
                "{set:?}"
            );
        }
    }
}
