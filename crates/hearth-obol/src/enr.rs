//! Records of node keys (EIP-778), as operators exchange them.
//!
//! Source: `obol-cluster.md` 8; EIP-778.

mod rlp;

use std::collections::BTreeSet;
use std::net::SocketAddrV4;

use data_encoding::{BASE64URL_NOPAD, Encoding, Specification};
use hearth_crypto::k1::{NodeKey, NodePublicKey, keccak256, verify_compact};
use thiserror::Error;

/// Bytes of the longest record that is read, in text form.
pub const MAX_ENR_BYTES: usize = 1024;

const PREFIX: &str = "enr:";
const SEQUENCE_ZERO: &[u8] = &[];

/// A record with a valid signature. Told apart by its key, not by its text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Enr {
    text: String,
    public_key: NodePublicKey,
    tcp: Option<SocketAddrV4>,
}

/// Why a text is no record.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum EnrError {
    /// Longer than [`MAX_ENR_BYTES`].
    #[error("a node record has at most {MAX_ENR_BYTES} characters, not {0}")]
    TooLong(usize),
    /// It does not begin with `enr:`.
    #[error("a node record begins with enr:")]
    Prefix,
    /// What follows is not base64 for URLs.
    #[error("the node record is not base64; check that it was copied whole")]
    Base64,
    /// The bytes are not one RLP list.
    #[error("the node record is not a list in RLP; check that it was copied whole")]
    Rlp,
    /// Fewer than four elements, or a key without value.
    #[error("the node record has {0} elements: a signature, a number and pairs are expected")]
    Elements(usize),
    /// One key twice.
    #[error("the node record has one key twice")]
    DuplicateKey,
    /// Another identity scheme than `v4`.
    #[error("the identity scheme of the node record is not v4")]
    Scheme,
    /// No valid `secp256k1` key.
    #[error("the node record has no valid secp256k1 key")]
    PublicKey,
    /// The key in the record did not sign it.
    #[error("the node record is not signed by its key; check that it was copied whole")]
    Signature,
}

impl Enr {
    /// Reads a record and checks its signature. Padding at the end is ignored, as old files have it.
    pub fn parse(text: &str) -> Result<Self, EnrError> {
        if text.len() > MAX_ENR_BYTES {
            return Err(EnrError::TooLong(text.len()));
        }
        let text = text.trim_end_matches('=');
        let encoded = text.strip_prefix(PREFIX).ok_or(EnrError::Prefix)?;
        let record = lenient_base64().decode(encoded.as_bytes()).map_err(|_| EnrError::Base64)?;
        let content = rlp::whole_list(&record).ok_or(EnrError::Rlp)?;
        let items = rlp::items(content).ok_or(EnrError::Rlp)?;
        let [signature, _sequence, pairs @ ..] = items.as_slice() else {
            return Err(EnrError::Elements(items.len()));
        };
        let (pairs, rest) = pairs.as_chunks::<2>();
        if pairs.is_empty() || !rest.is_empty() {
            return Err(EnrError::Elements(items.len()));
        }
        let mut seen = BTreeSet::new();
        if pairs.iter().any(|[key, _]| !seen.insert(key.payload)) {
            return Err(EnrError::DuplicateKey);
        }
        let value =
            |name: &str| pairs.iter().find(|[key, _]| key.payload == name.as_bytes()).map(|[_, v]| v.payload);
        if value("id") != Some(b"v4") {
            return Err(EnrError::Scheme);
        }
        let public_key = value("secp256k1")
            .and_then(|bytes| NodePublicKey::from_bytes(bytes.try_into().ok()?).ok())
            .ok_or(EnrError::PublicKey)?;
        let signed = content.get(signature.encoded_bytes..).ok_or(EnrError::Rlp)?;
        let digest = keccak256(&rlp::list(signed));
        let signature = signature.payload.try_into().map_err(|_| EnrError::Signature)?;
        if !verify_compact(&public_key, &digest, signature) {
            return Err(EnrError::Signature);
        }
        let ip = value("ip").and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        let port = value("tcp").filter(|bytes| !bytes.is_empty() && bytes.len() <= 2);
        let port = port.map(|bytes| bytes.iter().fold(0, |port, byte| port << 8 | u16::from(*byte)));
        let tcp = ip.zip(port).map(|(ip, port)| SocketAddrV4::new(ip.into(), port));
        Ok(Self { text: text.to_owned(), public_key, tcp })
    }

    /// A record that names the key and nothing else. The same key always has the same record.
    pub fn create(key: &NodeKey) -> Self {
        let public_key = key.public();
        let content: Vec<u8> = [SEQUENCE_ZERO, b"id", b"v4", b"secp256k1", &public_key.to_bytes()]
            .into_iter()
            .flat_map(rlp::string)
            .collect();
        let [rs @ .., _v] = key.sign(&keccak256(&rlp::list(&content)));
        let record = rlp::list(&[rlp::string(&rs), content].concat());
        Self { text: format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&record)), public_key, tcp: None }
    }

    /// The record as it is exchanged, without padding.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where it says that it listens. Operators' records do not; those of relays do.
    pub const fn tcp(&self) -> Option<SocketAddrV4> {
        self.tcp
    }

    /// The key of the node.
    pub fn public_key(&self) -> &NodePublicKey {
        &self.public_key
    }
}

/// Base64 for URLs in which the unused bits of the last character may have any value, as other readers allow.
fn lenient_base64() -> Encoding {
    let mut specification: Specification = BASE64URL_NOPAD.specification();
    specification.check_trailing_bits = false;
    specification.encoding().expect("the standard encoding stays well-formed without that check")
}
