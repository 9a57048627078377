//! Whether this operator may take part in a consensus. A program that was started again does not remember what it said before,
//! and would contradict itself, which the others could not tell from malice.
//!
//! So before anything is said in a slot, that slot is put on record; and in no slot that the record of an earlier life has is
//! anything said again. Whoever was started in the middle of a duty listens, signs what the others agree on, and speaks
//! from the next slot on. Why a slot and not each vote: ADR 12.

use hearth_qbft::Kind;
use hearth_types::{Duty, Slot};
use thiserror::Error;

use crate::ConsensusDraft;

/// In which slots this operator may speak.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Voice {
    /// Up to here an earlier life may have spoken.
    spoken: Option<Slot>,
    /// Up to here it is on record that this life may speak.
    recorded: Option<Slot>,
}

/// A message of our own that may be signed and sent: its slot is on record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Speech(ConsensusDraft);

/// Nothing may be said about a duty.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum Silent {
    /// An earlier life may have said something else.
    #[error("nothing is said of {0} after a restart: what was said before it is forgotten")]
    Restarted(Duty),
    /// A crash now would leave no trace of it.
    #[error("nothing is said of {0} before its slot is on record")]
    NotRecorded(Duty),
}

impl Voice {
    /// The voice of a program that was just started. `record`: the last slot in which an earlier life may have spoken; `None` if
    /// there was none.
    pub const fn new(record: Option<Slot>) -> Self {
        Self { spoken: record, recorded: None }
    }

    /// It is on record, and survives a power cut, that this operator may speak in the slots up to `slot`.
    pub fn has_recorded(&mut self, slot: Slot) {
        self.recorded = self.recorded.max(Some(slot));
    }

    /// Whether `slot` has to be put on record for this operator to speak in it.
    pub fn needs_record(&self, slot: Slot) -> bool {
        Some(slot) > self.spoken && Some(slot) > self.recorded
    }

    /// Lets a message pass that may be sent. What only quotes a decision of others always may.
    ///
    /// Errors: [`Silent`].
    pub fn speak(&self, draft: ConsensusDraft) -> Result<Speech, Silent> {
        let (duty, slot) = (draft.duty, Some(draft.duty.slot));
        if draft.draft.vote.kind == Kind::Decided {
            Ok(Speech(draft))
        } else if slot <= self.spoken {
            Err(Silent::Restarted(duty))
        } else if slot > self.recorded {
            Err(Silent::NotRecorded(duty))
        } else {
            Ok(Speech(draft))
        }
    }
}

impl Speech {
    /// What is said.
    pub const fn draft(&self) -> &ConsensusDraft {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use hearth_qbft::{Draft, Round, Vote};
    use hearth_types::OperatorIndex;

    use super::*;

    fn draft(slot: u64, kind: Kind) -> ConsensusDraft {
        let vote = Vote {
            kind,
            from: OperatorIndex::new(0).unwrap(),
            round: Round::FIRST,
            value: None,
            prepared_round: None,
            prepared_value: None,
        };
        let draft = Draft { vote, justification: Vec::new() };
        ConsensusDraft { duty: Duty::attester(Slot::new(slot)), draft, values: Vec::new() }
    }

    #[test]
    fn only_in_slots_on_record_after_those_of_an_earlier_life_is_anything_said() {
        for (earlier, recorded, slot, allowed) in [
            (None, None, 0, false),
            (None, Some(0), 0, true),
            (None, Some(9), 5, true),
            (None, Some(9), 10, false),
            (Some(7), Some(9), 6, false),
            (Some(7), Some(9), 7, false),
            (Some(7), Some(9), 8, true),
            (Some(7), None, 8, false),
            // A clock that was set back: the record is ahead of it.
            (Some(70), Some(9), 9, false),
        ] {
            let mut voice = Voice::new(earlier.map(Slot::new));
            if let Some(slot) = recorded {
                voice.has_recorded(Slot::new(slot));
            }
            for kind in [Kind::PrePrepare, Kind::Prepare, Kind::Commit, Kind::RoundChange] {
                let said = voice.speak(draft(slot, kind)).is_ok();
                assert_eq!(said, allowed, "{earlier:?} {recorded:?} {slot} {kind:?}");
            }
            assert!(voice.speak(draft(slot, Kind::Decided)).is_ok(), "a decision of others may be quoted");
        }
    }

    #[test]
    fn a_slot_is_put_on_record_once_and_never_sinks() {
        let mut voice = Voice::new(Some(Slot::new(7)));
        assert!(!voice.needs_record(Slot::new(7)), "in vain: nothing will be said in it");
        assert!(voice.needs_record(Slot::new(8)));
        voice.has_recorded(Slot::new(8));
        voice.has_recorded(Slot::new(3));
        assert!(!voice.needs_record(Slot::new(8)));
        assert!(voice.needs_record(Slot::new(9)));
    }
}
