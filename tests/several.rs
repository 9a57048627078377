//! Several clusters in one node: their duties go on side by side, and what is wrong with one harms no other.

use std::path::{Path, PathBuf};
use std::process::Command;

use hearth_api::{
    BackUpRequest, BringBackRequest, ChangeSettingsRequest, DutyMark, ErrorCode, Flame, HistoryRequest,
    KeysRequest, Mark, MoveInRequest, NodeState, NodeView, Period, SeatState, Severity, SlashingRequest,
};
use hearth_crypto::bls::PublicKey;
use hearth_sim::chain::Chain;
use hearth_sim::http::{Server, SharedChain};
use hearth_tests::{
    GENESIS_FORK_VERSION, Running, create_cluster, free_ports, hearth, new_chain, open_window, pubkeys, run,
    said, shown,
};

const OPERATORS: usize = 3;

/// Puts each operator's part of a cluster into its node's folder.
fn hand_out(cluster: &Path, name: &str, home: impl Fn(usize) -> PathBuf) {
    let ports = free_ports(OPERATORS);
    for me in 0..OPERATORS {
        let folder = home(me).join("clusters").join(name);
        std::fs::create_dir_all(folder.parent().expect("it is in one")).expect("a folder");
        std::fs::rename(cluster.join(format!("node{me}")), &folder).expect("it was created");
        let at = |number: usize| format!("127.0.0.1:{}", ports.get(number).expect("one each"));
        let peers: String = (0..OPERATORS)
            .filter(|peer| *peer != me)
            .map(|peer| format!("{} = ['{}']\n", peer + 1, at(peer)))
            .collect();
        let settings = format!("listen = ['{}']\n[peers]\n{peers}", at(me));
        let path = folder.join("settings.toml");
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(path, settings + &before).expect("the folder is ours");
    }
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-r").arg(from).arg(to).status();
    assert!(status.expect("cp starts").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clusters_of_one_node_attest_side_by_side_and_a_twin_of_one_is_left_out() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = |operator: usize| folder.path().join(format!("home{operator}"));
    let mut validators = Vec::new();
    for name in ["family", "office"] {
        let cluster = folder.path().join(name);
        create_cluster(&cluster, name, OPERATORS, GENESIS_FORK_VERSION, &[]);
        validators.extend(pubkeys(&cluster));
        hand_out(&cluster, name, home);
    }
    // Somebody kept a copy in the wrong place: with both, one key share would be used twice.
    copy(&home(0).join("clusters/office"), &home(0).join("clusters/office-old"));

    let keys = validators.iter().map(|key| PublicKey::from_bytes(key.as_bytes()).expect("a key")).collect();
    let chain = SharedChain::new(Chain::new(new_chain(1_000, 1), keys));
    let beacon = Server::start(chain.clone()).await.expect("a port is free");
    let mut nodes: Vec<Running> = (0..OPERATORS)
        .map(|operator| {
            let mut command = Command::new(hearth());
            command.args(["run", "--time-servers", "off", "--beacon-node", &beacon.url(), "--data-dir"]);
            command.arg(home(operator));
            Running::start(command, &folder.path().join(format!("node{operator}.log")))
        })
        .collect();
    let mut window = open_window(&home(0), nodes.first_mut().expect("three")).await;

    let is_done = |duty: &DutyMark| matches!(duty.mark, Mark::Done | Mark::Late);
    let done = |view: &NodeView| {
        view.clusters.len() == 2
            && view.clusters.iter().all(|cluster| {
                cluster.strip.iter().filter(|duty| is_done(duty)).count() >= 3
                    && cluster.strip.iter().any(|duty| duty.delay.is_some())
                    && cluster.seats.iter().all(|seat| seat.state == SeatState::Here)
            })
    };
    let view = shown(&mut window, "three duties of each cluster, of which the chain has one", done).await;
    let names: Vec<_> = view.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
    assert_eq!(names, ["family", "office"]);
    let left_out: Vec<_> = view.left_out.iter().map(|left_out| left_out.folder.as_str()).collect();
    assert_eq!(left_out, ["office-old"]);
    let alert = view.alerts.first().expect("it is told");
    assert!(alert.severity == Severity::Critical && alert.text.contains("slashed"), "{alert:?}");

    // Each cluster has keys and a record of its own, and whoever asks says of which.
    let ids: Vec<_> = view.clusters.iter().map(|cluster| cluster.id).collect();
    for (id, validator) in ids.iter().zip(&validators) {
        let cluster = Some(*id);
        let keys = window.keys(KeysRequest { cluster }).await.expect("it answers");
        assert_eq!(keys.shares.iter().map(|share| share.validator).collect::<Vec<_>>(), [*validator]);
        let record = window.slashing(SlashingRequest { cluster }).await.expect("it answers");
        assert_eq!(record.validators.iter().map(|record| record.pubkey).collect::<Vec<_>>(), [*validator]);
        let history =
            window.history(HistoryRequest { cluster, period: Period::Day }).await.expect("it answers");
        let [of] = history.validators[..] else { panic!("{history:?}") };
        assert_eq!(chain.lock().index_of(validator), Some(of.validator));
        assert!(of.tally.included >= 1 && of.tally.mean_delay_milli >= Some(1_000), "{history:?}");
    }
    let whose = window.slashing(SlashingRequest { cluster: None }).await.expect_err("there are two");
    assert_eq!(whose.code, ErrorCode::ValueRefused);
    assert!(whose.remedy.contains("family and office"), "{whose:?}");
    let at = home(0).display().to_string();
    let shows = |arguments: &[&str], wanted: &[&str]| {
        let output = run(&[arguments, &["--data-dir", &at]].concat());
        let text = said(&output);
        assert!(wanted.iter().all(|wanted| text.contains(wanted)), "{arguments:?}: {text}");
    };
    shows(&["slashing", "show", "--cluster", "office"], &["The record of signed messages"]);
    shows(&["slashing", "show"], &["Say which cluster"]);
    shows(&["duties", "--cluster", "family"], &["sent", "on the chain in the next block"]);
    shows(&["duties"], &["  family  slot", "  office  slot"]);
    shows(&["status"], &["Cluster \"family\"", "Cluster \"office\"", "office-old does not run"]);

    // An operator that leaves is missed in both, and both go on with the two that are needed.
    drop(nodes.pop());
    let dark = |view: &NodeView| {
        view.clusters.iter().all(|cluster| {
            cluster.seats.last().is_some_and(|seat| seat.state == SeatState::Dark)
                && cluster.strip.last().is_some_and(is_done)
        })
    };
    shown(&mut window, "an operator that left both clusters", dark).await;
    assert_eq!(chain.lock().convictions(), []);

    for node in &nodes {
        node.terminate();
    }
    for node in &mut nodes {
        assert!(node.wait(), "{}", node.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_which_no_cluster_can_run_ends_and_says_why() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["a", "b"] {
        std::fs::create_dir_all(folder.path().join("clusters").join(name)).expect("a folder");
        std::fs::write(folder.path().join("clusters").join(name).join("cluster-lock.json"), "{}")
            .expect("a file");
    }
    let data_dir = folder.path().display().to_string();
    let refused = run(&["run", "--data-dir", &data_dir, "--beacon-node", "http://127.0.0.1:1"]);
    assert!(!refused.status.success(), "{}", said(&refused));
    let text = said(&refused);
    assert!(text.contains("clusters/a") && text.contains("clusters/b"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_cluster_begins_with_one_that_moves_in_from_charon_or_comes_back_from_a_backup() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cluster = folder.path().join("cluster");
    create_cluster(&cluster, "family", OPERATORS, GENESIS_FORK_VERSION, &[]);
    let keys =
        pubkeys(&cluster).iter().map(|key| PublicKey::from_bytes(key.as_bytes()).expect("a key")).collect();
    let chain = SharedChain::new(Chain::new(new_chain(1_000, 1), keys));
    let beacon = Server::start(chain.clone()).await.expect("a port is free");
    let waiting = async |name: &str, more: &[&str]| {
        let home = folder.path().join(name);
        std::fs::create_dir(&home).expect("a folder");
        let mut command = Command::new(hearth());
        command
            .args(["run", "--wait-for-cluster", "--time-servers", "off", "--data-dir"])
            .arg(&home)
            .args(more);
        let mut node = Running::start(command, &folder.path().join(format!("{name}.log")));
        let window = open_window(&home, &mut node).await;
        (home, node, window)
    };

    // With a cluster of another network alone it says so, stays, and can be asked and set up.
    let other = folder.path().join("other");
    create_cluster(&other, "other", OPERATORS, "0x00000043", &[]);
    let (_elsewhere, mut node, mut window) = waiting("elsewhere", &["--beacon-node", &beacon.url()]).await;
    let path = other.join("node0").display().to_string();
    window.move_in(MoveInRequest { path, history: None, confirmed: true }).await.expect("it is taken in");
    let dark =
        |view: &NodeView| view.health.flame == Flame::Dark && view.health.sentence.contains("does not run");
    let view = shown(&mut window, "that nothing can be run", dark).await;
    assert!(view.left_out.first().is_some_and(|left_out| left_out.reason.contains("network")), "{view:#?}");
    let named = ChangeSettingsRequest { nickname: Some("Sam".into()), ..ChangeSettingsRequest::default() };
    assert!(
        !window.change_settings(named).await.expect("it is taken").restart_needed,
        "it tries again with that"
    );
    shown(&mut window, "that it is still so", dark).await;
    node.terminate();
    assert!(node.wait(), "{}", node.log());

    let (home, mut node, mut window) = waiting("maya", &[]).await;
    let path = cluster.join("node0").display().to_string();
    let move_in = |confirmed| MoveInRequest { path: path.clone(), history: None, confirmed };
    assert_eq!(window.move_in(move_in(false)).await.expect_err("not confirmed").code, ErrorCode::ValueRefused);
    let came = window.move_in(move_in(true)).await.expect("it is taken in");
    assert_eq!((came.name.as_str(), came.operator, came.restart_needed), ("family", 1, false));
    assert!(Path::new(&came.folder).starts_with(home.join("clusters")), "{came:?}");
    let blind = |view: &NodeView| matches!(&view.node.state, NodeState::Starting { waiting_for } if waiting_for.contains("beacon node"));
    shown(&mut window, "that a beacon node is missing", blind).await;
    let again = window.move_in(move_in(true)).await.expect_err("it is there already");
    assert_eq!(again.code, ErrorCode::FileRefused);
    let chosen =
        ChangeSettingsRequest { beacon_nodes: Some(vec![beacon.url()]), ..ChangeSettingsRequest::default() };
    window.change_settings(chosen).await.expect("it is taken");
    let runs = |view: &NodeView| view.node.state == NodeState::Running && view.clusters.len() == 1;
    shown(&mut window, "the cluster at work", runs).await;
    let named = ChangeSettingsRequest { nickname: Some("Maya".into()), ..ChangeSettingsRequest::default() };
    assert!(
        window.change_settings(named).await.expect("it is kept").restart_needed,
        "duties are not disturbed now"
    );

    let file = folder.path().join("maya.hearthbackup").display().to_string();
    let passphrase = "correct horse battery staple";
    let back_up = BackUpRequest { cluster: None, path: file.clone(), passphrase: passphrase.into() };
    window.back_up(back_up).await.expect("it is backed up");
    node.terminate();
    assert!(node.wait(), "{}", node.log());

    let (_home, node, mut window) = waiting("new", &["--beacon-node", &beacon.url()]).await;
    let bring_back = |passphrase: &str| BringBackRequest {
        path: file.clone(),
        passphrase: passphrase.into(),
        confirmed: true,
    };
    assert_eq!(window.bring_back(bring_back("wrong")).await.expect_err("wrong").code, ErrorCode::ValueRefused);
    let came = window.bring_back(bring_back(passphrase)).await.expect("it comes back");
    assert_eq!((came.name.as_str(), came.restart_needed), ("family", false));
    let waits = |view: &NodeView| view.clusters.iter().any(|cluster| cluster.refuses.is_some());
    shown(&mut window, "why it does not sign yet", waits).await;
    assert_eq!(chain.lock().convictions(), []);
    drop(node);
}
