//! One key at rest: EIP-2335 keystores of version 4.
//!
//! Reads PBKDF2 and scrypt, writes PBKDF2. A file is hostile until parsed: [`Keystore::parse`] bounds the memory and
//! the time that opening it can cost, before any of either is spent.
//!
//! Source: EIP-2335; `obol-cluster.md` 9.3.

mod json;
mod kdf;
mod password;

use aes::Aes128;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hearth_crypto::SecretKey;
use rand::CryptoRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use self::json::Sealed;
use self::kdf::Kdf;
pub use self::password::Password;

/// Largest file that is read. A keystore has about 800 bytes; this leaves room for long descriptions.
pub(crate) const MOST_BYTES: usize = 64 << 10;

/// How much work a password costs whoever guesses it, and whoever knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cost {
    /// 2^18 rounds of PBKDF2: about 0.06 s of one core a key.
    Standard,
    /// 2^4 rounds: protects nothing. For tests and demonstrations, never on a chain with money.
    Insecure,
}

impl Cost {
    const fn rounds(self) -> u32 {
        match self {
            Self::Standard => 1 << 18,
            Self::Insecure => 1 << 4,
        }
    }
}

/// Why a keystore does not give its key.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum KeystoreError {
    /// Nothing of that size is a keystore.
    #[error("the file is larger than {limit_bytes} bytes")]
    TooLarge {
        /// What is read at most.
        limit_bytes: usize,
    },
    /// A part is missing or is not what the EIP says.
    #[error("it is not an EIP-2335 keystore: {part} is missing or malformed")]
    Malformed {
        /// Which part, as a path in the JSON.
        part: &'static str,
    },
    /// A key derivation, cipher, checksum or version that this program does not know.
    #[error("it uses an unsupported {part}: {found:?}")]
    Unsupported {
        /// Which part, as a path in the JSON.
        part: &'static str,
        /// What the file names, cut after 32 characters.
        found: String,
    },
    /// A cost that no wallet writes: opening the file would take gigabytes or hours, or protects nothing.
    #[error("{parameter} is {value}, outside {least}..={most}")]
    OutOfBounds {
        /// Which parameter, as a path in the JSON.
        parameter: &'static str,
        /// What the file asks for.
        value: u64,
        /// The least that is accepted.
        least: u64,
        /// The most that is accepted.
        most: u64,
    },
    /// The checksum does not fit. A damaged file looks the same.
    #[error("the password does not open it")]
    WrongPassword,
    /// It opened, but what it holds is not a BLS secret key.
    #[error("it holds something that is not a BLS secret key")]
    NotAKey,
    /// It opened, but holds another key than it says.
    #[error("it holds the key of 0x{}, which is not the public key that it names", hex::encode(actual))]
    PublicKeyMismatch {
        /// Public key of what it holds.
        actual: [u8; 48],
    },
}

/// The password has control characters of the C1 range, which readers of keystores treat in two ways.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("the password has control characters that not every program would read alike; choose another")]
pub struct UnportablePassword;

/// A parsed keystore, still closed. Its parameters are within the bounds.
pub struct Keystore {
    kdf: Kdf,
    checksum: [u8; 32],
    iv: [u8; 16],
    ciphertext: [u8; 32],
    public_key: Option<[u8; 48]>,
}

impl Keystore {
    /// Parses the text of a keystore.
    ///
    /// Bounds: 64 KiB of text; PBKDF2 with at most 10^7 rounds; scrypt with at most 256 MiB (the customary n = 2^18,
    /// r = 8), r at most 32 and p at most 16. At these bounds opening takes some ten seconds.
    ///
    /// Errors: [`KeystoreError::TooLarge`], [`KeystoreError::Malformed`], [`KeystoreError::Unsupported`],
    /// [`KeystoreError::OutOfBounds`].
    pub fn parse(json: &[u8]) -> Result<Self, KeystoreError> {
        json::parse(json)
    }

    /// Opens the keystore: blocks for as long as the key derivation takes.
    ///
    /// Errors: [`KeystoreError::WrongPassword`], [`KeystoreError::NotAKey`], [`KeystoreError::PublicKeyMismatch`].
    pub fn decrypt(&self, password: &Password) -> Result<SecretKey, KeystoreError> {
        let derived = password
            .forms()
            .map(|form| self.kdf.derive(form))
            .find(|derived| bool::from(checksum(derived, &self.ciphertext).ct_eq(&self.checksum)))
            .ok_or(KeystoreError::WrongPassword)?;
        let mut secret = Zeroizing::new(self.ciphertext);
        apply_keystream(&derived, &self.iv, &mut secret);
        let secret = SecretKey::from_bytes(&secret).map_err(|_| KeystoreError::NotAKey)?;
        let actual = secret.public_key().to_bytes();
        match self.public_key {
            Some(stated) if stated != actual => Err(KeystoreError::PublicKeyMismatch { actual }),
            _ => Ok(secret),
        }
    }

    /// Whether opening it takes hundreds of megabytes.
    pub(crate) const fn is_memory_hard(&self) -> bool {
        self.kdf.is_memory_hard()
    }
}

/// The text of a new keystore that `password` opens: blocks for as long as the key derivation takes.
///
/// Errors: [`UnportablePassword`]. A keystore should open in every program.
pub fn encrypt(
    secret: &SecretKey,
    password: &Password,
    cost: Cost,
    rng: &mut impl CryptoRng,
) -> Result<String, UnportablePassword> {
    if !password.is_portable() {
        return Err(UnportablePassword);
    }
    Ok(encrypt_with(secret, password, cost, &Randomness::draw(rng)))
}

/// The random parts of one keystore.
pub(crate) struct Randomness {
    salt: [u8; 32],
    iv: [u8; 16],
    uuid: [u8; 16],
}

impl Randomness {
    /// Draws all of them.
    pub(crate) fn draw(rng: &mut impl CryptoRng) -> Self {
        let mut random = Self { salt: [0; 32], iv: [0; 16], uuid: [0; 16] };
        rng.fill_bytes(&mut random.salt);
        rng.fill_bytes(&mut random.iv);
        rng.fill_bytes(&mut random.uuid);
        random
    }
}

/// [`encrypt`] for a password known to be portable, with randomness drawn before.
pub(crate) fn encrypt_with(secret: &SecretKey, password: &Password, cost: Cost, random: &Randomness) -> String {
    let kdf = Kdf::Pbkdf2 { rounds: cost.rounds(), salt: random.salt.to_vec() };
    let derived = kdf.derive(password.normalised());
    let mut ciphertext = *secret.to_bytes();
    apply_keystream(&derived, &random.iv, &mut ciphertext);
    let checksum = checksum(&derived, &ciphertext);
    json::write(
        cost.rounds(),
        random,
        &Sealed { checksum, ciphertext, public_key: secret.public_key().to_bytes() },
    )
}

/// SHA-256 of the second half of the derived key and the ciphertext.
fn checksum(derived: &[u8; 32], ciphertext: &[u8; 32]) -> [u8; 32] {
    let (_, checksum_key) = derived.split_at(16);
    Sha256::new().chain_update(checksum_key).chain_update(ciphertext).finalize().into()
}

/// AES-128-CTR with the first half of the derived key: encrypts and decrypts.
fn apply_keystream(derived: &[u8; 32], iv: &[u8; 16], text: &mut [u8; 32]) {
    let (cipher_key, _) = derived.split_at(16);
    Ctr128BE::<Aes128>::new_from_slices(cipher_key, iv)
        .expect("the key and the initialisation vector have 16 bytes each")
        .apply_keystream(text);
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// Opens a keystore of another program and writes it again with the same randomness.
    #[test]
    fn a_foreign_keystore_is_reproduced_byte_for_byte() {
        let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
        let vectors = std::env::var_os("HEARTH_VECTORS").map_or_else(|| default.into(), PathBuf::from);
        let folder = vectors.join("obol-cluster/node-folders/solo/node0/validator_keys");
        let Ok(text) = std::fs::read_to_string(folder.join("keystore-0.json")) else {
            println!("skipped: {} not found", folder.display());
            return;
        };
        let password = Password::new(&std::fs::read_to_string(folder.join("keystore-0.txt")).unwrap());
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let member = |pointer: &str| json.pointer(pointer).unwrap().as_str().unwrap().replace('-', "");
        let mut random = Randomness { salt: [0; 32], iv: [0; 16], uuid: [0; 16] };
        hex::decode_to_slice(member("/crypto/kdf/params/salt"), &mut random.salt).unwrap();
        hex::decode_to_slice(member("/crypto/cipher/params/iv"), &mut random.iv).unwrap();
        hex::decode_to_slice(member("/uuid"), &mut random.uuid).unwrap();

        let secret = Keystore::parse(text.as_bytes()).unwrap().decrypt(&password).unwrap();
        assert_eq!(encrypt_with(&secret, &password, Cost::Standard, &random), text);
    }
}
