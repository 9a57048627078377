//! `hearth stop`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use hearth_api::{Client, ErrorCode, StopReply, StopRequest, UiError};

use super::words::duty;
use super::{NodeArguments, agreed, asking, print_json};
use crate::say;

/// Longest time that the end of the node is waited for, beyond what it asked for.
const PATIENCE: Duration = Duration::from_secs(15);

/// Stop the node: it finishes the duty under way, closes its records and ends. Says first what becomes of the cluster
/// meanwhile, and asks.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    node: NodeArguments,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    asking(async {
        let mut node = arguments.node.connect().await?;
        let outlook = node.stop(StopRequest { confirmed: false }).await?;
        if !arguments.node.json && !outlook.consequence.is_empty() {
            say::line(&outlook.consequence);
        }
        if !arguments.yes && !agreed("Stop this node? Type yes to stop it:", "yes") {
            say::aside("Nothing was stopped.");
            return Ok(ExitCode::FAILURE);
        }
        let reply = node.stop(StopRequest { confirmed: true }).await?;
        if arguments.node.json {
            print_json(&reply);
        } else {
            say::line(finishing(&reply));
        }
        wait_for_the_end(node, &reply).await?;
        if !arguments.node.json {
            say::line("Stopped. `hearth run` starts it again.");
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn finishing(reply: &StopReply) -> String {
    match &reply.finishing {
        Some(under_way) => {
            format!("Stopping: the {} of slot {} is finished first ...", duty(under_way.kind), under_way.slot)
        }
        None => "Stopping ...".into(),
    }
}

/// The node closes the connection as the last thing it does.
async fn wait_for_the_end(node: Client, reply: &StopReply) -> Result<(), UiError> {
    let mut subscription = node.follow()?;
    let gone = async { while subscription.next().await.is_ok() {} };
    let patience = Duration::from_millis(reply.within_ms).saturating_add(PATIENCE);
    tokio::time::timeout(patience, gone)
        .await
        .map_err(|_| UiError::because(ErrorCode::TimedOut, "it was asked to stop and still answers"))
}
