//! Secret polynomials, and the public points that bind whoever made one to its values without telling them (Feldman).
//!
//! Source: Feldman, "A practical scheme for non-interactive verifiable secret sharing" (1987); `spec/obol-dkg.md` 7.1.

use hearth_types::{ShareIndex, Threshold};
use rand::CryptoRng;

use crate::bls::{PublicKey, SecretKey};
use crate::curve::{self, Scalar};

/// A polynomial over the scalars. Its value at zero is a secret, its values at share indexes are the shares of it: any
/// `threshold` of them determine it, fewer say nothing about it.
///
/// Zeroed on drop. No coefficient is zero, so that each has a commitment.
pub struct Polynomial {
    /// The secret first.
    coefficients: Vec<SecretKey>,
}

impl Polynomial {
    /// A random one with a random secret.
    pub fn random(threshold: Threshold, rng: &mut impl CryptoRng) -> Self {
        Self { coefficients: (0..threshold.count()).map(|_| SecretKey::generate(rng)).collect() }
    }

    /// A random one with this secret.
    pub fn of_secret(secret: SecretKey, threshold: Threshold, rng: &mut impl CryptoRng) -> Self {
        let higher = (1..threshold.count()).map(|_| SecretKey::generate(rng));
        Self { coefficients: std::iter::once(secret).chain(higher).collect() }
    }

    /// One with these coefficients, the secret first; `None` for none.
    pub fn from_coefficients(coefficients: Vec<SecretKey>) -> Option<Self> {
        (!coefficients.is_empty()).then_some(Self { coefficients })
    }

    /// The value at a share index; `None` where that is zero, which is no key and happens once in 2^255 times.
    pub fn share(&self, index: ShareIndex) -> Option<SecretKey> {
        let x = Scalar::small(index.get().into());
        let value = self
            .coefficients
            .iter()
            .rev()
            .fold(Scalar::small(0), |sum, coefficient| sum.times(&x).plus(&coefficient.scalar()));
        SecretKey::from_scalar(&value)
    }

    /// What binds its maker to it.
    pub fn commitments(&self) -> Commitments {
        Commitments(self.coefficients.iter().map(SecretKey::public_key).collect())
    }

    /// The value at zero.
    pub(crate) fn secret(&self) -> Option<&SecretKey> {
        self.coefficients.first()
    }
}

/// The points that belong to the coefficients of a polynomial, the secret's first. There is at least one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Commitments(Vec<PublicKey>);

impl Commitments {
    /// Points that somebody claims; `None` for none.
    pub fn new(points: Vec<PublicKey>) -> Option<Self> {
        (!points.is_empty()).then_some(Self(points))
    }

    /// The points.
    pub fn points(&self) -> &[PublicKey] {
        &self.0
    }

    /// The public key of the secret.
    pub fn of_secret(&self) -> Option<&PublicKey> {
        self.0.first()
    }

    /// The public key of the share at an index; `None` for the identity, which belongs to no share.
    pub fn of_share(&self, index: ShareIndex) -> Option<PublicKey> {
        PublicKey::from_sum(&value_at(&self.0, index))
    }
}

/// The sum of several polynomials, as seen from outside.
pub struct JointCommitments(Vec<PublicKey>);

impl JointCommitments {
    /// Of polynomials with the same number of coefficients; `None` where they cancel out, or there are none.
    pub fn of(all: &[&Commitments]) -> Option<Self> {
        let count = all.iter().map(|commitments| commitments.0.len()).max()?;
        let sums = (0..count).map(|power| {
            let points: Vec<_> = all.iter().filter_map(|one| one.0.get(power)).map(PublicKey::point).collect();
            PublicKey::from_sum(&curve::g1_sum(&points))
        });
        sums.collect::<Option<Vec<_>>>().map(Self)
    }

    /// The public key of the joint secret.
    pub fn group_key(&self) -> Option<PublicKey> {
        self.0.first().copied()
    }

    /// The public key of the joint share at an index; `None` for the identity.
    pub fn of_share(&self, index: ShareIndex) -> Option<PublicKey> {
        PublicKey::from_sum(&value_at(&self.0, index))
    }
}

/// Horner's rule with points: an index has eight bits, so that each step costs a dozen additions.
fn value_at(points: &[PublicKey], index: ShareIndex) -> blst::blst_p1 {
    points.iter().rev().fold(blst::blst_p1::default(), |sum, point| {
        curve::g1_plus(&curve::g1_multiply_small(&sum, index.get()), &point.point())
    })
}
