//! A new owner's first minutes: a node that has no cluster yet is asked, finds its beacon node and is set up.

use std::path::Path;
use std::process::Command;

use hearth_api::{
    BeaconState, ChangeSettingsRequest, ChecksRequest, Client, ErrorCode, FindBeaconsRequest, Grade, NodeState,
    NodeView, SettingsRequest, StopRequest,
};
use hearth_sim::chain::Chain;
use hearth_sim::http::{Server, SharedChain};
use hearth_tests::{PATIENCE, Running, hearth, new_chain, open_window, run, said, shown};

/// A node on a folder without a cluster, and a window on it.
async fn new_node(folder: &Path) -> (Running, Client) {
    let mut command = Command::new(hearth());
    command.args(["run", "--wait-for-cluster", "--time-servers", "off", "--data-dir"]).arg(folder);
    let mut node = Running::start(command, &folder.join("node.log"));
    let window = open_window(folder, &mut node).await;
    (node, window)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_cluster_finds_its_beacon_node_and_keeps_what_its_owner_decides() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let beacon = Server::start(SharedChain::new(Chain::new(new_chain(200, 8), Vec::new())))
        .await
        .expect("a port is free");
    let (mut node, mut window) = new_node(folder.path()).await;

    let view = shown(&mut window, "a list of checks", |view| !view.checks.is_empty()).await;
    assert_eq!((view.node.state, view.clusters.len()), (NodeState::Running, 0));
    assert_eq!(view.health.sentence, "No cluster yet.");
    let checks = window.checks(ChecksRequest {}).await.expect("it measures").checks;
    let grade = |title: &str| checks.iter().find(|check| check.title == title).map(|check| check.grade);
    assert_eq!(grade("Beacon node"), Some(Grade::Red), "none is set: {checks:#?}");
    assert_eq!(grade("Disk").filter(|grade| *grade == Grade::Unknown), None, "{checks:#?}");

    let named = FindBeaconsRequest { urls: vec![beacon.url()] };
    let found = window.find_beacons(named).await.expect("it looks").found;
    assert_eq!(found.first().map(|found| found.state), Some(BeaconState::Ready), "{found:?}");

    let wrong = ChangeSettingsRequest {
        beacon_nodes: Some(vec!["127.0.0.1:5052".into()]),
        ..ChangeSettingsRequest::default()
    };
    assert_eq!(window.change_settings(wrong).await.expect_err("no address").code, ErrorCode::ValueRefused);
    let choice = ChangeSettingsRequest {
        beacon_nodes: Some(vec![beacon.url()]),
        nickname: Some("Maya".into()),
        ..ChangeSettingsRequest::default()
    };
    assert!(!window.change_settings(choice).await.expect("it is taken").restart_needed);
    let ready = |view: &NodeView| view.beacons.iter().any(|beacon| beacon.state == BeaconState::Ready);
    let view = shown(&mut window, "a beacon node that is ready", ready).await;
    assert!(view.network.is_some_and(|network| network.test && network.slot_ms == 200));
    let late = |view: &NodeView| view.beacons.iter().any(|beacon| beacon.head_delay_ms.is_some());
    shown(&mut window, "how late the beacon node hears of blocks", late).await;

    assert!(window.stop(StopRequest { confirmed: true }).await.expect("it stops").stopping);
    assert!(node.wait(), "{}", node.log());
    let (_again, mut window) = new_node(folder.path()).await;
    let kept = window.settings(SettingsRequest::default()).await.expect("it answers").settings;
    assert_eq!((kept.nickname.as_str(), kept.beacon_nodes), ("Maya", vec![beacon.url()]));
}

#[test]
fn whoever_names_a_wrong_folder_on_the_command_line_is_told_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data_dir = folder.path().display().to_string();
    let refused = run(&["run", "--data-dir", &data_dir, "--beacon-node", "http://127.0.0.1:1"]);
    assert!(!refused.status.success(), "{}", said(&refused));
    assert!(said(&refused).contains(&data_dir), "{}", said(&refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_added_on_the_command_line_tested_at_once_and_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let (url, messages) = webhook();
    let secret = folder.path().join("address");
    std::fs::write(&secret, format!("{url}/hunter2\n")).expect("a file");
    let (node, window) = new_node(folder.path()).await;
    let channels = |arguments: &[&str]| {
        let data_dir = folder.path().display().to_string();
        run(&[&["channels"], arguments, &["--data-dir", &data_dir]].concat())
    };
    assert!(said(&channels(&[])).contains("No channels"));
    let secret = secret.display().to_string();
    let added = channels(&["add", "webhook", "--least", "critical", "--secret-file", &secret]);
    assert!(added.status.success(), "{}", said(&added));
    let message = messages.recv_timeout(PATIENCE).expect("a test arrives");
    assert!(message.contains("Nothing is wrong"), "{message}");
    assert!(said(&added).contains("arrived") && !said(&added).contains("hunter2"), "{}", said(&added));
    let refused = channels(&["test", "7"]);
    assert!(!refused.status.success() && said(&refused).contains("no such channel"), "{}", said(&refused));
    drop((node, window));

    let (node, _window) = new_node(folder.path()).await;
    assert!(said(&channels(&[])).contains(&format!("webhook {url}/…")), "{}", said(&channels(&[])));
    assert!(said(&channels(&["remove", "1"])).contains("No channels"));
    assert!(!node.log().contains("hunter2"));
}

/// A server that takes one message after another.
fn webhook() -> (String, std::sync::mpsc::Receiver<String>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (heard, hearing) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let (mut whole, mut byte) = (Vec::new(), [0]);
            // The body is JSON, and its closing brace is the last byte.
            while !whole.ends_with(b"}") {
                match stream.read(&mut byte) {
                    Ok(1) => whole.extend_from_slice(&byte),
                    _ => break,
                }
            }
            let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _nobody_listens = heard.send(String::from_utf8_lossy(&whole).into_owned());
        }
    });
    (url, hearing)
}
