//! An execution client that is asked about contracts, and a server that is asked for a file.

use std::collections::BTreeMap;

use hearth_beacon::{DownloadError, ExecutionClient, Problem, download};
use hearth_types::ExecutionAddress;
use serde_json::{Value, json};

use crate::support::{Act, FakeNode, nobody, say};

const ACCOUNT: ExecutionAddress = ExecutionAddress::new([0xab; 20]);

fn result(result: &Value) -> Act {
    say(200, &json!({ "jsonrpc": "2.0", "id": 1, "result": result }))
}

fn error(code: i64, message: &str) -> Act {
    say(200, &json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": code, "message": message } }))
}

async fn client(acts: impl IntoIterator<Item = Act>) -> (FakeNode, ExecutionClient) {
    let node = FakeNode::with_routes(BTreeMap::new()).await;
    node.script("/", acts);
    let client = ExecutionClient::new(node.url()).unwrap();
    (node, client)
}

#[tokio::test]
async fn a_contract_is_asked_by_a_call_at_the_latest_block() {
    let (node, client) = client([result(&json!("0x1626ba7e00"))]).await;
    assert_eq!(client.call(&ACCOUNT, &[0x16, 0x26]).await.unwrap(), [0x16, 0x26, 0xba, 0x7e, 0x00]);
    let asked = &node.seen("/")[0];
    assert_eq!(asked.method, "POST");
    assert_eq!(asked.body["method"], "eth_call");
    let call = json!([{ "to": format!("0x{}", "ab".repeat(20)), "data": "0x1626" }, "latest"]);
    assert_eq!(asked.body["params"], call);
}

#[tokio::test]
async fn a_contract_that_reverts_answers_nothing_and_other_errors_are_errors() {
    for (name, act, expected) in [
        ("nobody is there", result(&json!("0x")), Some(vec![])),
        ("revert", error(3, "execution reverted: GS026"), Some(vec![])),
        ("revert, in words", error(-32_000, "VM Exception: revert"), Some(vec![])),
        ("revert, of an older client", error(-32_015, "VM execution error."), Some(vec![])),
        ("no such method", error(-32_601, "the method eth_call does not exist"), None),
        ("over its limit", error(-32_005, "rate limit"), None),
        ("no hex", result(&json!("1626ba7e")), None),
        ("half a byte", result(&json!("0x1")), None),
        ("a number", result(&json!(7)), None),
        ("neither", say(200, &json!({ "jsonrpc": "2.0", "id": 1 })), None),
        ("no JSON", Act::Say(200, "<html>".into()), None),
        ("unauthorised", say(401, &json!({})), None),
        ("endless", Act::Endless, None),
    ] {
        let (_node, client) = client([act]).await;
        assert_eq!(client.call(&ACCOUNT, &[]).await.ok(), expected, "{name}");
    }
}

#[tokio::test]
async fn a_client_that_starts_is_waited_for_and_its_chain_is_a_number() {
    let starting = say(503, &json!({ "message": "starting" }));
    let (_node, client) = client([starting, result(&json!("0x88bb0"))]).await;
    assert_eq!(client.chain_id().await.unwrap(), 560_048);
    for answer in [json!("560048"), json!(1), json!("0x"), json!("0x11112222333344445"), json!(null)] {
        let (_node, client) = self::client([result(&answer)]).await;
        assert!(client.chain_id().await.is_err(), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_not_there_is_an_error_after_ten_seconds() {
    let client = ExecutionClient::new(nobody().await).unwrap();
    let before = tokio::time::Instant::now();
    let error = client.chain_id().await.unwrap_err();
    assert!(error.problem.is_temporary(), "{error}");
    assert!(before.elapsed().as_secs() <= 15, "it was given up");
}

#[tokio::test]
async fn a_file_is_fetched_whole_and_within_its_bound() {
    let node = FakeNode::with_routes(BTreeMap::new()).await;
    node.script("/v1/definition/0xab", [Act::Say(200, "{}".into())]);
    let url = node.url_with("user:secret", "/v1/definition/0xab");
    assert_eq!(download(&url, 2).await.unwrap(), b"{}");
    let too_long = download(&url, 1).await.unwrap_err();
    let DownloadError::Server(error) = &too_long else { panic!("{too_long}") };
    assert_eq!(error.problem, Problem::TooLong { limit_bytes: 1 });
    assert!(!too_long.to_string().contains("secret"), "{too_long}");
    node.script("/v1/definition/0xab", [Act::Redirect("https://elsewhere.example/".into())]);
    assert!(download(&url, 2).await.is_err(), "a redirect is not followed");
}
