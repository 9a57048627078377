//! Messages between operators: one per stream and direction, a fresh stream for each.
//!
//! ```text
//! behaviour.rs   what waits for whom, on which connection it leaves, what is tried again
//! outbox.rs      what waits for one peer and protocol
//! handler.rs     the streams of one connection
//! exchange.rs    what happens on one stream
//! ```
//!
//! This is a behaviour of its own, and not libp2p's `request-response`, because that one has a single deadline for both
//! sides, cannot wait for the far end of a one-way message, retries nothing, counts all protocols and both directions
//! of a connection against one bound, drops the newest message at it, and passes every message through the swarm's one
//! task, where the messages of all peers would queue behind each other.

mod behaviour;
mod exchange;
mod handler;
mod outbox;

use std::sync::Arc;

use bytes::Bytes;
use hearth_types::OperatorIndex;
use libp2p::StreamProtocol;
use tokio::sync::{Mutex, mpsc, oneshot};

pub(crate) use behaviour::Pipes;

use crate::{
    allowance::Allowance,
    config::{Protocol, Timing},
    event::{Mailbox, SendError},
};

/// Position of a protocol in the host's list.
pub(crate) type ProtocolIndex = usize;

/// Where the outcome of a request goes; nowhere for one-way messages, whose failures are reported.
pub(crate) type Answer = oneshot::Sender<Result<Vec<u8>, SendError>>;

/// What every connection of this host shares.
#[derive(Debug)]
pub(crate) struct Common {
    /// What is served, in the order of the configuration, with the name libp2p wants.
    pub(crate) protocols: Vec<(Protocol, StreamProtocol)>,
    pub(crate) timing: Timing,
    pub(crate) mailbox: Mailbox,
}

/// The peer at the other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Counterpart {
    pub(crate) operator: OperatorIndex,
    pub(crate) allowance: Allowance,
    pub(crate) common: Arc<Common>,
}

/// One message on its way out, or a stream to be opened for a dialogue.
pub(crate) struct Outgoing {
    pub(crate) protocol: ProtocolIndex,
    pub(crate) bytes: Bytes,
    pub(crate) answer: Option<Answer>,
    pub(crate) questions: Option<Questions>,
}

/// A question of a dialogue, and where its answer goes.
pub(crate) struct Question {
    pub(crate) bytes: Bytes,
    pub(crate) answer: Answer,
}

/// The questions of a dialogue. Shared, so that a stream that was reset can be followed by another; one stream at a time has it.
pub(crate) type Questions = Arc<Mutex<mpsc::Receiver<Question>>>;
