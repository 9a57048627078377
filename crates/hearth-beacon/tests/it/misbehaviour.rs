//! A node that hangs, floods, lies or leads astray: its answer is not used, and the error says who did what.

use crate::support::{Act, FakeNode, IMPATIENT, ask, connected, say};
use hearth_beacon::{BeaconNode, BeaconNodes, Patience, Problem};
use hearth_duties::{ChainFailure, ChainQuery, ChainReply};
use hearth_types::{AttestationData, Epoch, Slot, ValidatorIndex, ValidatorPubkey};
use serde_json::{Value, json};

const DATA: &str = "/eth/v1/validator/attestation_data";
const DUTIES: &str = "/eth/v1/validator/duties/attester/4";
const VALIDATORS: &str = "/eth/v1/beacon/states/head/validators";
const SYNCING: &str = "/eth/v1/node/syncing";
/// Long enough for one round over the nodes, short enough to see the end of the retries.
const SOON_MS: u64 = 500;
const PLENTY_MS: u64 = 60_000;

async fn data(nodes: &BeaconNodes, budget_ms: u64) -> Result<AttestationData, ChainFailure> {
    match ask(nodes, budget_ms, ChainQuery::AttestationData { slot: Slot::new(34) }).await {
        ChainReply::AttestationData { data, .. } => data,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn whatever_a_node_does_to_a_request_the_error_says_so() {
    let node = FakeNode::healthy().await;
    let asked = BeaconNode::new(node.url(), IMPATIENT).unwrap();
    let elsewhere = FakeNode::healthy().await;
    let away = format!("{}{SYNCING}", elsewhere.url());
    let is = |check: fn(&Problem) -> bool| check;
    for (name, act, expected) in [
        ("hangs", Act::Hang, is(|p| matches!(p, Problem::Timeout { budget_ms: 1_000 }))),
        ("stalls after one byte", Act::Stall, is(|p| matches!(p, Problem::Timeout { .. }))),
        ("endless", Act::Endless, is(|p| matches!(p, Problem::TooLong { limit_bytes: 16_384 }))),
        (
            "announces too much",
            Act::Say(200, " ".repeat(1 << 20)),
            is(|p| matches!(p, Problem::TooLong { .. })),
        ),
        ("breaks off", Act::BreakOff, is(|p| matches!(p, Problem::Connection(_)))),
        ("redirects", Act::Redirect(away), is(|p| matches!(p, Problem::Status { status: 302, .. }))),
        ("503", Act::Say(503, "busy".into()), is(|p| matches!(p, Problem::Status { status: 503, .. }))),
        (
            "endless refusal",
            Act::Say(500, "x".repeat(2 << 20)),
            is(|p| matches!(p, Problem::Status { status: 500, message, .. } if message.is_empty())),
        ),
        ("nothing", Act::Say(200, String::new()), is(|p| matches!(p, Problem::Malformed(_)))),
        ("html", Act::Say(200, "<html>".into()), is(|p| matches!(p, Problem::Malformed(_)))),
        ("no data", Act::Say(200, "{}".into()), is(|p| matches!(p, Problem::Malformed(_)))),
        ("null", Act::Say(200, "{\"data\":null}".into()), is(|p| matches!(p, Problem::Malformed(_)))),
        ("nested", Act::Say(200, "[".repeat(10_000)), is(|p| matches!(p, Problem::Malformed(_)))),
        ("bytes", Act::Say(200, "\u{0}\u{ffff}".into()), is(|p| matches!(p, Problem::Malformed(_)))),
    ] {
        node.script(SYNCING, [act]);
        let error = asked.syncing().await.unwrap_err();
        assert!(expected(&error.problem), "{name}: {error:?}");
        let shown = error.to_string();
        assert!(shown.contains(SYNCING) && shown.contains(node.url().redacted().as_str()), "{name}: {shown}");
        assert!(shown.chars().count() < 400, "{name}: {shown}");
    }
    assert!(elsewhere.seen(SYNCING).is_empty(), "a redirect was followed");
}

#[tokio::test]
async fn attestation_data_of_anything_but_what_was_asked_is_unusable() {
    for (name, pointer, value) in [
        ("earlier slot", "/data/slot", json!("33")),
        ("later slot", "/data/slot", json!("35")),
        ("other committee", "/data/index", json!("1")),
        ("other target", "/data/target/epoch", json!("5")),
        ("source after target", "/data/source/epoch", json!("5")),
        ("huge source", "/data/source/epoch", json!("18446744073709551615")),
        ("number beyond 64 bits", "/data/slot", json!("18446744073709551616")),
        ("negative", "/data/slot", json!("-34")),
        ("number without quotes", "/data/slot", json!(34)),
        ("float", "/data/slot", json!("34.0")),
        ("short root", "/data/beacon_block_root", json!("0x00")),
        ("missing source", "/data/source", Value::Null),
    ] {
        let node = FakeNode::healthy().await;
        let (nodes, _) = connected(&[node.url()], Patience::default()).await;
        node.change(DATA, |body| *body.pointer_mut(pointer).unwrap() = value);
        let failure = data(&nodes, PLENTY_MS).await.unwrap_err();
        assert!(
            matches!(&failure, ChainFailure::Unusable(words) if words.contains(DATA)),
            "{name}: {failure:?}"
        );
        assert_eq!(node.seen(DATA).len(), 1, "{name}: nonsense is not asked for again");
    }
}

#[tokio::test]
async fn duties_and_validators_that_were_not_asked_about_are_unusable() {
    let node = FakeNode::healthy().await;
    let (nodes, _) = connected(&[node.url()], Patience::default()).await;
    let query =
        || ChainQuery::AttesterDuties { epoch: Epoch::new(4), validators: vec![ValidatorIndex::new(7)] };
    let ChainReply::AttesterDuties { duties, .. } = ask(&nodes, PLENTY_MS, query()).await else { panic!() };
    assert!(matches!(duties, Err(ChainFailure::Unusable(words)) if words.contains("validator 12")));

    node.change(DUTIES, |body| body["data"].as_array_mut().unwrap().truncate(1));
    let ChainReply::AttesterDuties { duties, .. } = ask(&nodes, PLENTY_MS, query()).await else { panic!() };
    assert_eq!(duties.unwrap().len(), 1);

    node.change(DUTIES, |body| body["data"][0]["slot"] = json!("40"));
    let ChainReply::AttesterDuties { duties, .. } = ask(&nodes, PLENTY_MS, query()).await else { panic!() };
    assert!(matches!(duties, Err(ChainFailure::Unusable(words)) if words.contains("outside epoch 4")));

    let query = ChainQuery::Validators { pubkeys: vec![ValidatorPubkey::new([0xa1; 48])] };
    let ChainReply::Validators(records) = ask(&nodes, PLENTY_MS, query).await else { panic!() };
    assert!(matches!(records, Err(ChainFailure::Unusable(words)) if words.contains(VALIDATORS)));
}

#[tokio::test]
async fn a_node_that_does_not_follow_the_head_is_not_used() {
    for flag in ["is_syncing", "is_optimistic"] {
        let node = FakeNode::healthy().await;
        let (nodes, _) = connected(&[node.url()], Patience::default()).await;
        assert!(data(&nodes, PLENTY_MS).await.is_ok());

        // It stops following between two checks: the answer that comes with the news is not used either.
        node.change(SYNCING, |body| body["data"][flag] = json!(true));
        assert!(matches!(data(&nodes, SOON_MS).await, Err(ChainFailure::Unreachable(_))), "{flag}");
        let status = nodes.status().borrow()[0].clone();
        assert!(!status.synced && !status.usable() && status.network_ok && status.reachable, "{flag}");
        let asked_so_far = node.seen(DATA).len();
        assert!(data(&nodes, SOON_MS).await.is_err(), "{flag}");
        assert_eq!(node.seen(DATA).len(), asked_so_far, "{flag}: asked although known to lag");

        // Once it follows again it is used again, without waiting for the next check.
        node.change(SYNCING, |body| body["data"][flag] = json!(false));
        assert!(data(&nodes, PLENTY_MS).await.is_ok(), "{flag}");
    }
}

#[tokio::test]
async fn duties_that_rest_on_unverified_blocks_are_not_used() {
    let node = FakeNode::healthy().await;
    let (nodes, _) = connected(&[node.url()], Patience::default()).await;
    node.change(DUTIES, |body| body["execution_optimistic"] = json!(true));
    let query = ChainQuery::AttesterDuties {
        epoch: Epoch::new(4),
        validators: vec![ValidatorIndex::new(7), ValidatorIndex::new(12)],
    };
    let ChainReply::AttesterDuties { duties, .. } = ask(&nodes, SOON_MS, query).await else { panic!() };
    assert!(matches!(duties, Err(ChainFailure::Unreachable(words)) if words.contains("optimistically")));
}

#[tokio::test]
async fn a_node_that_moves_to_another_network_is_dropped_and_its_answers_with_it() {
    for (name, path, pointer, value) in [
        (
            "root",
            "/eth/v1/beacon/genesis",
            "/data/genesis_validators_root",
            json!(format!("0x{}", "99".repeat(32))),
        ),
        ("time", "/eth/v1/beacon/genesis", "/data/genesis_time", json!("1700000001")),
        ("fork version", "/eth/v1/config/spec", "/data/FULU_FORK_VERSION", json!("0x06000043")),
        ("fork epoch", "/eth/v1/config/spec", "/data/FULU_FORK_EPOCH", json!("5")),
        ("slot length", "/eth/v1/config/spec", "/data/SLOT_DURATION_MS", json!("12000")),
        ("epoch length", "/eth/v1/config/spec", "/data/SLOTS_PER_EPOCH", json!("32")),
    ] {
        let node = FakeNode::healthy().await;
        let missing = say(404, &json!({ "code": 404, "message": "" }));
        node.script("/eth/v1/config/fork_schedule", [missing]);
        let (nodes, _) = connected(&[node.url()], Patience::default()).await;
        node.change(path, |body| *body.pointer_mut(pointer).unwrap() = value);
        nodes.check().await;
        let status = nodes.status().borrow()[0].clone();
        assert!(!status.network_ok && !status.usable(), "{name}");
        assert!(status.last_error.is_some_and(|words| words.contains("another network")), "{name}");
        assert!(matches!(data(&nodes, SOON_MS).await, Err(ChainFailure::Unreachable(_))), "{name}");
        assert!(node.seen(DATA).is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_node_that_announces_a_fork_unknown_to_us_is_used_up_to_it() {
    for (announced, usable) in [("4", false), ("5", true)] {
        let node = FakeNode::healthy().await;
        let (nodes, spec) = connected(&[node.url()], Patience::default()).await;
        node.change("/eth/v1/config/spec", |body| body["data"]["GLOAS_FORK_EPOCH"] = json!(announced));
        nodes.check().await;
        assert_eq!(spec.forks.horizon(), Epoch::FAR_FUTURE);
        assert_eq!(nodes.status().borrow()[0].agrees_until.to_string(), announced);
        let budget_ms = if usable { PLENTY_MS } else { SOON_MS };
        assert_eq!(data(&nodes, budget_ms).await.is_ok(), usable, "fork at epoch {announced}, slot in epoch 4");
    }
}

#[tokio::test]
async fn the_deadline_holds_whatever_the_node_does() {
    let node = FakeNode::healthy().await;
    let (nodes, _) = connected(&[node.url()], Patience::default()).await;
    for (name, act) in [("hangs", Act::Hang), ("stalls", Act::Stall), ("503", Act::Say(503, String::new()))] {
        node.script(DATA, [act]);
        let failure = data(&nodes, SOON_MS).await.unwrap_err();
        assert!(matches!(failure, ChainFailure::Unreachable(_)), "{name}: {failure:?}");
    }
    node.script_all(&Act::Hang);
    assert!(matches!(data(&nodes, 0).await, Err(ChainFailure::Unreachable(_))), "a deadline that has passed");
}

#[tokio::test]
async fn what_heals_within_the_deadline_is_asked_for_again() {
    let node = FakeNode::healthy().await;
    let (nodes, _) = connected(&[node.url()], IMPATIENT).await;
    let right = Act::Say(200, include_str!("../vectors/attestation_data.json").to_owned());
    let future = say(500, &json!({ "code": 500, "message": "Requested slot 34 is in the future" }));
    for (name, wrong) in [
        ("503", Act::Say(503, String::new())),
        ("future", future),
        ("breaks off", Act::BreakOff),
        ("hangs", Act::Hang),
    ] {
        node.script(DATA, [wrong, right.clone()]);
        assert!(data(&nodes, PLENTY_MS).await.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn a_final_refusal_ends_the_question_at_once() {
    let node = FakeNode::healthy().await;
    let (nodes, _) = connected(&[node.url()], Patience::default()).await;
    node.script(DATA, [say(400, &json!({ "code": 400, "message": "no\nsuch\u{1b}[2J slot" }))]);
    let failure = data(&nodes, PLENTY_MS).await.unwrap_err();
    assert!(
        matches!(&failure, ChainFailure::Refused(words) if words.contains("no such [2J slot")),
        "{failure:?}"
    );
    assert_eq!(node.seen(DATA).len(), 1);
    let status = nodes.status().borrow()[0].clone();
    assert!(status.usable() && status.last_error.is_some());
}
