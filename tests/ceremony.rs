//! Key ceremonies of real processes: four operators make a cluster that nobody holds, and it attests; or they make none, and are
//! told why.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "helpers of a test fail as tests do")]

use std::path::{Path, PathBuf};
use std::process::Command;

use hearth_api::Mark;
use hearth_crypto::bls::PublicKey;
use hearth_sim::chain::Chain;
use hearth_sim::http::{Server, SharedChain};
use hearth_tests::{
    GENESIS_FORK_VERSION, Running, free_ports, hearth, new_chain, node_commands, open_window, pubkeys, run,
    said, shown,
};

const OPERATORS: usize = 4;
const TESTNET: [&str; 8] = [
    "--testnet-name",
    "devnet",
    "--testnet-fork-version",
    GENESIS_FORK_VERSION,
    "--testnet-chain-id",
    "3735928",
    "--testnet-genesis-timestamp",
    "1",
];

/// Four operators with keys, and a plan that all have.
struct Friends {
    folder: tempfile::TempDir,
    records: String,
}

impl Friends {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let record = |operator: usize| {
            let home = folder.path().join(format!("node{operator}")).display().to_string();
            let text = said(&run(&["create", "enr", "--data-dir", &home]));
            let record = text.split_whitespace().find(|word| word.starts_with("enr:-"));
            record.unwrap_or_else(|| panic!("no record: {text}")).to_owned()
        };
        let records = (0..OPERATORS).map(record).collect::<Vec<_>>().join(",");
        Self { folder, records }
    }

    fn home(&self, operator: usize) -> PathBuf {
        self.folder.path().join(format!("node{operator}"))
    }

    /// A definition in a folder of this name.
    fn plan(&self, name: &str, withdrawal: &str) -> PathBuf {
        self.plan_with(&[], name, withdrawal)
    }

    fn plan_with(&self, more: &[&str], name: &str, withdrawal: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        let at = folder.display().to_string();
        let mut arguments = vec!["create", "dkg", "--name", "friends", "--output-dir", &at];
        arguments.extend(more);
        arguments.extend(["--operator-enrs", &self.records, "--withdrawal-addresses", withdrawal]);
        arguments.extend(["--fee-recipient-addresses", "0x000000000000000000000000000000000000dEaD"]);
        let output = run(&[&arguments[..], &TESTNET].concat());
        assert!(output.status.success(), "{}", said(&output));
        folder.join("cluster-definition.json")
    }

    fn dkg(&self, operator: usize, ports: &[u16], definition: &Path) -> Running {
        self.dkg_with(&["--insecure-keys"], operator, ports, definition)
    }

    fn dkg_with(&self, more: &[&str], operator: usize, ports: &[u16], definition: &Path) -> Running {
        let mut command = Command::new(hearth());
        command.arg("dkg").arg("--definition").arg(definition).arg("--data-dir").arg(self.home(operator));
        command.args(more).args(["--p2p-tcp-address", &format!("127.0.0.1:{}", ports[operator])]);
        for (peer, port) in ports.iter().enumerate().filter(|(peer, _)| *peer != operator) {
            command.args(["--peer", &format!("{}=127.0.0.1:{port}", peer + 1)]);
        }
        command.args(TESTNET);
        Running::start(command, &self.folder.path().join(format!("dkg{operator}.log")))
    }

    fn has_files(&self, operator: usize) -> bool {
        ["cluster-lock.json", "validator_keys", "deposit-data.json"]
            .iter()
            .any(|name| self.home(operator).join(name).exists())
    }
}

const NOBODY: &str = "0x000000000000000000000000000000000000dEaD";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_operators_make_a_cluster_that_nobody_holds_and_it_attests() {
    let friends = Friends::new();
    let definition = friends.plan("plan", NOBODY);
    let ports = free_ports(OPERATORS);
    let mut ceremony: Vec<Running> =
        (0..OPERATORS).map(|operator| friends.dkg(operator, &ports, &definition)).collect();
    for operator in &mut ceremony {
        assert!(operator.wait(), "{}", operator.log());
        assert!(operator.log().contains("The cluster is formed."), "{}", operator.log());
    }
    for operator in 0..OPERATORS {
        let home = friends.home(operator).display().to_string();
        let verified = run(&[&["cluster", "verify", &home][..], &TESTNET].concat());
        assert!(
            verified.status.success() && said(&verified).contains("deposits: passed"),
            "{}",
            said(&verified)
        );
    }
    let mut again = friends.dkg(0, &ports, &definition);
    assert!(!again.wait() && again.log().contains("there already"), "{}", again.log());

    let keys = pubkeys(friends.folder.path());
    let keys = keys.iter().map(|key| PublicKey::from_bytes(key.as_bytes()).expect("a key")).collect();
    let chain = SharedChain::new(Chain::new(new_chain(1_000, 1), keys));
    let beacon = Server::start(chain.clone()).await.expect("a port is free");
    let mut nodes: Vec<Running> = node_commands(friends.folder.path(), OPERATORS, &beacon.url())
        .into_iter()
        .enumerate()
        .map(|(operator, command)| {
            Running::start(command, &friends.folder.path().join(format!("run{operator}.log")))
        })
        .collect();
    let mut window = open_window(&friends.home(0), &mut nodes[0]).await;
    shown(&mut window, "an attestation of the new cluster on the chain", |view| {
        let strips = view.clusters.iter().flat_map(|cluster| &cluster.strip);
        strips.clone().any(|duty| duty.mark == Mark::Done && duty.delay.is_some())
    })
    .await;
    assert_eq!(chain.lock().convictions(), []);
    nodes.iter().for_each(Running::terminate);
    for node in &mut nodes {
        assert!(node.wait(), "{}", node.log());
    }
}

#[test]
fn operators_whose_plan_asks_for_pedersen_make_a_cluster_that_passes_the_same_checks() {
    let friends = Friends::new();
    let definition = friends.plan_with(&["--dkg-algorithm", "pedersen"], "plan", NOBODY);
    let ports = free_ports(OPERATORS);
    let mut ceremony: Vec<Running> =
        (0..OPERATORS).map(|operator| friends.dkg(operator, &ports, &definition)).collect();
    for operator in &mut ceremony {
        assert!(operator.wait(), "{}", operator.log());
    }
    for operator in 0..OPERATORS {
        let home = friends.home(operator).display().to_string();
        let verified = run(&[&["cluster", "verify", &home][..], &TESTNET].concat());
        assert!(verified.status.success(), "{}", said(&verified));
        assert!(said(&verified).contains("deposits: passed"), "{}", said(&verified));
    }
}

#[test]
fn an_operator_whose_computer_dies_in_a_ceremony_goes_on_where_it_was() {
    let friends = Friends::new();
    // So many keystores, made properly, that it is not over before it is killed.
    let definition = friends.plan_with(&["--num-validators", "40"], "plan", NOBODY);
    let ports = free_ports(OPERATORS);
    let mut ceremony: Vec<Running> =
        (0..3).map(|operator| friends.dkg(operator, &ports, &definition)).collect();
    let mut dies = friends.dkg_with(&[], 3, &ports, &definition);
    dies.wait_for("1 of 7");
    dies.kill();
    ceremony.push(friends.dkg(3, &ports, &definition));
    for operator in &mut ceremony {
        assert!(operator.wait(), "{}", operator.log());
    }
    assert!(ceremony[3].log().contains("was interrupted at step"), "{}", ceremony[3].log());
    for operator in 0..OPERATORS {
        let home = friends.home(operator).display().to_string();
        let verified = run(&[&["cluster", "verify", &home][..], &TESTNET].concat());
        assert!(verified.status.success(), "{}", said(&verified));
        assert!(!friends.home(operator).join("ceremony.sealed").exists(), "operator {operator}");
    }
}

#[test]
fn an_operator_with_another_withdrawal_address_is_found_out_and_nobody_has_files() {
    let friends = Friends::new();
    let (ours, theirs) =
        (friends.plan("plan", NOBODY), friends.plan("other", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"));
    let ports = free_ports(OPERATORS);
    let mut ceremony: Vec<Running> = (0..3).map(|operator| friends.dkg(operator, &ports, &ours)).collect();
    for operator in &mut ceremony {
        operator.wait_for("3 of 4 are");
    }
    ceremony.push(friends.dkg(3, &ports, &theirs));
    for operator in &mut ceremony {
        assert!(!operator.wait(), "{}", operator.log());
        assert!(operator.log().contains("All operators begin again"), "{}", operator.log());
    }
    let told = ceremony.iter().filter(|operator| operator.log().contains("definition")).count();
    assert_eq!(told, OPERATORS);
    assert!((0..OPERATORS).all(|operator| !friends.has_files(operator)));
}

#[test]
fn where_one_cannot_keep_its_keys_the_others_hear_it() {
    let friends = Friends::new();
    let definition = friends.plan("plan", NOBODY);
    let ports = free_ports(OPERATORS);
    let mut ceremony: Vec<Running> =
        (0..3).map(|operator| friends.dkg(operator, &ports, &definition)).collect();
    for operator in &mut ceremony {
        operator.wait_for("3 of 4 are");
    }
    // Its folder was free when it began.
    std::fs::create_dir(friends.home(1).join("validator_keys")).expect("the folder is ours");
    ceremony.push(friends.dkg(3, &ports, &definition));
    for operator in &mut ceremony {
        assert!(!operator.wait(), "{}", operator.log());
    }
    assert!(ceremony[1].log().contains("cannot be kept"), "{}", ceremony[1].log());
    for other in [0, 2, 3] {
        let log = ceremony[other].log();
        assert!(log.contains("operator 2 gave up") && log.contains("cannot be kept"), "{other}: {log}");
        let claims_none = log.contains("No keys were kept");
        assert_eq!(claims_none, !friends.has_files(other), "{other}: what it says of its files is so: {log}");
    }
}
