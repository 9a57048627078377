//! What can go wrong with one request to one node. Each error names both.

use hearth_types::{CommitteeIndex, Epoch, Root, Slot, ValidatorIndex, ValidatorPubkey};
use thiserror::Error;

use crate::network::SpecProblem;
use crate::url::RedactedUrl;

/// A request that brought nothing usable.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("{node}: {route}: {problem}")]
pub struct BeaconError {
    /// The node that was asked.
    pub node: RedactedUrl,
    /// The route, as the beacon API writes it.
    pub route: &'static str,
    /// What happened.
    pub problem: Problem,
}

/// What happened to a request.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum Problem {
    /// The whole answer did not arrive in time.
    #[error("no answer within {budget_ms} ms")]
    Timeout {
        /// Time that it had.
        budget_ms: u64,
    },
    /// No connection, or it broke.
    #[error("{0}")]
    Connection(String),
    /// A status that is not a success.
    #[error("status {status}: {}", short(.message))]
    Status {
        /// HTTP status.
        status: u16,
        /// The node's own words on one line of at most 2,000 characters; printing it shows the first 200.
        message: String,
        /// Refused entries of a batch; the others were taken.
        failures: Vec<EntryFailure>,
    },
    /// A call of the execution client that was not carried out.
    #[error("error {code}: {message}")]
    Call {
        /// Code of JSON-RPC.
        code: i64,
        /// The client's own words.
        message: String,
    },
    /// The answer is longer than this route's answers can be.
    #[error("the answer is longer than {limit_bytes} bytes")]
    TooLong {
        /// The bound.
        limit_bytes: usize,
    },
    /// The answer is not the JSON that the beacon API describes.
    #[error("the answer cannot be read: {0}")]
    Malformed(String),
    /// The answer can be read and cannot be right.
    #[error(transparent)]
    Wrong(#[from] WrongAnswer),
    /// The chain that the node describes cannot be.
    #[error(transparent)]
    Spec(#[from] SpecProblem),
    /// The node is catching up and its view of the chain is old.
    #[error("the node is syncing ({behind_slots} slots behind)")]
    Syncing {
        /// Slots to go.
        behind_slots: u64,
    },
    /// The node has not verified the execution payloads of its head.
    #[error("the node follows the chain only optimistically")]
    Optimistic,
}

/// Why one entry of a batch was refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EntryFailure {
    /// Position in the batch.
    pub index: u64,
    /// The node's own words on one line of at most 2,000 characters.
    pub message: String,
}

/// An answer to something that was not asked, or one that contradicts itself.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum WrongAnswer {
    /// An answer about another slot.
    #[error("asked about slot {asked}, answered about slot {answered}")]
    Slot {
        /// The slot asked for.
        asked: Slot,
        /// The slot in the answer.
        answered: Slot,
    },
    /// A block with another root.
    #[error("asked about block {asked}, answered about block {answered}")]
    Root {
        /// The root asked for.
        asked: Root,
        /// The root in the answer.
        answered: Root,
    },
    /// One committee twice.
    #[error("committee {0} appears twice")]
    CommitteeTwice(CommitteeIndex),
    /// Attestation data for a committee other than 0.
    #[error("asked about committee 0, answered about committee {0}")]
    Committee(CommitteeIndex),
    /// Attestation data whose target is not the epoch of its slot.
    #[error("target epoch {answered} is not {expected}, the epoch of the slot")]
    Target {
        /// Epoch of the slot.
        expected: Epoch,
        /// Epoch in the answer.
        answered: Epoch,
    },
    /// Attestation data whose source is later than its target.
    #[error("source epoch {source_epoch} is later than target epoch {target_epoch}")]
    SourceAfterTarget {
        /// Source in the answer.
        source_epoch: Epoch,
        /// Target in the answer.
        target_epoch: Epoch,
    },
    /// A duty of a validator that was not asked about.
    #[error("a duty of validator {0}, which was not asked about")]
    StrangeDuty(ValidatorIndex),
    /// Two duties of one validator in one epoch.
    #[error("two duties of validator {0} in one epoch")]
    DutyTwice(ValidatorIndex),
    /// A duty in another epoch.
    #[error("validator {validator} has its duty in slot {slot}, outside epoch {epoch}")]
    DutyOutsideEpoch {
        /// The validator.
        validator: ValidatorIndex,
        /// The slot in the answer.
        slot: Slot,
        /// The epoch asked for.
        epoch: Epoch,
    },
    /// A committee or a place in it that cannot be.
    #[error("validator {0} has an impossible committee")]
    ImpossibleCommittee(ValidatorIndex),
    /// A validator that was not asked about.
    #[error("validator {}, which was not asked about", .0.abbreviated())]
    StrangeValidator(ValidatorPubkey),
    /// One validator under two indexes, or two validators under one.
    #[error("validator {} appears twice", .0.abbreviated())]
    ValidatorTwice(ValidatorPubkey),
}

impl Problem {
    /// Whether asking again later may help.
    ///
    /// Source: `obol-duties.md` 4.1 and 8; 429 and the gateway statuses count as the network.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Connection(_) | Self::Syncing { .. } | Self::Optimistic => true,
            Self::Status { status, message, failures } => {
                matches!(status, 429 | 502..=504)
                    || sounds_temporary(message)
                    || failures.iter().any(|failure| sounds_temporary(&failure.message))
            }
            Self::TooLong { .. } | Self::Malformed(_) | Self::Wrong(_) | Self::Spec(_) | Self::Call { .. } => {
                false
            }
        }
    }

    /// Whether the node could not be reached, as opposed to having answered badly.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::Connection(_))
    }
}

/// Whether a refusal's words mean "ask again later". Source: `obol-duties.md` 4.1.
pub(crate) fn sounds_temporary(message: &str) -> bool {
    let message = message.to_lowercase();
    ["future", "current or previous", "retryable"].iter().any(|words| message.contains(words))
}

/// A foreign text as it may be shown: one line of at most 200 characters.
pub(crate) fn short(text: &str) -> String {
    let mut line = one_line(text, 200);
    if text.chars().nth(200).is_some() {
        line.push('…');
    }
    line
}

/// A foreign text as it may be kept for its words: one line, long enough that none which matters is cut off.
pub(crate) fn kept(text: &str) -> String {
    one_line(text, 2_000)
}

fn one_line(text: &str, most_chars: usize) -> String {
    text.chars().take(most_chars).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_heal_is_temporary() {
        let status =
            |status, message: &str| Problem::Status { status, message: message.to_owned(), failures: vec![] };
        for (problem, expected) in [
            (Problem::Timeout { budget_ms: 2_000 }, true),
            (Problem::Connection("connection refused".to_owned()), true),
            (Problem::Syncing { behind_slots: 9 }, true),
            (Problem::Optimistic, true),
            (status(503, ""), true),
            (status(502, ""), true),
            (status(504, ""), true),
            (status(429, "slow down"), true),
            (status(500, "Requested slot 999999 is in the future"), true),
            (status(400, "Epoch must be Current or Previous"), true),
            (status(400, "retryable"), true),
            (status(400, "Cannot get duties for epoch more than one ahead"), false),
            (status(500, "Input must be 48 bytes"), false),
            (status(404, "Block not found"), false),
            (status(302, ""), false),
            (Problem::TooLong { limit_bytes: 1 }, false),
            (Problem::Malformed("eof".to_owned()), false),
            (Problem::Wrong(WrongAnswer::Committee(CommitteeIndex::new(1))), false),
        ] {
            assert_eq!(problem.is_temporary(), expected, "{problem:?}");
        }
        let entry = EntryFailure { index: 0, message: "attestation from a FUTURE slot".to_owned() };
        let batch = Problem::Status { status: 400, message: String::new(), failures: vec![entry] };
        assert!(batch.is_temporary());
    }

    #[test]
    fn a_foreign_text_is_cut_and_kept_on_one_line() {
        assert_eq!(short("a\nb\u{1b}[31mc"), "a b [31mc");
        assert_eq!(short(&"ä".repeat(200)), "ä".repeat(200));
        assert_eq!(short(&"ä".repeat(300)), format!("{}…", "ä".repeat(200)));
        assert_eq!(kept(&"ä".repeat(3_000)), "ä".repeat(2_000));
    }
}
