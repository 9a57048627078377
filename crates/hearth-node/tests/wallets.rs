//! Wallets that are contracts: a definition is checked with the help of an execution client on loopback.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::routing::post;
use hearth_node::offline::{ClusterFileError, Scrutiny, verify_file};
use hearth_obol::cluster::{Definition, Lock};
use serde_json::{Value, json};

/// Sepolia, which our own vector is for.
const CHAIN: u64 = 11_155_111;

/// A definition whose second operator has a Safe of two signers.
fn definition() -> Definition {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../hearth-obol/tests/vectors/cluster-lock-v1.11.0.json");
    let mut definition = Lock::from_json(&std::fs::read(path).unwrap()).unwrap().definition;
    let second = &mut definition.operators[1];
    (second.config_signature, second.enr_signature) = (vec![0x5a; 130], vec![0x5a; 130]);
    definition.rehash().unwrap();
    definition
}

fn file(folder: &Path) -> PathBuf {
    let path = folder.join("cluster-definition.json");
    std::fs::write(&path, definition().to_json().unwrap()).unwrap();
    path
}

/// An execution client on a thread of its own; the contract's word is `returned`.
fn execution_client(chain_id: u64, account: String, returned: Value) -> SocketAddr {
    let (tell, address) = std::sync::mpsc::channel();
    let answer = move |body: String| {
        let (account, returned) = (account.clone(), returned.clone());
        async move {
            let request: Value = serde_json::from_str(&body).unwrap();
            let result = match request["method"].as_str().unwrap() {
                "eth_chainId" => json!(format!("{chain_id:#x}")),
                "eth_call" if request["params"][0]["to"] == account.as_str() => returned,
                _ => json!("0x"),
            };
            json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }).to_string()
        }
    };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            axum::serve(listener, Router::new().route("/", post(answer))).await.unwrap();
        });
    });
    address.recv().unwrap()
}

fn account() -> String {
    definition().operators[1].address.to_lowercase()
}

/// The failed checks, if the file could be checked.
fn failures(path: &Path, execution_client: Option<String>) -> Result<Vec<String>, ClusterFileError> {
    let (_, checks) = verify_file(path, &Scrutiny { execution_client, ..Scrutiny::default() })?;
    Ok(checks.into_iter().filter(|check| check.failed).map(|check| check.sentence).collect())
}

#[test]
fn a_contract_decides_whether_it_has_signed() {
    let home = tempfile::tempdir().unwrap();
    let path = file(home.path());
    let yes = json!(format!("0x1626ba7e{}", "00".repeat(28)));
    let no = json!(format!("0xffffffff{}", "00".repeat(28)));
    let asked = |chain, account, returned: &Value| {
        let address = execution_client(chain, account, returned.clone());
        failures(&path, Some(format!("http://{address}")))
    };
    let unasked = failures(&path, None).unwrap();
    assert!(unasked.len() == 1 && unasked[0].contains("execution client is needed"), "{unasked:?}");
    assert_eq!(asked(CHAIN, account(), &yes).unwrap(), [""; 0]);
    assert_eq!(asked(CHAIN, account(), &no).unwrap().len(), 1, "it says no");
    assert_eq!(asked(CHAIN, "0x00".to_owned(), &yes).unwrap().len(), 1, "nobody is at the account");
    let other = asked(1, account(), &yes).unwrap_err();
    assert!(matches!(other, ClusterFileError::OtherChain { expected: CHAIN, found: 1 }), "{other}");
}

#[test]
fn an_execution_client_that_cannot_be_asked_is_an_error_and_never_a_yes() {
    let home = tempfile::tempdir().unwrap();
    let path = file(home.path());
    let garbage = execution_client(CHAIN, account(), json!(7));
    let error = failures(&path, Some(format!("http://{garbage}"))).unwrap_err();
    assert!(matches!(error, ClusterFileError::Execution(_)), "{error}");
    let error = failures(&path, Some("ftp://somewhere".to_owned())).unwrap_err();
    assert!(matches!(error, ClusterFileError::ExecutionUrl(_)), "{error}");
}
