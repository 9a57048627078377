//! Who may hold a connection: the cluster's operators and nobody else, in both directions.
//!
//! Decided when the handshake has proved the peer id and before any stream exists. Relays that this host uses at the moment are admitted
//! as well; nothing but relaying is spoken with them.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    sync::{Arc, PoisonError, RwLock},
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, dummy,
    },
};
use thiserror::Error;

/// Relays that are used at the moment: one that is given by a URL can become another.
#[derive(Clone, Default)]
pub(crate) struct KnownRelays(Arc<RwLock<BTreeSet<PeerId>>>);

impl KnownRelays {
    pub(crate) fn new(relays: impl IntoIterator<Item = PeerId>) -> Self {
        Self(Arc::new(RwLock::new(relays.into_iter().collect())))
    }

    pub(crate) fn contains(&self, peer: &PeerId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(peer)
    }

    pub(crate) fn insert(&self, relay: PeerId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(relay);
    }

    pub(crate) fn remove(&self, relay: &PeerId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(relay);
    }
}

/// Admits a fixed set of peers, and the relays.
pub(crate) struct Gate {
    admitted: BTreeSet<PeerId>,
    relays: KnownRelays,
}

/// Why a connection was closed right after its handshake.
#[derive(Debug, Error)]
#[error("{0} is no operator of this cluster")]
pub(crate) struct NotAnOperator(pub(crate) PeerId);

impl Gate {
    pub(crate) fn new(admitted: impl IntoIterator<Item = PeerId>, relays: KnownRelays) -> Self {
        Self { admitted: admitted.into_iter().collect(), relays }
    }

    fn admit(&self, peer: PeerId) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        if self.admitted.contains(&peer) || self.relays.contains(&peer) {
            Ok(dummy::ConnectionHandler)
        } else {
            Err(ConnectionDenied::new(NotAnOperator(peer)))
        }
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(peer)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(peer)
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}
