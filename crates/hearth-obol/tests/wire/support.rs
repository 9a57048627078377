//! What the tests of the wire share: a chain, a duty's data, and the vectors of the specification.

use std::path::PathBuf;

use hearth_types::{
    AttestationData, AttesterDuty, ChainSpec, Checkpoint, CommitteeIndex, Epoch, ForkName, ForkSchedule,
    ForkVersion, Root, ScheduledFork, Slot, UnixMillis, ValidatorIndex, ValidatorPubkey,
};

const GENESIS_MS: u64 = 1_606_824_023_000;

/// A chain like mainnet: Deneb from genesis, Electra from epoch 1, Fulu from epoch 20, nothing known from 30 on.
pub(crate) fn spec() -> ChainSpec {
    let forks = [(ForkName::Deneb, 0), (ForkName::Electra, 1), (ForkName::Fulu, 20)].map(|(name, epoch)| {
        ScheduledFork { name, epoch: Epoch::new(epoch), version: ForkVersion::new([epoch as u8; 4]) }
    });
    let forks = ForkSchedule::new(forks.to_vec(), Epoch::new(30)).unwrap();
    ChainSpec::new(UnixMillis::new(GENESIS_MS), Root::new([0; 32]), 12_000, 32, forks).unwrap()
}

/// The moment this long after genesis.
pub(crate) fn at(after_genesis_ms: u64) -> UnixMillis {
    UnixMillis::new(GENESIS_MS + after_genesis_ms)
}

/// A vote of this slot.
pub(crate) fn attestation_data(slot: u64) -> AttestationData {
    let checkpoint = |epoch, byte| Checkpoint { epoch: Epoch::new(epoch), root: Root::new([byte; 32]) };
    AttestationData {
        slot: Slot::new(slot),
        index: CommitteeIndex::new(0),
        beacon_block_root: Root::new([0xbb; 32]),
        source: checkpoint((slot / 32).saturating_sub(1), 0x55),
        target: checkpoint(slot / 32, 0x77),
    }
}

/// The duty of the validator with this number in this slot.
pub(crate) fn attester_duty(validator: u8, slot: u64) -> AttesterDuty {
    AttesterDuty {
        pubkey: pubkey(validator),
        slot: Slot::new(slot),
        validator_index: ValidatorIndex::new(1_000 + u64::from(validator)),
        committee_index: CommitteeIndex::new(3),
        committee_length: 128,
        committees_at_slot: 64,
        position_in_committee: u64::from(validator),
    }
}

/// A stand-in for a group public key.
pub(crate) fn pubkey(validator: u8) -> ValidatorPubkey {
    ValidatorPubkey::new([validator; 48])
}

/// A file of the vectors of the specification; `None` where these are not at hand.
pub(crate) fn vector(name: &str) -> Option<Vec<u8>> {
    let folder = std::env::var_os("HEARTH_VECTORS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors")),
        PathBuf::from,
    );
    let file = folder.join("obol-duties").join(name);
    let content = std::fs::read(&file).ok();
    if content.is_none() {
        println!("skipped: {} not found", file.display());
    }
    content
}
