//! Asking the router at home to let others in: a port of its own that it passes on to this computer (UPnP, PCP or NAT-PMP).
//!
//! Whether others come in by it is another question; the proof is a connection that a peer opens.
//!
//! The router is asked again and again: for its address, which its provider may change at any time, and to keep the ports open, which
//! it forgets when it is started again. What it says is believed no further than that it is told to peers, who find out by themselves.

mod pcp;
mod upnp;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use igd_next::SearchOptions;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use pcp::Pcp;
use upnp::Upnp;

/// How long a router keeps a port open that nobody asks for again.
const LEASE_S: u32 = 3_600;
/// How long a router may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known of the router between this computer and the others.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Router {
    /// It is not asked.
    #[default]
    NotAsked,
    /// It is being looked for.
    Looking,
    /// None answers: there is none, or it does not let programs open ports.
    Silent,
    /// It does not open a port, for this reason.
    Refuses(String),
    /// It opens ports, but stands behind another router itself, whose address nobody outside reaches.
    Nested(IpAddr),
    /// It passes these ports on.
    Open(Vec<Opened>),
}

/// A port of the router's that leads here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Opened {
    /// Where others find it.
    pub outside: SocketAddr,
    /// Whether it is for UDP.
    pub udp: bool,
}

/// How often a router is bothered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Between two times that its address is asked for.
    pub(crate) look: Duration,
    /// Between two times that it is asked to keep the ports open.
    pub(crate) renew: Duration,
    /// Longest pause between two searches for one that does not answer.
    pub(crate) longest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let (look, renew, longest) = (30, 300, 600);
        Self {
            look: Duration::from_secs(look),
            renew: Duration::from_secs(renew),
            longest: Duration::from_secs(longest),
        }
    }
}

/// A port of this computer's.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Inside {
    pub(crate) port: u16,
    pub(crate) udp: bool,
}

/// Where routers are looked for.
pub(crate) struct Whom {
    /// How to call for one that speaks UPnP.
    pub(crate) search: Box<dyn Fn() -> SearchOptions + Send + Sync>,
    /// Where everything is sent that is for outside: a router that speaks PCP is there.
    pub(crate) gateway: Box<dyn Fn() -> Option<IpAddr> + Send + Sync>,
}

impl Default for Whom {
    fn default() -> Self {
        Self { search: Box::new(SearchOptions::default), gateway: Box::new(default_gateway) }
    }
}

/// What the system says of it.
fn default_gateway() -> Option<IpAddr> {
    let gateway = netdev::get_default_gateway().ok()?;
    gateway.ipv4.first().map(|ip| IpAddr::V4(*ip))
}

/// Keeps these ports open until `stop`, and says how it stands.
pub(crate) async fn keep_open(
    ports: Vec<Inside>,
    (whom, pace): (Whom, Pace),
    view: watch::Sender<Router>,
    stop: CancellationToken,
) {
    let mut pause = pace.look;
    let mut held: Option<Held> = None;
    view.send_replace(Router::Looking);
    loop {
        let turn = async {
            if held.is_none() {
                held = Held::find(&whom).await;
            }
            match &mut held {
                Some(router) => router.look(&ports, pace.renew).await,
                None => Router::Silent,
            }
        };
        let found = tokio::select! {
            found = turn => found,
            () = stop.cancelled() => break,
        };
        // A router that has no answer any more may be another one now.
        let lost = matches!(found, Router::Silent | Router::Refuses(_));
        pause = if lost { (pause * 2).min(pace.longest) } else { pace.look };
        if lost {
            held = None;
        }
        view.send_if_modified(|shown| {
            let changed = *shown != found;
            if changed {
                tracing::info!(router = ?found, "the router at home");
                *shown = found;
            }
            changed
        });
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => break,
        }
    }
    if let Some(router) = held {
        router.give_back().await;
    }
}

/// A router that is there, and how it is asked.
enum Held {
    Upnp(Upnp),
    Pcp(Pcp),
}

impl Held {
    /// Looks for one: most routers in homes speak UPnP, those of Apple and many with free software PCP or its elder, NAT-PMP.
    async fn find(whom: &Whom) -> Option<Self> {
        if let Some(found) = Upnp::find((whom.search)()).await {
            return Some(Self::Upnp(found));
        }
        (whom.gateway)().and_then(Pcp::at).map(Self::Pcp)
    }

    /// Asks for its address, and to open the ports where it is time.
    async fn look(&mut self, ports: &[Inside], renew: Duration) -> Router {
        match self {
            Self::Upnp(router) => router.look(ports, renew).await,
            Self::Pcp(router) => router.look(ports).await,
        }
    }

    /// Closes the ports. A router that does not answer forgets them within the hour.
    async fn give_back(self) {
        match self {
            Self::Upnp(router) => router.give_back().await,
            Self::Pcp(router) => router.give_back().await,
        }
    }
}

/// What became of asking for each port: one port of two is a way in.
fn outcome(opened: Vec<Opened>, refused: Option<String>) -> Router {
    match refused {
        Some(reason) if opened.is_empty() => Router::Refuses(reason),
        _ => Router::Open(opened),
    }
}

/// Our own address in the network in which the router is. Nothing is sent.
fn address_towards(router: SocketAddr) -> std::io::Result<IpAddr> {
    let any: IpAddr = if router.is_ipv4() { [0, 0, 0, 0].into() } else { [0_u16; 8].into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(router)?;
    Ok(socket.local_addr()?.ip())
}

/// Whether others reach an address from anywhere.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0b1100_0000 == 64; // RFC 6598, providers' NAT
            !(shared || ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified())
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
#[path = "../tests/support/home_router.rs"]
mod home_router;

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::home_router::{HomeRouter, Manner};
    use super::*;

    async fn comes_to(view: &mut watch::Receiver<Router>, wanted: impl Fn(&Router) -> bool) -> Router {
        let wait = view.wait_for(|router| wanted(router));
        timeout(Duration::from_secs(20), wait).await.expect("in time").expect("it is asked").clone()
    }

    fn asks(router: &HomeRouter) -> (watch::Receiver<Router>, CancellationToken, tokio::task::JoinHandle<()>) {
        let (tell, view) = watch::channel(Router::NotAsked);
        let stop = CancellationToken::new();
        let often = Duration::from_millis(20);
        let often = Pace { look: often, renew: often * 3, longest: often };
        let ports = vec![Inside { port: 3610, udp: false }, Inside { port: 3610, udp: true }];
        let whom = Whom { search: Box::new(router.search()), gateway: Box::new(|| None) };
        let task = tokio::spawn(keep_open(ports, (whom, often), tell, stop.clone()));
        (view, stop, task)
    }

    #[tokio::test]
    async fn a_router_opens_the_ports_and_closes_them_when_nobody_needs_them_any_more() {
        let router = HomeRouter::start(Manner::Opens).await;
        let (mut view, stop, task) = asks(&router);
        let found = comes_to(&mut view, |router| matches!(router, Router::Open(_))).await;
        let outside = "203.0.113.7:3610".parse().unwrap();
        let expected = [Opened { outside, udp: false }, Opened { outside, udp: true }];
        assert_eq!(found, Router::Open(expected.to_vec()));
        assert_eq!(router.open_ports(), ["TCP 3610 -> 127.0.0.1:3610", "UDP 3610 -> 127.0.0.1:3610"]);
        stop.cancel();
        task.await.unwrap();
        assert!(router.open_ports().is_empty());
    }

    #[tokio::test]
    async fn where_the_port_is_somebody_elses_another_is_taken() {
        let router = HomeRouter::start(Manner::IsInUse).await;
        let (mut view, _stop, _task) = asks(&router);
        let Router::Open(opened) = comes_to(&mut view, |router| matches!(router, Router::Open(_))).await else {
            panic!("it opens");
        };
        assert!(opened.iter().all(|opened| opened.outside.port() != 3610), "{opened:?}");
    }

    #[tokio::test]
    async fn a_router_that_opens_ports_for_tcp_alone_lets_others_in_by_that() {
        let router = HomeRouter::start(Manner::RefusesUdp).await;
        let (mut view, _stop, _task) = asks(&router);
        let outside = "203.0.113.7:3610".parse().unwrap();
        let tcp = Router::Open(vec![Opened { outside, udp: false }]);
        comes_to(&mut view, |router| *router == tcp).await;
    }

    #[tokio::test]
    async fn a_router_behind_a_router_one_that_refuses_and_none_at_all_are_told_apart() {
        let nested = HomeRouter::start(Manner::IsNested).await;
        let (mut view, _stop, _task) = asks(&nested);
        comes_to(&mut view, |router| *router == Router::Nested([100, 64, 3, 2].into())).await;
        let strict = HomeRouter::start(Manner::Refuses).await;
        let (mut view, _stop, _task) = asks(&strict);
        comes_to(&mut view, |router| matches!(router, Router::Refuses(why) if !why.is_empty())).await;
        let none = HomeRouter::start(Manner::IsAway).await;
        let (mut view, _stop, _task) = asks(&none);
        comes_to(&mut view, |router| *router == Router::Silent).await;
    }

    #[tokio::test]
    async fn a_lease_that_the_router_forgot_is_taken_again_and_a_new_address_is_told() {
        let router = HomeRouter::start(Manner::Opens).await;
        let (mut view, _stop, _task) = asks(&router);
        comes_to(&mut view, |router| matches!(router, Router::Open(_))).await;
        router.gets_address([198, 51, 100, 9]);
        let there = |router: &Router| match router {
            Router::Open(opened) => opened.iter().all(|at| at.outside.ip() == IpAddr::from([198, 51, 100, 9])),
            _ => false,
        };
        comes_to(&mut view, there).await;
        // It was started again, and has the same address.
        router.forgets();
        let again = async {
            while router.open_ports().len() < 2 {
                router.was_asked().await;
            }
        };
        timeout(Duration::from_secs(20), again).await.expect("in time");
    }

    #[test]
    fn addresses_that_nobody_outside_reaches_are_known() {
        for (ip, public) in [
            ("203.0.113.7", true),
            ("100.63.255.255", true),
            ("100.64.0.0", false),
            ("100.127.255.255", false),
            ("100.128.0.0", true),
            ("10.1.2.3", false),
            ("192.168.0.1", false),
            ("172.31.0.1", false),
            ("127.0.0.1", false),
            ("169.254.1.1", false),
            ("0.0.0.0", false),
            ("2001:db8::1", true),
            ("fd00::1", false),
            ("fe80::1", false),
        ] {
            assert_eq!(is_public(ip.parse().unwrap()), public, "{ip}");
        }
    }
}
