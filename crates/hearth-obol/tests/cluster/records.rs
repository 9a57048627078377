//! Records of node keys.

use hearth_crypto::k1::NodeKey;
use hearth_obol::enr::{Enr, EnrError, MAX_ENR_BYTES};
use proptest::prelude::*;

use crate::support::rows;
use crate::vectors::bytes;

/// Of the reference implementation.
const RECORD: &str = "enr:-HW4QEp-BLhP30tqTGFbR9n2PdUKWP9qc0zphIRmn8_jpm4BYkgekztXQaPA_znRW8RvNYHo0pUwyPEwUGGeZu26XlKAgmlkgnY0iXNlY3AyNTZrMaEDG4TFVnsSZECZXT7VqroFZdceGDRgSBn_nBf16dXdB48";

#[test]
fn records_of_other_tools_are_read_and_a_key_has_the_record_that_they_give_it() {
    for row in rows("enr/valid.json") {
        let enr = Enr::parse(row["enr"].as_str().unwrap()).unwrap();
        assert_eq!(enr.public_key().to_bytes()[..], bytes(&row["public_key"]));
        assert_eq!(enr.text(), row["enr"].as_str().unwrap());
        if let Some(key) = row.get("private_key") {
            let key = NodeKey::from_hex(key.as_str().unwrap()).unwrap();
            assert_eq!(Enr::create(&key), enr);
        }
    }
    assert!(Enr::parse(RECORD).is_ok());
}

#[test]
fn padding_is_ignored() {
    assert_eq!(Enr::parse(&format!("{RECORD}==")), Enr::parse(RECORD));
    for row in rows("enr/padding.json") {
        let padded = Enr::parse(row["enr"].as_str().unwrap()).unwrap();
        assert_eq!(padded.text(), row["same_as"].as_str().unwrap());
    }
}

#[test]
fn each_malformed_record_is_refused_for_its_own_reason() {
    for row in rows("enr/invalid.json") {
        let error = Enr::parse(row["enr"].as_str().unwrap()).unwrap_err();
        let expected = match row["why"].as_str().unwrap() {
            "missing enr: prefix" => EnrError::Prefix,
            "not base64url" => EnrError::Base64,
            "fewer than 4 elements" => EnrError::Elements(3),
            "odd number of elements" => EnrError::Elements(7),
            "identity scheme not v4" => EnrError::Scheme,
            "no secp256k1 key" => EnrError::PublicKey,
            _ => EnrError::Signature,
        };
        assert_eq!(error, expected, "{row}");
    }
    for (text, expected) in [
        ("", EnrError::Prefix),
        ("enr:", EnrError::Rlp),
        ("enr:wA", EnrError::Elements(0)),
        ("enr:gA", EnrError::Rlp),
        (&format!("{RECORD}A"), EnrError::Rlp),
        (&format!("{RECORD}AA"), EnrError::Base64),
        (&format!("{RECORD}AAAA"), EnrError::Rlp),
        (&format!(" {RECORD}"), EnrError::Prefix),
        (&format!("enr:{}", "A".repeat(MAX_ENR_BYTES)), EnrError::TooLong(MAX_ENR_BYTES + 4)),
    ] {
        assert_eq!(Enr::parse(text), Err(expected), "{text:?}");
    }
}

proptest! {
    #[test]
    fn every_key_has_a_record_that_reads_back(seed in any::<[u8; 32]>()) {
        let Ok(key) = NodeKey::from_bytes(&seed) else { return Ok(()) };
        let enr = Enr::create(&key);
        prop_assert!(enr.text().starts_with("enr:-HW4Q"));
        prop_assert_eq!(*enr.public_key(), key.public());
        prop_assert_eq!(Enr::parse(enr.text()), Ok(enr));
    }

    #[test]
    fn a_changed_character_never_names_another_key(position in 4..160_usize, to in "[A-Za-z0-9_-]") {
        let Some(changed) = RECORD.get(..position).zip(RECORD.get(position + 1..)).map(|(head, tail)| format!("{head}{to}{tail}")) else { return Ok(()) };
        // The reader is lenient about headers and the last bits, but never about the key.
        if let Ok(enr) = Enr::parse(&changed) {
            prop_assert_eq!(*enr.public_key(), *Enr::parse(RECORD).unwrap().public_key());
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*", base in "[A-Za-z0-9_-]{0,300}") {
        let _ = Enr::parse(&text);
        let _ = Enr::parse(&format!("enr:{text}"));
        let _ = Enr::parse(&format!("enr:{base}"));
    }
}
