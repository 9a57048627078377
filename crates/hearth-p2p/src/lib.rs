//! Authenticated byte pipes between the operators of one cluster, over libp2p.
//!
//! The application hands over bytes for an operator and gets bytes from operators. This crate knows who sent them and
//! that they are whole; it deliberately does not know what they mean, what a duty is, or how a cluster is made up
//! beyond the list of its operators' keys. It is the only crate that knows libp2p.
//!
//! ```text
//! config.rs      what a host is told at its start
//! host.rs        starting one, and the handle to it
//! net.rs         the task that owns the swarm; dialling, pinging, reporting
//! net/peer.rs    one of the others: addresses and connections
//! net/ways.rs    where peers are, and where this host is
//! gate.rs        only operators get in, and the relays that are used
//! relays.rs      keeping a place at relays, and going through them
//! relay_server.rs  being one
//! reconnect.rs   how long to wait before dialling again
//! pipe/          messages: one per stream, a fresh stream for each
//! frame.rs       how a message lies on a stream
//! allowance.rs   what one peer can make this node hold
//! event.rs       what the application is told
//! router.rs      asking the router at home to let others in
//! transport.rs   TCP, QUIC and circuits
//! address.rs, identity.rs   text and bytes from outside
//! ```
//!
//! What always holds:
//!
//! - **Only operators.** A connection whose handshake did not prove the key of an operator is closed before any
//!   protocol is negotiated on it, whoever opened it. `from` in an [`Event`] is what the handshake proved.
//! - **One message per stream and direction**, its length in front; on the stream of a [`Dialogue`] one after the other. A length is checked against the protocol's limit
//!   before anything is allocated, and memory then follows the bytes that arrive.
//! - **Nobody waits for a slow peer.** [`Host::send`] never waits. Each connection has a task of its own; what a peer
//!   does not take is bounded per peer and protocol, and the oldest message makes room for the newest.
//! - **Every peer has its own allowance** of streams, bytes and reports. What a peer sends is bounded by it until the
//!   application has taken it, and does not narrow any other peer's.
//! - **Every stream ends**: at the latest 5 s after it was opened where we answer (7 s while an answer is being
//!   taken), 7 s where we ask; libp2p gives a stream 10 s before that to name its protocol. The stream of a dialogue has these
//!   for each question, and ends when it was silent for a minute.
//! - **Peers stay connected.** Every connection is pinged once a second, closed when two pings in a row are lost, and a
//!   peer without one is dialled until it answers, at growing intervals.
//! - **Every task has an owner.** [`Host::shutdown`] returns when the host's task and those of its connections ended.
//!
//! What does not hold: delivery. Messages are lost with connections, and a message can arrive twice, since one that
//! meets a reset stream is sent once more. [`Event::SendFailed`] says what is known to be lost.
//!
//! Source of the rules: the wire behaviour of Obol's nodes, spec/obol-p2p.md, sections 1.4, 2, 3, 5 and 9.

mod address;
mod allowance;
mod config;
mod event;
mod frame;
mod gate;
mod host;
mod identity;
mod net;
mod pipe;
mod reconnect;
mod relay_server;
mod relays;
mod router;
mod transport;

pub use address::{
    AddressFault, InvalidAddress, check_listen_address, check_peer_address, check_relay_address, is_relay_url,
};
pub use bytes::Bytes;
pub use config::{HostConfig, Limits, Pattern, PeerConfig, Protocol, Timing};
pub use event::{Event, Events, ReceiveError, Reply, SendError};
pub use frame::{FrameError, Framing, read_frame};
pub use host::{Dialogue, Host, StartError, start};
pub use identity::{InvalidPeerId, peer_id_of, public_key_of};
pub use net::Link;
pub use relay_server::{RelayBounds, RelayEvent, RelayServer, serve_relay};
pub use router::{Opened, Router};
