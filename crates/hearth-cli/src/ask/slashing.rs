//! `hearth slashing`: the record of signed messages. The running node is asked; where none runs, its folder is opened.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use hearth_api::{
    Client, ErrorCode, ImportedValidator, RecordKeys, RecordReach, SlashingExportReply, SlashingExportRequest,
    SlashingImportReply, SlashingImportRequest, SlashingReply, SlashingRequest, UiError,
};
use hearth_node::offline::{StoppedNode, StoppedNodeError};
use hearth_types::LockHash;

use super::which::ClusterArguments;
use super::{NodeArguments, agreed, asking, print_json};
use crate::say;
use crate::scrutiny::ScrutinyArguments;

/// The record of signed messages.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// How far the record reaches for each validator. Nothing that contradicts it is signed.
    Show(ShowArguments),
    /// Write the record to a file (EIP-3076) for another program.
    Export(ExportArguments),
    /// Add to the record what another program signed, from its file (EIP-3076). Says first what the file changes, and asks.
    ///
    /// Whoever moves a validator from one program to another does this before the new one signs: stop the old one for good,
    /// export its slashing protection, import it here. A record only rises; nothing that a file says can lower it.
    Import(ImportArguments),
}

/// Whose record.
#[derive(Args)]
struct RecordArguments {
    #[command(flatten)]
    node: NodeArguments,
    #[command(flatten)]
    which: ClusterArguments,
    #[command(flatten)]
    scrutiny: ScrutinyArguments,
}

#[derive(Args)]
pub(crate) struct ShowArguments {
    #[command(flatten)]
    record: RecordArguments,
}

#[derive(Args)]
pub(crate) struct ExportArguments {
    /// The new file. What is there already is not overwritten.
    file: PathBuf,
    /// Tell of the validators by the keys of this operator's shares: for a validator client beside Charon.
    #[arg(long)]
    share_keys: bool,
    /// Every message on record rather than how far each validator got. Both protect alike.
    #[arg(long)]
    complete: bool,
    #[command(flatten)]
    record: RecordArguments,
}

#[derive(Args)]
pub(crate) struct ImportArguments {
    /// The file that the other program exported.
    file: PathBuf,
    /// Do not ask.
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Only say what the file changes.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    record: RecordArguments,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    asking(async {
        match command {
            Command::Show(arguments) => show(arguments).await,
            Command::Export(arguments) => export(arguments).await,
            Command::Import(arguments) => import(arguments).await,
        }
    })
}

async fn show(arguments: &ShowArguments) -> anyhow::Result<ExitCode> {
    let (mut source, cluster) = Source::reach(&arguments.record).await?;
    let reply = source.show(SlashingRequest { cluster }).await?;
    if arguments.record.node.json {
        print_json(&reply);
    } else {
        say::line(record_text(&reply));
    }
    Ok(ExitCode::SUCCESS)
}

async fn export(arguments: &ExportArguments) -> anyhow::Result<ExitCode> {
    let ExportArguments { file, share_keys, complete, record } = arguments;
    let keys = if *share_keys { RecordKeys::Shares } else { RecordKeys::Validators };
    let (mut source, cluster) = Source::reach(record).await?;
    let request = SlashingExportRequest { cluster, path: absolute(file)?, keys, complete: *complete };
    let reply = source.export(request).await?;
    if record.node.json {
        print_json(&reply);
    } else {
        say::line(format!(
            "Wrote {} with the record of {}.\nIt is true up to now. Stop this node before another program signs with the same keys.",
            reply.path,
            say::counted(reply.validators as usize, "validator"),
        ));
    }
    Ok(ExitCode::SUCCESS)
}

async fn import(arguments: &ImportArguments) -> anyhow::Result<ExitCode> {
    let ImportArguments { file, yes, dry_run, record } = arguments;
    let (mut source, cluster) = Source::reach(record).await?;
    let request =
        |confirmed| Ok::<_, anyhow::Error>(SlashingImportRequest { cluster, path: absolute(file)?, confirmed });
    let outlook = source.import(request(false)?).await?;
    let changes = outlook.raised() > 0;
    if !record.node.json {
        say::line(import_text(&outlook, file));
    }
    let asked = !dry_run && changes;
    if asked && !yes && !agreed("Add this to the record? It cannot be undone. Type import to go on:", "import")
    {
        say::aside("Nothing was imported.");
        return Ok(ExitCode::FAILURE);
    }
    let reply = if asked { source.import(request(true)?).await? } else { outlook };
    if record.node.json {
        print_json(&reply);
    } else if reply.imported {
        say::line("Imported.");
    }
    Ok(ExitCode::SUCCESS)
}

/// Who has the record.
enum Source {
    Running(Client),
    Stopped(StoppedNode),
}

impl Source {
    /// With the cluster that is meant, if it was named.
    async fn reach(arguments: &RecordArguments) -> anyhow::Result<(Self, Option<LockHash>)> {
        match arguments.node.connect().await {
            Ok(mut client) => {
                let cluster = arguments.which.of(&mut client).await?;
                Ok((Self::Running(client), cluster))
            }
            Err(UiError { code: ErrorCode::NotRunning, .. }) => {
                let folder = &arguments.node.data_dir;
                if arguments.which.cluster.is_some() {
                    bail!(
                        "no node runs on {}: give the folder of the cluster itself, --data-dir {}, instead of its name",
                        folder.display(),
                        folder.join("clusters").join("FOLDER").display()
                    );
                }
                let scrutiny = arguments.scrutiny.for_own(folder)?;
                Ok((Self::Stopped(StoppedNode::open(folder, &scrutiny)?), None))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn show(&mut self, request: SlashingRequest) -> anyhow::Result<SlashingReply> {
        Ok(match self {
            Self::Running(node) => node.slashing(request).await?,
            Self::Stopped(node) => node.slashing().map_err(told)?,
        })
    }

    async fn export(&mut self, request: SlashingExportRequest) -> anyhow::Result<SlashingExportReply> {
        Ok(match self {
            Self::Running(node) => node.slashing_export(request).await?,
            Self::Stopped(node) => node.slashing_export(&request).map_err(told)?,
        })
    }

    async fn import(&mut self, request: SlashingImportRequest) -> anyhow::Result<SlashingImportReply> {
        Ok(match self {
            Self::Running(node) => node.slashing_import(request).await?,
            Self::Stopped(node) => node.slashing_import(&request).map_err(told)?,
        })
    }
}

/// The same four lines as from a running node, where it has them.
fn told(error: StoppedNodeError) -> anyhow::Error {
    match error {
        StoppedNodeError::Record(error) => UiError::from(error).into(),
        other => other.into(),
    }
}

/// The node may run in another folder than this command.
fn absolute(file: &Path) -> anyhow::Result<String> {
    let path = std::path::absolute(file)?;
    path.into_os_string()
        .into_string()
        .map_err(|path| anyhow::anyhow!("{} is not text; choose another name", Path::new(&path).display()))
}

fn record_text(reply: &SlashingReply) -> String {
    let mut lines = vec![
        format!(
            "The record of signed messages ({}). Nothing that contradicts it is signed. It reaches to:",
            size(reply.bytes)
        ),
        String::new(),
        format!("  {:<14}{:<30}{:<16}{}", "validator", "attestations, source → target", "blocks", "on record"),
    ];
    for validator in &reply.validators {
        let RecordReach { block, .. } = validator.reach;
        let block = block.map_or_else(|| "none".into(), |slot| format!("to slot {slot}"));
        lines.push(format!(
            "  {:<14}{:<30}{:<16}{}",
            validator.pubkey.abbreviated(),
            votes(validator.reach),
            block,
            validator.entries
        ));
    }
    if reply.validators.is_empty() {
        lines.push("  Nothing was signed yet.".into());
    }
    lines.join("\n")
}

fn import_text(reply: &SlashingImportReply, file: &Path) -> String {
    let mut lines = vec![format!(
        "{} tells of {} of this cluster:",
        file.display(),
        say::counted(reply.validators.len(), "validator")
    )];
    lines.extend(reply.validators.iter().map(change));
    if reply.silent > 0 {
        let silent = say::counted(reply.silent as usize, "validator");
        lines.push(format!(
            "It says nothing of {silent} of this cluster: what they signed elsewhere stays unknown."
        ));
    }
    if reply.strangers > 0 {
        lines.push(format!("{} of others left out.", say::counted(reply.strangers as usize, "validator")));
    }
    let slashable = reply.validators.iter().filter(|validator| validator.slashable > 0).count();
    if slashable > 0 {
        let count = say::counted(slashable, "validator");
        lines.push(format!(
            "Warning: for {count} the file and the record hold signatures that contradict each other. Whoever made them could \
             get the validator slashed. Find out which program signed before you go on."
        ));
    }
    if reply.raised() == 0 {
        lines.push("The record reaches as far already: there is nothing to import.".into());
    }
    lines.join("\n")
}

fn change(validator: &ImportedValidator) -> String {
    let ImportedValidator { pubkey, before, after, .. } = validator;
    if before == after {
        return format!("  {}  {}: reaches as far already", pubkey.abbreviated(), reach_text(*after));
    }
    format!("  {}  {}  ->  {}", pubkey.abbreviated(), reach_text(*before), reach_text(*after))
}

fn reach_text(reach: RecordReach) -> String {
    match (reach.target, reach.block) {
        (None, None) => "nothing".into(),
        (Some(_), None) => format!("attestations {}", votes(reach)),
        (None, Some(slot)) => format!("blocks to slot {slot}"),
        (Some(_), Some(slot)) => format!("attestations {}, blocks to slot {slot}", votes(reach)),
    }
}

fn votes(reach: RecordReach) -> String {
    match (reach.source, reach.target) {
        (Some(source), Some(target)) => format!("{source} → {target}"),
        _ => "none".into(),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        small if small < 10_000 => format!("{small} bytes"),
        middle if middle < 10_000_000 => format!("{} kB", middle / 1_000),
        large => format!("{} MB", large / 1_000_000),
    }
}
