//! Who we are, for peers who ask; who they are, asked once a minute; and whether any of us runs twice.

use std::collections::BTreeMap;
use std::time::Duration;

use hearth_crypto::k1::{NodeKey, NodePublicKey};
use hearth_obol::wire::presence::{Life, Lives, Presence, Solitude};
use hearth_obol::wire::{CLIENT, PEERINFO_PROTOCOL, PeerInfo, PeerInfoRejection, announced_version};
use hearth_p2p::Host;
use hearth_types::{ChainSpec, LockHash, OperatorIndex, UnixMillis};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::task::TaskTracker;

use crate::driver::Answer;

/// Between two rounds of questions. Source: `obol-p2p.md` 6.
const ROUND: Duration = Duration::from_secs(60);
/// Whole epochs in which nothing is heard of a twin before anything is signed: what it signed last lies behind the chain by then.
const QUIET_EPOCHS: u64 = 2;
/// Rounds of questions for which nothing is heard of it, at least.
const QUIET_ROUNDS: u64 = 3;

/// Answers and asks.
pub(crate) struct PeerInfoDesk {
    lock_hash: LockHash,
    nickname: String,
    me: OperatorIndex,
    operators: Vec<NodePublicKey>,
    lives: BTreeMap<OperatorIndex, Lives>,
    solitude: Solitude,
    rounds: Interval,
}

/// How long nothing must be heard of a twin: not so short that a question and its answer are missed, on chains with short epochs.
fn quiet_ms(spec: &ChainSpec) -> u64 {
    let epochs = spec.slot_ms().saturating_mul(spec.slots_per_epoch()).saturating_mul(QUIET_EPOCHS);
    epochs.max(QUIET_ROUNDS * 1_000 * ROUND.as_secs())
}

/// What an answer says of whoever gave it.
pub(crate) struct Told {
    pub(crate) card: PeerInfo,
    /// How far its clock is ahead of ours.
    pub(crate) offset_ms: i64,
    pub(crate) runs_twice: bool,
}

impl PeerInfoDesk {
    /// For a program that is started `now`. `number`: of this life, as no other has it.
    pub(crate) fn new(
        (lock_hash, me, operators): (LockHash, OperatorIndex, Vec<NodePublicKey>),
        nickname: String,
        spec: &ChainSpec,
        (now, number): (UnixMillis, [u8; 16]),
    ) -> Self {
        let mut rounds = interval_at(Instant::now() + ROUND, ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let solitude = Solitude::new(Life { started: now, number }, quiet_ms(spec));
        Self { lock_hash, nickname, me, operators, lives: BTreeMap::new(), solitude, rounds }
    }

    /// Our own card. `twin`: what was heard of another life of whoever it is for.
    fn card(&self, now: UnixMillis, key: &NodeKey, twin: Vec<u8>) -> Vec<u8> {
        let presence = self.solitude.tell(now).map(|presence| presence.sign(self.lock_hash, key));
        PeerInfo {
            version: announced_version(),
            client: CLIENT.into(),
            git_hash: "unknown".into(),
            lock_hash: Some(self.lock_hash),
            sent_at: now,
            started_at: self.solitude.life().started,
            builder_api: false,
            nickname: self.nickname.clone(),
            presence: presence.unwrap_or_default(),
            twin,
        }
        .encode()
    }

    /// What to answer to a peer that asks, whatever its question holds; and whether that peer runs twice.
    pub(crate) fn answer(
        &mut self,
        (from, question): (OperatorIndex, &[u8]),
        now: UnixMillis,
        key: &NodeKey,
    ) -> (Vec<u8>, bool) {
        let presence = PeerInfo::decode(question).ok().map(|card| card.presence).unwrap_or_default();
        let (runs_twice, twin) = self.hear_of(from, &presence);
        (self.card(now, key, twin), runs_twice)
    }

    /// Takes what `from` said of itself in an answer, and of ourselves.
    pub(crate) fn take(
        &mut self,
        (from, answer): (OperatorIndex, &[u8]),
        now: UnixMillis,
        rtt: Duration,
    ) -> Result<Told, PeerInfoRejection> {
        let card = PeerInfo::decode(answer)?;
        let own = self.operators.get(self.me.position());
        if let Some(twin) = own.and_then(|own| Presence::read(&card.twin, self.lock_hash, own)) {
            self.solitude.hear(now, twin);
        }
        let (runs_twice, _) = self.hear_of(from, &card.presence);
        let rtt_ms = u64::try_from(rtt.as_millis()).unwrap_or(u64::MAX);
        let offset_ms = card.clock_offset_ms(now, rtt_ms);
        Ok(Told { card, offset_ms, runs_twice })
    }

    /// Something was signed with our key that we did not sign.
    pub(crate) fn hear_a_foreign_vote(&mut self, now: UnixMillis) {
        self.solitude.hear_a_foreign_vote(now);
    }

    /// Until when nothing may be signed, because this node runs twice.
    pub(crate) fn gives_way(&self, now: UnixMillis) -> Option<UnixMillis> {
        self.solitude.waits(now)
    }

    /// Whether `from` runs twice, and the last statement of another life of his.
    fn hear_of(&mut self, from: OperatorIndex, statement: &[u8]) -> (bool, Vec<u8>) {
        let operator = self.operators.get(from.position());
        let read = operator.and_then(|operator| Presence::read(statement, self.lock_hash, operator));
        let lives = self.lives.entry(from).or_default();
        let twice = read.is_some_and(|presence| lives.hear(presence, statement));
        // Who gives way says nothing of himself, and has to hear all the same whether the other is still there.
        let life = read.map(|presence| presence.life);
        (twice, lives.other_than(life.as_ref()).unwrap_or_default().to_vec())
    }

    /// Dropping the future is safe: the round stays due.
    pub(crate) async fn next_round(&mut self) {
        self.rounds.tick().await;
    }

    /// Asks these peers who they are.
    pub(crate) fn ask(
        &self,
        peers: &[OperatorIndex],
        (now, key): (UnixMillis, &NodeKey),
        (host, answers, tasks): (&Host, &mpsc::Sender<Answer>, &TaskTracker),
    ) {
        for peer in peers.iter().copied() {
            let (host, answers) = (host.clone(), answers.clone());
            let question = self.card(now, key, Vec::new());
            tasks.spawn(async move {
                let asked = Instant::now();
                if let Ok(answer) = host.request(peer, PEERINFO_PROTOCOL, question).await {
                    let _unheard = answers.send(Answer::Card(peer, answer, asked.elapsed())).await;
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::spec;

    const LOCK: LockHash = LockHash::new([3; 32]);
    const MAYA: OperatorIndex = OperatorIndex::new(0).unwrap();
    const SAM: OperatorIndex = OperatorIndex::new(1).unwrap();

    fn key(of: OperatorIndex) -> NodeKey {
        NodeKey::from_bytes(&[of.share().get(); 32]).unwrap()
    }

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis::new(1_700_000_000_000 + seconds * 1_000)
    }

    fn desk(me: OperatorIndex, started: u64) -> PeerInfoDesk {
        let operators = [MAYA, SAM].map(|of| key(of).public()).to_vec();
        let life = (at(started), [u8::try_from(started % 256).unwrap(); 16]);
        PeerInfoDesk::new((LOCK, me, operators), "a name".into(), &spec(), life)
    }

    /// Maya asks Sam who he is, as every node does once a minute. Returns whether he thinks that she runs twice.
    fn asks(maya: &mut PeerInfoDesk, sam: &mut PeerInfoDesk, second: u64) -> bool {
        let question = maya.card(at(second), &key(MAYA), Vec::new());
        let (answer, twice) = sam.answer((MAYA, &question), at(second), &key(SAM));
        let told = maya.take((SAM, &answer), at(second), Duration::from_millis(4)).unwrap();
        assert!(!told.runs_twice, "Sam does not");
        twice
    }

    #[tokio::test]
    async fn a_node_that_runs_twice_hears_it_from_its_peer_and_both_stop_until_the_newer_is_alone() {
        let (mut sam, mut maya, mut copy) = (desk(SAM, 0), desk(MAYA, 0), desk(MAYA, 1_000));
        let waits = |desk: &PeerInfoDesk, second| desk.gives_way(at(second)).is_some();
        assert!(
            !asks(&mut maya, &mut sam, 990) && !asks(&mut copy, &mut sam, 1_001),
            "a restart, for all he knows"
        );
        assert!(!waits(&copy, 1_001));
        assert!(asks(&mut maya, &mut sam, 1_050), "she is still there");
        assert!(waits(&maya, 1_050), "and the older learns of the newer at once");
        assert!(asks(&mut copy, &mut sam, 1_061));
        assert!(waits(&copy, 1_061));
        let quiet = quiet_ms(&spec()) / 1_000;
        for round in 0..=quiet / 60 + 1 {
            asks(&mut maya, &mut sam, 1_110 + round * 60);
            asks(&mut copy, &mut sam, 1_121 + round * 60);
        }
        let then = 1_130 + (quiet / 60 + 1) * 60;
        assert!(waits(&maya, then) && !waits(&copy, then), "the newer goes on alone");
    }

    #[tokio::test]
    async fn nobody_can_invent_a_twin_and_other_programs_are_answered_as_ever() {
        let (sam, mut maya) = (desk(SAM, 0), desk(MAYA, 0));
        // A statement that Sam signed with his own key, as if it were of another life of Maya.
        let life = Life { started: at(50), number: [9; 16] };
        let invented = Presence { life, said: at(100) }.sign(LOCK, &key(SAM));
        let answer = sam.card(at(100), &key(SAM), invented);
        maya.take((SAM, &answer), at(100), Duration::ZERO).unwrap();
        assert!(maya.gives_way(at(101)).is_none());
        for question in [&b""[..], b"no message", &[0xff; 40]] {
            let (answer, twice) = maya.answer((SAM, question), at(100), &key(MAYA));
            assert!(!twice && PeerInfo::decode(&answer).is_ok());
        }
    }
}
