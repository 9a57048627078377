//! Which duties this cluster has in a slot.

use std::collections::{BTreeMap, BTreeSet};

use hearth_types::{AttesterDuty, ChainSpec, Duty, DutyKind, Epoch, Slot, ValidatorIndex, ValidatorPubkey};

use crate::{ChainQuery, Cluster, ValidatorRecord};

/// Duties of one slot, by group public key.
pub(crate) type Definitions = BTreeMap<ValidatorPubkey, AttesterDuty>;

/// Epochs of duties that are kept. Source: `obol-duties.md` 2.4.
const EPOCHS_KEPT: u64 = 3;

/// What the chain told us about our validators and when they attest.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    /// Validators that have a place in the chain, those included that are not active yet: the chain gives duties to
    /// the active ones only, and says so in time for the first epoch of a new one, when its record still lags.
    known: BTreeMap<ValidatorPubkey, ValidatorIndex>,
    any_active: bool,
    records_of: Option<Epoch>,
    resolved: BTreeSet<Epoch>,
    asked: BTreeSet<Epoch>,
    duties: BTreeMap<Slot, Definitions>,
}

impl Schedule {
    /// What to ask the chain at the start of `slot`: whatever is not known yet for this epoch, and for the next
    /// one at the epoch's last slot. A failed question is asked again at the next slot.
    pub(crate) fn at_slot(&mut self, spec: &ChainSpec, cluster: &Cluster, slot: Slot) -> Vec<ChainQuery> {
        let epoch = spec.epoch_of(slot);
        self.forget_before(spec, epoch.saturating_sub(EPOCHS_KEPT - 1));
        self.asked.clear();
        let mut queries = Vec::new();
        if self.records_of != Some(epoch) {
            queries.push(ChainQuery::Validators { pubkeys: cluster.validators.keys().copied().collect() });
        }
        queries.extend(self.missing_duties(epoch));
        if spec.ends_epoch(slot) {
            queries.extend(self.missing_duties(epoch.next()));
        }
        queries
    }

    /// Takes the chain's records of our validators; returns what can be asked now that they are known. A validator
    /// that an answer leaves out stays known, one that was slashed is done for.
    pub(crate) fn know_validators(
        &mut self,
        cluster: &Cluster,
        epoch: Epoch,
        records: &[ValidatorRecord],
    ) -> Vec<ChainQuery> {
        let ours = || records.iter().filter(|record| cluster.validators.contains_key(&record.pubkey));
        let mut known = self.known.clone();
        known.extend(ours().map(|record| (record.pubkey, record.index)));
        for slashed in ours().filter(|record| record.slashed) {
            known.remove(&slashed.pubkey);
        }
        if known != self.known {
            // What is resolved for others does not cover a new one.
            self.resolved.clear();
            self.asked.clear();
            self.duties.values_mut().for_each(|of_slot| of_slot.retain(|key, _| known.contains_key(key)));
            self.duties.retain(|_, of_slot| !of_slot.is_empty());
            self.known = known;
        }
        self.any_active = ours().any(|record| record.active && !record.slashed);
        self.records_of = Some(epoch);
        self.missing_duties(epoch).into_iter().collect()
    }

    /// Takes the duties of an epoch. Entries of foreign validators or other epochs are ignored, and a validator whose
    /// duty in this epoch is known keeps it: a second one would be a second vote for one target.
    pub(crate) fn know_duties(&mut self, spec: &ChainSpec, epoch: Epoch, duties: &[AttesterDuty]) {
        let slots = spec.first_slot(epoch)..spec.first_slot(epoch.next());
        let of_epoch = self.duties.range(slots);
        let mut settled: BTreeSet<_> = of_epoch.flat_map(|(_, of_slot)| of_slot.keys().copied()).collect();
        for duty in duties {
            let ours = self.known.get(&duty.pubkey) == Some(&duty.validator_index);
            if ours && spec.epoch_of(duty.slot) == epoch && settled.insert(duty.pubkey) {
                self.duties.entry(duty.slot).or_default().insert(duty.pubkey, *duty);
            }
        }
        self.resolved.insert(epoch);
    }

    /// Whose duty it is; `None` if no validator of the cluster has it.
    pub(crate) fn definitions(&self, duty: Duty) -> Option<&Definitions> {
        self.duties.get(&duty.slot).filter(|_| duty.kind == DutyKind::Attester)
    }

    /// Whether the duties of an epoch are known, be they none.
    pub(crate) fn is_resolved(&self, epoch: Epoch) -> bool {
        self.resolved.contains(&epoch)
    }

    /// The slots with duties from `first` on, in order.
    pub(crate) fn slots_from(&self, first: Slot) -> impl Iterator<Item = Slot> {
        self.duties.range(first..).map(|(slot, _)| *slot)
    }

    /// Whether any validator of the cluster has duties at all.
    pub(crate) fn has_active_validators(&self) -> bool {
        self.any_active
    }

    fn missing_duties(&mut self, epoch: Epoch) -> Option<ChainQuery> {
        if self.known.is_empty() || self.resolved.contains(&epoch) || !self.asked.insert(epoch) {
            return None;
        }
        Some(ChainQuery::AttesterDuties { epoch, validators: self.known.values().copied().collect() })
    }

    fn forget_before(&mut self, spec: &ChainSpec, epoch: Epoch) {
        self.duties = self.duties.split_off(&spec.first_slot(epoch));
        self.resolved = self.resolved.split_off(&epoch);
    }
}
