//! Where to listen and where peers are: text from a person becomes a multiaddr, or an error that quotes it.

use std::net::{Ipv6Addr, SocketAddr};

use libp2p::{
    Multiaddr, PeerId,
    multiaddr::{Multiaddr as Parsed, Protocol as Part},
};
use thiserror::Error;

use crate::router::Inside;

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
    /// A multiaddr of something else than a port for TCP or QUIC.
    #[error("only TCP and QUIC are supported: /ip4, /ip6 or /dns, then /tcp/… or /udp/…/quic-v1")]
    NoTransport,
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
    match host_and_port(&parts(&address)) {
        Some((_, 0, [])) => Err(refuse(AddressFault::PortZero)),
        Some((_, _, [])) => Ok((id, address)),
        _ => Err(refuse(AddressFault::NoTransport)),
    }
}

/// Host and port that an address begins with, and what follows.
fn host_and_port<'p, 'a>(parts: &'p [Part<'a>]) -> Option<(&'p Part<'a>, u16, &'p [Part<'a>])> {
    let (host, rest) = parts.split_first()?;
    matches!(host, Part::Ip4(_) | Part::Ip6(_) | Part::Dns(_) | Part::Dns4(_) | Part::Dns6(_)).then_some(())?;
    match rest {
        [Part::Tcp(port), rest @ ..] | [Part::Udp(port), Part::QuicV1, rest @ ..] => Some((host, *port, rest)),
        _ => None,
    }
}

/// The same address and port number by QUIC, of one for TCP.
pub(crate) fn quic_beside(listen: &Multiaddr) -> Option<Multiaddr> {
    match parts(listen)[..] {
        [ref host, Part::Tcp(port)] => {
            Some(Multiaddr::empty().with(host.clone()).with(Part::Udp(port)).with(Part::QuicV1))
        }
        _ => None,
    }
}

/// Every address of IPv6 at the same port, of an address that is every one of IPv4.
pub(crate) fn ipv6_beside(listen: &Multiaddr) -> Option<Multiaddr> {
    match parts(listen)[..] {
        [Part::Ip4(ip), Part::Tcp(port @ 1..)] if ip.is_unspecified() => {
            Some(Multiaddr::empty().with(Part::Ip6(Ipv6Addr::UNSPECIFIED)).with(Part::Tcp(port)))
        }
        _ => None,
    }
}

/// Where a peer says that it is: whether it is worth trying. `near`: whether it is on this machine.
pub(crate) fn is_worth_dialling(address: &Multiaddr, near: bool) -> bool {
    match host_and_port(&parts(address)) {
        Some((Part::Ip4(ip), port, [])) => port > 0 && !ip.is_unspecified() && (near || !ip.is_loopback()),
        Some((Part::Ip6(ip), port, [])) => {
            // Addresses of the link are good for nothing without the name of the interface.
            let local = ip.is_unicast_link_local() || ip.is_loopback() && !near;
            port > 0 && !ip.is_unspecified() && !local
        }
        Some((_, port, [])) => port > 0,
        _ => false,
    }
}

/// The port of this computer that an address names.
pub(crate) fn port_of(address: &Multiaddr) -> Option<Inside> {
    match parts(address)[..] {
        [Part::Ip4(_), Part::Tcp(port)] => Some(Inside { port, udp: false }),
        [Part::Ip4(_), Part::Udp(port), Part::QuicV1] => Some(Inside { port, udp: true }),
        _ => None,
    }
}

/// An address and port that lead here.
pub(crate) fn from_port(at: SocketAddr, udp: bool) -> Multiaddr {
    let tcp = from_socket(at);
    if udp { quic_beside(&tcp).unwrap_or(tcp) } else { tcp }
}

/// Whether an address is of this machine itself.
pub(crate) fn is_loopback(address: &Multiaddr) -> bool {
    address.iter().next().is_some_and(|host| match host {
        Part::Ip4(ip) => ip.is_loopback(),
        Part::Ip6(ip) => ip.is_loopback(),
        _ => false,
    })
}

/// Where to listen: `ip:port` (TCP) or `/ip4|ip6/<ip>/tcp/<port>` or `/ip4|ip6/<ip>/udp/<port>/quic-v1`. Port 0 lets the system choose.
pub(crate) fn listen(text: &str) -> Result<Multiaddr, InvalidAddress> {
    let refuse = |fault| InvalidAddress { text: text.to_owned(), fault };
    let address = if text.starts_with('/') {
        text.parse::<Parsed>().map_err(|_| refuse(AddressFault::Unreadable))?
    } else {
        from_socket(text.parse().map_err(|_| refuse(AddressFault::Unreadable))?)
    };
    match host_and_port(&parts(&address)) {
        Some((Part::Ip4(_) | Part::Ip6(_), _, [])) => Ok(address),
        Some((_, _, [])) => Err(refuse(AddressFault::NotAnInterface)),
        _ => Err(refuse(AddressFault::NoTransport)),
    }
}

/// Where `peer` is: `ip:port`, `host:port` or a multiaddr, with or without `/p2p/<id>`.
///
/// The result has no `/p2p` part.
pub(crate) fn of_peer(text: &str, peer: PeerId) -> Result<Multiaddr, InvalidAddress> {
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
    match host_and_port(&parts(&address)) {
        Some((_, 0, _)) => Err(refuse(AddressFault::PortZero)),
        Some((_, _, [] | [Part::P2p(_), Part::P2pCircuit])) => Ok(address),
        _ => Err(refuse(AddressFault::NoTransport)),
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
            ("/ip4/10.0.0.1/udp/9000/quic-v1", Ok("/ip4/10.0.0.1/udp/9000/quic-v1")),
            ("/ip4/10.0.0.1/udp/9000/quic", Err(AddressFault::NoTransport)),
            ("/ip4/10.0.0.1", Err(AddressFault::NoTransport)),
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
            ("/ip4/10.0.0.1/tcp/9000/p2p-circuit", Err(AddressFault::NoTransport)),
            ("/ip4/10.0.0.1/udp/9000/quic-v1", Ok("/ip4/10.0.0.1/udp/9000/quic-v1")),
            ("/ip4/10.0.0.1/udp/0/quic-v1", Err(AddressFault::PortZero)),
            ("/ip4/10.0.0.1/udp/9000", Err(AddressFault::NoTransport)),
            ("10.0.0.1:0", Err(AddressFault::PortZero)),
            ("example.org:0", Err(AddressFault::PortZero)),
            ("10.0.0.1", Err(AddressFault::Unreadable)),
            ("10.0.0.256:3610", Err(AddressFault::Unreadable)),
            ("example.org:99999", Err(AddressFault::Unreadable)),
            ("http://example.org:80", Err(AddressFault::Unreadable)),
            ("exa mple.org:80", Err(AddressFault::Unreadable)),
            (&long, Err(AddressFault::Unreadable)),
            ("/tcp/9000", Err(AddressFault::NoTransport)),
            ("/dnsaddr/example.org", Err(AddressFault::NoTransport)),
        ] {
            let outcome = of_peer(text, peer).map(|address| address.to_string());
            assert_eq!(outcome, parsed(text, expected), "{text}");
        }
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
            (format!("/ip4/10.0.0.1/udp/9000/quic-v1/p2p/{id}"), Ok("/ip4/10.0.0.1/udp/9000/quic-v1")),
            (format!("/ip4/10.0.0.1/udp/9000/p2p/{id}"), Err(AddressFault::NoTransport)),
        ] {
            let found = of_relay(&text).map(|(named, address)| {
                assert_eq!(named, id);
                address.to_string()
            });
            assert_eq!(found, parsed(&text, expected), "{text}");
        }
    }

    #[test]
    fn what_a_peer_says_of_itself_is_tried_only_where_it_can_lead_anywhere() {
        for (address, far, near) in [
            ("/ip4/192.0.2.1/tcp/3610", true, true),
            ("/ip4/192.168.1.7/udp/3610/quic-v1", true, true),
            ("/ip6/2001:db8::1/tcp/3610", true, true),
            ("/dns/home.example/tcp/3610", true, true),
            ("/ip4/127.0.0.1/tcp/3610", false, true),
            ("/ip6/::1/tcp/3610", false, true),
            ("/ip6/fe80::1/tcp/3610", false, false),
            ("/ip4/0.0.0.0/tcp/3610", false, false),
            ("/ip4/192.0.2.1/tcp/0", false, false),
            ("/ip4/192.0.2.1/udp/3610", false, false),
            ("/ip4/192.0.2.1/tcp/3610/ws", false, false),
        ] {
            let address: Multiaddr = address.parse().unwrap();
            assert_eq!(
                (is_worth_dialling(&address, false), is_worth_dialling(&address, true)),
                (far, near),
                "{address}"
            );
        }
        let relayed = format!("/ip4/192.0.2.1/tcp/1/p2p/{}/p2p-circuit", PeerId::random());
        assert!(!is_worth_dialling(&relayed.parse().unwrap(), true));
    }

    #[test]
    fn quic_is_listened_for_beside_tcp_at_the_same_port() {
        let beside = |text: &str| quic_beside(&text.parse().unwrap()).map(|address| address.to_string());
        assert_eq!(beside("/ip4/0.0.0.0/tcp/3610").as_deref(), Some("/ip4/0.0.0.0/udp/3610/quic-v1"));
        assert_eq!(beside("/ip4/0.0.0.0/udp/3610/quic-v1"), None);
    }

    fn parsed(text: &str, expected: Result<&str, AddressFault>) -> Result<String, InvalidAddress> {
        expected.map(str::to_owned).map_err(|fault| InvalidAddress { text: text.to_owned(), fault })
    }
}
