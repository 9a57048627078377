//! `hearth cluster …`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use hearth_node::{Settings, verify_lock_file};

use crate::say;
use crate::testnet::TestnetArguments;

/// What can be done with a cluster's files.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check everything that can be checked about a cluster-lock.json: hashes, signatures, key shares, deposits.
    Verify(VerifyArguments),
}

/// Options of `hearth cluster verify`.
#[derive(Args)]
pub(crate) struct VerifyArguments {
    /// The lock file.
    file: PathBuf,
    #[command(flatten)]
    testnet: TestnetArguments,
}

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Verify(VerifyArguments { file, testnet }) = command;
    // A node's folder describes the network of its cluster where that is not a public one.
    let beside = file.parent().map(Settings::load).transpose()?;
    let testnet = testnet.described().or(beside.and_then(|settings| settings.testnet));
    let checks = verify_lock_file(&file, testnet.as_ref())?;
    for check in &checks {
        let mark = match (check.failed, check.warned) {
            (true, _) => "FAIL",
            (false, true) => "note",
            (false, false) => " ok ",
        };
        say::line(format!("[{mark}] {}", check.sentence));
    }
    let failed = checks.iter().filter(|check| check.failed).count();
    if failed > 0 {
        say::line(format!("\n{failed} of {} checks failed: do not use this lock.", checks.len()));
        return Ok(ExitCode::FAILURE);
    }
    say::line("\nThe lock is sound: it says what its operators and validators signed.");
    Ok(ExitCode::SUCCESS)
}
