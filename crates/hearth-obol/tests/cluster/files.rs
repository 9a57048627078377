//! Reading, hashing and writing: every file keeps its hashes, and those of other tools keep every byte.

use hearth_obol::cluster::{Definition, Lock};
use serde_json::json;

use crate::support::{latest_lock, own_locks, rows, vectors_in};
use crate::vectors::bytes;

#[test]
fn definitions_of_every_version_keep_their_hashes_and_every_byte() {
    for (name, json) in vectors_in("definition", "cluster_definition") {
        let definition = Definition::from_json(&json).unwrap();
        assert_definition_hashes(&name, &definition);
        assert_eq!(definition.to_json().unwrap(), String::from_utf8(json).unwrap(), "{name}");
    }
}

#[test]
fn locks_of_every_version_keep_their_hashes_and_every_byte() {
    for files in [vectors_in("lock", "cluster_lock"), vectors_in("lock-signed", ""), own_locks()] {
        for (name, json) in files {
            let lock = Lock::from_json(&json).unwrap();
            assert_hashes(&name, &lock);
            assert_eq!(lock.to_json().unwrap(), String::from_utf8(json).unwrap(), "{name}");
        }
    }
}

#[test]
fn files_of_real_clusters_keep_their_hashes() {
    for (name, json) in vectors_in("examples", "cluster-lock") {
        let lock = Lock::from_json(&json).unwrap();
        assert_hashes(&name, &lock);
        assert_eq!(Lock::from_json(lock.to_json().unwrap().as_bytes()).unwrap(), lock, "{name}");
    }
    for (name, json) in vectors_in("examples", "cluster-definition") {
        assert_definition_hashes(&name, &Definition::from_json(&json).unwrap());
    }
}

fn assert_hashes(name: &str, lock: &Lock) {
    assert_definition_hashes(name, &lock.definition);
    assert_eq!(lock.compute_lock_hash().unwrap().as_bytes()[..], lock.lock_hash, "{name}");
}

fn assert_definition_hashes(name: &str, definition: &Definition) {
    assert_eq!(definition.compute_config_hash().unwrap().as_bytes()[..], definition.config_hash, "{name}");
    let computed = definition.compute_definition_hash().unwrap();
    assert_eq!(computed.as_bytes()[..], definition.definition_hash, "{name}");
}

#[test]
fn the_hashes_of_small_definitions_are_those_of_the_specification() {
    for row in rows("ssz/small-definitions.json") {
        let definition = Definition::from_json(row["definition"].to_string().as_bytes()).unwrap();
        let root = match row["kind"].as_str().unwrap() {
            "config" => definition.compute_config_hash(),
            _ => definition.compute_definition_hash(),
        };
        assert_eq!(root.unwrap().as_bytes()[..], bytes(&row["root"]), "{}", row["name"]);
    }
    for row in rows("ssz/self-definitions-v1_11.json") {
        let mut definition = Definition::from_json(row["definition"].to_string().as_bytes()).unwrap();
        definition.rehash().unwrap();
        assert_eq!(definition.config_hash, bytes(&row["config_hash"]), "{}", row["name"]);
        assert_eq!(definition.definition_hash, bytes(&row["definition_hash"]), "{}", row["name"]);
    }
}

#[test]
fn a_file_is_read_with_its_keys_in_any_order_unknown_keys_nulls_and_either_form_of_hex() {
    let mut json = latest_lock();
    let plain = Lock::from_json(json.to_string().as_bytes()).unwrap();
    json["from_the_future"] = json!({ "deep": [1, { "deeper": null }] });
    json["cluster_definition"]["nonce"] = json!("of no version");
    json["lock_hash"] = json!(hex::encode_upper(&plain.lock_hash));
    json["cluster_definition"]["creator"]["x"] = json!(null);
    assert_eq!(Lock::from_json(json.to_string().as_bytes()).unwrap(), plain);

    json["signature_aggregate"] = json!(null);
    json["node_signatures"] = json!(null);
    let bare = Lock::from_json(json.to_string().as_bytes()).unwrap();
    assert_eq!(bare, Lock { signature_aggregate: vec![], node_signatures: vec![], ..plain });
}

#[test]
fn what_is_absent_is_written_as_other_tools_write_it() {
    let written = |json: serde_json::Value| {
        Definition::from_json(json.to_string().as_bytes()).unwrap().to_json().unwrap()
    };
    let bare = written(json!({ "version": "v1.11.0" }));
    assert!(bare.starts_with("{\n \"creator\": {\n  \"address\": \"\",\n  \"config_signature\": \"\"\n },\n \"operators\": null,\n \"uuid\": \"\",\n"));
    assert!(bare.contains("\n \"deposit_amounts\": null,\n") && !bare.contains("timestamp"));
    let empty =
        written(json!({ "version": "v1.11.0", "deposit_amounts": [], "name": "<&>\u{2028}\"\\\n\u{1}é" }));
    assert!(empty.contains("\n \"deposit_amounts\": [],\n"));
    assert!(empty.contains(r#""name": "\u003c\u0026\u003e\u2028\"\\\n\u0001é""#), "{empty}");

    let lock = |version: &str| {
        let json = json!({ "cluster_definition": { "version": version, "num_validators": 0 },
            "distributed_validators": [{}] });
        Lock::from_json(json.to_string().as_bytes()).unwrap()
    };
    let v1_6 = lock("v1.6.0").to_json().unwrap();
    assert!(v1_6.contains(concat!(
        "  {\n   \"distributed_public_key\": \"\",\n   \"deposit_data\": {\n    \"pubkey\": \"\",\n",
        "    \"withdrawal_credentials\": \"\",\n    \"amount\": \"0\",\n    \"signature\": \"\"\n   }\n  }\n"
    )), "{v1_6}");
    assert!(!v1_6.contains("node_signatures"));
    assert!(lock("v1.9.0").to_json().is_err(), "a registration without fee recipient has no hash");
}
