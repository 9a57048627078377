//! Looking for beacon nodes: who answers at an address, and is it one?

use futures::future::join_all;
use hearth_types::ForkVersion;
use tokio::time::Instant;

use crate::http::Patience;
use crate::node::BeaconNode;
use crate::url::{NodeUrl, RedactedUrl};
use crate::wire::Syncing;

/// Where beacon nodes listen on the computer that they run on, unless told otherwise: Lighthouse, Nimbus and Grandine, then
/// Teku, Lodestar, Prysm, Caplin.
pub const USUAL_ADDRESSES: [&str; 5] = [
    "http://127.0.0.1:5052",
    "http://127.0.0.1:5051",
    "http://127.0.0.1:9596",
    "http://127.0.0.1:3500",
    "http://127.0.0.1:5555",
];

/// What stands at an address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FoundNode {
    /// The address.
    pub url: RedactedUrl,
    /// Its name and version, in its own words.
    pub version: Option<String>,
    /// Genesis fork version of its chain; `None` if it did not describe one: then it is no beacon node, or none that works.
    pub network: Option<ForkVersion>,
    /// How far it is.
    pub syncing: Option<Syncing>,
    /// How long it took to say how far it is.
    pub latency_ms: Option<u64>,
    /// What went wrong.
    pub error: Option<String>,
}

/// Looks at all of the addresses at once.
pub async fn look_at(urls: Vec<NodeUrl>, patience: Patience) -> Vec<FoundNode> {
    join_all(urls.into_iter().map(|url| look_at_one(url, patience))).await
}

async fn look_at_one(url: NodeUrl, patience: Patience) -> FoundNode {
    let mut found = FoundNode {
        url: url.redacted(),
        version: None,
        network: None,
        syncing: None,
        latency_ms: None,
        error: None,
    };
    let node = match BeaconNode::new(url, patience) {
        Ok(node) => node,
        Err(error) => {
            found.error = Some(error.to_string());
            return found;
        }
    };
    let started = Instant::now();
    let syncing = async {
        let answer = node.syncing().await;
        (answer, u64::try_from(started.elapsed().as_millis()).ok())
    };
    let (genesis, version, (syncing, latency_ms)) = tokio::join!(node.genesis(), node.version(), syncing);
    found.version = version.ok();
    match syncing {
        Ok(syncing) => (found.syncing, found.latency_ms) = (Some(syncing), latency_ms),
        Err(error) => found.error = Some(error.to_string()),
    }
    match genesis {
        Ok(genesis) => found.network = Some(genesis.genesis_fork_version),
        Err(error) => found.error = Some(error.to_string()),
    }
    found
}
