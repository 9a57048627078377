//! `hearth run`.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use hearth_api::Mode;
use hearth_node::{Contradiction, NodeEvent, Observer, Settings};
use hearth_types::{LockHash, UnixMillis};
use tokio_util::sync::CancellationToken;

use crate::installation::installation;
use crate::logging::{self, LogArguments};
use crate::scrutiny::ScrutinyArguments;
use crate::signals::stop_asked;

/// Options of `hearth run`. What is not given comes from `settings.toml` in the data folder.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The node's folder: identity, cluster lock, key shares, slashing protection. Each folder in clusters/ in it is a further
    /// cluster of this node, with a settings.toml that says where it listens and where its operators are.
    #[arg(long, default_value = ".charon", value_name = "DIR")]
    data_dir: PathBuf,
    /// Beacon node, such as http://127.0.0.1:5052. Give it again for each spare, in order of preference.
    #[arg(
        long = "beacon-node",
        visible_alias = "beacon-node-endpoints",
        value_delimiter = ',',
        value_name = "URL"
    )]
    beacon_nodes: Vec<String>,
    /// Address to listen on for the other operators, such as 0.0.0.0:3610. Not for clusters in clusters/.
    #[arg(long, value_delimiter = ',', value_name = "IP:PORT")]
    p2p_tcp_address: Vec<String>,
    /// Where another operator is reached: its number in the cluster and its address, such as 2=192.168.1.20:3610. Not for clusters
    /// in clusters/.
    #[arg(long = "peer", value_name = "NUMBER=ADDRESS")]
    peers: Vec<String>,
    /// Relay through which this node is reached and reaches others, as hearth relay names itself: /ip4/…/tcp/…/p2p/… It serves all
    /// clusters that name none of their own.
    #[arg(long = "relay", value_delimiter = ',', value_name = "ADDRESS")]
    relays: Vec<String>,
    /// Serve Prometheus metrics here, such as 127.0.0.1:3620. Off unless given.
    #[arg(long, value_name = "IP:PORT")]
    monitoring_address: Option<SocketAddr>,
    /// Name that the other operators see; at most 32 bytes.
    #[arg(long)]
    nickname: Option<String>,
    /// Time servers that the computer's clock is compared with, such as pool.ntp.org; off: it is not.
    #[arg(long, value_delimiter = ',', value_name = "HOST")]
    time_servers: Vec<String>,
    /// What to do where a leader proposes another source or target than this node's beacon node would. Of two forks one is wrong:
    /// refuse does not support the proposal until the beacon node sees it too; follow supports it. refuse unless given.
    #[arg(long, value_name = "WHAT")]
    if_leader_differs: Option<IfLeaderDiffers>,
    /// Start even if the folder holds no cluster yet: the node waits, and the window sets it up.
    #[arg(long)]
    wait_for_cluster: bool,
    /// Print what happens to each duty as JSON lines on standard output.
    #[arg(long)]
    events: bool,
    /// Keep charon-enr-private-key.lock, which tells other programs, and other computers that share the folder, that this
    /// node uses its key; and refuse to start where it says that another does. On unless =false is given.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    private_key_file_lock: Option<bool>,
    /// What starts this node for somebody: session (the app) or system (a service of a package).
    #[arg(long, hide = true, env = "HEARTH_KEPT_RUNNING_BY")]
    kept_running_by: Option<String>,
    #[command(flatten)]
    scrutiny: ScrutinyArguments,
    #[command(flatten)]
    log: LogArguments,
}

/// As the command line says it.
#[derive(Clone, Copy, ValueEnum)]
enum IfLeaderDiffers {
    Refuse,
    Follow,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    logging::start(&arguments.log)?;
    let settings = settings(&arguments)?;
    let installation = installation();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let observer: Arc<dyn Observer> = if arguments.events {
        event_printer()
    } else {
        Arc::new(|_: UnixMillis, _: LockHash, _: &NodeEvent| {})
    };
    let outcome = runtime.block_on(async {
        let stop = CancellationToken::new();
        let node = hearth_node::run(&arguments.data_dir, settings, installation, observer, stop.clone());
        tokio::pin!(node);
        tokio::select! {
            outcome = &mut node => return outcome,
            () = stop_asked() => {}
        }
        tracing::info!("stopping: the duty under way is finished first (ask again to stop at once)");
        stop.cancel();
        tokio::select! {
            outcome = &mut node => outcome,
            // The record of what was signed is on disk at every moment; only the duty is lost.
            () = stop_asked() => std::process::exit(1),
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    outcome?;
    Ok(ExitCode::SUCCESS)
}

fn settings(arguments: &Arguments) -> anyhow::Result<Settings> {
    let mut settings = Settings::load(&arguments.data_dir)?;
    if !arguments.beacon_nodes.is_empty() {
        settings.beacon_nodes.clone_from(&arguments.beacon_nodes);
    }
    if !arguments.p2p_tcp_address.is_empty() {
        settings.listen.clone_from(&arguments.p2p_tcp_address);
    }
    for peer in &arguments.peers {
        settings.add_peer(peer)?;
    }
    if !arguments.relays.is_empty() {
        settings.relays.clone_from(&arguments.relays);
    }
    let scrutiny = arguments.scrutiny.for_own(&arguments.data_dir)?;
    settings.testnet = scrutiny.testnet;
    settings.execution_client = scrutiny.execution_client;
    settings.no_verify |= scrutiny.no_verify;
    settings.private_key_file_lock = arguments.private_key_file_lock.unwrap_or(settings.private_key_file_lock);
    settings.if_leader_differs = match arguments.if_leader_differs {
        Some(IfLeaderDiffers::Refuse) => Contradiction::Refuse,
        Some(IfLeaderDiffers::Follow) => Contradiction::Follow,
        None => settings.if_leader_differs,
    };
    settings.metrics = arguments.monitoring_address.or(settings.metrics);
    settings.wait_for_cluster = arguments.wait_for_cluster;
    settings.mode = mode(arguments.kept_running_by.as_deref());
    match arguments.time_servers.as_slice() {
        [] => {}
        [off] if off == "off" => settings.time_servers.clear(),
        named => settings.time_servers = named.to_vec(),
    }
    if let Some(nickname) = &arguments.nickname {
        settings.nickname.clone_from(nickname);
    }
    Ok(settings)
}

fn mode(kept_running_by: Option<&str>) -> Mode {
    match kept_running_by {
        Some("system") => Mode::AlwaysOn,
        Some("session") => Mode::WhileSignedIn,
        _ if std::io::stderr().is_terminal() => Mode::Foreground,
        _ => Mode::Unknown,
    }
}

/// Lines that may wait for a slow reader; more are dropped, because duties must not wait.
const EVENTS_WAITING: usize = 4_096;

/// Prints events from a thread of its own.
fn event_printer() -> Arc<dyn Observer> {
    let (lines, waiting) = std::sync::mpsc::sync_channel::<String>(EVENTS_WAITING);
    std::thread::spawn(move || {
        let mut out = std::io::stdout();
        for line in waiting {
            // Nobody listens any more: no reason to stop signing.
            if writeln!(out, "{line}").is_err() {
                return;
            }
        }
    });
    Arc::new(move |at: UnixMillis, cluster: LockHash, event: &NodeEvent| {
        let Ok(mut line) = serde_json::to_value(event) else { return };
        if let Some(fields) = line.as_object_mut() {
            fields.insert("at_ms".into(), at.get().into());
            fields.insert("cluster".into(), cluster.to_string().into());
        }
        let _dropped = lines.try_send(line.to_string());
    })
}
