//! Versions of the file format, and what came with each.

use std::fmt;

use super::ParseError;

/// Version of a definition and of its lock: `v1.0.0` to `v1.11.0`. Ordered by age.
///
/// Source: `obol-cluster.md` 1.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Version {
    /// The first.
    V1_0,
    /// The timestamp is part of the definition hash.
    V1_1,
    /// Hashes and signatures in hex.
    V1_2,
    /// Wallets sign; hashes follow SSZ.
    V1_3,
    /// A creator.
    V1_4,
    /// Addresses for each validator.
    V1_5,
    /// A deposit for each validator.
    V1_6,
    /// Builder registrations and node signatures.
    V1_7,
    /// Several deposits for each validator.
    V1_8,
    /// The consensus protocol.
    V1_9,
    /// The gas limit, and validators that compound.
    V1_10,
    /// Wallets with several signatures.
    V1_11,
}

impl Version {
    /// What new clusters are written in.
    pub const LATEST: Self = Self::V1_11;

    /// Every version that can be read, oldest first.
    pub const ALL: [Self; 12] = [
        Self::V1_0,
        Self::V1_1,
        Self::V1_2,
        Self::V1_3,
        Self::V1_4,
        Self::V1_5,
        Self::V1_6,
        Self::V1_7,
        Self::V1_8,
        Self::V1_9,
        Self::V1_10,
        Self::V1_11,
    ];

    /// The text in a file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "v1.0.0",
            Self::V1_1 => "v1.1.0",
            Self::V1_2 => "v1.2.0",
            Self::V1_3 => "v1.3.0",
            Self::V1_4 => "v1.4.0",
            Self::V1_5 => "v1.5.0",
            Self::V1_6 => "v1.6.0",
            Self::V1_7 => "v1.7.0",
            Self::V1_8 => "v1.8.0",
            Self::V1_9 => "v1.9.0",
            Self::V1_10 => "v1.10.0",
            Self::V1_11 => "v1.11.0",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, ParseError> {
        Self::ALL
            .into_iter()
            .find(|version| version.as_str() == text)
            .ok_or_else(|| ParseError::Version(text.chars().take(32).collect()))
    }

    /// Hashes, aggregates, shares and wallet signatures are base64 rather than hex.
    pub(super) fn writes_base64(self) -> bool {
        self <= Self::V1_1
    }

    /// Hashes are taken over texts and unpadded bytes, and lists have the limit of their length.
    pub(super) fn hashes_text(self) -> bool {
        self <= Self::V1_2
    }

    /// Operators carry a number that is always zero.
    pub(super) fn has_nonce(self) -> bool {
        self <= Self::V1_1
    }

    /// Wallets sign typed data.
    pub(super) fn has_wallet_signatures(self) -> bool {
        self >= Self::V1_3
    }

    /// The plan has an author.
    pub(super) fn has_creator(self) -> bool {
        self >= Self::V1_4
    }

    /// Each validator has addresses of its own; before, all shared one pair.
    pub(super) fn has_addresses_per_validator(self) -> bool {
        self >= Self::V1_5
    }

    /// One deposit per validator is in the lock.
    pub(super) fn has_one_deposit(self) -> bool {
        matches!(self, Self::V1_6 | Self::V1_7)
    }

    /// Builder registrations and node signatures are in the lock.
    pub(crate) fn has_registrations(self) -> bool {
        self >= Self::V1_7
    }

    /// Several deposits per validator are in the lock, and their amounts in the plan.
    pub(super) fn has_partial_deposits(self) -> bool {
        self >= Self::V1_8
    }

    /// The gas limit and compounding are in the plan.
    pub(super) fn has_gas_limit(self) -> bool {
        self >= Self::V1_10
    }

    /// A wallet may sign with a list of signatures, as a Safe does.
    pub(super) fn has_signature_lists(self) -> bool {
        self >= Self::V1_11
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
