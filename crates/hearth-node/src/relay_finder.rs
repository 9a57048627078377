//! Relays that are given by the address of a page which says where they are, as Obol's are: asked at the start and every two minutes,
//! because a relay can move and become another.
//!
//! Source: `obol-p2p.md` 2.4.

use std::time::Duration;

use hearth_beacon::{NodeUrl, download_with};
use hearth_obol::enr::Enr;
use hearth_p2p::{Host, is_relay_url, peer_id_of};
use rand::RngExt as _;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Between two questions.
const AGAIN: Duration = Duration::from_secs(120);
/// First and longest wait after a question without an answer; it grows by 1.6, give or take a fifth.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
const GROWTH: f64 = 1.6;
const JITTER: f64 = 0.2;
/// Bytes of an answer that are read.
const ANSWER_BYTES: usize = 64 << 10;

/// What a relay is told of the cluster that asks.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Asker {
    /// First digits of the lock's hash; of the definition's, where there is no lock yet.
    pub(crate) cluster: String,
    /// The definition's identifier.
    pub(crate) uuid: String,
}

impl Asker {
    pub(crate) fn new(hash: &[u8], uuid: &str) -> Self {
        Self { cluster: hex::encode(hash).chars().take(7).collect(), uuid: uuid.to_owned() }
    }

    fn headers(&self) -> [(&'static str, String); 2] {
        // A header has no control characters, whatever a definition says.
        let plain = |text: &str| text.chars().filter(char::is_ascii_graphic).take(64).collect::<String>();
        [("Charon-Cluster", plain(&self.cluster)), ("Cluster-Uuid", plain(&self.uuid))]
    }
}

/// Finds the relays among these that are given by URL, for as long as the set is kept.
pub(crate) fn find_relays(host: &Host, relays: &[String], asker: &Asker) -> JoinSet<()> {
    let mut finding = JoinSet::new();
    for relay in relays.iter().filter(|relay| is_relay_url(relay)) {
        finding.spawn(follow(host.clone(), relay.clone(), asker.clone()));
    }
    finding
}

async fn follow(host: Host, relay: String, asker: Asker) {
    if relay.starts_with("http://") {
        tracing::warn!(relay, "where a relay is is asked over a connection that anybody on the way can change");
    }
    loop {
        let addresses = find_patiently(&relay, &asker).await;
        if let Err(error) = host.relay_is_at(&relay, &addresses) {
            tracing::warn!(relay, %error, "what a relay says of where it is cannot be used");
        }
        sleep(AGAIN).await;
    }
}

async fn find_patiently(relay: &str, asker: &Asker) -> Vec<String> {
    let mut wait = FIRST_WAIT;
    loop {
        match find(relay, asker).await {
            Ok(addresses) => return addresses,
            Err(reason) => tracing::debug!(relay, reason, "a relay does not say where it is"),
        }
        let spread = rand::rng().random_range(1.0 - JITTER..1.0 + JITTER);
        sleep(wait.mul_f64(spread)).await;
        wait = wait.mul_f64(GROWTH).min(LONGEST_WAIT);
    }
}

/// Where the relay is that this URL leads to, asked once: multiaddrs with its id.
pub(crate) async fn find(relay: &str, asker: &Asker) -> Result<Vec<String>, String> {
    let url: NodeUrl = relay.trim().parse().map_err(|error| format!("{error}"))?;
    let body = download_with(&url, &asker.headers(), ANSWER_BYTES).await.map_err(|error| error.to_string())?;
    read(&body)
}

/// A record of a node, or a list of multiaddrs in JSON.
fn read(body: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "not a text")?.trim();
    if !text.starts_with("enr:") {
        return serde_json::from_str(text)
            .map_err(|_| "neither a node's record nor a list of addresses".into());
    }
    let record = Enr::parse(text).map_err(|error| error.to_string())?;
    let socket = record.tcp().ok_or("the record of the relay has no address")?;
    let id = peer_id_of(&record.public_key().to_bytes());
    Ok(vec![format!("/ip4/{}/tcp/{}/p2p/{id}", socket.ip(), socket.port())])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From EIP-778: 127.0.0.1, with a UDP port only.
    const RECORD: &str = "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8";

    #[test]
    fn a_relay_says_where_it_is_as_a_list_or_as_a_record() {
        let list = r#" ["/ip4/192.0.2.1/tcp/3610/p2p/16Uiu2HAm", "/dns/relay.example/udp/3610/quic-v1/p2p/16Uiu2HAm"] "#;
        assert_eq!(read(list.as_bytes()).unwrap().len(), 2);
        for (body, expected) in [
            (RECORD.as_bytes(), "no address"),
            (b"enr:-nonsense".as_slice(), "base64"),
            (b"<html>", "neither"),
            (b"{\"addrs\": []}", "neither"),
            (b"\xff\xfe", "not a text"),
        ] {
            let error = read(body).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_relay_is_told_the_cluster_in_plain_letters() {
        let asker = Asker::new(&[0xab, 0xcd, 0xef, 0x01], "A-1\r\nEvil: yes");
        let [cluster, uuid] = asker.headers();
        assert_eq!((cluster.1.as_str(), uuid.1.as_str()), ("abcdef0", "A-1Evil:yes"));
    }
}
