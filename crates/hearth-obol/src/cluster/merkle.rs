//! Building blocks of the hashes: leaves of a Merkle tree, and the ways to join them.
//!
//! Source: `obol-cluster.md` 3.1 and appendix A; consensus-specs, ssz/simple-serialize.md, "Merkleization".

use thiserror::Error;

/// Why a field cannot be hashed.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum Oversize {
    /// More bytes than the field may have.
    #[error("{length} bytes, at most {limit} allowed")]
    Bytes {
        /// Bytes it has.
        length: usize,
        /// Bytes it may have.
        limit: usize,
    },
    /// More entries than the list may have.
    #[error("{count} entries, at most {limit} allowed")]
    Entries {
        /// Entries it has.
        count: usize,
        /// Entries it may have.
        limit: usize,
    },
    /// Neither empty nor 20 bytes in hex.
    #[error("not an address of 20 bytes")]
    NotAnAddress,
    /// Not a whole number of signatures.
    #[error("{0} bytes are no whole number of 65-byte signatures")]
    NotSignatures(usize),
    /// The fee recipient of a registration is empty.
    #[error("the registration has no fee recipient")]
    NoFeeRecipient,
}

/// A node of the tree.
pub(super) type Chunk = [u8; 32];

const SIGNATURE_BYTES: usize = 65;
/// Signatures in the list of one wallet.
pub(super) const WALLET_SIGNATURES: usize = 32;

/// Leaves under construction, left to right.
#[derive(Default)]
pub(super) struct Leaves {
    bytes: Vec<u8>,
}

impl Leaves {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds the root of a subtree.
    pub(super) fn root(&mut self, root: Chunk) {
        self.bytes.extend_from_slice(&root);
    }

    /// Adds a number: little-endian, zero-padded.
    pub(super) fn number(&mut self, number: u64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self.pad();
    }

    /// Adds a byte string of fixed length, zeros on the left if it is short.
    pub(super) fn fixed(&mut self, bytes: &[u8], length: usize) -> Result<(), Oversize> {
        let missing =
            length.checked_sub(bytes.len()).ok_or(Oversize::Bytes { length: bytes.len(), limit: length })?;
        let mut padded = vec![0; missing];
        padded.extend_from_slice(bytes);
        self.raw_chunks(&padded);
        Ok(())
    }

    /// Adds a byte string of up to `limit` bytes, with its length.
    pub(super) fn byte_list(&mut self, bytes: &[u8], limit: usize) -> Result<(), Oversize> {
        if bytes.len() > limit {
            return Err(Oversize::Bytes { length: bytes.len(), limit });
        }
        self.root(with_length(merkle(bytes, limit.div_ceil(32)), bytes.len()));
        Ok(())
    }

    /// Adds bytes without their length, and no leaf at all for none.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.raw_chunks(bytes);
        }
    }

    /// Adds a list of numbers, four to a chunk.
    pub(super) fn numbers(
        &mut self,
        numbers: impl ExactSizeIterator<Item = u64>,
        limit: usize,
    ) -> Result<(), Oversize> {
        let count = numbers.len();
        if count > limit {
            return Err(Oversize::Entries { count, limit });
        }
        let packed: Vec<u8> = numbers.flat_map(u64::to_le_bytes).collect();
        self.root(with_length(merkle(&packed, (limit * 8).div_ceil(32)), count));
        Ok(())
    }

    /// Adds the list of signatures of one wallet, which come joined.
    pub(super) fn signature_list(&mut self, joined: &[u8]) -> Result<(), Oversize> {
        if !joined.len().is_multiple_of(SIGNATURE_BYTES) {
            return Err(Oversize::NotSignatures(joined.len()));
        }
        let signatures = joined.chunks(SIGNATURE_BYTES);
        self.list(signatures, WALLET_SIGNATURES, |signature, to| to.fixed(signature, SIGNATURE_BYTES))
    }

    /// Adds a list. `entry` adds the leaf of each entry.
    pub(super) fn list<T>(
        &mut self,
        entries: impl ExactSizeIterator<Item = T>,
        limit: usize,
        mut entry: impl FnMut(T, &mut Leaves) -> Result<(), Oversize>,
    ) -> Result<(), Oversize> {
        let count = entries.len();
        if count > limit {
            return Err(Oversize::Entries { count, limit });
        }
        let mut leaves = Leaves::new();
        for each in entries {
            entry(each, &mut leaves)?;
        }
        self.root(with_length(merkle(&leaves.bytes, limit), count));
        Ok(())
    }

    /// The root of a container with these leaves: one leaf is its own root, none is zeros.
    pub(super) fn container(self) -> Chunk {
        merkle(&self.bytes, 0)
    }

    fn raw_chunks(&mut self, bytes: &[u8]) {
        self.root(merkle(bytes, 0));
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(32), 0);
    }
}

/// Root over chunks of 32 bytes, as if there were at least `limit` of them.
fn merkle(bytes: &[u8], limit: usize) -> Chunk {
    tree_hash::merkle_root(bytes, limit).0
}

fn with_length(root: Chunk, length: usize) -> Chunk {
    tree_hash::mix_in_length(&root.into(), length).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{bytes, vector_json};

    fn root(add: impl FnOnce(&mut Leaves) -> Result<(), Oversize>) -> Chunk {
        let mut leaves = Leaves::new();
        add(&mut leaves).unwrap();
        leaves.container()
    }

    #[test]
    fn leaves_have_the_roots_of_the_specification() {
        let Some(json) = vector_json("ssz/primitives.json") else { return };
        let rows = |kind: &str| json[kind].as_array().unwrap().clone();
        let size = |field: &serde_json::Value| field.as_u64().unwrap() as usize;
        for row in rows("byte_list") {
            let made = root(|to| to.byte_list(&bytes(&row["hex"]), size(&row["limit"])));
            assert_eq!(made[..], bytes(&row["root"]), "{}", row["name"]);
        }
        for row in rows("fixed_bytes") {
            let made = root(|to| to.fixed(&bytes(&row["hex"]), size(&row["n"])));
            assert_eq!(made[..], bytes(&row["root"]), "{}", row["name"]);
        }
        for row in rows("address") {
            assert_eq!(root(|to| to.fixed(&bytes(&row["address"]), 20))[..], bytes(&row["root"]));
        }
        for row in rows("k1_signature_list") {
            let made = root(|to| to.signature_list(&bytes(&row["hex"])));
            assert_eq!(made[..], bytes(&row["root"]), "{}", row["name"]);
        }
        for row in rows("uint64_list_limit256") {
            let values: Vec<u64> =
                row["values"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect();
            assert_eq!(root(|to| to.numbers(values.into_iter(), 256))[..], bytes(&row["root"]));
        }
        for row in rows("two_field_container") {
            let made = root(|to| {
                for (field, value) in row.as_object().unwrap() {
                    match field.split_once('_').map_or("", |(_, kind)| kind) {
                        "uint64" => to.number(value.as_u64().unwrap()),
                        "byte_list" => to.byte_list(&bytes(&value["hex"]), size(&value["limit"]))?,
                        "fixed_bytes" => to.fixed(&bytes(&value["hex"]), size(&value["n"]))?,
                        "address" => to.fixed(&bytes(value), 20)?,
                        _ => {}
                    }
                }
                Ok(())
            });
            assert_eq!(made[..], bytes(&row["root"]), "{row}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut leaves = Leaves::new();
        assert_eq!(leaves.fixed(&[0; 5], 4), Err(Oversize::Bytes { length: 5, limit: 4 }));
        assert_eq!(leaves.byte_list(&[0; 17], 16), Err(Oversize::Bytes { length: 17, limit: 16 }));
        assert_eq!(leaves.numbers([1, 2].into_iter(), 1), Err(Oversize::Entries { count: 2, limit: 1 }));
        assert_eq!(leaves.signature_list(&[0; 64]), Err(Oversize::NotSignatures(64)));
        assert_eq!(leaves.signature_list(&[0; 65 * 33]), Err(Oversize::Entries { count: 33, limit: 32 }));
        assert_eq!(leaves.container(), [0; 32]);
    }

    #[test]
    fn one_leaf_is_its_own_root_and_short_fields_are_padded_on_the_left() {
        assert_eq!(root(|to| to.fixed(&[1, 2], 4))[..6], [0, 0, 1, 2, 0, 0]);
        assert_eq!(root(|_| Ok(())), [0; 32]);
        let mut raw = Leaves::new();
        raw.raw(&[]);
        assert_eq!(raw.container(), [0; 32]);
    }
}
