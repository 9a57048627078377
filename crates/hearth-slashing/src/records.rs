//! The tables, and the few questions that are asked of them. Every question is answered by an index.

use hearth_types::{Epoch, SigningRoot, Slot, ValidatorPubkey};
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};

use crate::StorageError;
use crate::rules::{Floor, LAST_RECORDABLE, Neighbours, RecordedVote, Row};

/// Version of [`SCHEMA`], kept in `user_version`.
pub(crate) const SCHEMA_VERSION: i64 = 1;

/// The statements that make a database, in order; a database of this version contains exactly them.
///
/// Votes and blocks are ordered by time first: what a slot adds lies together, so a batch of a thousand
/// validators dirties a dozen pages rather than a thousand, and pruning removes one contiguous range.
/// `gaps` indexes only the few votes before which a validator missed an epoch; it leads to the neighbours of
/// any target, because between two gaps every epoch has a row of its own.
pub(crate) const SCHEMA: [&str; 5] = [
    "CREATE TABLE chain (
        genesis_validators_root BLOB NOT NULL CHECK (length(genesis_validators_root) = 32)
    ) STRICT",
    // One per group key: its short number, and the closed part of its history.
    "CREATE TABLE validators (
        pubkey       BLOB PRIMARY KEY CHECK (length(pubkey) = 48),
        id           INTEGER NOT NULL UNIQUE,
        floor_source INTEGER CHECK (floor_source >= 0),
        floor_target INTEGER CHECK (floor_target >= 0),
        floor_slot   INTEGER CHECK (floor_slot >= 0),
        CHECK ((floor_source IS NULL) = (floor_target IS NULL))
    ) STRICT, WITHOUT ROWID",
    // `gap_after`: target of the previous vote, or of the floor, where epochs lie between it and this one.
    // `root`: NULL where an import did not tell it, or told two.
    "CREATE TABLE attestations (
        target    INTEGER NOT NULL,
        validator INTEGER NOT NULL,
        source    INTEGER NOT NULL CHECK (source BETWEEN 0 AND target),
        root      BLOB CHECK (length(root) = 32),
        gap_after INTEGER CHECK (gap_after < target - 1),
        PRIMARY KEY (target, validator)
    ) STRICT, WITHOUT ROWID",
    "CREATE INDEX gaps ON attestations (validator, target) WHERE gap_after IS NOT NULL",
    "CREATE TABLE blocks (
        slot      INTEGER NOT NULL CHECK (slot >= 0),
        validator INTEGER NOT NULL,
        root      BLOB CHECK (length(root) = 32),
        PRIMARY KEY (slot, validator)
    ) STRICT, WITHOUT ROWID",
];

const ENROL: &str = "INSERT INTO validators (pubkey, id)
    VALUES (?1, (SELECT coalesce(max(id), 0) + 1 FROM validators)) RETURNING id";
const SAVE: &str =
    "UPDATE validators SET floor_source = ?2, floor_target = ?3, floor_slot = ?4 WHERE pubkey = ?1";
const VOTE_AT: &str = "SELECT source, root FROM attestations WHERE target = ?1 AND validator = ?2";
const NEXT_GAP: &str = "SELECT target, source, gap_after FROM attestations INDEXED BY gaps
    WHERE validator = ?1 AND target > ?2 AND gap_after IS NOT NULL ORDER BY target LIMIT 1";
const INSERT_VOTE: &str =
    "INSERT INTO attestations (target, validator, source, root, gap_after) VALUES (?1, ?2, ?3, ?4, ?5)";
const SET_GAP: &str = "UPDATE attestations SET gap_after = ?3 WHERE target = ?1 AND validator = ?2";
const FORGET_VOTE_ROOT: &str = "UPDATE attestations SET root = NULL WHERE target = ?1 AND validator = ?2";
const BLOCK_AT: &str = "SELECT root FROM blocks WHERE slot = ?1 AND validator = ?2";
const INSERT_BLOCK: &str = "INSERT INTO blocks (slot, validator, root) VALUES (?1, ?2, ?3)";
const FORGET_BLOCK_ROOT: &str = "UPDATE blocks SET root = NULL WHERE slot = ?1 AND validator = ?2";

/// What is known about one validator without looking at its rows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Standing {
    pub(crate) id: i64,
    pub(crate) floor: Option<Floor>,
    /// The row of the latest target.
    pub(crate) newest: Option<RecordedVote>,
    pub(crate) floor_slot: Option<Slot>,
}

/// The tables as seen by one transaction.
pub(crate) struct Records<'c>(pub(crate) &'c Connection);

impl Records<'_> {
    /// Enters a validator into the list at its first message.
    pub(crate) fn enrol(&self, validator: &ValidatorPubkey) -> Result<Standing, StorageError> {
        let id = self.0.prepare_cached(ENROL)?.query_row([validator.as_bytes()], |row| row.get(0))?;
        Ok(Standing { id, floor: None, newest: None, floor_slot: None })
    }

    /// Writes the floors of `validator`; the rest of its standing follows from the rows.
    pub(crate) fn save(&self, validator: &ValidatorPubkey, standing: &Standing) -> Result<(), StorageError> {
        self.0.prepare_cached(SAVE)?.execute(params![
            validator.as_bytes(),
            standing.floor.map(|floor| integer(floor.source.get())),
            standing.floor.map(|floor| integer(floor.target.get())),
            standing.floor_slot.map(|slot| integer(slot.get())),
        ])?;
        Ok(())
    }

    /// The rows around `target`. At or below the floor only `at` is looked for: nothing new fits there.
    pub(crate) fn neighbours(&self, standing: &Standing, target: Epoch) -> Result<Neighbours, StorageError> {
        let Some(newest) = standing.newest else { return Ok(Neighbours::default()) };
        if target > newest.target {
            return Ok(Neighbours { below: Some(newest), ..Neighbours::default() });
        }
        if let Some(at) = self.vote_at(standing.id, target)? {
            return Ok(Neighbours { at: Some(at), ..Neighbours::default() });
        }
        if standing.floor.is_none_or(|floor| target <= floor.target) {
            return Ok(Neighbours::default());
        }
        let (above, gap_after) = self.gap_around(standing.id, target)?;
        let below = self.vote_at(standing.id, gap_after)?.map(|row| row.vote);
        Ok(Neighbours { below, at: None, above: Some(above) })
    }

    /// Adds a row where [`Self::neighbours`] found none, above the floor as it was then, and keeps the gaps and
    /// `newest` right.
    pub(crate) fn insert_vote(&self, standing: &mut Standing, row: &Row) -> Result<(), StorageError> {
        let RecordedVote { source, target } = row.vote;
        let newest = standing.newest.map(|newest| newest.target);
        let before = if newest.is_some_and(|newest| target < newest) {
            let (above, gap_after) = self.gap_around(standing.id, target)?;
            let gap = gap_between(Some(target), above.target);
            self.0.prepare_cached(SET_GAP)?.execute(params![integer(above.target.get()), standing.id, gap])?;
            Some(gap_after)
        } else {
            let floor = standing.floor.map(|floor| floor.target).filter(|floor| *floor < target);
            standing.newest = Some(row.vote);
            newest.max(floor)
        };
        self.0.prepare_cached(INSERT_VOTE)?.execute(params![
            integer(target.get()),
            standing.id,
            integer(source.get()),
            row.root.as_ref().map(SigningRoot::as_bytes),
            gap_between(before, target),
        ])?;
        Ok(())
    }

    /// No vote of this target may be signed again.
    pub(crate) fn forget_vote_root(&self, standing: &Standing, target: Epoch) -> Result<(), StorageError> {
        self.0.prepare_cached(FORGET_VOTE_ROOT)?.execute(params![integer(target.get()), standing.id])?;
        Ok(())
    }

    /// The block on record for `slot`; its root may be unknown.
    pub(crate) fn block_at(
        &self,
        standing: &Standing,
        slot: Slot,
    ) -> Result<Option<Option<SigningRoot>>, StorageError> {
        let mut statement = self.0.prepare_cached(BLOCK_AT)?;
        Ok(statement.query_row(params![integer(slot.get()), standing.id], |row| root(row, 0)).optional()?)
    }

    /// Adds a block where [`Self::block_at`] found none.
    pub(crate) fn insert_block(
        &self,
        standing: &Standing,
        slot: Slot,
        root: Option<SigningRoot>,
    ) -> Result<(), StorageError> {
        let root = root.as_ref().map(SigningRoot::as_bytes);
        self.0.prepare_cached(INSERT_BLOCK)?.execute(params![integer(slot.get()), standing.id, root])?;
        Ok(())
    }

    /// No block of this slot may be signed again.
    pub(crate) fn forget_block_root(&self, standing: &Standing, slot: Slot) -> Result<(), StorageError> {
        self.0.prepare_cached(FORGET_BLOCK_ROOT)?.execute(params![integer(slot.get()), standing.id])?;
        Ok(())
    }

    fn vote_at(&self, validator: i64, target: Epoch) -> Result<Option<Row>, StorageError> {
        let mut statement = self.0.prepare_cached(VOTE_AT)?;
        let found = statement.query_row(params![integer(target.get()), validator], |row| {
            let source = Epoch::new(number(row, 0)?);
            Ok(Row { vote: RecordedVote { source, target }, root: root(row, 1)? })
        });
        Ok(found.optional()?)
    }

    /// The vote above the gap that `target` lies in, and the target below that gap.
    fn gap_around(&self, validator: i64, target: Epoch) -> Result<(RecordedVote, Epoch), StorageError> {
        let mut statement = self.0.prepare_cached(NEXT_GAP)?;
        let found = statement.query_row(params![validator, integer(target.get())], |row| {
            let vote =
                RecordedVote { target: Epoch::new(number(row, 0)?), source: Epoch::new(number(row, 1)?) };
            Ok((vote, Epoch::new(number(row, 2)?)))
        });
        match found.optional()? {
            Some((above, gap_after)) if gap_after < target => Ok((above, gap_after)),
            _ => Err(StorageError::Damaged {
                detail: format!("validator number {validator} has neither a vote nor a gap at target {target}"),
            }),
        }
    }
}

/// The value of `gap_after` for a vote of `target` that comes next after `before`.
fn gap_between(before: Option<Epoch>, target: Epoch) -> Option<i64> {
    before.filter(|before| before.next() < target).map(|before| integer(before.get()))
}

/// The storage engine counts to 2^63 - 1. What lies beyond (only imports can say so) counts as that: every vote or
/// block that it could protect from is out of range.
pub(crate) fn integer(value: u64) -> i64 {
    i64::try_from(value.min(LAST_RECORDABLE)).unwrap_or(i64::MAX)
}

pub(crate) fn number(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

pub(crate) fn optional(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    let value: Option<i64> = row.get(column)?;
    value
        .map(|value| u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value)))
        .transpose()
}

pub(crate) fn root(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<Option<SigningRoot>> {
    Ok(row.get::<_, Option<[u8; 32]>>(column)?.map(SigningRoot::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_is_answered_by_an_index() {
        let conn = Connection::open_in_memory().unwrap();
        SCHEMA.iter().for_each(|statement| conn.execute_batch(statement).unwrap());
        for sql in [
            ENROL,
            SAVE,
            VOTE_AT,
            NEXT_GAP,
            INSERT_VOTE,
            SET_GAP,
            FORGET_VOTE_ROOT,
            BLOCK_AT,
            INSERT_BLOCK,
            FORGET_BLOCK_ROOT,
        ] {
            let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let nulls = vec![rusqlite::types::Null; statement.parameter_count()];
            let steps: Vec<String> = statement
                .query_map(rusqlite::params_from_iter(nulls), |row| row.get("detail"))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            let scans: Vec<_> =
                steps.iter().filter(|step| step.starts_with("SCAN") && *step != "SCAN CONSTANT ROW").collect();
            assert!(scans.is_empty(), "{sql}: {scans:?}");
            assert!(steps.iter().all(|step| !step.contains("TEMP B-TREE")), "{sql}: {steps:?}");
        }
    }
}
