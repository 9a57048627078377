//! What the whole-system tests share: the `hearth` program, and clusters of real processes.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

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
