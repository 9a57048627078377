//! The `hearth` command.

mod ask;
mod backup;
mod charon;
mod cluster;
mod combine;
mod create;
mod demo;
mod dkg;
mod installation;
mod logging;
mod progress;
mod relay;
mod run;
mod say;
mod scrutiny;
mod secret;
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
    /// How is the running node? Who is here, what comes next, what needs attention.
    Status(ask::StatusArguments),
    /// What became of the latest duties of the running node.
    Duties(ask::DutiesArguments),
    /// What needs attention, and what did lately.
    Alerts(ask::AlertsArguments),
    /// Where alerts go beside this computer's screen: webhook, ntfy, Telegram, mail. Add one, test it, remove it.
    Channels(ask::ChannelsArguments),
    /// What the running node looks at around itself: clock, beacon nodes, reachability, disk, sleep, power.
    Checks(ask::ChecksArguments),
    /// Find the beacon nodes on this computer, or try given addresses, through the running node.
    Beacons(ask::BeaconsArguments),
    /// The record of what was signed, which keeps the validators from being slashed: look at it, hand it on, add to it.
    #[command(subcommand)]
    Slashing(ask::SlashingCommand),
    /// Stop the running node, after the duty under way.
    Stop(ask::StopArguments),
    /// Make something new: a node's key, a plan, a cluster.
    #[command(subcommand)]
    Create(create::Command),
    /// Make a cluster's keys together with the other operators, so that nobody ever holds one of them whole.
    ///
    /// Every operator runs it, about the same time and with the same definition. Among operators of Hearth, one whose computer is
    /// started again in between goes on with the same command, as long as the others wait.
    Dkg(dkg::Arguments),
    /// Be a relay, through which operators who have no public address reach each other.
    Relay(relay::Arguments),
    /// Show the record (ENR) of this node's key.
    Enr(create::ShowArguments),
    /// Look at a cluster's files: check them, or read them.
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// Back up a node: one encrypted file with all that cannot be got again. Practise its restore, and restore it.
    #[command(subcommand)]
    Backup(backup::Command),
    /// Put the key shares of enough operators together: the whole keys of the validators, as keystores.
    Combine(combine::Arguments),
    /// Take over what another program made.
    #[command(subcommand)]
    Import(charon::ImportCommand),
    /// Hand on to another program.
    #[command(subcommand)]
    Export(charon::ExportCommand),
    /// See a cluster of real nodes attest on an embedded chain, and stop and start operators by hand.
    Demo(demo::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(arguments) => run::run(arguments),
        Command::Status(arguments) => ask::status(&arguments),
        Command::Duties(arguments) => ask::duties(&arguments),
        Command::Alerts(arguments) => ask::alerts(&arguments),
        Command::Channels(arguments) => ask::channels(&arguments),
        Command::Checks(arguments) => ask::checks(&arguments),
        Command::Beacons(arguments) => ask::beacons(&arguments),
        Command::Slashing(command) => ask::slashing(&command),
        Command::Stop(arguments) => ask::stop(&arguments),
        Command::Create(command) => create::run(command),
        Command::Dkg(arguments) => dkg::run(&arguments),
        Command::Relay(arguments) => relay::run(arguments),
        Command::Enr(arguments) => create::show_enr(&arguments),
        Command::Cluster(command) => cluster::run(command),
        Command::Backup(command) => backup::run(command),
        Command::Combine(arguments) => combine::run(arguments),
        Command::Import(command) => charon::import(command),
        Command::Export(command) => charon::export(command),
        Command::Demo(arguments) => demo::run(arguments),
    };
    outcome.unwrap_or_else(|error| {
        say::error(&error);
        ExitCode::FAILURE
    })
}
