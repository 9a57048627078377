//! What the whole-system tests share: the `hearth` program, and clusters of real processes.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hearth_api::{Client, NodeView, Role, StatusRequest};
use hearth_types::{
    ChainSpec, Epoch, ForkName, ForkSchedule, ForkVersion, Root, ScheduledFork, UnixMillis, ValidatorPubkey,
};

/// The `hearth` program: the one that `HEARTH_PROGRAM` names, or else built if it is not there or stale.
///
/// Panics when it cannot be built: nothing can be tested then.
pub fn hearth() -> PathBuf {
    static BUILT: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    BUILT
        .get_or_init(|| {
            if let Some(program) = std::env::var_os("HEARTH_PROGRAM") {
                return program.into();
            }
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let status = Command::new(cargo)
                .args(["build", "--quiet", "--package", "hearth-cli"])
                .current_dir(workspace())
                .status()
                .expect("cargo starts");
            assert!(status.success(), "hearth does not build");
            let own = std::env::current_exe().expect("a running test has a path");
            let target = own.ancestors().nth(2).expect("a test lies in target/<profile>/deps");
            target.join("hearth")
        })
        .clone()
}

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Runs `hearth` with these arguments to its end.
pub fn run(arguments: &[&str]) -> Output {
    Command::new(hearth()).args(arguments).stdin(Stdio::null()).output().expect("hearth starts")
}

/// What a command said, both ways, for messages of failed tests.
pub fn said(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{}\n{out}{err}", output.status)
}

/// Ports that nobody uses at this moment.
pub fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free")).collect();
    held.iter().map(|listener| listener.local_addr().expect("it is bound").port()).collect()
}

/// A chain that begins with this second: every fork from the start, as the demo has them, and a genesis fork version that no
/// public network has, [`GENESIS_FORK_VERSION`].
pub fn new_chain(slot_ms: u64, slots_per_epoch: u64) -> ChainSpec {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    // A beacon node tells its genesis in seconds.
    let genesis = UnixMillis::new(now.as_secs() * 1_000);
    let fork = |name: ForkName| ScheduledFork {
        name,
        version: ForkVersion::new([u8::try_from(name.number()).expect("few forks"), 0, 0, 0x42]),
        epoch: Epoch::new(0),
    };
    let forks = ForkName::ALL.map(fork).to_vec();
    let schedule = ForkSchedule::new(forks, Epoch::FAR_FUTURE).expect("in order");
    ChainSpec::new(genesis, Root::new([7; 32]), slot_ms, slots_per_epoch, schedule).expect("a chain")
}

/// That of [`new_chain`].
pub const GENESIS_FORK_VERSION: &str = "0x00000042";

/// A child process that does not outlive its test.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts `command` with everything it says going to `log`.
    pub fn start(mut command: Command, log: &Path) -> Self {
        let file = File::create(log).expect("the log can be written");
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a file handle can be doubled"))
            .stderr(file)
            .spawn()
            .expect("the program starts");
        Self { child, log: log.to_owned() }
    }

    /// As by a power cut.
    pub fn kill(&mut self) {
        let _already_dead = self.child.kill();
        let _reaped = self.child.wait();
    }

    /// Asks it to stop, as a service manager does.
    pub fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(status.expect("kill starts").success(), "the process is there to be stopped");
    }

    /// Waits for its end and says whether it was a success.
    pub fn wait(&mut self) -> bool {
        self.child.wait().expect("it was started here").success()
    }

    /// Waits until it has said something.
    pub fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(self.is_running() && Instant::now() < deadline, "{text} is never said: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Everything it said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Running {
    /// Asks first, so that a script can end what it started; kills what does not listen.
    fn drop(&mut self) {
        if self.is_running() {
            let _asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
            let deadline = Instant::now() + Duration::from_secs(5);
            while self.is_running() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        self.kill();
    }
}

/// How long a test waits for what it was promised.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A window on the node of `folder`, as soon as that answers.
pub async fn open_window(folder: &Path, node: &mut Running) -> Client {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match Client::connect(folder, Role::Window).await {
            Ok(window) => return window,
            Err(error) => assert!(node.is_running() && Instant::now() < deadline, "{error}: {}", node.log()),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Looks until the node shows what is waited for.
pub async fn shown(window: &mut Client, what: &str, wanted: impl Fn(&NodeView) -> bool) -> NodeView {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let view = window.status(StatusRequest {}).await.expect("the node answers");
        if wanted(&view) {
            return view;
        }
        assert!(Instant::now() < deadline, "{what} is never shown: {view:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The validators of a cluster that was created in `cluster`, in the order of its lock.
pub fn pubkeys(cluster: &Path) -> Vec<ValidatorPubkey> {
    let text = std::fs::read_to_string(cluster.join("node0/cluster-lock.json")).expect("the lock was written");
    let lock: serde_json::Value = serde_json::from_str(&text).expect("a lock is JSON");
    let validators =
        lock.get("distributed_validators").and_then(serde_json::Value::as_array).expect("it lists validators");
    let key = |validator: &serde_json::Value| {
        validator
            .get("distributed_public_key")
            .and_then(serde_json::Value::as_str)
            .and_then(|key| key.parse().ok())
            .expect("each has a key")
    };
    validators.iter().map(key).collect()
}

/// Makes a cluster of `nodes` operators for the network with this genesis fork version, in `cluster`.
pub fn create_cluster(cluster: &Path, name: &str, nodes: usize, version: &str, more: &[&str]) {
    let output = Command::new(hearth())
        .args(["create", "cluster", "--name", name, "--nodes", &nodes.to_string(), "--insecure-keys"])
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

/// Makes a cluster in `cluster/node0`, … as its operators do: each has a key, all have one plan, and a ceremony of real processes does
/// the rest, so that nobody ever has a validator's key.
pub fn form_cluster(cluster: &Path, nodes: usize, version: &str, validators: usize) {
    let home = |node: usize| cluster.join(format!("node{node}"));
    let record = |node: usize| {
        let text = said(&run(&["create", "enr", "--data-dir", &home(node).display().to_string()]));
        text.split_whitespace().find(|word| word.starts_with("enr:-")).expect("a record").to_owned()
    };
    let records = (0..nodes).map(record).collect::<Vec<_>>().join(",");
    let network = ["--testnet-name", "devnet", "--testnet-fork-version", version];
    let network =
        [&network[..], &["--testnet-chain-id", "3735928", "--testnet-genesis-timestamp", "1"]].concat();
    let (place, count) = (cluster.display().to_string(), validators.to_string());
    let plan = ["create", "dkg", "--name", "devnet", "--output-dir", &place, "--operator-enrs", &records];
    let plan = [&plan[..], &["--num-validators", &count]].concat();
    let nobody = "0x000000000000000000000000000000000000dEaD";
    let addresses = ["--withdrawal-addresses", nobody, "--fee-recipient-addresses", nobody];
    let planned = run(&[&plan[..], &addresses, &network].concat());
    assert!(planned.status.success(), "{}", said(&planned));
    let ports = free_ports(nodes);
    let operator = |node: usize| {
        let mut command = Command::new(hearth());
        command.args(["dkg", "--insecure-keys", "--definition"]).arg(cluster.join("cluster-definition.json"));
        command.arg("--data-dir").arg(home(node)).args(&network);
        for (peer, port) in ports.iter().enumerate() {
            if peer == node {
                command.args(["--p2p-tcp-address", &format!("127.0.0.1:{port}")]);
            } else {
                command.args(["--peer", &format!("{}=127.0.0.1:{port}", peer + 1)]);
            }
        }
        Running::start(command, &cluster.join(format!("dkg{node}.log")))
    };
    let mut ceremony: Vec<Running> = (0..nodes).map(operator).collect();
    for operator in &mut ceremony {
        assert!(operator.wait(), "{}", operator.log());
    }
}

/// Arguments with which each of `count` operators, whose folders are `folder/node0`, …, reaches the others.
pub fn node_commands(folder: &Path, count: usize, beacon_node: &str) -> Vec<Command> {
    let ports = free_ports(count);
    (0..count)
        .map(|me| {
            let mut command = Command::new(hearth());
            command.args(["run", "--events", "--beacon-node", beacon_node, "--data-dir"]);
            command.arg(folder.join(format!("node{me}")));
            command
                .args(["--p2p-tcp-address", &format!("127.0.0.1:{}", ports.get(me).expect("one port each"))]);
            for (peer, port) in ports.iter().enumerate().filter(|(peer, _)| *peer != me) {
                command.args(["--peer", &format!("{}=127.0.0.1:{port}", peer + 1)]);
            }
            command
        })
        .collect()
}
