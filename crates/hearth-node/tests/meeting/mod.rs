//! Four operators with a plan, who hold ceremonies with one another over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    dead_code,
    reason = "helpers fail as tests do, and not every test needs all"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use hearth_node::offline::{Scrutiny, Wishes, create_definition, create_identity, read_definition};
use hearth_node::{Installation, Meeting, Networks, Release};
use hearth_obol::cluster::{Definition, DkgAlgorithm};
use hearth_types::OperatorIndex;

pub(crate) const RELEASE: Release = Release::V1_11;
pub(crate) const OPERATORS: u8 = 4;
const NOBODY: &str = "0x000000000000000000000000000000000000dEaD";

pub(crate) fn operator(position: u8) -> OperatorIndex {
    OperatorIndex::new(position).unwrap()
}

/// Folders with keys, and a plan for this many validators.
pub(crate) fn plan(place: &Path, dkg_algorithm: DkgAlgorithm, validators: usize) -> Definition {
    let record = |number: u8| create_identity(&folder(place, number)).unwrap().enr;
    let records: Vec<String> = (0..OPERATORS).map(record).collect();
    let wishes = Wishes {
        name: "friends".into(),
        network: Networks::known().by_name("hoodi").unwrap().clone(),
        threshold: None,
        withdrawal_addresses: vec![NOBODY.into()],
        fee_recipients: vec![NOBODY.into()],
        deposit_amounts_eth: Vec::new(),
        compounding: false,
        gas_limit: 60_000_000,
        consensus_protocol: String::new(),
        dkg_algorithm,
    };
    create_definition(place, &wishes, validators, &records).unwrap();
    read_definition(&place.join("cluster-definition.json").display().to_string()).unwrap()
}

pub(crate) fn free_ports() -> Vec<u16> {
    let held: Vec<_> = (0..OPERATORS).map(|_| std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap()).collect();
    held.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// The folder of an operator, by position.
pub(crate) fn folder(place: &Path, me: u8) -> PathBuf {
    place.join(format!("node{me}"))
}

/// An operator's part, who waits this long for the others once all are there.
pub(crate) fn meeting(
    place: &Path,
    definition: &Definition,
    (me, ports): (u8, &[u16]),
    patience: Duration,
) -> Meeting {
    let peers = (0..OPERATORS).filter(|peer| *peer != me);
    Meeting {
        folder: folder(place, me),
        definition: definition.clone(),
        scrutiny: Scrutiny::default(),
        listen: vec![format!("127.0.0.1:{}", ports[usize::from(me)])],
        peers: peers.map(|peer| (peer + 1, vec![format!("127.0.0.1:{}", ports[usize::from(peer)])])).collect(),
        relays: Vec::new(),
        nickname: String::new(),
        patience,
        release: RELEASE,
        insecure_keys: true,
    }
}

pub(crate) fn installation(place: &Path, me: u8) -> Installation {
    Installation::at(place.join(format!("state{me}")))
}
