//! The commands that work on files, as a person uses them: the real program, real folders, and the wrong input.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hearth_tests::{hearth, said, workspace};
use serde_json::Value;
use tempfile::TempDir;

const ADDRESS: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const OTHER: &str = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359";

/// A folder to work in, and what belongs to the installation.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `hearth` with these words, separated by spaces.
    fn hearth(&self, words: &str) -> Output {
        Command::new(hearth())
            .args(words.split_whitespace())
            .current_dir(self.folder.path())
            .env("HEARTH_STATE_DIR", self.path("state"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// What `hearth` prints when it succeeds.
    fn succeeds(&self, words: &str) -> String {
        let output = self.hearth(words);
        assert!(output.status.success(), "hearth {words}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What `hearth` says when it refuses.
    fn refuses(&self, words: &str, reason: &str) {
        let output = self.hearth(words);
        let words_said = said(&output);
        assert!(!output.status.success(), "hearth {words}: {words_said}");
        assert!(words_said.contains(reason), "hearth {words}: expected {reason:?} in {words_said}");
        assert!(!words_said.contains("panicked"), "hearth {words}: {words_said}");
    }

    fn cluster(&self, more: &str) -> String {
        self.succeeds(&format!(
            "create cluster --network hoodi --insecure-keys --withdrawal-addresses {ADDRESS} --fee-recipient-addresses \
             {ADDRESS} {more}"
        ))
    }
}

/// A file or folder of the vectors, or a line that says that the test was skipped.
fn vectors(name: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors");
    let root = std::env::var_os("HEARTH_VECTORS").map_or_else(|| default.into(), PathBuf::from);
    let found = root.join("obol-cluster").join(name);
    if found.exists() {
        return Some(fs::canonicalize(found).unwrap());
    }
    println!("skipped: {} not found", found.display());
    None
}

/// Everything in a folder down to this depth, as other tools list it.
fn listing(folder: &Path, depth: usize) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() && depth > 1 {
            names.extend(listing(&entry.path(), depth - 1).into_iter().map(|below| format!("{name}/{below}")));
        }
        names.push(name);
    }
    names.sort();
    names
}

#[test]
fn operators_make_records_and_one_of_them_a_plan_that_all_can_compare() {
    let desk = Desk::new();
    let records: Vec<String> = (0..4)
        .map(|operator| desk.succeeds(&format!("create enr --data-dir op{operator}")).trim().to_owned())
        .collect();
    assert!(records.iter().all(|record| record.starts_with("enr:-HW4Q")), "{records:?}");
    assert_eq!(desk.succeeds("enr --data-dir op2").trim(), records[2]);
    assert!(desk.succeeds("enr --data-dir op2 --verbose").contains("public key: 0x0"));
    desk.refuses("create enr --data-dir op2", "exists already and is not overwritten");
    desk.refuses("enr --data-dir nowhere", "cannot read nowhere/charon-enr-private-key");

    let plan = format!(
        "create dkg --name evening --output-dir plan --operator-enrs {} --num-validators 2 --network hoodi \
         --withdrawal-addresses {ADDRESS} --fee-recipient-addresses {ADDRESS},{OTHER} --compounding --deposit-amounts 8,32",
        records.join(",")
    );
    let planned = desk.succeeds(&plan);
    assert!(planned.contains("4 operators with 2 validators; any 3"), "{planned}");
    desk.refuses(&plan, "exists already and was left alone");
    let verified = desk.succeeds("cluster verify plan/cluster-definition.json");
    assert!(verified.contains("The definition is sound"), "{verified}");
    let shown: Value =
        serde_json::from_str(&desk.succeeds("cluster show --json plan/cluster-definition.json")).unwrap();
    let words: Vec<&str> =
        shown["matching_words"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
    assert!(planned.contains(&words.join(" ")), "{planned}");
    assert_eq!(shown["validators"][1]["fee_recipient_address"], OTHER);
    assert_eq!(shown["deposit_amounts_gwei"], serde_json::json!(["8000000000", "32000000000"]));
    let page = desk.succeeds("cluster show plan/cluster-definition.json");
    assert!(page.contains("3 of 4 operators are needed to sign; 1 may be offline."), "{page}");

    // One changed letter in one copy changes the words, and the file no longer verifies.
    let path = desk.path("plan/cluster-definition.json");
    let text = fs::read_to_string(&path).unwrap().replace(OTHER, ADDRESS);
    fs::write(desk.path("changed.json"), text).unwrap();
    let changed: Value = serde_json::from_str(&desk.succeeds("cluster show --json changed.json")).unwrap();
    assert_ne!(changed["matching_words"], shown["matching_words"]);
    desk.refuses("cluster verify changed.json", "config hash: failed");
}

#[test]
fn a_dealt_cluster_is_checked_taken_over_handed_back_and_put_together() {
    let desk = Desk::new();
    let made = desk.cluster("--cluster-dir c --num-validators 2 --name friends");
    assert!(
        made.contains("Made a cluster of 4 operators with 2 validators; any 3 operators can sign."),
        "{made}"
    );
    let sound = desk.succeeds("cluster verify c/node1");
    for line in ["The lock is sound", "this folder is that of operator 2 of 4", "deposit-data.json: 2 deposits"]
    {
        assert!(sound.contains(line), "{sound}");
    }
    let page = desk.succeeds("cluster show c/node1");
    assert!(page.contains("A cluster \"friends\" on hoodi, with its keys."), "{page}");

    let imported = desk.succeeds("import charon c/node1 --data-dir hearth");
    assert!(imported.contains("operator 2 of 4 in the cluster \"friends\", with 2 validators"), "{imported}");
    assert!(listing(&desk.path("hearth"), 3).iter().all(|name| !name.ends_with(".txt")));
    desk.refuses("import charon c/node1 --data-dir hearth", "is not empty and was left alone");
    desk.refuses("import charon hearth --data-dir again", "is a folder of Hearth already");
    desk.refuses("export charon back --data-dir hearth", "say --yes");
    assert!(!desk.path("back").exists());
    desk.succeeds("export charon back --data-dir hearth --yes");
    assert_eq!(listing(&desk.path("back"), 3), listing(&desk.path("c/node1"), 3));

    fs::remove_dir_all(desk.path("c/node3")).unwrap();
    let combined = desk.succeeds("combine --cluster-dir c --output-dir keys");
    assert!(combined.contains("Put the shares of 3 operators together: 2 whole keys in keys."), "{combined}");
    let shown: Value = serde_json::from_str(&desk.succeeds("cluster show --json c/node0")).unwrap();
    for validator in shown["validators"].as_array().unwrap() {
        assert!(combined.contains(validator["public_key"].as_str().unwrap()), "{combined}");
    }
    desk.refuses("combine --cluster-dir c --output-dir keys", "replace the keystores in it with --force");
    fs::remove_dir_all(desk.path("c/node2")).unwrap();
    desk.refuses(
        "combine --cluster-dir c --output-dir more",
        "2 operators' shares of validator 1, 3 are needed",
    );

    // The keys that came out are split into a new cluster, in their order.
    let split = desk.succeeds(&format!(
        "create cluster --cluster-dir d --nodes 7 --network hoodi --insecure-keys --split-existing-keys --split-keys-dir keys \
         --withdrawal-addresses {ADDRESS},{OTHER} --fee-recipient-addresses {ADDRESS}"
    ));
    assert!(split.contains("do not deposit for them again"), "{split}");
    let again: Value = serde_json::from_str(&desk.succeeds("cluster show --json d/node6")).unwrap();
    for (number, address) in [(0, ADDRESS), (1, OTHER)] {
        assert_eq!(again["validators"][number]["public_key"], shown["validators"][number]["public_key"]);
        assert_eq!(again["validators"][number]["withdrawal_address"], address);
    }
}

#[test]
fn a_cluster_is_made_from_a_definition_and_its_operators_give_their_places() {
    let desk = Desk::new();
    desk.cluster("--cluster-dir c --nodes 3 --name first");
    let mut lock: Value =
        serde_json::from_str(&fs::read_to_string(desk.path("c/node0/cluster-lock.json")).unwrap()).unwrap();
    fs::write(desk.path("plan.json"), lock["cluster_definition"].take().to_string()).unwrap();
    let made = desk.hearth("create cluster --cluster-dir d --definition-file plan.json --insecure-keys");
    assert!(said(&made).contains("Their places were taken by the nodes made here"), "{}", said(&made));
    desk.succeeds("cluster verify d/node2");
    for (words, reason) in [
        ("create cluster --definition-file c/node0/cluster-lock.json", "that has its keys already"),
        ("create cluster --definition-file plan.json --name x", "--name and --definition-file exclude"),
        ("create cluster --definition-file plan.json --nodes 4", "cannot be used with"),
        ("create cluster --definition-file http://127.0.0.1:1/x", "cannot fetch the definition"),
        ("create cluster --definition-file nowhere.json", "cannot read nowhere.json"),
    ] {
        desk.refuses(words, reason);
    }
    let Some(solo) = vectors("examples/cluster-definition-006.json") else { return };
    let expected = vectors("create-cluster-layout/solo_flow_definition_from_disk.json").unwrap();
    let mut expected: Vec<String> = serde_json::from_slice(&fs::read(expected).unwrap()).unwrap();
    expected.sort();
    let insecure =
        if fs::read_to_string(&solo).unwrap().contains("\"0x00000000\"") { "" } else { "--insecure-keys" };
    desk.succeeds(&format!(
        "create cluster --cluster-dir solo --definition-file {} {insecure}",
        solo.display()
    ));
    assert_eq!(listing(&desk.path("solo"), 2), expected);
}

#[test]
fn folders_have_the_layout_that_other_tools_make() {
    for (name, options) in [
        ("simnet", "--nodes 4"),
        ("custom_target_gas_limit", "--nodes 4 --target-gas-limit 30000000"),
        ("goerli", "--nodes 3"),
        ("two_partial_deposits", "--nodes 4 --deposit-amounts 1,31"),
    ] {
        let Some(expected) = vectors(&format!("create-cluster-layout/{name}.json")) else { return };
        let mut expected: Vec<String> = serde_json::from_slice(&fs::read(expected).unwrap()).unwrap();
        expected.sort();
        let desk = Desk::new();
        desk.cluster(&format!("--cluster-dir c {options}"));
        assert_eq!(listing(&desk.path("c"), 2), expected, "{name}");
    }
}

#[test]
fn folders_that_another_tool_made_are_checked_imported_and_combined() {
    let Some(solo) = vectors("node-folders/solo") else { return };
    let expected: Value =
        serde_json::from_slice(&fs::read(solo.join("expected-combine.json")).unwrap()).unwrap();
    let validators = expected["validators"].as_array().unwrap();
    for absent in 0..3 {
        let desk = Desk::new();
        fs::create_dir(desk.path("c")).unwrap();
        for node in (0..3).filter(|node| *node != absent) {
            let name = format!("node{node}");
            copy(&solo.join(&name), &desk.path("c").join(&name));
            let verified = desk.succeeds(&format!("cluster verify c/{name}"));
            assert!(verified.contains(&format!("that of operator {} of 3", node + 1)), "{verified}");
        }
        let combined = desk.succeeds("combine --cluster-dir c --output-dir keys");
        for validator in validators {
            assert!(combined.contains(validator["distributed_public_key"].as_str().unwrap()), "{combined}");
        }
        if absent == 0 {
            desk.succeeds("import charon c/node1 --data-dir hearth");
        }
    }
}

/// Copies a folder, so that what a test does to it leaves the vectors alone.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::write(target, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

#[test]
fn wrong_input_is_refused_with_a_reason_and_leaves_nothing() {
    let desk = Desk::new();
    let create = |options: &str| format!("create cluster --cluster-dir c {options}");
    let addresses = format!("--withdrawal-addresses {ADDRESS} --fee-recipient-addresses {ADDRESS}");
    for (options, reason) in [
        (String::new(), "--network is needed: mainnet, hoodi, sepolia, gnosis, chiado"),
        (format!("--network holesky {addresses}"), "--network holesky is not one of"),
        ("--network hoodi".to_owned(), "--withdrawal-addresses is needed"),
        (format!("--network hoodi {}", addresses.to_lowercase()), "does not have the checksum of an address"),
        (format!("--network hoodi {addresses} --nodes 2"), "2 is not in 3..=254"),
        (format!("--network hoodi {addresses} --threshold 1"), "threshold 1 is outside 2..=4"),
        (format!("--network hoodi {addresses} -t 5"), "threshold 5 is outside 2..=4"),
        (format!("--network hoodi {addresses} --num-validators 0"), "0 is not in 1..=65536"),
        (format!("--network hoodi {addresses} --deposit-amounts 1,2"), "together do not reach 32 ETH"),
        (format!("--network hoodi {addresses} --deposit-amounts 33"), "above 32 ETH"),
        (format!("--network hoodi {addresses} --target-gas-limit 0"), "the gas limit is zero"),
        (format!("--network hoodi {addresses} --consensus-protocol abft"), "only qbft"),
        (format!("--network mainnet {addresses} --insecure-keys"), "insecure keystores are for test networks"),
        (
            format!("--network hoodi {addresses},{OTHER} --num-validators 3"),
            "2 fee recipients for 3 validators; give one for all or one each",
        ),
        (
            format!("--network hoodi {addresses} --split-existing-keys --split-keys-dir nowhere"),
            "cannot read nowhere",
        ),
        (format!("--testnet-name mine {addresses}"), "--testnet-fork-version"),
    ] {
        desk.refuses(&create(&options), reason);
    }
    for (words, reason) in [
        ("cluster verify nowhere.json", "cannot read nowhere.json"),
        ("cluster show .", "cannot read ./cluster-lock.json"),
        ("combine --cluster-dir nowhere", "cannot read nowhere"),
        ("combine --cluster-dir .", "holds no folder of an operator"),
        ("import charon nowhere", "cannot read nowhere/charon-enr-private-key"),
        ("export charon back --yes", "there is no folder hearth"),
        ("run --data-dir nowhere", "there is no folder nowhere"),
        ("create dkg --operator-enrs enr:xx --network hoodi", "is needed: one address"),
    ] {
        desk.refuses(words, reason);
    }
    desk.refuses(
        &format!("create dkg --operator-enrs enr:xx,enr:yy,enr:zz --network hoodi {addresses}"),
        "the record of operator 1: the node record is not",
    );
    desk.refuses(
        &format!("create dkg --operator-enrs enr:xx --network hoodi --dkg-algorithm keygen {addresses}"),
        "[possible values: default, frost, pedersen]",
    );
    assert_eq!(listing(desk.folder.path(), 2), [""; 0], "nothing was made");
}

#[test]
fn hostile_files_are_refused_at_once() {
    let desk = Desk::new();
    let size = 100 << 20;
    for (name, content, reason) in [
        ("deep.json", "[".repeat(size), "at most 67108864 are read"),
        ("nested.json", format!("{{\"operators\":{}", "[".repeat(1 << 20)), "nested more than 32 deep"),
        ("list.json", format!("{{\"x\":[{}0]}}", "0,".repeat(2 << 20)), "more than 1048576 values"),
        ("crowd.json", format!("{{\"operators\":[{}{{}}]}}", "{},".repeat(9_999)), "more than 256 entries"),
        ("big.json", "{\"threshold\":18446744073709551616}".into(), "line 1, column"),
        ("twice.json", "{\"uuid\":\"a\",\"uuid\":\"b\"}".into(), "duplicate field `uuid`"),
        ("type.json", "{\"version\":7}".into(), "invalid type: integer `7`, expected a string"),
        ("empty.json", String::new(), "is not a cluster definition"),
        ("lock.json", "{\"cluster_definition\":{},\"lock_hash\":5}".into(), "is not a cluster lock"),
    ] {
        fs::write(desk.path(name), content).unwrap();
        desk.refuses(&format!("cluster verify {name}"), reason);
        desk.refuses(&format!("cluster show {name}"), reason);
    }
    fs::write(desk.path("bytes.json"), b"{\"name\":\"\xff\xfe\"}").unwrap();
    desk.refuses("cluster verify bytes.json", "line 1, column");
}

#[test]
fn what_each_system_starts_with_the_computer_is_what_the_app_starts() {
    let folder = workspace().join("installers");
    for (name, service) in [
        ("Linux", "linux/hearth@.service"),
        ("macOS", "macos/always-on.sh"),
        ("Windows", "windows/always-on.ps1"),
    ] {
        let text = std::fs::read_to_string(folder.join(service)).expect("it is there");
        for word in ["run", "--wait-for-cluster", "--data-dir", "system"] {
            assert!(text.contains(word), "{name}: {service} does not say {word}");
        }
        assert!(text.contains("finished first"), "{name}: {service} stops the node in the middle of a duty");
    }
}
