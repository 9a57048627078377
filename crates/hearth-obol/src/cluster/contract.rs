//! Wallets that are contracts (a Safe, say): what to ask the execution layer about their signatures, and what its answer
//! means. Asking is the caller's, who tells [`super::Networks::accepting`] what was accepted.
//!
//! Source: EIP-1271; `obol-cluster.md` 4.5.

use hearth_types::ExecutionAddress;

/// First four bytes of the call, and of the answer that means yes.
const MAGIC: [u8; 4] = [0x16, 0x26, 0xba, 0x7e];
/// Bytes of a word of the contract ABI.
const WORD: usize = 32;

/// A signature that was not made with the key of its account, so that only the account itself can say whether it is one.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ContractSignature {
    /// Who should have signed.
    pub account: ExecutionAddress,
    /// What should be signed.
    pub digest: [u8; 32],
    /// The signature: as many times 65 bytes as the wallet has signers.
    pub signature: Vec<u8>,
}

impl ContractSignature {
    /// Data of the call `isValidSignature(bytes32, bytes)` to the account.
    pub fn call_data(&self) -> Vec<u8> {
        let word = |number: usize| {
            let mut word = [0; WORD];
            word.iter_mut().rev().zip(number.to_le_bytes()).for_each(|(to, from)| *to = from);
            word
        };
        let mut data = MAGIC.to_vec();
        data.extend_from_slice(&self.digest);
        // The bytes begin after the two words of the head.
        data.extend_from_slice(&word(2 * WORD));
        data.extend_from_slice(&word(self.signature.len()));
        data.extend_from_slice(&self.signature);
        data.resize(data.len() + self.signature.len().next_multiple_of(WORD) - self.signature.len(), 0);
        data
    }

    /// Whether what the call returned means that the account has signed. A call that reverts returns nothing.
    pub fn is_accepted(returned: &[u8]) -> bool {
        returned.len() >= WORD && returned.starts_with(&MAGIC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_has_the_layout_of_the_contract_abi() {
        let digest: [u8; 32] = std::array::from_fn(|at| at as u8);
        for (bytes, padded) in [(0, 0), (1, 32), (32, 32), (65, 96), (130, 160)] {
            let question = ContractSignature {
                account: ExecutionAddress::new([9; 20]),
                digest,
                signature: vec![0xab; bytes],
            };
            let expected = format!(
                "1626ba7e{}{:064x}{:064x}{}{}",
                hex::encode(digest),
                64,
                bytes,
                "ab".repeat(bytes),
                "00".repeat(padded - bytes)
            );
            assert_eq!(hex::encode(question.call_data()), expected, "{bytes} bytes");
        }
    }

    #[test]
    fn only_the_magic_word_means_yes() {
        let word = |start: &[u8]| [start, &vec![0; 32 - start.len()]].concat();
        for (name, returned, accepted) in [
            ("magic", word(&MAGIC), true),
            ("magic and more", [word(&MAGIC), vec![1; 32]].concat(), true),
            ("magic with rubbish behind", word(&[0x16, 0x26, 0xba, 0x7e, 0xff]), true),
            ("magic alone, no word", MAGIC.to_vec(), false),
            ("nothing", vec![], false),
            ("zero", word(&[]), false),
            (
                "true",
                {
                    let mut w = word(&[]);
                    w[31] = 1;
                    w
                },
                false,
            ),
            ("refusal", word(&[0xff, 0xff, 0xff, 0xff]), false),
        ] {
            assert_eq!(ContractSignature::is_accepted(&returned), accepted, "{name}");
        }
    }
}
