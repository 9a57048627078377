//! Byte strings of fixed length, each with one meaning. In text they are `0x` and lower-case hex.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ssz::{Decode, DecodeError, Encode};
use thiserror::Error;
use tree_hash::{Hash256, PackedEncoding, TreeHash, TreeHashType};

/// A text that is not `0x` and the expected number of hex digits.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("expected 0x and {expected_bytes} bytes of hex")]
pub struct HexError {
    /// Length in bytes that the type has.
    pub expected_bytes: usize,
}

macro_rules! byte_string {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Takes the bytes over the border. Says nothing about what they encode.
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("0x")?;
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = HexError;
            fn from_str(text: &str) -> Result<Self, HexError> {
                let refused = HexError { expected_bytes: $len };
                let digits = text.strip_prefix("0x").ok_or(refused.clone())?;
                let mut bytes = [0; $len];
                hex::decode_to_slice(digits, &mut bytes).map_err(|_| refused)?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl Encode for $name {
            fn is_ssz_fixed_len() -> bool {
                true
            }
            fn ssz_fixed_len() -> usize {
                $len
            }
            fn ssz_bytes_len(&self) -> usize {
                $len
            }
            fn ssz_append(&self, buf: &mut Vec<u8>) {
                buf.extend_from_slice(&self.0);
            }
        }

        impl Decode for $name {
            fn is_ssz_fixed_len() -> bool {
                true
            }
            fn ssz_fixed_len() -> usize {
                $len
            }
            fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
                bytes.try_into().map(Self).map_err(|_| DecodeError::InvalidByteLength {
                    len: bytes.len(),
                    expected: $len,
                })
            }
        }

        impl TreeHash for $name {
            fn tree_hash_type() -> TreeHashType {
                <[u8; $len]>::tree_hash_type()
            }
            fn tree_hash_packed_encoding(&self) -> PackedEncoding {
                self.0.tree_hash_packed_encoding()
            }
            fn tree_hash_packing_factor() -> usize {
                <[u8; $len]>::tree_hash_packing_factor()
            }
            fn tree_hash_root(&self) -> Hash256 {
                self.0.tree_hash_root()
            }
        }
    };
}

byte_string! {
    /// SSZ hash-tree-root of a block, a state or a list of validators.
    Root, 32
}
byte_string! {
    /// What a validator key signs: `hash_tree_root(SigningData { object_root, domain })`.
    SigningRoot, 32
}
byte_string! {
    /// Keeps signatures of different kinds, forks and chains apart.
    Domain, 32
}
byte_string! {
    /// Version of one fork of one chain.
    ForkVersion, 4
}
byte_string! {
    /// The group public key of a validator, compressed G1. The bytes alone do not prove a valid point.
    ValidatorPubkey, 48
}
byte_string! {
    /// A BLS signature, compressed G2. The bytes alone do not prove a valid point.
    SignatureBytes, 96
}
byte_string! {
    /// An account on the execution layer.
    ExecutionAddress, 20
}
byte_string! {
    /// Identity of a cluster: the hash of its lock.
    LockHash, 32
}

impl LockHash {
    /// `0x8d30…9a87`: enough to tell one cluster of an operator from another.
    pub fn abbreviated(&self) -> String {
        let text = self.to_string();
        let (head, tail) = (text.get(..6).unwrap_or(&text), text.get(62..).unwrap_or(""));
        format!("{head}…{tail}")
    }
}

impl ValidatorPubkey {
    /// `0x8d30…9a87`: enough to recognise a validator in a sentence.
    pub fn abbreviated(&self) -> String {
        let text = self.to_string();
        let (head, tail) = (text.get(..6).unwrap_or(&text), text.get(94..).unwrap_or(""));
        format!("{head}…{tail}")
    }
}
