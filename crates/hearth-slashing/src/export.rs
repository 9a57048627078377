//! Telling another validator client what was signed here.

use std::collections::BTreeMap;

use hearth_types::{Epoch, Slot, ValidatorPubkey};
use rusqlite::Connection;

use crate::interchange::Reach;
use crate::records::{Standing, number, root};
use crate::{
    Extent, Form, Interchange, Overview, SignedAttestation, SignedBlock, SigningHistory, SlashingDb,
    StorageError,
};

/// Votes above the floor, and the one that is the floor. Rows further down would lower what the reader of the
/// file takes for the beginning of the history, and so open what is closed here.
const VOTES: &str = "SELECT validator, source, target, root
    FROM attestations JOIN validators ON validators.id = validator
    WHERE target > floor_target OR (target = floor_target AND source = floor_source)
    ORDER BY target";
const BLOCKS: &str = "SELECT validator, slot, root FROM blocks JOIN validators ON validators.id = validator
    WHERE slot >= floor_slot ORDER BY slot";

impl SlashingDb {
    /// The record as an interchange file, validators in the order of their keys.
    ///
    /// A floor without a row of its own is written as a message without a root. The export is the truth only
    /// until the next permit: stop the signer for good before another one takes over.
    ///
    /// Errors: [`StorageError`] when the record cannot be read.
    /// Source: EIP-3076.
    pub fn export(&self, form: Form) -> Result<Interchange, StorageError> {
        let data = match form {
            Form::Complete => self.complete_histories()?,
            Form::Minimal => self.minimal_histories()?,
        };
        Ok(Interchange::new(self.chain, data))
    }

    fn complete_histories(&self) -> Result<Vec<SigningHistory>, StorageError> {
        let mut votes = BTreeMap::<i64, Vec<SignedAttestation>>::new();
        for_each(&self.conn, VOTES, |validator, row| {
            votes.entry(validator).or_default().push(SignedAttestation {
                source_epoch: Epoch::new(number(row, 1)?),
                target_epoch: Epoch::new(number(row, 2)?),
                signing_root: root(row, 3)?,
            });
            Ok(())
        })?;
        let mut blocks = BTreeMap::<i64, Vec<SignedBlock>>::new();
        for_each(&self.conn, BLOCKS, |validator, row| {
            let block = SignedBlock { slot: Slot::new(number(row, 1)?), signing_root: root(row, 2)? };
            blocks.entry(validator).or_default().push(block);
            Ok(())
        })?;
        let history = |(pubkey, standing): (&_, &Standing)| {
            let attestation = standing.floor.map(|floor| (floor.source, floor.target));
            let mut history = Reach { attestation, slot: standing.floor_slot }.to_history(*pubkey);
            let votes = votes.remove(&standing.id).unwrap_or_default();
            if votes.first().is_some_and(|first| Some(first.target_epoch) == standing.floor.map(|f| f.target)) {
                history.signed_attestations.clear(); // The floor is a row, and knows its root.
            }
            history.signed_attestations.extend(votes);
            let blocks = blocks.remove(&standing.id).unwrap_or_default();
            if blocks.first().is_some_and(|first| Some(first.slot) == standing.floor_slot) {
                history.signed_blocks.clear();
            }
            history.signed_blocks.extend(blocks);
            history
        };
        Ok(self.standings.iter().map(history).collect())
    }

    fn minimal_histories(&self) -> Result<Vec<SigningHistory>, StorageError> {
        let history = |(validator, overview): (ValidatorPubkey, Overview)| {
            let Extent { vote, block: slot } = overview.extent;
            Reach { attestation: vote.map(|vote| (vote.source, vote.target)), slot }.to_history(validator)
        };
        Ok(self.overview()?.into_iter().map(history).collect())
    }
}

/// Calls `each` with the validator's number, which is the first column, and the row.
fn for_each(
    conn: &Connection,
    sql: &str,
    mut each: impl FnMut(i64, &rusqlite::Row<'_>) -> rusqlite::Result<()>,
) -> Result<(), StorageError> {
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(row.get(0)?, row)?;
    }
    Ok(())
}
