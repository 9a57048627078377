//! EIP-2335 keystores: what the EIP, Charon and we write is read; everything else is refused.

use hearth_crypto::SecretKey;
use hearth_signer::keystore::{Cost, Keystore, KeystoreError, Password, encrypt};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{bytes, json, rng, secret, vectors};

fn open(text: &str, password: &str) -> Result<SecretKey, KeystoreError> {
    Keystore::parse(text.as_bytes())?.decrypt(&Password::new(password))
}

fn opened(text: &str, password: &str) -> Result<String, KeystoreError> {
    open(text, password).map(|key| hex::encode(*key.to_bytes()))
}

const PASSWORD: &str = "correct horse";

fn written(seed: u64) -> String {
    encrypt(&secret(seed), &Password::new(PASSWORD), Cost::Insecure, &mut rng(seed + 1)).unwrap()
}

fn patched(pointer: &str, value: Value) -> String {
    let mut keystore: Value = serde_json::from_str(&written(1)).unwrap();
    *keystore.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
    keystore.to_string()
}

fn without(pointer: &str, member: &str) -> String {
    let mut keystore: Value = serde_json::from_str(&written(1)).unwrap();
    keystore.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(member).unwrap();
    keystore.to_string()
}

#[test]
fn both_test_vectors_of_the_eip_open() {
    for file in ["eip2335-pbkdf2.json", "eip2335-scrypt.json"] {
        let text =
            std::fs::read_to_string(format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert_eq!(
            opened(&text, "𝔱𝔢𝔰𝔱𝔭𝔞𝔰𝔰𝔴𝔬𝔯𝔡🔑").as_deref(),
            Ok("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"),
            "{file}"
        );
    }
}

#[test]
fn the_scrypt_keystore_of_charon_opens() {
    let Some(folder) = vectors("obol-cluster/keystore") else { return };
    let text = std::fs::read_to_string(folder.join("keystore-scrypt.json")).unwrap();
    let password = std::fs::read_to_string(folder.join("keystore-scrypt.txt")).unwrap();
    let expected = json(folder.join("expected.json"));
    assert_eq!(
        opened(&text, &password).as_deref(),
        Ok(expected["keystore-scrypt.json"]["secret"].as_str().unwrap())
    );
}

#[test]
fn a_password_with_letters_beyond_ascii_opens_in_every_form() {
    let Some(folder) = vectors("obol-cluster/keystore") else { return };
    let vector = json(folder.join("keystore-unicode-password.json"));
    let (text, secret) = (vector["keystore"].to_string(), vector["secret"].as_str().unwrap());
    assert_eq!(opened(&text, vector["password_unnormalised"].as_str().unwrap()).as_deref(), Ok(secret));
    let normalised = hex::decode(vector["password_normalised_utf8_hex"].as_str().unwrap()).unwrap();
    assert_eq!(opened(&text, std::str::from_utf8(&normalised).unwrap()).as_deref(), Ok(secret));
    assert_eq!(opened(&text, "password").err(), Some(KeystoreError::WrongPassword));
}

#[test]
fn what_is_written_has_the_form_that_obols_tools_write() {
    let text = written(1);
    let key = secret(1);
    let read: Value = serde_json::from_str(&text).unwrap();
    let at = |pointer: &str| read.pointer(pointer).unwrap().as_str().unwrap();
    let expected = format!(
        r#"{{
 "crypto": {{
  "checksum": {{
   "function": "sha256",
   "message": "{}",
   "params": {{}}
  }},
  "cipher": {{
   "function": "aes-128-ctr",
   "message": "{}",
   "params": {{
    "iv": "{}"
   }}
  }},
  "kdf": {{
   "function": "pbkdf2",
   "message": "",
   "params": {{
    "c": 16,
    "dklen": 32,
    "prf": "hmac-sha256",
    "salt": "{}"
   }}
  }}
 }},
 "description": "",
 "pubkey": "{}",
 "path": "m/12381/3600/0/0/0",
 "uuid": "{}",
 "version": 4
}}"#,
        at("/crypto/checksum/message"),
        at("/crypto/cipher/message"),
        at("/crypto/cipher/params/iv"),
        at("/crypto/kdf/params/salt"),
        hex::encode(key.public_key().to_bytes()),
        at("/uuid"),
    );
    assert_eq!(text, expected);
    assert_eq!(at("/crypto/kdf/params/salt").len(), 64);
    assert_eq!(at("/crypto/cipher/params/iv").len(), 32);
    let groups: Vec<usize> = at("/uuid").split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12]);
    assert_eq!(at("/uuid"), at("/uuid").to_uppercase());
}

#[test]
fn the_standard_cost_is_two_to_the_eighteenth_rounds() {
    let text = encrypt(&secret(1), &Password::new(PASSWORD), Cost::Standard, &mut rng(1)).unwrap();
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["crypto"]["kdf"]["params"]["c"], 262_144);
    assert!(open(&text, PASSWORD).is_ok());
}

#[test]
fn generated_passwords_are_thirty_two_lower_case_hex_digits_and_all_different() {
    let mut rng = rng(1);
    let (first, second) = (Password::generate(&mut rng), Password::generate(&mut rng));
    assert_ne!(first.reveal(), second.reveal());
    for password in [first, second] {
        assert_eq!(password.reveal().len(), 32);
        assert!(password.reveal().bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
    }
}

#[test]
fn a_password_that_programs_read_differently_is_not_written_but_opens_either_way() {
    let disputed = "a\u{85}b";
    let refused = encrypt(&secret(1), &Password::new(disputed), Cost::Insecure, &mut rng(1));
    assert!(refused.is_err());
    // As the EIP demands, the stripped form; the other form is what Charon's library derives from.
    let stripped = encrypt(&secret(1), &Password::new("ab"), Cost::Insecure, &mut rng(1)).unwrap();
    assert!(open(&stripped, disputed).is_ok());
    let kept = rekeyed_with_raw_password(disputed.as_bytes());
    assert!(open(&kept, disputed).is_ok());
    assert_eq!(open(&kept, "ab").err(), Some(KeystoreError::WrongPassword));
}

#[test]
fn what_a_password_reveals_opens_whatever_it_opens() {
    // Without the control character the two marks change places, and the bytes with them.
    let marks = "a\u{301}\u{1}\u{323}";
    let own = encrypt(&secret(1), &Password::new(marks), Cost::Insecure, &mut rng(1)).unwrap();
    let foreign = rekeyed_with_raw_password("a\u{85}b".as_bytes());
    for (name, text, password) in
        [("marks", &own, marks), ("C1", &foreign, "a\u{85}b"), ("line break", &written(1), "correct horse\n")]
    {
        assert!(open(text, Password::new(password).reveal()).is_ok(), "{name}");
    }
}

/// A keystore of which only the checksum and the ciphertext are made anew, from unnormalised bytes.
fn rekeyed_with_raw_password(password: &[u8]) -> String {
    use ctr::cipher::{KeyIvInit, StreamCipher};
    use sha2::{Digest, Sha256};
    let mut keystore: Value = serde_json::from_str(&written(1)).unwrap();
    let salt: [u8; 32] = bytes(&keystore["crypto"]["kdf"]["params"]["salt"]);
    let iv: [u8; 16] = bytes(&keystore["crypto"]["cipher"]["params"]["iv"]);
    let mut derived = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password, &salt, 16, &mut derived);
    let mut text = *secret(1).to_bytes();
    ctr::Ctr128BE::<aes::Aes128>::new_from_slices(&derived[..16], &iv).unwrap().apply_keystream(&mut text);
    let checksum = Sha256::new().chain_update(&derived[16..]).chain_update(text).finalize();
    keystore["crypto"]["cipher"]["message"] = hex::encode(text).into();
    keystore["crypto"]["checksum"]["message"] = hex::encode(checksum).into();
    keystore.to_string()
}

#[test]
fn optional_parts_may_be_missing_and_unknown_parts_are_ignored() {
    let expected = hex::encode(*secret(1).to_bytes());
    let mut named: Value = serde_json::from_str(&written(1)).unwrap();
    named["name"] = json!("keystore");
    named["crypto"]["note"] = json!([1, 2, 3]);
    for (name, text) in [
        ("as written", written(1)),
        ("with a name", named.to_string()),
        ("without description", without("", "description")),
        ("without path", without("", "path")),
        ("without uuid", without("", "uuid")),
        ("without public key", without("", "pubkey")),
        ("empty public key", patched("/pubkey", json!(""))),
        ("null for a public key", patched("/pubkey", Value::Null)),
        (
            "public key with 0x",
            patched("/pubkey", json!(format!("0x{}", hex::encode(secret(1).public_key().to_bytes())))),
        ),
    ] {
        assert_eq!(opened(&text, PASSWORD).as_deref(), Ok(expected.as_str()), "{name}");
    }
}

#[test]
fn every_refusal_says_which_part_is_at_fault() {
    let malformed = |part| KeystoreError::Malformed { part };
    let unsupported = |part, found: &str| KeystoreError::Unsupported { part, found: found.to_owned() };
    let beyond = |parameter, value, least, most| KeystoreError::OutOfBounds { parameter, value, least, most };
    let long = "x".repeat(1000);
    let stated = secret(2).public_key().to_bytes();
    for (name, text, expected) in [
        ("nothing", String::new(), malformed("JSON")),
        ("a list", "[]".into(), malformed("JSON")),
        ("deep nesting", "[".repeat(60_000), malformed("JSON")),
        ("no crypto", without("", "crypto"), malformed("JSON")),
        ("no version", without("", "version"), malformed("JSON")),
        ("no cipher", without("/crypto", "cipher"), malformed("JSON")),
        ("too large", " ".repeat((64 << 10) + 1), KeystoreError::TooLarge { limit_bytes: 64 << 10 }),
        ("version 3", patched("/version", json!(3)), unsupported("version", "3")),
        (
            "another cipher",
            patched("/crypto/cipher/function", json!("aes-256-gcm")),
            unsupported("crypto.cipher.function", "aes-256-gcm"),
        ),
        (
            "another checksum",
            patched("/crypto/checksum/function", json!("md5")),
            unsupported("crypto.checksum.function", "md5"),
        ),
        (
            "another derivation",
            patched("/crypto/kdf/function", json!("argon2id")),
            unsupported("crypto.kdf.function", "argon2id"),
        ),
        (
            "a derivation with a long name",
            patched("/crypto/kdf/function", json!(long)),
            unsupported("crypto.kdf.function", &long[..32]),
        ),
        (
            "another hash",
            patched("/crypto/kdf/params/prf", json!("hmac-sha512")),
            unsupported("crypto.kdf.params.prf", "hmac-sha512"),
        ),
        (
            "a longer derived key",
            patched("/crypto/kdf/params/dklen", json!(64)),
            unsupported("crypto.kdf.params.dklen", "64"),
        ),
        (
            "short salt text",
            patched("/crypto/kdf/params/salt", json!("abc")),
            malformed("crypto.kdf.params.salt"),
        ),
        ("negative rounds", patched("/crypto/kdf/params/c", json!(-1)), malformed("crypto.kdf.params")),
        ("rounds as text", patched("/crypto/kdf/params/c", json!("16")), malformed("crypto.kdf.params")),
        (
            "no rounds",
            patched("/crypto/kdf/params/c", json!(0)),
            beyond("crypto.kdf.params.c", 0, 1, 10_000_000),
        ),
        (
            "rounds for a year",
            patched("/crypto/kdf/params/c", json!(u64::MAX)),
            beyond("crypto.kdf.params.c", u64::MAX, 1, 10_000_000),
        ),
        (
            "memory without end",
            patched(
                "/crypto/kdf",
                json!({"function": "scrypt", "message": "",
                    "params": {"dklen": 32, "n": 1u64 << 40, "r": 8, "p": 1, "salt": ""}}),
            ),
            beyond("crypto.kdf.params.n", 1 << 40, 2, 1 << 18),
        ),
        ("short iv", patched("/crypto/cipher/params/iv", json!("00")), malformed("crypto.cipher.params.iv")),
        ("no iv", patched("/crypto/cipher/params", json!({})), malformed("crypto.cipher.params")),
        (
            "a ciphertext of 31 bytes",
            patched("/crypto/cipher/message", json!("00".repeat(31))),
            malformed("crypto.cipher.message"),
        ),
        (
            "a ciphertext of 33 bytes",
            patched("/crypto/cipher/message", json!("00".repeat(33))),
            malformed("crypto.cipher.message"),
        ),
        (
            "a short checksum",
            patched("/crypto/checksum/message", json!("")),
            malformed("crypto.checksum.message"),
        ),
        ("a short public key", patched("/pubkey", json!("00")), malformed("pubkey")),
        (
            "the public key of another key",
            patched("/pubkey", json!(hex::encode(stated))),
            KeystoreError::PublicKeyMismatch { actual: secret(1).public_key().to_bytes() },
        ),
    ] {
        assert_eq!(open(&text, PASSWORD).err(), Some(expected), "{name}");
    }
}

#[test]
fn a_keystore_that_holds_no_valid_secret_is_refused() {
    use sha2::{Digest, Sha256};
    let mut keystore: Value = serde_json::from_str(&written(1)).unwrap();
    let salt: [u8; 32] = bytes(&keystore["crypto"]["kdf"]["params"]["salt"]);
    let plain = *secret(1).to_bytes();
    let sealed: [u8; 32] = bytes(&keystore["crypto"]["cipher"]["message"]);
    let mut derived = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(PASSWORD.as_bytes(), &salt, 16, &mut derived);
    for wanted in [[0; 32], [0xff; 32]] {
        // A stream cipher: what is added to the ciphertext is added to the secret.
        let text: Vec<u8> = (0..32).map(|i| sealed[i] ^ plain[i] ^ wanted[i]).collect();
        let checksum = Sha256::new().chain_update(&derived[16..]).chain_update(&text).finalize();
        keystore["crypto"]["cipher"]["message"] = hex::encode(&text).into();
        keystore["crypto"]["checksum"]["message"] = hex::encode(checksum).into();
        assert_eq!(open(&keystore.to_string(), PASSWORD).err(), Some(KeystoreError::NotAKey));
    }
}

#[test]
fn no_error_and_no_debug_output_tells_the_password_or_the_key() {
    let secret_hex = hex::encode(*secret(1).to_bytes());
    let mut told = vec![
        format!("{:?}", Password::new(PASSWORD)),
        format!("{:?}", secret(1)),
        format!(
            "{:?}",
            encrypt(&secret(1), &Password::new("correct horse\u{85}"), Cost::Insecure, &mut rng(1))
        ),
    ];
    for text in [
        written(1),
        PASSWORD.to_owned(),
        format!("{{\"version\":\"{PASSWORD}\"}}"),
        patched("/crypto/cipher/message", json!(secret_hex)),
        patched("/crypto/kdf/params/salt", json!(PASSWORD)),
        patched("/pubkey", json!(hex::encode(secret(2).public_key().to_bytes()))),
    ] {
        for password in [PASSWORD, "correct horse 2"] {
            let outcome = open(&text, password);
            told.push(format!("{outcome:?}"));
            told.extend(outcome.err().map(|error| error.to_string()));
        }
    }
    for line in told {
        let lower = line.to_lowercase();
        assert!(!lower.contains(&secret_hex), "{line}");
        assert!(!lower.contains("correct horse"), "{line}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_encrypted_decrypts_to_the_same_key(seed: u64, password in "[^\u{80}-\u{9f}]{0,40}") {
        let key = secret(seed);
        let text = encrypt(&key, &Password::new(&password), Cost::Insecure, &mut rng(!seed)).unwrap();
        prop_assert_eq!(opened(&text, &password), Ok(hex::encode(*key.to_bytes())));
        let with_line_break = password + "\n";
        prop_assert!(opened(&text, &with_line_break).is_ok());
    }

    #[test]
    fn any_flipped_bit_of_ciphertext_checksum_salt_or_iv_is_refused(
        part in prop::sample::select(vec![
            "/crypto/cipher/message", "/crypto/checksum/message", "/crypto/kdf/params/salt", "/crypto/cipher/params/iv",
        ]),
        byte: prop::sample::Index,
        bit in 0..8,
    ) {
        let mut keystore: Value = serde_json::from_str(&written(1)).unwrap();
        let found = keystore.pointer_mut(part).unwrap();
        let mut flipped = hex::decode(found.as_str().unwrap()).unwrap();
        let place = byte.index(flipped.len());
        flipped[place] ^= 1u8 << bit;
        *found = hex::encode(flipped).into();
        prop_assert!(open(&keystore.to_string(), PASSWORD).is_err());
    }

    #[test]
    fn any_other_password_is_refused(other in "[a-z ]{0,20}") {
        prop_assume!(other != PASSWORD);
        prop_assert_eq!(open(&written(1), &other).err(), Some(KeystoreError::WrongPassword));
    }

    #[test]
    fn hostile_text_never_panics(text in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = Keystore::parse(&text);
    }

    #[test]
    fn a_keystore_with_damage_never_panics(
        cut: prop::sample::Index,
        place: prop::sample::Index,
        byte: u8,
        splice in "\\PC{0,20}",
    ) {
        let whole = written(1).into_bytes();
        let _ = Keystore::parse(&whole[..cut.index(whole.len())]);
        let place = place.index(whole.len());
        let mut damaged = whole.clone();
        damaged[place] = byte;
        let _ = Keystore::parse(&damaged).map(|keystore| keystore.decrypt(&Password::new(PASSWORD)));
        let mut spliced = whole;
        spliced.splice(place..place, splice.bytes());
        let _ = Keystore::parse(&spliced);
    }

    #[test]
    fn a_keystore_with_any_value_in_any_place_never_panics(
        pointer in prop::sample::select(vec![
            "/crypto", "/crypto/kdf", "/crypto/kdf/function", "/crypto/kdf/params", "/crypto/kdf/params/c",
            "/crypto/kdf/params/dklen", "/crypto/kdf/params/salt", "/crypto/checksum/message", "/crypto/cipher",
            "/crypto/cipher/message", "/crypto/cipher/params/iv", "/pubkey", "/version",
        ]),
        value in any_json(),
    ) {
        let _ = Keystore::parse(patched(pointer, value).as_bytes());
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        "[0-9a-f]{0,100}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("function|message|params|c|n|r|p|salt|dklen|prf|.{0,8}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
