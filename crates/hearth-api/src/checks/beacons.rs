//! Finding a beacon node.

use serde::{Deserialize, Serialize};

use crate::view::BeaconState;

/// Where to look.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct FindBeaconsRequest {
    /// These addresses only; on this computer, at the usual ports, if there are none. At most [`Self::MOST`].
    pub urls: Vec<String>,
}

impl FindBeaconsRequest {
    /// Addresses in a question, at most.
    pub const MOST: usize = 16;
}

/// What was found.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FindBeaconsReply {
    /// Whoever answers as a beacon node does. Of addresses that were given, also whoever does not.
    pub found: Vec<FoundBeacon>,
    /// Where was looked.
    pub looked_at: Vec<String>,
}

/// A beacon node, or what stands in its place.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FoundBeacon {
    /// Its address, without what is secret in it.
    pub url: String,
    /// Whether it can be used.
    pub state: BeaconState,
    /// Its name and version, in its own words.
    pub version: Option<String>,
    /// The network that it is on, if that has a name.
    pub network: Option<String>,
    /// How long it took to answer.
    pub latency_ms: Option<u64>,
    /// What is wrong with it, in its own words.
    pub error: Option<String>,
}
