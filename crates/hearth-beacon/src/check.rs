//! Answers held against what was asked. Pure.
//!
//! A lying, lagging or confused node can at most make us abstain: what passes here is about the slot, the epoch
//! and the validators that were asked about. Source: `design/faults.md` 55.

use std::collections::BTreeSet;

use hearth_duties::ValidatorRecord;
use hearth_types::{
    AttestationData, AttesterDuty, ChainSpec, CommitteeIndex, Epoch, Slot, ValidatorIndex, ValidatorPubkey,
};

use crate::error::WrongAnswer;
use crate::node::BlockId;
use crate::wire::{Block, BlockHeader, Committee};

/// Source: consensus-specs, `MAX_VALIDATORS_PER_COMMITTEE` and `MAX_COMMITTEES_PER_SLOT`, the same in every
/// preset or smaller.
const MAX_COMMITTEE: u64 = 2_048;
const MAX_COMMITTEES: u64 = 64;

/// Data to attest to is about `asked`, committee 0, with the epoch of the slot as target.
pub(crate) fn attestation_data(
    spec: &ChainSpec,
    asked: Slot,
    data: AttestationData,
) -> Result<AttestationData, WrongAnswer> {
    let (source, target) = (data.source.epoch, data.target.epoch);
    let expected = spec.epoch_of(asked);
    if data.slot != asked {
        return Err(WrongAnswer::Slot { asked, answered: data.slot });
    }
    if data.index != CommitteeIndex::new(0) {
        return Err(WrongAnswer::Committee(data.index));
    }
    if target != expected {
        return Err(WrongAnswer::Target { expected, answered: target });
    }
    if source > target {
        return Err(WrongAnswer::SourceAfterTarget { source_epoch: source, target_epoch: target });
    }
    Ok(data)
}

/// Duties belong to `epoch` and to validators that were asked about, at most one to each, in possible
/// committees.
pub(crate) fn attester_duties(
    spec: &ChainSpec,
    epoch: Epoch,
    asked: &[ValidatorIndex],
    duties: Vec<AttesterDuty>,
) -> Result<Vec<AttesterDuty>, WrongAnswer> {
    let mut awaited: BTreeSet<_> = asked.iter().copied().collect();
    for duty in &duties {
        let validator = duty.validator_index;
        if !awaited.remove(&validator) {
            return Err(match asked.contains(&validator) {
                true => WrongAnswer::DutyTwice(validator),
                false => WrongAnswer::StrangeDuty(validator),
            });
        }
        if spec.epoch_of(duty.slot) != epoch {
            return Err(WrongAnswer::DutyOutsideEpoch { validator, slot: duty.slot, epoch });
        }
        let possible = duty.committees_at_slot <= MAX_COMMITTEES
            && duty.committee_index.get() < duty.committees_at_slot
            && duty.committee_length <= MAX_COMMITTEE
            && duty.position_in_committee < duty.committee_length;
        if !possible {
            return Err(WrongAnswer::ImpossibleCommittee(validator));
        }
    }
    Ok(duties)
}

/// Records are of validators that were asked about; no key and no index appears twice.
pub(crate) fn validators(
    asked: &[ValidatorPubkey],
    records: Vec<ValidatorRecord>,
) -> Result<Vec<ValidatorRecord>, WrongAnswer> {
    let asked: BTreeSet<_> = asked.iter().collect();
    let (mut keys, mut indexes) = (BTreeSet::new(), BTreeSet::new());
    for record in &records {
        if !asked.contains(&record.pubkey) {
            return Err(WrongAnswer::StrangeValidator(record.pubkey));
        }
        if !keys.insert(record.pubkey) || !indexes.insert(record.index) {
            return Err(WrongAnswer::ValidatorTwice(record.pubkey));
        }
    }
    Ok(records)
}

/// A header is of the block that was asked for.
pub(crate) fn header(asked: BlockId, header: BlockHeader) -> Result<BlockHeader, WrongAnswer> {
    match asked {
        BlockId::Root(asked) if header.root != asked => Err(WrongAnswer::Root { asked, answered: header.root }),
        _ => of_slot(asked, header.slot).map(|()| header),
    }
}

/// A block is of the slot that was asked for. Its root is not computed: its signature is not checked either,
/// and a node that lies about the past of its own chain misleads only the statistics.
pub(crate) fn block(asked: BlockId, block: Block) -> Result<Block, WrongAnswer> {
    of_slot(asked, block.slot).map(|()| block)
}

fn of_slot(asked: BlockId, answered: Slot) -> Result<(), WrongAnswer> {
    match asked {
        BlockId::Slot(asked) if asked != answered => Err(WrongAnswer::Slot { asked, answered }),
        _ => Ok(()),
    }
}

/// Committees are of the slot that was asked for, each at most once.
pub(crate) fn committees(asked: Slot, committees: Vec<Committee>) -> Result<Vec<Committee>, WrongAnswer> {
    let mut seen = BTreeSet::new();
    for committee in &committees {
        if committee.slot != asked {
            return Err(WrongAnswer::Slot { asked, answered: committee.slot });
        }
        if !seen.insert(committee.index) {
            return Err(WrongAnswer::CommitteeTwice(committee.index));
        }
    }
    Ok(committees)
}

#[cfg(test)]
mod tests {
    use hearth_types::{Checkpoint, ForkName, ForkSchedule, ForkVersion, Root, ScheduledFork, UnixMillis};

    use super::*;

    fn spec() -> ChainSpec {
        let fork =
            ScheduledFork { name: ForkName::Fulu, epoch: Epoch::new(0), version: ForkVersion::new([6; 4]) };
        let forks = ForkSchedule::new(vec![fork], Epoch::FAR_FUTURE).unwrap();
        ChainSpec::new(UnixMillis::new(0), Root::new([7; 32]), 12_000, 8, forks).unwrap()
    }

    #[test]
    fn attestation_data_is_taken_only_for_the_slot_and_committee_that_were_asked_about() {
        let data = |slot, index, source, target| AttestationData {
            slot: Slot::new(slot),
            index: CommitteeIndex::new(index),
            beacon_block_root: Root::new([1; 32]),
            source: Checkpoint { epoch: Epoch::new(source), root: Root::new([2; 32]) },
            target: Checkpoint { epoch: Epoch::new(target), root: Root::new([3; 32]) },
        };
        for (name, data, allowed) in [
            ("as asked", data(17, 0, 1, 2), true),
            ("source far back", data(17, 0, 0, 2), true),
            ("source is target", data(17, 0, 2, 2), true),
            ("slot before", data(16, 0, 1, 2), false),
            ("slot after", data(18, 0, 1, 2), false),
            ("largest slot", data(u64::MAX, 0, 1, 2), false),
            ("other committee", data(17, 1, 1, 2), false),
            ("target too early", data(17, 0, 0, 1), false),
            ("target too late", data(17, 0, 1, 3), false),
            ("largest target", data(17, 0, 1, u64::MAX), false),
            ("source after target", data(17, 0, 3, 2), false),
            ("largest source", data(17, 0, u64::MAX, 2), false),
        ] {
            assert_eq!(attestation_data(&spec(), Slot::new(17), data).is_ok(), allowed, "{name}");
        }
    }

    fn duty(validator: u64, slot: u64) -> AttesterDuty {
        AttesterDuty {
            pubkey: ValidatorPubkey::new([validator as u8; 48]),
            slot: Slot::new(slot),
            validator_index: ValidatorIndex::new(validator),
            committee_index: CommitteeIndex::new(0),
            committee_length: 2,
            committees_at_slot: 1,
            position_in_committee: 1,
        }
    }

    #[test]
    fn duties_are_taken_only_for_the_epoch_and_validators_that_were_asked_about() {
        let odd = |change: fn(&mut AttesterDuty)| {
            let mut duty = duty(5, 16);
            change(&mut duty);
            vec![duty]
        };
        for (name, duties, allowed) in [
            ("all", vec![duty(5, 16), duty(6, 23)], true),
            ("one is not active", vec![duty(6, 23)], true),
            ("none", vec![], true),
            ("a stranger", vec![duty(5, 16), duty(7, 16)], false),
            ("twice", vec![duty(5, 16), duty(5, 17)], false),
            ("the epoch before", vec![duty(5, 15)], false),
            ("the epoch after", vec![duty(5, 24)], false),
            ("largest slot", vec![duty(5, u64::MAX)], false),
            ("place beyond the committee", odd(|d| d.position_in_committee = 2), false),
            ("empty committee", odd(|d| d.committee_length = 0), false),
            ("huge committee", odd(|d| d.committee_length = u64::MAX), false),
            ("committee beyond the slot's", odd(|d| d.committee_index = CommitteeIndex::new(1)), false),
            ("huge number of committees", odd(|d| d.committees_at_slot = u64::MAX), false),
        ] {
            let asked = [ValidatorIndex::new(5), ValidatorIndex::new(6)];
            let found = attester_duties(&spec(), Epoch::new(2), &asked, duties);
            assert_eq!(found.is_ok(), allowed, "{name}");
        }
    }

    #[test]
    fn validators_are_taken_only_if_asked_for_and_once() {
        let record = |key: u8, index| ValidatorRecord {
            pubkey: ValidatorPubkey::new([key; 48]),
            index: ValidatorIndex::new(index),
            active: true,
            slashed: false,
            waiting: None,
        };
        for (name, records, allowed) in [
            ("both", vec![record(1, 10), record(2, 11)], true),
            ("one is unknown to the chain", vec![record(2, 11)], true),
            ("a stranger", vec![record(3, 12)], false),
            ("one key twice", vec![record(1, 10), record(1, 11)], false),
            ("one index twice", vec![record(1, 10), record(2, 10)], false),
        ] {
            let asked = [ValidatorPubkey::new([1; 48]), ValidatorPubkey::new([2; 48])];
            assert_eq!(validators(&asked, records).is_ok(), allowed, "{name}");
        }
    }

    #[test]
    fn blocks_and_committees_are_of_what_was_asked_for() {
        let found = BlockHeader {
            root: Root::new([1; 32]),
            slot: Slot::new(9),
            parent_root: Root::new([0; 32]),
            canonical: true,
        };
        for (asked, allowed) in [
            (BlockId::Head, true),
            (BlockId::Slot(Slot::new(9)), true),
            (BlockId::Slot(Slot::new(8)), false),
            (BlockId::Root(Root::new([1; 32])), true),
            (BlockId::Root(Root::new([2; 32])), false),
        ] {
            assert_eq!(header(asked, found).is_ok(), allowed, "{asked}");
        }
        let committee = |index, slot| Committee {
            index: CommitteeIndex::new(index),
            slot: Slot::new(slot),
            validators: vec![],
        };
        assert!(committees(Slot::new(9), vec![committee(0, 9), committee(1, 9)]).is_ok());
        assert!(committees(Slot::new(9), vec![committee(0, 9), committee(0, 9)]).is_err());
        assert!(committees(Slot::new(9), vec![committee(0, 8)]).is_err());
    }
}
