//! `hearth beacons`.

use std::process::ExitCode;

use clap::Args;
use hearth_api::{FindBeaconsReply, FindBeaconsRequest, FoundBeacon};

use super::status::beacon_state;
use super::{NodeArguments, asking, print_json};
use crate::say;

/// Looks for beacon nodes. Nothing is changed: to use one, name it in settings.toml, or give --beacon-node to hearth run.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    node: NodeArguments,
    /// Addresses to try; without any, the usual ports of this computer.
    #[arg(value_name = "URL")]
    urls: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    asking(async {
        let request = FindBeaconsRequest { urls: arguments.urls.clone() };
        let reply = arguments.node.connect().await?.find_beacons(request).await?;
        if arguments.node.json {
            print_json(&reply);
        } else {
            say::line(text(&reply));
        }
        Ok(if reply.found.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    })
}

fn text(reply: &FindBeaconsReply) -> String {
    if reply.found.is_empty() {
        return format!("No beacon node answers at {}.", reply.looked_at.join(", "));
    }
    reply.found.iter().map(row).collect::<Vec<_>>().join("\n")
}

fn row(found: &FoundBeacon) -> String {
    let mut facts = vec![beacon_state(found.state).to_owned()];
    facts.extend(found.network.clone());
    facts.extend(found.latency_ms.map(|ms| format!("{ms} ms")));
    facts.extend(found.version.clone());
    let error = found.error.as_ref().map(|error| format!("\n  {error}")).unwrap_or_default();
    format!("{}  {}{error}", found.url, facts.join(" · "))
}
