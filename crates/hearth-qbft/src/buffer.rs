//! What an instance remembers of what was said.

use std::collections::{BTreeSet, VecDeque};

use hearth_types::OperatorIndex;

use crate::{Kind, Message, Round, Signed};

/// Messages kept of each author; of more the oldest goes. A correct operator sends at most three a round.
///
/// Source: `obol-duties.md` 5.5.
const KEPT_PER_AUTHOR: usize = 100;

/// Justified messages in the order in which they arrived, our own included.
#[derive(Debug)]
pub(crate) struct Buffer<V, P> {
    messages: VecDeque<Message<V, P>>,
}

impl<V: Copy + Ord, P> Buffer<V, P> {
    pub(crate) fn new() -> Self {
        Self { messages: VecDeque::new() }
    }

    /// Keeps a message, unless the same vote is here already: what justifies a vote is not covered by its author's
    /// signature, so anybody could repeat it in many forms and push the author's other votes out.
    pub(crate) fn insert(&mut self, message: Message<V, P>) {
        let vote = message.signed.vote;
        let of_author =
            || self.messages.iter().enumerate().filter(|(_, kept)| kept.signed.vote.from == vote.from);
        if of_author().any(|(_, kept)| kept.signed.vote == vote) {
            return;
        }
        let excess = if of_author().count() < KEPT_PER_AUTHOR { None } else { of_author().next() };
        if let Some((oldest, _)) = excess {
            self.messages.remove(oldest);
        }
        self.messages.push_back(message);
    }

    /// Forgets everything and returns it in the order of arrival.
    pub(crate) fn take(&mut self) -> VecDeque<Message<V, P>> {
        std::mem::take(&mut self.messages)
    }

    /// Every vote known: those that arrived and those that justified them, in the order met. This is `all`.
    pub(crate) fn votes(&self) -> impl Iterator<Item = &Signed<V, P>> {
        self.messages.iter().flat_map(|message| std::iter::once(&message.signed).chain(&message.justification))
    }
}

/// The first vote of each author, in the order met. This is what "distinct senders" means.
pub(crate) fn first_of_each<'a, V: 'a, P: 'a>(
    votes: impl Iterator<Item = &'a Signed<V, P>>,
) -> Vec<&'a Signed<V, P>> {
    let mut authors: BTreeSet<OperatorIndex> = BTreeSet::new();
    votes.filter(|signed| authors.insert(signed.vote.from)).collect()
}

/// The distinct senders that said `kind` of `value` in `round`.
pub(crate) fn agreeing<'a, V: Copy + Ord + 'a, P: 'a>(
    votes: impl Iterator<Item = &'a Signed<V, P>>,
    kind: Kind,
    round: Round,
    value: V,
) -> Vec<&'a Signed<V, P>> {
    first_of_each(
        votes.filter(|Signed { vote, .. }| {
            vote.kind == kind && vote.round == round && vote.value == Some(value)
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Vote;

    fn message(from: u8, round: u64, justification: Vec<Signed<u64, ()>>) -> Message<u64, ()> {
        let (from, round) = (OperatorIndex::new(from).unwrap(), Round::new(round).unwrap());
        let vote = Vote {
            kind: Kind::Prepare,
            from,
            round,
            value: Some(7),
            prepared_round: None,
            prepared_value: None,
        };
        Message { signed: Signed { vote, proof: () }, justification }
    }

    fn rounds(buffer: &Buffer<u64, ()>, from: u8) -> Vec<u64> {
        let of_author = buffer.votes().filter(|signed| u8::from(signed.vote.from) == from);
        of_author.map(|signed| signed.vote.round.get()).collect()
    }

    #[test]
    fn of_each_author_only_the_last_hundred_votes_are_kept() {
        let mut buffer = Buffer::new();
        buffer.insert(message(0, 1 << 63, Vec::new()));
        for round in 1..=1_000 {
            buffer.insert(message(1, round, Vec::new()));
        }
        assert_eq!(rounds(&buffer, 0), [1 << 63], "one author's flood costs another nothing");
        assert_eq!(rounds(&buffer, 1), (901..=1_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_repeated_vote_is_kept_once_whatever_it_is_justified_with() {
        let mut buffer = Buffer::new();
        buffer.insert(message(1, 1, Vec::new()));
        for other in 0..200 {
            buffer.insert(message(1, 2, vec![message(0, other + 1, Vec::new()).signed]));
        }
        assert_eq!(rounds(&buffer, 1), [1, 2]);
        assert_eq!(rounds(&buffer, 0), [1]);
    }
}
