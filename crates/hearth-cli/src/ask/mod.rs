//! Commands that ask the running node: `hearth status`, `duties`, `alerts`, `stop`.

mod alerts;
mod duties;
mod status;
mod stop;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use hearth_api::{Client, Role, UiError};

use crate::say;

pub(crate) use alerts::{Arguments as AlertsArguments, run as alerts};
pub(crate) use duties::{Arguments as DutiesArguments, run as duties};
pub(crate) use status::{Arguments as StatusArguments, run as status};
pub(crate) use stop::{Arguments as StopArguments, run as stop};

/// Which node is asked, and how the answer is printed.
#[derive(Args)]
pub(crate) struct NodeArguments {
    /// The folder of the node that is asked.
    #[arg(long, default_value = ".charon", value_name = "DIR")]
    data_dir: PathBuf,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

impl NodeArguments {
    async fn connect(&self) -> Result<Client, UiError> {
        Client::connect(&self.data_dir, Role::Cli).await
    }
}

/// Runs what asks the node; what goes wrong is told in four lines.
fn asking(work: impl Future<Output = Result<ExitCode, UiError>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(work).unwrap_or_else(|error| {
        let UiError { message, stake, remedy, details, .. } = error;
        say::aside(format!("hearth: {message}\n  {stake}\n  What to do: {remedy}"));
        if let Some(details) = details {
            say::aside(format!("  Details: {details}"));
        }
        ExitCode::FAILURE
    }))
}

/// Prints an answer for programs.
fn print_json(answer: &impl serde::Serialize) {
    // What came as JSON can be written as JSON.
    if let Ok(text) = serde_json::to_string_pretty(answer) {
        say::line(text);
    }
}
