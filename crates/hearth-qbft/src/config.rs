//! Who takes part, who leads, and how many are enough.

use hearth_types::{OperatorIndex, Quorum, faulty_tolerated};

use crate::{Message, Round};

/// Who takes part and who leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Config {
    /// This operator.
    pub me: OperatorIndex,
    /// Size of the cluster.
    pub operators: u8,
    /// Leader of round 1; leadership passes on by one position a round.
    pub first_leader: OperatorIndex,
}

impl Config {
    /// The operator that leads `round`.
    ///
    /// Source: `obol-duties.md` 5.4.
    pub fn leader(&self, round: Round) -> OperatorIndex {
        let operators = u64::from(self.operators).max(1);
        let rounds_after_first = (round.get() - 1) % operators;
        let position = (u64::from(u8::from(self.first_leader)) + rounds_after_first) % operators;
        // The remainder is the position of an operator, except in a cluster larger than clusters can be.
        u8::try_from(position).ok().and_then(OperatorIndex::new).unwrap_or(self.first_leader)
    }

    /// Votes that are enough: `Q`.
    pub(crate) fn quorum(&self) -> usize {
        Quorum::of(self.operators).count()
    }

    /// Operators that may be faulty: `F`. One more than this includes a correct one.
    pub(crate) fn faulty(&self) -> usize {
        faulty_tolerated(self.operators)
    }

    /// Whether a message has the shape that every received message has: votes of members, at most `2n` of them
    /// beside the author's own. Those who receive from the wire checked it; the bounds of this crate rest on it.
    ///
    /// Source: `obol-duties.md` 5.3.
    pub(crate) fn admits<V, P>(&self, message: &Message<V, P>) -> bool {
        let members = |from: OperatorIndex| from.position() < usize::from(self.operators);
        message.justification.len() <= 2 * usize::from(self.operators)
            && members(message.signed.vote.from)
            && message.justification.iter().all(|signed| members(signed.vote.from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(operators: u8, first_leader: u8) -> Config {
        let at = |position| OperatorIndex::new(position).unwrap();
        Config { me: at(0), operators, first_leader: at(first_leader) }
    }

    #[test]
    fn leadership_passes_on_by_one_position_a_round() {
        let config = config(4, 2);
        let leaders = [1, 2, 3, 4, 5].map(|round| config.leader(Round::new(round).unwrap()).position());
        assert_eq!(leaders, [2, 3, 0, 1, 2]);
    }

    #[test]
    fn every_round_of_every_cluster_has_a_leader() {
        for (operators, first_leader, round) in [
            (4, 3, 1 << 63),
            (10, 9, u64::MAX),
            (254, 253, u64::MAX),
            (255, 253, 2),
            (0, 0, 7),
            (1, 0, 9),
            (3, 200, 2),
        ] {
            let leader = config(operators, first_leader).leader(Round::new(round).unwrap());
            assert!(leader.position() < usize::from(operators.max(1)), "{operators} operators, round {round}");
        }
    }

    #[test]
    fn quorums_are_those_of_the_specification() {
        for (operators, quorum, faulty) in [
            (3, 2, 0),
            (4, 3, 1),
            (5, 4, 1),
            (6, 4, 1),
            (7, 5, 2),
            (8, 6, 2),
            (9, 6, 2),
            (10, 7, 3),
            (13, 9, 4),
        ] {
            let config = config(operators, 0);
            assert_eq!((config.quorum(), config.faulty()), (quorum, faulty), "{operators} operators");
        }
    }
}
