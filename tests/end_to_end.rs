//! Clusters of real processes over real sockets, and the command line as a newcomer meets it.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "helpers of a test fail and talk as tests do")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use hearth_tests::{Running, free_ports, hearth, node_commands, run, said};
use serde_json::Value;

/// Short slots: a test waits for them.
const SLOT_MS: &str = "1500";

/// Slots with time for a round without leader, which costs a second, on a busy machine too.
const LONG_SLOT_MS: &str = "3000";

fn demo(arguments: &[&str]) -> (bool, Value) {
    demo_with(SLOT_MS, arguments)
}

fn demo_with(slot_ms: &str, arguments: &[&str]) -> (bool, Value) {
    let mut all = vec!["demo", "--json", "--slot-ms", slot_ms];
    all.extend(arguments);
    let output = run(&all);
    let verdict = serde_json::from_slice(&output.stdout).map_err(|_| said(&output)).expect("a verdict");
    (output.status.success(), verdict)
}

#[test]
fn a_demo_whose_cluster_was_made_by_ceremony_includes_every_attestation() {
    let (passed, verdict) = demo(&["--dkg", "--slots", "6", "--validators", "2", "--slots-per-epoch", "2"]);
    assert!(passed, "{verdict}");
    assert!(verdict["duties"].as_u64() > Some(0), "{verdict}");
}

#[test]
fn a_demo_includes_every_attestation() {
    let (passed, verdict) = demo(&["--slots", "6", "--validators", "3", "--slots-per-epoch", "2"]);
    assert!(passed, "{verdict:#}");
    assert_eq!(verdict["slashable_pairs"], 0);
    assert_eq!(verdict["included"], verdict["duties"], "{verdict:#}");
    assert!(verdict["first_inclusion_ms"].as_u64().is_some_and(|ms| ms < 30_000), "{verdict:#}");
}

#[test]
fn at_the_end_of_an_epoch_every_operator_compares_with_every_other() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let keep = folder.path().join("kept");
    let output = Command::new(hearth())
        .args(["demo", "--json", "--slot-ms", SLOT_MS, "--slots", "9", "--slots-per-epoch", "4", "--keep"])
        .arg(&keep)
        .env("HEARTH_LOG", "debug")
        .output()
        .expect("hearth starts");
    assert!(output.status.success(), "{}", said(&output));
    for node in 0..4 {
        let log = keep.join(format!("node{node}/hearth.log"));
        let log = std::fs::read_to_string(&log).expect("every operator has a log");
        let compared: Vec<&str> = log.lines().filter(|line| line.contains("has in common")).collect();
        let full = |line: &&str| line.contains("heard=4") && line.contains("/charon/consensus/qbft/2.0.0");
        assert!(compared.iter().any(full), "operator {}: {compared:?}", node + 1);
    }
}

#[test]
fn with_one_operator_killed_nothing_is_missed() {
    let (passed, verdict) = demo_with(LONG_SLOT_MS, &["--slots", "12", "--kill", "3@3-8"]);
    assert!(passed, "{verdict:#}");
    let missed = verdict["missed"].as_array().expect("a list");
    assert!(missed.iter().all(|missed| missed["slot"] == "0"), "only the start may be missed: {verdict:#}");
}

#[test]
fn with_two_operators_killed_the_cluster_stops_says_so_and_resumes() {
    let (passed, verdict) = demo_with(LONG_SLOT_MS, &["--slots", "14", "--kill", "2@3-8", "--kill", "4@3-8"]);
    assert!(passed, "{verdict:#}");
    assert_eq!(verdict["slashable_pairs"], 0);
    let missed = verdict["missed"].as_array().expect("a list");
    let why = |missed: &Value| missed["why"].as_str().unwrap_or_default().to_owned();
    assert!(missed.iter().any(|m| why(m).contains("2 operators were there, 3 are needed")), "{verdict:#}");
    let slots = missed.iter().filter_map(|m| m["slot"].as_str()?.parse::<u64>().ok());
    assert!(slots.max().is_some_and(|last| last < 12), "it resumes: {verdict:#}");
}

#[test]
fn operators_killed_at_random_never_make_a_slashable_pair() {
    let (_, verdict) = demo(&["--slots", "20", "--chaos", "11"]);
    assert_eq!(verdict["slashable_pairs"], 0, "{verdict:#}");
    assert!(verdict["included"].as_u64().is_some_and(|included| included > 0), "{verdict:#}");
}

/// A cluster in `folder` of which one node runs, and waits for its beacon node with its own folder taken: nobody listens
/// there. The folder of the node, the address of its beacon node, and the node.
fn waiting_node(folder: &Path) -> (String, String, Running) {
    let cluster = folder.join("cluster");
    let made = Command::new(hearth())
        .args(["create", "cluster", "--nodes", "4", "--network", "hoodi", "--insecure-keys", "--cluster-dir"])
        .arg(&cluster)
        .args(["--withdrawal-addresses", "0x000000000000000000000000000000000000dEaD"])
        .args(["--fee-recipient-addresses", "0x000000000000000000000000000000000000dEaD"])
        .output()
        .expect("hearth starts");
    assert!(made.status.success(), "{}", said(&made));

    let nowhere = format!("http://127.0.0.1:{}", free_ports(1)[0]);
    let mut commands = node_commands(&cluster, 4, &nowhere);
    let mut node = Running::start(commands.remove(0), &folder.join("node.log"));
    let lock = cluster.join("node0/hearth.lock");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !(lock.exists() && node.log().contains("waiting for the beacon node")) {
        assert!(node.is_running() && Instant::now() < deadline, "{}", node.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    (cluster.join("node0").display().to_string(), nowhere, node)
}

#[test]
fn a_folder_in_use_is_refused_and_a_node_stops_when_asked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data_dir, nowhere, mut node) = waiting_node(folder.path());
    let second = run(&["run", "--data-dir", &data_dir, "--beacon-node", &nowhere]);
    assert!(!second.status.success());
    assert!(said(&second).contains("already running"), "{}", said(&second));

    node.terminate();
    assert!(node.wait(), "{}", node.log());
}

#[test]
fn a_running_node_is_asked_and_stopped_from_the_command_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data_dir, nowhere, mut node) = waiting_node(folder.path());
    let ask = |arguments: &[&str]| run(&[arguments, &["--data-dir", &data_dir]].concat());
    let json = |arguments: &[&str]| -> Value {
        let output = ask(&[arguments, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).map_err(|_| said(&output)).expect("an answer")
    };

    // Exit code 3: it answers and does not sign.
    let status = ask(&["status"]);
    assert_eq!(status.status.code(), Some(3), "{}", said(&status));
    assert!(said(&status).contains(&nowhere), "{}", said(&status));
    let view = json(&["status"]);
    assert_eq!(view["clusters"][0]["seats"].as_array().map(Vec::len), Some(4), "{view:#}");
    assert_eq!(view["clusters"][0]["seats"][0]["me"], true, "{view:#}");
    assert_eq!(json(&["duties"])["duties"].as_array().map(Vec::len), Some(0));
    assert!(ask(&["alerts"]).status.success());

    let closed = ask(&["slashing", "show"]);
    assert!(said(&closed).contains("not open yet"), "{}", said(&closed));

    // Nobody can answer whether it shall stop.
    assert!(!ask(&["stop"]).status.success());
    assert!(node.is_running(), "{}", node.log());
    let stopped = ask(&["stop", "--yes"]);
    assert!(stopped.status.success(), "{}", said(&stopped));
    assert!(node.wait(), "{}", node.log());

    let gone = ask(&["status"]);
    assert_eq!(gone.status.code(), Some(1), "{}", said(&gone));
    assert!(said(&gone).contains("What to do"), "{}", said(&gone));
}

#[test]
fn the_record_of_a_stopped_node_takes_a_history_when_asked_twice_and_tells_it_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data_dir, _, mut node) = waiting_node(folder.path());
    node.terminate();
    assert!(node.wait(), "{}", node.log());
    let ask = |arguments: &[&str]| run(&[arguments, &["--data-dir", &data_dir]].concat());
    let lock = std::fs::read(Path::new(&data_dir).join("cluster-lock.json")).expect("the node has a lock");
    let lock: Value = serde_json::from_slice(&lock).expect("a lock is JSON");
    let share = &lock["distributed_validators"][0]["public_shares"][0];
    let history = serde_json::json!({
        "metadata": {"interchange_format_version": "5", "genesis_validators_root": format!("0x{:064x}", 7)},
        "data": [{
            "pubkey": share,
            "signed_blocks": [],
            "signed_attestations": [{"source_epoch": "41", "target_epoch": "42"}],
        }],
    });
    let (told, again) = (folder.path().join("told.json"), folder.path().join("again.json"));
    std::fs::write(&told, history.to_string()).expect("the folder is ours");
    let (told, again) = (told.display().to_string(), again.display().to_string());

    let empty = ask(&["slashing", "show"]);
    assert!(said(&empty).contains("there is no record"), "{}", said(&empty));
    let rehearsed = ask(&["slashing", "import", &told, "--dry-run"]);
    assert!(said(&rehearsed).contains("nothing  ->  attestations 41"), "{}", said(&rehearsed));
    assert!(!ask(&["slashing", "import", &told]).status.success(), "nobody can answer");
    assert!(said(&ask(&["slashing", "show"])).contains("there is no record"));
    let imported = ask(&["slashing", "import", &told, "--yes"]);
    assert!(said(&imported).contains("Imported"), "{}", said(&imported));
    let exported = ask(&["slashing", "export", &again, "--share-keys", "--json"]);
    assert!(exported.status.success(), "{}", said(&exported));
    let written: Value = serde_json::from_slice(&std::fs::read(&again).expect("it was written")).expect("JSON");
    assert_eq!(written["data"], history["data"]);
}

#[test]
fn wrong_input_is_answered_with_what_is_wrong() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let empty = folder.path().display().to_string();
    let absent = folder.path().join("absent").display().to_string();
    let garbage = folder.path().join("garbage.json");
    std::fs::write(&garbage, "{}").expect("the folder is ours");
    let garbage = garbage.display().to_string();
    for (name, arguments, expected) in [
        (
            "no such folder",
            vec!["run", "--data-dir", &absent, "--beacon-node", "http://127.0.0.1:1"],
            "no folder",
        ),
        ("no beacon node", vec!["run", "--data-dir", &empty], "--beacon-node"),
        (
            "an empty folder",
            vec!["run", "--data-dir", &empty, "--beacon-node", "http://127.0.0.1:1"],
            "charon-enr-private-key",
        ),
        ("a peer without number", vec!["run", "--data-dir", &empty, "--peer", "127.0.0.1:1"], "NUMBER=ADDRESS"),
        ("a lock that is none", vec!["cluster", "verify", &garbage], "garbage.json"),
        ("a lock that is absent", vec!["cluster", "verify", &absent], "absent"),
        ("too few operators", vec!["create", "cluster", "--nodes", "2"], "nodes"),
        ("an absence that is none", vec!["demo", "--kill", "x"], "OPERATOR@SLOT"),
        ("a stranger is killed", vec!["demo", "--kill", "9@1"], "4 operators"),
        ("an unknown word", vec!["fly"], "fly"),
    ] {
        let output = run(&arguments);
        assert!(!output.status.success(), "{name}: {}", said(&output));
        assert!(said(&output).contains(expected), "{name} should mention `{expected}`: {}", said(&output));
        assert!(!said(&output).contains("panicked"), "{name}: {}", said(&output));
    }
}

#[test]
fn a_backup_of_a_running_node_is_practised_and_restored_and_the_restored_node_waits_before_it_signs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut demo = Command::new(hearth());
    demo.args(["demo", "--slots", "1000", "--json", "--keep", &path("cluster")]);
    let demo = Running::start(demo, &folder.path().join("demo.log"));
    let node = path("cluster/node0");
    let wait_for = |what: &str, look: &dyn Fn() -> bool| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !look() {
            assert!(Instant::now() < deadline, "{what}: {}", demo.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    wait_for("a node that signs", &|| run(&["status", "--data-dir", &node]).status.success());

    std::fs::write(path("words"), "amber bridge candle meadow\n").expect("the folder is ours");
    std::fs::write(path("wrong"), "amber bridge candle meadows\n").expect("the folder is ours");
    let (file, words, wrong) = (path("sam.hearthbackup"), path("words"), path("wrong"));
    let made = run(&["backup", "create", &file, "--data-dir", &node, "--passphrase-file", &words]);
    assert!(made.status.success(), "{}", said(&made));
    let refused = run(&["backup", "practise", &file, "--passphrase-file", &wrong]);
    assert!(!refused.status.success() && said(&refused).contains("does not open"), "{}", said(&refused));
    let practised = run(&["backup", "practise", &file, "--passphrase-file", &words]);
    assert!(said(&practised).contains("can be restored. Nothing was written"), "{}", said(&practised));

    let new = path("new");
    let asked = run(&["backup", "restore", &file, "--data-dir", &new, "--passphrase-file", &words]);
    assert!(!asked.status.success() && !Path::new(&new).exists(), "nobody can answer: {}", said(&asked));
    let restored = run(&["backup", "restore", &file, "--data-dir", &new, "--passphrase-file", &words, "--yes"]);
    assert!(restored.status.success(), "{}", said(&restored));

    // With its chain, and without the others: what matters is what it says of itself.
    let view = run(&["status", "--json", "--data-dir", &node]);
    let view: Value = serde_json::from_slice(&view.stdout).expect("an answer");
    let beacon = view["beacons"][0]["url"].as_str().expect("the demo has a beacon node").to_owned();
    let mut again = Command::new(hearth());
    again.args(["run", "--time-servers", "off", "--beacon-node", &beacon, "--data-dir", &new]);
    let _again = Running::start(again, &folder.path().join("new.log"));
    let status = || said(&run(&["status", "--data-dir", &new]));
    wait_for("a node that waits", &|| {
        status().contains("Not signing: restored from a backup, it waits for epoch")
    });
    // The demo's epochs have one slot of three seconds.
    wait_for("a node that waits no more", &|| {
        let status = status();
        status.contains("operators here") && !status.contains("restored")
    });
}
