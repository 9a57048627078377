//! What waits for whom, on which connection it leaves, and what is tried again.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use hearth_types::OperatorIndex;
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, derive_prelude::Either, dummy,
    },
};
use tokio::time::{Instant, sleep};

use super::{
    Answer, Common, Counterpart, Outgoing, ProtocolIndex, Questions,
    exchange::whole_ms,
    handler::{Exchange, Handler, Outcome},
    outbox::Outbox,
};
use crate::{
    allowance::Allowance,
    config::Limits,
    event::{Event, SendError},
    gate::{KnownRelays, NotAnOperator},
};

/// The message streams of all peers.
pub(crate) struct Pipes {
    common: Arc<Common>,
    limits: Limits,
    peers: BTreeMap<PeerId, Peer>,
    ids: BTreeMap<OperatorIndex, PeerId>,
    /// Relays, with which nothing is spoken here.
    relays: KnownRelays,
    in_flight: BTreeMap<u64, InFlight>,
    next_ticket: u64,
    retries: FuturesUnordered<BoxFuture<'static, (PeerId, Message)>>,
    orders: VecDeque<ToSwarm<Infallible, Exchange>>,
    waker: Option<Waker>,
}

struct Peer {
    counterpart: Counterpart,
    /// Through relays first, then oldest first. The last carries the messages: should the peer have vanished without a word and come back,
    /// the newest is the one that works.
    connections: Vec<ConnectionId>,
    dials: BTreeSet<ConnectionId>,
    outboxes: Vec<Outbox<Message>>,
}

/// A message that waits or is under way.
struct Message {
    protocol: ProtocolIndex,
    bytes: Bytes,
    answer: Option<Answer>,
    questions: Option<Questions>,
    retried: bool,
}

struct InFlight {
    peer: PeerId,
    connection: ConnectionId,
    message: Message,
}

impl Pipes {
    pub(crate) fn new(
        common: Arc<Common>,
        limits: Limits,
        peers: impl IntoIterator<Item = (PeerId, OperatorIndex, Allowance)>,
        relays: KnownRelays,
    ) -> Self {
        let protocols = common.protocols.len();
        let peers: BTreeMap<_, _> = peers
            .into_iter()
            .map(|(id, operator, allowance)| {
                let counterpart = Counterpart { operator, allowance, common: common.clone() };
                let outboxes = std::iter::repeat_with(Outbox::default).take(protocols).collect();
                (id, Peer { counterpart, connections: Vec::new(), dials: BTreeSet::new(), outboxes })
            })
            .collect();
        let ids = peers.iter().map(|(id, peer)| (peer.counterpart.operator, *id)).collect();
        Self {
            common,
            limits,
            peers,
            ids,
            relays,
            in_flight: BTreeMap::new(),
            next_ticket: 0,
            retries: FuturesUnordered::new(),
            orders: VecDeque::new(),
            waker: None,
        }
    }

    /// Takes a message for `to`. It leaves at once, or waits for a stream or for a dial that is under way.
    pub(crate) fn send(&mut self, to: OperatorIndex, outgoing: Outgoing) {
        let Outgoing { protocol, bytes, answer, questions } = outgoing;
        let message = Message { protocol, bytes, answer, questions, retried: false };
        let Some((id, peer)) = self.ids.get(&to).and_then(|id| Some((*id, self.peers.get_mut(id)?))) else {
            return; // The host knows its peers; see `Host::send`.
        };
        if peer.is_out_of_reach() {
            return peer.counterpart.fail(message, SendError::NotConnected);
        }
        let Some(outbox) = peer.outboxes.get_mut(protocol) else { return };
        if let Some(oldest) = outbox.push(message, Instant::now(), self.limits.outbound_queue) {
            peer.counterpart.fail(oldest, SendError::Displaced);
        }
        self.pump(id, protocol);
    }

    /// Whether every message that was taken has left or failed.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
            && self.retries.is_empty()
            && self.peers.values().flat_map(|peer| &peer.outboxes).all(Outbox::is_idle)
    }

    /// Starts what may start of one protocol towards one peer.
    fn pump(&mut self, id: PeerId, protocol: ProtocolIndex) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some(connection) = peer.connections.last().copied() else { return };
        let patience = self.common.timing.initiator;
        loop {
            let Some(outbox) = peer.outboxes.get_mut(protocol) else { return };
            let Some((since, message)) = outbox.start(self.limits.outbound_streams) else { return };
            if message.is_abandoned() {
                outbox.release();
            } else if since.elapsed() >= patience {
                outbox.release();
                peer.counterpart.fail(message, SendError::TimedOut { budget_ms: whole_ms(patience) });
            } else {
                let order = (id, connection);
                launch(order, message, &mut self.in_flight, &mut self.next_ticket, &mut self.orders);
                if let Some(waker) = self.waker.take() {
                    waker.wake();
                }
            }
        }
    }

    /// A message is done with, for better or worse.
    fn conclude(&mut self, id: PeerId, mut message: Message, result: Result<Vec<u8>, SendError>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let protocol = message.protocol;
        match result {
            Err(SendError::Reset) if !message.retried && !message.is_abandoned() => {
                // It keeps its stream's place while it waits.
                message.retried = true;
                let delay = self.common.timing.retry;
                self.retries.push(sleep(delay).map(move |()| (id, message)).boxed());
                if let Some(waker) = self.waker.take() {
                    waker.wake();
                }
                return;
            }
            Ok(answer) => {
                if let Some(asker) = message.answer {
                    let _ = asker.send(Ok(answer)); // Nobody may be waiting any more.
                }
            }
            Err(error) => peer.counterpart.fail(message, error),
        }
        if let Some(outbox) = peer.outboxes.get_mut(protocol) {
            outbox.release();
        }
        self.pump(id, protocol);
    }

    fn try_again(&mut self, id: PeerId, message: Message) {
        match self.peers.get(&id).and_then(|peer| peer.connections.last().copied()) {
            Some(connection) => {
                let order = (id, connection);
                launch(order, message, &mut self.in_flight, &mut self.next_ticket, &mut self.orders);
            }
            None => self.conclude(id, message, Err(SendError::NotConnected)),
        }
    }

    fn opened(&mut self, id: PeerId, connection: ConnectionId, relayed: bool) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.dials.remove(&connection);
        // A way through a relay carries messages only where there is no other.
        let place = if relayed { 0 } else { peer.connections.len() };
        peer.connections.insert(place, connection);
        for protocol in 0..self.common.protocols.len() {
            self.pump(id, protocol);
        }
    }

    fn closed(&mut self, id: PeerId, connection: ConnectionId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.connections.retain(|open| *open != connection);
        }
        let lost: Vec<_> = self.in_flight.extract_if(.., |_, flight| flight.connection == connection).collect();
        for (_, flight) in lost {
            self.conclude(flight.peer, flight.message, Err(SendError::Reset));
        }
        self.give_up_if_out_of_reach(id);
    }

    fn give_up_if_out_of_reach(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.is_out_of_reach()) else { return };
        let waiting: Vec<_> = peer.outboxes.iter_mut().flat_map(Outbox::drain).collect();
        for message in waiting {
            peer.counterpart.fail(message, SendError::NotConnected);
        }
    }

    fn handler(&self, peer: PeerId) -> Result<THandler<Self>, ConnectionDenied> {
        match self.peers.get(&peer) {
            Some(known) => Ok(Either::Left(Handler::new(known.counterpart.clone()))),
            None if self.relays.contains(&peer) => Ok(Either::Right(dummy::ConnectionHandler)),
            None => Err(ConnectionDenied::new(NotAnOperator(peer))),
        }
    }
}

impl Peer {
    fn is_out_of_reach(&self) -> bool {
        self.connections.is_empty() && self.dials.is_empty()
    }
}

impl Message {
    /// Whether somebody asked and has stopped waiting.
    fn is_abandoned(&self) -> bool {
        self.answer.as_ref().is_some_and(Answer::is_closed)
    }
}

impl Counterpart {
    /// Tells whoever has to know that a message did not arrive.
    fn fail(&self, message: Message, reason: SendError) {
        match message.answer {
            Some(asker) => {
                let _ = asker.send(Err(reason)); // Nobody may be waiting any more.
            }
            None => {
                let Some((protocol, _)) = self.common.protocols.get(message.protocol) else { return };
                let event = Event::SendFailed { to: self.operator, protocol: protocol.id, reason };
                self.common.mailbox.report(event, self.allowance.report());
            }
        }
    }
}

/// Sends a message on its way over a connection.
fn launch(
    (peer, connection): (PeerId, ConnectionId),
    message: Message,
    in_flight: &mut BTreeMap<u64, InFlight>,
    next_ticket: &mut u64,
    orders: &mut VecDeque<ToSwarm<Infallible, Exchange>>,
) {
    let ticket = *next_ticket;
    *next_ticket += 1;
    let Message { protocol, bytes, questions, .. } = &message;
    let event = Exchange { ticket, protocol: *protocol, bytes: bytes.clone(), questions: questions.clone() };
    orders.push_back(ToSwarm::NotifyHandler { peer_id: peer, handler: NotifyHandler::One(connection), event });
    in_flight.insert(ticket, InFlight { peer, connection, message });
}

impl NetworkBehaviour for Pipes {
    type ConnectionHandler = Either<Handler, dummy::ConnectionHandler>;
    type ToSwarm = Infallible;

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if let Some(peer) = peer.and_then(|id| self.peers.get_mut(&id)) {
            peer.dials.insert(connection);
        }
        Ok(Vec::new())
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.handler(peer)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.handler(peer)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                self.opened(event.peer_id, event.connection_id, event.endpoint.is_relayed());
            }
            FromSwarm::ConnectionClosed(event) => self.closed(event.peer_id, event.connection_id),
            FromSwarm::DialFailure(event) => {
                let dialled = self
                    .peers
                    .iter_mut()
                    .find_map(|(id, peer)| peer.dials.remove(&event.connection_id).then_some(*id));
                if let Some(id) = dialled {
                    self.give_up_if_out_of_reach(id);
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        let outcome: Outcome = match event {
            Either::Left(outcome) => outcome,
            Either::Right(never) => match never {},
        };
        // Unknown tickets are those of a connection that was already counted as lost.
        if let Some(flight) = self.in_flight.remove(&outcome.ticket) {
            self.conclude(flight.peer, flight.message, outcome.result);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        while let Poll::Ready(Some((id, message))) = self.retries.poll_next_unpin(cx) {
            self.try_again(id, message);
        }
        match self.orders.pop_front() {
            Some(order) => Poll::Ready(order.map_in(Either::Left)),
            None => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
