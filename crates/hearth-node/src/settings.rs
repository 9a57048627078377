//! What the owner decides about a node: `settings.toml` in the data folder, overridden by the command line.

mod desk;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hearth_duties::Contradiction;
use hearth_obol::cluster::{Network, Networks};
use hearth_types::ForkVersion;
use serde::Deserialize;
use thiserror::Error;

use crate::offline::Scrutiny;
pub(crate) use desk::SettingsDesk;

/// Name of the file in the data folder.
pub(crate) const FILE_NAME: &str = "settings.toml";

/// Servers of three operators, which answer everybody.
const TIME_SERVERS: [&str; 3] = ["pool.ntp.org", "time.cloudflare.com", "time.google.com"];

/// A node's settings. Unknown keys in the file are errors.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Settings {
    /// Beacon nodes, `http://` or `https://`, in order of preference.
    pub beacon_nodes: Vec<String>,
    /// Addresses to listen on for other operators, `ip:port`.
    pub listen: Vec<String>,
    /// Whether QUIC is listened for as well, at the same ports by UDP.
    pub quic: bool,
    /// Whether the router at home is asked to let other operators in at those ports (UPnP, PCP or NAT-PMP).
    pub map_ports: bool,
    /// Where other operators are: operator number (counted from 1) to `host:port` or multiaddr.
    #[serde(deserialize_with = "numbered")]
    pub peers: BTreeMap<u8, Vec<String>>,
    /// Relays through which this node is reached and reaches others: `/ip4/…/tcp/…/p2p/<id>`.
    pub relays: Vec<String>,
    /// Where to serve Prometheus metrics. Off when absent.
    pub metrics: Option<SocketAddr>,
    /// What other operators see as our name; at most 32 bytes.
    pub nickname: String,
    /// Time servers (SNTP) that the computer's clock is compared with, `host` or `host:port`; none: it is not.
    pub time_servers: Vec<String>,
    /// The cluster's network, if it is not a public one.
    pub testnet: Option<Testnet>,
    /// Where an execution client listens. Needed for operators whose wallets are contracts.
    pub execution_client: Option<String>,
    /// Whether the key's lock file is honoured and kept (`charon-enr-private-key.lock`).
    pub private_key_file_lock: bool,
    /// What to do where a leader proposes another source or target than our own beacon node would: `refuse` or `follow`.
    pub if_leader_differs: Contradiction,
    /// Whether failed hashes and signatures of the cluster lock are only warned about.
    pub no_verify: bool,
    /// Whether a folder without a cluster is no error: the node waits, and can be asked and set up. In a node that runs: whether
    /// it waits. Not in the file.
    #[serde(skip)]
    pub wait_for_cluster: bool,
    /// What keeps the node running. Not in the file.
    #[serde(skip)]
    pub mode: hearth_api::Mode,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            beacon_nodes: Vec::new(),
            listen: Vec::new(),
            quic: true,
            map_ports: true,
            peers: BTreeMap::new(),
            relays: Vec::new(),
            metrics: None,
            nickname: String::new(),
            time_servers: TIME_SERVERS.map(str::to_owned).into(),
            testnet: None,
            execution_client: None,
            private_key_file_lock: true,
            if_leader_differs: Contradiction::default(),
            no_verify: false,
            wait_for_cluster: false,
            mode: hearth_api::Mode::Unknown,
        }
    }
}

/// A network of one's own.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Testnet {
    /// Its name.
    pub name: String,
    /// Its genesis fork version.
    pub fork_version: ForkVersion,
    /// Chain of the wallets.
    pub chain_id: u64,
    /// Start of slot 0, in seconds since 1970.
    pub genesis_timestamp: u64,
}

impl Testnet {
    /// The description of `network`; `None` for a public one, which needs no description.
    pub fn of(network: &Network) -> Option<Self> {
        if Networks::known().by_fork_version(network.fork_version).is_some() {
            return None;
        }
        let Network { name, fork_version, chain_id, genesis_time_s, .. } = network.clone();
        Some(Self { name, fork_version, chain_id, genesis_timestamp: genesis_time_s })
    }

    /// As cluster files want it.
    pub(crate) fn network(&self) -> Network {
        let Self { name, fork_version, chain_id, genesis_timestamp: genesis_time_s } = self.clone();
        Network { name, fork_version, chain_id, genesis_time_s, capella_fork_version: None }
    }

    /// As `settings.toml` has it.
    pub fn to_toml(&self) -> String {
        let Self { name, fork_version, chain_id, genesis_timestamp } = self;
        let name = toml::Value::String(name.clone());
        format!(
            "[testnet]\nname = {name}\nfork-version = \"{fork_version}\"\nchain-id = {chain_id}\n\
             genesis-timestamp = {genesis_timestamp}\n"
        )
    }
}

/// Settings that cannot be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file is there but cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file does not hold settings.
    #[error("{} is not valid: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The first thing that is wrong with it, with its place.
        reason: String,
    },
    /// A value makes no sense.
    #[error("{0}")]
    Senseless(String),
}

/// The network that the settings in a folder describe, which may come from somebody else: unless everybody knows that network.
pub fn testnet_described_in(folder: &Path) -> Option<Testnet> {
    let described = Settings::load(folder).ok()?.testnet?;
    Networks::known().by_fork_version(described.fork_version).is_none().then_some(described)
}

impl Settings {
    /// How strictly the cluster's files are checked.
    pub(crate) fn scrutiny(&self) -> Scrutiny {
        Scrutiny {
            testnet: self.testnet.clone(),
            execution_client: self.execution_client.clone(),
            no_verify: self.no_verify,
        }
    }

    /// The settings of a data folder; defaults where it has no file.
    pub fn load(folder: &Path) -> Result<Self, SettingsError> {
        let path = folder.join(FILE_NAME);
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|error| SettingsError::Invalid {
                path,
                reason: error.to_string().trim_end().to_owned(),
            }),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(SettingsError::Unreadable { path, source }),
        }
    }

    /// Those of one of several clusters, in a folder of its own. Where it listens, where its operators are and how strictly it
    /// is checked stand in the file there, and its relays, if it has its own; the rest is the node's, and what is missing in the file too.
    pub(crate) fn of_cluster(&self, folder: &Path) -> Result<Self, SettingsError> {
        let own = Self::load(folder)?;
        if !own.beacon_nodes.is_empty() && own.beacon_nodes != self.beacon_nodes {
            tracing::warn!(folder = %folder.display(), "the beacon nodes named there are not used; those of the node are");
        }
        let nickname = if own.nickname.is_empty() { self.nickname.clone() } else { own.nickname };
        Ok(Self {
            listen: own.listen,
            quic: own.quic && self.quic,
            map_ports: own.map_ports && self.map_ports,
            peers: own.peers,
            relays: if own.relays.is_empty() { self.relays.clone() } else { own.relays },
            nickname,
            testnet: own.testnet.or_else(|| self.testnet.clone()),
            execution_client: own.execution_client.or_else(|| self.execution_client.clone()),
            private_key_file_lock: own.private_key_file_lock,
            no_verify: own.no_verify || self.no_verify,
            ..self.clone()
        })
    }

    /// Adds one peer's address, `NUMBER=ADDRESS`, as the command line gives it.
    pub fn add_peer(&mut self, text: &str) -> Result<(), SettingsError> {
        let wrong = || {
            SettingsError::Senseless(format!(
                "peer `{text}` is not NUMBER=ADDRESS, such as 2=192.168.1.20:3610 for operator 2"
            ))
        };
        let (number, address) = text.split_once('=').ok_or_else(wrong)?;
        let number: u8 = number.parse().map_err(|_| wrong())?;
        if number == 0 || address.is_empty() {
            return Err(wrong());
        }
        self.peers.entry(number).or_default().push(address.to_owned());
        Ok(())
    }
}

/// TOML keys are text; operator numbers are not.
fn numbered<'de, D: serde::Deserializer<'de>>(from: D) -> Result<BTreeMap<u8, Vec<String>>, D::Error> {
    let by_text = BTreeMap::<String, Vec<String>>::deserialize(from)?;
    let number = |text: String, of| match text.parse::<u8>() {
        Ok(number) if number > 0 => Ok((number, of)),
        _ => Err(serde::de::Error::custom(format!("`{text}` is not an operator number (1 to 254)"))),
    };
    by_text.into_iter().map(|(text, of)| number(text, of)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_read_what_the_manual_shows_and_refuse_what_they_do_not_know() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Settings::load(folder.path()).unwrap(), Settings::default(), "no file");
        for (name, text, allowed) in [
            (
                "all",
                "beacon-nodes = ['http://127.0.0.1:5052']\nlisten = ['0.0.0.0:3610']\nmetrics = '127.0.0.1:3620'\nnickname = 'Maya'\ntime-servers = []\nexecution-client = 'http://127.0.0.1:8545'\nprivate-key-file-lock = false\n[peers]\n2 = ['192.168.1.20:3610']",
                true,
            ),
            ("unknown key", "beacon-node = 'http://127.0.0.1:5052'", false),
            ("operator zero", "[peers]\n0 = ['h:1']", false),
            ("not toml", "}{", false),
            ("wrong type", "metrics = 7", false),
        ] {
            std::fs::write(folder.path().join(FILE_NAME), text).unwrap();
            assert_eq!(Settings::load(folder.path()).is_ok(), allowed, "{name}");
        }
    }

    #[test]
    fn one_of_several_clusters_has_its_own_addresses_and_shares_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let text = "beacon-nodes = ['http://other:1']\nlisten = ['0.0.0.0:3620']\n[peers]\n2 = ['h:1']";
        std::fs::write(folder.path().join(FILE_NAME), text).unwrap();
        let node = Settings {
            beacon_nodes: vec!["http://127.0.0.1:5052".into()],
            listen: vec!["0.0.0.0:3610".into()],
            peers: BTreeMap::from([(3, vec!["h:2".into()])]),
            nickname: "Maya".into(),
            ..Settings::default()
        };
        let cluster = node.of_cluster(folder.path()).unwrap();
        assert_eq!((cluster.beacon_nodes, cluster.nickname.as_str()), (node.beacon_nodes, "Maya"));
        assert_eq!(cluster.listen, ["0.0.0.0:3620"]);
        assert_eq!(cluster.peers, BTreeMap::from([(2, vec!["h:1".to_owned()])]));
    }

    #[test]
    fn a_peer_on_the_command_line_is_a_number_and_an_address() {
        let mut settings = Settings::default();
        settings.add_peer("2=10.0.0.2:3610").unwrap();
        settings.add_peer("2=example.org:3610").unwrap();
        assert_eq!(settings.peers[&2], ["10.0.0.2:3610", "example.org:3610"]);
        for wrong in ["", "2", "0=h:1", "x=h:1", "300=h:1", "2="] {
            assert!(settings.add_peer(wrong).is_err(), "{wrong}");
        }
    }
}
