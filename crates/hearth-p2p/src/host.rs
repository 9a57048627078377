//! Starting a host, and the handle to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use hearth_types::OperatorIndex;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm,
    connection_limits::{self, ConnectionLimits},
    core::upgrade,
    dcutr, identify, ping, relay, swarm,
};
use thiserror::Error;
use tokio::{
    sync::{Mutex, mpsc, oneshot, watch},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    address::{self, AddressFault, InvalidAddress, is_relay_url},
    allowance::Allowance,
    config::{HostConfig, Pattern, PeerConfig, Protocol},
    event::{Event, Events, Mailbox, SendError, WeakMailbox},
    gate::{Gate, KnownRelays},
    identity::{keypair, peer_id},
    net::{Behaviour, Command, Link, Net, Peer, RelayNews, Snapshot, innermost},
    pipe::{Answer, Common, Outgoing, Pipes, ProtocolIndex, Question, Questions},
    relays::{Relay, dials, relay_of, through},
    router::{self, Pace, Router, Whom},
    transport,
};

/// Streams of one connection that have not said yet which protocol they want.
const NEGOTIATING_STREAMS: usize = 128;

/// Streams that may be ordered from a connection before its task has seen the first.
const ORDERS_PER_CONNECTION: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

/// How long a start waits for its listeners to say where they listen.
const LISTENING_PATIENCE: Duration = Duration::from_secs(5);

/// What identify announces beside the agent; the library default of the other implementation, checked by nobody.
pub(crate) const PROTOCOL_VERSION: &str = "ipfs/0.1.0";

/// Why a host could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// The secret key is zero or not below the order of the curve.
    #[error("the identity key is no secp256k1 key")]
    InvalidSecretKey,
    /// The key of a peer is no point on the curve.
    #[error("{operator}: the identity key is no secp256k1 key")]
    InvalidPublicKey {
        /// Whose key.
        operator: OperatorIndex,
    },
    /// Two peers share an index or a key, or a peer has the key of this host.
    #[error("{operator} is listed twice, or shares his identity key with another operator")]
    Duplicate {
        /// The second of them.
        operator: OperatorIndex,
    },
    /// An address of a peer cannot be used.
    #[error("{operator}: {source}")]
    PeerAddress {
        /// Whose address.
        operator: OperatorIndex,
        /// What is wrong.
        source: InvalidAddress,
    },
    /// The address of a relay cannot be used.
    #[error("relay: {0}")]
    RelayAddress(#[source] InvalidAddress),
    /// An address to listen on cannot be used.
    #[error("listening: {0}")]
    ListenAddress(#[from] InvalidAddress),
    /// The system refuses to listen there.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address as given.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// A protocol name without its slash, or twice the same.
    #[error("{id:?} is no protocol name, or is listed twice")]
    InvalidProtocol {
        /// The name.
        id: &'static str,
    },
    /// Some peer is given by name and the system's name servers are unknown.
    #[error("cannot look up host names: {reason}")]
    NameServers {
        /// What the system said.
        reason: String,
    },
}

/// Handle to a running host. Cheap to clone; the host stops when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Host {
    protocols: Arc<[Protocol]>,
    allowances: Arc<BTreeMap<OperatorIndex, Allowance>>,
    strangers: Allowance,
    mailbox: WeakMailbox,
    commands: mpsc::Sender<Command>,
    relay_news: mpsc::UnboundedSender<RelayNews>,
    snapshot: watch::Receiver<Snapshot>,
    peer_id: PeerId,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Starts a host: listens, dials every peer that has an address, and keeps at it until `stop` is cancelled.
///
/// Must run inside a tokio runtime. Returns once every listener has its port. Dropping the future before it is done
/// leaves nothing behind.
pub async fn start(config: HostConfig, stop: CancellationToken) -> Result<(Host, Events), StartError> {
    let HostConfig { secret_key, listen, quic, map_ports, peers, relays, protocols, agent, timing, limits } =
        config;
    let keys = keypair(&secret_key).ok_or(StartError::InvalidSecretKey)?;
    let own_id = keys.public().to_peer_id();
    let listen =
        listen.iter().map(|text| Ok((text.clone(), address::listen(text)?))).collect::<Result<Vec<_>, _>>();
    let listen = listen.map_err(StartError::ListenAddress)?;
    let protocols = named(protocols)?;

    let longest = protocols.iter().map(|(protocol, _)| protocol.max_frame_bytes).max().unwrap_or(0);
    let allowance = || Allowance::new(&limits, longest);
    let by_url = relays.iter().any(|text| is_relay_url(text));
    let relays = relays.iter().filter(|text| !is_relay_url(text)).map(|text| address::of_relay(text));
    let relays = relays.collect::<Result<Vec<_>, _>>().map_err(StartError::RelayAddress)?;
    let mut peers = identified(peers, own_id, allowance)?;
    for (id, peer) in &mut peers {
        if dials(own_id, *id) {
            let circuits = relays.iter().map(|(relay, at)| through(*relay, at));
            peer.addresses.extend(circuits.collect::<Vec<_>>());
        }
    }
    let through_others = peers.values().flat_map(|peer| &peer.addresses).filter_map(relay_of);
    let known_relays = KnownRelays::new(relays.iter().map(|(id, _)| *id).chain(through_others));
    let allowances = peers.values().map(|peer| (peer.operator, peer.allowance.clone())).collect();
    let strangers = allowance();

    let (mailbox, events) = Mailbox::new();
    let weak_mailbox = mailbox.downgrade();
    let served = protocols.iter().map(|(protocol, _)| *protocol).collect();
    let common = Arc::new(Common { protocols, timing, mailbox: mailbox.clone() });
    let connections = TaskTracker::new();
    let (circuits, relay) = relay::client::new(own_id);
    let dialled: Vec<&Multiaddr> =
        peers.values().flat_map(|peer| &peer.addresses).chain(relays.iter().map(|(_, at)| at)).collect();
    // What a URL leads to can be a name.
    let names = by_url || dialled.iter().any(|address| address::needs_name_server(address));
    let transport = transport::of_host(&keys, &timing, circuits, names)?;
    let behaviour = Behaviour {
        gate: Gate::new(peers.keys().copied(), known_relays.clone()),
        limits: connection_limits::Behaviour::new(
            ConnectionLimits::default()
                .with_max_pending_incoming(Some(limits.handshakes))
                .with_max_established_per_peer(Some(limits.connections_per_peer)),
        ),
        identify: identify::Behaviour::new(
            identify::Config::new(PROTOCOL_VERSION.to_owned(), keys.public())
                .with_agent_version(agent)
                .with_interval(timing.identify)
                .with_push_listen_addr_updates(true)
                .with_cache_size(0),
        ),
        ping: ping::Behaviour::new(
            ping::Config::new().with_interval(timing.ping_interval).with_timeout(timing.ping_timeout),
        ),
        pipes: Pipes::new(
            common,
            limits,
            peers.iter().map(|(id, peer)| (*id, peer.operator, peer.allowance.clone())),
            known_relays.clone(),
        ),
        relay,
        punching: dcutr::Behaviour::new(own_id),
    };
    let executor = connections.clone();
    let config = swarm::Config::with_executor(move |task| {
        executor.spawn(task);
    })
    // Written together with the message, the protocol's name costs no round trip.
    .with_substream_upgrade_protocol_override(upgrade::Version::V1Lazy)
    .with_notify_handler_buffer_size(ORDERS_PER_CONNECTION)
    .with_max_negotiating_inbound_streams(NEGOTIATING_STREAMS);
    let mut swarm: Swarm<Behaviour> = Swarm::new(transport, behaviour, own_id, config);
    for (text, address) in &listen {
        swarm
            .listen_on(address.clone())
            .map_err(|error| StartError::Listen { address: text.clone(), reason: innermost(&error) })?;
    }
    // Many homes that IPv4 does not lead to have an address of IPv6 each. A system without it goes on without it.
    let asked: Vec<Multiaddr> = listen.iter().map(|(_, address)| address.clone()).collect();
    let of_ipv6 = asked.iter().filter_map(address::ipv6_beside).filter(|beside| !asked.contains(beside));
    let of_ipv6: Vec<Multiaddr> = of_ipv6.filter(|address| swarm.listen_on(address.clone()).is_ok()).collect();
    if quic {
        for address in asked.iter().chain(&of_ipv6).filter_map(address::quic_beside) {
            // Where UDP is taken or forbidden, TCP does.
            if let Err(error) = swarm.listen_on(address.clone()) {
                tracing::warn!(%address, reason = innermost(&error), "not listening for QUIC");
            }
        }
    }

    let (snapshot, read_snapshot) = watch::channel(Snapshot::default());
    let relays = relays.into_iter().map(|(id, address)| Relay::new(id, vec![address], None)).collect();
    let mut net = Net::new(swarm, (peers, relays, known_relays), strangers.clone(), timing, mailbox, snapshot);
    if timeout(LISTENING_PATIENCE, net.settle(listen.len())).await.is_err() {
        tracing::warn!("some addresses to listen on have no network interface yet");
    }

    let stop = stop.child_token();
    let tasks = TaskTracker::new();
    let (tell_router, router) = watch::channel(Router::default());
    let inside = if map_ports { net.ports_inside() } else { Vec::new() };
    if !inside.is_empty() {
        tasks.spawn(router::keep_open(inside, (Whom::default(), Pace::default()), tell_router, stop.clone()));
    }
    let (commands, taken) = mpsc::channel(limits.commands.max(1));
    let (relay_news, relays_told) = mpsc::unbounded_channel();
    tasks.spawn(net.run(taken, relays_told, router, stop.clone(), connections));
    tasks.close();
    let host = Host {
        protocols: served,
        allowances: Arc::new(allowances),
        strangers,
        mailbox: weak_mailbox,
        commands,
        relay_news,
        snapshot: read_snapshot,
        peer_id: own_id,
        stop,
        tasks,
    };
    Ok((host, events))
}

impl Host {
    /// Sends a one-way message. Never waits; what fails is told by [`Event::SendFailed`].
    ///
    /// The bytes are shared, not copied: a message for many peers is one `Bytes`, cloned.
    pub fn send(&self, to: OperatorIndex, protocol: &'static str, bytes: impl Into<Bytes>) {
        let parcel = Parcel { bytes: bytes.into(), answer: None, questions: None };
        if let Err(reason) = self.order(to, protocol, Pattern::OneWay, parcel) {
            let place = self.allowances.get(&to).unwrap_or(&self.strangers).report();
            self.mailbox.report(Event::SendFailed { to, protocol, reason }, place);
        }
    }

    /// Sends a request and waits for its answer.
    ///
    /// Ends by itself: with the initiator's deadline once a stream is open, with the dial before that. Dropping the
    /// future is safe; the peer may still see the request.
    pub async fn request(
        &self,
        to: OperatorIndex,
        protocol: &'static str,
        bytes: impl Into<Bytes>,
    ) -> Result<Vec<u8>, SendError> {
        let (answer, answered) = oneshot::channel();
        let parcel = Parcel { bytes: bytes.into(), answer: Some(answer), questions: None };
        self.order(to, protocol, Pattern::RequestResponse, parcel)?;
        answered.await.unwrap_or(Err(SendError::ShuttingDown))
    }

    /// Opens a dialogue. Its stream is opened when there is a connection, and once more where it was reset; a dialogue whose
    /// question failed otherwise is over, and another may be opened.
    pub fn open(&self, to: OperatorIndex, protocol: &'static str) -> Result<Dialogue, SendError> {
        let (asks, questions) = mpsc::channel(1);
        let (answer, ended) = oneshot::channel();
        let questions = Some(Arc::new(Mutex::new(questions)));
        let parcel = Parcel { bytes: Bytes::new(), answer: Some(answer), questions };
        let limit = self.order(to, protocol, Pattern::Dialogue, parcel)?;
        Ok(Dialogue { asks, limit, _ended: ended })
    }

    /// Says where a relay is that this host was given by a URL: multiaddrs with the id of one relay. Those that are neither TCP nor
    /// QUIC are passed over.
    ///
    /// Errors: they are not all of one relay, or none can be used.
    pub fn relay_is_at(&self, url: &str, addresses: &[String]) -> Result<(), InvalidAddress> {
        let (mut relay, mut usable) = (None, BTreeSet::new());
        let mut refused = address::of_relay("");
        for text in addresses {
            match address::of_relay(text) {
                Ok((id, _)) if relay.is_some_and(|relay| relay != id) => {
                    return Err(InvalidAddress { text: text.clone(), fault: AddressFault::OtherPeer });
                }
                Ok((id, address)) => {
                    relay = Some(id);
                    usable.insert(address);
                }
                Err(error) => refused = Err(error),
            }
        }
        let Some(id) = relay else { return refused.map(drop) };
        let news = RelayNews { url: url.to_owned(), id, addresses: usable.into_iter().collect() };
        // A host that stops needs no relay.
        let _stopped = self.relay_news.send(news);
        Ok(())
    }

    /// Where this host listens, as multiaddrs with real ports.
    pub fn listen_addresses(&self) -> Vec<String> {
        self.snapshot.borrow().listening.iter().cloned().collect()
    }

    /// How things stand with every peer, now.
    pub fn links(&self) -> BTreeMap<OperatorIndex, Link> {
        self.snapshot.borrow().links.clone()
    }

    /// The peer id of this host, base58.
    pub fn peer_id(&self) -> String {
        self.peer_id.to_base58()
    }

    /// Stops the host and waits until its tasks have ended. Messages already taken get
    /// [`crate::Timing::farewell`] to leave. Also for other handles of the same host; a second call just waits.
    ///
    /// Dropping the future is safe: the host stops all the same.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    fn order(
        &self,
        to: OperatorIndex,
        protocol: &'static str,
        pattern: Pattern,
        Parcel { bytes, answer, questions }: Parcel,
    ) -> Result<usize, SendError> {
        if !self.allowances.contains_key(&to) {
            return Err(SendError::UnknownPeer);
        }
        let unknown = SendError::UnknownProtocol { protocol, pattern };
        let (index, limit) = self.find(protocol, pattern).ok_or(unknown)?;
        if bytes.len() > limit {
            return Err(SendError::TooLong { length: bytes.len(), limit });
        }
        let outgoing = Outgoing { protocol: index, bytes, answer, questions };
        match self.commands.try_send(Command { to, outgoing }) {
            Ok(()) => Ok(limit),
            Err(mpsc::error::TrySendError::Full(_)) => Err(SendError::Overloaded),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(SendError::ShuttingDown),
        }
    }

    fn find(&self, id: &str, pattern: Pattern) -> Option<(ProtocolIndex, usize)> {
        self.protocols.iter().enumerate().find_map(|(index, protocol)| {
            (protocol.id == id && protocol.pattern == pattern).then_some((index, protocol.max_frame_bytes))
        })
    }
}

/// What is handed to the host's task for a peer.
struct Parcel {
    bytes: Bytes,
    answer: Option<Answer>,
    questions: Option<Questions>,
}

/// One stream to a peer on which question after question is asked. Dropping it ends the stream.
#[derive(Debug)]
pub struct Dialogue {
    asks: mpsc::Sender<Question>,
    limit: usize,
    /// Closed with this handle, so that nobody opens a stream for a dialogue that nobody wants any more.
    _ended: oneshot::Receiver<Result<Vec<u8>, SendError>>,
}

impl Dialogue {
    /// Asks a question and waits for its answer, at most for the initiator's deadline once the stream is open.
    ///
    /// Dropping the future is safe; the peer may still see the question, and its answer is lost.
    pub async fn ask(&mut self, bytes: impl Into<Bytes>) -> Result<Vec<u8>, SendError> {
        let (bytes, limit) = (bytes.into(), self.limit);
        if bytes.is_empty() || bytes.len() > limit {
            return Err(SendError::TooLong { length: bytes.len(), limit });
        }
        let (answer, answered) = oneshot::channel();
        let over = |_| SendError::NotConnected;
        self.asks.send(Question { bytes, answer }).await.map_err(over)?;
        answered.await.map_err(|_| SendError::NotConnected)?
    }
}

fn named(protocols: Vec<Protocol>) -> Result<Vec<(Protocol, StreamProtocol)>, StartError> {
    let mut seen = BTreeSet::new();
    let name = |protocol: Protocol| {
        let refused = StartError::InvalidProtocol { id: protocol.id };
        let name = StreamProtocol::try_from_owned(protocol.id.to_owned());
        name.ok().filter(|_| seen.insert(protocol.id)).map(|name| (protocol, name)).ok_or(refused)
    };
    protocols.into_iter().map(name).collect()
}

fn identified(
    configured: Vec<PeerConfig>,
    own_id: PeerId,
    allowance: impl Fn() -> Allowance,
) -> Result<BTreeMap<PeerId, Peer>, StartError> {
    let mut peers = BTreeMap::new();
    let mut operators = BTreeSet::new();
    for PeerConfig { operator, public_key, addresses } in configured {
        let id = peer_id(&public_key).ok_or(StartError::InvalidPublicKey { operator })?;
        let mut reachable = Vec::new();
        for text in &addresses {
            match address::of_peer(text, id) {
                Ok(address) => reachable.push(address),
                Err(source) => return Err(StartError::PeerAddress { operator, source }),
            }
        }
        let is_new = id != own_id && operators.insert(operator);
        if !is_new || peers.insert(id, Peer::new(operator, allowance(), reachable)).is_some() {
            return Err(StartError::Duplicate { operator });
        }
    }
    Ok(peers)
}
