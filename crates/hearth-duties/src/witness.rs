//! Keeps what operators said first, so that whoever says two things that exclude each other is found out, with the proof.

use std::collections::{BTreeMap, BTreeSet};

use hearth_qbft::{Kind, Message, Round, Signed};
use hearth_types::{AttestationData, OperatorIndex, ShareIndex, SignatureBytes, SigningRoot, ValidatorPubkey};

use crate::{Digest, Proof};

/// Votes that are kept of one operator in one instance. An honest one says a few a round.
const VOTES_PER_OPERATOR: usize = 64;

/// Two statements of one operator about one duty, of which an honest program makes one. Whoever holds the keys of the lock can check it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Equivocation {
    /// Two votes of one kind in one round. Their signatures were checked.
    Votes {
        /// What was said first, as its author encoded and signed it.
        first: Proof,
        /// What was said then.
        second: Proof,
    },
    /// Partial signatures of two attestations. **Not checked**: anybody can send bytes that are no signature.
    Partials {
        /// Of which validator.
        validator: ValidatorPubkey,
        /// With which share.
        share: ShareIndex,
        /// What came first.
        first: Box<SignedData>,
        /// What came then.
        second: Box<SignedData>,
    },
}

/// An attestation and a signature that is said to be over it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SignedData {
    /// What was to be signed.
    pub data: AttestationData,
    /// Its root, for the chain at that slot.
    pub root: SigningRoot,
    /// The partial signature.
    pub signature: SignatureBytes,
}

/// What was said in one instance of consensus, by whom.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    first: BTreeMap<(OperatorIndex, Kind, Round), Signed<Digest, Proof>>,
    kept: BTreeMap<OperatorIndex, usize>,
    /// One proof is enough.
    accused: BTreeSet<OperatorIndex>,
}

impl Witness {
    /// Hears a message whose signatures were checked, and all the votes that it quotes.
    pub(crate) fn hear(&mut self, message: &Message<Digest, Proof>) -> Vec<(OperatorIndex, Equivocation)> {
        let votes = std::iter::once(&message.signed).chain(&message.justification);
        votes.filter_map(|signed| self.compare(signed)).collect()
    }

    fn compare(&mut self, signed: &Signed<Digest, Proof>) -> Option<(OperatorIndex, Equivocation)> {
        let vote = &signed.vote;
        let operator = vote.from;
        // Whoever has decided says so as often as he is asked, each time with the votes that he has.
        if vote.kind == Kind::Decided || self.accused.contains(&operator) {
            return None;
        }
        match self.first.get(&(operator, vote.kind, vote.round)) {
            Some(first) if first.vote == *vote => None,
            Some(first) => {
                self.accused.insert(operator);
                let proof = Equivocation::Votes { first: first.proof.clone(), second: signed.proof.clone() };
                Some((operator, proof))
            }
            None => {
                let kept = self.kept.entry(operator).or_default();
                if *kept < VOTES_PER_OPERATOR {
                    *kept += 1;
                    self.first.insert((operator, vote.kind, vote.round), signed.clone());
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hearth_qbft::Vote;

    use super::*;

    fn signed(from: u8, kind: Kind, round: u64, value: u8) -> Signed<Digest, Proof> {
        let vote = Vote {
            kind,
            from: OperatorIndex::new(from).unwrap(),
            round: Round::new(round).unwrap(),
            value: Some(Digest([value; 32])),
            prepared_round: None,
            prepared_value: None,
        };
        Signed { vote, proof: Proof(Arc::from([from, value])) }
    }

    fn message(votes: &[(u8, Kind, u64, u8)]) -> Message<Digest, Proof> {
        let mut votes = votes.iter().map(|(from, kind, round, value)| signed(*from, *kind, *round, *value));
        Message { signed: votes.next().unwrap(), justification: votes.collect() }
    }

    #[test]
    fn whoever_says_two_things_in_one_round_is_named_once_with_both() {
        use Kind::{Commit, Decided, PrePrepare, Prepare, RoundChange};
        let mut witness = Witness::default();
        for votes in [
            &[(0, PrePrepare, 1, 1)][..],
            &[(1, Prepare, 1, 1)],
            &[(1, Prepare, 1, 1)],
            &[(1, Prepare, 2, 2)],
            &[(1, Commit, 1, 2)],
            &[(3, Decided, 1, 1), (1, Commit, 1, 2)],
            &[(3, Decided, 1, 2)],
        ] {
            assert_eq!(witness.hear(&message(votes)), [], "{votes:?}");
        }
        let quoted = message(&[(2, RoundChange, 2, 0), (1, Prepare, 1, 3), (0, PrePrepare, 1, 9)]);
        let named = |operator, first, second| {
            let proof = |value| Proof(Arc::from([operator, value]));
            let equivocation = Equivocation::Votes { first: proof(first), second: proof(second) };
            (OperatorIndex::new(operator).unwrap(), equivocation)
        };
        assert_eq!(witness.hear(&quoted), [named(1, 1, 3), named(0, 1, 9)]);
        assert_eq!(witness.hear(&quoted), [], "once");
        assert_eq!(witness.hear(&message(&[(2, RoundChange, 2, 5)])), [named(2, 0, 5)]);
    }

    #[test]
    fn whoever_floods_is_remembered_up_to_a_bound_and_costs_the_others_nothing() {
        let mut witness = Witness::default();
        for round in 1..1_000 {
            witness.hear(&message(&[(0, Kind::Prepare, round, 1)]));
        }
        assert_eq!(witness.first.len(), VOTES_PER_OPERATOR);
        witness.hear(&message(&[(1, Kind::Prepare, 1, 1)]));
        assert_eq!(witness.hear(&message(&[(1, Kind::Prepare, 1, 2)])).len(), 1);
    }
}
