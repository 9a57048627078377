//! Shares sealed to the operator they are for, and signatures of the messages that carry them: what the ceremonies of Drand's library
//! do, which Charon uses for Pedersen.
//!
//! ECIES over G1: an ephemeral key ρ, then AES-256-GCM under what HKDF-SHA256 makes of ρ·Λ. The signatures are BLS in another
//! ciphersuite than the validators', so that none of them is anything to the chain.
//!
//! Source: `spec/obol-dkg.md` 13.

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::bls::{PublicKey, SecretKey, Signature};
use crate::curve;

/// Ciphersuite of the messages: the basic scheme.
const CIPHERSUITE: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_";

/// A share that one operator alone can read: a point of 48 bytes, the share under the cipher, 16 bytes that authenticate it.
pub const SEALED_SHARE_BYTES: usize = 96;

/// Seals a share to an operator's key. `ephemeral` has to be fresh for each.
pub fn seal_share(
    share: &SecretKey,
    to: &PublicKey,
    ephemeral: &SecretKey,
) -> Option<[u8; SEALED_SHARE_BYTES]> {
    let (cipher, nonce) = cipher(ephemeral, to)?;
    let sealed = cipher.encrypt(&nonce, share.to_bytes().as_slice()).ok()?;
    [&ephemeral.public_key().to_bytes()[..], &sealed].concat().try_into().ok()
}

/// Opens a share that was sealed to this key; `None` for anything else.
pub fn open_share(sealed: &[u8], key: &SecretKey) -> Option<SecretKey> {
    let (point, sealed) = sealed.split_first_chunk::<48>()?;
    let (cipher, nonce) = cipher(key, &PublicKey::from_bytes(point).ok()?)?;
    let share = Zeroizing::new(cipher.decrypt(&nonce, sealed).ok()?);
    SecretKey::from_bytes(&share.as_slice().try_into().ok()?).ok()
}

fn cipher(
    mine: &SecretKey,
    theirs: &PublicKey,
) -> Option<(Aes256Gcm, Nonce<aes_gcm::aes::cipher::consts::U12>)> {
    let shared = curve::g1_multiply(&theirs.point(), &mine.scalar());
    let secret = Zeroizing::new(curve::g1_compressed(&shared));
    let mut material = Zeroizing::new([0; 44]);
    Hkdf::<Sha256>::new(None, secret.as_slice()).expand(&[], material.as_mut_slice()).ok()?;
    let (key, nonce) = material.split_first_chunk::<32>()?;
    Some((Aes256Gcm::new_from_slice(key).ok()?, Nonce::try_from(nonce).ok()?))
}

impl SecretKey {
    /// Signs the hash of a ceremony's message, in the basic scheme. No validator's signature is ever one.
    pub fn sign_message(&self, hash: &[u8; 32]) -> Signature {
        self.sign_in(hash, CIPHERSUITE)
    }
}

impl Signature {
    /// Whether the holder of `key` signed the hash of a ceremony's message.
    pub fn verify_message(&self, key: &PublicKey, hash: &[u8; 32]) -> bool {
        curve::pairing_holds(&key.point(), &curve::hash_to_g2_in(hash, CIPHERSUITE), &self.point())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_types::SigningRoot;
    use proptest::prelude::*;

    fn key(number: u8) -> SecretKey {
        SecretKey::from_bytes(&[number; 32]).unwrap()
    }

    proptest! {
        #[test]
        fn a_sealed_share_is_opened_by_its_operator_alone_and_only_whole(
            share in 1_u8..0x70, owner in 1_u8..0x70, other in 1_u8..0x70, ephemeral in 1_u8..0x70, at in 0_usize..96,
        ) {
            let sealed = seal_share(&key(share), &key(owner).public_key(), &key(ephemeral)).unwrap();
            let opened = open_share(&sealed, &key(owner)).unwrap();
            prop_assert_eq!(*opened.to_bytes(), [share; 32]);
            prop_assert!(other == owner || open_share(&sealed, &key(other)).is_none());
            let mut changed = sealed;
            changed[at] ^= 1;
            prop_assert!(open_share(&changed, &key(owner)).is_none());
            prop_assert!(open_share(&sealed[..at], &key(owner)).is_none());
        }
    }

    #[test]
    fn a_message_is_signed_by_its_author_alone_and_is_no_validators_signature() {
        let (hash, author) = ([7; 32], key(1));
        let signature = author.sign_message(&hash);
        assert!(signature.verify_message(&author.public_key(), &hash));
        assert!(!signature.verify_message(&key(2).public_key(), &hash));
        assert!(!signature.verify_message(&author.public_key(), &[8; 32]));
        assert!(!signature.verify(&author.public_key(), &SigningRoot::new(hash)));
        assert!(!author.sign(&SigningRoot::new(hash)).verify_message(&author.public_key(), &hash));
    }
}
