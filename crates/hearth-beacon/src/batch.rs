//! What became of each attestation of a batch that was handed to several nodes. Pure.

use std::collections::BTreeMap;

use crate::error::{Problem, short, sounds_temporary};

/// An entry of a batch that a node did not take.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rejection {
    /// Position in the batch.
    pub index: usize,
    /// The node's own words on one line of at most 2,000 characters.
    pub message: String,
}

/// A refusal with these words means that the node has this very vote: another operator of the cluster was
/// faster.
///
/// Source: `obol-duties.md` 8.
const ALREADY_KNOWN: &str = "PriorAttestationKnown";

/// Reads a refused batch of `count` entries: which were not taken. `Err` when none of it can be told apart.
pub(crate) fn rejections(problem: Problem, count: usize) -> Result<Vec<Rejection>, Problem> {
    let Problem::Status { message, failures, .. } = &problem else { return Err(problem) };
    if failures.is_empty() {
        return if message.contains(ALREADY_KNOWN) { Ok(Vec::new()) } else { Err(problem) };
    }
    let mut rejections = Vec::new();
    for failure in failures {
        match usize::try_from(failure.index) {
            Ok(index) if index < count => {
                if !failure.message.contains(ALREADY_KNOWN) {
                    rejections.push(Rejection { index, message: failure.message.clone() });
                }
            }
            // Who speaks of entries that do not exist cannot be believed about the others.
            _ => return Err(problem),
        }
    }
    Ok(rejections)
}

/// Entries of a batch that no node has taken yet, with the last words about each.
#[derive(Debug)]
pub(crate) struct Pending(BTreeMap<usize, String>);

impl Pending {
    pub(crate) fn all(count: usize) -> Self {
        Self((0..count).map(|index| (index, String::new())).collect())
    }

    /// One node took everything but `rejections`.
    pub(crate) fn apply(&mut self, rejections: &[Rejection]) {
        let refused: BTreeMap<_, _> = rejections.iter().map(|r| (r.index, &r.message)).collect();
        self.0.retain(|index, words| match refused.get(index) {
            Some(message) => {
                words.clone_from(message);
                true
            }
            None => false,
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, index: usize) -> bool {
        self.0.contains_key(&index)
    }

    /// Whether a later attempt may help any entry.
    pub(crate) fn is_temporary(&self) -> bool {
        self.0.values().any(|words| sounds_temporary(words))
    }

    /// One sentence about what is left.
    pub(crate) fn describe(&self) -> Option<String> {
        let words = self.0.values().find(|words| !words.is_empty())?;
        Some(format!("{} of the attestations not taken: {}", self.0.len(), short(words)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::EntryFailure;

    fn status(message: &str, failures: &[(u64, &str)]) -> Problem {
        let failures =
            failures.iter().map(|&(index, m)| EntryFailure { index, message: m.to_owned() }).collect();
        Problem::Status { status: 400, message: message.to_owned(), failures }
    }

    #[test]
    fn an_attestation_that_the_node_already_has_counts_as_taken() {
        for (name, problem, expected) in [
            ("one of them", status("batch", &[(1, "bad signature")]), Some(vec![1])),
            ("known", status("batch", &[(0, "Verification: PriorAttestationKnown { .. }")]), Some(vec![])),
            (
                "known and bad",
                status("batch", &[(0, "PriorAttestationKnown"), (2, "bad signature")]),
                Some(vec![2]),
            ),
            ("known as a whole", status("PriorAttestationKnown", &[]), Some(vec![])),
            ("no detail", status("bad request", &[]), None),
            ("beyond the batch", status("batch", &[(0, "PriorAttestationKnown"), (3, "x")]), None),
            ("absurd index", status("batch", &[(u64::MAX, "x")]), None),
            ("no answer", Problem::Timeout { budget_ms: 1 }, None),
        ] {
            let found = rejections(problem, 3).ok();
            let found = found.map(|list| list.iter().map(|r| r.index).collect::<Vec<_>>());
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn what_one_node_refuses_another_may_take() {
        let rejection = |index| Rejection { index, message: "slot in the future".to_owned() };
        let mut pending = Pending::all(3);
        pending.apply(&[rejection(0), rejection(2)]);
        assert!(pending.contains(0) && !pending.contains(1) && pending.contains(2));
        assert!(pending.is_temporary());
        pending.apply(&[rejection(1), rejection(2)]);
        assert_eq!(pending.describe().as_deref(), Some("1 of the attestations not taken: slot in the future"));
        pending.apply(&[]);
        assert!(pending.is_empty() && pending.describe().is_none());
    }
}
