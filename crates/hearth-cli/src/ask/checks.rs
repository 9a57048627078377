//! `hearth checks`.

use std::process::ExitCode;

use clap::Args;
use hearth_api::{Check, ChecksReply, ChecksRequest, Grade};

use super::{NodeArguments, asking, print_json};
use crate::say;

/// Exit code where something is so wrong that no node can do its work.
const RED: u8 = 3;

/// Measures again what the node looks at around itself. Exit code 0: it can do its work. 3: it cannot. 1: it cannot be asked.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    node: NodeArguments,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    asking(async {
        let reply = arguments.node.connect().await?.checks(ChecksRequest {}).await?;
        if arguments.node.json {
            print_json(&reply);
        } else {
            say::line(text(&reply));
        }
        let red = reply.checks.iter().any(|check| check.grade == Grade::Red);
        Ok(if red { ExitCode::from(RED) } else { ExitCode::SUCCESS })
    })
}

fn text(reply: &ChecksReply) -> String {
    reply.checks.iter().map(row).collect::<Vec<_>>().join("\n")
}

fn row(check: &Check) -> String {
    let grade = match check.grade {
        Grade::Good => "good  ",
        Grade::Unknown => "?     ",
        Grade::Amber => "better",
        Grade::Red => "STOP  ",
    };
    let Check { title, found, why, remedy, .. } = check;
    let more = remedy.as_ref().map(|remedy| {
        let indent = " ".repeat(23);
        format!("\n{indent}{why}\n{indent}What to do: {remedy}")
    });
    format!("{grade}  {title:<13}  {found}{}", more.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use hearth_api::{Machine, NodeView, checks};

    use super::*;

    #[test]
    fn a_row_says_what_was_found_and_what_to_do_only_where_there_is_something_to_do() {
        let machine = Machine { clock_offset_ms: Some(12), ..Machine::default() };
        let text = text(&ChecksReply { checks: checks(&NodeView::default(), &machine) });
        assert!(
            text.starts_with(
                "good    Clock          12 ms behind, by time servers on the internet.\n\
             STOP    Beacon node    None is set.\n\
             \u{20}                      Through it this node sees the chain and hands in what was signed.\n\
             \u{20}                      What to do: Choose the beacon node that this node shall use.\n\
             ?       Reachability   Known when this node is in a cluster.\n"
            ),
            "{text}"
        );
    }
}
