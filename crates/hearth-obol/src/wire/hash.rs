//! The hash by which values are named and over which node keys sign.

/// Merkle root of a message's deterministic bytes in chunks of 32, padded with zeros to a power of two, without
/// its length. Empty input gives zeros.
///
/// Source: `obol-p2p.md` 7.6.
pub fn proto_hash(deterministic: &[u8]) -> [u8; 32] {
    tree_hash::merkle_root(deterministic, 0).0
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// The definition, written down: split, pad, hash pairs until one is left.
    fn by_definition(bytes: &[u8]) -> [u8; 32] {
        let mut level: Vec<[u8; 32]> = bytes
            .chunks(32)
            .map(|chunk| {
                let mut padded = [0; 32];
                padded[..chunk.len()].copy_from_slice(chunk);
                padded
            })
            .collect();
        level.resize(level.len().next_power_of_two(), [0; 32]);
        while level.len() > 1 {
            level = level.chunks(2).map(|pair| Sha256::digest(pair.concat()).into()).collect();
        }
        level[0]
    }

    #[test]
    fn the_hash_is_the_root_of_a_zero_padded_tree_at_every_length() {
        let bytes: Vec<u8> = (0..700_u16).map(|i| (i % 251) as u8 + 1).collect();
        for length in 0..=bytes.len() {
            assert_eq!(proto_hash(&bytes[..length]), by_definition(&bytes[..length]), "{length} bytes");
        }
    }
}
