//! Passwords of keystores without text files beside them: one file, closed with a key that does not lie in the folder.
//!
//! Who copies the folder has keystores and nothing to open them with. The key follows from a random secret that lies in a
//! file of its own, somewhere else, and from what tells this computer from another.
//!
//! Form: a line that names it, 24 bytes of nonce, then a JSON object from the name of each keystore (without ending) to
//! its password under XChaCha20-Poly1305, which also protects the first line.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use rand::CryptoRng;
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::files::{self, ReadError, Workplace};
use crate::keystore::Password;

/// Name of the file.
pub(crate) const FILE_NAME: &str = "passwords.sealed";
/// Largest file that is read: as many passwords as a lock has validators, with room to spare.
pub(crate) const MOST_BYTES: usize = 16 << 20;
const HEADER: &[u8] = b"hearth-sealed-passwords-1\n";
const NONCE_BYTES: usize = 24;

/// What opens sealed passwords. Wiped on drop, never printed.
pub struct SealingKey(Zeroizing<[u8; 32]>);

impl SealingKey {
    /// The key from the secret in this file, made if there is none, and from what tells this computer from another.
    /// The folder must exist.
    ///
    /// Errors: [`SealingKeyError`].
    pub fn load_or_create(
        path: &Path,
        computer: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Self, SealingKeyError> {
        if let Some(key) = Self::load(path, computer)? {
            return Ok(key);
        }
        let failed = |source| SealingKeyError::Io { path: path.to_owned(), source };
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *secret);
        let draft = Workplace::beside(path, rng).map_err(failed)?;
        files::create(draft.path(), Zeroizing::new(hex::encode(*secret)).as_bytes()).map_err(failed)?;
        // A link, unlike a rename, never replaces: of two who make one at the same time, both use the first.
        match std::fs::hard_link(draft.path(), path) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => return Err(failed(source)),
            _ => files::sync_folder(files::parent(path)).map_err(failed)?,
        }
        Self::load(path, computer)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
    }

    /// As [`SealingKey::load_or_create`], but `None` where there is no file.
    pub fn load(path: &Path, computer: &[u8]) -> Result<Option<Self>, SealingKeyError> {
        let malformed = || SealingKeyError::Malformed { path: path.to_owned() };
        let text = match files::read(path, 1 << 10) {
            Ok(text) => text,
            Err(ReadError::TooLarge) => return Err(malformed()),
            Err(ReadError::Io(source)) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(ReadError::Io(source)) => return Err(SealingKeyError::Io { path: path.to_owned(), source }),
        };
        let mut secret = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim_ascii(), &mut *secret).map_err(|_| malformed())?;
        Ok(Some(Self::derive(&secret, computer)))
    }

    fn derive(secret: &[u8; 32], computer: &[u8]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length will do");
        mac.update(b"hearth sealing key 1\n");
        mac.update(computer);
        Self(Zeroizing::new(mac.finalize().into_bytes().into()))
    }

    /// Closes a text. `header` names what it is, is readable in the file, and opens nothing else.
    pub fn close(&self, header: &[u8], text: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        rng.fill_bytes(&mut nonce);
        let closed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), Payload { msg: text, aad: header })
            .expect("the cipher takes more bytes than memory has");
        [header, &nonce, &closed].concat()
    }

    /// Opens what [`SealingKey::close`] made.
    ///
    /// Errors: [`SealError`].
    pub fn open(&self, header: &[u8], file: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let sealed = file.strip_prefix(header).ok_or(SealError::Unknown)?;
        let (nonce, closed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::OtherKey)?;
        let open = self.cipher().decrypt(&XNonce::from(*nonce), Payload { msg: closed, aad: header });
        Ok(Zeroizing::new(open.map_err(|_| SealError::OtherKey)?))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new_from_slice(self.0.as_slice()).expect("the key has 32 bytes")
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

/// Why there is no key.
#[derive(Debug, Error)]
pub enum SealingKeyError {
    /// The file holds something else.
    #[error("{} does not hold the key that seals passwords on this computer", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot read or create {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Why sealed passwords stay closed.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum SealError {
    /// Another form than the one that this version writes.
    #[error("it does not hold sealed secrets of a kind that this version of Hearth knows")]
    Unknown,
    /// Sealed with another key, or changed since.
    #[error("it was sealed on another computer or for another user, or it is damaged")]
    OtherKey,
}

/// Seals passwords, each under the name of its keystore.
pub(crate) fn seal(
    passwords: &BTreeMap<String, Password>,
    key: &SealingKey,
    rng: &mut impl CryptoRng,
) -> Vec<u8> {
    let revealed: BTreeMap<&str, &str> =
        passwords.iter().map(|(name, password)| (name.as_str(), password.reveal())).collect();
    let text = Zeroizing::new(serde_json::to_vec(&revealed).expect("texts go into memory without error"));
    key.close(HEADER, &text, rng)
}

/// The passwords in a sealed file.
pub(crate) fn unseal(file: &[u8], key: &SealingKey) -> Result<BTreeMap<String, Password>, SealError> {
    let text = key.open(HEADER, file)?;
    let passwords: BTreeMap<String, String> = serde_json::from_slice(&text).map_err(|_| SealError::Unknown)?;
    let wiped = |(name, password): (String, String)| (name, Password::new(&Zeroizing::new(password)));
    Ok(passwords.into_iter().map(wiped).collect())
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    use super::*;

    fn key(seed: u8) -> SealingKey {
        SealingKey::derive(&[seed; 32], b"this computer")
    }

    fn sealed() -> Vec<u8> {
        let passwords = [("keystore-0", "first"), ("keystore-1", "zwei\u{308}")];
        let passwords = passwords.map(|(name, text)| (name.to_owned(), Password::new(text))).into();
        seal(&passwords, &key(1), &mut ChaCha20Rng::from_seed([2; 32]))
    }

    #[test]
    fn what_was_sealed_opens_with_its_key_and_no_other() {
        let opened = unseal(&sealed(), &key(1)).unwrap();
        let opened: Vec<_> = opened.iter().map(|(name, password)| (name.as_str(), password.reveal())).collect();
        assert_eq!(opened, [("keystore-0", "first"), ("keystore-1", "zwei\u{308}")]);
        assert_eq!(unseal(&sealed(), &key(2)).err(), Some(SealError::OtherKey));
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_noticed_and_nothing_can_be_read_in_the_file() {
        let whole = sealed();
        assert!(!whole.windows(5).any(|bytes| bytes == b"first"));
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(unseal(&changed, &key(1)).is_err(), "byte {at}");
            assert!(unseal(&whole[..at], &key(1)).is_err(), "cut at {at}");
        }
        assert_eq!(unseal(b"{}", &key(1)).err(), Some(SealError::Unknown));
    }

    #[test]
    fn the_key_stays_the_same_on_this_computer_and_is_another_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sealing-key");
        let mut rng = ChaCha20Rng::from_seed([5; 32]);
        assert!(SealingKey::load(&path, b"a").unwrap().is_none());
        let first = SealingKey::load_or_create(&path, b"a", &mut rng).unwrap();
        let again = SealingKey::load_or_create(&path, b"a", &mut rng).unwrap();
        let elsewhere = SealingKey::load(&path, b"b").unwrap().unwrap();
        assert_eq!(first.0, again.0);
        assert_ne!(first.0, elsewhere.0);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        std::fs::write(&path, "not a key").unwrap();
        let refused = SealingKey::load_or_create(&path, b"a", &mut rng);
        assert!(matches!(refused, Err(SealingKeyError::Malformed { .. })));
    }

    #[test]
    fn the_form_never_changes() {
        let passwords = [("keystore-0".to_owned(), Password::new("secret"))].into();
        let file = seal(&passwords, &key(7), &mut ChaCha20Rng::from_seed([9; 32]));
        assert_eq!(hex::encode(file), include_str!("../tests/vectors/passwords.sealed.hex").trim());
        assert_eq!(format!("{:?}", key(7)), "SealingKey(..)");
    }
}
