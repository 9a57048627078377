//! One operator of the demo: an ordinary `hearth run` process and what it says.

use std::fs::OpenOptions;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::Options;

/// Something that an operator said on its standard output.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) operator: u8,
    /// Which of the operator's processes said it.
    pub(crate) life: u32,
    pub(crate) event: Value,
}

/// What the first operators are called. The first is whoever looks.
const NAMES: [&str; 8] = ["Sam", "Maya", "Priya", "Tomás", "Ada", "Chidi", "Emre", "Fatou"];

/// How to run one operator, and the process if it runs.
pub(crate) struct Operator {
    pub(crate) number: u8,
    pub(crate) log: PathBuf,
    program: PathBuf,
    arguments: Vec<String>,
    tell: mpsc::Sender<Heard>,
    process: Option<Child>,
    life: u32,
}

impl Operator {
    /// One for each folder of the cluster, each with a port of its own and everybody else's address.
    pub(crate) fn prepare(
        options: &Options,
        beacon: &str,
        tell: &mpsc::Sender<Heard>,
        ports: &[u16],
    ) -> Vec<Self> {
        let operator = |(number, port): (u8, u16)| {
            let folder = node_folder(&options.folder, number);
            let mut arguments: Vec<String> = ["run", "--events", "--beacon-node", beacon, "--data-dir"]
                .into_iter()
                .map(str::to_owned)
                .collect();
            arguments.push(folder.display().to_string());
            // Everything that the demo needs is on this computer.
            arguments.extend(["--time-servers", "off"].map(str::to_owned));
            if let Some(name) = usize::from(number).checked_sub(1).and_then(|position| NAMES.get(position)) {
                arguments.extend(["--nickname".to_owned(), (*name).to_owned()]);
            }
            arguments.extend(["--p2p-tcp-address".to_owned(), format!("127.0.0.1:{port}")]);
            for (peer, at) in (1..).zip(ports).filter(|(peer, _)| *peer != number) {
                arguments.extend(["--peer".to_owned(), format!("{peer}=127.0.0.1:{at}")]);
            }
            let (program, tell) = (options.program.clone(), tell.clone());
            Self { number, log: folder.join("hearth.log"), program, arguments, tell, process: None, life: 0 }
        };
        (1..).zip(ports.iter().copied()).map(operator).collect()
    }

    pub(crate) fn start(&mut self) -> io::Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        self.life += 1;
        if let Some(stdout) = child.stdout.take() {
            let (operator, life, tell) = (self.number, self.life, self.tell.clone());
            tokio::spawn(async move {
                let mut lines = BufReader::new(stdout).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    // A line that is cut off by the operator's death is no event.
                    let Ok(event) = serde_json::from_str(&line) else { continue };
                    if tell.send(Heard { operator, life, event }).await.is_err() {
                        return;
                    }
                }
            });
        }
        self.process = Some(child);
        Ok(())
    }

    /// As by a power cut: nothing is flushed, nothing is said.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            // Already dead is dead enough.
            let _gone = child.start_kill();
            tokio::spawn(async move { child.wait().await });
        }
    }

    /// Number of its present or last process.
    pub(crate) const fn life(&self) -> u32 {
        self.life
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Notices a process that ended by itself.
    pub(crate) fn is_alive(&mut self) -> bool {
        let ended = self.process.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)));
        if ended {
            self.process = None;
        }
        !ended
    }

    /// Memory that the process holds, where the system tells (Linux), in KiB.
    pub(crate) fn resident_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().split(' ').next()?.parse().ok()
    }

    /// Time that processors have worked for the process since it began, where the system tells (Linux), in milliseconds.
    pub(crate) fn processor_ms(&self) -> Option<u64> {
        const MS_PER_TICK: u64 = 10; // USER_HZ is 100 on every Linux.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()?)).ok()?;
        // The name of the program stands in brackets and may hold anything; the 14th and 15th field come after it.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut times = fields.split_ascii_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
        Some((times.next()?? + times.next()??) * MS_PER_TICK)
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().and_then(Child::id)
    }
}

/// An operator's folder.
pub(crate) fn node_folder(place: &Path, number: u8) -> PathBuf {
    place.join(format!("node{}", number.saturating_sub(1)))
}

/// Ports that nobody uses at this moment. All are held until the last is found, so that they differ.
pub(crate) fn free_ports(count: u8) -> io::Result<Vec<u16>> {
    let held: io::Result<Vec<TcpListener>> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    held?.iter().map(|listener| listener.local_addr().map(|address| address.port())).collect()
}
