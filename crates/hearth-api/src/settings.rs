//! What the owner decides about the node, as far as a window changes it. The rest is in `settings.toml` only.

use hearth_types::LockHash;
use serde::{Deserialize, Serialize};

/// Asks for the settings.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct SettingsRequest {
    /// Those of this cluster, which may have some of its own; `None`: those of the node.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub cluster: Option<LockHash>,
}

/// Where another operator is.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct PeerAddresses {
    /// The operator's number in the cluster.
    pub number: u8,
    /// `host:port`, `ip:port` or multiaddrs; tried in turn.
    pub addresses: Vec<String>,
}

/// Changes some of them; what is not given stays as it is.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct ChangeSettingsRequest {
    /// Those of this cluster, of which only its own can be changed: where it listens and where its operators are.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub cluster: Option<LockHash>,
    /// Beacon nodes, in order of preference. An address as [`NodeSettings`] shows it stands for the one that it was made from,
    /// with what is secret in it.
    pub beacon_nodes: Option<Vec<String>>,
    /// What other operators see as our name.
    pub nickname: Option<String>,
    /// Time servers that the clock is compared with; none: it is not.
    pub time_servers: Option<Vec<String>>,
    /// Addresses on which it listens for other operators, `ip:port`.
    pub listen: Option<Vec<String>>,
    /// Where other operators are. One that is not named is not known any more.
    pub peers: Option<Vec<PeerAddresses>>,
    /// Relays through which it is reached and reaches others, `/ip4/…/tcp/…/p2p/<id>`.
    pub relays: Option<Vec<String>>,
    /// Where it serves Prometheus metrics, `ip:port`; empty: nowhere.
    pub metrics: Option<String>,
}

/// The settings of a node.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct NodeSettings {
    /// Beacon nodes, in order of preference, without what is secret in their addresses.
    pub beacon_nodes: Vec<String>,
    /// What other operators see as our name.
    pub nickname: String,
    /// Time servers that the clock is compared with.
    pub time_servers: Vec<String>,
    /// Addresses on which it listens for other operators.
    pub listen: Vec<String>,
    /// Where other operators are, by their number.
    pub peers: Vec<PeerAddresses>,
    /// Relays through which it is reached and reaches others.
    pub relays: Vec<String>,
    /// Where it serves Prometheus metrics, if anywhere.
    pub metrics: Option<String>,
}

/// The settings, and whether they are in effect.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SettingsReply {
    /// As the file has them.
    pub settings: NodeSettings,
    /// The file.
    pub file: String,
    /// Whether the node has to be started again before they are in effect. Also where its command line says something else.
    pub restart_needed: bool,
}
