//! Words that the tests of this crate share.
#![allow(
    missing_docs,
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses some of them"
)]

use std::path::{Path, PathBuf};

use hearth_slashing::{EpochStart, Refusal, SlashingDb};
use hearth_types::{
    ChainSpec, Epoch, ForkName, ForkSchedule, ForkVersion, Root, ScheduledFork, SigningRoot, Slot, UnixMillis,
    ValidatorPubkey, Vote,
};

pub const CHAIN: Root = Root::new([7; 32]);

pub fn validator(number: u16) -> ValidatorPubkey {
    let mut key = [0xa0; 48];
    key[..2].copy_from_slice(&number.to_be_bytes());
    ValidatorPubkey::new(key)
}

pub fn root(number: u8) -> SigningRoot {
    SigningRoot::new([number; 32])
}

pub fn vote(source: u64, target: u64, number: u8) -> Vote {
    Vote {
        slot: Slot::new(target.saturating_mul(32)),
        source: Epoch::new(source),
        target: Epoch::new(target),
        root: root(number),
    }
}

/// Asks for one vote of one validator.
pub fn ask(db: &mut SlashingDb, key: ValidatorPubkey, vote: Vote) -> Result<(), Refusal> {
    let permit = db.permit_attestations(&[(key, vote)]).unwrap().remove(0)?;
    assert_eq!((permit.validator(), permit.root()), (&key, &vote.root));
    Ok(())
}

/// Asks for one block of one validator.
pub fn propose(db: &mut SlashingDb, key: ValidatorPubkey, slot: u64, root: SigningRoot) -> Result<(), Refusal> {
    let permit = db.permit_block(key, Slot::new(slot), root).unwrap()?;
    assert_eq!((permit.validator(), permit.root()), (&key, &root));
    Ok(())
}

/// The start of `epoch`, at 32 slots to the epoch.
pub fn start_of(epoch: u64) -> EpochStart {
    let fork =
        ScheduledFork { name: ForkName::Fulu, epoch: Epoch::new(0), version: ForkVersion::new([6, 0, 0, 0]) };
    let forks = ForkSchedule::new(vec![fork], Epoch::FAR_FUTURE).unwrap();
    let spec = ChainSpec::new(UnixMillis::new(0), CHAIN, 12_000, 32, forks).unwrap();
    EpochStart::of(&spec, Epoch::new(epoch))
}

pub fn database(folder: &Path) -> PathBuf {
    folder.join("slashing.sqlite")
}

pub fn write_ahead_log(folder: &Path) -> PathBuf {
    folder.join("slashing.sqlite-wal")
}
