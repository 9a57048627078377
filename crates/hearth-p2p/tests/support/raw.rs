//! A peer that speaks TCP, Noise and yamux and leaves everything above that to the test: it negotiates as go-libp2p does
//! (name, message and end in one go, nothing read before), or misbehaves.

use std::{future::poll_fn, task::Poll};

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::{
    Multiaddr, PeerId, Transport,
    core::{
        Endpoint,
        muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox},
        transport::{Boxed, DialOpts, PortUse},
        upgrade::Version,
    },
    identity, noise, tcp, tls, yamux,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

/// One connection. Dropping it closes the socket without a word.
pub(crate) struct Raw {
    pub(crate) remote: PeerId,
    wanted: mpsc::UnboundedSender<oneshot::Sender<SubstreamBox>>,
    /// Streams opened by the other side, untouched.
    pub(crate) inbound: mpsc::UnboundedReceiver<SubstreamBox>,
    idle: Vec<SubstreamBox>,
    driver: JoinHandle<()>,
}

/// Room for more streams than any bound of a host.
fn many_streams() -> yamux::Config {
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(4096);
    yamux
}

impl Raw {
    pub(crate) async fn dial(keys: &identity::Keypair, address: &str) -> Self {
        let plain = tcp::tokio::Transport::new(tcp::Config::new().nodelay(true)).upgrade(Version::V1Lazy);
        let secured = plain.authenticate(noise::Config::new(keys).unwrap());
        Self::dial_by(secured.multiplex(many_streams()).boxed(), address).await
    }

    /// With TLS, and nothing but TLS.
    pub(crate) async fn dial_with_tls(keys: &identity::Keypair, address: &str) -> Self {
        let plain = tcp::tokio::Transport::new(tcp::Config::new().nodelay(true)).upgrade(Version::V1);
        let secured = plain.authenticate(tls::Config::new(keys).unwrap());
        Self::dial_by(secured.multiplex(many_streams()).boxed(), address).await
    }

    async fn dial_by(mut transport: Boxed<(PeerId, StreamMuxerBox)>, address: &str) -> Self {
        let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
        let address: Multiaddr = address.parse().unwrap();
        let (remote, muxer) = transport.dial(address, options).unwrap().await.unwrap();
        let (wanted, orders) = mpsc::unbounded_channel();
        let (arrived, inbound) = mpsc::unbounded_channel();
        let driver = tokio::spawn(drive(muxer, orders, arrived));
        Self { remote, wanted, inbound, idle: Vec::new(), driver }
    }

    /// A new stream, or `None` once the connection is gone.
    pub(crate) async fn open(&self) -> Option<SubstreamBox> {
        let (give, take) = oneshot::channel();
        self.wanted.send(give).ok()?;
        take.await.ok()
    }

    /// A new stream on which `bytes` were written behind the name of a protocol, and nothing was read.
    pub(crate) async fn open_with(&self, protocol: &str, bytes: &[u8]) -> Option<SubstreamBox> {
        let mut stream = self.open().await?;
        stream.write_all(&[&named(protocol), bytes].concat()).await.ok()?;
        stream.flush().await.ok()?;
        Some(stream)
    }

    /// The next stream of the other side for `protocol`, nothing answered. Others (pings) are kept open in silence.
    pub(crate) async fn offered(&mut self, protocol: &str) -> SubstreamBox {
        loop {
            let mut stream = self.inbound.recv().await.expect("the connection lives");
            let offer = named(protocol);
            let mut said = vec![0; offer.len()];
            if stream.read_exact(&mut said).await.is_ok() && said == offer {
                return stream;
            }
            self.idle.push(stream);
        }
    }

    /// The next stream of the other side for `protocol`, its name agreed to.
    pub(crate) async fn accept(&mut self, protocol: &str) -> SubstreamBox {
        let mut stream = self.offered(protocol).await;
        stream.write_all(&named(protocol)).await.unwrap();
        stream.flush().await.unwrap();
        stream
    }

    /// Waits until the other side has closed the connection.
    pub(crate) async fn closed(&mut self) {
        while self.inbound.recv().await.is_some() {}
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A stream's first bytes: the multistream header and the name of a protocol.
pub(crate) fn named(protocol: &str) -> Vec<u8> {
    let line = |text: &str| [&[u8::try_from(text.len() + 1).unwrap()], text.as_bytes(), b"\n"].concat();
    [line("/multistream/1.0.0"), line(protocol)].concat()
}

/// A message with its length in front.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let mut buffer = unsigned_varint::encode::usize_buffer();
    [unsigned_varint::encode::usize(message.len(), &mut buffer), message].concat()
}

async fn drive(
    mut muxer: StreamMuxerBox,
    mut orders: mpsc::UnboundedReceiver<oneshot::Sender<SubstreamBox>>,
    arrived: mpsc::UnboundedSender<SubstreamBox>,
) {
    let mut order = None;
    poll_fn(|cx| {
        loop {
            if order.is_none()
                && let Poll::Ready(next) = orders.poll_recv(cx)
            {
                order = next;
            }
            if order.is_some() {
                match muxer.poll_outbound_unpin(cx) {
                    Poll::Ready(Ok(stream)) => {
                        let _ = order.take().unwrap().send(stream);
                        continue;
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
            }
            match muxer.poll_inbound_unpin(cx) {
                Poll::Ready(Ok(stream)) => {
                    let _ = arrived.send(stream);
                    continue;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
            return match muxer.poll_unpin(cx) {
                Poll::Ready(Ok(_)) => continue,
                Poll::Ready(Err(_)) => Poll::Ready(()),
                Poll::Pending => Poll::Pending,
            };
        }
    })
    .await;
}
