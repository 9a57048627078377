//! Every route against what a real consensus client (Lodestar 1.44) answered, electra and fulu.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::{Act, FakeNode, ask, connected, recorded, say};
use hearth_beacon::{BeaconError, BeaconNode, BlockId, EntryFailure, Patience, Places, Problem};
use hearth_duties::{ChainFailure, ChainQuery, ChainReply};
use hearth_types::{CommitteeIndex, Epoch, ForkName, SingleAttestation, Slot, ValidatorIndex};
use serde_json::{Value, json};

const PLENTY_MS: u64 = 60_000;

const FORKS: [(&str, ForkName); 2] = [("electra", ForkName::Electra), ("fulu", ForkName::Fulu)];

fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A node that repeats the successful answers of a folder.
async fn replay(folder: &Path) -> FakeNode {
    let mut routes = BTreeMap::new();
    for folder in [folder.to_owned(), folder.join("by-fork")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path();
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            let Some(body) = name.strip_suffix(".http.json") else { continue };
            if name.starts_with("error_") || !body.ends_with(".json") {
                continue;
            }
            let exchange = json_file(&file);
            let path = exchange["path"].as_str().unwrap().split('?').next().unwrap().to_owned();
            let status = u16::try_from(exchange["status"].as_u64().unwrap()).unwrap();
            let body = std::fs::read_to_string(file.with_file_name(body)).unwrap();
            routes.insert(path, Act::Say(status, body));
        }
    }
    FakeNode::with_routes(routes).await
}

#[tokio::test]
async fn the_chain_of_a_real_node_is_understood() {
    for (name, fork) in FORKS {
        let Some(folder) = recorded(name) else { continue };
        let node = replay(&folder).await;
        let (nodes, spec) = connected(&[node.url()], Patience::default()).await;
        let chain = json_file(&folder.join("chain.json"));
        assert_eq!(spec.slot_ms(), chain["slotMs"].as_u64().unwrap());
        assert_eq!(spec.genesis_time.get(), chain["genesisTime"].as_u64().unwrap() * 1_000);
        assert_eq!(spec.genesis_validators_root.to_string(), chain["genesisValidatorsRoot"].as_str().unwrap());
        assert_eq!(spec.slots_per_epoch(), 8);
        assert_eq!(spec.forks.at(Epoch::new(0)).unwrap().name, fork);
        assert_eq!(
            spec.forks.horizon(),
            Epoch::FAR_FUTURE,
            "gloas and heze are known by name only, and far away"
        );
        let status = nodes.status().borrow()[0].clone();
        assert!(status.usable());
        assert_eq!(status.version.as_deref(), Some("Lodestar/hearth-devnet"));
    }
}

#[tokio::test]
async fn the_duties_of_a_real_node_are_understood() {
    for (name, fork) in FORKS {
        let Some(folder) = recorded(name) else { continue };
        let node = replay(&folder).await;
        let (nodes, _) = connected(&[node.url()], Patience::default()).await;

        let keys = json_file(&folder.join("state_validators_post.json.http.json"));
        let pubkeys = serde_json::from_value(keys["request_body"]["ids"].clone()).unwrap();
        let reply = ask(&nodes, PLENTY_MS, ChainQuery::Validators { pubkeys }).await;
        let ChainReply::Validators(Ok(records)) = reply else { panic!("{reply:?}") };
        assert!(records.iter().all(|record| record.active && !record.slashed));
        assert_eq!(records.iter().map(|r| r.index.get()).collect::<Vec<_>>(), [0, 1, 2, 3]);

        let validators: Vec<_> = (0..4).map(ValidatorIndex::new).collect();
        let query = ChainQuery::AttesterDuties { epoch: Epoch::new(0), validators };
        let reply = ask(&nodes, PLENTY_MS, query).await;
        let ChainReply::AttesterDuties { duties: Ok(duties), .. } = reply else { panic!("{reply:?}") };
        assert!(duties.iter().zip(&records).all(|(duty, record)| duty.pubkey == record.pubkey));
        let recorded = json_file(&folder.join("duties_attester.json.http.json"));
        assert_eq!(node.seen("/eth/v1/validator/duties/attester/0")[0].body, recorded["request_body"]);

        let slot = Slot::new(2);
        let reply = ask(&nodes, PLENTY_MS, ChainQuery::AttestationData { slot }).await;
        let ChainReply::AttestationData { data: Ok(data), .. } = reply else { panic!("{reply:?}") };
        assert_eq!(data.slot, slot);

        let accepted = json_file(&folder.join("by-fork/pool_attestations.json.http.json"));
        let attestations: Vec<SingleAttestation> =
            serde_json::from_value(accepted["request_body"].clone()).unwrap();
        assert_eq!(attestations[0].data, data);
        let query = ChainQuery::SubmitAttestations { slot, attestations };
        let reply = ask(&nodes, PLENTY_MS, query).await;
        assert_eq!(reply, ChainReply::Submitted { slot, validators: 1, outcome: Ok(()) });
        let sent = node.seen("/eth/v2/beacon/pool/attestations").remove(0);
        assert_eq!(sent.body, accepted["request_body"], "byte for byte what the real node accepted");
        assert_eq!(sent.headers["eth-consensus-version"], fork.as_str());
    }
}

#[tokio::test]
async fn the_blocks_of_a_real_node_are_understood() {
    for (name, _) in FORKS {
        let Some(folder) = recorded(name) else { continue };
        let node = replay(&folder).await;
        let asked = BeaconNode::new(node.url(), Patience::default()).unwrap();
        let header = asked.header(BlockId::Slot(Slot::new(5))).await.unwrap().unwrap();
        assert!(header.canonical);

        let block = std::fs::read_to_string(folder.join("by-fork/block_v2.json")).unwrap();
        node.script("/eth/v2/beacon/blocks/finalized", [Act::Say(200, block)]);
        let block = asked.block(BlockId::Finalized).await.unwrap().unwrap();
        assert_eq!((block.slot.get(), block.attestations.len()), (2, 0));

        let made = json_file(&folder.join("by-fork/produce_block_v3_json.json"));
        let body = json!({ "data": { "message": made["data"]["block"] } });
        node.script("/eth/v2/beacon/blocks/5", [say(200, &body)]);
        let block = asked.block(BlockId::Slot(Slot::new(5))).await.unwrap().unwrap();
        assert_eq!(block.parent_root, header.parent_root);
        assert_eq!(block.attestations[0].data.slot, Slot::new(4));

        // The recorded committees are those of a whole epoch; a node that was asked for one slot sends one.
        let mut body = json_file(&folder.join("state_committees.json"));
        let path = "/eth/v1/beacon/states/33/committees";
        node.script(path, [say(200, &body)]);
        assert!(asked.committees(Slot::new(33)).await.is_err());
        body["data"].as_array_mut().unwrap().retain(|committee| committee["slot"] == "33");
        node.script(path, [say(200, &body)]);
        let mut committees = asked.committees(Slot::new(33)).await.unwrap();
        assert_eq!((committees.len(), committees[0].index), (1, CommitteeIndex::new(0)));

        // Both bits of the recorded aggregate are set, whoever sat in that slot's committee of two.
        committees[0].slot = Slot::new(4);
        assert_eq!(
            block.attestations[0].attesters(&Places::of(&committees, |_| true)).unwrap(),
            committees[0].validators
        );
    }
}

#[tokio::test]
async fn the_refusals_of_a_real_node_are_understood() {
    for (name, fork) in FORKS {
        let Some(folder) = recorded(name) else { continue };
        let node = replay(&folder).await;
        let (nodes, spec) = connected(&[node.url()], Patience::default()).await;
        let asked = BeaconNode::new(node.url(), Patience::default()).unwrap();
        let repeat = |path: &str, file: &str| {
            let status = json_file(&folder.join(format!("{file}.http.json")))["status"].as_u64().unwrap();
            let body = json_file(&folder.join(file));
            node.script(path, [say(u16::try_from(status).unwrap(), &body)]);
        };
        let problem = |error: BeaconError| error.problem;

        repeat("/eth/v1/validator/attestation_data", "error_attestation_data_future.json");
        let refused = problem(asked.attestation_data(&spec, Slot::new(999_999)).await.unwrap_err());
        assert!(
            matches!(&refused, Problem::Status { status: 500, message, .. } if message.contains("in the future"))
        );
        assert!(refused.is_temporary());

        repeat("/eth/v1/validator/duties/attester/99999", "error_duties_far_future.json");
        let far = problem(asked.attester_duties(&spec, Epoch::new(99_999), &[]).await.unwrap_err());
        assert!(matches!(far, Problem::Status { status: 400, .. }) && !far.is_temporary());

        repeat("/eth/v1/beacon/states/head/validators", "error_bad_validator_id.json");
        let bad = problem(asked.validators(&[hearth_types::ValidatorPubkey::new([0; 48])]).await.unwrap_err());
        assert!(matches!(bad, Problem::Status { status: 500, .. }) && !bad.is_temporary());

        repeat("/eth/v2/beacon/blocks/123456789", "error_block_not_found.json");
        assert_eq!(asked.block(BlockId::Slot(Slot::new(123_456_789))).await.unwrap(), None);

        repeat("/eth/v2/beacon/pool/attestations", "by-fork/error_attestation_bad_signature.json");
        let exchange = json_file(&folder.join("by-fork/error_attestation_bad_signature.json.http.json"));
        let attestations: Vec<SingleAttestation> =
            serde_json::from_value(exchange["request_body"].clone()).unwrap();
        let rejected = asked.submit_attestations(fork, &attestations).await.unwrap();
        assert_eq!((rejected[0].index, rejected.len()), (0, 1));
        assert_eq!(rejected[0].message, "ATTESTATION_ERROR_INVALID_SIGNATURE");
        let query = ChainQuery::SubmitAttestations { slot: Slot::new(2), attestations };
        let ChainReply::Submitted { outcome, .. } = ask(&nodes, PLENTY_MS, query).await else { panic!() };
        assert!(matches!(outcome, Err(ChainFailure::Refused(words)) if words.contains("INVALID_SIGNATURE")));

        repeat("/eth/v2/beacon/pool/attestations", "by-fork/error_attestation_missing_version_header.json");
        let refused = problem(asked.submit_attestations(fork, &[]).await.unwrap_err());
        let none: Vec<EntryFailure> = vec![];
        assert!(matches!(refused, Problem::Status { status: 400, failures, .. } if failures == none));
    }
}
