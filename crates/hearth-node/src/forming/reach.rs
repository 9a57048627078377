//! Whether guests can be reached, found out before the ceremony: a guest keeps the port on which he will listen and says there who he is, and
//! the organiser comes by.
//!
//! Of what is behind an address that a guest gives the organiser tells nothing but whether it is the guest himself: nobody looks
//! around in the organiser's network through him.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;

use hearth_crypto::k1::NodePublicKey;
use hearth_gathering::{Check, CheckKind};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

/// How long a guest has to answer.
const PATIENCE: Duration = Duration::from_secs(3);
const TAG_BYTES: usize = 16;

/// A port that is kept for the ceremony: others choose a port meanwhile.
pub(super) struct KeptPort(AbortOnDropHandle<()>);

impl KeptPort {
    /// Keeps it, and tells whoever comes that it is this node's.
    pub(super) fn keep(address: &str, key: &NodePublicKey) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let (listener, tag) = (tokio::net::TcpListener::from_std(listener)?, tag(key));
        Ok(Self(AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                if let Ok((mut stream, _)) = listener.accept().await {
                    let _gone = tokio::time::timeout(PATIENCE, stream.write_all(&tag)).await;
                }
            }
        }))))
    }

    /// Gives it back. It is free once this returns.
    pub(super) async fn give_back(self) {
        self.0.abort();
        let _ended = self.0.await;
    }
}

fn tag(key: &NodePublicKey) -> [u8; TAG_BYTES] {
    let hash: [u8; 32] =
        Sha256::new().chain_update(b"hearth reach 1").chain_update(key.to_bytes()).finalize().into();
    *hash.first_chunk().unwrap_or(&[0; TAG_BYTES])
}

/// Whether the node with this key is at one of the addresses; `None` where there is none to come by at.
pub(super) async fn reaches(addresses: &[String], key: &NodePublicKey) -> Option<bool> {
    let direct: Vec<&String> = addresses.iter().filter(|address| !address.starts_with('/')).collect();
    if direct.is_empty() {
        return None;
    }
    for address in direct {
        let answer = async {
            let mut answer = [0; TAG_BYTES];
            let mut stream = TcpStream::connect(address).await.ok()?;
            stream.read_exact(&mut answer).await.ok()?;
            Some(answer)
        };
        if tokio::time::timeout(PATIENCE, answer).await.ok().flatten() == Some(tag(key)) {
            return Some(true);
        }
    }
    Some(false)
}

/// Whether two versions of Hearth, as nodes tell them, hold ceremonies together: a patch makes no difference.
pub(super) fn version(own: &str, theirs: &str) -> Check {
    let series =
        |text: &str| text.rsplit_once('.').map_or_else(|| text.to_owned(), |(series, _)| series.to_owned());
    let good = series(own) == series(theirs);
    let words = theirs.replace('/', " ");
    let detail = if good {
        words
    } else {
        format!("{words}; the organiser has {}. Update the older one", own.replace('/', " "))
    };
    Check { kind: CheckKind::Version, good, detail }
}

/// What was found of a guest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Found {
    /// Whether he was reached; `None` where nobody came by.
    pub(super) directly: Option<bool>,
    /// Whether there is a way to him through a relay.
    pub(super) by_relay: bool,
}

/// What that means for each: of two who cannot be reached neither can come to the other.
pub(super) fn judge(found: &BTreeMap<u8, Found>) -> BTreeMap<u8, Check> {
    let hidden = |found: &Found| found.directly == Some(false) && !found.by_relay;
    let many = found.values().filter(|found| hidden(found)).count() > 1;
    let check = |(seat, one): (&u8, &Found)| {
        let detail = match one {
            Found { directly: Some(true), .. } => "reached directly",
            Found { by_relay: true, directly: Some(false) } => "reached through a relay only",
            Found { by_relay: true, directly: None } => "through a relay",
            Found { directly: Some(false), .. } if many => {
                "cannot be reached, and somebody else neither: they do not find each other. A forwarded port or a relay helps"
            }
            Found { directly: Some(false), .. } => "cannot be reached, but reaches the others",
            Found { directly: None, .. } => return None,
        };
        let good = !(many && hidden(one));
        Some((*seat, Check { kind: CheckKind::Reach, good, detail: detail.to_owned() }))
    };
    found.iter().filter_map(check).collect()
}

#[cfg(test)]
mod tests {
    use hearth_crypto::k1::NodeKey;

    use super::*;

    #[test]
    fn two_who_cannot_be_reached_are_in_the_way_and_one_is_not() {
        let (open, hidden) = (Some(true), Some(false));
        for (name, guests, good) in [
            ("all open", vec![(open, false), (open, false)], vec![true, true]),
            ("one hidden", vec![(hidden, false), (open, false)], vec![true, true]),
            ("two hidden", vec![(hidden, false), (hidden, false), (open, false)], vec![false, false, true]),
            ("one of two has a relay", vec![(hidden, false), (hidden, true)], vec![true, true]),
            ("nothing to come by at", vec![(None, false), (hidden, false)], vec![true]),
        ] {
            let guests = (2..).zip(guests);
            let found = guests.map(|(seat, (directly, by_relay))| (seat, Found { directly, by_relay }));
            let verdicts: Vec<bool> = judge(&found.collect()).into_values().map(|check| check.good).collect();
            assert_eq!(verdicts, good, "{name}");
        }
    }

    #[test]
    fn versions_go_together_within_a_series() {
        for (theirs, good) in
            [("hearth/0.1.0", true), ("hearth/0.1.7", true), ("hearth/0.2.0", false), ("", false)]
        {
            assert_eq!(version("hearth/0.1.3", theirs).good, good, "{theirs}");
        }
    }

    #[tokio::test]
    async fn a_guest_is_reached_at_his_own_port_and_nobody_else_is_taken_for_him() {
        let key = NodeKey::from_bytes(&[1; 32]).unwrap().public();
        let other = NodeKey::from_bytes(&[2; 32]).unwrap().public();
        let address = {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().to_string()
        };
        let kept = KeptPort::keep(&address, &key).unwrap();
        let at = std::slice::from_ref(&address);
        assert_eq!(reaches(at, &key).await, Some(true));
        assert_eq!(reaches(at, &other).await, Some(false), "somebody else's port");
        assert_eq!(reaches(&["/ip4/127.0.0.1/tcp/1".to_owned()], &key).await, None);
        kept.give_back().await;
        TcpListener::bind(&address).unwrap();
        assert_eq!(reaches(at, &key).await, Some(false));
    }
}
