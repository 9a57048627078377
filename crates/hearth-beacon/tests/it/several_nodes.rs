//! Several nodes as one: failover for questions, all of them for submissions, one network for all.

use std::time::Duration;

use crate::support::{Act, FakeNode, IMPATIENT, ask, connected, nobody, say};
use hearth_beacon::{BeaconNodes, ConnectError, Difference, NodeUrl, Patience, Progress, connect, look_at};
use hearth_duties::{ChainFailure, ChainQuery, ChainReply};
use hearth_types::{
    AttestationData, Checkpoint, CommitteeIndex, Epoch, ForkName, Root, SignatureBytes, SingleAttestation,
    Slot, UnixMillis, ValidatorIndex,
};
use serde_json::{Value, json};

const DATA: &str = "/eth/v1/validator/attestation_data";
const POOL: &str = "/eth/v2/beacon/pool/attestations";
const SYNCING: &str = "/eth/v1/node/syncing";
const SPEC: &str = "/eth/v1/config/spec";
const SOON_MS: u64 = 500;
const PLENTY_MS: u64 = 60_000;

async fn data(nodes: &BeaconNodes) -> Result<AttestationData, ChainFailure> {
    match ask(nodes, PLENTY_MS, ChainQuery::AttestationData { slot: Slot::new(34) }).await {
        ChainReply::AttestationData { data, .. } => data,
        other => panic!("{other:?}"),
    }
}

fn attestation(validator: u64, slot: u64) -> SingleAttestation {
    let checkpoint = |epoch| Checkpoint { epoch: Epoch::new(epoch), root: Root::new([epoch as u8; 32]) };
    SingleAttestation {
        committee_index: CommitteeIndex::new(1),
        attester_index: ValidatorIndex::new(validator),
        data: AttestationData {
            slot: Slot::new(slot),
            index: CommitteeIndex::new(0),
            beacon_block_root: Root::new([9; 32]),
            source: checkpoint(3),
            target: checkpoint(4),
        },
        signature: SignatureBytes::new([validator as u8; 96]),
    }
}

async fn submit(
    nodes: &BeaconNodes,
    budget_ms: u64,
    slot: u64,
    validators: &[u64],
) -> Result<(), ChainFailure> {
    let attestations = validators.iter().map(|validator| attestation(*validator, slot)).collect();
    let query = ChainQuery::SubmitAttestations { slot: Slot::new(slot), attestations };
    match ask(nodes, budget_ms, query).await {
        ChainReply::Submitted { outcome, .. } => outcome,
        other => panic!("{other:?}"),
    }
}

fn refusal(failures: &[(u64, &str)]) -> Act {
    let failures: Vec<Value> =
        failures.iter().map(|(index, message)| json!({ "index": index, "message": message })).collect();
    say(400, &json!({ "code": 400, "message": "some failed", "failures": failures }))
}

#[tokio::test]
async fn the_news_of_heads_show_how_late_a_node_hears_of_blocks() {
    let node = FakeNode::healthy().await;
    let (nodes, spec) = connected(&[node.url()], Patience::default()).await;
    let news = |slot: u64| format!("event: head\r\ndata: {{\"slot\":\"{slot}\",\"block\":\"0x00\"}}\r\n\r\n");
    assert_eq!(now().millis_since(spec.slot_start(Slot::new(34))), 700);
    let stream = [news(34), news(33), news(34), news(34)].concat();
    node.script("/eth/v1/events", [Act::Say(200, stream)]);
    let mut status = nodes.status();
    let seen = async { status.wait_for(|all| all[0].head_delay_ms.is_some()).await.unwrap()[0].head_delay_ms };
    let delay = tokio::select! {
        delay = seen => delay,
        () = nodes.keep_watching_heads(now) => unreachable!(),
    };
    assert_eq!(delay, Some(700));
    nodes.check().await;
    assert_eq!(status.borrow()[0].head_delay_ms, Some(700), "a look at the node forgets it");
}

/// A moment in slot 34 of the chain in `tests/vectors`.
fn now() -> UnixMillis {
    UnixMillis::new(1_700_000_204_700)
}

#[tokio::test]
async fn who_answers_at_an_address_is_looked_at_and_who_does_not_is_told() {
    let node = FakeNode::healthy().await;
    let urls = vec![node.url(), nobody().await];
    let [found, silent] = look_at(urls, Patience::default()).await.try_into().unwrap();
    assert!(found.version.is_some() && found.network.is_some() && found.syncing.is_some(), "{found:?}");
    assert_eq!((silent.network, silent.error.is_some()), (None, true));
}

#[tokio::test]
async fn the_first_healthy_node_is_asked_and_no_other() {
    let (first, second) = (FakeNode::healthy().await, FakeNode::healthy().await);
    let (nodes, _) = connected(&[first.url(), second.url()], Patience::default()).await;
    assert!(data(&nodes).await.is_ok());
    assert_eq!((first.seen(DATA).len(), second.seen(DATA).len()), (1, 0));
}

#[tokio::test]
async fn the_next_node_is_asked_whatever_is_wrong_with_the_first() {
    let wrong_slot = include_str!("../vectors/attestation_data.json").replace("34", "33");
    for (name, act) in [
        ("hangs", Act::Hang),
        ("endless", Act::Endless),
        ("breaks off", Act::BreakOff),
        ("503", Act::Say(503, String::new())),
        ("400", Act::Say(400, String::new())),
        ("malformed", Act::Say(200, "{".into())),
        ("wrong slot", Act::Say(200, wrong_slot)),
        ("redirect", Act::Redirect("http://127.0.0.1:9/".into())),
    ] {
        let (first, second) = (FakeNode::healthy().await, FakeNode::healthy().await);
        let (nodes, _) = connected(&[first.url(), second.url()], IMPATIENT).await;
        first.script(DATA, [act]);
        let data = data(&nodes).await.unwrap();
        assert_eq!(data.slot, Slot::new(34), "{name}");
        assert_eq!((first.seen(DATA).len(), second.seen(DATA).len()), (1, 1), "{name}");
        assert!(nodes.status().borrow()[0].last_error.is_some(), "{name}");
    }
}

#[tokio::test]
async fn a_node_that_was_silent_once_is_passed_over_until_a_check_finds_it_well() {
    let (first, second) = (FakeNode::healthy().await, FakeNode::healthy().await);
    let (nodes, _) = connected(&[first.url(), second.url()], IMPATIENT).await;
    let right = Act::Say(200, include_str!("../vectors/attestation_data.json").to_owned());
    first.script(DATA, [Act::Hang, right]);
    let mut status = nodes.status();
    assert!(data(&nodes).await.is_ok() && data(&nodes).await.is_ok());
    assert_eq!((first.seen(DATA).len(), second.seen(DATA).len()), (1, 2));
    assert!(!status.borrow_and_update()[0].reachable);

    nodes.check().await;
    assert!(status.has_changed().unwrap() && status.borrow()[0].usable());
    assert!(data(&nodes).await.is_ok());
    assert_eq!((first.seen(DATA).len(), second.seen(DATA).len()), (2, 2));
}

#[tokio::test]
async fn a_node_without_execution_client_or_with_a_frozen_head_is_the_second_choice() {
    for (field, value) in [("el_offline", json!(true)), ("head_slot", json!("3"))] {
        let (first, second) = (FakeNode::healthy().await, FakeNode::healthy().await);
        first.change(SYNCING, |body| body["data"][field] = value);
        let (nodes, _) = connected(&[first.url(), second.url()], Patience::default()).await;
        assert!(data(&nodes).await.is_ok());
        assert_eq!((first.seen(DATA).len(), second.seen(DATA).len()), (0, 1), "{field}");
        second.script(DATA, [Act::Say(503, String::new())]);
        assert!(data(&nodes).await.is_ok());
        assert_eq!(first.seen(DATA).len(), 1, "{field}: better than none");
    }
}

#[tokio::test]
async fn a_submission_goes_to_every_node_even_when_the_first_has_taken_it() {
    let all = [FakeNode::healthy().await, FakeNode::healthy().await, FakeNode::healthy().await];
    let urls: Vec<NodeUrl> = all.iter().map(FakeNode::url).collect();
    let (nodes, _) = connected(&urls, Patience::default()).await;
    assert_eq!(submit(&nodes, PLENTY_MS, 34, &[7, 12]).await, Ok(()));
    nodes.finish().await;
    for node in &all {
        let seen = node.seen(POOL);
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].headers["eth-consensus-version"], ForkName::Fulu.as_str());
        assert_eq!(seen[0].headers["content-type"], "application/json");
        assert_eq!(seen[0].body[1]["attester_index"], "12");
    }
    assert_eq!(submit(&nodes, PLENTY_MS, 31, &[7]).await, Ok(()));
    assert_eq!(all[0].seen(POOL)[1].headers["eth-consensus-version"], ForkName::Electra.as_str());
}

#[tokio::test]
async fn one_node_that_takes_the_submission_is_enough() {
    for (name, act) in [
        ("hangs", Act::Hang),
        ("503", Act::Say(503, String::new())),
        ("400", Act::Say(400, String::new())),
        ("breaks off", Act::BreakOff),
        ("refuses all", refusal(&[(0, "bad"), (1, "bad")])),
    ] {
        let (first, second) = (FakeNode::healthy().await, FakeNode::healthy().await);
        let (nodes, _) = connected(&[first.url(), second.url()], Patience::default()).await;
        first.script(POOL, [act]);
        assert_eq!(submit(&nodes, PLENTY_MS, 34, &[7, 12]).await, Ok(()), "{name}");
    }
}

#[tokio::test]
async fn a_syncing_node_gets_submissions_and_a_node_of_another_network_does_not() {
    let (first, second) = (FakeNode::healthy().await, FakeNode::healthy().await);
    let (nodes, _) = connected(&[first.url(), second.url()], Patience::default()).await;
    first.change(SYNCING, |body| body["data"]["is_syncing"] = json!(true));
    second.change("/eth/v1/beacon/genesis", |body| body["data"]["genesis_time"] = json!("1"));
    nodes.check().await;
    assert_eq!(submit(&nodes, PLENTY_MS, 34, &[7]).await, Ok(()));
    nodes.finish().await;
    assert_eq!((first.seen(POOL).len(), second.seen(POOL).len()), (1, 0));
}

#[tokio::test]
async fn nodes_that_each_take_a_part_take_the_whole() {
    let (first, second) = (FakeNode::healthy().await, FakeNode::healthy().await);
    let (nodes, _) = connected(&[first.url(), second.url()], Patience::default()).await;
    first.script(POOL, [refusal(&[(0, "bad signature")])]);
    second.script(POOL, [refusal(&[(1, "bad signature"), (0, "PriorAttestationKnown { validator: 7 }")])]);
    assert_eq!(submit(&nodes, PLENTY_MS, 34, &[7, 12]).await, Ok(()));

    second.script(POOL, [refusal(&[(0, "bad signature"), (1, "bad signature")])]);
    let refused = submit(&nodes, PLENTY_MS, 34, &[7, 12]).await;
    assert!(matches!(&refused, Err(ChainFailure::Refused(words)) if words.contains("1 of the attestations")));
}

#[tokio::test]
async fn only_what_was_not_taken_is_submitted_again() {
    let node = FakeNode::healthy().await;
    let (nodes, _) = connected(&[node.url()], Patience::default()).await;
    node.script(POOL, [refusal(&[(1, "slot is in the future")]), Act::Say(200, String::new())]);
    assert_eq!(submit(&nodes, PLENTY_MS, 34, &[7, 9, 12]).await, Ok(()));
    let seen = node.seen(POOL);
    assert_eq!((seen.len(), seen[0].body.as_array().map(Vec::len)), (2, Some(3)));
    assert_eq!(seen[1].body.as_array().map(Vec::len), Some(1));
    assert_eq!(seen[1].body[0]["attester_index"], "9");

    node.script(POOL, [refusal(&[(0, "slot is in the future")])]);
    assert!(matches!(submit(&nodes, SOON_MS, 34, &[7]).await, Err(ChainFailure::Unreachable(_))));
}

#[tokio::test]
async fn attestations_of_forks_with_another_form_are_refused_before_sending() {
    let node = FakeNode::healthy().await;
    node.change(SPEC, |body| body["data"]["GLOAS_FORK_EPOCH"] = json!("9"));
    let (nodes, spec) = connected(&[node.url()], Patience::default()).await;
    assert_eq!(spec.forks.horizon(), Epoch::new(9));
    for (slot, words) in [(15, "deneb"), (72, "update Hearth before epoch 9")] {
        let refused = submit(&nodes, PLENTY_MS, slot, &[7]).await;
        assert!(matches!(&refused, Err(ChainFailure::Refused(why)) if why.contains(words)), "{refused:?}");
    }
    assert!(node.seen(POOL).is_empty());
}

#[tokio::test]
async fn whoever_waits_is_told_what_for_and_a_silent_node_joins_later() {
    let (silent, well) = (FakeNode::healthy().await, FakeNode::healthy().await);
    let healthy: Vec<Act> = vec![Act::Say(200, include_str!("../vectors/genesis.json").to_owned())];
    silent.script("/eth/v1/beacon/genesis", [Act::Say(503, "starting".into())]);
    well.script("/eth/v1/beacon/genesis", [Act::Say(503, "starting".into()), healthy[0].clone()]);
    let gone = nobody().await;
    let mut news = Vec::new();
    let urls = [gone.clone(), silent.url(), well.url()];
    let (nodes, _) = connect(&urls, Patience::default(), |progress| news.push(progress)).await.unwrap();
    let waiting: Vec<_> = news
        .iter()
        .filter_map(|n| match n {
            Progress::Waiting { node, reason } => Some((node.clone(), reason.clone())),
            Progress::Found { .. } => None,
        })
        .collect();
    assert!(waiting.iter().any(|(node, _)| *node == gone.redacted()));
    assert!(waiting.iter().any(|(node, why)| *node == silent.url().redacted() && why.contains("503")));
    let found = Progress::Found { node: well.url().redacted(), version: Some("Hearthside/v1.2.3".into()) };
    assert_eq!(news.last(), Some(&found));
    let usable: Vec<_> = nodes.status().borrow().iter().map(|status| status.usable()).collect();
    assert_eq!(usable, [false, false, true]);
    assert!(data(&nodes).await.is_ok());

    silent.script("/eth/v1/beacon/genesis", healthy);
    nodes.check().await;
    assert!(nodes.status().borrow()[1].usable());
    assert!(data(&nodes).await.is_ok());
    assert_eq!(silent.seen(DATA).len(), 1);
}

#[tokio::test]
async fn nodes_of_different_networks_are_refused_at_the_start() {
    let (first, second) = (FakeNode::healthy().await, FakeNode::healthy().await);
    second.change("/eth/v1/beacon/genesis", |body| {
        body["data"]["genesis_validators_root"] = json!(format!("0x{}", "99".repeat(32)));
    });
    let refused = connect(&[first.url(), second.url()], Patience::default(), |_| {}).await.unwrap_err();
    let ConnectError::DifferentNetworks { first: a, second: b, difference } = refused else {
        panic!("{refused}")
    };
    assert_eq!((a, b), (first.url().redacted(), second.url().redacted()));
    assert!(matches!(difference, Difference::GenesisValidatorsRoot { .. }));
    assert_eq!(connect(&[], Patience::default(), |_| {}).await.unwrap_err(), ConnectError::NoNodes);
}

#[tokio::test]
async fn an_older_node_that_does_not_know_the_newest_fork_is_used_up_to_it() {
    let (old, new) = (FakeNode::healthy().await, FakeNode::healthy().await);
    old.change(SPEC, |body| {
        body["data"].as_object_mut().unwrap().remove("FULU_FORK_EPOCH");
    });
    old.change("/eth/v1/config/fork_schedule", |body| {
        body["data"].as_array_mut().unwrap().pop();
    });
    let (nodes, spec) = connected(&[old.url(), new.url()], Patience::default()).await;
    assert_eq!(spec.forks.at(Epoch::new(4)).unwrap().name, ForkName::Fulu);
    let agreement: Vec<_> = nodes.status().borrow().iter().map(|status| status.agrees_until).collect();
    assert_eq!(agreement, [Epoch::new(4), Epoch::FAR_FUTURE]);
    assert!(data(&nodes).await.is_ok());
    assert_eq!((old.seen(DATA).len(), new.seen(DATA).len()), (0, 1));
}

#[tokio::test]
async fn checking_goes_on_until_it_is_dropped() {
    let node = FakeNode::healthy().await;
    node.change(SYNCING, |body| body["data"]["is_syncing"] = json!(true));
    let (nodes, _) = connected(&[node.url()], Patience::default()).await;
    let mut status = nodes.status();
    assert!(!status.borrow_and_update()[0].usable());
    node.change(SYNCING, |body| body["data"]["is_syncing"] = json!(false));
    tokio::select! {
        () = nodes.keep_checking(Duration::from_millis(1)) => unreachable!("it never ends"),
        found = status.wait_for(|all| all[0].usable()) => assert!(found.is_ok()),
    }
}

#[tokio::test]
async fn questions_may_be_awaited_on_any_thread() {
    let node = FakeNode::healthy().await;
    let (nodes, _) = connected(&[node.url()], Patience::default()).await;
    let asking =
        tokio::spawn(
            async move { tokio::join!(submit(&nodes, PLENTY_MS, 34, &[7]), data(&nodes), nodes.check()) },
        );
    let (submitted, data, ()) = asking.await.unwrap();
    assert!(submitted.is_ok() && data.is_ok());
}
