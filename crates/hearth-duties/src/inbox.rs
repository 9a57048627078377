//! Messages of peers for a duty that has not begun here: a peer's clock may run ahead, our beacon node behind.

use std::collections::BTreeMap;

use hearth_types::{Duty, DutyKind, OperatorIndex, Slot, ValidatorPubkey};

use crate::agree::Early;
use crate::values::Values;
use crate::{Cluster, ConsensusMessage, PartialAttestation, PartialSet};

/// Slots ahead of and behind the clock for which early messages are kept.
const SLOTS_AHEAD: u64 = 1;
const SLOTS_BEHIND: u64 = 2;

/// Bounded by construction: four slots, one kind of duty, and of each peer what [`Early`] keeps and one partial signature a
/// validator.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    waiting: BTreeMap<Duty, Waiting>,
}

/// What came early for one duty.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) consensus: Early,
    pub(crate) partials: BTreeMap<OperatorIndex, BTreeMap<ValidatorPubkey, PartialAttestation>>,
}

impl Waiting {
    fn nothing(cluster: &Cluster) -> Self {
        Self { consensus: Early::new(Values::of_duties(cluster)), partials: BTreeMap::new() }
    }
}

impl Inbox {
    /// Keeps a consensus message that `from` delivered, or drops it when the duty is far or the peer's share is full.
    pub(crate) fn keep_consensus(
        &mut self,
        now: Slot,
        cluster: &Cluster,
        from: OperatorIndex,
        message: ConsensusMessage,
    ) {
        if let Some(waiting) = self.waiting_for(now, cluster, message.duty) {
            waiting.consensus.keep(from, message);
        }
    }

    /// Keeps partial signatures that `from` delivered: the first for each validator of the cluster.
    pub(crate) fn keep_partials(&mut self, now: Slot, cluster: &Cluster, from: OperatorIndex, set: PartialSet) {
        let Some(waiting) = self.waiting_for(now, cluster, set.duty) else { return };
        let kept = waiting.partials.entry(from).or_default();
        for partial in set.partials {
            if cluster.validators.contains_key(&partial.validator) {
                kept.entry(partial.validator).or_insert(partial);
            }
        }
    }

    /// Hands over what came early for a duty that begins now.
    pub(crate) fn take(&mut self, cluster: &Cluster, duty: Duty) -> Waiting {
        self.waiting.remove(&duty).unwrap_or_else(|| Waiting::nothing(cluster))
    }

    /// Forgets what is too far from `now`.
    pub(crate) fn advance(&mut self, now: Slot) {
        self.waiting.retain(|duty, _| is_near(now, *duty));
    }

    fn waiting_for(&mut self, now: Slot, cluster: &Cluster, duty: Duty) -> Option<&mut Waiting> {
        is_near(now, duty).then(|| self.waiting.entry(duty).or_insert_with(|| Waiting::nothing(cluster)))
    }
}

fn is_near(now: Slot, duty: Duty) -> bool {
    duty.slot <= now.saturating_add(SLOTS_AHEAD)
        && duty.slot.saturating_add(SLOTS_BEHIND) >= now
        && duty.kind == DutyKind::Attester
}
