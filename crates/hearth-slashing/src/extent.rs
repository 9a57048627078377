//! How far a validator's history reaches, for people.

use std::collections::BTreeMap;

use hearth_types::{Slot, ValidatorPubkey};
use rusqlite::Connection;

use crate::records::{Standing, number};
use crate::rules::RecordedVote;
use crate::{SlashingDb, StorageError};

const BLOCKS: &str = "SELECT validator, max(slot), count(*) FROM blocks GROUP BY validator";
const VOTES: &str = "SELECT validator, count(*) FROM attestations GROUP BY validator";

/// How far a history reaches. A floor closes everything up to it; above one, what contradicts a single record is refused.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Extent {
    /// The greatest source and the greatest target, of votes or of the floor; `None` if nothing is known of any vote.
    pub vote: Option<RecordedVote>,
    /// The greatest slot of a block or of the floor.
    pub block: Option<Slot>,
}

impl Extent {
    /// `blocks`: those on record.
    pub(crate) fn of(standing: &Standing, blocks: &BTreeMap<i64, Blocks>) -> Self {
        let newest_block = blocks.get(&standing.id).map(|blocks| blocks.newest);
        let floor = standing.floor.map(|floor| RecordedVote { source: floor.source, target: floor.target });
        let later = |a: RecordedVote, b: RecordedVote| RecordedVote {
            source: a.source.max(b.source),
            target: a.target.max(b.target),
        };
        let vote = floor.map(|floor| standing.newest.map_or(floor, |newest| later(floor, newest)));
        Self { vote, block: standing.floor_slot.max(newest_block) }
    }
}

/// One validator's record, summed up.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Overview {
    /// How far it reaches.
    pub extent: Extent,
    /// Votes and blocks that it holds one by one.
    pub entries: u64,
}

/// The blocks of one validator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocks {
    newest: Slot,
    count: u64,
}

/// The blocks on record, by the validator's number. Looks at all of them: for imports and overviews, not for duties.
pub(crate) fn blocks(conn: &Connection) -> Result<BTreeMap<i64, Blocks>, StorageError> {
    let mut blocks = BTreeMap::new();
    let mut statement = conn.prepare(BLOCKS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        blocks.insert(row.get(0)?, Blocks { newest: Slot::new(number(row, 1)?), count: number(row, 2)? });
    }
    Ok(blocks)
}

impl SlashingDb {
    /// Every validator's record, summed up, in the order of their keys.
    ///
    /// Errors: [`StorageError`] when the record cannot be read.
    pub fn overview(&self) -> Result<BTreeMap<ValidatorPubkey, Overview>, StorageError> {
        let blocks = blocks(&self.conn)?;
        let mut votes = BTreeMap::<i64, u64>::new();
        let mut statement = self.conn.prepare(VOTES)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            votes.insert(row.get(0)?, number(row, 1)?);
        }
        let sum = |standing: &Standing| {
            let blocks_of = blocks.get(&standing.id).map_or(0, |blocks| blocks.count);
            let votes_of = votes.get(&standing.id).copied().unwrap_or_default();
            Overview { extent: Extent::of(standing, &blocks), entries: votes_of + blocks_of }
        };
        Ok(self.standings.iter().map(|(validator, standing)| (*validator, sum(standing))).collect())
    }
}
