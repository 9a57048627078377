//! `hearth backup`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use hearth_api::Secret;
use hearth_node::offline::{BackupFacts, BackupNotes, back_up, practise_restore, restore};

use crate::ask::now_ms;
use crate::installation::installation;
use crate::progress::work;
use crate::say;
use crate::scrutiny::ScrutinyArguments;
use crate::secret::secret;

/// What can be done with backups.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Write a backup: one encrypted file with the node's key, the key shares with their passwords, the cluster's files and the
    /// settings. A node may run meanwhile. It opens with age (age-encryption.org) as well.
    Create(CreateArguments),
    /// Practise the restore: open a backup in memory and prove that each key share in it is the right one. Writes nothing.
    Practise(PractiseArguments),
    /// Make a data folder out of a backup, on a computer that takes the place of a lost one. Its node waits three epochs, about
    /// 20 minutes, before it signs.
    Restore(RestoreArguments),
}

/// Options of `hearth backup create`.
#[derive(Args)]
pub(crate) struct CreateArguments {
    /// The new file, such as maya.hearthbackup.
    file: PathBuf,
    /// The node's data folder.
    #[arg(long, default_value = ".charon", value_name = "DIR")]
    data_dir: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArguments,
    #[command(flatten)]
    scrutiny: ScrutinyArguments,
}

/// Options of `hearth backup practise`.
#[derive(Args)]
pub(crate) struct PractiseArguments {
    /// The backup.
    file: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArguments,
    #[command(flatten)]
    scrutiny: ScrutinyArguments,
}

/// Options of `hearth backup restore`.
#[derive(Args)]
pub(crate) struct RestoreArguments {
    /// The backup.
    file: PathBuf,
    /// The new data folder; absent or empty.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Do not ask whether the node that the backup was made of is gone for good.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    passphrase: PassphraseArguments,
    #[command(flatten)]
    scrutiny: ScrutinyArguments,
}

/// Where the passphrase comes from.
#[derive(Args)]
struct PassphraseArguments {
    /// Read the passphrase from the first line of a file, instead of asking for it.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseArguments {
    /// `new`: asked for twice.
    fn get(&self, new: bool) -> anyhow::Result<Secret> {
        let file = self.passphrase_file.as_deref();
        let ask = |question: &str| secret(file, question, "--passphrase-file");
        let passphrase = ask("Passphrase of the backup")?;
        if new && file.is_none() && ask("The same again")? != passphrase {
            bail!("the two are not the same; nothing was written");
        }
        Ok(passphrase)
    }
}

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create(arguments) => create(&arguments),
        Command::Practise(arguments) => practise(&arguments),
        Command::Restore(arguments) => bring_back(&arguments),
    }
}

fn create(arguments: &CreateArguments) -> anyhow::Result<ExitCode> {
    let CreateArguments { file, data_dir, passphrase, scrutiny } = arguments;
    let (scrutiny, installation) = (scrutiny.for_own(data_dir)?, installation());
    let (passphrase, now_ms) = (passphrase.get(true)?, now_ms());
    let made = work("Opening the key shares", |progress| {
        back_up(data_dir, file, &passphrase, &scrutiny, &installation, now_ms, progress)
            .map_err(anyhow::Error::from)
    })??;
    BackupNotes { made_ms: Some(now_ms), ..BackupNotes::of(data_dir) }.keep(data_dir);
    say::line(format!("{} is written.\n{}", file.display(), describe(&made)));
    say::line(
        "\nKeep it where this computer's end does not end it, and the passphrase elsewhere. Practise the restore now and then:\n\n  \
         hearth backup practise FILE\n\nNever run the same key share on two computers.",
    );
    Ok(ExitCode::SUCCESS)
}

fn practise(arguments: &PractiseArguments) -> anyhow::Result<ExitCode> {
    let PractiseArguments { file, passphrase, scrutiny } = arguments;
    let scrutiny = scrutiny.for_foreign(Path::new(""));
    let passphrase = passphrase.get(false)?;
    let facts = work("Opening the key shares", |progress| {
        practise_restore(file, &passphrase, &scrutiny, progress).map_err(anyhow::Error::from)
    })??;
    say::line(format!("This backup can be restored. Nothing was written.\n{}", describe(&facts)));
    Ok(ExitCode::SUCCESS)
}

fn bring_back(arguments: &RestoreArguments) -> anyhow::Result<ExitCode> {
    let RestoreArguments { file, data_dir, yes, passphrase, scrutiny } = arguments;
    if !yes {
        crate::charon::confirm(
            "Restore only when the node that this backup was made of is gone for good, or stopped and never started again. Two nodes\n\
             with one key share can get the validators slashed, and no slashing protection helps against that.",
        )?;
    }
    let (scrutiny, installation) = (scrutiny.for_foreign(Path::new("")), installation());
    let passphrase = passphrase.get(false)?;
    let facts = work("Opening the key shares", |progress| {
        restore(file, data_dir, &passphrase, &scrutiny, &installation, progress).map_err(anyhow::Error::from)
    })??;
    say::line(format!(
        "{} is a data folder again.\n{}\n\nIts node waits three epochs after its first start, about 20 minutes, before it signs: what the lost \
         one signed\nlast is in no backup. Start it with hearth run --data-dir {}, or in the window.",
        data_dir.display(),
        describe(&facts),
        data_dir.display()
    ));
    Ok(ExitCode::SUCCESS)
}

fn describe(facts: &BackupFacts) -> String {
    let BackupFacts { name, lock_hash, operator, operators, validators, made_ms, .. } = facts;
    let named = if name.is_empty() { String::new() } else { format!(" \"{}\"", say::plain(name)) };
    let made = i64::try_from(*made_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let made = made.map(|made| format!(", made {}", made.strftime("%Y-%m-%d %H:%M UTC"))).unwrap_or_default();
    format!(
        "  {operator} of {operators} in the cluster{named}, {} with a key share each{made}\n  lock hash {lock_hash}",
        say::counted(*validators, "validator")
    )
}
