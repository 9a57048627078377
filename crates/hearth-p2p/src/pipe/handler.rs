//! The streams of one connection. Runs inside the connection's own task: a slow peer slows down only this.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use libp2p::{
    Stream, StreamProtocol,
    core::{InboundUpgrade, OutboundUpgrade, UpgradeInfo},
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol,
        handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound},
    },
};

use super::{Counterpart, ProtocolIndex, Questions, exchange};
use crate::{
    config::Protocol,
    event::{ReceiveError, SendError},
};

/// Opens a stream per message and serves those of the other side.
pub(crate) struct Handler {
    peer: Counterpart,
    wanted: VecDeque<Exchange>,
    failed: VecDeque<Outcome>,
    /// One future per open stream. Those of the peer come to nothing, ours to an outcome.
    streams: FuturesUnordered<BoxFuture<'static, Option<Outcome>>>,
}

/// One message to be sent on a stream of its own.
pub(crate) struct Exchange {
    pub(super) ticket: u64,
    pub(super) protocol: ProtocolIndex,
    pub(super) bytes: Bytes,
    pub(super) questions: Option<Questions>,
}

/// What became of it.
pub(crate) struct Outcome {
    pub(super) ticket: u64,
    pub(super) result: Result<Vec<u8>, SendError>,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exchange({}, {} bytes)", self.ticket, self.bytes.len())
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outcome({}, {:?})", self.ticket, self.result.as_ref().map(Vec::len))
    }
}

impl Handler {
    pub(super) fn new(peer: Counterpart) -> Self {
        Self { peer, wanted: VecDeque::new(), failed: VecDeque::new(), streams: FuturesUnordered::new() }
    }

    fn serve(&self, stream: Stream, name: &StreamProtocol) {
        let Some((protocol, _)) = self.peer.common.protocols.iter().find(|(_, served)| served == name) else {
            return; // Only served protocols are negotiated.
        };
        let protocol: Protocol = *protocol;
        match self.peer.allowance.message() {
            // Dropping the stream resets it.
            None => exchange::report(&self.peer, protocol, ReceiveError::TooManyStreams),
            Some(place) => {
                let served = exchange::respond(stream, protocol, self.peer.clone(), place);
                self.streams.push(served.map(|()| None).boxed());
            }
        }
    }

    fn carry(&mut self, stream: Stream, exchange: Exchange) {
        let Exchange { ticket, protocol, bytes, questions } = exchange;
        let Some((protocol, _)) = self.peer.common.protocols.get(protocol) else {
            return self.failed.push_back(Outcome { ticket, result: Err(SendError::Unsupported) });
        };
        let (protocol, peer) = (*protocol, self.peer.clone());
        self.streams.push(
            async move {
                let result = match questions {
                    Some(questions) => exchange::converse(stream, protocol, &questions, &peer).await,
                    None => {
                        let (memory, budget) = (peer.allowance.memory(), peer.common.timing.initiator);
                        exchange::initiate(stream, protocol, &bytes, memory, budget).await
                    }
                };
                Some(Outcome { ticket, result })
            }
            .boxed(),
        );
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Exchange;
    type ToBehaviour = Outcome;
    type InboundProtocol = Offer;
    type OutboundProtocol = Offer;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Exchange;

    fn listen_protocol(&self) -> SubstreamProtocol<Offer> {
        let served = self.peer.common.protocols.iter().map(|(_, name)| name.clone()).collect();
        SubstreamProtocol::new(Offer(served), ())
    }

    /// A connection between operators is never idle: the next duty is seconds away.
    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn on_behaviour_event(&mut self, exchange: Exchange) {
        self.wanted.push_back(exchange);
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Offer, Offer, (), Exchange>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (stream, name),
                ..
            }) => {
                self.serve(stream, &name);
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: (stream, _),
                info: exchange,
            }) => self.carry(stream, exchange),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: exchange, error }) => {
                let budget_ms = exchange::whole_ms(self.peer.common.timing.initiator);
                let error = match error {
                    StreamUpgradeError::Timeout => SendError::TimedOut { budget_ms },
                    StreamUpgradeError::NegotiationFailed => SendError::Unsupported,
                    StreamUpgradeError::Io(error) => exchange::failure(&error),
                    StreamUpgradeError::Apply(never) => match never {},
                };
                self.failed.push_back(Outcome { ticket: exchange.ticket, result: Err(error) });
            }
            _ => {}
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Offer, Exchange, Outcome>> {
        if let Some(outcome) = self.failed.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(outcome));
        }
        while let Poll::Ready(Some(outcome)) = self.streams.poll_next_unpin(cx) {
            if let Some(outcome) = outcome {
                return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(outcome));
            }
        }
        if let Some(exchange) = self.wanted.pop_front() {
            let name = self.peer.common.protocols.get(exchange.protocol).map(|(_, name)| name.clone());
            let protocol = SubstreamProtocol::new(Offer(name.into_iter().collect()), exchange)
                .with_timeout(self.peer.common.timing.initiator);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }
}

/// The protocols a stream may settle on; what comes out is the stream itself.
#[derive(Debug)]
pub(crate) struct Offer(Vec<StreamProtocol>);

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, name: StreamProtocol) -> Self::Future {
        ready(Ok((stream, name)))
    }
}

impl OutboundUpgrade<Stream> for Offer {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, name: StreamProtocol) -> Self::Future {
        ready(Ok((stream, name)))
    }
}
