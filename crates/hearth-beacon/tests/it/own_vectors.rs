//! Every route against the answers in `tests/vectors`: a clone alone proves them.

use crate::support::{Act, FakeNode, ask, connected, say};
use hearth_beacon::{BeaconNode, BlockId, Health, NotCounted, Patience, Places, Problem};
use hearth_duties::{ChainQuery, ChainReply};
use hearth_types::{Epoch, ForkName, Root, Slot, UnixMillis, ValidatorIndex, ValidatorPubkey};
use serde_json::json;

const PLENTY_MS: u64 = 60_000;

fn key(byte: u8) -> ValidatorPubkey {
    ValidatorPubkey::new([byte; 48])
}

#[tokio::test]
async fn the_chain_is_learned_from_the_node() {
    let node = FakeNode::healthy().await;
    let (nodes, spec) = connected(&[node.url()], Patience::default()).await;
    assert_eq!(spec.genesis_time, UnixMillis::new(1_700_000_000_000));
    assert_eq!(spec.genesis_validators_root, Root::new([0x11; 32]));
    assert_eq!((spec.slot_ms(), spec.slots_per_epoch()), (6_000, 8));
    let names: Vec<_> = spec.forks.forks().iter().map(|fork| (fork.name, fork.epoch.get())).collect();
    let expected = [0, 0, 0, 0, 1, 2, 4];
    assert_eq!(names, ForkName::ALL.into_iter().zip(expected).collect::<Vec<_>>());
    assert_eq!(spec.forks.horizon(), Epoch::FAR_FUTURE);

    let status = nodes.status().borrow().first().cloned().unwrap();
    assert!(status.usable() && status.reachable && status.synced && status.network_ok);
    assert!(status.execution_online && status.latency_ms.is_some());
    assert_eq!(status.version.as_deref(), Some("Hearthside/v1.2.3"));
    assert_eq!((status.head_slot, status.last_error), (Some(Slot::new(33)), None));
    assert_eq!(status.url.to_string(), node.url().to_string());
}

#[tokio::test]
async fn the_questions_of_a_duty_are_answered() {
    let node = FakeNode::healthy().await;
    let (nodes, _) = connected(&[node.url()], Patience::default()).await;

    let pubkeys = vec![key(0xa1), key(0xa2), key(0xa3), key(0xa4)];
    let ChainReply::Validators(Ok(records)) = ask(&nodes, PLENTY_MS, ChainQuery::Validators { pubkeys }).await
    else {
        panic!("no validators")
    };
    let found: Vec<_> = records.iter().map(|r| (r.pubkey, r.index.get(), r.active, r.slashed)).collect();
    assert_eq!(found, [(key(0xa1), 7, true, false), (key(0xa2), 9, false, false), (key(0xa3), 12, true, true)]);
    let sent = node.seen("/eth/v1/beacon/states/head/validators").remove(0);
    assert_eq!(sent.method, "POST");
    assert_eq!(sent.body["ids"].as_array().map(Vec::len), Some(4));

    let (epoch, validators) = (Epoch::new(4), [7, 9, 12].map(ValidatorIndex::new).to_vec());
    let reply = ask(&nodes, PLENTY_MS, ChainQuery::AttesterDuties { epoch, validators }).await;
    let ChainReply::AttesterDuties { duties: Ok(duties), .. } = reply else { panic!("{reply:?}") };
    assert_eq!(duties.len(), 2);
    assert_eq!(
        (duties[0].slot.get(), duties[0].committee_index.get(), duties[0].position_in_committee),
        (34, 1, 2)
    );
    assert_eq!(node.seen("/eth/v1/validator/duties/attester/4")[0].body, json!(["7", "9", "12"]));

    let slot = Slot::new(34);
    let reply = ask(&nodes, PLENTY_MS, ChainQuery::AttestationData { slot }).await;
    let ChainReply::AttestationData { data: Ok(data), .. } = reply else { panic!("{reply:?}") };
    assert_eq!((data.slot, data.source.epoch.get(), data.target.epoch.get()), (slot, 3, 4));
    assert_eq!(node.seen("/eth/v1/validator/attestation_data")[0].query, "slot=34&committee_index=0");
}

#[tokio::test]
async fn nothing_is_asked_about_nobody() {
    let node = FakeNode::healthy().await;
    let (nodes, _) = connected(&[node.url()], Patience::default()).await;
    let reply = ask(&nodes, PLENTY_MS, ChainQuery::Validators { pubkeys: vec![] }).await;
    assert_eq!(reply, ChainReply::Validators(Ok(vec![])));
    let epoch = Epoch::new(4);
    let reply = ask(&nodes, PLENTY_MS, ChainQuery::AttesterDuties { epoch, validators: vec![] }).await;
    assert_eq!(reply, ChainReply::AttesterDuties { epoch, duties: Ok(vec![]) });
    let query = ChainQuery::SubmitAttestations { slot: Slot::new(34), attestations: vec![] };
    let reply = ask(&nodes, PLENTY_MS, query).await;
    assert_eq!(reply, ChainReply::Submitted { slot: Slot::new(34), validators: 0, outcome: Ok(()) });
    assert!(node.seen("/eth/v1/beacon/states/head/validators").is_empty());
    assert!(node.seen("/eth/v2/beacon/pool/attestations").is_empty());
}

#[tokio::test]
async fn a_node_without_the_post_route_is_asked_for_validators_by_get() {
    for status in [404, 405] {
        let node = FakeNode::healthy().await;
        let path = "/eth/v1/beacon/states/head/validators";
        let body = include_str!("../vectors/validators.json").to_owned();
        node.script(path, [say(status, &json!({ "code": status, "message": "" })), Act::Say(200, body)]);
        let found = BeaconNode::new(node.url(), Patience::default()).unwrap();
        let records = found.validators(&[key(0xa1), key(0xa2), key(0xa3)]).await.unwrap();
        assert_eq!(records.len(), 3);
        let seen = node.seen(path);
        assert_eq!((seen.len(), seen[1].method.as_str()), (2, "GET"));
        assert_eq!(seen[1].query, format!("id={},{},{}", key(0xa1), key(0xa2), key(0xa3)));
    }
}

#[tokio::test]
async fn inclusion_is_read_from_a_block_and_the_committees_of_the_voted_slot() {
    let node = FakeNode::healthy().await;
    let (nodes, _) = connected(&[node.url()], Patience::default()).await;
    let id = BlockId::Slot(Slot::new(35));
    let header = nodes.header(id).await.unwrap().unwrap();
    assert_eq!((header.root, header.canonical), (Root::new([0x66; 32]), true));
    let block = nodes.block(id).await.unwrap().unwrap();
    assert_eq!((block.slot.get(), block.parent_root), (35, header.parent_root));
    let committees = nodes.committees(Slot::new(34)).await.unwrap();
    let attesters = block.attestations[0].attesters(&Places::of(&committees, |_| true)).unwrap();
    assert_eq!(attesters, [1, 4, 7].map(ValidatorIndex::new));
    assert!(matches!(
        block.attestations[0].attesters(&Places::default()),
        Err(NotCounted::UnknownCommittee { .. })
    ));
    assert_eq!(nodes.header(BlockId::Slot(Slot::new(36))).await, Ok(None));
    assert_eq!(nodes.block(BlockId::Head).await, Ok(None));
}

#[tokio::test]
async fn a_question_that_no_duty_needs_never_leads_duties_away_from_a_node() {
    let node = FakeNode::healthy().await;
    let (nodes, _) = connected(&[node.url()], Patience::default()).await;
    let before = nodes.status().borrow().clone();
    let path = "/eth/v1/beacon/states/34/committees";
    node.script(path, [Act::Say(503, String::new()), Act::BreakOff, Act::Say(200, "{".into())]);
    for _ in 0..3 {
        assert!(nodes.committees(Slot::new(34)).await.is_err());
    }
    assert_eq!(*nodes.status().borrow(), before);
}

#[tokio::test]
async fn health_is_read_from_the_status_alone() {
    let node = FakeNode::healthy().await;
    let asked = BeaconNode::new(node.url(), Patience::default()).unwrap();
    for (status, expected) in
        [(200, Health::Ready), (206, Health::Syncing), (503, Health::NotReady), (404, Health::NotReady)]
    {
        node.script("/eth/v1/node/health", [Act::Say(status, String::new())]);
        assert_eq!(asked.health().await.unwrap(), expected, "{status}");
    }
}

#[tokio::test]
async fn a_node_without_a_fork_schedule_or_a_version_is_as_good() {
    let node = FakeNode::healthy().await;
    let missing = say(404, &json!({ "code": 404, "message": "not found" }));
    node.script("/eth/v1/config/fork_schedule", [missing.clone()]);
    node.script("/eth/v1/node/version", [missing]);
    let (nodes, _) = connected(&[node.url()], Patience::default()).await;
    let status = nodes.status().borrow().first().cloned().unwrap();
    assert!(status.usable() && status.version.is_none());
}

#[tokio::test]
async fn a_login_in_the_address_is_sent_and_never_shown() {
    let node = FakeNode::healthy().await;
    let url = node.url_with("anna:hunter2", "");
    let (nodes, _) = connected(std::slice::from_ref(&url), Patience::default()).await;
    let header = node.seen("/eth/v1/beacon/genesis")[0].headers["authorization"].clone();
    assert_eq!(header, "Basic YW5uYTpodW50ZXIy");

    for (name, act) in
        [("refusal", say(401, &json!({ "code": 401, "message": "no" }))), ("break", Act::BreakOff)]
    {
        node.script_all(&act);
        let asked = BeaconNode::new(url.clone(), Patience::default()).unwrap();
        let error = asked.genesis().await.unwrap_err();
        assert!(!matches!(error.problem, Problem::Timeout { .. }), "{name}");
        nodes.check().await;
        let shown = format!("{error} {error:?} {asked:?} {nodes:?} {:?}", nodes.status().borrow());
        for secret in ["anna", "hunter2", "YW5uYTpodW50ZXIy"] {
            assert!(!shown.contains(secret), "{name}: {shown}");
        }
    }
}
