//! The two doors to a signature that can be slashed.

use hearth_types::{SigningRoot, Slot, ValidatorPubkey, Vote};
use rusqlite::TransactionBehavior;

use crate::records::Records;
use crate::rules::{Neighbours, RecordedVote, Refusal, Row, Verdict, judge_block, judge_vote};
use crate::standings::Draft;
use crate::{SlashingDb, StorageError};

/// Proof that one message is on disk and safe to sign. Made only by [`SlashingDb`].
///
/// Not `Clone`: one permit, one signature. A forged permit does not compile:
/// ```compile_fail,E0451
/// let forged = hearth_slashing::SigningPermit { validator: todo!(), root: todo!() };
/// ```
/// Nor does a second use of the same one:
/// ```compile_fail,E0599
/// fn twice(permit: hearth_slashing::SigningPermit) -> [hearth_slashing::SigningPermit; 2] {
///     [permit.clone(), permit]
/// }
/// ```
#[derive(Debug)]
#[must_use = "the message is already on record; sign it or lose the duty"]
pub struct SigningPermit {
    validator: ValidatorPubkey,
    root: SigningRoot,
}

impl SigningPermit {
    /// Group public key of the validator whose share may sign.
    pub const fn validator(&self) -> &ValidatorPubkey {
        &self.validator
    }

    /// What may be signed: the very root that was recorded.
    pub const fn root(&self) -> &SigningRoot {
        &self.root
    }
}

impl SlashingDb {
    /// Records the votes that are safe and permits to sign them: one transaction, one flush to disk, for all
    /// validators that attest in a slot. Results are aligned with `votes`.
    ///
    /// Votes are taken in order, so of two that contradict each other the first is permitted and the second is
    /// not. A vote that is on record already, with the same root, is permitted again.
    ///
    /// Errors: [`StorageError`] when nothing was recorded; then nothing may be signed.
    pub fn permit_attestations(
        &mut self,
        votes: &[(ValidatorPubkey, Vote)],
    ) -> Result<Vec<Result<SigningPermit, Refusal>>, StorageError> {
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut draft = Draft::new(&tx, &self.standings);
        let verdicts = votes
            .iter()
            .map(|(validator, vote)| judge_and_record(&mut draft, validator, vote))
            .collect::<Result<Vec<_>, StorageError>>()?;
        let changed = draft.into_changed();
        tx.commit()?; // Durable (synchronous = FULL) before any signature can exist.
        self.standings.extend(changed);
        let permit = |((validator, vote), verdict): (&(ValidatorPubkey, Vote), Result<Verdict, Refusal>)| {
            verdict.map(|_| SigningPermit { validator: *validator, root: vote.root })
        };
        Ok(votes.iter().zip(verdicts).map(permit).collect())
    }

    /// What would be refused of these votes, each by itself, as things stand now. Nothing is recorded, so it promises nothing.
    ///
    /// Errors: [`StorageError`] when the record cannot be read.
    pub fn refusals(
        &self,
        votes: &[(ValidatorPubkey, Vote)],
    ) -> Result<Vec<(ValidatorPubkey, Refusal)>, StorageError> {
        let records = Records(&self.conn);
        let mut refusals = Vec::new();
        for (validator, vote) in votes {
            let (floor, near) = match self.standings.get(validator) {
                Some(standing) => (standing.floor, records.neighbours(standing, vote.target)?),
                None => (None, Neighbours::default()),
            };
            refusals.extend(judge_vote(floor, &near, vote).err().map(|refusal| (*validator, refusal)));
        }
        Ok(refusals)
    }

    /// Records a block, if it is safe, and permits to sign it. The very same block is permitted again.
    ///
    /// Errors: [`StorageError`] when nothing was recorded; then nothing may be signed.
    pub fn permit_block(
        &mut self,
        validator: ValidatorPubkey,
        slot: Slot,
        root: SigningRoot,
    ) -> Result<Result<SigningPermit, Refusal>, StorageError> {
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut draft = Draft::new(&tx, &self.standings);
        let mut standing = draft.standing(&validator)?;
        let at = draft.records.block_at(&standing, slot)?;
        let verdict = judge_block(standing.floor_slot, at, slot, root);
        if verdict == Ok(Verdict::New) {
            draft.records.insert_block(&standing, slot, Some(root))?;
            if standing.floor_slot.is_none() {
                standing.floor_slot = Some(slot);
                draft.records.save(&validator, &standing)?;
                draft.set(&validator, standing);
            }
        }
        let changed = draft.into_changed();
        tx.commit()?; // Durable (synchronous = FULL) before any signature can exist.
        self.standings.extend(changed);
        Ok(verdict.map(|_| SigningPermit { validator, root }))
    }
}

fn judge_and_record(
    draft: &mut Draft<'_>,
    validator: &ValidatorPubkey,
    vote: &Vote,
) -> Result<Result<Verdict, Refusal>, StorageError> {
    let mut standing = draft.standing(validator)?;
    let near = draft.records.neighbours(&standing, vote.target)?;
    let verdict = judge_vote(standing.floor, &near, vote);
    if verdict == Ok(Verdict::New) {
        let recorded = RecordedVote { source: vote.source, target: vote.target };
        draft.records.insert_vote(&mut standing, &Row { vote: recorded, root: Some(vote.root) })?;
        if standing.floor.is_none() {
            standing.floor = Some(recorded.into());
            draft.records.save(validator, &standing)?;
        }
        draft.set(validator, standing);
    }
    Ok(verdict)
}
