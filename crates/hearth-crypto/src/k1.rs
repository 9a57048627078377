//! The identity of an operator's node: secp256k1 keys, recoverable signatures, Ethereum addresses.
//!
//! Every digest is signed as it is, without a prefix and without another hash.
//! Source: `spec/obol-cluster.md` sections 5.3 and 8.3, `spec/obol-p2p.md` section 1.2.

use std::fmt;

use hearth_types::ExecutionAddress;
use k256::ecdsa::signature::hazmat::PrehashVerifier as _;
use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};
use rand::CryptoRng;
use sha3::{Digest as _, Keccak256};
use thiserror::Error;
use zeroize::Zeroizing;

/// The secret of a node. Zeroed when dropped; no `Clone`, and a `Debug` that tells nothing.
pub struct NodeKey(SigningKey);

/// Not 64 hex digits, zero, or not below the order of the curve.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum InvalidNodeKey {
    /// The text is not 64 hex digits.
    #[error("a node key is 64 hex digits")]
    Hex,
    /// The number is no secret key.
    #[error("not a secp256k1 secret key: zero, or not below the order of the curve")]
    OutOfRange,
}

impl NodeKey {
    /// A uniformly random key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        loop {
            let mut bytes = Zeroizing::new([0; 32]);
            rng.fill_bytes(bytes.as_mut_slice());
            // Practically every number of 256 bits is below the order.
            if let Ok(key) = Self::from_bytes(&bytes) {
                return key;
            }
        }
    }

    /// Reads 32 bytes, big-endian.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, InvalidNodeKey> {
        SigningKey::from_bytes(bytes.into()).map(Self).map_err(|_| InvalidNodeKey::OutOfRange)
    }

    /// Reads the content of a key file: 64 hex digits of either case, without `0x`, white space around them ignored.
    pub fn from_hex(text: &str) -> Result<Self, InvalidNodeKey> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), bytes.as_mut_slice()).map_err(|_| InvalidNodeKey::Hex)?;
        Self::from_bytes(&bytes)
    }

    /// The content of a key file: 64 lower-case hex digits.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.to_bytes().as_slice()))
    }

    /// 32 bytes, big-endian.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes().into())
    }

    /// The public key that belongs to it.
    pub fn public(&self) -> NodePublicKey {
        NodePublicKey(*self.0.verifying_key())
    }

    /// Signs a digest: `r ‖ s ‖ v`, low `s`, `v` 0 or 1. Deterministic (RFC 6979, SHA-256).
    pub fn sign(&self, digest: &[u8; 32]) -> [u8; 65] {
        let (signature, recovery) = self.0.sign_prehash_recoverable(digest);
        let mut bytes = [0; 65];
        let (rs, v) = bytes.split_at_mut(64);
        rs.copy_from_slice(&signature.to_bytes());
        // The identifier exceeds one only when the x coordinate exceeds the order: once in 2^127 signatures.
        v.fill(recovery.to_byte());
        bytes
    }

    /// Signs a digest; the signature is in DER, as libp2p's keys write theirs. Deterministic, low `s`.
    pub fn sign_der(&self, digest: &[u8; 32]) -> Vec<u8> {
        let (signature, _) = self.0.sign_prehash_recoverable(digest);
        signature.to_der().as_bytes().to_vec()
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey(..)")
    }
}

/// The public key of a node. Ordered and hashed by its compressed bytes.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct NodePublicKey(VerifyingKey);

/// Not the compressed form of a point of the curve.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("not a compressed secp256k1 public key")]
pub struct InvalidNodePublicKey;

impl NodePublicKey {
    /// Reads a compressed point.
    pub fn from_bytes(bytes: &[u8; 33]) -> Result<Self, InvalidNodePublicKey> {
        // The curve library also reads a form with neither sign, which would give one key two encodings.
        match bytes {
            [2 | 3, ..] => VerifyingKey::from_sec1_bytes(bytes).map(Self).map_err(|_| InvalidNodePublicKey),
            _ => Err(InvalidNodePublicKey),
        }
    }

    /// The compressed point: 2 or 3, then x.
    pub fn to_bytes(&self) -> [u8; 33] {
        let mut bytes = [0; 33];
        bytes.iter_mut().zip(self.0.to_sec1_point(true).as_bytes()).for_each(|(to, from)| *to = *from);
        bytes
    }

    /// The uncompressed point: 4, then x and y.
    pub fn to_uncompressed(&self) -> [u8; 65] {
        let mut bytes = [0; 65];
        bytes.iter_mut().zip(self.0.to_sec1_point(false).as_bytes()).for_each(|(to, from)| *to = *from);
        bytes
    }
}

impl std::hash::Hash for NodePublicKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.to_bytes().hash(state);
    }
}

impl Ord for NodePublicKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.to_bytes().cmp(&other.to_bytes())
    }
}

impl PartialOrd for NodePublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for NodePublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodePublicKey(0x{})", hex::encode(self.to_bytes()))
    }
}

/// Why no key can be recovered from a signature.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum InvalidNodeSignature {
    /// Not 65 bytes.
    #[error("a signature is 65 bytes, not {0}")]
    Length(usize),
    /// The last byte is none of 0, 1, 27, 28.
    #[error("{0} is not a recovery identifier")]
    RecoveryId(u8),
    /// `r` or `s` is zero or not below the order, or no key could have made it.
    #[error("no key made this signature")]
    NoKey,
}

/// The key that signed `digest`. The caller compares it with the one that should have.
///
/// Accepts both values of `s`, as every verifier that recovers does: a signature is no identity.
pub fn recover(digest: &[u8; 32], signature: &[u8]) -> Result<NodePublicKey, InvalidNodeSignature> {
    let (rs, v) = match signature.split_last_chunk::<1>() {
        Some((rs, [v])) if rs.len() == 64 => (rs, *v),
        _ => return Err(InvalidNodeSignature::Length(signature.len())),
    };
    let recovery = match v {
        0 | 27 => RecoveryId::new(false, false),
        1 | 28 => RecoveryId::new(true, false),
        _ => return Err(InvalidNodeSignature::RecoveryId(v)),
    };
    let signature = Signature::from_slice(rs).map_err(|_| InvalidNodeSignature::NoKey)?;
    VerifyingKey::recover_from_prehash(digest, &signature, recovery)
        .map(NodePublicKey)
        .map_err(|_| InvalidNodeSignature::NoKey)
}

/// Whether `key` signed `digest`; the signature is `r ‖ s`, as in a node record. Both values of `s` are accepted.
///
/// Source: `spec/obol-cluster.md` section 8.2.
pub fn verify_compact(key: &NodePublicKey, digest: &[u8; 32], rs: &[u8; 64]) -> bool {
    Signature::from_slice(rs)
        .is_ok_and(|signature| key.0.verify_prehash(digest, &signature.normalize_s()).is_ok())
}

/// Whether `key` signed `digest`; the signature is in DER. Both values of `s` are accepted.
pub fn verify_der(key: &NodePublicKey, digest: &[u8; 32], der: &[u8]) -> bool {
    Signature::from_der(der)
        .is_ok_and(|signature| key.0.verify_prehash(digest, &signature.normalize_s()).is_ok())
}

/// Keccak-256 as Ethereum uses it, before it became SHA-3.
pub fn keccak256(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// The account of a key: the last 20 bytes of the hash of its coordinates.
pub fn ethereum_address(key: &NodePublicKey) -> ExecutionAddress {
    let uncompressed = key.to_uncompressed();
    let hash = keccak256(uncompressed.get(1..).unwrap_or_default());
    let mut address = [0; 20];
    address.iter_mut().rev().zip(hash.iter().rev()).for_each(|(to, from)| *to = *from);
    ExecutionAddress::new(address)
}

/// `0x` and 40 hex digits whose case is a checksum.
///
/// Source: EIP-55.
pub fn checksum_address(address: &ExecutionAddress) -> String {
    let digits = hex::encode(address.as_bytes());
    let hash = hex::encode(keccak256(digits.as_bytes()));
    let cased = digits.chars().zip(hash.chars()).map(|(digit, nibble)| match nibble {
        '8'..='f' => digit.to_ascii_uppercase(),
        _ => digit,
    });
    "0x".chars().chain(cased).collect()
}
