//! Who is who in a cluster, and how many are needed for what.

use std::num::NonZeroU8;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Zero-based position of an operator in the cluster definition. Range `0..=253`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub struct OperatorIndex(u8);

impl OperatorIndex {
    /// Largest position: its share index still fits one byte.
    pub const MAX: Self = Self(253);

    /// The operator at `position`; `None` beyond [`Self::MAX`].
    pub const fn new(position: u8) -> Option<Self> {
        if position > Self::MAX.0 { None } else { Some(Self(position)) }
    }

    /// Every operator of a cluster of `count`, in the order of its definition.
    pub fn all(count: u8) -> impl DoubleEndedIterator<Item = Self> + Clone {
        (0..count.min(Self::MAX.0 + 1)).map(Self)
    }

    /// The only place where the zero-based position becomes a share index.
    pub const fn share(self) -> ShareIndex {
        ShareIndex(NonZeroU8::MIN.saturating_add(self.0))
    }

    /// The zero-based position, for indexing what is ordered as the definition is.
    pub const fn position(self) -> usize {
        self.0 as usize
    }
}

impl From<OperatorIndex> for u8 {
    fn from(operator: OperatorIndex) -> u8 {
        operator.0
    }
}

impl TryFrom<u8> for OperatorIndex {
    type Error = &'static str;
    fn try_from(position: u8) -> Result<Self, Self::Error> {
        Self::new(position).ok_or("operator position beyond 253")
    }
}

impl std::fmt::Display for OperatorIndex {
    /// People count from one: the operator at position 0 is "operator 1", as his share index is.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "operator {}", self.share().get())
    }
}

/// Evaluation point of one operator's key share. Range `1..=254`: zero is the secret itself.
///
/// Source: Obol cluster lock, where share index = operator position + 1.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "u8")]
pub struct ShareIndex(NonZeroU8);

impl TryFrom<u8> for ShareIndex {
    type Error = ShareIndexOutOfRange;

    fn try_from(x: u8) -> Result<Self, ShareIndexOutOfRange> {
        Self::new(x).ok_or(ShareIndexOutOfRange(x))
    }
}

/// A number that is no share's.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("share index {0} is outside 1..=254")]
pub struct ShareIndexOutOfRange(u8);

impl ShareIndex {
    /// The share at `x`; `None` for zero and for 255.
    pub const fn new(x: u8) -> Option<Self> {
        match NonZeroU8::new(x) {
            Some(x) if x.get() <= OperatorIndex::MAX.0 + 1 => Some(Self(x)),
            _ => None,
        }
    }

    /// The evaluation point.
    pub const fn get(self) -> u8 {
        self.0.get()
    }

    /// The operator that holds this share.
    pub const fn operator(self) -> OperatorIndex {
        OperatorIndex(self.0.get() - 1)
    }
}

impl std::fmt::Display for ShareIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Votes needed for agreement. The signing threshold is another fact: see [`Threshold`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Quorum(u16);

impl Quorum {
    /// Votes needed among `operators`: `ceil(2n / 3)`.
    pub const fn of(operators: u8) -> Self {
        Self((2 * operators as u16).div_ceil(3))
    }

    /// The number of distinct operators.
    pub const fn count(self) -> usize {
        self.0 as usize
    }
}

/// Operators that may be faulty while agreement stays safe: `floor((n - 1) / 3)`.
pub const fn faulty_tolerated(operators: u8) -> usize {
    (operators.saturating_sub(1) / 3) as usize
}

/// Partial signatures needed for one group signature. Range `2..=n`, from the cluster lock.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Threshold(u8);

/// A threshold that cannot protect or cannot be reached.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("threshold {threshold} is outside 2..={operators}")]
pub struct ThresholdOutOfRange {
    /// What was asked for.
    pub threshold: u64,
    /// Size of the cluster.
    pub operators: u8,
}

impl Threshold {
    /// A threshold for a cluster of `operators`.
    pub fn new(threshold: u64, operators: u8) -> Result<Self, ThresholdOutOfRange> {
        match u8::try_from(threshold) {
            Ok(t) if (2..=operators).contains(&t) => Ok(Self(t)),
            _ => Err(ThresholdOutOfRange { threshold, operators }),
        }
    }

    /// The usual threshold of a cluster of `operators`: `ceil(2n / 3)`, at least 2.
    pub const fn default_for(operators: u8) -> Self {
        let votes = Quorum::of(operators).0;
        Self(if votes < 2 { 2 } else { votes as u8 })
    }

    /// The number of partial signatures.
    pub const fn count(self) -> usize {
        self.0 as usize
    }
}

impl std::fmt::Display for Threshold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorum_fault_bound_and_default_threshold_follow_the_table_of_the_protocol() {
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
            assert_eq!(Quorum::of(operators).count(), quorum, "quorum of {operators}");
            assert_eq!(faulty_tolerated(operators), faulty, "faulty of {operators}");
            assert_eq!(Threshold::default_for(operators).count(), quorum, "threshold of {operators}");
        }
    }

    #[test]
    fn a_threshold_below_two_or_above_the_cluster_is_refused() {
        for (threshold, operators, allowed) in
            [(0, 4, false), (1, 4, false), (2, 4, true), (4, 4, true), (5, 4, false), (u64::MAX, 4, false)]
        {
            assert_eq!(Threshold::new(threshold, operators).is_ok(), allowed, "{threshold} of {operators}");
        }
    }

    #[test]
    fn a_share_index_is_the_position_plus_one_and_leads_back() {
        for operator in OperatorIndex::all(255) {
            assert_eq!(usize::from(operator.share().get()), operator.position() + 1);
            assert_eq!(operator.share().operator(), operator);
        }
        for none in [0, 255] {
            assert_eq!(ShareIndex::new(none), None);
            assert!(serde_json::from_str::<ShareIndex>(&none.to_string()).is_err(), "{none} was read");
        }
        assert_eq!(serde_json::from_str("254").ok(), ShareIndex::new(254));
        assert_eq!(OperatorIndex::new(254), None);
    }
}
