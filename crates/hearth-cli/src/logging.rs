//! Where the log goes and how it reads: standard error, for people or as JSON lines.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// How the log is written.
#[derive(Args, Clone, Debug)]
pub(crate) struct LogArguments {
    /// Form of the log on standard error.
    #[arg(long, value_enum, default_value = "human")]
    log_format: Format,
    /// Least important level that is logged: error, warn, info, debug, trace; or a filter such as `info,hearth_p2p=debug`.
    #[arg(long, default_value = "info,libp2p_swarm=warn", env = "HEARTH_LOG")]
    log_level: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Human,
    Json,
}

/// Starts logging for the rest of the process.
pub(crate) fn start(arguments: &LogArguments) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&arguments.log_level)
        .map_err(|error| anyhow::anyhow!("--log-level {}: {error}", arguments.log_level))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A log that nobody can write any more must not end the node; reporting that on the same broken stream would.
    let builder = builder.log_internal_errors(false);
    match arguments.log_format {
        Format::Human => builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).init(),
        Format::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}
