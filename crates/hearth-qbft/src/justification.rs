//! Which messages are backed by enough votes of others, and which votes back a proposal.

use std::collections::{BTreeMap, BTreeSet};

use hearth_types::OperatorIndex;

use crate::buffer::{Buffer, agreeing, first_of_each};
use crate::{Config, Kind, Message, Round, Signed, Vote};

/// Whether a message may be believed. One that may not is dropped; it proves nothing about its author, because what
/// justifies a vote is not covered by the vote's signature.
///
/// Source: `obol-duties.md` 5.6.
pub fn is_justified<V: Copy + Ord, P>(config: &Config, message: &Message<V, P>) -> bool {
    let Message { signed: Signed { vote, .. }, justification } = message;
    match vote.kind {
        Kind::Prepare | Kind::Commit => true,
        Kind::PrePrepare => justifies_proposal(config, vote, justification),
        Kind::RoundChange => justifies_round_change(config, vote, justification),
        Kind::Decided => vote.value.is_some_and(|value| {
            agreeing(justification.iter(), Kind::Commit, vote.round, value).len() >= config.quorum()
        }),
    }
}

/// A ROUND_CHANGE says that nothing was prepared, or shows the quorum of PREPAREs and nothing else.
fn justifies_round_change<V: Copy + Ord, P>(config: &Config, vote: &Vote<V>, votes: &[Signed<V, P>]) -> bool {
    match (vote.prepared_round, vote.prepared_value) {
        (None, None) => votes.is_empty(),
        (Some(round), Some(value)) => {
            // Counting them all is enough: one that differs, or a second of the same author, makes the count short.
            let agreeing = agreeing(votes.iter(), Kind::Prepare, round, value).len();
            agreeing == votes.len() && agreeing >= config.quorum()
        }
        // Half a claim. Peers cannot justify it either: no correct operator prepares in round 0 or the zero value.
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn justifies_proposal<V: Copy + Ord, P>(config: &Config, vote: &Vote<V>, votes: &[Signed<V, P>]) -> bool {
    let Some(value) = vote.value else { return false };
    vote.from == config.leader(vote.round)
        // Round 1 needs no reason. The specification excepts the round after `compare_failure_round`, too; with the
        // compare step off that round is 0, and the exception is round 1 again.
        && (vote.round == Round::FIRST || quorum_allows(config, vote.round, value, votes))
}

/// Test (iii) of 5.6: no value can have been decided before `round`, or only `value` can.
fn quorum_allows<V: Copy + Ord, P>(config: &Config, round: Round, value: V, votes: &[Signed<V, P>]) -> bool {
    let changes = first_of_each(round_changes(votes.iter(), round));
    if changes.len() < config.quorum() {
        return false;
    }
    if changes.iter().all(|change| prepared(change).is_none()) {
        return true;
    }
    let prepares = || votes.iter().map(|signed| &signed.vote).filter(|vote| vote.kind == Kind::Prepare);
    let Some(first) = prepares().next() else { return false };
    let authors: BTreeSet<OperatorIndex> = prepares().map(|vote| vote.from).collect();
    let (prepared_round, prepared_value) = (Some(first.round), first.value);
    authors.len() == prepares().count()
        && authors.len() >= config.quorum()
        && prepares().all(|vote| vote.round == first.round && vote.value == first.value)
        && changes.iter().all(|change| change.vote.prepared_round <= prepared_round)
        && changes.iter().any(|change| prepared(change) == Some((prepared_round, prepared_value)))
        && prepared_value == Some(value)
}

/// What entitles a leader to propose in a later round.
pub(crate) struct Grounds<V, P> {
    /// The value that must be proposed; any value may be when there is none.
    pub(crate) prepared: Option<V>,
    /// The votes that prove it to the others.
    pub(crate) votes: Vec<Signed<V, P>>,
}

/// Searches what is known for a justified quorum of ROUND_CHANGEs for `round`. A value that was prepared in the
/// latest round is preferred, so that the order of arrival decides nothing.
///
/// Source: `obol-duties.md` 5.7, R5.
pub(crate) fn find_grounds<V: Copy + Ord, P: Clone>(
    config: &Config,
    round: Round,
    known: &Buffer<V, P>,
) -> Option<Grounds<V, P>> {
    let changes_where = |keep: &dyn Fn(&Signed<V, P>) -> bool| {
        first_of_each(round_changes(known.votes(), round).filter(|signed| keep(signed)))
    };

    let unprepared = changes_where(&|change| prepared(change).is_none());
    if unprepared.len() >= config.quorum() {
        return Some(Grounds { prepared: None, votes: unprepared.into_iter().cloned().collect() });
    }

    let mut candidates: BTreeMap<(Round, V), Vec<&Signed<V, P>>> = BTreeMap::new();
    for signed in known.votes().filter(|signed| signed.vote.kind == Kind::Prepare) {
        if let Some(value) = signed.vote.value {
            candidates.entry((signed.vote.round, value)).or_default().push(signed);
        }
    }
    candidates.into_iter().rev().find_map(|((prepared_round, value), prepares)| {
        let prepares = first_of_each(prepares.into_iter());
        if prepares.len() < config.quorum() {
            return None;
        }
        let changes = changes_where(&|change| change.vote.prepared_round <= Some(prepared_round));
        let claimed =
            changes.iter().any(|change| prepared(change) == Some((Some(prepared_round), Some(value))));
        let votes = || changes.iter().chain(&prepares).map(|&signed| signed.clone()).collect();
        (claimed && changes.len() >= config.quorum()).then(|| Grounds { prepared: Some(value), votes: votes() })
    })
}

fn round_changes<'a, V: 'a, P: 'a>(
    votes: impl Iterator<Item = &'a Signed<V, P>>,
    round: Round,
) -> impl Iterator<Item = &'a Signed<V, P>> {
    votes.filter(move |signed| signed.vote.kind == Kind::RoundChange && signed.vote.round == round)
}

/// What a ROUND_CHANGE says was prepared; `None` for `(0, zero)`.
fn prepared<V: Copy, P>(change: &Signed<V, P>) -> Option<(Option<Round>, Option<V>)> {
    match (change.vote.prepared_round, change.vote.prepared_value) {
        (None, None) => None,
        claim => Some(claim),
    }
}
