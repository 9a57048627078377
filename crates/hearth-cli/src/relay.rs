//! `hearth relay`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use hearth_node::{Relay, RelayEvent, run_relay};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::logging::{self, LogArguments};
use crate::say;
use crate::signals::stop_asked;

/// Options of `hearth relay`.
///
/// A relay has no key of a cluster and needs no Ethereum node. It passes on what is encrypted between operators: it sees who
/// talks to whom, and nothing of what they say. Run it on a computer with a public address and give its address, with the
/// id at its end, to all operators.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder for the relay's identity, which is part of its address.
    #[arg(long, default_value = "hearth-relay", value_name = "DIR")]
    data_dir: PathBuf,
    /// Address to listen on.
    #[arg(long, default_value = "0.0.0.0:3640", value_delimiter = ',', value_name = "IP:PORT")]
    p2p_tcp_address: Vec<String>,
    /// Where others reach it, such as relay.example.org:3640. Needed wherever that is not where it listens.
    #[arg(long, value_delimiter = ',', value_name = "HOST:PORT")]
    announce: Vec<String>,
    /// Nodes that can be reached through it at once.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    places: u16,
    #[command(flatten)]
    log: LogArguments,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    logging::start(&arguments.log)?;
    let Arguments { data_dir: folder, p2p_tcp_address: listen, announce, places, .. } = arguments;
    let anywhere = announce.is_empty() && listen.iter().any(|address| is_everywhere(address));
    let relay = Relay { folder, listen, announce, places: places.into() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(async {
        let stop = CancellationToken::new();
        let (tell, mut told) = mpsc::unbounded_channel();
        let relaying = run_relay(relay, tell, stop.clone());
        tokio::pin!(relaying);
        loop {
            tokio::select! {
                outcome = &mut relaying => return outcome,
                Some(event) = told.recv() => describe(event, anywhere),
                () = stop_asked(), if !stop.is_cancelled() => stop.cancel(),
            }
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome?;
    Ok(ExitCode::SUCCESS)
}

fn is_everywhere(address: &str) -> bool {
    address.parse::<std::net::SocketAddr>().is_ok_and(|address| address.ip().is_unspecified())
}

/// A line for each thing that happens. Ids are public; what is said is not to be seen here.
fn describe(event: RelayEvent, anywhere: bool) {
    match event {
        RelayEvent::Listening(addresses) => {
            say::line("This relay can be used at");
            for address in &addresses {
                say::line(format!("  {address}"));
            }
            if anywhere {
                say::line(
                    "Give the others the one under which they see this computer. Behind a router none of these is; then name it:\n\
                     --announce HOST:PORT",
                );
            }
        }
        RelayEvent::Reserved(node) => say::line(format!("  {node} can be reached through this relay")),
        RelayEvent::Released(node) => say::line(format!("  {node} is gone")),
        RelayEvent::Joined(one, other) => say::line(format!("  {one} talks to {other}")),
        RelayEvent::Parted(one, other) => say::line(format!("  {one} no longer talks to {other}")),
        RelayEvent::Refused(node, why) => say::line(format!("  {node} was refused: {why}")),
    }
}
