//! How far each validator has got, held in memory so that a vote in order needs no reading.
//!
//! The rows are the truth: standings are derived from them when the database is opened, and follow them only
//! after a commit. The file belongs to one process, so nobody changes it behind their back.

use std::collections::BTreeMap;

use hearth_types::{Epoch, Slot, ValidatorPubkey};
use rusqlite::Connection;

use crate::StorageError;
use crate::records::{Records, Standing, number, optional};
use crate::rules::{Floor, RecordedVote};

/// By group public key.
pub(crate) type Standings = BTreeMap<ValidatorPubkey, Standing>;

/// Standings as one transaction is about to leave them. Dropped with it, or taken over after its commit.
pub(crate) struct Draft<'d> {
    pub(crate) records: Records<'d>,
    committed: &'d Standings,
    changed: Standings,
}

impl<'d> Draft<'d> {
    pub(crate) fn new(tx: &'d Connection, committed: &'d Standings) -> Self {
        Self { records: Records(tx), committed, changed: Standings::new() }
    }

    /// The standing of `validator`, which is entered into the list if it is new.
    pub(crate) fn standing(&mut self, validator: &ValidatorPubkey) -> Result<Standing, StorageError> {
        if let Some(standing) = self.changed.get(validator).or_else(|| self.committed.get(validator)) {
            return Ok(*standing);
        }
        let standing = self.records.enrol(validator)?;
        self.changed.insert(*validator, standing);
        Ok(standing)
    }

    pub(crate) fn set(&mut self, validator: &ValidatorPubkey, standing: Standing) {
        self.changed.insert(*validator, standing);
    }

    /// What to take over once the transaction is committed.
    pub(crate) fn into_changed(self) -> Standings {
        self.changed
    }
}

/// Derives the standings from the tables, and checks on the way that every row keeps to the order that the rules
/// rely on.
///
/// Errors: [`StorageError::Damaged`] names the first vote that does not.
pub(crate) fn load(conn: &Connection) -> Result<Standings, StorageError> {
    let mut by_id: BTreeMap<i64, (ValidatorPubkey, Standing)> =
        floors(conn)?.into_iter().map(|(validator, standing)| (standing.id, (validator, standing))).collect();
    let mut statement =
        conn.prepare("SELECT validator, source, target, gap_after FROM attestations ORDER BY target")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        let vote = RecordedVote { source: Epoch::new(number(row, 1)?), target: Epoch::new(number(row, 2)?) };
        let gap_after = optional(row, 3)?.map(Epoch::new);
        match by_id.get_mut(&id) {
            Some((_, standing)) if in_order(standing, vote, gap_after) => standing.newest = Some(vote),
            _ => {
                let detail = format!("{vote} of validator number {id} contradicts the rows before it");
                return Err(StorageError::Damaged { detail });
            }
        }
    }
    Ok(by_id.into_values().collect())
}

/// Validators and their floors, without their newest votes.
pub(crate) fn floors(conn: &Connection) -> Result<Vec<(ValidatorPubkey, Standing)>, StorageError> {
    let mut statement =
        conn.prepare("SELECT pubkey, id, floor_source, floor_target, floor_slot FROM validators")?;
    let validators = statement.query_map([], |row| {
        let floor = optional(row, 2)?.zip(optional(row, 3)?);
        let standing = Standing {
            id: row.get(1)?,
            floor: floor.map(|(s, t)| Floor { source: Epoch::new(s), target: Epoch::new(t) }),
            newest: None,
            floor_slot: optional(row, 4)?.map(Slot::new),
        };
        Ok((ValidatorPubkey::new(row.get(0)?), standing))
    })?;
    Ok(validators.collect::<rusqlite::Result<_>>()?)
}

/// Whether `vote` may come next after the rows that led to `standing`.
fn in_order(standing: &Standing, vote: RecordedVote, gap_after: Option<Epoch>) -> bool {
    let Some(floor) = standing.floor else { return false };
    if vote.target <= floor.target {
        return vote.source <= floor.source;
    }
    match standing.newest.filter(|newest| newest.target > floor.target) {
        Some(newest) => {
            let gap = (newest.target.next() < vote.target).then_some(newest.target);
            newest.source <= vote.source && gap_after == gap
        }
        // The first above the floor may remember an earlier floor, or a row that is gone.
        None => gap_after.map_or(floor.target.next() == vote.target, |before| before <= floor.target),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_out_of_order_is_noticed() {
        let vote = |source, target| RecordedVote { source: Epoch::new(source), target: Epoch::new(target) };
        let standing = |newest| Standing { id: 1, floor: Some(vote(3, 5).into()), newest, floor_slot: None };
        let after_floor = standing(Some(vote(3, 5)));
        let after_vote = standing(Some(vote(4, 8)));
        for (name, standing, next, gap_after, expected) in [
            ("below the floor", standing(None), vote(3, 4), None, true),
            ("below the floor, later source", standing(None), vote(4, 4), None, false),
            ("next to the floor", after_floor, vote(5, 6), None, true),
            ("next to the floor, earlier source", after_floor, vote(0, 6), None, true),
            ("gap after the floor", after_floor, vote(5, 7), Some(5), true),
            ("gap after an earlier floor", after_floor, vote(5, 7), Some(2), true),
            ("unmarked gap after the floor", after_floor, vote(5, 7), None, false),
            ("gap inside the gap", after_floor, vote(5, 9), Some(6), false),
            ("next", after_vote, vote(4, 9), None, true),
            ("next, earlier source", after_vote, vote(3, 9), None, false),
            ("gap", after_vote, vote(4, 10), Some(8), true),
            ("unmarked gap", after_vote, vote(4, 10), None, false),
            ("wrong gap", after_vote, vote(4, 10), Some(7), false),
            ("no gap", after_vote, vote(4, 9), Some(8), false),
        ] {
            assert_eq!(in_order(&standing, next, gap_after.map(Epoch::new)), expected, "{name}");
        }
        let unknown = Standing { id: 1, floor: None, newest: None, floor_slot: None };
        assert!(!in_order(&unknown, vote(0, 1), None), "a vote without a floor");
    }
}
