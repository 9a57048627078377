//! `hearth duties`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::Args;
use hearth_api::{
    Client, DutiesReply, DutiesRequest, DutyOutcome, DutyRecord, DutyStage, StatusRequest, Trace, UiError,
};
use hearth_types::{LockHash, ValidatorIndex};

use super::which::ClusterArguments;
use super::words::{duty, moment, now_ms};
use super::{NodeArguments, asking, print_json};
use crate::say;

const FEW: u32 = 20;

/// What became of the latest duties, and why those were missed that were.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    node: NodeArguments,
    #[command(flatten)]
    which: ClusterArguments,
    /// Only those that were missed.
    #[arg(long)]
    misses: bool,
    /// Only those of this validator.
    #[arg(long, value_name = "INDEX")]
    validator: Option<u64>,
    /// How many at most, newest first; never more than 500.
    #[arg(long, default_value_t = FEW, value_name = "NUMBER")]
    limit: u32,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    asking(async {
        let mut node = arguments.node.connect().await?;
        let request = DutiesRequest {
            cluster: arguments.which.of(&mut node).await?,
            validator: arguments.validator.map(ValidatorIndex::new),
            only_misses: arguments.misses,
            before: None,
            limit: Some(arguments.limit),
        };
        let reply = node.duties(request).await?;
        if arguments.node.json {
            print_json(&reply);
        } else {
            let names = names(&reply, &mut node).await?;
            say::line(text(&reply, &names, arguments.misses, now_ms()));
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// What to call the clusters, where the duties are of more than one.
async fn names(reply: &DutiesReply, node: &mut Client) -> Result<BTreeMap<LockHash, String>, UiError> {
    let clusters: BTreeSet<_> = reply.duties.iter().map(|duty| duty.cluster).collect();
    if clusters.len() < 2 {
        return Ok(BTreeMap::new());
    }
    let known = node.status(StatusRequest {}).await?.clusters;
    Ok(known.into_iter().map(|cluster| (cluster.id, cluster.name)).collect())
}

fn text(reply: &DutiesReply, names: &BTreeMap<LockHash, String>, misses: bool, now_ms: u64) -> String {
    if reply.duties.is_empty() {
        let nothing = if misses { "No duty was missed" } else { "There was no duty yet" };
        return format!("{nothing}, as far as the node remembers: a month.");
    }
    let named = |record: &DutyRecord| {
        let name = names.get(&record.cluster).map(|name| format!("  {name}")).unwrap_or_default();
        record_lines(record, &name, now_ms)
    };
    let mut lines: Vec<String> = reply.duties.iter().map(named).collect();
    if reply.more {
        lines.push("There are more: --limit shows them.".into());
    }
    lines.join("\n")
}

fn record_lines(record: &DutyRecord, cluster: &str, now_ms: u64) -> String {
    let validators = say::counted(usize::try_from(record.validator_count).unwrap_or(usize::MAX), "validator");
    let head = format!(
        "{}{cluster}  slot {}  {} for {validators}",
        moment(record.due_ms, now_ms),
        record.slot,
        duty(record.kind)
    );
    match &record.outcome {
        DutyOutcome::Waiting => format!("{head}: under way"),
        DutyOutcome::Sent => {
            let signers = record.signers.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
            format!("{head}: sent{}; signed by {signers}{}", times(&record.trace), on_chain(record))
        }
        DutyOutcome::Missed { stage, code, sentence, suggestion, detail } => {
            let suggestion = suggestion.as_deref().map(|text| format!(" {text}")).unwrap_or_default();
            format!(
                "{head}: MISSED at \"{}\"\n      {sentence}{suggestion}\n      ({code}: {detail}){}",
                stage_name(*stage),
                on_chain(record)
            )
        }
    }
}

/// A line of what the chain has of an attestation; nothing where that is not known.
fn on_chain(record: &DutyRecord) -> String {
    const BEFORE: &str = "\n      ";
    let Some(on_chain) = &record.on_chain else { return String::new() };
    let (found, all) = (on_chain.delays.iter().flatten().count(), on_chain.delays.len());
    let after = match on_chain.worst() {
        Some(1) => "in the next block".to_owned(),
        Some(slots) if !on_chain.is_late() => format!("in the next block, {slots} slots later"),
        Some(slots) => format!("LATE, up to {slots} slots later"),
        None => String::new(),
    };
    match (found, on_chain.settled) {
        (0, false) => String::new(),
        (0, true) => format!("{BEFORE}NOT ON THE CHAIN: no block has it"),
        (found, _) if found == all => format!("{BEFORE}on the chain {after}"),
        (found, true) => format!("{BEFORE}ON THE CHAIN FOR ONLY {found} of {all} ({after})"),
        (found, false) => format!("{BEFORE}on the chain for {found} of {all} so far ({after})"),
    }
}

/// The stages as ux.md S-04 names them.
const fn stage_name(stage: DutyStage) -> &'static str {
    match stage {
        DutyStage::Fetch => "Ask beacon node",
        DutyStage::Agree => "Agree",
        DutyStage::Sign => "Sign",
        DutyStage::Collect => "Sign together",
        DutyStage::Submit => "Send",
    }
}

fn times(trace: &Trace) -> String {
    let stages = [("agreed", trace.agreed_ms), ("signed", trace.complete_ms), ("sent", trace.sent_ms)];
    let told: Vec<String> =
        stages.iter().filter_map(|(name, ms)| ms.map(|ms| format!("{name} {ms} ms"))).collect();
    if told.is_empty() { String::new() } else { format!(" ({} after it was due)", told.join(", ")) }
}
