//! Records of node keys: as text, as bytes behind the text, and as content behind a signature that is right.

use std::sync::LazyLock;

use data_encoding::BASE64URL_NOPAD;
use hearth_crypto::k1::{NodeKey, keccak256};
use hearth_obol::enr::{Enr, MAX_ENR_BYTES};

use crate::assert_is_a_line;

/// Who signs what is found. His public key is part of some files in the corpus, and of the dictionary.
static SIGNATORY: LazyLock<NodeKey> =
    LazyLock::new(|| NodeKey::from_bytes(&[0x45; 32]).expect("a number below the order of the curve"));

/// Reads the bytes in all three forms. Bytes in the length of a key are a key as well, which gets its record.
///
/// A text in base64 tells a fuzzer little, and a signature cannot be guessed: only the third form shows what the reader
/// does with records that are hostile and yet signed.
pub fn enr(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        check_text(text);
    }
    check_text(&text_of(input));
    check_signed(input);
    if let Some(key) = input.try_into().ok().and_then(|bytes| NodeKey::from_bytes(bytes).ok()) {
        check_created(&key);
    }
}

/// A record that was read is read again from its own text, padded or not, and names the same key.
fn check_text(text: &str) {
    match Enr::parse(text) {
        Ok(enr) => {
            assert!(enr.text().len() <= MAX_ENR_BYTES && enr.text().starts_with("enr:"));
            assert_eq!(text.trim_end_matches('='), enr.text());
            assert_eq!(Enr::parse(enr.text()).as_ref(), Ok(&enr));
            let padded = format!("{}==", enr.text());
            if padded.len() <= MAX_ENR_BYTES {
                assert_eq!(Enr::parse(&padded), Ok(enr));
            }
        }
        Err(error) => assert_is_a_line(&error),
    }
}

/// A record with this content, signed by [`SIGNATORY`] if it is named there: if the record is read, no bit of it may
/// change.
fn check_signed(content: &[u8]) {
    let public = SIGNATORY.public();
    let digest = keccak256(&list(content));
    // Signing is slow. Where the key is not named, the reader never gets as far as the signature, or refuses any.
    let named = content.windows(33).any(|bytes| bytes == public.to_bytes());
    let [signature @ .., _v] = if named { SIGNATORY.sign(&digest) } else { [1; 65] };
    // A string of 64 bytes has a header of two.
    let header = [0xb8, 64];
    let record = list(&[&header[..], &signature, content].concat());
    let text = text_of(&record);
    check_text(&text);
    let Ok(enr) = Enr::parse(&text) else { return };
    assert_eq!(*enr.public_key(), public);
    let mut changed = record;
    flip_one_bit(&mut changed, content.len(), digest);
    assert!(Enr::parse(&text_of(&changed)).is_err(), "{text} is still signed with a bit changed");
}

/// Flips a bit among the last bytes of the record; the digest chooses which.
fn flip_one_bit(record: &mut [u8], last: usize, digest: [u8; 32]) {
    let [first, second, third, ..] = digest;
    let at = usize::from(u16::from_be_bytes([first, second])) % last.max(1);
    if let Some(byte) = record.iter_mut().rev().nth(at) {
        *byte ^= 1 << (third % 8);
    }
}

/// Every key has a record, and it is read.
fn check_created(key: &NodeKey) {
    let enr = Enr::create(key);
    assert_eq!(*enr.public_key(), key.public());
    assert_eq!(Enr::parse(enr.text()), Ok(enr));
}

fn text_of(record: &[u8]) -> String {
    format!("enr:{}", BASE64URL_NOPAD.encode(record))
}

/// A list in RLP, written here a second time so that reader and writer do not share an error.
///
/// Source: Ethereum Yellow Paper, appendix B.
fn list(content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits: Vec<u8> = length.into_iter().skip_while(|digit| *digit == 0).collect();
    let header = match content.len() {
        short @ ..56 => vec![0xc0 + short as u8],
        _ => [&[0xf7 + digits.len() as u8][..], &digits].concat(),
    };
    [&header[..], content].concat()
}
