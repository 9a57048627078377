//! What a node signs, with its own key, when it talks to Obol's public service about exits and test results. Nothing here
//! talks.
//!
//! Source: `obol-cluster.md` 11.

use hearth_types::{Epoch, LockHash, Root, ShareIndex, ValidatorIndex, ValidatorPubkey};

use super::MAX_VALIDATORS;
use super::merkle::{Leaves, Oversize};

/// A validator's exit, signed by one share of its key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PartialExit {
    /// The validator.
    pub validator: ValidatorPubkey,
    /// First epoch in which the exit may be included.
    pub epoch: Epoch,
    /// The validator's number on the chain.
    pub validator_index: ValidatorIndex,
    /// Signature of the share; 96 bytes.
    pub signature: Vec<u8>,
}

/// What is signed under exits that are handed in. They are sorted by the validators' numbers.
pub fn partial_exits_root(exits: &[PartialExit], share: ShareIndex) -> Result<Root, Oversize> {
    let mut request = Leaves::new();
    request.list(exits.iter(), MAX_VALIDATORS, |exit, to| {
        let mut message = Leaves::new();
        message.number(exit.epoch.get());
        message.number(exit.validator_index.get());
        let mut signed = Leaves::new();
        signed.root(message.container());
        signed.fixed(&exit.signature, 96)?;
        let mut leaves = Leaves::new();
        leaves.fixed(exit.validator.as_bytes(), 48)?;
        leaves.root(signed.container());
        to.root(leaves.container());
        Ok(())
    })?;
    request.number(share.get().into());
    Ok(Root::new(request.container()))
}

/// What is signed to fetch or delete what was handed in for a validator.
pub fn exit_access_root(
    cluster: LockHash,
    validator: ValidatorPubkey,
    share: ShareIndex,
) -> Result<Root, Oversize> {
    let mut access = Leaves::new();
    access.fixed(cluster.as_bytes(), 32)?;
    access.fixed(validator.as_bytes(), 48)?;
    access.number(share.get().into());
    Ok(Root::new(access.container()))
}

/// What is signed under the result of a test, which is JSON.
pub fn test_result_root(json: &[u8]) -> Root {
    let mut result = Leaves::new();
    result.raw(json);
    Root::new(result.container())
}

#[cfg(test)]
mod tests {
    use hearth_crypto::k1::NodeKey;
    use serde_json::Value;

    use super::*;
    use crate::cluster::testing::{bytes, vector_json};

    fn number(field: &Value) -> u64 {
        field.as_str().unwrap().parse().unwrap()
    }

    fn share(field: &Value) -> ShareIndex {
        ShareIndex::new(u8::try_from(field.as_u64().unwrap()).unwrap()).unwrap()
    }

    fn pubkey(field: &Value) -> ValidatorPubkey {
        ValidatorPubkey::new(bytes(field).try_into().unwrap())
    }

    #[test]
    fn roots_and_signatures_are_those_of_the_specification() {
        let Some(vector) = vector_json("obol-api/signing.json") else { return };
        let key = NodeKey::from_hex(vector["node_private_key"].as_str().unwrap()).unwrap();

        let access = &vector["full_exit_auth"];
        let cluster = LockHash::new(bytes(&vector["lock_hash"]).try_into().unwrap());
        let root =
            exit_access_root(cluster, pubkey(&access["validator_pubkey"]), share(&access["share_index"]))
                .unwrap();
        assert_eq!(root.as_bytes()[..], bytes(&access["root"]));
        let header = format!("Bearer 0x{}", hex::encode(key.sign(root.as_bytes())));
        assert_eq!(header, access["authorization_header"].as_str().unwrap());

        let body = &vector["partial_exit_request"]["body"];
        let exits: Vec<PartialExit> = body["partial_exits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|exit| PartialExit {
                validator: pubkey(&exit["public_key"]),
                epoch: Epoch::new(number(&exit["signed_exit_message"]["message"]["epoch"])),
                validator_index: ValidatorIndex::new(number(
                    &exit["signed_exit_message"]["message"]["validator_index"],
                )),
                signature: bytes(&exit["signed_exit_message"]["signature"]),
            })
            .collect();
        let root = partial_exits_root(&exits, share(&body["share_idx"])).unwrap();
        assert_eq!(root.as_bytes()[..], bytes(&vector["partial_exit_request"]["root"]));
        assert_eq!(key.sign(root.as_bytes())[..], bytes(&body["signature"]));

        let test = &vector["test_result_signing"];
        assert_eq!(test_result_root(&bytes(&test["json_bytes_hex"])).as_bytes()[..], bytes(&test["root"]));
    }

    #[test]
    fn every_part_of_a_request_changes_what_is_signed() {
        let exit = PartialExit {
            validator: ValidatorPubkey::new([1; 48]),
            epoch: Epoch::new(2),
            validator_index: ValidatorIndex::new(3),
            signature: vec![4; 96],
        };
        let first = ShareIndex::new(1).unwrap();
        let root = |exit: &PartialExit, share| partial_exits_root(std::slice::from_ref(exit), share).unwrap();
        let plain = root(&exit, first);
        for (name, other) in [
            ("validator", PartialExit { validator: ValidatorPubkey::new([9; 48]), ..exit.clone() }),
            ("epoch", PartialExit { epoch: Epoch::new(9), ..exit.clone() }),
            ("number", PartialExit { validator_index: ValidatorIndex::new(9), ..exit.clone() }),
            ("signature", PartialExit { signature: vec![9; 96], ..exit.clone() }),
        ] {
            assert_ne!(root(&other, first), plain, "{name}");
        }
        assert_ne!(root(&exit, ShareIndex::new(2).unwrap()), plain);
        assert!(partial_exits_root(&[PartialExit { signature: vec![0; 97], ..exit }], first).is_err());
    }
}
