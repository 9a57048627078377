//! From a password to 32 bytes, at a cost that the file chooses within bounds that we choose.

use sha2::Sha256;
use zeroize::Zeroizing;

use super::KeystoreError;

/// Rounds of PBKDF2 that a file may ask for: 38 times what wallets write, some seconds of one core.
pub(super) const MOST_ROUNDS: u64 = 10_000_000;

/// Memory that a file may make scrypt use. The customary parameters (n = 2^18, r = 8) need exactly this much.
pub(super) const MOST_SCRYPT_BYTES: u64 = 256 << 20;

/// Block size of scrypt that a file may ask for; wallets write 8.
pub(super) const MOST_SCRYPT_R: u64 = 32;

/// Passes over scrypt's memory that a file may ask for; wallets write 1. With the memory bound: some ten seconds.
pub(super) const MOST_SCRYPT_P: u64 = 16;

/// A key derivation with parameters that are within the bounds.
pub(super) enum Kdf {
    Pbkdf2 { rounds: u32, salt: Vec<u8> },
    Scrypt { params: scrypt::Params, salt: Vec<u8> },
}

impl Kdf {
    /// PBKDF2 with HMAC-SHA-256.
    pub(super) fn pbkdf2(rounds: u64, salt: Vec<u8>) -> Result<Self, KeystoreError> {
        let rounds = within("crypto.kdf.params.c", rounds, 1, MOST_ROUNDS)?;
        Ok(Self::Pbkdf2 { rounds, salt })
    }

    /// scrypt, of any customary shape.
    pub(super) fn scrypt(n: u64, r: u64, p: u64, salt: Vec<u8>) -> Result<Self, KeystoreError> {
        let r = within("crypto.kdf.params.r", r, 1, MOST_SCRYPT_R)?;
        let p = within("crypto.kdf.params.p", p, 1, MOST_SCRYPT_P)?;
        let most_n = MOST_SCRYPT_BYTES / (128 * u64::from(r));
        let n = within("crypto.kdf.params.n", n, 2, most_n)?;
        if !n.is_power_of_two() {
            return Err(KeystoreError::Malformed { part: "crypto.kdf.params.n" });
        }
        let log_n = n.trailing_zeros() as u8;
        let params = scrypt::Params::new(log_n, r, p)
            .map_err(|_| KeystoreError::Malformed { part: "crypto.kdf.params" })?;
        Ok(Self::Scrypt { params, salt })
    }

    /// The derived key. Takes as long as the parameters say; never on an async thread.
    pub(super) fn derive(&self, password: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        match self {
            Self::Pbkdf2 { rounds, salt } => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, *rounds, &mut *key),
            Self::Scrypt { params, salt } => scrypt::scrypt(password, salt, params, &mut *key).expect(
                "scrypt refuses only outputs that are empty or of many gigabytes; this one has 32 bytes",
            ),
        }
        key
    }

    /// Whether deriving needs much memory, so that not every core should do it at once.
    pub(super) const fn is_memory_hard(&self) -> bool {
        matches!(self, Self::Scrypt { .. })
    }
}

fn within(parameter: &'static str, value: u64, least: u64, most: u64) -> Result<u32, KeystoreError> {
    match u32::try_from(value) {
        Ok(narrow) if (least..=most).contains(&value) => Ok(narrow),
        _ => Err(KeystoreError::OutOfBounds { parameter, value, least, most }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_beyond_the_bounds_are_refused_before_any_work() {
        for (name, kdf, allowed) in [
            ("customary pbkdf2", Kdf::pbkdf2(262_144, vec![]), true),
            ("most rounds", Kdf::pbkdf2(10_000_000, vec![]), true),
            ("too many rounds", Kdf::pbkdf2(10_000_001, vec![]), false),
            ("no rounds", Kdf::pbkdf2(0, vec![]), false),
            ("rounds beyond 32 bits", Kdf::pbkdf2((1 << 32) + 1, vec![]), false),
            ("customary scrypt", Kdf::scrypt(262_144, 8, 1, vec![]), true),
            ("most passes", Kdf::scrypt(262_144, 8, 16, vec![]), true),
            ("too many passes", Kdf::scrypt(262_144, 8, 17, vec![]), false),
            ("twice the memory", Kdf::scrypt(524_288, 8, 1, vec![]), false),
            ("the same memory in larger blocks", Kdf::scrypt(65_536, 32, 1, vec![]), true),
            ("larger blocks still", Kdf::scrypt(16_384, 64, 1, vec![]), false),
            ("not a power of two", Kdf::scrypt(262_143, 8, 1, vec![]), false),
            ("one", Kdf::scrypt(1, 8, 1, vec![]), false),
            ("no blocks", Kdf::scrypt(2, 0, 1, vec![]), false),
            ("no passes", Kdf::scrypt(2, 8, 0, vec![]), false),
            ("everything at its largest", Kdf::scrypt(u64::MAX, u64::MAX, u64::MAX, vec![]), false),
        ] {
            assert_eq!(kdf.is_ok(), allowed, "{name}");
        }
    }

    #[test]
    fn derivation_gives_what_the_rfcs_list() {
        for (name, kdf, password, expected) in [
            (
                "PBKDF2-HMAC-SHA-256, RFC 7914 section 11",
                Kdf::pbkdf2(1, b"salt".to_vec()),
                "passwd",
                "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc",
            ),
            (
                "scrypt, RFC 7914 section 12",
                Kdf::scrypt(1024, 8, 16, b"NaCl".to_vec()),
                "password",
                "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162",
            ),
        ] {
            let key = kdf.unwrap().derive(password.as_bytes());
            assert_eq!(hex::encode(*key), expected, "{name}");
        }
    }
}
