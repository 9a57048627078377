//! `hearth create dkg`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use hearth_node::offline::{Planned, create_definition};

use super::wishes::{AlgorithmArgument, WishArguments};
use crate::say;

/// Options of `hearth create dkg`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder for cluster-definition.json.
    #[arg(long, default_value = ".charon", value_name = "DIR")]
    output_dir: PathBuf,
    /// Records of the operators' nodes, in the order that numbers the operators. Each makes his own with: hearth create enr
    #[arg(long, value_delimiter = ',', value_name = "ENR", required = true)]
    operator_enrs: Vec<String>,
    /// Number of validators.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    num_validators: u32,
    #[command(flatten)]
    algorithm: AlgorithmArgument,
    #[command(flatten)]
    wishes: WishArguments,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { output_dir, operator_enrs, num_validators, algorithm, wishes } = arguments;
    let wishes = wishes.wishes(algorithm.dkg_algorithm)?;
    let validators = usize::try_from(num_validators)?;
    let Planned { path, threshold, definition_hash, words, warnings } =
        create_definition(&output_dir, &wishes, validators, &operator_enrs)?;
    say::line(format!(
        "Planned a cluster of {} operators with {}; any {threshold} of them will be able to sign.\n\n  {}\n  definition hash {definition_hash}",
        operator_enrs.len(),
        say::counted(validators, "validator"),
        path.display(),
    ));
    say::warnings(&warnings);
    say::line(format!(
        "\nGive every operator this file. Then compare these words with each of them, over the telephone say; they are not\n\
         a secret, and whoever has the same ones has the same plan:\n\n  {}\n\n\
         The keys are made in a ceremony of all operators: hearth dkg --definition FILE (or charon dkg).",
        words.join(" ")
    ));
    Ok(ExitCode::SUCCESS)
}
