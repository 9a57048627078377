//! Six words for a plan, to be read aloud: who hears the same words agreed to the same plan.
//!
//! They are not a secret and look unlike a seed phrase: no word is on the list of BIP-39. `words.txt` has 2,048 words of
//! the EFF's long list for dice (Electronic Frontier Foundation, CC BY 3.0 US), of four to seven letters, of which no two
//! differ in one letter only or begin with the same five.

use hearth_types::Root;

const LIST: &str = include_str!("words.txt");
/// Bits of the hash that a word stands for: the list has 2^11 words.
const BITS: usize = 11;
/// Words that are compared: together they stand for the first 66 bits.
pub const MATCHING_WORDS: usize = 6;

/// The words of a definition hash.
pub fn matching_words(definition_hash: &Root) -> [&'static str; MATCHING_WORDS] {
    let bytes = definition_hash.as_bytes();
    let bit = |at: usize| bytes.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1);
    std::array::from_fn(|word| {
        let number = (0..BITS).fold(0, |number, at| number << 1 | usize::from(bit(word * BITS + at)));
        LIST.lines().nth(number).expect("the list has a word for every number of 11 bits")
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_list_has_a_distinct_word_for_every_number() {
        let words: Vec<&str> = LIST.lines().collect();
        assert_eq!(words.len(), 1 << BITS);
        assert!(words.is_sorted());
        assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len());
        assert!(words.iter().all(
            |word| (4..=7).contains(&word.len()) && word.bytes().all(|letter| letter.is_ascii_lowercase())
        ));
        // Words of BIP-39 that the EFF's list has too.
        assert!(["abandon", "zebra", "acid", "ocean", "river"].iter().all(|seed| !words.contains(seed)));
    }

    #[test]
    fn each_of_the_first_66_bits_changes_one_word_and_no_other_bit_does() {
        let hash = [0x5a; 32];
        let words = matching_words(&Root::new(hash));
        for bit in 0..256 {
            let mut other = hash;
            other[bit / 8] ^= 0x80 >> (bit % 8);
            let others = matching_words(&Root::new(other));
            let differ: Vec<usize> = (0..MATCHING_WORDS).filter(|at| words[*at] != others[*at]).collect();
            let expected = if bit < 66 { vec![bit / BITS] } else { vec![] };
            assert_eq!(differ, expected, "bit {bit}");
        }
    }

    #[test]
    fn the_words_of_a_hash_never_change() {
        assert_eq!(matching_words(&Root::new([0; 32])), ["abacus"; MATCHING_WORDS]);
        assert_eq!(matching_words(&Root::new([0xff; 32])), [LIST.lines().last().unwrap(); MATCHING_WORDS]);
        let counting: [u8; 32] = std::array::from_fn(|at| at as u8 * 8);
        // Bits 00000000 000|01000 000100|00 00011000 0|0100000 0010|1000 0011000|0 00111000 01|…
        let numbers = [0, 0b01000000100, 0b00000110000, 0b01000000010, 0b10000011000, 0b00011100001];
        let expected = numbers.map(|number: usize| LIST.lines().nth(number).unwrap());
        assert_eq!(matching_words(&Root::new(counting)), expected);
    }
}
