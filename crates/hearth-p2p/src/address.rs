//! Where to listen and where peers are: text from a person becomes a multiaddr, or an error that quotes it.

use std::net::SocketAddr;

use libp2p::{
    Multiaddr, PeerId,
    multiaddr::{Multiaddr as Parsed, Protocol as Part},
};
use thiserror::Error;

/// An address that this node cannot use.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("address {text:?}: {fault}")]
pub struct InvalidAddress {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub fault: AddressFault,
}

/// What can be wrong with an address.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum AddressFault {
    /// Neither `ip:port` nor `host:port` nor a multiaddr.
    #[error("not of the form ip:port, host:port or /ip4/…/tcp/…")]
    Unreadable,
    /// A multiaddr of something else than a TCP port.
    #[error("only TCP is supported: /ip4, /ip6 or /dns, then /tcp")]
    NotTcp,
    /// Listening needs an interface of this machine, given by its number.
    #[error("listening needs an IP address")]
    NotAnInterface,
    /// Nobody can be reached at port 0.
    #[error("port 0 cannot be dialled")]
    PortZero,
    /// The `/p2p` part names somebody else than the operator it is given for.
    #[error("belongs to another peer than this operator")]
    OtherPeer,
    /// A relay is known by its id.
    #[error("a relay is given as /ip4/…/tcp/…/p2p/<id>, or as https://… of a page that says that")]
    NotARelay,
}

/// Whether it can be listened on.
pub fn check_listen_address(text: &str) -> Result<(), InvalidAddress> {
    listen(text).map(drop)
}

/// Whether it could be where a peer is, whoever that is.
pub fn check_peer_address(text: &str) -> Result<(), InvalidAddress> {
    match of_peer(text, PeerId::random()) {
        Err(InvalidAddress { fault: AddressFault::OtherPeer, .. }) | Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether it could be where a relay is, or a page that says so.
pub fn check_relay_address(text: &str) -> Result<(), InvalidAddress> {
    if is_relay_url(text) { Ok(()) } else { of_relay(text).map(drop) }
}

/// Whether a relay is given by the address of a page that says where it is.
pub fn is_relay_url(text: &str) -> bool {
    let rest = text.trim().strip_prefix("https://").or_else(|| text.trim().strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
}

/// A relay's id and its address without that.
pub(crate) fn of_relay(text: &str) -> Result<(PeerId, Multiaddr), InvalidAddress> {
    let refuse = |fault| InvalidAddress { text: text.to_owned(), fault };
    let mut address = text.trim().parse::<Parsed>().map_err(|_| refuse(AddressFault::NotARelay))?;
    let Some(Part::P2p(id)) = address.pop() else { return Err(refuse(AddressFault::NotARelay)) };
    match parts(&address)[..] {
        [_, Part::Tcp(0)] => Err(refuse(AddressFault::PortZero)),
        [Part::Ip4(_) | Part::Ip6(_) | Part::Dns(_) | Part::Dns4(_) | Part::Dns6(_), Part::Tcp(_)] => {
            Ok((id, address))
        }
        _ => Err(refuse(AddressFault::NotTcp)),
    }
}

/// Where to listen: `ip:port` or `/ip4|ip6/<ip>/tcp/<port>`. Port 0 lets the system choose.
pub(crate) fn listen(text: &str) -> Result<Multiaddr, InvalidAddress> {
    let refuse = |fault| InvalidAddress { text: text.to_owned(), fault };
    let address = if text.starts_with('/') {
        text.parse::<Parsed>().map_err(|_| refuse(AddressFault::Unreadable))?
    } else {
        from_socket(text.parse().map_err(|_| refuse(AddressFault::Unreadable))?)
    };
    match parts(&address)[..] {
        [Part::Ip4(_) | Part::Ip6(_), Part::Tcp(_)] => Ok(address),
        [Part::Dns(_) | Part::Dns4(_) | Part::Dns6(_), Part::Tcp(_)] => {
            Err(refuse(AddressFault::NotAnInterface))
        }
        _ => Err(refuse(AddressFault::NotTcp)),
    }
}

/// Where `peer` is: `ip:port`, `host:port` or a multiaddr, with or without `/p2p/<id>`.
///
/// The result has no `/p2p` part. `None`: a QUIC address, which is well-formed and not for us; address
/// lists shared between implementations contain them.
pub(crate) fn of_peer(text: &str, peer: PeerId) -> Result<Option<Multiaddr>, InvalidAddress> {
    let refuse = |fault| InvalidAddress { text: text.to_owned(), fault };
    let mut address = if text.starts_with('/') {
        text.parse::<Parsed>().map_err(|_| refuse(AddressFault::Unreadable))?
    } else if let Ok(socket) = text.parse() {
        from_socket(socket)
    } else {
        from_host(text).ok_or_else(|| refuse(AddressFault::Unreadable))?
    };
    if let Some(Part::P2p(named)) = address.iter().last() {
        if named != peer {
            return Err(refuse(AddressFault::OtherPeer));
        }
        address.pop();
    }
    match parts(&address)[..] {
        [_, Part::Tcp(0)] => Err(refuse(AddressFault::PortZero)),
        [Part::Ip4(_) | Part::Ip6(_) | Part::Dns(_) | Part::Dns4(_) | Part::Dns6(_), Part::Tcp(_)] => {
            Ok(Some(address))
        }
        [
            Part::Ip4(_) | Part::Ip6(_) | Part::Dns(_) | Part::Dns4(_) | Part::Dns6(_),
            Part::Tcp(_),
            Part::P2p(_),
            Part::P2pCircuit,
        ] => Ok(Some(address)),
        [_, Part::Udp(_), Part::QuicV1 | Part::Quic] => Ok(None),
        _ => Err(refuse(AddressFault::NotTcp)),
    }
}

/// Whether dialling it asks a name server.
pub(crate) fn needs_name_server(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Part::Dns(_) | Part::Dns4(_) | Part::Dns6(_)))
}

fn parts(address: &Multiaddr) -> Vec<Part<'_>> {
    address.iter().collect()
}

fn from_socket(socket: SocketAddr) -> Multiaddr {
    Multiaddr::empty().with(socket.ip().into()).with(Part::Tcp(socket.port()))
}

fn from_host(text: &str) -> Option<Multiaddr> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    // A name of digits and dots alone is a mistyped number, not a host.
    let is_name = !host.is_empty()
        && host.len() <= 253
        && host.chars().all(plain)
        && host.chars().any(|c| c.is_ascii_alphabetic());
    is_name.then(|| Multiaddr::empty().with(Part::Dns(host.into())).with(Part::Tcp(port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::keypair;

    #[test]
    fn listen_addresses_name_an_ip_and_a_tcp_port() {
        for (text, expected) in [
            ("127.0.0.1:3610", Ok("/ip4/127.0.0.1/tcp/3610")),
            ("0.0.0.0:0", Ok("/ip4/0.0.0.0/tcp/0")),
            ("[::1]:3610", Ok("/ip6/::1/tcp/3610")),
            ("/ip4/10.0.0.1/tcp/9000", Ok("/ip4/10.0.0.1/tcp/9000")),
            ("/dns/example.org/tcp/9000", Err(AddressFault::NotAnInterface)),
            ("/ip4/10.0.0.1/udp/9000/quic-v1", Err(AddressFault::NotTcp)),
            ("/ip4/10.0.0.1", Err(AddressFault::NotTcp)),
            ("example.org:3610", Err(AddressFault::Unreadable)),
            ("127.0.0.1", Err(AddressFault::Unreadable)),
            ("/ip4/300.0.0.1/tcp/1", Err(AddressFault::Unreadable)),
            ("", Err(AddressFault::Unreadable)),
        ] {
            let outcome = listen(text).map(|address| address.to_string());
            assert_eq!(outcome, parsed(text, expected), "{text}");
        }
    }

    #[test]
    fn peer_addresses_may_be_sockets_hosts_or_multiaddrs_and_never_name_another_peer() {
        let peer = keypair(&[1; 32]).unwrap().public().to_peer_id();
        let other = keypair(&[2; 32]).unwrap().public().to_peer_id();
        let own = format!("/ip4/10.0.0.1/tcp/9000/p2p/{peer}");
        let foreign = format!("/ip4/10.0.0.1/tcp/9000/p2p/{other}");
        let relayed = format!("/ip4/10.0.0.1/tcp/9000/p2p/{other}/p2p-circuit/p2p/{peer}");
        let long = format!("{}.org:1", "a".repeat(250));
        for (text, expected) in [
            ("10.0.0.1:3610", Ok("/ip4/10.0.0.1/tcp/3610")),
            ("[2001:db8::1]:3610", Ok("/ip6/2001:db8::1/tcp/3610")),
            ("node-1.example.org:3610", Ok("/dns/node-1.example.org/tcp/3610")),
            ("localhost:3610", Ok("/dns/localhost/tcp/3610")),
            ("/dns4/example.org/tcp/1", Ok("/dns4/example.org/tcp/1")),
            (&own, Ok("/ip4/10.0.0.1/tcp/9000")),
            (&foreign, Err(AddressFault::OtherPeer)),
            (&relayed, Ok(&format!("{foreign}/p2p-circuit"))),
            (&format!("{foreign}/p2p-circuit"), Ok(&format!("{foreign}/p2p-circuit"))),
            (&format!("{foreign}/p2p-circuit/p2p/{other}"), Err(AddressFault::OtherPeer)),
            ("/ip4/10.0.0.1/tcp/9000/p2p-circuit", Err(AddressFault::NotTcp)),
            ("10.0.0.1:0", Err(AddressFault::PortZero)),
            ("example.org:0", Err(AddressFault::PortZero)),
            ("10.0.0.1", Err(AddressFault::Unreadable)),
            ("10.0.0.256:3610", Err(AddressFault::Unreadable)),
            ("example.org:99999", Err(AddressFault::Unreadable)),
            ("http://example.org:80", Err(AddressFault::Unreadable)),
            ("exa mple.org:80", Err(AddressFault::Unreadable)),
            (&long, Err(AddressFault::Unreadable)),
            ("/tcp/9000", Err(AddressFault::NotTcp)),
            ("/dnsaddr/example.org", Err(AddressFault::NotTcp)),
        ] {
            let outcome = of_peer(text, peer).map(|address| address.unwrap().to_string());
            assert_eq!(outcome, parsed(text, expected), "{text}");
        }
        assert_eq!(of_peer("/ip4/10.0.0.1/udp/9000/quic-v1", peer), Ok(None));
    }

    #[test]
    fn a_relay_is_given_with_its_id() {
        let id = keypair(&[2; 32]).unwrap().public().to_peer_id();
        for (text, expected) in [
            (format!("/ip4/10.0.0.1/tcp/9000/p2p/{id}"), Ok("/ip4/10.0.0.1/tcp/9000")),
            (format!(" /dns/relay.example.org/tcp/1/p2p/{id} "), Ok("/dns/relay.example.org/tcp/1")),
            ("10.0.0.1:9000".into(), Err(AddressFault::NotARelay)),
            ("/ip4/10.0.0.1/tcp/9000".into(), Err(AddressFault::NotARelay)),
            (format!("/ip4/10.0.0.1/tcp/0/p2p/{id}"), Err(AddressFault::PortZero)),
            (format!("/ip4/10.0.0.1/udp/9000/quic-v1/p2p/{id}"), Err(AddressFault::NotTcp)),
        ] {
            let found = of_relay(&text).map(|(named, address)| {
                assert_eq!(named, id);
                address.to_string()
            });
            assert_eq!(found, parsed(&text, expected), "{text}");
        }
    }

    fn parsed(text: &str, expected: Result<&str, AddressFault>) -> Result<String, InvalidAddress> {
        expected.map(str::to_owned).map_err(|fault| InvalidAddress { text: text.to_owned(), fault })
    }
}
