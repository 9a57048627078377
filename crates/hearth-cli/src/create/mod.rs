//! `hearth create …`.

mod cluster;
mod dkg;
mod enr;
mod wishes;

use std::process::ExitCode;

use clap::Subcommand;

pub(crate) use enr::{ShowArguments, show as show_enr};

/// What can be made.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make the key of a node, and the record (ENR) by which the other operators know it.
    ///
    /// Every operator does this once, and gives the record, which is not secret, to whoever plans the cluster.
    Enr(enr::Arguments),
    /// Plan a cluster whose operators will make the keys together: writes cluster-definition.json.
    ///
    /// Give every operator the same file, and compare the six words that are shown: who has the same words has the same plan.
    Dkg(Box<dkg::Arguments>),
    /// Make a cluster on this machine: keys, key shares, lock file and deposit data, one folder for each operator.
    ///
    /// This machine sees the whole keys while it works. Use it for tests, or when one trusted person sets up everybody's
    /// folder; operators who do not trust one machine need a key ceremony instead (hearth create dkg).
    Cluster(Box<cluster::Arguments>),
}

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Enr(arguments) => enr::run(&arguments),
        Command::Dkg(arguments) => dkg::run(*arguments),
        Command::Cluster(arguments) => cluster::run(*arguments),
    }
}
