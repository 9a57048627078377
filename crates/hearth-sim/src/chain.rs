//! A beacon chain small enough to understand and strict enough to judge: it accepts only what a real one accepts
//! and remembers everything that it was shown.

use std::collections::{BTreeMap, BTreeSet};

use hearth_crypto::k1::keccak256;
use hearth_crypto::{PublicKey, Signature};
use hearth_types::{
    AttestationData, AttesterDuty, ChainSpec, Checkpoint, CommitteeIndex, Epoch, Root, SingleAttestation, Slot,
    ValidatorIndex, ValidatorPubkey, Vote, vote_of,
};
use serde::Serialize;
use thiserror::Error;

/// Slots after which an attestation is no longer included.
const INCLUSION_WINDOW: u64 = 32;

/// Why the chain does not take an attestation.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum Rejection {
    /// No such validator.
    #[error("validator {0} does not exist")]
    NoSuchValidator(ValidatorIndex),
    /// The validator attests in another slot or committee.
    #[error("validator {validator} has no duty in slot {slot} and committee {committee}")]
    NotItsDuty {
        /// The validator.
        validator: ValidatorIndex,
        /// The slot of the vote.
        slot: Slot,
        /// The committee of the vote.
        committee: CommitteeIndex,
    },
    /// The vote is not about this chain.
    #[error("the vote's {0} is not one of this chain")]
    Elsewhere(&'static str),
    /// The slot has not come yet, or is long gone.
    #[error("slot {0} is in the future or too far in the past")]
    OutOfTime(Slot),
    /// The signature is not by the validator.
    #[error("invalid signature of validator {0}")]
    BadSignature(ValidatorIndex),
}

/// Two signed votes of one validator that the chain would slash it for.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Conviction {
    /// The validator.
    pub validator: ValidatorIndex,
    /// Target epochs of the two votes.
    pub targets: (Epoch, Epoch),
    /// Which rule they break.
    pub rule: &'static str,
}

/// What became of one validator's duty.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Inclusion {
    /// Slot of the duty.
    pub slot: Slot,
    /// Slot of the block that included the vote.
    pub included_in: Option<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    root: Root,
}

/// The chain.
#[derive(Debug)]
pub struct Chain {
    spec: ChainSpec,
    validators: Vec<PublicKey>,
    blocks: BTreeMap<Slot, Block>,
    head: Slot,
    pool: BTreeMap<(Slot, ValidatorIndex), SingleAttestation>,
    included: BTreeMap<(Slot, ValidatorIndex), Slot>,
    shown: BTreeMap<ValidatorIndex, BTreeSet<(Epoch, Epoch, [u8; 32])>>,
    convictions: Vec<Conviction>,
}

impl Chain {
    /// A chain at genesis with these validators, all active from the start.
    pub fn new(spec: ChainSpec, validators: Vec<PublicKey>) -> Self {
        let genesis = Block { root: Root::new(keccak256(b"genesis")) };
        Self {
            spec,
            validators,
            blocks: BTreeMap::from([(Slot::new(0), genesis)]),
            head: Slot::new(0),
            pool: BTreeMap::new(),
            included: BTreeMap::new(),
            shown: BTreeMap::new(),
            convictions: Vec::new(),
        }
    }

    /// Parameters of the chain.
    pub fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// Produces the blocks of every slot up to and including `now`, each with the attestations that arrived before it.
    pub fn advance(&mut self, now: Slot) {
        while self.head < now {
            let slot = self.head.next();
            let parent = self.root_at(self.head);
            let mut seed = parent.as_bytes().to_vec();
            seed.extend(slot.get().to_le_bytes());
            self.blocks.insert(slot, Block { root: Root::new(keccak256(&seed)) });
            let due: Vec<_> = self.pool.keys().filter(|(voted, _)| *voted < slot).copied().collect();
            for key in due {
                self.pool.remove(&key);
                self.included.entry(key).or_insert(slot);
            }
            self.head = slot;
        }
    }

    /// Slot of the newest block.
    pub const fn head(&self) -> Slot {
        self.head
    }

    /// Root of the newest block at or before `slot`.
    pub fn root_at(&self, slot: Slot) -> Root {
        self.blocks.range(..=slot).next_back().map_or(Root::new([0; 32]), |(_, block)| block.root)
    }

    /// The validator with this group key.
    pub fn index_of(&self, pubkey: &ValidatorPubkey) -> Option<ValidatorIndex> {
        let position = self.validators.iter().position(|key| key.to_bytes() == *pubkey.as_bytes())?;
        u64::try_from(position).ok().map(ValidatorIndex::new)
    }

    /// The group key of a validator.
    pub fn pubkey_of(&self, validator: ValidatorIndex) -> Option<ValidatorPubkey> {
        Some(ValidatorPubkey::new(self.key(validator)?.to_bytes()))
    }

    /// Every validator.
    pub fn validators(&self) -> impl Iterator<Item = ValidatorIndex> + use<> {
        (0..self.validators.len() as u64).map(ValidatorIndex::new)
    }

    /// When `validator` attests in `epoch`: once, in a slot that changes from epoch to epoch.
    pub fn duty(&self, validator: ValidatorIndex, epoch: Epoch) -> Option<AttesterDuty> {
        let pubkey = self.pubkey_of(validator)?;
        let per_epoch = self.spec.slots_per_epoch();
        let offset = validator.get().wrapping_add(epoch.get()) % per_epoch;
        let slot = self.spec.first_slot(epoch).saturating_add(offset);
        let committee = self.committee(slot);
        Some(AttesterDuty {
            pubkey,
            slot,
            validator_index: validator,
            committee_index: CommitteeIndex::new(0),
            committee_length: committee.len() as u64,
            committees_at_slot: 1,
            position_in_committee: committee.iter().position(|other| *other == validator)? as u64,
        })
    }

    /// The one committee of `slot`, in the order of its aggregation bits.
    pub fn committee(&self, slot: Slot) -> Vec<ValidatorIndex> {
        let per_epoch = self.spec.slots_per_epoch();
        let (epoch, offset) = (self.spec.epoch_of(slot).get(), slot.get() % per_epoch);
        let here = |validator: &ValidatorIndex| validator.get().wrapping_add(epoch) % per_epoch == offset;
        self.validators().filter(here).collect()
    }

    /// What an honest validator votes for in `slot`; `None` before the slot.
    pub fn attestation_data(&self, slot: Slot) -> Option<AttestationData> {
        if slot > self.head {
            return None;
        }
        let epoch = self.spec.epoch_of(slot);
        Some(AttestationData {
            slot,
            index: CommitteeIndex::new(0),
            beacon_block_root: self.root_at(slot),
            source: self.checkpoint(epoch.saturating_sub(1)),
            target: self.checkpoint(epoch),
        })
    }

    /// Takes an attestation into the pool, or says why not. Everything that verifies is remembered and held against
    /// everything else that its validator signed.
    pub fn submit(&mut self, attestation: SingleAttestation) -> Result<(), Rejection> {
        let SingleAttestation { committee_index, attester_index: validator, data, signature } = attestation;
        let key = *self.key(validator).ok_or(Rejection::NoSuchValidator(validator))?;
        let slot = data.slot;
        let vote = vote_of(&self.spec, &data).map_err(|_| Rejection::Elsewhere("fork"))?;
        let signed = Signature::from_bytes(signature.as_bytes()).is_ok_and(|s| s.verify(&key, &vote.root));
        if !signed {
            return Err(Rejection::BadSignature(validator));
        }
        self.hold_against_history(validator, &vote);
        if slot > self.head || slot.saturating_add(INCLUSION_WINDOW) < self.head {
            return Err(Rejection::OutOfTime(slot));
        }
        let duty = self.duty(validator, self.spec.epoch_of(slot));
        if !duty.is_some_and(|duty| duty.slot == slot && duty.committee_index == committee_index) {
            return Err(Rejection::NotItsDuty { validator, slot, committee: committee_index });
        }
        if data.target != self.checkpoint(self.spec.epoch_of(slot)) {
            return Err(Rejection::Elsewhere("target"));
        }
        if data.source != self.checkpoint(data.target.epoch.saturating_sub(1)) {
            return Err(Rejection::Elsewhere("source"));
        }
        if !self.included.contains_key(&(slot, validator)) {
            self.pool.entry((slot, validator)).or_insert(attestation);
        }
        Ok(())
    }

    /// The duties of `validator` in `slots`, and the block that included each.
    pub fn inclusions(
        &self,
        validator: ValidatorIndex,
        slots: std::ops::RangeInclusive<Slot>,
    ) -> Vec<Inclusion> {
        let (first, last) = (self.spec.epoch_of(*slots.start()), self.spec.epoch_of(*slots.end()));
        (first.get()..=last.get())
            .filter_map(|epoch| self.duty(validator, Epoch::new(epoch)))
            .filter(|duty| slots.contains(&duty.slot))
            .map(|duty| Inclusion {
                slot: duty.slot,
                included_in: self.included.get(&(duty.slot, validator)).copied(),
            })
            .collect()
    }

    /// Votes that are first included in the block of `slot`.
    pub fn included_in(&self, slot: Slot) -> Vec<(Slot, ValidatorIndex)> {
        self.included.iter().filter(|(_, block)| **block == slot).map(|(vote, _)| *vote).collect()
    }

    /// Slashable pairs that were ever shown to this chain.
    pub fn convictions(&self) -> &[Conviction] {
        &self.convictions
    }

    /// The justified or voted-for boundary of `epoch`.
    pub fn checkpoint(&self, epoch: Epoch) -> Checkpoint {
        Checkpoint { epoch, root: self.root_at(self.spec.first_slot(epoch)) }
    }

    fn key(&self, validator: ValidatorIndex) -> Option<&PublicKey> {
        self.validators.get(usize::try_from(validator.get()).ok()?)
    }

    /// Source: consensus-specs, phase0/beacon-chain.md, `is_slashable_attestation_data`.
    fn hold_against_history(&mut self, validator: ValidatorIndex, vote: &Vote) {
        let seen = self.shown.entry(validator).or_default();
        let this = (vote.source, vote.target, *vote.root.as_bytes());
        if !seen.insert(this) {
            return;
        }
        for other in seen.iter().filter(|other| **other != this) {
            let rule = if other.1 == this.1 {
                "double vote"
            } else if (other.0 < this.0 && this.1 < other.1) || (this.0 < other.0 && other.1 < this.1) {
                "surround vote"
            } else {
                continue;
            };
            self.convictions.push(Conviction { validator, targets: (other.1, this.1), rule });
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_crypto::SecretKey;
    use hearth_types::{ForkName, ForkSchedule, ForkVersion, ScheduledFork, UnixMillis};

    use super::*;

    fn secret(n: u8) -> SecretKey {
        SecretKey::from_bytes(&[n; 32]).unwrap()
    }

    fn chain(validators: u8, slots_per_epoch: u64) -> Chain {
        let fork = ScheduledFork {
            name: ForkName::Fulu,
            epoch: Epoch::new(0),
            version: ForkVersion::new([6, 0, 0, 1]),
        };
        let forks = ForkSchedule::new(vec![fork], Epoch::FAR_FUTURE).unwrap();
        let spec =
            ChainSpec::new(UnixMillis::new(0), Root::new([7; 32]), 12_000, slots_per_epoch, forks).unwrap();
        Chain::new(spec, (1..=validators).map(|n| secret(n).public_key()).collect())
    }

    fn attest(
        chain: &Chain,
        validator: u64,
        slot: u64,
        change: impl Fn(&mut AttestationData),
    ) -> SingleAttestation {
        let mut data = chain.attestation_data(Slot::new(slot)).unwrap();
        change(&mut data);
        let root = vote_of(chain.spec(), &data).unwrap().root;
        let signature = secret(validator as u8 + 1).sign(&root).to_bytes();
        let attester_index = ValidatorIndex::new(validator);
        SingleAttestation { committee_index: CommitteeIndex::new(0), attester_index, data, signature }
    }

    #[test]
    fn every_validator_attests_exactly_once_an_epoch() {
        let chain = chain(7, 4);
        for epoch in 0..9 {
            for validator in chain.validators() {
                let duty = chain.duty(validator, Epoch::new(epoch)).unwrap();
                assert_eq!(chain.spec().epoch_of(duty.slot), Epoch::new(epoch));
                assert!(duty.position_in_committee < duty.committee_length);
            }
        }
    }

    #[test]
    fn an_attestation_is_included_in_the_next_block_and_a_missing_one_is_not() {
        let mut chain = chain(1, 1);
        chain.advance(Slot::new(3));
        chain.submit(attest(&chain, 0, 3, |_| {})).unwrap();
        chain.advance(Slot::new(5));
        let seen = chain.inclusions(ValidatorIndex::new(0), Slot::new(2)..=Slot::new(3));
        assert_eq!(
            seen,
            [
                Inclusion { slot: Slot::new(2), included_in: None },
                Inclusion { slot: Slot::new(3), included_in: Some(Slot::new(4)) }
            ]
        );
    }

    #[test]
    fn the_chain_refuses_what_a_real_one_refuses() {
        let mut chain = chain(2, 4);
        chain.advance(Slot::new(40));
        let duty = chain.duty(ValidatorIndex::new(0), Epoch::new(9)).unwrap().slot.get();
        let good = attest(&chain, 0, duty, |_| {});
        let elsewhere = Root::new([9; 32]);
        for (name, attestation) in [
            (
                "another validator's signature",
                SingleAttestation { attester_index: ValidatorIndex::new(1), ..good },
            ),
            ("no such validator", SingleAttestation { attester_index: ValidatorIndex::new(2), ..good }),
            ("another committee", SingleAttestation { committee_index: CommitteeIndex::new(1), ..good }),
            ("a slot without duty", attest(&chain, 0, duty + 1, |_| {})),
            ("another target", attest(&chain, 0, duty, |data| data.target.root = elsewhere)),
            ("another source", attest(&chain, 0, duty, |data| data.source.root = elsewhere)),
            (
                "the future",
                SingleAttestation { data: AttestationData { slot: Slot::new(99), ..good.data }, ..good },
            ),
        ] {
            assert!(chain.submit(attestation).is_err(), "{name}");
        }
        assert_eq!(chain.submit(good), Ok(()));
    }

    #[test]
    fn double_and_surround_votes_are_convicted_even_when_they_are_refused() {
        for (name, first, second, convicted) in [
            ("the same vote twice", (5, 6), (5, 6), false),
            ("one after the other", (4, 5), (5, 6), false),
            ("double", (5, 6), (4, 6), true),
            ("surrounding", (3, 4), (2, 5), true),
            ("surrounded", (2, 5), (3, 4), true),
        ] {
            let mut chain = chain(1, 1);
            chain.advance(Slot::new(9));
            for (source, target) in [first, second] {
                let attestation = attest(&chain, 0, target, |data| data.source.epoch = Epoch::new(source));
                let _verdict = chain.submit(attestation);
            }
            assert_eq!(!chain.convictions().is_empty(), convicted, "{name}");
        }
    }
}
