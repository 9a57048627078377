//! Keystores: read within bounds, opened where that is cheap, and written.

use hearth_crypto::SecretKey;
use hearth_signer::keystore::{Cost, Keystore, KeystoreError, Password, encrypt};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde::Deserialize;
use serde_json::Value;

use crate::assert_is_a_line;

/// Open the keystores of the corpus that can be opened. The second is one that not every program reads alike.
const PASSWORDS: [&str; 2] = ["correct horse", "correct\u{85}horse"];

/// Reads the bytes as a keystore, and takes them as a key and a password, which get a keystore.
pub fn keystore(input: &[u8]) {
    match Keystore::parse(input) {
        Ok(keystore) => check_parsed(input, &keystore),
        Err(error) => assert_is_a_line(&error),
    }
    // Text that begins with a brace is no key, being above the order: the two never disturb each other.
    if let Some((key, password)) = input.split_first_chunk()
        && let Ok(secret) = SecretKey::from_bytes(key)
    {
        check_written(&secret, &String::from_utf8_lossy(password), *key);
    }
}

/// No keystore gets past the reader that costs more than its documentation says; a cheap one is opened.
fn check_parsed(json: &[u8], keystore: &Keystore) {
    // The reader takes the members of an object from a list too; what opening such a file costs is not looked at here.
    let Ok(File { crypto: Crypto { kdf: Kdf { function, params: Value::Object(params) } } }) =
        serde_json::from_slice(json)
    else {
        return;
    };
    let asked = |name: &str| params.get(name).and_then(Value::as_u64).expect("the reader found it");
    let cheap = match function.as_str() {
        "pbkdf2" => {
            let rounds = asked("c");
            assert!((1..=10_000_000).contains(&rounds), "{rounds} rounds");
            rounds <= 64
        }
        "scrypt" => {
            let (n, r, p) = (asked("n"), asked("r"), asked("p"));
            assert!(n >= 2 && n.is_power_of_two() && (1..=32).contains(&r) && (1..=16).contains(&p));
            assert!(n.checked_mul(128 * r).is_some_and(|bytes| bytes <= 256 << 20), "n = {n}, r = {r}");
            n * r * p <= 1024
        }
        other => unreachable!("{other:?} was read as a key derivation"),
    };
    if cheap {
        for password in PASSWORDS {
            match keystore.decrypt(&Password::new(password)) {
                Ok(secret) => check_opened(keystore, &secret, password),
                Err(error) => assert_is_a_line(&error),
            }
        }
    }
}

/// What was opened is still open to whoever put the password down, and its key gets a keystore like any other.
fn check_opened(keystore: &Keystore, secret: &SecretKey, password: &str) {
    let put_down = Password::new(Password::new(password).reveal());
    assert_eq!(keystore.decrypt(&put_down).map(|key| *key.to_bytes()), Ok(*secret.to_bytes()));
    check_written(secret, password, *secret.to_bytes());
}

/// What is written opens with its password, with what that reveals, and with no other.
fn check_written(secret: &SecretKey, password: &str, seed: [u8; 32]) {
    let words = Password::new(password);
    let written = encrypt(secret, &words, Cost::Insecure, &mut ChaCha20Rng::from_seed(seed));
    let disputed = password.contains(|c| matches!(c, '\u{80}'..='\u{9f}'));
    assert_eq!(written.is_err(), disputed, "{password:?}");
    let Ok(text) = written else { return };
    let keystore = Keystore::parse(text.as_bytes()).expect("what is written can be read");
    let opened = |password: &Password| keystore.decrypt(password).map(|key| *key.to_bytes());
    assert_eq!(opened(&words), Ok(*secret.to_bytes()));
    assert_eq!(opened(&Password::new(words.reveal())), Ok(*secret.to_bytes()));
    let longer = format!("{}.", words.reveal());
    assert_eq!(opened(&Password::new(&longer)), Err(KeystoreError::WrongPassword));
}

/// The little of a keystore that says what opening it costs, read a second time without bounds.
#[derive(Deserialize)]
struct File {
    crypto: Crypto,
}

#[derive(Deserialize)]
struct Crypto {
    kdf: Kdf,
}

#[derive(Deserialize)]
struct Kdf {
    function: String,
    params: Value,
}
