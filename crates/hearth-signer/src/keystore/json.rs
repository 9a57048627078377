//! The text form of a keystore: what may be read, and exactly what is written.

use serde::{Deserialize, Serialize};
use serde_json::ser::PrettyFormatter;

use super::kdf::Kdf;
use super::{Keystore, KeystoreError, MOST_BYTES, Randomness};

/// Parses and bounds everything that [`Keystore::decrypt`] will use. Members unknown to the EIP are ignored.
pub(super) fn parse(json: &[u8]) -> Result<Keystore, KeystoreError> {
    if json.len() > MOST_BYTES {
        return Err(KeystoreError::TooLarge { limit_bytes: MOST_BYTES });
    }
    // The parser's own words may quote the file, hence are not passed on.
    let file: FileRead = serde_json::from_slice(json).map_err(|_| KeystoreError::Malformed { part: "JSON" })?;
    let Crypto { kdf, checksum, cipher } = file.crypto;
    expect_name("version", 4, file.version)?;
    expect_name("crypto.checksum.function", "sha256", checksum.function.as_str())?;
    expect_name("crypto.cipher.function", "aes-128-ctr", cipher.function.as_str())?;
    let CipherParams { iv } = params("crypto.cipher.params", cipher.params)?;
    Ok(Keystore {
        kdf: parse_kdf(kdf)?,
        checksum: fixed("crypto.checksum.message", &checksum.message)?,
        iv: fixed("crypto.cipher.params.iv", &iv)?,
        ciphertext: fixed("crypto.cipher.message", &cipher.message)?,
        public_key: match file.pubkey.as_deref() {
            None | Some("") => None,
            Some(text) => Some(fixed("pubkey", text.strip_prefix("0x").unwrap_or(text))?),
        },
    })
}

/// Writes a keystore with PBKDF2, byte for byte as Obol's tools do.
///
/// Source: `obol-cluster.md` 9.3 (inner objects in alphabetical order, indent of one space, no final line break).
pub(super) fn write(rounds: u32, random: &Randomness, sealed: &Sealed) -> String {
    let file = FileWritten {
        crypto: Crypto {
            checksum: Module {
                function: "sha256".into(),
                message: hex::encode(sealed.checksum),
                params: NoParams {},
            },
            cipher: Module {
                function: "aes-128-ctr".into(),
                message: hex::encode(sealed.ciphertext),
                params: CipherParams { iv: hex::encode(random.iv) },
            },
            kdf: Module {
                function: "pbkdf2".into(),
                message: String::new(),
                params: Pbkdf2Params {
                    c: rounds.into(),
                    dklen: 32,
                    prf: "hmac-sha256".into(),
                    salt: hex::encode(random.salt),
                },
            },
        },
        description: "",
        pubkey: hex::encode(sealed.public_key),
        path: "m/12381/3600/0/0/0",
        uuid: uuid::Uuid::from_bytes(random.uuid).hyphenated().to_string().to_uppercase(),
        version: 4,
    };
    let mut text = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b" "));
    file.serialize(&mut writer).expect("strings and numbers go into memory without error");
    String::from_utf8(text).expect("serde_json writes UTF-8")
}

/// The parts of a written keystore that depend on the key.
pub(super) struct Sealed {
    pub(super) checksum: [u8; 32],
    pub(super) ciphertext: [u8; 32],
    pub(super) public_key: [u8; 48],
}

#[derive(Deserialize)]
struct FileRead {
    crypto: Crypto<serde_json::Value, serde_json::Value, serde_json::Value>,
    pubkey: Option<String>,
    version: u64,
}

#[derive(Serialize)]
struct FileWritten {
    crypto: Crypto<NoParams, CipherParams, Pbkdf2Params>,
    description: &'static str,
    pubkey: String,
    path: &'static str,
    uuid: String,
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct Crypto<Checksum, Cipher, Kdf> {
    checksum: Module<Checksum>,
    cipher: Module<Cipher>,
    kdf: Module<Kdf>,
}

#[derive(Serialize, Deserialize)]
struct Module<Params> {
    function: String,
    message: String,
    params: Params,
}

#[derive(Serialize)]
struct NoParams {}

#[derive(Serialize, Deserialize)]
struct CipherParams {
    iv: String,
}

#[derive(Serialize, Deserialize)]
struct Pbkdf2Params {
    c: u64,
    dklen: u64,
    prf: String,
    salt: String,
}

#[derive(Deserialize)]
struct ScryptParams {
    dklen: u64,
    n: u64,
    p: u64,
    r: u64,
    salt: String,
}

fn parse_kdf(kdf: Module<serde_json::Value>) -> Result<Kdf, KeystoreError> {
    let salt_of =
        |text: &str| hex::decode(text).map_err(|_| KeystoreError::Malformed { part: "crypto.kdf.params.salt" });
    match kdf.function.as_str() {
        "pbkdf2" => {
            let Pbkdf2Params { c, dklen, prf, salt } = params("crypto.kdf.params", kdf.params)?;
            expect_name("crypto.kdf.params.prf", "hmac-sha256", prf.as_str())?;
            expect_name("crypto.kdf.params.dklen", 32, dklen)?;
            Kdf::pbkdf2(c, salt_of(&salt)?)
        }
        "scrypt" => {
            let ScryptParams { dklen, n, p, r, salt } = params("crypto.kdf.params", kdf.params)?;
            expect_name("crypto.kdf.params.dklen", 32, dklen)?;
            Kdf::scrypt(n, r, p, salt_of(&salt)?)
        }
        other => Err(unsupported("crypto.kdf.function", other)),
    }
}

fn params<P: serde::de::DeserializeOwned>(
    part: &'static str,
    value: serde_json::Value,
) -> Result<P, KeystoreError> {
    serde_json::from_value(value).map_err(|_| KeystoreError::Malformed { part })
}

fn fixed<const N: usize>(part: &'static str, text: &str) -> Result<[u8; N], KeystoreError> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| KeystoreError::Malformed { part })?;
    Ok(bytes)
}

fn expect_name<T: PartialEq + ToString>(part: &'static str, known: T, found: T) -> Result<(), KeystoreError> {
    if found == known { Ok(()) } else { Err(unsupported(part, found)) }
}

fn unsupported(part: &'static str, found: impl ToString) -> KeystoreError {
    // A file may name anything at any length; a name that is worth reporting is short.
    KeystoreError::Unsupported { part, found: found.to_string().chars().take(32).collect() }
}
