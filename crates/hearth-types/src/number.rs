//! Quantities with a unit: each is a 64-bit number that cannot be mistaken for another.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ssz_derive::{Decode, Encode};
use tree_hash::{Hash256, PackedEncoding, TreeHash, TreeHashType};

/// A 64-bit quantity: decimal string in JSON (as the beacon API writes it), little-endian `uint64` in SSZ.
macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Encode, Decode)]
        #[ssz(struct_behaviour = "transparent")]
        pub struct $name(u64);

        impl $name {
            /// Takes the bare number over the border.
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// Hands the bare number back over the border.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The quantity plus `by`, held at the largest representable value.
            #[must_use]
            pub const fn saturating_add(self, by: u64) -> Self {
                Self(self.0.saturating_add(by))
            }

            /// The quantity minus `by`, held at zero.
            #[must_use]
            pub const fn saturating_sub(self, by: u64) -> Self {
                Self(self.0.saturating_sub(by))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map(Self).map_err(serde::de::Error::custom)
            }
        }

        impl TreeHash for $name {
            fn tree_hash_type() -> TreeHashType {
                u64::tree_hash_type()
            }
            fn tree_hash_packed_encoding(&self) -> PackedEncoding {
                self.0.tree_hash_packed_encoding()
            }
            fn tree_hash_packing_factor() -> usize {
                u64::tree_hash_packing_factor()
            }
            fn tree_hash_root(&self) -> Hash256 {
                self.0.tree_hash_root()
            }
        }
    };
}

quantity! {
    /// One slot of the chain, counted from genesis.
    Slot
}
quantity! {
    /// One epoch of the chain, counted from genesis.
    Epoch
}
quantity! {
    /// Position of a validator in the beacon state's registry.
    ValidatorIndex
}
quantity! {
    /// Number of a committee within one slot.
    CommitteeIndex
}
quantity! {
    /// Ether in units of 10^-9.
    Gwei
}
quantity! {
    /// A moment: milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
    UnixMillis
}

impl UnixMillis {
    /// Milliseconds from `earlier` to this moment; zero when `earlier` is not earlier.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Slot {
    /// The slot that follows.
    #[must_use]
    pub const fn next(self) -> Self {
        self.saturating_add(1)
    }
}

impl Epoch {
    /// Placeholder of the consensus specifications for "not scheduled".
    pub const FAR_FUTURE: Self = Self(u64::MAX);

    /// The epoch that follows.
    #[must_use]
    pub const fn next(self) -> Self {
        self.saturating_add(1)
    }
}
