//! What a host tells the application, and the queue it waits in.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hearth_types::OperatorIndex;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use crate::{
    allowance::{Memory, Permit},
    config::Pattern,
    frame::FrameError,
    router::Router,
};

/// Something the application may want to know. All but the first two are reports.
pub enum Event {
    /// A message arrived that wants no answer.
    Message {
        /// Who sent it; proved by the connection it came on.
        from: OperatorIndex,
        /// How it travelled.
        protocol: &'static str,
        /// The message.
        bytes: Vec<u8>,
    },
    /// A message arrived whose sender waits for an answer.
    Request {
        /// Who sent it; proved by the connection it came on.
        from: OperatorIndex,
        /// How it travelled.
        protocol: &'static str,
        /// The message.
        bytes: Vec<u8>,
        /// Where the answer goes. Dropping it closes the stream without one.
        reply: Reply,
    },
    /// A peer without a working connection has one: it answered a first ping. Or messages take another way to it now.
    Connected {
        /// Which peer.
        operator: OperatorIndex,
        /// Where it is; a multiaddr.
        address: String,
    },
    /// The last working connection of a peer is gone.
    Disconnected {
        /// Which peer.
        operator: OperatorIndex,
    },
    /// A peer could not be dialled.
    DialFailed {
        /// Which peer.
        operator: OperatorIndex,
        /// What the system or the peer said, per address.
        reason: String,
        /// Time until the next attempt.
        retry_in: Duration,
    },
    /// How it stands with the router at home.
    Router(Router),
    /// Both routers between this host and a peer were tried at once, and did not let each other's packets in: what both say goes
    /// through a relay until one of them can be reached.
    NoWayThrough {
        /// Which peer.
        operator: OperatorIndex,
    },
    /// A ping came back.
    Ping {
        /// Which peer.
        operator: OperatorIndex,
        /// How long it took.
        rtt: Duration,
        /// Whether the peer opened the connection, and no relay lies between: it can reach this host.
        dialled_in: bool,
    },
    /// Two pings in a row did not come back; their connection is closed.
    PingFailed {
        /// Which peer.
        operator: OperatorIndex,
        /// What happened to the second.
        reason: String,
    },
    /// A message handed to [`crate::Host::send`] did not reach its peer, or nobody can tell.
    SendFailed {
        /// For whom it was.
        to: OperatorIndex,
        /// How it was to travel.
        protocol: &'static str,
        /// What went wrong.
        reason: SendError,
    },
    /// A stream of a peer was cut.
    ReceiveFailed {
        /// Whose stream.
        from: OperatorIndex,
        /// Its protocol.
        protocol: &'static str,
        /// What was wrong with it.
        reason: ReceiveError,
    },
    /// Somebody proved an identity that is no operator's, and was turned away.
    Refused {
        /// That identity, base58.
        peer_id: String,
        /// Where from; a multiaddr.
        address: String,
    },
}

/// Why a message was not delivered, or a request not answered.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum SendError {
    /// The cluster has no such operator, or it is this one.
    #[error("no such peer")]
    UnknownPeer,
    /// This host was not told of that protocol, or it has the other pattern.
    #[error("{protocol} is not a protocol of this host with pattern {pattern:?}")]
    UnknownProtocol {
        /// What was asked for.
        protocol: &'static str,
        /// How it was to be used.
        pattern: Pattern,
    },
    /// Longer than the peer would read.
    #[error("message of {length} bytes, {limit} allowed")]
    TooLong {
        /// Length of the message, bytes.
        length: usize,
        /// Limit of the protocol.
        limit: usize,
    },
    /// This host takes messages slower than they are given.
    #[error("the host is overloaded")]
    Overloaded,
    /// Newer messages to the same peer pushed it out of the queue.
    #[error("displaced by newer messages")]
    Displaced,
    /// There is no connection to the peer, and none is being made.
    #[error("not connected")]
    NotConnected,
    /// The peer did not confirm, or answer, in time.
    #[error("no answer within {budget_ms} ms")]
    TimedOut {
        /// The time it had.
        budget_ms: u64,
    },
    /// The peer does not serve this protocol.
    #[error("not served by the peer")]
    Unsupported,
    /// The stream or its connection was reset, also at the second attempt.
    #[error("reset by the peer")]
    Reset,
    /// The peer closed the stream without an answer.
    #[error("closed without an answer")]
    NoAnswer,
    /// The peer's answer could not be read.
    #[error("bad answer: {0}")]
    BadAnswer(FrameError),
    /// The stream failed in another way.
    #[error("stream failed: {0}")]
    Stream(std::io::ErrorKind),
    /// This host is shutting down.
    #[error("shutting down")]
    ShuttingDown,
}

/// Why a peer's stream was cut.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum ReceiveError {
    /// The peer has as many messages under way as it may; see [`crate::Limits::inbound_per_peer`].
    #[error("too many streams at once")]
    TooManyStreams,
    /// No whole message in time.
    #[error("no message within {budget_ms} ms")]
    TimedOut {
        /// The time it had.
        budget_ms: u64,
    },
    /// This node had no answer in time.
    #[error("unanswered for {budget_ms} ms")]
    Unanswered {
        /// The time we had.
        budget_ms: u64,
    },
    /// What arrived is not a message.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// The way back to the sender of a request.
#[derive(Debug)]
pub struct Reply {
    pub(crate) answer: oneshot::Sender<Vec<u8>>,
}

impl Reply {
    /// Sends the answer. An answer that comes too late, or is longer than the protocol allows, goes nowhere.
    pub fn send(self, bytes: Vec<u8>) {
        // The stream may have ended in the meantime; its end was reported.
        let _ = self.answer.send(bytes);
    }
}

impl fmt::Debug for Event {
    /// Says how long messages are, not what is in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message { from, protocol, bytes } => {
                write!(f, "Message({from}, {protocol}, {} bytes)", bytes.len())
            }
            Self::Request { from, protocol, bytes, .. } => {
                write!(f, "Request({from}, {protocol}, {} bytes)", bytes.len())
            }
            Self::Connected { operator, address } => write!(f, "Connected({operator}, {address})"),
            Self::Disconnected { operator } => write!(f, "Disconnected({operator})"),
            Self::DialFailed { operator, reason, retry_in } => {
                write!(f, "DialFailed({operator}, {reason}, retry in {retry_in:?})")
            }
            Self::Ping { operator, rtt, .. } => write!(f, "Ping({operator}, {rtt:?})"),
            Self::NoWayThrough { operator } => write!(f, "NoWayThrough({operator})"),
            Self::Router(router) => write!(f, "Router({router:?})"),
            Self::PingFailed { operator, reason } => write!(f, "PingFailed({operator}, {reason})"),
            Self::SendFailed { to, protocol, reason } => write!(f, "SendFailed({to}, {protocol}, {reason})"),
            Self::ReceiveFailed { from, protocol, reason } => {
                write!(f, "ReceiveFailed({from}, {protocol}, {reason})")
            }
            Self::Refused { peer_id, address } => write!(f, "Refused({peer_id}, {address})"),
        }
    }
}

/// The application's end of the queue.
///
/// Bounded by the allowances of the peers: a peer whose messages are not taken has its further streams reset, and
/// reports beyond [`crate::Limits::reports_per_peer`] are lost and counted. Nobody waits for the application.
#[derive(Debug)]
pub struct Events {
    receiver: mpsc::UnboundedReceiver<Parcel>,
    lost: Arc<AtomicU64>,
}

impl Events {
    /// The next event; `None` once the host has stopped and everything is taken.
    ///
    /// Dropping the future is safe: no event is lost.
    pub async fn recv(&mut self) -> Option<Event> {
        self.receiver.recv().await.map(|parcel| parcel.event)
    }

    /// Reports lost so far because nobody took the earlier ones. Messages are never lost here.
    pub fn lost_reports(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// The host's end of the queue.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    sender: mpsc::UnboundedSender<Parcel>,
    lost: Arc<AtomicU64>,
}

/// The end of the queue that handles of the host hold: it does not keep a stopped host's queue open.
#[derive(Clone, Debug)]
pub(crate) struct WeakMailbox {
    sender: mpsc::WeakUnboundedSender<Parcel>,
    lost: Arc<AtomicU64>,
}

impl WeakMailbox {
    /// Hands over a report while the host runs.
    pub(crate) fn report(&self, event: Event, place: Option<Permit>) {
        if let Some(sender) = self.sender.upgrade() {
            Mailbox { sender, lost: self.lost.clone() }.report(event, place);
        }
    }
}

/// An event with the permits that bound its number.
#[derive(Debug)]
struct Parcel {
    event: Event,
    _place: Permit,
    _memory: Option<Memory>,
}

impl Mailbox {
    pub(crate) fn new() -> (Self, Events) {
        // Unbounded in type only: every parcel holds a permit of a bounded allowance.
        let (sender, receiver) = mpsc::unbounded_channel();
        let lost = Arc::new(AtomicU64::new(0));
        (Self { sender, lost: lost.clone() }, Events { receiver, lost })
    }

    pub(crate) fn downgrade(&self) -> WeakMailbox {
        WeakMailbox { sender: self.sender.downgrade(), lost: self.lost.clone() }
    }

    /// Hands over a message with what it holds of its sender's allowance.
    pub(crate) fn deliver(&self, event: Event, place: Permit, memory: Memory) {
        // Nobody listens any more only when the application has dropped its end.
        let _ = self.sender.send(Parcel { event, _place: place, _memory: Some(memory) });
    }

    /// Hands over a report, or counts it as lost without a `place`.
    pub(crate) fn report(&self, event: Event, place: Option<Permit>) {
        match place {
            Some(place) => {
                let _ = self.sender.send(Parcel { event, _place: place, _memory: None });
            }
            None => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                tracing::trace!(?event, "report lost");
            }
        }
    }
}
