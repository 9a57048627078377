//! What operators tell each other during one instance.

use std::num::NonZeroU64;

use hearth_types::OperatorIndex;

/// One attempt to decide, led by one operator. Counts from 1.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Round(NonZeroU64);

impl Round {
    /// The first attempt.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// The attempt numbered `round`; `None` for zero.
    pub const fn new(round: u64) -> Option<Self> {
        match NonZeroU64::new(round) {
            Some(round) => Some(Self(round)),
            None => None,
        }
    }

    /// The number of the attempt.
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The attempt that follows.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl std::fmt::Display for Round {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Kinds of message.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// The leader proposes a value.
    PrePrepare,
    /// The sender saw the proposal.
    Prepare,
    /// The sender saw a quorum of PREPAREs.
    Commit,
    /// The sender gave up the previous round.
    RoundChange,
    /// The sender holds a quorum of COMMITs.
    Decided,
}

/// The signed content of one message, without justification.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Vote<V> {
    /// What is said.
    pub kind: Kind,
    /// Who says it.
    pub from: OperatorIndex,
    /// In which round.
    pub round: Round,
    /// About which value; `None` is the wire's zero hash.
    pub value: Option<V>,
    /// ROUND_CHANGE only: the round in which the sender last saw a quorum of PREPAREs.
    pub prepared_round: Option<Round>,
    /// ROUND_CHANGE only: the value of that quorum.
    pub prepared_value: Option<V>,
}

/// A vote with whatever convinces others that its author said it. Opaque here; carried along in justifications.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signed<V, P> {
    /// What was said.
    pub vote: Vote<V>,
    /// Why others may believe it.
    pub proof: P,
}

/// A vote and the votes of others that justify it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message<V, P> {
    /// The sender's own vote.
    pub signed: Signed<V, P>,
    /// Votes that justify it, flat.
    pub justification: Vec<Signed<V, P>>,
}

/// A message of our own, not signed yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Draft<V, P> {
    /// What we say.
    pub vote: Vote<V>,
    /// Votes that justify it, flat.
    pub justification: Vec<Signed<V, P>>,
}
