//! Taking over what was signed elsewhere. It only ever adds: rows appear, roots become unknown, floors rise.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use hearth_types::{Epoch, SigningRoot, Slot, ValidatorPubkey};
use rusqlite::TransactionBehavior;

use crate::extent::{Blocks, blocks};
use crate::interchange::Reach;
use crate::records::{Records, Standing};
use crate::rules::{Floor, LAST_RECORDABLE, RecordedVote, Row, RowChange, absorb_block, absorb_vote};
use crate::standings::{Draft, Standings};
use crate::{EpochStart, Extent, Form, ImportError, Interchange, SigningHistory, SlashingDb, StorageError};

/// How to import.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ImportOptions {
    /// [`Form::Minimal`] takes the file as "nothing up to here": right for a file that may not tell everything,
    /// such as the export of a client that prunes. [`Form::Complete`] keeps its messages one by one: right for a
    /// file that tells everything since its first message, because what it does not mention stays free to sign.
    pub form: Form,
    /// Histories that reach this moment are marked in the summary. Usually the start of the second epoch after
    /// the present one; `None` marks none. See also [`Interchange::beyond`], for asking before importing.
    pub implausible_from: Option<EpochStart>,
}

/// What an import did, per validator.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ImportSummary {
    /// Every validator that the file names.
    pub validators: BTreeMap<ValidatorPubkey, ImportedHistory>,
}

/// What an import did to one validator's record.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ImportedHistory {
    /// Messages that the file holds.
    pub read: usize,
    /// Messages that were new and are now on record as such.
    pub recorded: usize,
    /// Messages that form a slashable pair with another of the file or of the record: somebody has signed what
    /// must not be signed. The record protects from making it worse.
    pub slashable: usize,
    /// Whether a floor rose (or came to be).
    pub floor_raised: bool,
    /// Whether the history reaches [`ImportOptions::implausible_from`]: this validator may never sign again.
    pub implausible: bool,
    /// How far its record reached before ...
    pub before: Extent,
    /// ... and after. Never less far.
    pub after: Extent,
}

impl SlashingDb {
    /// Merges `interchange` into the record, in one transaction: all of it or nothing.
    ///
    /// A signing root of zeros counts as unknown, because some clients write it for that.
    ///
    /// Errors: [`ImportError`] when nothing was taken over.
    /// Source: EIP-3076.
    pub fn import(
        &mut self,
        interchange: &Interchange,
        options: ImportOptions,
    ) -> Result<ImportSummary, ImportError> {
        self.attempt(interchange, options, true)
    }

    /// What [`SlashingDb::import`] would do, without doing it.
    ///
    /// Errors: as there.
    pub fn rehearse_import(
        &mut self,
        interchange: &Interchange,
        options: ImportOptions,
    ) -> Result<ImportSummary, ImportError> {
        self.attempt(interchange, options, false)
    }

    fn attempt(
        &mut self,
        interchange: &Interchange,
        options: ImportOptions,
        keep: bool,
    ) -> Result<ImportSummary, ImportError> {
        let metadata = &interchange.metadata;
        if metadata.interchange_format_version != Interchange::VERSION {
            return Err(ImportError::UnknownVersion { found: metadata.interchange_format_version.clone() });
        }
        if metadata.genesis_validators_root != self.chain {
            return Err(ImportError::OtherChain {
                expected: self.chain,
                found: metadata.genesis_validators_root,
            });
        }
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut import = Import {
            blocks: blocks(&tx)?,
            draft: Draft::new(&tx, &self.standings),
            validators: BTreeMap::new(),
        };
        for history in &interchange.data {
            import.start(history)?;
        }
        match options.form {
            Form::Complete => import.messages(interchange)?,
            Form::Minimal => import.floors(interchange)?,
        }
        let (changed, mut summary) = import.finish()?;
        if keep {
            tx.commit()?;
            self.standings.extend(changed);
        } else {
            tx.rollback()?;
        }
        for validator in options.implausible_from.map(|limit| interchange.beyond(limit)).into_iter().flatten() {
            summary.validators.entry(validator).or_default().implausible = true;
        }
        Ok(summary)
    }
}

/// An import under way.
struct Import<'d> {
    /// As they were before.
    blocks: BTreeMap<i64, Blocks>,
    draft: Draft<'d>,
    validators: BTreeMap<ValidatorPubkey, Progress>,
}

/// One validator during an import.
struct Progress {
    before: Standing,
    now: Standing,
    summary: ImportedHistory,
}

impl Import<'_> {
    fn start(&mut self, history: &SigningHistory) -> Result<(), StorageError> {
        let progress = match self.validators.entry(history.pubkey) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let standing = self.draft.standing(&history.pubkey)?;
                let before = Extent::of(&standing, &self.blocks);
                let summary = ImportedHistory { before, after: before, ..ImportedHistory::default() };
                new.insert(Progress { before: standing, now: standing, summary })
            }
        };
        progress.summary.read += history.signed_blocks.len() + history.signed_attestations.len();
        Ok(())
    }

    /// Takes every message over. In the order of time: the first becomes the floor of an unknown validator, and
    /// rows are added where they lie.
    fn messages(&mut self, interchange: &Interchange) -> Result<(), StorageError> {
        let mut votes: Vec<(Row, ValidatorPubkey)> = Vec::new();
        let mut blocks: Vec<(Slot, Option<SigningRoot>, ValidatorPubkey)> = Vec::new();
        for history in &interchange.data {
            votes.extend(history.signed_attestations.iter().map(|signed| {
                let vote = recordable_vote((signed.source_epoch, signed.target_epoch));
                (Row { vote, root: known(signed.signing_root, signed.target_epoch.get()) }, history.pubkey)
            }));
            blocks.extend(history.signed_blocks.iter().map(|signed| {
                (recordable_slot(signed.slot), known(signed.signing_root, signed.slot.get()), history.pubkey)
            }));
        }
        votes.sort_unstable_by_key(|(row, validator)| (row.vote.target, *validator, row.vote.source, row.root));
        blocks.sort_unstable();
        for (row, validator) in &votes {
            if let Some(progress) = self.validators.get_mut(validator) {
                progress.vote(&self.draft.records, row)?;
            }
        }
        for (slot, root, validator) in blocks {
            if let Some(progress) = self.validators.get_mut(&validator) {
                progress.block(&self.draft.records, slot, root)?;
            }
        }
        Ok(())
    }

    /// Closes every history as far as the file reaches.
    fn floors(&mut self, interchange: &Interchange) -> Result<(), StorageError> {
        for (validator, reach) in interchange.reach() {
            if let Some(progress) = self.validators.get_mut(&validator) {
                progress.close(&self.draft.records, reach)?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Standings, ImportSummary), StorageError> {
        let (mut summary, blocks) = (ImportSummary::default(), blocks(self.draft.records.0)?);
        for (validator, Progress { before, now, summary: mut history }) in self.validators {
            self.draft.records.save(&validator, &now)?;
            self.draft.set(&validator, now);
            history.floor_raised = before.floor != now.floor || before.floor_slot != now.floor_slot;
            history.after = Extent::of(&now, &blocks);
            summary.validators.insert(validator, history);
        }
        Ok((self.draft.into_changed(), summary))
    }
}

impl Progress {
    fn vote(&mut self, records: &Records<'_>, row: &Row) -> Result<(), StorageError> {
        let near = records.neighbours(&self.now, row.vote.target)?;
        let absorbed = absorb_vote(self.now.floor, &near, row);
        match absorbed.row {
            RowChange::Keep => {}
            RowChange::Insert => records.insert_vote(&mut self.now, row)?,
            RowChange::ForgetRoot => records.forget_vote_root(&self.now, row.vote.target)?,
        }
        self.now.floor = Some(absorbed.floor);
        self.count(absorbed.row, absorbed.slashable);
        Ok(())
    }

    fn block(
        &mut self,
        records: &Records<'_>,
        slot: Slot,
        root: Option<SigningRoot>,
    ) -> Result<(), StorageError> {
        let at = records.block_at(&self.now, slot)?;
        let (change, slashable) = absorb_block(self.now.floor_slot, at, slot, root);
        match change {
            RowChange::Keep => {}
            RowChange::Insert => records.insert_block(&self.now, slot, root)?,
            RowChange::ForgetRoot => records.forget_block_root(&self.now, slot)?,
        }
        self.now.floor_slot.get_or_insert(slot);
        self.count(change, slashable);
        Ok(())
    }

    fn count(&mut self, change: RowChange, slashable: bool) {
        self.summary.recorded += usize::from(change == RowChange::Insert);
        self.summary.slashable += usize::from(slashable);
    }

    fn close(&mut self, records: &Records<'_>, reach: Reach) -> Result<(), StorageError> {
        if let Some(vote) = reach.attestation.map(recordable_vote) {
            // Rows that come to lie below must be covered by the new floor, also if their source is later.
            let near = records.neighbours(&self.now, vote.target)?;
            let covered = near.at.map(|row| row.vote).or(near.below);
            let source = covered.map_or(vote.source, |row| row.source.max(vote.source));
            self.now.floor = Some(Floor::raised(self.now.floor, Floor { source, target: vote.target }));
        }
        self.now.floor_slot = self.now.floor_slot.max(reach.slot.map(recordable_slot));
        Ok(())
    }
}

/// Later than the record counts is the last that it counts to.
fn recordable_vote((source, target): (Epoch, Epoch)) -> RecordedVote {
    let capped = |epoch: Epoch| Epoch::new(epoch.get().min(LAST_RECORDABLE));
    RecordedVote { source: capped(source), target: capped(target) }
}

fn recordable_slot(slot: Slot) -> Slot {
    Slot::new(slot.get().min(LAST_RECORDABLE))
}

/// The root of a message of epoch or slot `at`, if it tells which message that was.
fn known(root: Option<SigningRoot>, at: u64) -> Option<SigningRoot> {
    root.filter(|root| *root != SigningRoot::new([0; 32]) && at <= LAST_RECORDABLE)
}
