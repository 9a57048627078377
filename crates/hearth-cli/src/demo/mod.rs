//! `hearth demo`.

mod held;
mod live;
mod plain;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::Args;
use hearth_sim::demo::{Absence, Demo, Options, Verdict};
use hearth_types::UnixMillis;

use crate::say;
use crate::signals::stop_asked;

/// Slots that run when nobody watches and nobody said how many.
const UNATTENDED_SLOTS: u64 = 12;

/// Options of `hearth demo`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Run this many slots without the live view, print a line for each and the verdict. Without a terminal: 12.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    slots: Option<u64>,
    /// Print nothing but the verdict, as JSON. The exit code is 0 if nothing was missed that need not have been.
    #[arg(long)]
    json: bool,
    /// Operators in the cluster.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(3..=16))]
    operators: u8,
    /// Validators that they share.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=3000))]
    validators: u16,
    /// Let the operators make the cluster's keys in a ceremony, as friends do, so that nobody ever has them whole. Without it a
    /// dealer makes them.
    #[arg(long)]
    dkg: bool,
    /// Length of a slot in milliseconds. Ethereum's are 12000.
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u64).range(500..=60_000))]
    slot_ms: u64,
    /// Slots in an epoch. Ethereum has 32; with 1 every validator attests in every slot.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    slots_per_epoch: u64,
    /// Kill an operator at a slot, and perhaps start it again: 3@10 or 3@10-20. Can be given several times.
    #[arg(long, value_name = "OPERATOR@SLOT[-SLOT]")]
    kill: Vec<Absence>,
    /// Kill and restart operators at random, from this seed.
    #[arg(long, value_name = "SEED")]
    chaos: Option<u64>,
    /// In the place of this operator somebody who has its key sends junk to the others, as fast as a line of 100 Mbit/s goes.
    #[arg(long, value_name = "OPERATOR", conflicts_with = "chaos")]
    flood: Option<u8>,
    /// For a program that shows the demo: print where the operators' folders are, and go on until standard input ends. A line with
    /// an operator's number stops that operator, or starts it again.
    #[arg(long, conflicts_with_all = ["slots", "json"])]
    held: bool,
    /// Keep the operators' folders and logs here, instead of in a temporary folder.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let began = now();
    let held = arguments.held;
    let live = std::io::stdout().is_terminal() && !arguments.json && arguments.slots.is_none() && !held;
    if let Some(stranger) = arguments.kill.iter().find(|absence| absence.operator() > arguments.operators) {
        anyhow::bail!("--kill {}: the demo has {} operators", stranger.operator(), arguments.operators);
    }
    if let Some(stranger) = arguments.flood.filter(|number| !(1..=arguments.operators).contains(number)) {
        anyhow::bail!("--flood {stranger}: the demo has {} operators", arguments.operators);
    }
    let temporary = match &arguments.keep {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("hearth-demo-").tempdir()?),
    };
    let folder = match (&arguments.keep, &temporary) {
        (Some(folder), _) => folder.clone(),
        (None, temporary) => temporary.as_ref().map(|folder| folder.path().to_owned()).unwrap_or_default(),
    };
    let options = Options {
        program: std::env::current_exe().context("cannot find the hearth program itself")?,
        folder,
        operators: arguments.operators,
        validators: arguments.validators,
        ceremony: arguments.dkg,
        slot_ms: arguments.slot_ms,
        slots_per_epoch: arguments.slots_per_epoch,
        slots: if live || held { None } else { Some(arguments.slots.unwrap_or(UNATTENDED_SLOTS)) },
        absences: arguments.kill,
        chaos: arguments.chaos,
        flooder: arguments.flood,
    };
    if held {
        say::line(options.folder.display().to_string());
    }
    let quiet = arguments.json;
    let progress = |what: &str| {
        if !quiet {
            say::aside(format!("{what} ..."));
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let work = async {
        let demo = Demo::start(options, began, progress).await?;
        match (live, quiet) {
            _ if held => held::watch(demo).await,
            (true, _) => live::watch(demo).await,
            (false, quiet) => plain::watch(demo, quiet).await,
        }
    };
    let verdict = runtime.block_on(async {
        tokio::select! {
            verdict = work => verdict,
            // Dropping the demo ends every node.
            () = stop_asked() => anyhow::bail!("stopped before the verdict"),
        }
    })?;
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    if let (false, Some(temporary)) = (verdict.passed || live || held, temporary) {
        say::aside(format!("The operators' logs are kept in {}.", temporary.keep().display()));
    }
    if held {
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.json {
        say::line(serde_json::to_string_pretty(&verdict)?);
    } else {
        conclude(&verdict);
    }
    Ok(if verdict.passed || live { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn conclude(verdict: &Verdict) {
    let Verdict { duties, included, included_at_distance_1, slashable_pairs, decide_ms, submit_ms, .. } =
        verdict;
    say::line(format!(
        "\n{included} of {duties} attestations were included, {included_at_distance_1} of them in the very next block."
    ));
    for missed in &verdict.missed {
        let excuse = if missed.excused { " (could not be helped)" } else { "" };
        say::line(format!("  slot {}: missed, because {}{excuse}", missed.slot, missed.why));
    }
    say::line(format!("Slashable pairs: {slashable_pairs}."));
    say::line(format!(
        "Decided {} ms and handed in {} ms after the duty was due (median; 99 of 100 within {} and {} ms).",
        decide_ms.p50, submit_ms.p50, decide_ms.p99, submit_ms.p99
    ));
    if let Some(first) = verdict.first_inclusion_ms {
        say::line(format!(
            "From the command to the first included attestation: {:.1} s.",
            first as f64 / 1_000.0
        ));
    }
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
