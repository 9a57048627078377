//! Whether this operator may take part in a consensus. A program that was started again does not remember what it said before,
//! and would contradict itself, which the others could not tell from malice.
//!
//! So before anything is said in a slot, that slot is put on record; and in no slot that the record of an earlier life has is
//! anything said again. Whoever was started in the middle of a duty listens, signs what the others agree on, and speaks
//! from the next slot on. Why a slot and not each vote: ADR 12.

use std::collections::{BTreeMap, BTreeSet};

use hearth_qbft::{Kind, Vote};
use hearth_types::{Duty, OperatorIndex, Slot};
use thiserror::Error;

use crate::{ConsensusDraft, ConsensusMessage, Digest};

/// Duties of which is remembered what was said. Later than that no message about them is taken.
const DUTIES_REMEMBERED: usize = 64;

/// In which slots this operator may speak, and what it said.
#[derive(Clone, Debug, Default)]
pub struct Voice {
    /// Up to here an earlier life may have spoken.
    spoken: Option<Slot>,
    /// Up to here it is on record that this life may speak.
    recorded: Option<Slot>,
    said: BTreeMap<Duty, BTreeSet<Vote<Digest>>>,
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
        Self { spoken: record, recorded: None, said: BTreeMap::new() }
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
    pub fn speak(&mut self, draft: ConsensusDraft) -> Result<Speech, Silent> {
        let (duty, vote) = (draft.duty, draft.draft.vote);
        if vote.kind != Kind::Decided {
            if Some(duty.slot) <= self.spoken {
                return Err(Silent::Restarted(duty));
            }
            if Some(duty.slot) > self.recorded {
                return Err(Silent::NotRecorded(duty));
            }
            self.said.entry(duty).or_default().insert(vote);
            if self.said.len() > DUTIES_REMEMBERED {
                self.said.pop_first();
            }
        }
        Ok(Speech(draft))
    }

    /// Whether a checked message has a vote that is signed with our key, and that we did not say: another program has the key
    /// as well. Says nothing of slots in which an earlier life may have spoken, or that are too long ago.
    pub fn is_used_by_another(&self, me: OperatorIndex, message: &ConsensusMessage) -> bool {
        let slot = Some(message.duty.slot);
        let remembered = self.said.len() < DUTIES_REMEMBERED
            || self.said.first_key_value().is_some_and(|(first, _)| first.slot < message.duty.slot);
        let said = self.said.get(&message.duty);
        let is_ours =
            |vote: &Vote<Digest>| vote.kind == Kind::Decided || said.is_some_and(|said| said.contains(vote));
        let received = &message.message;
        let votes = std::iter::once(&received.signed).chain(&received.justification).map(|signed| &signed.vote);
        slot > self.spoken && remembered && votes.filter(|vote| vote.from == me).any(|vote| !is_ours(vote))
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
    use std::sync::Arc;

    use hearth_qbft::{Draft, Message, Round, Signed};

    use crate::Proof;

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

    fn heard(slot: u64, votes: &[(u8, Kind, u64)]) -> ConsensusMessage {
        let signed = |(from, kind, round): &(u8, Kind, u64)| {
            let from = OperatorIndex::new(*from).unwrap();
            let vote = Vote { from, round: Round::new(*round).unwrap(), ..draft(slot, *kind).draft.vote };
            Signed { vote, proof: Proof(Arc::from([])) }
        };
        let message =
            Message { signed: signed(&votes[0]), justification: votes[1..].iter().map(signed).collect() };
        ConsensusMessage { duty: Duty::attester(Slot::new(slot)), message, values: Vec::new() }
    }

    #[test]
    fn a_vote_in_our_name_that_we_did_not_say_shows_that_another_has_our_key() {
        let me = OperatorIndex::new(0).unwrap();
        let mut voice = Voice::new(Some(Slot::new(7)));
        voice.has_recorded(Slot::new(200));
        voice.speak(draft(8, Kind::Prepare)).unwrap();
        for (slot, votes, foreign) in [
            (8, vec![(0, Kind::Prepare, 1)], false),
            (8, vec![(1, Kind::RoundChange, 2), (0, Kind::Prepare, 1), (2, Kind::Prepare, 1)], false),
            (8, vec![(1, Kind::RoundChange, 2), (0, Kind::Prepare, 2)], true),
            (8, vec![(0, Kind::Commit, 1)], true),
            (8, vec![(0, Kind::Decided, 1)], false),
            (8, vec![(1, Kind::Commit, 1), (2, Kind::Commit, 1)], false),
            (9, vec![(0, Kind::Prepare, 1)], true),
            (7, vec![(0, Kind::Commit, 1)], false),
        ] {
            assert_eq!(voice.is_used_by_another(me, &heard(slot, &votes)), foreign, "{slot} {votes:?}");
        }
        for slot in 9..120 {
            voice.speak(draft(slot, Kind::Prepare)).unwrap();
        }
        assert!(!voice.is_used_by_another(me, &heard(8, &[(0, Kind::Prepare, 1)])), "forgotten");
        assert!(voice.is_used_by_another(me, &heard(119, &[(0, Kind::Prepare, 2)])));
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
