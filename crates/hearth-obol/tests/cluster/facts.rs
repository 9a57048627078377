//! Networks, thresholds and what wallets sign.

use hearth_crypto::k1::{NodeKey, checksum_address, ethereum_address, recover};
use hearth_obol::cluster::{Network, Networks, WalletMessage};
use hearth_types::{ForkVersion, Threshold};

use crate::support::rows;
use crate::vectors::bytes;

#[test]
fn networks_are_those_of_the_specification() {
    let networks = Networks::known();
    for row in rows("networks.json") {
        let network = networks.by_name(row["name"].as_str().unwrap()).unwrap();
        assert_eq!(network.fork_version.to_string(), row["genesis_fork_version"].as_str().unwrap());
        assert_eq!(network.chain_id, row["chain_id"].as_u64().unwrap());
        assert_eq!(network.genesis_time_s, row["genesis_time"].as_u64().unwrap());
        assert_eq!(
            network.capella_fork_version.unwrap().to_string(),
            row["capella_fork_version"].as_str().unwrap()
        );
        assert_eq!(networks.by_fork_version(network.fork_version), Some(network));
    }
    assert_eq!(networks.by_name("prater"), networks.by_name("goerli"));
    assert_eq!(networks.by_fork_version(ForkVersion::new([1, 1, 0x70, 0])), None);
}

#[test]
fn a_custom_network_needs_every_fact_and_goes_before_a_known_one() {
    let mainnet = ForkVersion::new([0; 4]);
    for (name, chain_id, genesis, complete) in
        [("x", 1, 1, true), ("", 1, 1, false), ("x", 0, 1, false), ("x", 1, 0, false)]
    {
        assert_eq!(Network::custom(name, mainnet, chain_id, genesis, None).is_ok(), complete);
    }
    let mine = Network::custom("mine", mainnet, 7, 8, None).unwrap();
    let networks = Networks::known().with(mine.clone());
    assert_eq!(networks.by_fork_version(mainnet), Some(&mine));
    assert_eq!(networks.by_name("mainnet").unwrap().chain_id, 1);
}

#[test]
fn the_usual_threshold_is_that_of_the_specification() {
    for row in rows("shamir/thresholds.json") {
        let (nodes, threshold) = (row["nodes"].as_u64().unwrap() as u8, row["threshold"].as_u64().unwrap());
        // Below two nodes there is no cluster, and ours does not go below a threshold of two.
        if nodes >= 2 {
            assert_eq!(Threshold::default_for(nodes).count() as u64, threshold, "{nodes} nodes");
        }
    }
}

#[test]
fn wallets_sign_the_digests_of_the_specification() {
    for row in rows("eip712/digests.json") {
        let Some(chain_id) = row["chain_id"].as_u64() else { continue };
        let text = row["value"].as_str().unwrap();
        let message = match row["type"].as_str().unwrap() {
            "CreatorConfigHash(string creator_config_hash)" => WalletMessage::CreatorConfig(text),
            "OperatorConfigHash(string operator_config_hash)" => WalletMessage::OperatorConfig(text),
            "ConfigHash(string config_hash)" => WalletMessage::LegacyConfig(text),
            "ENR(string enr)" => WalletMessage::Enr(text),
            other => panic!("{other}"),
        };
        let digest = message.digest(chain_id);
        assert_eq!(digest[..], bytes(&row["digest"]), "{row}");
        let Some(key) = row.get("signer_private_key") else { continue };
        let signature = bytes(&row["signature"]);
        assert_eq!(NodeKey::from_hex(key.as_str().unwrap()).unwrap().sign(&digest)[..], signature);
        let signer = ethereum_address(&recover(&digest, &signature).unwrap());
        assert_eq!(checksum_address(&signer), row["signer"].as_str().unwrap());
    }
}

#[test]
fn a_digest_depends_on_the_message_its_kind_and_the_chain() {
    let digests = [
        WalletMessage::CreatorConfig("a").digest(1),
        WalletMessage::OperatorConfig("a").digest(1),
        WalletMessage::LegacyConfig("a").digest(1),
        WalletMessage::Enr("a").digest(1),
        WalletMessage::Enr("b").digest(1),
        WalletMessage::Enr("a").digest(2),
    ];
    let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
    assert_eq!(distinct.len(), digests.len());
    // Published with the reference implementation.
    let config = "0xe57f66637bdfa05cce6a78e8cf4120d67d305b485367a69baa5f738436533bcb";
    assert_eq!(
        hex::encode(WalletMessage::CreatorConfig(config).digest(11_155_111)),
        "7c8fe012e2f872ca7ec870164184f57b921166f80565ff74af7bee5796f973e4"
    );
}
