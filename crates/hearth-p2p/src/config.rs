//! What a host is told once, at its start.

use std::time::Duration;

use hearth_types::OperatorIndex;
use zeroize::Zeroizing;

/// One kind of message and how it travels.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Protocol {
    /// Name on the wire; starts with a slash.
    pub id: &'static str,
    /// Longest message, in bytes, that is sent or read, in either direction.
    pub max_frame_bytes: usize,
    /// Whether an answer comes back.
    pub pattern: Pattern,
}

/// Who writes on a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pattern {
    /// The initiator alone, one message.
    OneWay,
    /// The initiator, then the responder, one message each.
    RequestResponse,
    /// The initiator asks again and again on one stream, and each question is answered before the next. Lengths are 8 bytes,
    /// little-endian; no message is empty.
    ///
    /// Source: `obol-dkg.md` 2.1.
    Dialogue,
}

/// One of the other operators.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerConfig {
    /// His place in the cluster.
    pub operator: OperatorIndex,
    /// His identity: compressed secp256k1 key.
    pub public_key: [u8; 33],
    /// Where he may be: `ip:port`, `host:port` or a multiaddr, with or without `/p2p/<id>`; through a relay it is
    /// `/…/tcp/…/p2p/<id of the relay>/p2p-circuit`. May be empty: then he has to come to us, or both meet at a relay.
    pub addresses: Vec<String>,
}

/// Everything a host needs.
pub struct HostConfig {
    /// Identity of this operator: secp256k1 scalar, big-endian.
    pub secret_key: Zeroizing<[u8; 32]>,
    /// Where to listen: `ip:port` or `/ip4|ip6/<ip>/tcp/<port>`; port 0 lets the system choose. May be
    /// empty: then this node only dials.
    pub listen: Vec<String>,
    /// Whether QUIC is listened for as well, at the same ports by UDP.
    pub quic: bool,
    /// Whether the router at home is asked to let others in at those ports.
    pub map_ports: bool,
    /// The other operators.
    pub peers: Vec<PeerConfig>,
    /// Relays through which this host can be reached, and goes to peers: `/ip4/…/tcp/…/p2p/<id of the relay>`; or `https://…`,
    /// where the caller finds out what is behind it and says so with [`crate::Host::relay_is_at`].
    pub relays: Vec<String>,
    /// The protocols that are served, and the only ones that can be sent.
    pub protocols: Vec<Protocol>,
    /// How this software calls itself towards peers, `hearth/<version>`. Nobody relies on it.
    pub agent: String,
    /// Deadlines and intervals.
    pub timing: Timing,
    /// Bounds on what peers can make this node hold.
    pub limits: Limits,
}

/// Deadlines and intervals. The defaults are what the cluster's other implementations use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timing {
    /// Reading a message and handling it, from the opening of the stream.
    pub responder: Duration,
    /// Writing a message and, where one is due, reading the answer, from the opening of the stream.
    pub initiator: Duration,
    /// From a reset stream to the one further attempt.
    pub retry: Duration,
    /// How long a dialogue may be silent before its stream is closed.
    pub silence: Duration,
    /// Between pings.
    pub ping_interval: Duration,
    /// Until a ping counts as lost. Two lost pings in a row close the connection.
    pub ping_timeout: Duration,
    /// First wait before dialling a lost peer again; later waits grow by 1.6.
    pub redial_first: Duration,
    /// Longest wait before dialling again, before jitter.
    pub redial_longest: Duration,
    /// First wait before a peer is looked for directly that is connected through a relay only; later waits double.
    pub direct_retry: Duration,
    /// Between two times that connected peers tell each other where they are.
    pub identify: Duration,
    /// Reaching an address, name lookup and handshake included.
    pub handshake: Duration,
    /// How long a shutdown waits for messages already taken to leave.
    pub farewell: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            responder: Duration::from_secs(5),
            initiator: Duration::from_secs(7),
            retry: Duration::from_millis(100),
            silence: Duration::from_secs(60),
            ping_interval: Duration::from_secs(1),
            // As long as a responder has for a message: on a slower connection no message arrives in time.
            ping_timeout: Duration::from_secs(5),
            redial_first: Duration::from_secs(1),
            redial_longest: Duration::from_secs(30),
            direct_retry: Duration::from_secs(10),
            identify: Duration::from_secs(60),
            handshake: Duration::from_secs(10),
            farewell: Duration::from_secs(1),
        }
    }
}

/// Bounds on what peers can make this node hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Inbound messages of one peer that are being read, waiting to be taken or being answered.
    /// Further streams are reset.
    pub inbound_per_peer: usize,
    /// Bytes of one peer's inbound messages held at once; raised to twice the longest frame.
    pub inbound_bytes_per_peer: usize,
    /// Reports about one peer (see [`crate::Event`]) waiting to be taken. Further ones are counted and lost.
    pub reports_per_peer: usize,
    /// Streams open at once to one peer for one protocol.
    pub outbound_streams: usize,
    /// Messages waiting for one of those streams. One more pushes out the oldest.
    pub outbound_queue: usize,
    /// Messages handed to [`crate::Host`] and not yet seen by its task.
    pub commands: usize,
    /// Connections held to one peer at once.
    pub connections_per_peer: u32,
    /// Strangers in the middle of a handshake.
    pub handshakes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A slot costs a peer some tens of messages; this leaves room for a pause of several seconds.
            inbound_per_peer: 256,
            inbound_bytes_per_peer: 256 << 20,
            reports_per_peer: 64,
            outbound_streams: 64,
            outbound_queue: 128,
            commands: 1024,
            // One each way, and one more each way while the loss of those is not noticed yet. Each lets a peer fill
            // some hundred streams with 256 KiB that nobody has asked for yet.
            connections_per_peer: 4,
            handshakes: 256,
        }
    }
}
