//! `hearth alerts`.

use std::process::ExitCode;

use clap::Args;
use hearth_api::{AlertsReply, AlertsRequest};

use super::status::alert_lines;
use super::words::now_ms;
use super::{NodeArguments, asking, print_json};
use crate::say;

/// What needs attention, and what did lately.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    node: NodeArguments,
    /// How many that are over to show as well, newest first.
    #[arg(long, default_value_t = 5, value_name = "NUMBER")]
    past: u32,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    asking(async {
        let reply = arguments.node.connect().await?.alerts(AlertsRequest { past: arguments.past }).await?;
        if arguments.node.json {
            print_json(&reply);
        } else {
            say::line(text(&reply, now_ms()));
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn text(reply: &AlertsReply, now_ms: u64) -> String {
    let mut lines = Vec::new();
    if reply.current.is_empty() {
        lines.push("All quiet.".to_owned());
    }
    lines.extend(reply.current.iter().map(|alert| alert_lines(alert, now_ms)));
    if !reply.past.is_empty() {
        lines.push("\nOver".into());
        lines.extend(reply.past.iter().map(|alert| alert_lines(alert, now_ms)));
    }
    lines.join("\n")
}
