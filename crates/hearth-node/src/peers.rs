//! Who we are, for peers who ask; and who they are, asked once a minute.

use std::time::Duration;

use hearth_obol::wire::{CLIENT, PEERINFO_PROTOCOL, PeerInfo, announced_version};
use hearth_p2p::Host;
use hearth_types::{LockHash, OperatorIndex, UnixMillis};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::task::TaskTracker;

use crate::clock;
use crate::show::{ClusterTeller, News};

/// Between two rounds of questions. Source: `obol-p2p.md` 6.
const ROUND: Duration = Duration::from_secs(60);

/// Answers and asks.
pub(crate) struct PeerInfoDesk {
    lock_hash: LockHash,
    nickname: String,
    started: UnixMillis,
    rounds: Interval,
}

impl PeerInfoDesk {
    pub(crate) fn new(lock_hash: LockHash, nickname: String) -> Self {
        let mut rounds = interval_at(Instant::now() + ROUND, ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { lock_hash, nickname, started: clock::now(), rounds }
    }

    /// Our own card.
    pub(crate) fn own(&self, now: UnixMillis) -> Vec<u8> {
        PeerInfo {
            version: announced_version(),
            client: CLIENT.into(),
            git_hash: "unknown".into(),
            lock_hash: Some(self.lock_hash),
            sent_at: now,
            started_at: self.started,
            builder_api: false,
            nickname: self.nickname.clone(),
        }
        .encode()
    }

    /// Dropping the future is safe: the round stays due.
    pub(crate) async fn next_round(&mut self) {
        self.rounds.tick().await;
    }

    /// Asks these peers and shows what each says of itself.
    pub(crate) fn ask(
        &self,
        host: &Host,
        peers: &[OperatorIndex],
        teller: &ClusterTeller,
        tasks: &TaskTracker,
    ) {
        for peer in peers.iter().copied() {
            let (host, question, lock_hash) = (host.clone(), self.own(clock::now()), self.lock_hash);
            let teller = teller.clone();
            tasks.spawn(async move {
                let asked = Instant::now();
                let Ok(answer) = host.request(peer, PEERINFO_PROTOCOL, question).await else { return };
                let rtt_ms = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
                match PeerInfo::decode(&answer) {
                    Ok(card) if card.lock_hash != Some(lock_hash) => {
                        tracing::warn!(%peer, "the peer runs another version of this cluster's lock file");
                    }
                    Ok(card) => {
                        tracing::debug!(%peer, version = card.version, nickname = card.nickname, "peer");
                        let offset_ms = card.clock_offset_ms(clock::now(), rtt_ms);
                        teller.tell(News::Card(peer, Box::new(card), offset_ms));
                    }
                    Err(error) => tracing::debug!(%peer, %error, "the peer's card is unreadable"),
                }
            });
        }
    }
}
