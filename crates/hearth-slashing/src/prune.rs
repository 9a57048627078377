//! Old rows become a floor, so that the record does not grow without bound.

use hearth_types::{ChainSpec, Epoch, Slot};
use rusqlite::{TransactionBehavior, params};

use crate::records::integer;
use crate::standings::floors;
use crate::{SlashingDb, StorageError};

/// Epochs of full history worth keeping: 14 days at 6.4 minutes. Long enough to tell peers and other clients what
/// was signed, and to sign it again if asked; short enough for 3,000 validators to fit into half a gigabyte.
pub const RETENTION_EPOCHS: u64 = 3_150;

/// One moment in both units: an epoch and its first slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EpochStart {
    epoch: Epoch,
    slot: Slot,
}

impl EpochStart {
    /// The start of `epoch` on the chain of `spec`.
    pub const fn of(spec: &ChainSpec, epoch: Epoch) -> Self {
        Self { epoch, slot: spec.first_slot(epoch) }
    }

    /// The epoch.
    pub const fn epoch(self) -> Epoch {
        self.epoch
    }

    /// Its first slot.
    pub const fn slot(self) -> Slot {
        self.slot
    }
}

impl SlashingDb {
    /// Removes votes with a target, and blocks with a slot, before `before`; the floor of each validator rises to
    /// cover what was removed. Returns how many rows went.
    ///
    /// Safe with any argument; usually `before` lies [`RETENTION_EPOCHS`] in the past. The space is used again by
    /// later records.
    ///
    /// Errors: [`StorageError`] when nothing was removed.
    pub fn prune(&mut self, before: EpochStart) -> Result<usize, StorageError> {
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (target, slot) = (integer(before.epoch.get()), integer(before.slot.get()));
        tx.execute(
            "UPDATE validators SET floor_source = max(floor_source, gone.source),
                                   floor_target = max(floor_target, gone.target)
             FROM (SELECT validator, max(source) AS source, max(target) AS target
                   FROM attestations WHERE target < ?1 GROUP BY validator) AS gone
             WHERE gone.validator = validators.id",
            params![target],
        )?;
        tx.execute(
            "UPDATE validators SET floor_slot = max(floor_slot, gone.slot)
             FROM (SELECT validator, max(slot) AS slot FROM blocks WHERE slot < ?1 GROUP BY validator) AS gone
             WHERE gone.validator = validators.id",
            params![slot],
        )?;
        let votes = tx.execute("DELETE FROM attestations WHERE target < ?1", params![target])?;
        let blocks = tx.execute("DELETE FROM blocks WHERE slot < ?1", params![slot])?;
        let floors = floors(&tx)?;
        tx.commit()?;
        for (validator, pruned) in floors {
            self.standings.entry(validator).and_modify(|standing| {
                (standing.floor, standing.floor_slot) = (pruned.floor, pruned.floor_slot);
            });
        }
        Ok(votes + blocks)
    }
}
