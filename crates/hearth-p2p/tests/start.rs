//! What a host refuses to start with, and how it says so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy counts only functions marked #[test] as tests"
)]

mod support;

use hearth_p2p::{AddressFault, HostConfig, Protocol, StartError, peer_id_of, public_key_of, start};
use support::*;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_wrong_configuration_is_an_error_that_names_the_culprit() {
    let with = |change: fn(&mut HostConfig)| {
        let mut config = config(0, vec![peer(1, &[]), peer(2, &[])]);
        change(&mut config);
        config
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut occupied = with(|_| {});
    occupied.listen = vec![taken.local_addr().unwrap().to_string()];
    for (name, config, expected) in [
        ("zero key", with(|config| *config.secret_key = [0; 32]), "the identity key is no secp256k1 key"),
        (
            "bad peer key",
            with(|config| config.peers[1].public_key = [9; 33]),
            "operator 3: the identity key is",
        ),
        (
            "own key among peers",
            with(|config| config.peers[0].public_key = public_key(0)),
            "operator 2 is listed twice",
        ),
        ("key twice", with(|config| config.peers[1].public_key = public_key(1)), "operator 3 is listed twice"),
        ("operator twice", with(|config| config.peers[1].operator = operator(1)), "operator 2 is listed twice"),
        (
            "bad listen address",
            with(|config| config.listen.push("0.0.0.0".into())),
            "listening: address \"0.0.0.0\": not of the form",
        ),
        (
            "bad peer address",
            with(|config| config.peers[1].addresses.push("node3.example.org".into())),
            "operator 3: address \"node3.example.org\": not of the form",
        ),
        ("port taken", occupied, "cannot listen on 127.0.0.1:"),
        (
            "protocol without slash",
            with(|config| config.protocols[0].id = "test/1"),
            "\"test/1\" is no protocol name",
        ),
        (
            "protocol twice",
            with(|config| config.protocols.push(Protocol { max_frame_bytes: 1, ..NOTE })),
            "\"/test/note/1\" is no protocol name, or is listed twice",
        ),
    ] {
        let error = start(config, CancellationToken::new()).await.map(|_| ()).expect_err(name);
        assert!(error.to_string().starts_with(expected), "{name}: {error}");
    }
    let mut foreign = config(0, vec![peer(1, &[])]);
    foreign.peers[0].addresses = vec![format!("/ip4/10.0.0.1/tcp/1/p2p/{}", peer_id_of(&public_key(2)))];
    let error = start(foreign, CancellationToken::new()).await.map(|_| ()).unwrap_err();
    let StartError::PeerAddress { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.fault, AddressFault::OtherPeer);
}

#[tokio::test]
async fn a_host_may_listen_nowhere_or_twice_and_says_where() {
    let mut nowhere = config(0, vec![]);
    nowhere.listen.clear();
    assert_eq!(started(nowhere).await.0.listen_addresses(), Vec::<String>::new());

    let mut twice = config(1, vec![]);
    twice.listen = vec!["127.0.0.1:0".into(), "/ip4/127.0.0.1/tcp/0".into()];
    let addresses = started(twice).await.0.listen_addresses();
    assert_eq!(addresses.len(), 2);
    assert!(
        addresses.iter().all(|address| address.starts_with("/ip4/127.0.0.1/tcp/") && !address.ends_with("/0"))
    );
}

#[test]
fn peer_ids_match_the_vectors_of_the_reference_implementation() {
    let folder = std::env::var("HEARTH_VECTORS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors").into());
    let path = format!("{folder}/obol-duties/p2p-identity.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {path} not found");
        return;
    };
    let vector: serde_json::Value = serde_json::from_str(&text).unwrap();
    check(&vector);
    let references = vector["reference_enrs"].as_array().unwrap();
    assert!(!references.is_empty());
    references.iter().filter(|reference| reference.get("peer_id_base58").is_some()).for_each(check);
}

#[test]
fn peer_ids_match_our_own_vectors() {
    let text = include_str!("vectors/peer-ids.json");
    let vectors: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    assert_eq!(vectors.len(), 3);
    vectors.iter().for_each(check);
}

fn check(vector: &serde_json::Value) {
    let key = hex::decode(vector["public_key_compressed_hex"].as_str().unwrap()).unwrap();
    let key: [u8; 33] = key.try_into().unwrap();
    let id = vector["peer_id_base58"].as_str().unwrap();
    assert_eq!(peer_id_of(&key), id);
    assert_eq!(public_key_of(id), Ok(key));
}

#[tokio::test]
async fn whoever_listens_at_every_address_of_ipv4_is_reached_by_ipv6_as_well() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        println!("skipped: this system has no IPv6");
        return;
    }
    let port = free_address().rsplit(':').next().unwrap().to_owned();
    let listening = HostConfig { listen: vec![format!("0.0.0.0:{port}")], ..config(0, vec![peer(1, &[])]) };
    let mut zero = started(listening).await;
    let at = format!("[::1]:{port}");
    let mut one = started(HostConfig { listen: Vec::new(), ..config(1, vec![peer(0, &[at])]) }).await;
    connected(&mut zero.1, &[1]).await;
    connected(&mut one.1, &[0]).await;
    let address = one.0.links()[&operator(0)].address.clone().unwrap();
    assert!(address.starts_with("/ip6/::1/tcp/"), "{address}");
}
