//! Keys and signatures of one party. Splitting them among several is in [`crate::threshold`].

use std::fmt;

use blst::BLST_ERROR;
use blst::min_pk;
use hearth_types::{SignatureBytes, SigningRoot};
use rand::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::curve;

/// A secret key or a share of one: a number from one to the order of the group, exclusive.
///
/// Zeroed when dropped; no `Clone`, no encoding but [`Self::to_bytes`], and a `Debug` that tells nothing.
pub struct SecretKey(min_pk::SecretKey);

/// Zero, or not below the order of the group.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("not a BLS secret key: zero, or not below the order of the group")]
pub struct InvalidSecretKey;

impl SecretKey {
    /// A uniformly random key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        loop {
            let mut bytes = Zeroizing::new([0; 32]);
            rng.fill_bytes(bytes.as_mut_slice());
            // The order has 255 bits. Drawing again until the number fits keeps it uniform; nine of ten fit.
            let [highest, ..] = &mut *bytes;
            *highest &= 0x7f;
            if let Ok(key) = Self::from_bytes(&bytes) {
                return key;
            }
        }
    }

    /// Reads 32 bytes, big-endian.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, InvalidSecretKey> {
        min_pk::SecretKey::from_bytes(bytes).map(Self).map_err(|_| InvalidSecretKey)
    }

    /// 32 bytes, big-endian.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public key that belongs to it.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.sk_to_pk())
    }

    /// Signs a root. Deterministic.
    pub fn sign(&self, root: &SigningRoot) -> Signature {
        Signature(self.0.sign(root.as_bytes(), curve::CIPHERSUITE, &[]))
    }

    pub(crate) fn sign_in(&self, hash: &[u8; 32], ciphersuite: &[u8]) -> Signature {
        Signature(self.0.sign(hash, ciphersuite, &[]))
    }

    /// The key whose signature is the sum of the signatures by `keys`; `None` if there are none or they cancel out.
    pub fn sum<'a>(keys: impl IntoIterator<Item = &'a SecretKey>) -> Option<Self> {
        let sum = keys.into_iter().fold(curve::Scalar::small(0), |sum, key| sum.plus(&key.scalar()));
        Self::from_scalar(&sum)
    }

    /// The same key once more.
    pub(crate) fn again(&self) -> Self {
        Self(self.0.clone())
    }

    pub(crate) fn scalar(&self) -> curve::Scalar {
        curve::Scalar::of(&self.0)
    }

    pub(crate) fn from_scalar(scalar: &curve::Scalar) -> Option<Self> {
        scalar.to_key().map(Self)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// Why bytes are not a public key or a signature.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum InvalidPoint {
    /// Wrong flag bits, or a coordinate that is not below the modulus.
    #[error("not a canonical compressed point")]
    Encoding,
    /// No point of the curve has this coordinate.
    #[error("not a point of the curve")]
    NotOnCurve,
    /// A point of the curve outside the group of prime order.
    #[error("a point outside the prime-order subgroup")]
    NotInSubgroup,
    /// The identity, which signs everything and nothing.
    #[error("the point at infinity")]
    Infinity,
}

impl From<BLST_ERROR> for InvalidPoint {
    fn from(error: BLST_ERROR) -> Self {
        match error {
            BLST_ERROR::BLST_POINT_NOT_ON_CURVE => Self::NotOnCurve,
            BLST_ERROR::BLST_POINT_NOT_IN_GROUP => Self::NotInSubgroup,
            BLST_ERROR::BLST_PK_IS_INFINITY => Self::Infinity,
            _ => Self::Encoding,
        }
    }
}

/// The public half of a key or of a share. Ordered and hashed by its compressed bytes.
///
/// Invariant: in the prime-order subgroup of G1 and not the identity.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct PublicKey(min_pk::PublicKey);

impl PublicKey {
    /// Reads a compressed point of G1.
    pub fn from_bytes(bytes: &[u8; 48]) -> Result<Self, InvalidPoint> {
        let key = min_pk::PublicKey::uncompress(bytes)?;
        key.validate()?;
        Ok(Self(key))
    }

    /// The compressed point.
    pub fn to_bytes(&self) -> [u8; 48] {
        self.0.compress()
    }

    pub(crate) fn point(&self) -> blst::blst_p1_affine {
        self.0.into()
    }

    /// `None` for the identity. The sum must come from points of the subgroup.
    pub(crate) fn from_sum(sum: &blst::blst_p1) -> Option<Self> {
        curve::g1_affine(sum).map(|point| Self(point.into()))
    }
}

impl std::hash::Hash for PublicKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.to_bytes().hash(state);
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.to_bytes().cmp(&other.to_bytes())
    }
}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey(0x{})", hex::encode(self.to_bytes()))
    }
}

/// A signature, a partial signature or a sum of signatures.
///
/// Invariant: in the prime-order subgroup of G2 and not the identity.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Signature(min_pk::Signature);

impl Signature {
    /// Reads a compressed point of G2.
    pub fn from_bytes(bytes: &[u8; 96]) -> Result<Self, InvalidPoint> {
        let signature = min_pk::Signature::uncompress(bytes)?;
        signature.validate(true)?;
        Ok(Self(signature))
    }

    /// Reads what [`Self::to_bytes`] of this very process wrote: two thirds of the price of [`Self::from_bytes`] go
    /// into the check of the subgroup, which every signature that was made here passes.
    pub(crate) fn from_own_bytes(bytes: &[u8; 96]) -> Result<Self, InvalidPoint> {
        let signature = min_pk::Signature::uncompress(bytes)?;
        // The identity has one encoding only.
        if bytes.first() == Some(&0xc0) { Err(InvalidPoint::Infinity) } else { Ok(Self(signature)) }
    }

    /// The compressed point.
    pub fn to_bytes(&self) -> SignatureBytes {
        SignatureBytes::new(self.0.compress())
    }

    /// Whether the holder of `key` signed `root`.
    pub fn verify(&self, key: &PublicKey, root: &SigningRoot) -> bool {
        curve::pairing_holds(&key.point(), &curve::hash_to_g2(root), &self.point())
    }

    /// The plain sum of signatures; `None` if there are none or they cancel out.
    ///
    /// Source: IETF draft-irtf-cfrg-bls-signature, `Aggregate`.
    pub fn aggregate(signatures: &[Signature]) -> Option<Signature> {
        let points: Vec<_> = signatures.iter().map(Signature::point).collect();
        Self::from_sum(&curve::g2_sum(&points))
    }

    /// Whether this is the sum of one signature over `root` by each of `keys`, in any order. False for no keys.
    ///
    /// Safe only for keys whose holders have shown that they know the secret: a key chosen as a function of the
    /// others could otherwise speak for all.
    /// Source: IETF draft-irtf-cfrg-bls-signature, `FastAggregateVerify`.
    pub fn verify_aggregate(&self, keys: &[PublicKey], root: &SigningRoot) -> bool {
        let points: Vec<_> = keys.iter().map(PublicKey::point).collect();
        PublicKey::from_sum(&curve::g1_sum(&points)).is_some_and(|sum| self.verify(&sum, root))
    }

    pub(crate) fn point(&self) -> blst::blst_p2_affine {
        self.0.into()
    }

    /// `None` for the identity. The sum must come from points of the subgroup.
    pub(crate) fn from_sum(sum: &blst::blst_p2) -> Option<Self> {
        curve::g2_affine(sum).map(|point| Self(point.into()))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", self.to_bytes())
    }
}
