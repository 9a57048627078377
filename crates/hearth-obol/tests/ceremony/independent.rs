//! The rules of the specification for a finished lock, written down once more and from the JSON alone: what wrote the file, and what
//! Hearth judges files by, has no part in it.
//!
//! Source: `obol-cluster.md` 3, 5.2, 5.3, 6.

use hearth_crypto::k1::{NodePublicKey, recover};
use hearth_crypto::{PublicKey, Signature, threshold};
use hearth_types::{OperatorIndex, ShareIndex, SigningRoot};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

type Leaf = [u8; 32];

fn hash(left: &Leaf, right: &Leaf) -> Leaf {
    Sha256::new().chain_update(left).chain_update(right).finalize().into()
}

/// Padded with zero subtrees to the next power of two of `limit`.
fn merkle(mut leaves: Vec<Leaf>, limit: usize) -> Leaf {
    let depth = limit.max(1).next_power_of_two().trailing_zeros();
    let mut zero = [0; 32];
    for _ in 0..depth {
        if leaves.len() % 2 == 1 {
            leaves.push(zero);
        }
        leaves = leaves.chunks(2).map(|pair| hash(&pair[0], &pair[1])).collect();
        zero = hash(&zero, &zero);
    }
    leaves.first().copied().unwrap_or(zero)
}

fn container(leaves: Vec<Leaf>) -> Leaf {
    let count = leaves.len();
    merkle(leaves, count)
}

fn u64_leaf(number: u64) -> Leaf {
    let mut leaf = [0; 32];
    leaf[..8].copy_from_slice(&number.to_le_bytes());
    leaf
}

fn chunks(bytes: &[u8]) -> Vec<Leaf> {
    let chunk = |chunk: &[u8]| {
        let mut leaf = [0; 32];
        leaf[..chunk.len()].copy_from_slice(chunk);
        leaf
    };
    bytes.chunks(32).map(chunk).collect()
}

fn bytes_n(bytes: &[u8], length: usize) -> Leaf {
    assert!(bytes.len() <= length);
    let padded = [vec![0; length - bytes.len()], bytes.to_vec()].concat();
    container(chunks(&padded))
}

fn byte_list(bytes: &[u8], limit: usize) -> Leaf {
    assert!(bytes.len() <= limit);
    hash(&merkle(chunks(bytes), limit.div_ceil(32)), &u64_leaf(bytes.len() as u64))
}

fn list(leaves: Vec<Leaf>, limit: usize) -> Leaf {
    let count = leaves.len() as u64;
    hash(&merkle(leaves, limit), &u64_leaf(count))
}

fn u64_list(numbers: &[u64], limit: usize) -> Leaf {
    let packed: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    hash(&merkle(chunks(&packed), limit * 8 / 32), &u64_leaf(numbers.len() as u64))
}

fn signatures(bytes: &[u8]) -> Leaf {
    assert_eq!(bytes.len() % 65, 0);
    list(bytes.chunks(65).map(|signature| bytes_n(signature, 65)).collect(), 32)
}

fn text(json: &Value) -> &[u8] {
    json.as_str().unwrap_or_default().as_bytes()
}

fn hex_of(json: &Value) -> Vec<u8> {
    let text = json.as_str().unwrap_or_default();
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).unwrap()
}

fn number(json: &Value) -> u64 {
    json.as_u64().or_else(|| json.as_str()?.parse().ok()).unwrap()
}

fn items(json: &Value) -> &[Value] {
    json.as_array().map_or(&[], Vec::as_slice)
}

fn address(json: &Value) -> Leaf {
    bytes_n(&hex_of(json), 20)
}

/// The leaves of a definition of v1.11.
fn definition(json: &Value, whole: bool) -> Leaf {
    let operator = |entry: &Value| {
        let mut leaves = vec![address(&entry["address"])];
        if whole {
            leaves.push(byte_list(text(&entry["enr"]), 1_024));
            leaves.extend(["config_signature", "enr_signature"].map(|name| signatures(&hex_of(&entry[name]))));
        }
        container(leaves)
    };
    let mut creator = vec![address(&json["creator"]["address"])];
    if whole {
        creator.push(signatures(&hex_of(&json["creator"]["config_signature"])));
    }
    let validator = |entry: &Value| {
        container(vec![address(&entry["fee_recipient_address"]), address(&entry["withdrawal_address"])])
    };
    let amounts: Vec<u64> = items(&json["deposit_amounts"]).iter().map(number).collect();
    let mut leaves = vec![
        byte_list(text(&json["uuid"]), 64),
        byte_list(text(&json["name"]), 256),
        byte_list(text(&json["version"]), 16),
        byte_list(text(&json["timestamp"]), 32),
        u64_leaf(number(&json["num_validators"])),
        u64_leaf(number(&json["threshold"])),
        byte_list(text(&json["dkg_algorithm"]), 32),
        bytes_n(&hex_of(&json["fork_version"]), 4),
        list(items(&json["operators"]).iter().map(operator).collect(), 256),
        container(creator),
        list(items(&json["validators"]).iter().map(validator).collect(), 65_536),
        u64_list(&amounts, 256),
        byte_list(text(&json["consensus_protocol"]), 256),
        u64_leaf(number(&json["target_gas_limit"])),
        u64_leaf(u64::from(json["compounding"].as_bool().unwrap())),
    ];
    if whole {
        leaves.push(bytes_n(&hex_of(&json["config_hash"]), 32));
    }
    container(leaves)
}

fn deposit(json: &Value) -> (Leaf, Leaf) {
    let message = vec![
        bytes_n(&hex_of(&json["pubkey"]), 48),
        bytes_n(&hex_of(&json["withdrawal_credentials"]), 32),
        u64_leaf(number(&json["amount"])),
    ];
    let signed = [message.clone(), vec![bytes_n(&hex_of(&json["signature"]), 96)]].concat();
    (container(message), container(signed))
}

fn registration(json: &Value) -> (Leaf, Leaf) {
    let message = &json["message"];
    let message = container(vec![
        bytes_n(&hex_of(&message["fee_recipient"]), 20),
        u64_leaf(number(&message["gas_limit"])),
        u64_leaf(number(&message["timestamp"])),
        bytes_n(&hex_of(&message["pubkey"]), 48),
    ]);
    (message, container(vec![message, bytes_n(&hex_of(&json["signature"]), 96)]))
}

fn holds(key: &Value, (kind, fork): ([u8; 4], &[u8]), message: Leaf, signature: &Value) -> bool {
    let fork_data = container(vec![bytes_n(fork, 4), [0; 32]]);
    let domain = [&kind[..], &fork_data[..28]].concat();
    let root = container(vec![message, domain.try_into().unwrap()]);
    bls_signature(signature).verify(&bls_key(key), &SigningRoot::new(root))
}

fn bls_key(json: &Value) -> PublicKey {
    PublicKey::from_bytes(&hex_of(json).try_into().unwrap()).unwrap()
}

fn bls_signature(json: &Value) -> Signature {
    Signature::from_bytes(&hex_of(json).try_into().unwrap()).unwrap()
}

/// The key in a record: what follows the name `secp256k1` and a length of 33.
fn key_in(enr: &str) -> NodePublicKey {
    let text = enr.strip_prefix("enr:").unwrap();
    let record = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
    let name = record.windows(9).position(|bytes| bytes == b"secp256k1").unwrap();
    NodePublicKey::from_bytes(&record[name + 10..name + 43].try_into().unwrap()).unwrap()
}

/// Holds a lock of v1.11 against every rule.
pub(crate) fn check(lock_json: &str) {
    let lock: Value = serde_json::from_str(lock_json).unwrap();
    let plan = &lock["cluster_definition"];
    assert_eq!(plan["version"], "v1.11.0");
    assert_eq!(definition(plan, false).to_vec(), hex_of(&plan["config_hash"]), "config hash");
    assert_eq!(definition(plan, true).to_vec(), hex_of(&plan["definition_hash"]), "definition hash");
    let validators = items(&lock["distributed_validators"]);
    assert_eq!(validators.len() as u64, number(&plan["num_validators"]));
    let validator = |entry: &Value| {
        let shares = items(&entry["public_shares"]).iter().map(|share| bytes_n(&hex_of(share), 48));
        container(vec![
            bytes_n(&hex_of(&entry["distributed_public_key"]), 48),
            list(shares.collect(), 256),
            list(items(&entry["partial_deposit_data"]).iter().map(|one| deposit(one).1).collect(), 256),
            registration(&entry["builder_registration"]).1,
        ])
    };
    let validators_root = list(validators.iter().map(validator).collect(), 65_536);
    let lock_hash = container(vec![definition(plan, true), validators_root]);
    assert_eq!(lock_hash.to_vec(), hex_of(&lock["lock_hash"]), "lock hash");

    let fork = hex_of(&plan["fork_version"]);
    let operators = items(&plan["operators"]);
    let needed = usize::try_from(number(&plan["threshold"])).unwrap();
    let indexes: Vec<ShareIndex> =
        OperatorIndex::all(u8::try_from(operators.len()).unwrap()).map(OperatorIndex::share).collect();
    let mut all_shares = Vec::new();
    for (entry, addresses) in validators.iter().zip(items(&plan["validators"])) {
        let key = &entry["distributed_public_key"];
        let shares: Vec<PublicKey> = items(&entry["public_shares"]).iter().map(bls_key).collect();
        assert_eq!(shares.len(), operators.len());
        for last in needed - 1..shares.len() {
            let of = (0..needed - 1).chain([last]).map(|at| (indexes[at], shares[at])).collect::<Vec<_>>();
            assert_eq!(threshold::recombine_public(&of).unwrap(), bls_key(key), "one polynomial");
        }
        let kind = if plan["compounding"] == true { 2 } else { 1 };
        for one in items(&entry["partial_deposit_data"]) {
            let to = hex_of(&addresses["withdrawal_address"]);
            assert_eq!(hex_of(&one["withdrawal_credentials"]), [&[kind][..], &[0; 11], &to].concat());
            assert_eq!(one["pubkey"], *key);
            assert!(holds(key, ([3, 0, 0, 0], &fork), deposit(one).0, &one["signature"]), "a deposit");
        }
        let registered = &entry["builder_registration"];
        assert_eq!(
            hex_of(&registered["message"]["fee_recipient"]),
            hex_of(&addresses["fee_recipient_address"])
        );
        assert_eq!(registered["message"]["gas_limit"], plan["target_gas_limit"]);
        let message = registration(registered).0;
        assert!(holds(key, ([0, 0, 0, 1], &fork), message, &registered["signature"]), "a registration");
        all_shares.extend(shares);
    }
    let everybody = bls_signature(&lock["signature_aggregate"]);
    assert!(
        everybody.verify_aggregate(&all_shares, &SigningRoot::new(lock_hash)),
        "every share signed the lock"
    );
    let signed = items(&lock["node_signatures"]);
    assert_eq!(signed.len(), operators.len());
    for (signature, operator) in signed.iter().zip(operators) {
        let signer = recover(&lock_hash, &hex_of(signature)).unwrap();
        assert_eq!(signer, key_in(operator["enr"].as_str().unwrap()));
    }
}
