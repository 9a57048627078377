//! Operators on the wire: a peer id is an operator's public key in libp2p's clothes.

use libp2p::{PeerId, identity};
use thiserror::Error;

/// What every secp256k1 peer id starts with.
///
/// Identity multihash (`00`) of 37 bytes (`25`), which are a protobuf: key type secp256k1 (`08 02`),
/// key data of 33 bytes (`12 21`). Source: libp2p specs, peer-ids.md.
const PREFIX: [u8; 6] = [0x00, 0x25, 0x08, 0x02, 0x12, 0x21];

/// Text of the peer id that belongs to a compressed secp256k1 key, for display: base58, `16Uiu2HA…`.
///
/// The bytes are not checked to be a point on the curve.
pub fn peer_id_of(public_key: &[u8; 33]) -> String {
    bs58::encode([&PREFIX[..], &public_key[..]].concat()).into_string()
}

/// A text that is no peer id of a secp256k1 key.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("{text:?} is no peer id of a secp256k1 key")]
pub struct InvalidPeerId {
    /// What was given.
    pub text: String,
}

/// The compressed secp256k1 key inside a base58 peer id; the inverse of [`peer_id_of`].
pub fn public_key_of(peer_id: &str) -> Result<[u8; 33], InvalidPeerId> {
    bs58::decode(peer_id)
        .into_vec()
        .ok()
        .and_then(|bytes| bytes.strip_prefix(&PREFIX)?.try_into().ok())
        .ok_or_else(|| InvalidPeerId { text: peer_id.to_owned() })
}

/// The peer id of a key that is a point on the curve.
pub(crate) fn peer_id(public_key: &[u8; 33]) -> Option<PeerId> {
    let key = identity::secp256k1::PublicKey::try_from_bytes(public_key).ok()?;
    Some(PeerId::from_public_key(&identity::PublicKey::from(key)))
}

/// The key pair of this operator; `None` where the scalar is zero or not below the order.
pub(crate) fn keypair(secret_key: &[u8; 32]) -> Option<identity::Keypair> {
    let mut copy = zeroize::Zeroizing::new(*secret_key);
    let secret = identity::secp256k1::SecretKey::try_from_bytes(&mut copy[..]).ok()?;
    Some(identity::secp256k1::Keypair::from(secret).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_id_is_derived_from_the_key_and_leads_back_to_it() {
        // Vector of our own making, from the key 0x01…01 repeated; libp2p itself is the second opinion.
        let pair = keypair(&[1; 32]).unwrap();
        let key = pair.public().try_into_secp256k1().unwrap().to_bytes();
        let text = peer_id_of(&key);
        assert_eq!(text, pair.public().to_peer_id().to_base58());
        assert_eq!(text, peer_id(&key).unwrap().to_base58());
        assert_eq!(public_key_of(&text), Ok(key));
        assert!(text.starts_with("16Uiu2HA"), "{text}");
    }

    #[test]
    fn texts_that_are_no_secp256k1_peer_id_are_refused() {
        for (name, text) in [
            ("empty", ""),
            ("not base58", "16Uiu2HA0OIl"),
            ("an RSA peer id", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"),
            ("cut short", "16Uiu2HAm87ieJpGmqjdqVF6Y4LAodxdsUY2sVCX5b31QVHCLt11"),
        ] {
            assert_eq!(public_key_of(text), Err(InvalidPeerId { text: text.to_owned() }), "{name}");
        }
    }

    #[test]
    fn keys_off_the_curve_have_no_peer_id() {
        assert_eq!(peer_id(&[0; 33]), None);
        assert!(keypair(&[0; 32]).is_none());
        assert!(keypair(&[0xff; 32]).is_none());
    }
}
