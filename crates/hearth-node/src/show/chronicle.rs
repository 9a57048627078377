//! The story of each of the latest duties, put together from what is reported on its road.

use std::collections::BTreeMap;

use hearth_api::{DutyMark, DutyOutcome, DutyRecord, DutyStage, Miss, OnChain, STRIP_DUTIES, SeatView, Trace};
use hearth_duties::{Report, Stage};
use hearth_types::{ChainSpec, Duty, DutyKind, LockHash, Slot};

use super::room::Seated;

/// Duties that are remembered: an attestation in every slot for half a day.
const KEPT: usize = 4_096;

/// What a report says of a duty for good.
pub(super) enum Told {
    /// The verdict.
    Finished(DutyRecord),
    /// More is known than when it was spoken: the duty was done after all, or the chain was looked at.
    Corrected(DutyRecord),
}

/// The latest duties of one cluster.
#[derive(Debug)]
pub(super) struct Chronicle {
    cluster: LockHash,
    needed: u8,
    records: BTreeMap<Duty, DutyRecord>,
}

impl Chronicle {
    pub(super) fn new(seated: &Seated) -> Self {
        Self { cluster: seated.facts.cluster, needed: seated.facts.needed, records: BTreeMap::new() }
    }

    /// Adds duties of before this start, in any order.
    pub(super) fn remember(&mut self, past: Vec<DutyRecord>) {
        for record in past.into_iter().take(KEPT) {
            self.records.entry(Duty { slot: record.slot, kind: record.kind }).or_insert(record);
        }
    }

    /// Adds what a report says. Returns what there is to be kept: the record of a duty on which the last word was spoken.
    pub(super) fn take(&mut self, spec: &ChainSpec, report: &Report, seats: &[SeatView]) -> Option<Told> {
        let count = |validators: &usize| u32::try_from(*validators).unwrap_or(u32::MAX);
        match report {
            Report::Decided { duty, round, leader, after_ms } => {
                let record = self.record(spec, *duty)?;
                record.trace.agreed_ms = Some(*after_ms);
                (record.leader, record.round) = (Some(leader.share().get()), Some(round.get()));
            }
            Report::Signed { duty, validators, after_ms } => {
                let record = self.record(spec, *duty)?;
                record.trace.signed_ms = Some(*after_ms);
                record.validator_count = record.validator_count.max(count(validators));
            }
            Report::Completed { duty, after_ms, .. } => {
                self.record(spec, *duty)?.trace.complete_ms = Some(*after_ms);
            }
            Report::Submitted { duty, after_ms, .. } => {
                let record = self.record(spec, *duty)?;
                record.trace.sent_ms = Some(*after_ms);
                // Later than its verdict, but done.
                if matches!(record.outcome, DutyOutcome::Missed { .. }) {
                    record.outcome = DutyOutcome::Sent;
                    return Some(Told::Corrected(record.clone()));
                }
            }
            Report::Finished { duty, validators, failure, signers, after_ms } => {
                let needed = self.needed;
                let record = self.record(spec, *duty)?;
                record.validator_count = count(&validators.len());
                record.validators.clone_from(validators);
                record.signers = signers.iter().map(|share| share.get()).collect();
                record.trace.sent_ms = record.trace.sent_ms.or(*after_ms);
                record.outcome = match failure {
                    None => DutyOutcome::Sent,
                    Some(failure) => DutyOutcome::missed(&Miss {
                        stage: stage(failure.stage),
                        code: failure.code,
                        detail: &failure.detail,
                        needed,
                        arrived: u8::try_from(signers.len()).unwrap_or(u8::MAX),
                        missing: &missing(record, seats),
                    }),
                };
                return Some(Told::Finished(record.clone()));
            }
            Report::Refused { .. }
            | Report::Withheld { .. }
            | Report::Misbehaved { .. }
            | Report::Equivocated { .. }
            | Report::ChainTrouble { .. } => {}
        }
        None
    }

    /// Adds what blocks have of the attestations of a slot.
    pub(super) fn on_chain(&mut self, slot: Slot, on_chain: OnChain) -> Option<Told> {
        let record = self.records.get_mut(&Duty { slot, kind: DutyKind::Attester })?;
        if record.validators.len() != on_chain.delays.len() || record.on_chain.as_ref() == Some(&on_chain) {
            return None;
        }
        record.on_chain = Some(on_chain);
        Some(Told::Corrected(record.clone()))
    }

    /// Those on which the last word was not spoken yet, newest first.
    pub(super) fn under_way(&self) -> impl Iterator<Item = &DutyRecord> {
        self.newest_first().filter(|record| record.outcome == DutyOutcome::Waiting)
    }

    /// All that is remembered, newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &DutyRecord> {
        self.records.values().rev()
    }

    /// The latest duties in one sign each, oldest first.
    pub(super) fn strip(&self) -> Vec<DutyMark> {
        let mut latest: Vec<DutyMark> =
            self.newest_first().take(STRIP_DUTIES).map(DutyRecord::in_strip).collect();
        latest.reverse();
        latest
    }

    /// The record of a duty, begun if it is the first that is heard of it; `None` for one older than all that are kept.
    fn record(&mut self, spec: &ChainSpec, duty: Duty) -> Option<&mut DutyRecord> {
        let cluster = self.cluster;
        if !self.records.contains_key(&duty) && self.records.len() > KEPT {
            self.records.pop_first();
        }
        let begun = || DutyRecord {
            cluster,
            slot: duty.slot,
            kind: duty.kind,
            due_ms: spec.attestation_due(duty.slot).get(),
            validator_count: 0,
            validators: Vec::new(),
            trace: Trace::default(),
            leader: None,
            round: None,
            signers: Vec::new(),
            outcome: DutyOutcome::Waiting,
            on_chain: None,
        };
        // Of one that is older than all that are kept nobody wants to hear.
        let forgotten = self.records.len() >= KEPT
            && self.records.first_key_value().is_some_and(|(first, _)| duty < *first);
        (!forgotten).then(|| self.records.entry(duty).or_insert_with(begun))
    }
}

/// Whether blocks may have more votes of a duty than is known.
pub(super) fn is_unsettled(record: &DutyRecord) -> bool {
    record.kind == DutyKind::Attester
        && record.outcome != DutyOutcome::Waiting
        && !record.on_chain.as_ref().is_some_and(|on_chain| on_chain.settled)
}

/// What to call the operators whose partial signature did not arrive.
fn missing(record: &DutyRecord, seats: &[SeatView]) -> Vec<String> {
    seats.iter().filter(|seat| !record.signers.contains(&seat.number)).map(SeatView::called).collect()
}

const fn stage(stage: Stage) -> DutyStage {
    match stage {
        Stage::Fetch => DutyStage::Fetch,
        Stage::Agree => DutyStage::Agree,
        Stage::Sign => DutyStage::Sign,
        Stage::Collect => DutyStage::Collect,
        Stage::Submit => DutyStage::Submit,
    }
}
