//! A proof of whoever made a polynomial that it knows the secret, so that nobody can choose its part after having seen the
//! others'.
//!
//! Source: Schnorr, "Efficient identification and signatures for smart cards" (1989), in the form of `spec/obol-dkg.md` 7.1.

use hearth_types::ShareIndex;
use thiserror::Error;

use crate::bls::{PublicKey, SecretKey};
use crate::curve::{self, Scalar};
use crate::polynomial::Polynomial;

/// The context of the challenge. Charon's library reads its context as a decimal number, fails, and takes this.
const CONTEXT: u8 = 0;

/// A proof of knowledge of a secret. Whether it holds is another question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Proof {
    challenge: [u8; 32],
    response: [u8; 32],
}

/// A number that is not below the order of the group.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("not a number below the order of the group")]
pub struct InvalidScalar;

impl Proof {
    /// Reads the two numbers, 32 bytes each, big-endian.
    pub fn from_bytes(challenge: [u8; 32], response: [u8; 32]) -> Result<Self, InvalidScalar> {
        for number in [&challenge, &response] {
            Scalar::from_be_bytes(number).ok_or(InvalidScalar)?;
        }
        Ok(Self { challenge, response })
    }

    /// 32 bytes, big-endian.
    pub const fn challenge(&self) -> &[u8; 32] {
        &self.challenge
    }

    /// 32 bytes, big-endian.
    pub const fn response(&self) -> &[u8; 32] {
        &self.response
    }

    /// Proves that `owner` knows the secret of `polynomial`. `nonce` must be random and is never used again: two proofs with one
    /// nonce give the secret away.
    pub fn make(owner: ShareIndex, polynomial: &Polynomial, nonce: SecretKey) -> Option<Self> {
        let secret = polynomial.secret()?;
        let challenge = challenge(owner, &secret.public_key(), &nonce.public_key().to_bytes());
        let response = nonce.scalar().plus(&secret.scalar().times(&challenge));
        Some(Self { challenge: challenge.to_be_bytes(), response: response.to_be_bytes() })
    }

    /// Whether it proves that `owner` knows the secret of `key`.
    pub fn holds(&self, owner: ShareIndex, key: &PublicKey) -> bool {
        let (Some(claimed), Some(response)) =
            (Scalar::from_be_bytes(&self.challenge), Scalar::from_be_bytes(&self.response))
        else {
            return false;
        };
        if claimed.is_zero() {
            return false;
        }
        let scalars = [*response.as_le_bytes(), *claimed.negated().as_le_bytes()].concat();
        let points = [curve::g1_generator(), key.point()];
        let nonce = curve::g1_multiply_sum(&points, &scalars, curve::SCALAR_BITS);
        challenge(owner, key, &curve::g1_compressed(&nonce)).to_be_bytes() == self.challenge
    }
}

fn challenge(owner: ShareIndex, key: &PublicKey, nonce: &[u8; 48]) -> Scalar {
    let mut message = vec![owner.get(), CONTEXT];
    message.extend(key.to_bytes());
    message.extend(nonce);
    curve::hash_to_scalar(&message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: unit test constant of the library that Charon uses, as `shared/vectors/obol-dkg` gives it.
    #[test]
    fn the_hash_of_32_zeros_is_the_known_one() {
        let expected = "07ec86a2ab79613fc0294e058151ddc74db38b0cde95a4678eb91f1258f31b40";
        assert_eq!(hex::encode(curve::hash_to_scalar(&[0; 32]).to_be_bytes()), expected);
    }

    #[test]
    fn a_number_of_a_proof_is_below_the_order() {
        let mut order = [0; 32];
        hex::decode_to_slice("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001", &mut order)
            .unwrap();
        let mut below = order;
        below[31] = 0;
        assert!(Proof::from_bytes(below, [0; 32]).is_ok());
        assert_eq!(Proof::from_bytes(order, [1; 32]), Err(InvalidScalar));
        assert_eq!(Proof::from_bytes([1; 32], [0xff; 32]), Err(InvalidScalar));
    }
}
