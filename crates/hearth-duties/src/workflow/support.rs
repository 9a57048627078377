//! Whether this operator supports a proposed value with its PREPARE: one that it could sign, of a chain that it sees too.
//!
//! A round without us is lost at worst, and a later leader may do better; what the cluster has decided cannot be undone.

use std::collections::BTreeSet;

use hearth_qbft::Round;
use hearth_types::{AttestationData, Duty, UnixMillis};

use super::{Alarm, CheckReply, Contradiction, Objection, Output, SignRequest, Workflow};
use crate::{AgreedValue, ChainQuery, ConsensusDraft, Dialect, Report, sign};

/// How soon a beacon node is asked again that sees another chain than a leader: it may be late by a block.
const LOOK_AGAIN_MS: u64 = 250;

/// A PREPARE of ours before it is known whether the value may be supported.
#[derive(Debug)]
pub(super) struct Unsaid {
    draft: ConsensusDraft,
    proposed: BTreeSet<AttestationData>,
    /// The signer has nothing against it.
    checked: bool,
    /// It was reported that our beacon node has.
    disputed: bool,
}

impl<D: Dialect> Workflow<D> {
    /// Looks at a proposed value before our PREPARE of it is sent: whether anybody could sign it, and then, whether we can.
    pub(super) fn consider(&mut self, draft: ConsensusDraft, out: &mut Vec<Output>) {
        let duty = draft.duty;
        let Some(road) = self.roads.get_mut(&duty) else { return };
        let Some(value) = draft.values.iter().find(|value| Some(value.digest) == draft.draft.vote.value) else {
            return;
        };
        let objection = match self.dialect.decode_value(duty, value) {
            Err(malformed) => malformed.to_string(),
            Ok(proposed) => match sign::objection(&self.spec, duty.slot, &self.cluster, &proposed) {
                Some(objection) => objection,
                None => {
                    let AgreedValue::Attestations(attestations) = &proposed;
                    let votes = sign::votes(&self.spec, duty.slot, &road.definitions, &proposed).votes;
                    let proposed = attestations.values().map(|attestation| attestation.data).collect();
                    road.unsaid = Some(Unsaid { draft, proposed, checked: false, disputed: false });
                    out.push(Output::Check(SignRequest { duty, votes }));
                    return;
                }
            },
        };
        // The leader of a later round may have to repeat what others prepared.
        if draft.draft.vote.round == Round::FIRST {
            let reason = format!("proposed for {duty} what nobody can sign: {objection}");
            let operator = road.agreement.leader(Round::FIRST);
            out.push(Output::Report(Report::Misbehaved { operator, reason }));
        }
    }

    pub(super) fn take_check(&mut self, now: UnixMillis, reply: &CheckReply, out: &mut Vec<Output>) {
        let Some(road) = self.roads.get_mut(&reply.duty) else { return };
        let Some(unsaid) = road.unsaid.as_mut() else { return };
        let all = reply.objections.len() >= reply.asked;
        let refused = reply.objections.iter().find(|objection| all || objection.slashable);
        match refused {
            None => {
                unsaid.checked = true;
                self.say_what_may_be_said(now, reply.duty, out);
            }
            Some(Objection { validator, reason, .. }) => {
                let leader = road.agreement.leader(unsaid.draft.draft.vote.round);
                let reason = format!("validator {}: {reason}", validator.abbreviated());
                road.unsaid = None;
                out.push(Output::Report(Report::Withheld { duty: reply.duty, leader, reason }));
            }
        }
    }

    /// Sends the PREPARE that was held back, unless our own beacon node sees another chain; then it is asked again in a moment.
    pub(super) fn say_what_may_be_said(&mut self, now: UnixMillis, duty: Duty, out: &mut Vec<Output>) {
        let Some(road) = self.roads.get_mut(&duty) else { return };
        let Some(unsaid) = road.unsaid.as_mut().filter(|unsaid| unsaid.checked) else { return };
        let round = unsaid.draft.draft.vote.round;
        if round != road.agreement.round() || road.agreement.is_decided() {
            road.unsaid = None;
            return;
        }
        let other = |own: &AttestationData| {
            let differs = |data: &&AttestationData| (data.source, data.target) != (own.source, own.target);
            unsaid.proposed.iter().find(differs).copied()
        };
        let dispute = road.own.and_then(|own| Some((own, other(&own)?)));
        match dispute.filter(|_| self.contradiction == Contradiction::Refuse) {
            None => {
                if let Some(unsaid) = road.unsaid.take() {
                    out.push(Output::SendConsensus(unsaid.draft));
                }
            }
            Some((own, proposed)) => {
                if !std::mem::replace(&mut unsaid.disputed, true) {
                    let reason = sign::difference(&own, &proposed);
                    let leader = road.agreement.leader(round);
                    out.push(Output::Report(Report::Withheld { duty, leader, reason }));
                }
                let at = now.saturating_add(LOOK_AGAIN_MS);
                out.push(Output::SetAlarm { at, alarm: Alarm::LookAgain(duty) });
            }
        }
    }

    pub(super) fn look_again(&self, duty: Duty, out: &mut Vec<Output>) {
        let Some(road) = self.roads.get(&duty) else { return };
        if road.unsaid.is_some() && !road.agreement.is_decided() {
            self.ask_within_slot(self.now, ChainQuery::AttestationData { slot: duty.slot }, out);
        }
    }
}
