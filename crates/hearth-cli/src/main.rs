//! The `hearth` command.

mod cluster;
mod create;
mod demo;
mod logging;
mod run;
mod say;
mod signals;
mod testnet;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Hearth runs an Ethereum validator together with others: the key is shared, every duty is agreed and signed by
/// enough operators, and the validator survives the loss of a member.
///
/// To see it at work, without keys, money or an Ethereum node: hearth demo
#[derive(Parser)]
#[command(name = "hearth", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the node of one operator: agree, sign and submit, until stopped (Ctrl-C or SIGTERM).
    Run(run::Arguments),
    /// Make something new: a cluster.
    #[command(subcommand)]
    Create(create::Command),
    /// Look at a cluster's files.
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// See a cluster of real nodes attest on an embedded chain, and stop and start operators by hand.
    Demo(demo::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(arguments) => run::run(arguments),
        Command::Create(command) => create::run(command),
        Command::Cluster(command) => cluster::run(command),
        Command::Demo(arguments) => demo::run(arguments),
    };
    outcome.unwrap_or_else(|error| {
        say::error(&error);
        ExitCode::FAILURE
    })
}
