//! How bytes get from one host to another: TCP with Noise or TLS and yamux, QUIC, and circuits through relays.
//!
//! QUIC is another way to the same peers: it gets through routers that TCP does not, and a lost packet holds back one message
//! instead of all. Nobody needs it; where UDP is blocked, TCP is used.

use either::Either as WhichError;
use futures::future::{BoxFuture, Either};
use futures::{AsyncRead, AsyncWrite, FutureExt, TryFutureExt};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::{
    self, InboundConnectionUpgrade, OutboundConnectionUpgrade, SelectUpgrade, UpgradeInfo,
};
use libp2p::{PeerId, Transport, dns, identity, noise, quic, relay, tcp, tls, yamux};

use crate::config::Timing;
use crate::host::StartError;

/// Streams of one connection, both directions. Every message is a stream; the library's default (512) is less than
/// what we allow ourselves and a peer together.
const STREAMS_PER_CONNECTION: u32 = 2048;

/// Peers with what their connections carry.
type Whole = Boxed<(PeerId, StreamMuxerBox)>;

/// What an operator's host reaches and is reached by. `names`: whether addresses may be names, which the system's servers know.
pub(crate) fn of_host(
    keys: &identity::Keypair,
    timing: &Timing,
    circuits: relay::client::Transport,
    names: bool,
) -> Result<Whole, StartError> {
    // Looking up names takes any address for its own, so it stands around all that dials, and last.
    let direct = named(either(quic(keys, timing), secured(tcp(), keys, timing)?), names)?;
    Ok(either(secured(circuits, keys, timing)?, direct))
}

/// The same without circuits: a relay's own.
pub(crate) fn of_relay(keys: &identity::Keypair, timing: &Timing) -> Result<Whole, StartError> {
    Ok(either(quic(keys, timing), secured(tcp(), keys, timing)?))
}

fn tcp() -> tcp::tokio::Transport {
    // Messages are small and late ones are lost: nothing waits to be joined by more.
    tcp::tokio::Transport::new(tcp::Config::new().nodelay(true))
}

fn quic(keys: &identity::Keypair, timing: &Timing) -> Whole {
    let mut config = quic::Config::new(keys);
    config.handshake_timeout = timing.handshake;
    config.max_concurrent_stream_limit = STREAMS_PER_CONNECTION;
    quic::tokio::Transport::new(config).map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer))).boxed()
}

fn either<A, B>(one: A, other: B) -> Whole
where
    A: Transport<Output = (PeerId, StreamMuxerBox)> + Send + Unpin + 'static,
    A::Error: Send + Sync + 'static,
    A::Dial: Send + 'static,
    A::ListenerUpgrade: Send + 'static,
    B: Transport<Output = (PeerId, StreamMuxerBox)> + Send + Unpin + 'static,
    B::Error: Send + Sync + 'static,
    B::Dial: Send + 'static,
    B::ListenerUpgrade: Send + 'static,
{
    let same = |output, _| match output {
        Either::Left(connection) | Either::Right(connection) => connection,
    };
    one.or_transport(other).map(same).boxed()
}

fn named<T: Transport>(inner: T, names: bool) -> Result<dns::tokio::Transport<T>, StartError> {
    if names {
        return dns::tokio::Transport::system(inner)
            .map_err(|error| StartError::NameServers { reason: error.to_string() });
    }
    // Nobody will be asked; a machine without name servers can still reach numbers.
    let nobody = dns::ResolverConfig::from_name_servers(Vec::new());
    Ok(dns::tokio::Transport::custom(inner, nobody, dns::ResolverOpts::default()))
}

/// Noise is offered first: that is what every implementation of the cluster speaks.
fn secured<T>(plain: T, keys: &identity::Keypair, timing: &Timing) -> Result<Whole, StartError>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T::Error: Send + Sync + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
{
    let noise = noise::Config::new(keys).map_err(|_| StartError::InvalidSecretKey)?;
    let tls = tls::Config::new(keys).map_err(|_| StartError::InvalidSecretKey)?;
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(STREAMS_PER_CONNECTION as usize);
    Ok(plain
        .upgrade(upgrade::Version::V1Lazy)
        .authenticate(Security(SelectUpgrade::new(noise, tls)))
        .multiplex(yamux)
        .timeout(timing.handshake)
        .boxed())
}

/// Noise or TLS, whatever both sides have.
#[derive(Clone)]
struct Security(SelectUpgrade<noise::Config, tls::Config>);

type Secured<C> = (PeerId, Either<noise::Output<C>, tls::TlsStream<C>>);

fn proved<N, T>(output: Either<(PeerId, N), (PeerId, T)>) -> (PeerId, Either<N, T>) {
    match output {
        Either::Left((peer, stream)) => (peer, Either::Left(stream)),
        Either::Right((peer, stream)) => (peer, Either::Right(stream)),
    }
}

impl UpgradeInfo for Security {
    type Info = <SelectUpgrade<noise::Config, tls::Config> as UpgradeInfo>::Info;
    type InfoIter = <SelectUpgrade<noise::Config, tls::Config> as UpgradeInfo>::InfoIter;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.protocol_info()
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin + Send + 'static> InboundConnectionUpgrade<C> for Security {
    type Output = Secured<C>;
    type Error = WhichError<noise::Error, tls::UpgradeError>;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, socket: C, info: Self::Info) -> Self::Future {
        InboundConnectionUpgrade::upgrade_inbound(self.0, socket, info).map_ok(proved).boxed()
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin + Send + 'static> OutboundConnectionUpgrade<C> for Security {
    type Output = Secured<C>;
    type Error = WhichError<noise::Error, tls::UpgradeError>;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, socket: C, info: Self::Info) -> Self::Future {
        OutboundConnectionUpgrade::upgrade_outbound(self.0, socket, info).map_ok(proved).boxed()
    }
}
