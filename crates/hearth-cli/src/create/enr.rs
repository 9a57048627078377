//! `hearth create enr`, and `hearth enr`, which shows what the other made.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use hearth_node::offline::{Identity, create_identity, read_identity};

use crate::say;

/// Options of `hearth create enr`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The node's folder; made if it is not there.
    #[arg(long, default_value = ".charon", value_name = "DIR")]
    data_dir: PathBuf,
}

/// Options of `hearth enr`.
#[derive(Args)]
pub(crate) struct ShowArguments {
    /// The node's folder.
    #[arg(long, default_value = ".charon", value_name = "DIR")]
    data_dir: PathBuf,
    /// Show the public key as well.
    #[arg(long)]
    verbose: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Identity { path, enr, .. } = create_identity(&arguments.data_dir)?;
    say::line(&enr);
    say::aside(format!(
        "\nThis record is how the other operators know your node. Give it to whoever plans the cluster; it is not secret.\n\n\
         The key itself is in {}. Make a copy of that file and keep it safe: without it your node cannot\n\
         take its seat in the cluster, and whoever has it can speak in your place.",
        path.display()
    ));
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn show(arguments: &ShowArguments) -> anyhow::Result<ExitCode> {
    let Identity { path, enr, public_key } = read_identity(&arguments.data_dir)?;
    say::line(enr);
    if arguments.verbose {
        let digits: String = public_key.iter().map(|byte| format!("{byte:02x}")).collect();
        say::line(format!("public key: 0x{digits}\nkey file:   {}", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}
