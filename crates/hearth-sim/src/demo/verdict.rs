//! What became of every duty, for people and for machines.

use hearth_types::{Slot, UnixMillis};
use serde::Serialize;

use super::{Options, SlotView, View, WARM_UP_SLOTS};
use crate::chain::{Chain, Conviction};

/// A slot whose duty was not included, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Missed {
    /// The slot.
    pub slot: Slot,
    /// Validators whose vote is missing.
    pub validators: usize,
    /// What the operators say about it.
    pub why: String,
    /// Whether it had to be missed: too few operators were there, or the cluster was just starting.
    pub excused: bool,
}

/// Quantiles of a time in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Times {
    /// Half were faster.
    pub p50: u64,
    /// One in a hundred was slower.
    pub p99: u64,
}

/// The verdict on a whole run.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// No slashable pair, and nothing missed that need not have been.
    pub passed: bool,
    /// Slots that were judged.
    pub slots: u64,
    /// Operators, and how many are needed.
    pub operators: usize,
    /// Partial signatures needed.
    pub threshold: usize,
    /// Votes that were due.
    pub duties: usize,
    /// Votes that were included.
    pub included: usize,
    /// Votes that were included in the next block.
    pub included_at_distance_1: usize,
    /// Slots with a vote that was not included.
    pub missed: Vec<Missed>,
    /// Pairs of votes that a chain would slash a validator for.
    pub slashable_pairs: usize,
    /// The pairs.
    pub convictions: Vec<Conviction>,
    /// From the command to the block with the first vote.
    pub first_inclusion_ms: Option<u64>,
    /// Largest memory of an operator that still runs, in MiB; only where the system tells.
    pub memory_mib: Option<u64>,
    /// What the busiest operator's process has worked in a slot, on average from when all were ready, in milliseconds of one
    /// core; only where the system tells, and nobody was stopped.
    pub processor_ms_per_slot: Option<f64>,
    /// From due to decided, over operators and slots.
    pub decide_ms: Times,
    /// From due to the whole signature.
    pub complete_ms: Times,
    /// From due to the beacon node's answer.
    pub submit_ms: Times,
    /// The same, of the slots that were decided in the first round.
    pub first_round_submit_ms: Times,
}

impl Verdict {
    pub(crate) fn of(
        chain: &Chain,
        view: &View,
        options: &Options,
        began: UnixMillis,
        last: Slot,
        (memory_mib, processor_ms_per_slot): (Option<u64>, Option<f64>),
    ) -> Self {
        let judged: Vec<(Slot, &SlotView)> =
            view.slots.range(..=last).map(|(slot, seen)| (*slot, seen)).collect();
        let missed: Vec<Missed> = judged
            .iter()
            .filter(|(_, seen)| seen.included < seen.duties)
            .map(|(slot, seen)| Missed {
                slot: *slot,
                validators: seen.duties - seen.included,
                why: why(seen, view.threshold),
                excused: too_few(seen, view.threshold).is_some() || slot.get() < WARM_UP_SLOTS,
            })
            .collect();
        let convictions = chain.convictions().to_vec();
        let prompt = |seen: &SlotView| if seen.distance == Some(1) { seen.included } else { 0 };
        let first = view.first_included.map(|block| view.slot_start(block).millis_since(began));
        let times =
            |of: fn(&SlotView) -> Vec<u64>| quantiles(judged.iter().flat_map(|(_, seen)| of(seen)).collect());
        Self {
            passed: convictions.is_empty()
                && missed.iter().all(|missed| missed.excused)
                && judged.iter().any(|(_, seen)| seen.included > 0),
            slots: judged.len() as u64,
            operators: usize::from(options.operators),
            threshold: view.threshold,
            duties: judged.iter().map(|(_, seen)| seen.duties).sum(),
            included: judged.iter().map(|(_, seen)| seen.included).sum(),
            included_at_distance_1: judged.iter().map(|(_, seen)| prompt(seen)).sum(),
            missed,
            slashable_pairs: convictions.len(),
            convictions,
            first_inclusion_ms: first,
            memory_mib,
            processor_ms_per_slot,
            decide_ms: times(|seen| seen.decided_ms.values().copied().collect()),
            complete_ms: times(|seen| seen.completed_ms.values().copied().collect()),
            submit_ms: times(|seen| seen.submitted_ms.values().copied().collect()),
            first_round_submit_ms: times(|seen| {
                let first = seen.round == Some(1);
                seen.submitted_ms.values().filter(|_| first).copied().collect()
            }),
        }
    }
}

fn why(seen: &SlotView, threshold: usize) -> String {
    if let Some(running) = too_few(seen, threshold) {
        return format!("{running} operators were there, {threshold} are needed");
    }
    let said: std::collections::BTreeSet<&str> = seen.failures.values().map(String::as_str).collect();
    if said.is_empty() {
        return "no operator says why".into();
    }
    said.into_iter().collect::<Vec<_>>().join("; ")
}

/// How many operators were there, if they were not enough.
fn too_few(seen: &SlotView, threshold: usize) -> Option<usize> {
    seen.running.filter(|running| *running < threshold)
}

fn quantiles(mut times: Vec<u64>) -> Times {
    times.sort_unstable();
    let at = |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1))).copied();
    Times { p50: at(50).unwrap_or_default(), p99: at(99).unwrap_or_default() }
}
