//! `hearth import charon` and `hearth export charon`.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use hearth_node::offline::{Exported, Imported, export_charon, import_charon};

use crate::installation::installation;
use crate::progress::work;
use crate::say;
use crate::scrutiny::ScrutinyArguments;

/// What can be taken over.
#[derive(Subcommand)]
pub(crate) enum ImportCommand {
    /// Make a data folder of Hearth out of a .charon folder: everything is checked, and the passwords of the key shares are
    /// sealed to this computer. The .charon folder stays as it is.
    Charon(Box<ImportArguments>),
}

/// What can be handed on.
#[derive(Subcommand)]
pub(crate) enum ExportCommand {
    /// Make a .charon folder that Charon starts from out of a data folder of Hearth. It holds the passwords of the key
    /// shares in plain text files.
    Charon(Box<ExportArguments>),
}

/// Options of `hearth import charon`.
#[derive(Args)]
pub(crate) struct ImportArguments {
    /// The .charon folder.
    folder: PathBuf,
    /// The new data folder; absent or empty.
    #[arg(long, default_value = "hearth", value_name = "DIR")]
    data_dir: PathBuf,
    /// What the validator client beside Charon signed until now: its slashing protection export (EIP-3076).
    #[arg(long, value_name = "FILE")]
    slashing_protection: Option<PathBuf>,
    #[command(flatten)]
    scrutiny: ScrutinyArguments,
}

/// Options of `hearth export charon`.
#[derive(Args)]
pub(crate) struct ExportArguments {
    /// The new .charon folder; absent or empty.
    folder: PathBuf,
    /// The node's data folder. No node may run on it.
    #[arg(long, default_value = "hearth", value_name = "DIR")]
    data_dir: PathBuf,
    /// Do not ask whether passwords may be written in plain text.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    scrutiny: ScrutinyArguments,
}

pub(crate) fn import(command: ImportCommand) -> anyhow::Result<ExitCode> {
    let ImportCommand::Charon(arguments) = command;
    let ImportArguments { folder, data_dir, slashing_protection, scrutiny } = *arguments;
    let (scrutiny, installation) = (scrutiny.for_foreign(&folder), installation());
    let history = slashing_protection.as_deref();
    let imported = work("Opening the key shares", |progress| {
        import_charon(&folder, &data_dir, history, &scrutiny, &installation, progress)
            .map_err(anyhow::Error::from)
    })??;
    let Imported { name, operator, operators, validators, histories, warnings, lock_hash } = imported;
    let named = if name.is_empty() { String::new() } else { format!(" \"{}\"", say::plain(&name)) };
    say::line(format!(
        "This computer is now {operator} of {operators} in the cluster{named}, with {}.\n\n  {}\n  lock hash {lock_hash}\n",
        say::counted(validators, "validator"),
        data_dir.display()
    ));
    say::line(match histories {
        Some(known) => format!("What was signed before is on record for {}.", say::counted(known, "validator")),
        None => "No record of what was signed before was given (--slashing-protection FILE). Before the first start, make \
                 sure that\nthe old validator client has been stopped for at least two finalised epochs, about 13 minutes."
            .to_owned(),
    });
    say::warnings(&warnings);
    say::line(format!(
        "\nThe passwords of the key shares are sealed to this computer. Keep {} as a backup, in a\nsafe place, and never run \
         Charon on it again while Hearth runs: two signers with one key share get validators slashed.\n\n  \
         hearth run --data-dir {} --beacon-node URL --p2p-tcp-address IP:PORT --peer NUMBER=IP:PORT …",
        folder.display(),
        data_dir.display()
    ));
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn export(command: ExportCommand) -> anyhow::Result<ExitCode> {
    let ExportCommand::Charon(arguments) = command;
    let ExportArguments { folder, data_dir, yes, scrutiny } = *arguments;
    let (scrutiny, installation) = (scrutiny.for_own(&data_dir)?, installation());
    if !yes {
        confirm(&format!(
            "{} will hold your key shares with their passwords in plain text: whoever reads it can sign in your place.\n\
             Never start Charon on it while Hearth runs: two signers with one key share get validators slashed.",
            folder.display()
        ))?;
    }
    let exported = work("Opening the key shares", |progress| {
        export_charon(&data_dir, &folder, &scrutiny, &installation, progress).map_err(anyhow::Error::from)
    })??;
    let Exported { lock_hash, operator, validators, history, warnings } = exported;
    say::line(format!(
        "{} is a .charon folder of {operator} with {}.\n  lock hash {lock_hash}\n",
        folder.display(),
        say::counted(validators, "validator")
    ));
    say::line(match history {
        Some(history) => format!(
            "Import {} into the validator client before it starts: it\nholds what Hearth signed. It is the \
             truth only until Hearth signs again.",
            history.display()
        ),
        None => "Nothing was signed with this data folder, so there is no slashing protection to hand on."
            .to_owned(),
    });
    say::warnings(&warnings);
    Ok(ExitCode::SUCCESS)
}

/// Asks for an explicit yes.
pub(crate) fn confirm(consequence: &str) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("{consequence}\nThere is no terminal to ask on: say --yes if that is what you want");
    }
    say::aside(consequence);
    let mut prompt = std::io::stderr();
    let _unseen = write!(prompt, "\nType yes to go on: ").and_then(|()| prompt.flush());
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if answer.trim().eq_ignore_ascii_case("yes") { Ok(()) } else { bail!("stopped; nothing was written") }
}
