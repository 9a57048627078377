//! The words between a key and whoever holds its file.

use rand::CryptoRng;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// A password in the form that EIP-2335 feeds to the key derivation. Wiped on drop, never printed.
///
/// Form: NFKD, without the control characters C0 (U+0000–U+001F), DEL and C1 (U+0080–U+009F), in UTF-8. A line
/// break at the end of a password file therefore does not matter.
///
/// Source: EIP-2335, "Password requirements".
pub struct Password {
    /// As it was given. Neither form below leads back to both: stripping may leave letters that normalise differently.
    given: Zeroizing<String>,
    normalised: Zeroizing<String>,
    /// The library behind Charon keeps C1, against the EIP. Its form, where it differs.
    with_c1: Option<Zeroizing<String>>,
}

impl Password {
    /// Takes a password as somebody typed it or as a file holds it.
    pub fn new(text: &str) -> Self {
        let normalised = normalise(text, |c| c.is_control());
        let with_c1 = normalise(text, |c| c.is_ascii_control());
        let with_c1 = (*normalised != *with_c1).then_some(with_c1);
        Self { given: Zeroizing::new(text.to_owned()), normalised, with_c1 }
    }

    /// A random password of 128 bits: 32 lower-case hex digits, as Obol's tools write them.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; 16]);
        rng.fill_bytes(&mut *bytes);
        Self::from_random(&bytes)
    }

    pub(crate) fn from_random(bytes: &[u8; 16]) -> Self {
        Self::new(&Zeroizing::new(hex::encode(bytes)))
    }

    /// The password itself, to be put where the owner will find it and nowhere else. Opens whatever this one opens.
    pub fn reveal(&self) -> &str {
        &self.given
    }

    /// What a new keystore derives its key from.
    pub(super) fn normalised(&self) -> &[u8] {
        self.normalised.as_bytes()
    }

    /// Whether every EIP-2335 reader derives the same key from it.
    pub(super) const fn is_portable(&self) -> bool {
        self.with_c1.is_none()
    }

    /// What the writer of a keystore may have derived its key from, likeliest first.
    pub(super) fn forms(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.normalised.as_bytes()).chain(self.with_c1.iter().map(|form| form.as_bytes()))
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}

fn normalise(text: &str, stripped: fn(&char) -> bool) -> Zeroizing<String> {
    let form = || text.nfkd().filter(|c| !stripped(c));
    // Measured first: a string that grows leaves copies of the password behind.
    let mut normalised = Zeroizing::new(String::with_capacity(form().map(char::len_utf8).sum()));
    normalised.extend(form());
    normalised
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_stripped_and_letters_are_decomposed() {
        for (name, text, expected) in [
            ("plain", "b919b2444a86", "b919b2444a86"),
            ("line break of a text file", "secret\r\n", "secret"),
            ("composed letter", "passw\u{f6}rd", "passwo\u{308}rd"),
            ("compatibility letters, EIP-2335 test vector", "𝔱𝔢𝔰𝔱𝔭𝔞𝔰𝔰𝔴𝔬𝔯𝔡🔑", "testpassword🔑"),
            ("all of C0 and DEL", "\0a\u{1}b\u{1f}c\u{7f}", "abc"),
            ("C1", "a\u{80}b\u{9f}c", "abc"),
            ("spaces stay", " a b ", " a b "),
            ("nothing", "", ""),
        ] {
            assert_eq!(Password::new(text).normalised(), expected.as_bytes(), "{name}");
        }
    }

    #[test]
    fn only_c1_characters_make_readers_disagree() {
        assert!(Password::new("plain\u{1}\n\u{7f}ö").is_portable());
        let disputed = Password::new("a\u{80}b");
        assert!(!disputed.is_portable());
        assert_eq!(disputed.forms().collect::<Vec<_>>(), [b"ab".as_slice(), "a\u{80}b".as_bytes()]);
    }

    #[test]
    fn debug_output_does_not_tell_the_password() {
        assert_eq!(format!("{:?}", Password::new("hunter2")), "Password(..)");
    }
}
