//! What is known already of a ceremony, and the journal in which it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use sha2::{Digest as _, Sha256};

use super::journal::{Entry, Journal};

/// Every entry, by its hash: nothing is heard twice, and nobody has more to say than there is in a ceremony.
#[derive(Default)]
pub(super) struct Notes {
    /// What is needed after a restart; without it there is no going on.
    journal: Option<Journal>,
    known: BTreeSet<[u8; 32]>,
    /// How many entries are of each operator, by share index.
    of: BTreeMap<u8, usize>,
}

impl Notes {
    /// From now on all goes into this journal.
    pub(super) fn keep_in(&mut self, journal: Option<Journal>) {
        self.journal = journal;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub(super) fn knows(&self, entry: &Entry) -> bool {
        self.known.contains(&hash(entry))
    }

    /// Notes what was not known: on the disk first.
    pub(super) fn note(&mut self, entry: &Entry) -> io::Result<()> {
        if let Some(journal) = &mut self.journal {
            journal.note(entry)?;
        }
        self.recall(entry);
        Ok(())
    }

    /// Takes over what is in the journal already.
    pub(super) fn recall(&mut self, entry: &Entry) {
        self.known.insert(hash(entry));
        if let Some(operator) = entry.operator() {
            *self.of.entry(operator).or_default() += 1;
        }
    }

    /// How much an operator, by share index, has had to say.
    pub(super) fn of(&self, operator: u8) -> usize {
        self.of.get(&operator).copied().unwrap_or_default()
    }

    /// The ceremony is over: nothing of it is left.
    pub(super) fn end(&mut self) {
        if let Some(Err(error)) = self.journal.take().map(Journal::end) {
            tracing::warn!(%error, "what a ceremony has left cannot be removed");
        }
    }
}

fn hash(entry: &Entry) -> [u8; 32] {
    Sha256::digest(minicbor::to_vec(entry).unwrap_or_default()).into()
}
