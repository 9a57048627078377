//! The way to the first beacon node: wait until one answers, learn the chain from it.

use std::sync::Arc;

use futures::future::join_all;
use hearth_types::ChainSpec;
use thiserror::Error;
use tokio::time::sleep;

use crate::http::Patience;
use crate::network::{Difference, merge};
use crate::node::{BeaconNode, NoTrustRoots};
use crate::nodes::BeaconNodes;
use crate::retry::Backoff;
use crate::url::{NodeUrl, RedactedUrl};

/// Why waiting longer would not help.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum ConnectError {
    /// No address was given.
    #[error("no beacon node was given")]
    NoNodes,
    /// A node cannot be reached safely.
    #[error(transparent)]
    NoTrustRoots(#[from] NoTrustRoots),
    /// Two nodes are on different chains; which one is meant is the owner's to say.
    #[error("beacon nodes {first} and {second} are on different networks: {difference}")]
    DifferentNetworks {
        /// One node.
        first: RedactedUrl,
        /// Another node.
        second: RedactedUrl,
        /// What tells them apart.
        difference: Difference,
    },
}

/// News for who waits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Progress {
    /// A node does not answer as it should; it will be asked again.
    Waiting {
        /// The node.
        node: RedactedUrl,
        /// What went wrong.
        reason: String,
    },
    /// A node answered.
    Found {
        /// The node.
        node: RedactedUrl,
        /// Its name and version, in its own words.
        version: Option<String>,
    },
}

/// Waits until at least one of the nodes describes its chain, however long that takes. Drop the future to give
/// up.
///
/// Nodes that are silent now join later, once a check finds them on the same chain. The node found may still be
/// syncing: questions to it fail until it follows the head.
pub async fn connect(
    urls: &[NodeUrl],
    patience: Patience,
    mut progress: impl FnMut(Progress),
) -> Result<(BeaconNodes, ChainSpec), ConnectError> {
    let nodes: Vec<_> = urls
        .iter()
        .map(|url| Ok(Arc::new(BeaconNode::new(url.clone(), patience)?)))
        .collect::<Result<_, NoTrustRoots>>()?;
    if nodes.is_empty() {
        return Err(ConnectError::NoNodes);
    }
    let mut backoff = Backoff::new();
    loop {
        if let Some(spec) = common_chain(&nodes, &mut progress).await? {
            let nodes = BeaconNodes::new(nodes, spec.clone());
            nodes.check().await;
            return Ok((nodes, spec));
        }
        sleep(backoff.delay()).await;
    }
}

/// The chain that all answering nodes are on; `None` when none answers.
async fn common_chain(
    nodes: &[Arc<BeaconNode>],
    progress: &mut impl FnMut(Progress),
) -> Result<Option<ChainSpec>, ConnectError> {
    let mut common: Option<(RedactedUrl, ChainSpec)> = None;
    let identities = join_all(nodes.iter().map(|node| node.identity())).await;
    for (node, identity) in nodes.iter().zip(identities) {
        let second = node.name().clone();
        let identity = match identity {
            Ok(identity) => identity,
            Err(error) => {
                progress(Progress::Waiting { node: second, reason: error.to_string() });
                continue;
            }
        };
        progress(Progress::Found { node: second.clone(), version: identity.version });
        common = Some(match common {
            None => (second, identity.spec),
            Some((first, spec)) => match merge(&spec, &identity.spec) {
                Ok(both) => (first, both),
                Err(difference) => return Err(ConnectError::DifferentNetworks { first, second, difference }),
            },
        });
    }
    Ok(common.map(|(_, spec)| spec))
}
