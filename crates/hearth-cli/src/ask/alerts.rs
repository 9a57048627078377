//! `hearth alerts`.

use std::process::ExitCode;

use clap::Args;
use hearth_api::{Alert, AlertsReply, AlertsRequest};

use super::status::alert_lines;
use super::words::now_ms;
use super::{NodeArguments, asking, print_json};
use crate::say;

/// What needs attention, and what did lately.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    node: NodeArguments,
    /// Say of each why it is told, and the code of its kind.
    #[arg(long)]
    why: bool,
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
            say::line(text(&reply, arguments.why, now_ms()));
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn text(reply: &AlertsReply, why: bool, now_ms: u64) -> String {
    let lines_of = |alert: &Alert| {
        let why = if why { format!("\n      {} ({})", alert.why, alert.kind.code()) } else { String::new() };
        alert_lines(alert, now_ms) + &why
    };
    let mut lines = Vec::new();
    if reply.current.is_empty() {
        lines.push("All quiet.".to_owned());
    }
    lines.extend(reply.current.iter().map(lines_of));
    if !reply.past.is_empty() {
        lines.push("\nOver".into());
        lines.extend(reply.past.iter().map(lines_of));
    }
    lines.join("\n")
}
