//! What a wallet signs: typed data in the domain of Obol.
//!
//! Source: EIP-712; `obol-cluster.md` 4.1, 4.2.

use hearth_crypto::k1::keccak256;

/// A text that a wallet puts its name to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WalletMessage<'a> {
    /// The creator signs the config hash: `0x` and 64 lower-case hex digits.
    CreatorConfig(&'a str),
    /// An operator signs the config hash, since v1.4.
    OperatorConfig(&'a str),
    /// An operator signs the config hash in v1.3.
    LegacyConfig(&'a str),
    /// An operator signs the record of his node, exactly as in the file.
    Enr(&'a str),
}

impl WalletMessage<'_> {
    /// The 32 bytes that the wallet's key signs on this chain.
    pub fn digest(self, chain_id: u64) -> [u8; 32] {
        let (kind, text) = match self {
            Self::CreatorConfig(text) => ("CreatorConfigHash(string creator_config_hash)", text),
            Self::OperatorConfig(text) => ("OperatorConfigHash(string operator_config_hash)", text),
            Self::LegacyConfig(text) => ("ConfigHash(string config_hash)", text),
            Self::Enr(text) => ("ENR(string enr)", text),
        };
        let message = joined(&[keccak256(kind.as_bytes()), keccak256(text.as_bytes())]);
        keccak256(&[&[0x19, 0x01][..], &domain_separator(chain_id), &message].concat())
    }
}

fn domain_separator(chain_id: u64) -> [u8; 32] {
    let mut chain = [0; 32];
    chain.iter_mut().rev().zip(chain_id.to_le_bytes()).for_each(|(to, from)| *to = from);
    joined(&[
        keccak256(b"EIP712Domain(string name,string version,uint256 chainId)"),
        keccak256(b"Obol"),
        keccak256(b"1"),
        chain,
    ])
}

fn joined(words: &[[u8; 32]]) -> [u8; 32] {
    keccak256(words.as_flattened())
}
