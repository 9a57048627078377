//! `hearth combine`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use hearth_node::offline::{Combination, combine};

use crate::progress::work;
use crate::say;
use crate::scrutiny::ScrutinyArguments;

/// Options of `hearth combine`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder with a folder for each operator, of any name, each with cluster-lock.json and validator_keys.
    #[arg(long, default_value = "./", value_name = "DIR")]
    cluster_dir: PathBuf,
    /// Where the validators' keys go.
    #[arg(long, default_value = "./validator_keys", value_name = "DIR")]
    output_dir: PathBuf,
    /// Replace the keystores that the output folder has already.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    scrutiny: ScrutinyArguments,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    // A node's folder describes the network of its cluster where that is not a public one.
    let nodes = std::fs::read_dir(&arguments.cluster_dir).into_iter().flatten().flatten();
    let described = nodes.map(|node| node.path()).find(|path| path.join("settings.toml").is_file());
    let scrutiny = arguments.scrutiny.for_foreign(described.as_deref().unwrap_or(&arguments.cluster_dir));
    let combination = Combination {
        cluster: arguments.cluster_dir,
        output: arguments.output_dir,
        force: arguments.force,
        scrutiny,
    };
    let combined = work("Opening shares, encrypting keys", |progress| combine(&combination, progress))??;
    say::line(format!(
        "Put the shares of {} together: {} in {}.\n",
        say::counted(combined.folders.len(), "operator"),
        say::counted(combined.validators.len(), "whole key"),
        combination.output.display()
    ));
    for (number, validator) in combined.validators.iter().enumerate() {
        let digits: String = validator.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        say::line(format!("  keystore-{number}: 0x{digits}"));
    }
    say::warnings(&combined.warnings);
    say::line(
        "\nWhoever has these keystores can sign alone. Never run them while any operator of the cluster still runs: two \
         signers\nof one key get it slashed. Stop every node first, and wait at least two finalised epochs.",
    );
    Ok(ExitCode::SUCCESS)
}
