//! Which votes and blocks may be signed, given what is on record. Pure.
//!
//! A validator's history is a [`Floor`] and, above it, rows whose sources never decrease as their targets grow.
//! Every row at or below the floor's target has a source not above the floor's source. Under these two rules the
//! nearest rows below and above a target say everything about surround votes:
//! rows further down have sources no greater than the nearest below, rows further up none smaller than the
//! nearest above.

use hearth_types::{Epoch, SigningRoot, Slot, Vote};
use thiserror::Error;

/// Why a vote or a block must not be signed: the rule, and the record that it would offend.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum Refusal {
    /// No chain accepts such a vote.
    #[error("source epoch {source_epoch} is after target epoch {target}")]
    SourceAfterTarget {
        /// Source asked for.
        source_epoch: Epoch,
        /// Target asked for.
        target: Epoch,
    },
    /// Beyond 2^63 - 1, where no chain of this universe arrives and the record does not count.
    #[error("{value} is out of range")]
    OutOfRange {
        /// Epoch or slot asked for.
        value: u64,
    },
    /// Another vote for the same target is on record.
    #[error("double vote: {recorded} is on record")]
    DoubleVote {
        /// The vote on record.
        recorded: RecordedVote,
        /// Its root; `None` where an import did not tell, or told two.
        root: Option<SigningRoot>,
    },
    /// The vote would surround one on record.
    #[error("surround vote: it surrounds {recorded}")]
    Surrounds {
        /// The vote on record.
        recorded: RecordedVote,
    },
    /// A vote on record would surround this one.
    #[error("surround vote: it is surrounded by {recorded}")]
    SurroundedBy {
        /// The vote on record.
        recorded: RecordedVote,
    },
    /// Below the earliest source that is safe (EIP-3076, condition 4).
    #[error("source epoch {source_epoch} is below {floor}, the lowest that is safe after import or pruning")]
    SourceBelowFloor {
        /// Source asked for.
        source_epoch: Epoch,
        /// Lowest source allowed.
        floor: Epoch,
    },
    /// Not above the target up to which history is closed (EIP-3076, condition 5).
    #[error("target epoch {target} is not above {floor}, up to where the history is closed")]
    TargetNotAboveFloor {
        /// Target asked for.
        target: Epoch,
        /// Highest target refused.
        floor: Epoch,
    },
    /// Another block for the same slot is on record.
    #[error("double proposal: another block of slot {slot} is on record")]
    DoubleProposal {
        /// The slot.
        slot: Slot,
        /// Root of the block on record; `None` where an import did not tell, or told two.
        root: Option<SigningRoot>,
    },
    /// Not above the slot up to which history is closed (EIP-3076, condition 2).
    #[error("slot {slot} is not above {floor}, up to where the history is closed")]
    SlotNotAboveFloor {
        /// Slot asked for.
        slot: Slot,
        /// Highest slot refused.
        floor: Slot,
    },
}

impl Refusal {
    /// Whether it would be one half of a pair that the chain punishes. Otherwise it is only too old, or absurd.
    pub const fn is_slashable(&self) -> bool {
        matches!(
            self,
            Self::DoubleVote { .. }
                | Self::Surrounds { .. }
                | Self::SurroundedBy { .. }
                | Self::DoubleProposal { .. }
        )
    }
}

/// The epochs of a vote on record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RecordedVote {
    /// Source epoch.
    pub source: Epoch,
    /// Target epoch.
    pub target: Epoch,
}

impl std::fmt::Display for RecordedVote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the vote from epoch {} to {}", self.source, self.target)
    }
}

/// Lower bounds for new votes: source not below, target above.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Floor {
    pub(crate) source: Epoch,
    pub(crate) target: Epoch,
}

impl Floor {
    /// The floor raised to cover `to` as well. It never sinks.
    pub(crate) fn raised(floor: Option<Self>, to: Self) -> Self {
        match floor {
            None => to,
            Some(floor) => Self { source: floor.source.max(to.source), target: floor.target.max(to.target) },
        }
    }
}

impl From<RecordedVote> for Floor {
    fn from(RecordedVote { source, target }: RecordedVote) -> Self {
        Self { source, target }
    }
}

/// A row and its root, if it is known and unambiguous.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Row {
    pub(crate) vote: RecordedVote,
    pub(crate) root: Option<SigningRoot>,
}

/// The rows around a target. Where `at` is known, the other two are not needed and may be absent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Neighbours {
    pub(crate) below: Option<RecordedVote>,
    pub(crate) at: Option<Row>,
    pub(crate) above: Option<RecordedVote>,
}

/// Why something may be signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// It is new and must be recorded first.
    New,
    /// The very same message is on record already.
    Repeat,
}

/// The last epoch or slot that a record counts to: the largest integer of the storage engine.
pub(crate) const LAST_RECORDABLE: u64 = i64::MAX as u64;

/// Whether `vote` may be signed.
///
/// Source: consensus-specs, `is_slashable_attestation_data`; EIP-3076, conditions 3, 4 and 5.
pub(crate) fn judge_vote(floor: Option<Floor>, near: &Neighbours, vote: &Vote) -> Result<Verdict, Refusal> {
    let Vote { source, target, root, .. } = *vote;
    if source > target {
        return Err(Refusal::SourceAfterTarget { source_epoch: source, target });
    }
    if target.get() > LAST_RECORDABLE {
        return Err(Refusal::OutOfRange { value: target.get() });
    }
    if let Some(Row { vote: recorded, root: known }) = near.at {
        let same = recorded.source == source && known == Some(root);
        return if same { Ok(Verdict::Repeat) } else { Err(Refusal::DoubleVote { recorded, root: known }) };
    }
    if let Some(recorded) = near.below.filter(|below| source < below.source) {
        return Err(Refusal::Surrounds { recorded });
    }
    if let Some(recorded) = near.above.filter(|above| above.source < source) {
        return Err(Refusal::SurroundedBy { recorded });
    }
    match floor {
        Some(floor) if target <= floor.target => {
            Err(Refusal::TargetNotAboveFloor { target, floor: floor.target })
        }
        Some(floor) if source < floor.source => {
            Err(Refusal::SourceBelowFloor { source_epoch: source, floor: floor.source })
        }
        _ => Ok(Verdict::New),
    }
}

/// Whether a block may be signed; `at` is what is on record for its slot.
///
/// Source: consensus-specs, `process_proposer_slashing`; EIP-3076, conditions 1 and 2.
pub(crate) fn judge_block(
    floor: Option<Slot>,
    at: Option<Option<SigningRoot>>,
    slot: Slot,
    root: SigningRoot,
) -> Result<Verdict, Refusal> {
    if slot.get() > LAST_RECORDABLE {
        return Err(Refusal::OutOfRange { value: slot.get() });
    }
    match (at, floor) {
        (Some(known), _) if known == Some(root) => Ok(Verdict::Repeat),
        (Some(known), _) => Err(Refusal::DoubleProposal { slot, root: known }),
        (None, Some(floor)) if slot <= floor => Err(Refusal::SlotNotAboveFloor { slot, floor }),
        (None, _) => Ok(Verdict::New),
    }
}

/// What an imported vote does to a history.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Absorbed {
    /// The floor afterwards.
    pub(crate) floor: Floor,
    /// What becomes of the row of its target.
    pub(crate) row: RowChange,
    /// Whether the vote and the history form a slashable pair.
    pub(crate) slashable: bool,
}

/// What becomes of the row of an imported message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RowChange {
    /// It stays as it is, or absent.
    Keep,
    /// There is one now.
    Insert,
    /// More than one message is, or may be, signed there: none may be signed again.
    ForgetRoot,
}

/// Takes an imported vote into a history, whatever it says: it *was* signed.
///
/// Where it fits between its neighbours it becomes a row. Where it does not, the floor rises just far enough to
/// cover the older side of the contradiction, and what remains above is free of contradictions again.
pub(crate) fn absorb_vote(floor: Option<Floor>, near: &Neighbours, vote: &Row) -> Absorbed {
    let Row { vote: imported, root } = *vote;
    let covered = |by: Floor, row, slashable| Absorbed { floor: Floor::raised(floor, by), row, slashable };
    if imported.source > imported.target {
        return covered(imported.into(), RowChange::Keep, true);
    }
    if let Some(at) = near.at {
        if at.vote.source != imported.source {
            let both = Floor { source: imported.source.max(at.vote.source), target: imported.target };
            return covered(both, RowChange::Keep, true);
        }
        let floor = floor.unwrap_or(imported.into());
        let two_known = at.root.is_some() && root.is_some();
        return match at.root == root {
            true => Absorbed { floor, row: RowChange::Keep, slashable: false },
            false => Absorbed { floor, row: RowChange::ForgetRoot, slashable: two_known },
        };
    }
    if let Some(floor) = floor.filter(|floor| imported.target <= floor.target) {
        let source = floor.source.max(imported.source);
        return Absorbed { floor: Floor { source, ..floor }, row: RowChange::Keep, slashable: false };
    }
    if near.above.is_some_and(|above| above.source < imported.source) {
        return covered(imported.into(), RowChange::Keep, true);
    }
    match near.below.filter(|below| imported.source < below.source) {
        Some(below) => covered(below.into(), RowChange::Insert, true),
        None => Absorbed { floor: floor.unwrap_or(imported.into()), row: RowChange::Insert, slashable: false },
    }
}

/// What becomes of the row of a slot when a signed block is imported, and whether it proves a double proposal.
pub(crate) fn absorb_block(
    floor: Option<Slot>,
    at: Option<Option<SigningRoot>>,
    slot: Slot,
    root: Option<SigningRoot>,
) -> (RowChange, bool) {
    match at {
        Some(known) if known == root => (RowChange::Keep, false),
        Some(known) => (RowChange::ForgetRoot, known.is_some() && root.is_some()),
        None if floor.is_some_and(|floor| slot <= floor) => (RowChange::Keep, false),
        None => (RowChange::Insert, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn recorded(source: u64, target: u64) -> RecordedVote {
        RecordedVote { source: Epoch::new(source), target: Epoch::new(target) }
    }

    fn row(source: u64, target: u64, root: u8) -> Row {
        Row { vote: recorded(source, target), root: (root != 0).then_some(SigningRoot::new([root; 32])) }
    }

    fn floor(source: u64, target: u64) -> Floor {
        recorded(source, target).into()
    }

    #[test]
    fn a_vote_is_judged_by_its_neighbours_and_the_floor() {
        let gap = Neighbours { below: Some(recorded(3, 5)), at: None, above: Some(recorded(6, 9)) };
        let taken = Neighbours { at: Some(row(3, 5, 0xaa)), ..Neighbours::default() };
        let unknown = Neighbours { at: Some(row(3, 5, 0)), ..Neighbours::default() };
        let top = Neighbours { below: Some(recorded(3, 5)), ..Neighbours::default() };
        let vote = |source, target, root| Vote {
            slot: Slot::new(0),
            source: Epoch::new(source),
            target: Epoch::new(target),
            root: SigningRoot::new([root; 32]),
        };
        let double = |root| Refusal::DoubleVote { recorded: recorded(3, 5), root };
        let root = Some(SigningRoot::new([0xaa; 32]));
        let low = Some(floor(2, 4));
        for (name, floor, near, next, expected) in [
            ("first of all", None, Neighbours::default(), vote(0, 0, 1), Ok(Verdict::New)),
            ("same vote again", low, taken, vote(3, 5, 0xaa), Ok(Verdict::Repeat)),
            ("double vote", low, taken, vote(3, 5, 0xbb), Err(double(root))),
            ("same root, other source", low, taken, vote(4, 5, 0xaa), Err(double(root))),
            ("again, but the root is unknown", low, unknown, vote(3, 5, 0), Err(double(None))),
            ("fits into the gap", low, gap, vote(4, 7, 1), Ok(Verdict::New)),
            ("source of the one below", low, gap, vote(3, 7, 1), Ok(Verdict::New)),
            ("source of the one above", low, gap, vote(6, 7, 1), Ok(Verdict::New)),
            ("surrounds", low, gap, vote(2, 7, 1), Err(Refusal::Surrounds { recorded: recorded(3, 5) })),
            ("surrounded", low, gap, vote(7, 7, 1), Err(Refusal::SurroundedBy { recorded: recorded(6, 9) })),
            ("follows", low, top, vote(5, 6, 1), Ok(Verdict::New)),
            (
                "surrounds the newest",
                low,
                top,
                vote(2, 6, 1),
                Err(Refusal::Surrounds { recorded: recorded(3, 5) }),
            ),
            (
                "backwards",
                None,
                Neighbours::default(),
                vote(2, 1, 1),
                Err(Refusal::SourceAfterTarget { source_epoch: Epoch::new(2), target: Epoch::new(1) }),
            ),
            (
                "at the floor's target",
                low,
                Neighbours::default(),
                vote(2, 4, 1),
                Err(Refusal::TargetNotAboveFloor { target: Epoch::new(4), floor: Epoch::new(4) }),
            ),
            (
                "below the floor's source",
                low,
                Neighbours::default(),
                vote(1, 5, 1),
                Err(Refusal::SourceBelowFloor { source_epoch: Epoch::new(1), floor: Epoch::new(2) }),
            ),
            ("just above the floor", low, Neighbours::default(), vote(2, 5, 1), Ok(Verdict::New)),
            (
                "the end of time",
                low,
                top,
                vote(u64::MAX, u64::MAX, 1),
                Err(Refusal::OutOfRange { value: u64::MAX }),
            ),
        ] {
            assert_eq!(judge_vote(floor, &near, &next), expected, "{name}");
        }
    }

    #[test]
    fn a_block_is_judged_by_its_slot_and_the_floor() {
        let (ours, other) = (SigningRoot::new([1; 32]), SigningRoot::new([2; 32]));
        let slot = Slot::new(9);
        for (name, floor, at, allowed) in [
            ("first of all", None, None, Ok(Verdict::New)),
            ("above the floor", Some(8), None, Ok(Verdict::New)),
            ("same block again", Some(8), Some(Some(ours)), Ok(Verdict::Repeat)),
            ("same block again at the floor", Some(9), Some(Some(ours)), Ok(Verdict::Repeat)),
            ("double", Some(8), Some(Some(other)), Err(Refusal::DoubleProposal { slot, root: Some(other) })),
            ("double of the unknown", Some(8), Some(None), Err(Refusal::DoubleProposal { slot, root: None })),
            ("at the floor", Some(9), None, Err(Refusal::SlotNotAboveFloor { slot, floor: slot })),
        ] {
            assert_eq!(judge_block(floor.map(Slot::new), at, slot, ours), allowed, "{name}");
        }
        let beyond = judge_block(None, None, Slot::new(u64::MAX), ours);
        assert_eq!(beyond, Err(Refusal::OutOfRange { value: u64::MAX }));
    }

    #[test]
    fn an_imported_vote_becomes_a_row_or_raises_the_floor_and_never_lowers_it() {
        let gap = Neighbours { below: Some(recorded(3, 5)), at: None, above: Some(recorded(6, 9)) };
        let taken = Neighbours { at: Some(row(3, 5, 0xaa)), ..Neighbours::default() };
        let low = floor(2, 4);
        for (name, near, vote, expected, change, slashable) in [
            ("fits", gap, row(4, 7, 1), low, RowChange::Insert, false),
            ("the same", taken, row(3, 5, 0xaa), low, RowChange::Keep, false),
            ("the same without a root", taken, row(3, 5, 0), low, RowChange::ForgetRoot, false),
            ("a double vote", taken, row(3, 5, 0xbb), low, RowChange::ForgetRoot, true),
            ("a double vote from another source", taken, row(1, 5, 1), floor(3, 5), RowChange::Keep, true),
            ("a double vote from a later source", taken, row(4, 5, 1), floor(4, 5), RowChange::Keep, true),
            ("surrounds", gap, row(1, 7, 1), floor(3, 5), RowChange::Insert, true),
            ("is surrounded", gap, row(7, 8, 1), floor(7, 8), RowChange::Keep, true),
            ("is backwards", gap, row(8, 7, 1), floor(8, 7), RowChange::Keep, true),
            ("is covered", Neighbours::default(), row(1, 3, 1), low, RowChange::Keep, false),
            (
                "below the floor, later source",
                Neighbours::default(),
                row(3, 3, 1),
                floor(3, 4),
                RowChange::Keep,
                false,
            ),
        ] {
            let absorbed = absorb_vote(Some(low), &near, &vote);
            assert_eq!(absorbed, Absorbed { floor: expected, row: change, slashable }, "{name}");
        }
        let first = absorb_vote(None, &Neighbours::default(), &row(3, 5, 1));
        assert_eq!(first, Absorbed { floor: floor(3, 5), row: RowChange::Insert, slashable: false });
    }
}
