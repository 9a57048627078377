//! Commands that ask the running node: `hearth status`, `duties`, `alerts`, `channels`, `checks`, `beacons`, `slashing`, `stop`.

mod alerts;
mod beacons;
mod channels;
mod checks;
mod duties;
mod slashing;
mod status;
mod stop;
mod which;
mod words;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use hearth_api::{Client, Role, UiError};

use crate::say;

pub(crate) use alerts::{Arguments as AlertsArguments, run as alerts};
pub(crate) use beacons::{Arguments as BeaconsArguments, run as beacons};
pub(crate) use channels::{Arguments as ChannelsArguments, run as channels};
pub(crate) use checks::{Arguments as ChecksArguments, run as checks};
pub(crate) use duties::{Arguments as DutiesArguments, run as duties};
pub(crate) use slashing::{Command as SlashingCommand, run as slashing};
pub(crate) use status::{Arguments as StatusArguments, run as status};
pub(crate) use stop::{Arguments as StopArguments, run as stop};
pub(crate) use words::now_ms;

/// Which node is asked, and how the answer is printed.
#[derive(Args)]
pub(crate) struct NodeArguments {
    /// The folder of the node that is asked.
    #[arg(long, global = true, default_value = ".charon", value_name = "DIR")]
    data_dir: PathBuf,
    /// Print the answer as JSON.
    #[arg(long, global = true)]
    json: bool,
}

impl NodeArguments {
    async fn connect(&self) -> Result<Client, UiError> {
        Client::connect(&self.data_dir, Role::Cli).await
    }
}

/// Runs what asks the node; what goes wrong there is told in four lines.
fn asking(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work).or_else(|error| {
        let UiError { message, stake, remedy, details, .. } = error.downcast()?;
        say::aside(format!("hearth: {message}\n  {stake}\n  What to do: {remedy}"));
        if let Some(details) = details {
            say::aside(format!("  Details: {details}"));
        }
        Ok(ExitCode::FAILURE)
    })
}

/// Whether the owner types `phrase`. Nobody who can answer: no.
fn agreed(question: &str, phrase: &str) -> bool {
    if !std::io::stdin().is_terminal() {
        say::aside("This asks before it goes on; give --yes where nobody can answer.");
        return false;
    }
    let _shown = write!(std::io::stderr(), "{question} ").and_then(|()| std::io::stderr().flush());
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok() && answer.trim().eq_ignore_ascii_case(phrase)
}

/// Prints an answer for programs.
fn print_json(answer: &impl serde::Serialize) {
    // What came as JSON can be written as JSON.
    if let Ok(text) = serde_json::to_string_pretty(answer) {
        say::line(text);
    }
}
