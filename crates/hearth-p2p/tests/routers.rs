//! Two homes behind routers of their own, made of network namespaces, and a relay between them.
//!
//! Needs Linux, root, `ip` and `nft`; says so where they are missing. Each host is this very program once more, in a namespace of its
//! own (`a_host_in_a_home`).

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "clippy counts only functions marked #[test] as tests; hosts tell the test by lines"
)]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use hearth_p2p::{Event, HostConfig, RelayBounds, RelayEvent, RelayServer, Timing, serve_relay};
use support::{config, operator, peer, started};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// What a program that is started in a namespace shall be: `home POSITION RELAY…` or `relay`.
const ROLE: &str = "HEARTH_TEST_HOST";
/// Port of everybody.
const PORT: u16 = 3610;
/// Where the relay is.
const RELAY: &str = "203.0.113.1";
/// Far more than anything takes; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(240);

/// Runs a command; itself, if it cannot be had or fails.
fn works(command: &str) -> Result<(), String> {
    let mut words = command.split_whitespace();
    let mut run = Command::new(words.next().unwrap());
    run.args(words).stdout(Stdio::null()).stderr(Stdio::null());
    let done = run.status().is_ok_and(|status| status.success());
    done.then_some(()).ok_or_else(|| command.to_owned())
}

/// How a router maps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mapping {
    /// The same port outside, to whomever it goes.
    Steady,
    /// Another port for each destination, as routers of offices and mobile networks do.
    Symmetric,
}

/// Two homes, their routers and the net between. Gone when dropped.
struct Net {
    mark: String,
}

impl Net {
    /// `None`, and says why, where it cannot be made.
    fn of(test: &str, mapping: Mapping) -> Option<Self> {
        let net = Self { mark: format!("h{}{}", std::process::id() % 10_000, &test[..1]) };
        match net.build(mapping) {
            Ok(()) => Some(net),
            Err(command) => {
                eprintln!(
                    "skipped: namespaces of the network need root, ip, nft and a system that lets them; failed: {command}"
                );
                None
            }
        }
    }

    fn build(&self, mapping: Mapping) -> Result<(), String> {
        let middle = self.name("net");
        works(&format!("ip netns add {middle}"))?;
        works(&format!("ip -n {middle} link add name br0 type bridge"))?;
        works(&format!("ip -n {middle} addr add {RELAY}/24 dev br0"))?;
        works(&format!("ip -n {middle} link set br0 up"))?;
        works(&format!("ip -n {middle} link set lo up"))?;
        for (home, outside) in [("a", "203.0.113.10"), ("b", "203.0.113.20")] {
            let (router, host) = (self.name(&format!("r{home}")), self.name(&format!("h{home}")));
            works(&format!("ip netns add {router}"))?;
            works(&format!("ip netns add {host}"))?;
            // The cable to the net, and the cable into the home.
            works(&format!("ip -n {middle} link add name home{home} type veth peer name wan netns {router}"))?;
            works(&format!("ip -n {middle} link set home{home} master br0 up"))?;
            works(&format!("ip -n {router} link add name lan type veth peer name eth netns {host}"))?;
            for (of, device, address) in
                [(&router, "wan", outside), (&router, "lan", "192.168.1.1"), (&host, "eth", "192.168.1.2")]
            {
                works(&format!("ip -n {of} addr add {address}/24 dev {device}"))?;
                works(&format!("ip -n {of} link set {device} up"))?;
                works(&format!("ip -n {of} link set lo up"))?;
            }
            works(&format!("ip -n {host} route add default via 192.168.1.1"))?;
            works(&format!("ip netns exec {router} sysctl -q -w net.ipv4.ip_forward=1"))?;
            let random = if mapping == Mapping::Symmetric { "fully-random" } else { "" };
            // What nobody inside asked for does not come in.
            for rule in [
                "add table ip home".to_owned(),
                "add chain ip home nat { type nat hook postrouting priority 100 ; }".into(),
                format!("add rule ip home nat oifname wan masquerade {random}"),
                "add chain ip home way { type filter hook forward priority 0 ; policy drop ; }".into(),
                "add rule ip home way iifname lan accept".into(),
                "add rule ip home way ct state established,related accept".into(),
                "add chain ip home own { type filter hook input priority 0 ; policy drop ; }".into(),
                "add rule ip home own iifname lan accept".into(),
            ] {
                works(&format!("ip netns exec {router} nft {rule}"))?;
            }
        }
        Ok(())
    }

    fn name(&self, of: &str) -> String {
        format!("{}{of}", self.mark)
    }

    /// Starts this program once more, in a namespace.
    fn start(&self, place: &str, role: &str) -> Host {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.name(place)])
            .arg(program)
            .args(["--exact", "a_host_in_a_home", "--nocapture"])
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (tell, lines) = mpsc::channel();
        let said = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || said.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Host { _stdin: child.stdin.take(), child, lines, seen: Vec::new() }
    }

    fn relay(&self) -> (Host, String) {
        let mut relay = self.start("net", "relay");
        let line = relay.says("relay ", |_| true);
        (relay, line)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for of in ["net", "ra", "rb", "ha", "hb"] {
            let _ = works(&format!("ip netns del {}", self.name(of)));
        }
    }
}

/// A program in a namespace.
struct Host {
    _stdin: Option<ChildStdin>,
    child: Child,
    lines: mpsc::Receiver<String>,
    seen: Vec<String>,
}

impl Host {
    /// Waits for a line that begins so and whose rest is wanted; the rest.
    fn says(&mut self, begins: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if self.seen.last() != Some(&line) {
                self.seen.push(line.clone());
            }
            if let Some(rest) = line.strip_prefix(begins).filter(|rest| wanted(rest)) {
                return rest.to_owned();
            }
        }
        panic!("waited in vain for {begins:?}; seen: {:#?}", self.seen);
    }
}

/// Waits until one of them says so.
fn one_says(hosts: &mut [&mut Host], wanted: &str) {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        for host in &mut *hosts {
            if host.lines.recv_timeout(Duration::from_millis(50)).is_ok_and(|line| line == wanted) {
                return;
            }
        }
    }
    panic!("nobody says {wanted:?}");
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// No test by itself: what is started in a namespace.
#[test]
fn a_host_in_a_home() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let words: Vec<&str> = role.split(' ').collect();
    match words[..] {
        ["relay"] => runtime.block_on(relay_in_the_net()),
        ["home", position, quic, ref relays @ ..] => {
            let relays = relays.iter().map(|&relay| relay.to_owned()).collect();
            runtime.block_on(home(position.parse().unwrap(), quic == "quic", relays));
        }
        _ => panic!("{role}"),
    }
}

async fn relay_in_the_net() {
    let (tell, mut events) = tokio::sync::mpsc::unbounded_channel();
    let server = RelayServer {
        secret_key: Zeroizing::new([9; 32]),
        listen: vec![format!("{RELAY}:{PORT}")],
        quic: true,
        announce: Vec::new(),
        agent: "relay/test".into(),
        bounds: RelayBounds::default(),
    };
    tokio::spawn(serve_relay(server, tell, CancellationToken::new()));
    while let Some(event) = events.recv().await {
        if let RelayEvent::Listening(addresses) = event
            && addresses.len() == 2
        {
            println!("relay {}", addresses.join(" "));
        }
    }
}

async fn home(position: u8, quic: bool, relays: Vec<String>) {
    let other = 1 - position;
    let config = HostConfig {
        listen: vec![format!("0.0.0.0:{PORT}")],
        quic,
        relays,
        // A relay turns away who asks too often.
        timing: Timing { ping_interval: Duration::from_millis(200), ..Timing::default() },
        ..config(position, vec![peer(other, &[])])
    };
    let (host, mut events) = started(config).await;
    while let Some(event) = events.recv().await {
        match event {
            Event::Connected { address, .. } => println!("connected {address}"),
            Event::Disconnected { .. } => println!("disconnected"),
            Event::NoWayThrough { .. } => println!("no way through"),
            Event::Ping { .. } => {
                let link = host.links()[&operator(other)].clone();
                println!("ping {}", link.address.unwrap_or_default());
            }
            _ => {}
        }
    }
}

fn is_relayed(address: &str) -> bool {
    address.contains("/p2p-circuit")
}

#[test]
fn two_homes_behind_routers_meet_at_a_relay_and_find_a_way_through_both_that_outlives_it() {
    for by in ["tcp", "quic"] {
        let Some(net) = Net::of(by, Mapping::Steady) else { return };
        let (relay, addresses) = net.relay();
        let address = addresses.split(' ').find(|at| at.contains("/quic-v1") == (by == "quic")).unwrap();
        let mut a = net.start("ha", &format!("home 0 {by} {address}"));
        let mut b = net.start("hb", &format!("home 1 {by} {address}"));
        a.says("connected ", |at| !is_relayed(at) && at.contains("203.0.113.20"));
        b.says("connected ", |at| !is_relayed(at) && at.contains("203.0.113.10"));
        drop(relay);
        for host in [&mut a, &mut b] {
            for _ in 0..30 {
                host.says("ping ", |at| !is_relayed(at));
            }
        }
    }
}

#[test]
fn where_no_way_leads_through_the_routers_that_is_said_and_the_relay_is_used_whenever_it_is_there() {
    let Some(net) = Net::of("symmetric", Mapping::Symmetric) else { return };
    let (relay, addresses) = net.relay();
    let address = addresses.split(' ').next().unwrap();
    let mut a = net.start("ha", &format!("home 0 tcp {address}"));
    let mut b = net.start("hb", &format!("home 1 tcp {address}"));
    a.says("connected ", is_relayed);
    b.says("connected ", is_relayed);
    // Whoever was called through the relay tries, and finds out.
    one_says(&mut [&mut a, &mut b], "no way through");
    for host in [&mut a, &mut b] {
        for _ in 0..20 {
            host.says("ping ", is_relayed);
        }
    }
    drop(relay);
    a.says("disconnected", |_| true);
    b.says("disconnected", |_| true);
    let (_relay, again) = net.relay();
    assert_eq!(addresses, again);
    a.says("connected ", is_relayed);
    b.says("connected ", is_relayed);
}

#[test]
fn a_home_that_gets_another_address_is_found_again_and_reached_there() {
    for by in ["moves-tcp", "quic-moves"] {
        let quic = by.starts_with("quic");
        let Some(net) = Net::of(by, Mapping::Steady) else { return };
        let (_relay, addresses) = net.relay();
        let address = addresses.split(' ').find(|at| at.contains("/quic-v1") == quic).unwrap();
        let way = if quic { "quic" } else { "tcp" };
        let mut a = net.start("ha", &format!("home 0 {way} {address}"));
        let mut b = net.start("hb", &format!("home 1 {way} {address}"));
        b.says("connected ", |at| !is_relayed(at) && at.contains("203.0.113.10"));
        a.says("connected ", |at| !is_relayed(at) && at.contains("203.0.113.20"));
        let router = net.name("ra");
        for step in
            ["link set wan down", "addr flush dev wan", "addr add 203.0.113.11/24 dev wan", "link set wan up"]
        {
            works(&format!("ip -n {router} {step}")).unwrap();
        }
        b.says("disconnected", |_| true);
        b.says("connected ", is_relayed);
        // Where the way was TCP, its old end keeps the port for up to two minutes; each attempt is a new chance.
        b.says("connected ", |at| !is_relayed(at) && at.contains("203.0.113.11"));
        a.says("connected ", |at| !is_relayed(at) && at.contains("203.0.113.20"));
    }
}
