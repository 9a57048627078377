//! `hearth cluster …`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use hearth_node::offline::{ClusterFacts, FileCheck, FileKind, show, verify_file, verify_folder};

use crate::say::{self, plain};
use crate::scrutiny::ScrutinyArguments;

/// What can be done with a cluster's files.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check everything that can be checked about a cluster-lock.json or cluster-definition.json: hashes, signatures, key
    /// shares, deposits. Given a node's folder: its lock, whose seat it is, and its deposit files.
    Verify(FileArguments),
    /// Show what a cluster-lock.json or cluster-definition.json says: who, threshold, validators, addresses, hashes, and the
    /// six words by which operators compare it. Nothing is checked.
    Show(ShowArguments),
}

/// Which file.
#[derive(Args)]
pub(crate) struct FileArguments {
    /// The file, or a node's folder.
    file: PathBuf,
    #[command(flatten)]
    scrutiny: ScrutinyArguments,
}

/// Which file, and how.
#[derive(Args)]
pub(crate) struct ShowArguments {
    #[command(flatten)]
    file: FileArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Verify(arguments) => verify(&arguments),
        Command::Show(ShowArguments { file, json }) => show_file(&file, json),
    }
}

fn verify(arguments: &FileArguments) -> anyhow::Result<ExitCode> {
    let FileArguments { file, scrutiny } = arguments;
    let (kind, checks) = if file.is_dir() {
        (FileKind::Lock, verify_folder(file, &scrutiny.for_foreign(file))?)
    } else {
        verify_file(file, &scrutiny.for_foreign(folder_of(file)))?
    };
    for check in &checks {
        let mark = match check {
            FileCheck { failed: true, .. } => "FAIL",
            FileCheck { warned: true, .. } => "note",
            _ => " ok ",
        };
        say::line(format!("[{mark}] {}", check.sentence));
    }
    let failed = checks.iter().filter(|check| check.failed).count();
    if failed > 0 {
        say::line(format!("\n{failed} of {} checks failed: do not use this {}.", checks.len(), kind.name()));
        return Ok(ExitCode::FAILURE);
    }
    say::line(match kind {
        FileKind::Lock => "\nThe lock is sound: it says what its operators and validators signed.",
        FileKind::Definition => "\nThe definition is sound: it says what those who signed it agreed to.",
    });
    Ok(ExitCode::SUCCESS)
}

fn show_file(arguments: &FileArguments, json: bool) -> anyhow::Result<ExitCode> {
    let FileArguments { file, scrutiny } = arguments;
    let path = if file.is_dir() { file.join("cluster-lock.json") } else { file.clone() };
    let facts = show(&path, &scrutiny.for_foreign(folder_of(&path)))?;
    say::line(if json { serde_json::to_string_pretty(&facts)? } else { text(&facts) });
    Ok(ExitCode::SUCCESS)
}

/// The folder that a file lies in.
fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// The facts as a page for people.
fn text(facts: &ClusterFacts) -> String {
    let mut lines = Vec::new();
    let named =
        if facts.name.is_empty() { "without a name".to_owned() } else { format!("\"{}\"", plain(&facts.name)) };
    let network = facts
        .network
        .clone()
        .unwrap_or_else(|| format!("a network that is not known ({})", facts.fork_version));
    lines.push(match facts.kind {
        "lock" => format!("A cluster {named} on {network}, with its keys."),
        _ => format!("The plan of a cluster {named} on {network}. It has no keys yet."),
    });
    lines.push(format!(
        "{} of {} operators are needed to sign; {} may be offline.",
        facts.threshold,
        facts.operators.len(),
        facts.may_be_offline
    ));
    if let Some(warning) = &facts.threshold_warning {
        lines.push(format!("Note: {warning}"));
    }
    lines.push("\nOperators".to_owned());
    for operator in &facts.operators {
        let signed = if operator.signed { ", signed" } else { "" };
        let account = if operator.address.is_empty() { "no account" } else { &operator.address };
        lines.push(format!("  {:>3}  {}{signed}", operator.number, plain(account)));
        lines.push(format!(
            "       {}",
            if operator.enr.is_empty() { "no node yet".to_owned() } else { plain(&operator.enr) }
        ));
    }
    lines.push(format!(
        "\n{}",
        capital(&say::counted(usize::try_from(facts.planned_validators).unwrap_or(usize::MAX), "validator"))
    ));
    for validator in facts.validators.iter().take(SHOWN_VALIDATORS) {
        let key = validator.public_key.as_deref().unwrap_or("no key yet");
        lines.push(format!("  {:>3}  {key}", validator.number));
        lines.push(format!("       withdrawals to    {}", plain(&validator.withdrawal_address)));
        lines.push(format!("       fees to           {}", plain(&validator.fee_recipient_address)));
        if !validator.deposits_gwei.is_empty() {
            let amounts: Vec<String> = validator.deposits_gwei.iter().map(|gwei| eth(gwei)).collect();
            lines.push(format!("       signed deposits   {}", amounts.join(", ")));
        }
    }
    if let Some(more) = facts.validators.len().checked_sub(SHOWN_VALIDATORS).filter(|more| *more > 0) {
        lines.push(format!("       … and {more} more (--json shows all)"));
    }
    lines.push("\nPlan".to_owned());
    let amounts: Vec<String> = facts.deposit_amounts_gwei.iter().map(|gwei| eth(gwei)).collect();
    for (name, value) in [
        ("version", facts.version.to_owned()),
        ("made", plain(&facts.created)),
        ("by", plain(&facts.creator)),
        ("deposits", if amounts.is_empty() { "the usual amounts".to_owned() } else { amounts.join(", ") }),
        ("rewards", if facts.compounding { "compound (0x02)" } else { "are paid out (0x01)" }.to_owned()),
        ("gas limit", if facts.gas_limit == 0 { String::new() } else { facts.gas_limit.to_string() }),
        ("keys made by", plain(&facts.dkg_algorithm)),
        ("agreement by", plain(&facts.consensus_protocol)),
        ("config hash", facts.config_hash.clone()),
        ("definition hash", facts.definition_hash.clone()),
        ("lock hash", facts.lock_hash.clone().unwrap_or_default()),
    ] {
        if !value.is_empty() {
            lines.push(format!("  {name:<16} {value}"));
        }
    }
    lines.push(match facts.matching_words {
        Some(words) => format!(
            "\nMatching words (not a secret; whoever has the same ones has the same plan)\n  {}",
            words.join(" ")
        ),
        None => {
            "\nThis plan has no hash, and so no matching words: a field is longer than it may be.".to_owned()
        }
    });
    lines.join("\n")
}

/// Validators that are shown one by one.
const SHOWN_VALIDATORS: usize = 20;

/// An amount of Gwei in ETH.
fn eth(gwei: &str) -> String {
    let padded = format!("{gwei:0>10}");
    let (whole, rest) = padded.split_at(padded.len() - 9);
    match rest.trim_end_matches('0') {
        "" => format!("{whole} ETH"),
        rest => format!("{whole}.{rest} ETH"),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gwei_are_shown_as_eth() {
        for (gwei, shown) in [
            ("0", "0 ETH"),
            ("1", "0.000000001 ETH"),
            ("1000000000", "1 ETH"),
            ("31999999999", "31.999999999 ETH"),
            ("2048000000000", "2048 ETH"),
            ("18446744073709551615", "18446744073.709551615 ETH"),
        ] {
            assert_eq!(eth(gwei), shown);
        }
    }
}
