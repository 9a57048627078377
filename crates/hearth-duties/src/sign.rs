//! From the agreed value to what our signer is asked: only votes for a duty that we have.

use std::collections::BTreeMap;

use hearth_types::{AttestationData, ChainSpec, CommitteeIndex, Slot, ValidatorPubkey, Vote, vote_of};

use crate::schedule::Definitions;
use crate::{AgreedValue, Cluster};

/// What is asked of the signer, and what is not asked and why. Both ascend by validator.
#[derive(Debug, Default)]
pub(crate) struct ToSign {
    pub(crate) votes: Vec<(ValidatorPubkey, Vote)>,
    pub(crate) refused: Vec<(ValidatorPubkey, String)>,
}

/// Sorts a decided value into votes to sign and refusals.
pub(crate) fn votes(spec: &ChainSpec, slot: Slot, definitions: &Definitions, agreed: &AgreedValue) -> ToSign {
    let AgreedValue::Attestations(attestations) = agreed;
    // Validators of one slot usually share one vote, and its root costs a dozen hashes.
    let mut known: BTreeMap<AttestationData, Result<Vote, String>> = BTreeMap::new();
    let mut outcome = ToSign::default();
    for validator in definitions.keys() {
        let Some(attestation) = attestations.get(validator) else {
            outcome.refused.push((*validator, "the decided value leaves this validator out".into()));
            continue;
        };
        let data = attestation.data;
        match known.entry(data).or_insert_with(|| vote(spec, slot, &data)) {
            Ok(vote) => outcome.votes.push((*validator, *vote)),
            Err(reason) => outcome.refused.push((*validator, reason.clone())),
        }
    }
    outcome
}

/// Why a proposed value is one that no honest leader proposes; `None` if one might. A leader may know of duties that
/// we do not know of, and the other way round, so neither of that is a reason.
pub(crate) fn objection(
    spec: &ChainSpec,
    slot: Slot,
    cluster: &Cluster,
    proposed: &AgreedValue,
) -> Option<String> {
    let AgreedValue::Attestations(attestations) = proposed;
    if attestations.is_empty() {
        return Some("the value is empty".into());
    }
    if let Some(foreign) = attestations.keys().find(|validator| !cluster.validators.contains_key(validator)) {
        return Some(format!("validator {} is not of this cluster", foreign.abbreviated()));
    }
    let mut earlier = None;
    attestations.values().map(|attestation| attestation.data).find_map(|data| {
        let seen = earlier.replace(data) == Some(data);
        if seen { None } else { vote(spec, slot, &data).err() }
    })
}

/// How a proposed vote differs from what our own beacon node says.
pub(crate) fn difference(own: &AttestationData, proposed: &AttestationData) -> String {
    let (which, own, proposed) = if own.target == proposed.target {
        ("source", own.source, proposed.source)
    } else {
        ("target", own.target, proposed.target)
    };
    format!(
        "our beacon node says {which} {} of epoch {}, the proposal {} of epoch {}",
        own.root, own.epoch, proposed.root, proposed.epoch
    )
}

/// The vote of well-formed attestation data of `slot`.
pub(crate) fn vote(spec: &ChainSpec, slot: Slot, data: &AttestationData) -> Result<Vote, String> {
    if data.slot != slot {
        return Err(format!("the attestation is for slot {}, the duty for slot {slot}", data.slot));
    }
    // From Electra on, and no earlier fork is attested in.
    if data.index != CommitteeIndex::new(0) {
        return Err(format!("the attestation names committee {} where all name 0", data.index));
    }
    if data.target.epoch != spec.epoch_of(slot) || data.source.epoch > data.target.epoch {
        let (source, target) = (data.source.epoch, data.target.epoch);
        return Err(format!("source epoch {source} and target epoch {target} do not fit slot {slot}"));
    }
    vote_of(spec, data).map_err(|unknown| unknown.to_string())
}
