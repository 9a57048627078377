//! Gathers partial signatures until the threshold, and hands them over to be checked and combined in one go.

use std::collections::{BTreeMap, BTreeSet};

use hearth_crypto::{Partial, SlotJob, SlotOutcome, Standing, ValidatorPartials};
use hearth_types::{
    AttestationData, ChainSpec, Duty, OperatorIndex, ShareIndex, SignatureBytes, SigningRoot, ValidatorPubkey,
};
use thiserror::Error;

use crate::schedule::Definitions;
use crate::witness::{Equivocation, SignedData};
use crate::{Cluster, PartialAttestation, sign};

/// Why a partial signature was not stored.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub(crate) enum Unwelcome {
    #[error("repeated a partial signature")]
    Repeated,
    /// The peer's beacon node may know of a duty that ours has not heard of.
    #[error("sent a partial signature for a validator without this duty")]
    NoDuty,
    #[error("sent a partial signature under share {0}")]
    OtherShare(ShareIndex),
    #[error("sent a partial signature for a foreign validator")]
    Foreign,
    #[error("{0}")]
    OffDuty(String),
    /// One vote with two signatures, of which at most one is good; the first stays.
    #[error("sent two different signatures of one message for {0}")]
    OtherSignature(Duty),
    /// Two votes; the first stays.
    #[error("signed two different messages")]
    Equivocation(Equivocation),
}

impl Unwelcome {
    /// Whether no honest peer sends it.
    pub(crate) const fn is_offence(&self) -> bool {
        !matches!(self, Self::Repeated | Self::NoDuty)
    }
}

/// What is known of a stored partial signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Check {
    /// Our own signer made it.
    Own,
    /// Nobody has looked.
    Unchecked,
    /// It is not by its share. It stays, so that its share gets no second try and costs no second check.
    Worthless,
}

#[derive(Debug)]
struct Stored {
    partial: PartialAttestation,
    check: Check,
}

/// A combination that is under way.
#[derive(Debug)]
struct Combining {
    data: AttestationData,
    validators: Vec<ValidatorPubkey>,
}

/// Partial signatures of one duty: at most one of each share for each validator that has the duty.
#[derive(Debug)]
pub(crate) struct Collection {
    duty: Duty,
    partials: BTreeMap<ValidatorPubkey, BTreeMap<ShareIndex, Stored>>,
    roots: BTreeMap<AttestationData, SigningRoot>,
    /// Validators with enough partial signatures of one vote, not under way.
    ready: BTreeMap<ValidatorPubkey, AttestationData>,
    combining: Option<Combining>,
    complete: BTreeSet<ValidatorPubkey>,
    hopeless: BTreeSet<ValidatorPubkey>,
}

/// A group signature that verified, and the vote that it covers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole {
    pub(crate) validator: ValidatorPubkey,
    pub(crate) data: AttestationData,
    pub(crate) signature: SignatureBytes,
}

/// What a combination came to.
#[derive(Debug, Default)]
pub(crate) struct Combined {
    pub(crate) wholes: Vec<Whole>,
    /// Shares with a partial signature that was worthless.
    pub(crate) blamed: BTreeSet<ShareIndex>,
    /// Validators whose partial signatures all verify and yet make no group signature.
    pub(crate) hopeless: usize,
}

/// How far the validator is that is furthest from a whole signature.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Tally {
    pub(crate) own: bool,
    /// Partial signatures of its most signed vote.
    pub(crate) of_one_vote: usize,
    /// Partial signatures of any vote.
    pub(crate) of_any: usize,
}

impl Collection {
    pub(crate) fn new(duty: Duty) -> Self {
        Self {
            duty,
            partials: BTreeMap::new(),
            roots: BTreeMap::new(),
            ready: BTreeMap::new(),
            combining: None,
            complete: BTreeSet::new(),
            hopeless: BTreeSet::new(),
        }
    }

    /// Stores one partial signature of our own signer.
    pub(crate) fn add_own(
        &mut self,
        spec: &ChainSpec,
        cluster: &Cluster,
        partial: PartialAttestation,
    ) -> Result<(), Unwelcome> {
        self.add(spec, cluster, partial, Check::Own)
    }

    /// Stores one partial signature that `from` sent.
    pub(crate) fn add_of_peer(
        &mut self,
        spec: &ChainSpec,
        cluster: &Cluster,
        definitions: &Definitions,
        from: OperatorIndex,
        partial: PartialAttestation,
    ) -> Result<(), Unwelcome> {
        if partial.share != from.share() {
            return Err(Unwelcome::OtherShare(partial.share));
        }
        if cluster.validators.contains_key(&partial.validator) && !definitions.contains_key(&partial.validator)
        {
            return Err(Unwelcome::NoDuty);
        }
        self.add(spec, cluster, partial, Check::Unchecked)
    }

    fn add(
        &mut self,
        spec: &ChainSpec,
        cluster: &Cluster,
        partial: PartialAttestation,
        check: Check,
    ) -> Result<(), Unwelcome> {
        let validator = partial.validator;
        let known = cluster.validators.get(&validator).and_then(|v| v.share_key(partial.share));
        if known.is_none() {
            return Err(Unwelcome::Foreign);
        }
        if let Some(earlier) = self.partials.get(&validator).and_then(|of| of.get(&partial.share)) {
            let earlier = earlier.partial;
            return Err(if earlier.data != partial.data {
                self.equivocation(spec, earlier, partial)
            } else if earlier.signature != partial.signature {
                Unwelcome::OtherSignature(self.duty)
            } else {
                Unwelcome::Repeated
            });
        }
        if !self.roots.contains_key(&partial.data) {
            let vote = sign::vote(spec, self.duty.slot, &partial.data).map_err(Unwelcome::OffDuty)?;
            self.roots.insert(partial.data, vote.root);
        }
        self.partials.entry(validator).or_default().insert(partial.share, Stored { partial, check });
        self.weigh(cluster, validator);
        Ok(())
    }

    fn equivocation(
        &self,
        spec: &ChainSpec,
        first: PartialAttestation,
        second: PartialAttestation,
    ) -> Unwelcome {
        let signed = |PartialAttestation { data, signature, .. }| {
            let root = sign::vote(spec, self.duty.slot, &data).map_err(Unwelcome::OffDuty)?.root;
            Ok(Box::new(SignedData { data, root, signature }))
        };
        let PartialAttestation { validator, share, .. } = first;
        match (signed(first), signed(second)) {
            (Ok(first), Ok(second)) => {
                Unwelcome::Equivocation(Equivocation::Partials { validator, share, first, second })
            }
            (Err(off), _) | (_, Err(off)) => off,
        }
    }

    /// The next combination that is worth its cost: every validator that has enough partial signatures of one vote,
    /// if no combination is under way.
    pub(crate) fn next_job(&mut self, cluster: &Cluster) -> Option<SlotJob> {
        if self.combining.is_some() {
            return None;
        }
        let data = *self.ready.values().next()?;
        let root = *self.roots.get(&data)?;
        let voted = self.ready.iter().filter(|(_, voted)| **voted == data);
        let validators: Vec<ValidatorPubkey> = voted.map(|(validator, _)| *validator).collect();
        let partials: Option<Vec<_>> =
            validators.iter().map(|v| self.partials_of(cluster, *v, &data)).collect();
        let job = SlotJob { root, threshold: cluster.threshold, validators: partials? };
        for validator in &validators {
            self.ready.remove(validator);
        }
        self.combining = Some(Combining { data, validators });
        Some(job)
    }

    /// Takes the result of the combination under way. Worthless partial signatures make room for others; where there
    /// are none to blame, our own is checked with the rest, and where that was done, nothing is tried again.
    pub(crate) fn completed(&mut self, cluster: &Cluster, outcome: &SlotOutcome) -> Combined {
        let mut combined = Combined::default();
        let Some(Combining { data, validators }) = self.combining.take() else { return combined };
        let mut spoilt = BTreeSet::new();
        for (position, share) in &outcome.invalid {
            let of = validators.get(*position).and_then(|validator| self.partials.get_mut(validator));
            if let Some(stored) = of.and_then(|of| of.get_mut(share)) {
                stored.check = Check::Worthless;
                spoilt.insert(*position);
                combined.blamed.insert(*share);
            }
        }
        for (position, validator) in validators.into_iter().enumerate() {
            match outcome.signatures.get(position).copied().flatten() {
                Some(signature) => {
                    self.complete.insert(validator);
                    combined.wholes.push(Whole { validator, data, signature });
                }
                None if spoilt.contains(&position) || self.doubt_own(validator) => {}
                None => {
                    self.hopeless.insert(validator);
                    combined.hopeless += 1;
                }
            }
            self.weigh(cluster, validator);
        }
        combined
    }

    /// Shares of which at least one partial signature is stored that is not known to be worthless.
    pub(crate) fn signers(&self) -> BTreeSet<ShareIndex> {
        self.partials.values().flat_map(worthy).map(|stored| stored.partial.share).collect()
    }

    /// The least that any of these validators has that has no whole signature.
    pub(crate) fn least<'a>(
        &self,
        validators: impl Iterator<Item = &'a ValidatorPubkey>,
        own: ShareIndex,
    ) -> Option<Tally> {
        let tally = |validator| {
            let Some(shares) = self.partials.get(validator) else { return Tally::default() };
            Tally {
                own: shares.get(&own).is_some_and(|stored| stored.check != Check::Worthless),
                of_one_vote: most_signed(shares).map_or(0, |(_, count)| count),
                of_any: worthy(shares).count(),
            }
        };
        validators.filter(|validator| !self.complete.contains(*validator)).map(tally).min()
    }

    fn weigh(&mut self, cluster: &Cluster, validator: ValidatorPubkey) {
        let closed = self.complete.contains(&validator) || self.hopeless.contains(&validator);
        match self.partials.get(&validator).and_then(most_signed) {
            Some((data, count)) if count >= cluster.threshold.count() && !closed => {
                self.ready.insert(validator, data);
            }
            _ => drop(self.ready.remove(&validator)),
        }
    }

    /// Has our own partial signature checked the next time; `false` if there is none that was not.
    fn doubt_own(&mut self, validator: ValidatorPubkey) -> bool {
        let shares = self.partials.get_mut(&validator);
        let own = shares.and_then(|shares| shares.values_mut().find(|stored| stored.check == Check::Own));
        own.map(|stored| stored.check = Check::Unchecked).is_some()
    }

    /// Just enough partials of one vote, those that need no check first.
    fn partials_of(
        &self,
        cluster: &Cluster,
        validator: ValidatorPubkey,
        data: &AttestationData,
    ) -> Option<ValidatorPartials> {
        let keys = cluster.validators.get(&validator)?;
        let shares = self.partials.get(&validator)?;
        let mut stored: Vec<&Stored> = worthy(shares).filter(|stored| stored.partial.data == *data).collect();
        stored.sort_by_key(|stored| (stored.check != Check::Own, stored.partial.share));
        let partials = stored
            .into_iter()
            .take(cluster.threshold.count())
            .filter_map(|stored| {
                let PartialAttestation { share, signature, .. } = stored.partial;
                let standing = if stored.check == Check::Own { Standing::Own } else { Standing::Unchecked };
                Some(Partial { share, key: keys.share_key(share)?, signature, standing })
            })
            .collect();
        Some(ValidatorPartials { group: keys.group, partials })
    }
}

fn worthy(shares: &BTreeMap<ShareIndex, Stored>) -> impl Iterator<Item = &Stored> {
    shares.values().filter(|stored| stored.check != Check::Worthless)
}

/// The vote that most shares signed, and how many did.
fn most_signed(shares: &BTreeMap<ShareIndex, Stored>) -> Option<(AttestationData, usize)> {
    let mut counts = BTreeMap::new();
    for stored in worthy(shares) {
        *counts.entry(stored.partial.data).or_insert(0) += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count)
}
