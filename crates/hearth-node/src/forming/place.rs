//! What an operator brings: a plan, a name, an address.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;

use hearth_api::{OwnSeat, PlanClusterRequest, UiError};
use hearth_gathering::{MOST_OPERATORS, NAME_BYTES, Terms};
use hearth_obol::cluster::{AddressError, Networks, parse_address, parse_checksummed};
use hearth_p2p::{check_listen_address, check_peer_address, check_relay_address, is_relay_url};
use hearth_types::ExecutionAddress;

use crate::folder::cluster_folders;
use crate::relay_finder::{Asker, find};
use crate::settings::Settings;

/// Where nodes usually listen, and how many ports after that are tried. Source: Charon's default.
const PORTS: std::ops::Range<u16> = 3610..3650;

/// What follows the address of a relay in that of who is reached through it.
const CIRCUIT: &str = "/p2p-circuit";
/// Relays of one node: more addresses than that, with its own, an invitation does not take.
const MOST_RELAYS: usize = 4;

/// What the cluster is to be.
pub(super) fn terms(request: &PlanClusterRequest, networks: &Networks) -> Result<Terms, UiError> {
    let name = request.name.trim();
    if name.is_empty() || name.len() > NAME_BYTES {
        return Err(UiError::value_refused(format!(
            "Give the cluster a name of at most {NAME_BYTES} letters."
        )));
    }
    let network = networks.by_name(&request.network).ok_or_else(|| {
        let known: Vec<&str> = networks.iter().map(|network| network.name.as_str()).collect();
        UiError::value_refused(format!("Choose one of these networks: {}.", known.join(", ")))
    })?;
    if !(3..=MOST_OPERATORS).contains(&request.operators) {
        return Err(UiError::value_refused(format!(
            "A cluster has 3 to {MOST_OPERATORS} operators; 4 is usual."
        )));
    }
    let usual = (u16::from(request.operators) * 2).div_ceil(3);
    let threshold = request.threshold.unwrap_or(u8::try_from(usual).unwrap_or(u8::MAX));
    let address = |read: Result<ExecutionAddress, AddressError>, remedy: &str| {
        read.map(|address| *address.as_bytes()).map_err(|error| refused(remedy, error))
    };
    let withdrawal = address(
        parse_checksummed(request.withdrawal_address.trim()),
        "Copy the withdrawal address again: 0x and 40 digits, its capital letters as your wallet shows them.",
    )?;
    let fee_recipient = address(
        parse_address(request.fee_recipient.trim()),
        "Copy the fee recipient again: 0x and 40 digits.",
    )?;
    if network.holds_real_money() && withdrawal == [0; 20] {
        return Err(UiError::value_refused("Nobody has the address of zeros; what is sent there is lost."));
    }
    let terms = Terms {
        name: name.to_owned(),
        fork_version: *network.fork_version.as_bytes(),
        operators: request.operators,
        threshold,
        validators: request.validators,
        withdrawal,
        fee_recipient,
        compounding: request.compounding,
    };
    if terms.is_sensible() {
        return Ok(terms);
    }
    Err(UiError::value_refused(
        "A cluster has 1 to 1,000 validators, and needs 2 or more of its operators to sign.",
    ))
}

fn refused(remedy: &str, error: impl ToString) -> UiError {
    UiError { details: Some(error.to_string()), ..UiError::value_refused(remedy) }
}

/// How an operator is reached.
#[derive(Clone, Debug)]
pub(super) struct Reached {
    pub(super) nickname: String,
    pub(super) listen: Vec<String>,
    pub(super) addresses: Vec<String>,
    pub(super) relays: Vec<String>,
}

/// Where this node listens and is reached, as its owner says, or else as it seems.
///
/// `met_at` is where the organiser is met: a relay that he uses serves his guests as well.
pub(super) fn reached(
    home: &Path,
    node: &Settings,
    wish: &OwnSeat,
    met_at: &[String],
) -> Result<Reached, UiError> {
    let nickname = match wish.nickname.trim() {
        "" => node.nickname.trim(),
        given => given,
    };
    if nickname.is_empty() || nickname.len() > 32 {
        return Err(UiError::value_refused("Say what the others shall call you, in at most 32 letters."));
    }
    let given = |text: &Option<String>| {
        text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let listen = match given(&wish.listen) {
        Some(listen) => {
            check_listen_address(&listen)
                .map_err(|error| refused("An address to listen on looks like this: 0.0.0.0:3610", error))?;
            listen
        }
        None => {
            let port = free_port(home, node).ok_or_else(|| {
                UiError::value_refused("No port is free to listen on; name one yourself, such as 0.0.0.0:3610.")
            })?;
            format!("0.0.0.0:{port}")
        }
    };
    let mut relays = node.relays.clone();
    if let Some(relay) = given(&wish.relay) {
        check_relay_address(&relay).map_err(|error| {
            refused("A relay is given as it says of itself, /ip4/192.0.2.1/tcp/3640/p2p/16Uiu2…, or as the https address of a page that says it.", error)
        })?;
        relays.push(relay);
    }
    relays.extend(met_at.iter().filter_map(|address| address.strip_suffix(CIRCUIT)).map(str::to_owned));
    let mut seen = BTreeSet::new();
    relays.retain(|relay| seen.insert(relay.clone()));
    relays.truncate(MOST_RELAYS);
    let mut addresses = match given(&wish.address) {
        Some(address) => {
            check_peer_address(&address).map_err(|error| {
                refused("An address to be reached at looks like this: example.org:3610", error)
            })?;
            vec![address]
        }
        None => own_addresses(&listen),
    };
    let known = relays.iter().filter(|relay| !is_relay_url(relay));
    addresses.extend(known.map(|relay| format!("{relay}{CIRCUIT}")));
    Ok(Reached { nickname: nickname.to_owned(), listen: vec![listen], addresses, relays })
}

impl Reached {
    /// Finds out where relays are that are given by the address of a page: invitations name them as they are now.
    pub(super) async fn through_relays(mut self) -> Result<Self, UiError> {
        for relay in self.relays.iter().filter(|relay| is_relay_url(relay)) {
            let found = find(relay, &Asker::default()).await.map_err(|error| {
                refused("Use another relay, or try again when this one answers.", format!("{relay}: {error}"))
            })?;
            // A way over something else than TCP is none that this Hearth goes.
            let usable = found.iter().find(|address| check_relay_address(address).is_ok());
            self.addresses.extend(usable.map(|address| format!("{address}{CIRCUIT}")));
        }
        Ok(self)
    }
}

/// A port that no cluster of this node uses, and nobody else at the moment.
fn free_port(home: &Path, node: &Settings) -> Option<u16> {
    let others = cluster_folders(home).unwrap_or_default().into_iter().filter(|folder| folder != home);
    let used: Vec<u16> = others
        .filter_map(|folder| Settings::load(&folder).ok())
        .chain([node.clone()])
        .flat_map(|settings| settings.listen)
        .filter_map(|address| address.parse::<SocketAddr>().ok())
        .map(|address| address.port())
        .collect();
    PORTS
        .filter(|port| !used.contains(port))
        .find(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok())
}

/// The computer's address in its network, where it listens on all; nothing is sent to find it.
fn own_addresses(listen: &str) -> Vec<String> {
    let Ok(listen) = listen.parse::<SocketAddr>() else { return Vec::new() };
    if !listen.ip().is_unspecified() {
        return vec![listen.to_string()];
    }
    let local = || -> std::io::Result<IpAddr> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        // An address for documentation: a route to it is that to everywhere.
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        Ok(socket.local_addr()?.ip())
    };
    let local = local().ok().filter(|ip| !ip.is_unspecified()).unwrap_or(Ipv4Addr::LOCALHOST.into());
    vec![SocketAddr::new(local, listen.port()).to_string()]
}
