//! A relay of one's own: any member of a cluster with a public address can run one for the others.

use std::path::PathBuf;

use hearth_p2p::{RelayBounds, RelayServer, StartError, serve_relay};
use hearth_signer::identity::{self, IdentityError};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use hearth_p2p::RelayEvent;

/// Name of the file with a relay's identity.
const KEY: &str = "relay-private-key";

/// What a relay is told.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Where its identity is kept; made if it is not there. The identity is part of its address.
    pub folder: PathBuf,
    /// Where it listens, `ip:port`.
    pub listen: Vec<String>,
    /// Where others reach it, `host:port`; where it listens, if empty.
    pub announce: Vec<String>,
    /// Hosts that can be reached through it at once.
    pub places: usize,
}

/// Why there is no relay.
#[derive(Debug, Error)]
pub enum RelayError {
    /// Its identity cannot be kept or read.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The folder cannot be made.
    #[error("cannot make the folder {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The network cannot be used.
    #[error(transparent)]
    Network(#[from] StartError),
}

/// Is a relay until `stop`.
pub async fn run_relay(
    relay: Relay,
    tell: mpsc::UnboundedSender<RelayEvent>,
    stop: CancellationToken,
) -> Result<(), RelayError> {
    let Relay { folder, listen, announce, places } = relay;
    std::fs::create_dir_all(&folder).map_err(|source| RelayError::Folder { path: folder.clone(), source })?;
    let path = folder.join(KEY);
    let key = if path.exists() { identity::load(&path)? } else { identity::create(&path, &mut rand::rng())? };
    let bounds =
        RelayBounds { reservations: places, circuits: places.saturating_mul(2), ..RelayBounds::default() };
    let server = RelayServer {
        secret_key: key.to_bytes(),
        listen,
        quic: true,
        announce,
        agent: concat!("hearth/", env!("CARGO_PKG_VERSION")).into(),
        bounds,
    };
    Ok(serve_relay(server, tell, stop).await?)
}
