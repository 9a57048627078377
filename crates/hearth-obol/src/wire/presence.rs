//! Whether one identity is in use twice: by a copy of a folder, or by a computer that was thought to be gone.
//!
//! Neither of the two can see it, but each of their peers can. So a node signs, whenever it asks or tells who it is, that this life of
//! it is there; its peers remember the last such statement of each life and hand the latest one of another life back. A peer
//! can keep silent about a twin, but cannot invent one: only the identity's key makes a statement, and repeating an old one changes
//! nothing.
//!
//! Of two lives the one that began later is to go on alone, once nothing was heard of the other for a while. Ours alone: fields of
//! peerinfo that other programs skip. Why so: ADR 13.

use hearth_crypto::k1::{self, NodeKey, NodePublicKey};
use hearth_types::{LockHash, UnixMillis};
use sha2::{Digest as _, Sha256};

/// What sets these signatures apart from all others of the same key.
const PURPOSE: &[u8] = b"hearth presence 1\n";
/// Number of a life, moment of its start, moment of the statement.
const BODY_BYTES: usize = 16 + 8 + 8;
/// With the signature over it.
const STATEMENT_BYTES: usize = BODY_BYTES + 65;
/// Lives of an operator that are remembered.
const LIVES: usize = 4;
/// A life that spoke this long after the start of another was still there, however far the clocks of two computers are apart.
const OVERLAP_MS: u64 = 10_000;

/// One run of a node, from its start to its end. The later one is the greater.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Life {
    /// When it began.
    pub started: UnixMillis,
    /// A random number that no other has.
    pub number: [u8; 16],
}

/// That a life was there at a moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Presence {
    /// Which.
    pub life: Life,
    /// When, by its own clock.
    pub said: UnixMillis,
}

impl Presence {
    /// The signed statement.
    pub fn sign(&self, cluster: LockHash, key: &NodeKey) -> Vec<u8> {
        let moments = [self.life.started, self.said].map(|moment| moment.get().to_be_bytes()).concat();
        let mut statement = [self.life.number.as_slice(), &moments].concat();
        statement.extend(key.sign(&digest(cluster, &statement)));
        statement
    }

    /// Reads a statement; `None` if it is none of this operator in this cluster.
    pub fn read(statement: &[u8], cluster: LockHash, operator: &NodePublicKey) -> Option<Self> {
        let body = statement.get(..BODY_BYTES)?;
        let signature = statement.get(BODY_BYTES..).filter(|_| statement.len() == STATEMENT_BYTES)?;
        let (number, moments) = body.split_first_chunk::<16>()?;
        let (started, said) = moments.split_first_chunk::<8>()?;
        let said = said.first_chunk::<8>()?;
        let moment = |bytes: &[u8; 8]| UnixMillis::new(u64::from_be_bytes(*bytes));
        let signer = k1::recover(&digest(cluster, body), signature).ok()?;
        let life = Life { started: moment(started), number: *number };
        (signer == *operator).then(|| Self { life, said: moment(said) })
    }
}

fn digest(cluster: LockHash, body: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(PURPOSE).chain_update(cluster.as_bytes()).chain_update(body).finalize().into()
}

/// The lives of another operator that were heard of.
#[derive(Clone, Debug, Default)]
pub struct Lives {
    /// Who spoke last stands last.
    heard: Vec<(Presence, Vec<u8>)>,
}

impl Lives {
    /// Hears a statement that was read. Returns whether that operator runs twice: a life speaks although another has begun since it
    /// last did.
    pub fn hear(&mut self, presence: Presence, statement: &[u8]) -> bool {
        let place = self.heard.iter().position(|(of, _)| of.life == presence.life);
        if let Some(place) = place {
            if self.heard.get(place).is_some_and(|(before, _)| before.said > presence.said) {
                return false; // It was overtaken.
            }
            self.heard.remove(place);
        }
        let twice = place.is_some_and(|place| place < self.heard.len());
        self.heard.push((presence, statement.to_vec()));
        if self.heard.len() > LIVES {
            self.heard.remove(0);
        }
        twice
    }

    /// The last statement of another life than this one; of any, if it is not known which this is.
    pub fn other_than(&self, life: Option<&Life>) -> Option<&[u8]> {
        let other = self.heard.iter().rev().find(|(of, _)| Some(&of.life) != life);
        other.map(|(_, statement)| statement.as_slice())
    }
}

/// Whether this life is the only one of its identity.
#[derive(Clone, Copy, Debug)]
pub struct Solitude {
    life: Life,
    /// For how long nothing must be heard of another life, in milliseconds.
    quiet_ms: u64,
    other: Option<Other>,
}

#[derive(Clone, Copy, Debug)]
struct Other {
    /// The last sign of it, by its own clock.
    said: UnixMillis,
    /// Until then we do nothing.
    until: UnixMillis,
    /// It began after us: it is the one to go on.
    is_newer: bool,
}

impl Solitude {
    /// Nothing was heard of another life yet.
    pub const fn new(life: Life, quiet_ms: u64) -> Self {
        Self { life, quiet_ms, other: None }
    }

    /// This life.
    pub const fn life(&self) -> Life {
        self.life
    }

    /// Hears at `now` what a life of our own identity said. What an earlier one said before we began is no news, nor is what was heard.
    pub fn hear(&mut self, now: UnixMillis, presence: Presence) {
        let Presence { life, said } = presence;
        let overlaps = said > self.life.started.saturating_add(OVERLAP_MS);
        let is_news = self.other.is_none_or(|other| said > other.said);
        if life != self.life && overlaps && is_news {
            self.wait(now, said, life > self.life);
        }
    }

    /// Something was signed with our key, now, that we did not sign. Who did is not known: nobody is to go on.
    pub fn hear_a_foreign_vote(&mut self, now: UnixMillis) {
        let said = self.other.map_or(UnixMillis::new(0), |other| other.said);
        self.wait(now, said, true);
    }

    fn wait(&mut self, now: UnixMillis, said: UnixMillis, is_newer: bool) {
        self.other = Some(Other { said, until: now.saturating_add(self.quiet_ms), is_newer });
    }

    /// Until when nothing may be signed, if so.
    pub fn waits(&self, now: UnixMillis) -> Option<UnixMillis> {
        self.other.map(|other| other.until).filter(|until| now < *until)
    }

    /// What to tell peers: that we are there. Nothing while the other one is to go on.
    pub fn tell(&self, now: UnixMillis) -> Option<Presence> {
        let gives_way = self.other.is_some_and(|other| other.is_newer && now < other.until);
        (!gives_way).then_some(Presence { life: self.life, said: now })
    }
}

#[cfg(test)]
mod tests {
    use hearth_crypto::k1::NodeKey;

    use super::*;

    const QUIET: u64 = 768_000;
    const CLUSTER: LockHash = LockHash::new([7; 32]);

    fn key(byte: u8) -> NodeKey {
        NodeKey::from_bytes(&[byte; 32]).unwrap()
    }

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis::new(1_700_000_000_000 + seconds * 1_000)
    }

    fn life(started: u64, number: u8) -> Life {
        Life { started: at(started), number: [number; 16] }
    }

    fn presence(life: Life, said: u64) -> Presence {
        Presence { life, said: at(said) }
    }

    #[test]
    fn a_statement_reads_as_it_was_signed_and_for_nobody_else() {
        let (said, key_of_it) = (presence(life(5, 9), 77), key(1));
        let statement = said.sign(CLUSTER, &key_of_it);
        assert_eq!(Presence::read(&statement, CLUSTER, &key_of_it.public()), Some(said));
        assert_eq!(Presence::read(&statement, CLUSTER, &key(2).public()), None, "another operator");
        assert_eq!(Presence::read(&statement, LockHash::new([8; 32]), &key_of_it.public()), None);
        for length in (0..statement.len()).chain([statement.len() + 1]) {
            let mut cut = statement.clone();
            cut.resize(length, 0);
            assert_eq!(Presence::read(&cut, CLUSTER, &key_of_it.public()), None, "{length} bytes");
        }
        for place in 0..statement.len() {
            let mut changed = statement.clone();
            changed[place] ^= 1;
            assert_eq!(Presence::read(&changed, CLUSTER, &key_of_it.public()), None, "byte {place}");
        }
    }

    /// Two lives and a peer, each asking it once a minute from its start on. Returns who may sign, minute by minute.
    fn minutes(first: u64, second: u64, ends: Option<(usize, u64)>, until: u64) -> Vec<[bool; 2]> {
        let mut lives = Lives::default();
        let mut each = [Solitude::new(life(first, 1), QUIET), Solitude::new(life(second, 2), QUIET)];
        let mut free = Vec::new();
        for minute in 0..until {
            for (number, one) in each.iter_mut().enumerate() {
                let now = at(minute * 60 + number as u64);
                let runs =
                    now >= one.life().started && ends.is_none_or(|(who, end)| who != number || minute < end);
                if !runs {
                    continue;
                }
                if let Some(told) = one.tell(now) {
                    lives.hear(told, &told.sign(CLUSTER, &key(1)));
                }
                let other = lives.other_than(Some(&one.life()));
                if let Some(other) = other.and_then(|bytes| Presence::read(bytes, CLUSTER, &key(1).public())) {
                    one.hear(now, other);
                }
            }
            let now = at(minute * 60 + 30);
            free.push([0, 1].map(|number: usize| each[number].waits(now).is_none()));
        }
        free
    }

    #[test]
    fn of_two_lives_the_newer_goes_on_alone_once_the_older_gives_way_and_never_both_after_both_have_asked() {
        let free = minutes(0, 601, None, 120);
        // The newer asks first after the older was last heard: both know of each other a minute later.
        for (minute, both) in free.iter().enumerate().skip(12) {
            assert_ne!(*both, [true, true], "minute {minute}");
        }
        assert_eq!(free[13], [false, false], "at first neither");
        assert_eq!(free[60..], vec![[false, true]; 60], "then the newer alone");
    }

    #[test]
    fn when_the_newer_is_stopped_the_older_goes_on_after_a_while() {
        let free = minutes(0, 601, Some((1, 40)), 80);
        assert!(!free[45][0]);
        assert!(free[60][0]);
    }

    #[test]
    fn a_restart_is_no_twin() {
        let free = minutes(0, 601, Some((0, 10)), 60);
        assert!(free.iter().all(|both| both[1]), "{free:?}");
    }

    #[test]
    fn a_peer_that_repeats_what_it_heard_keeps_nobody_waiting() {
        let mut one = Solitude::new(life(100, 1), QUIET);
        let old = presence(life(0, 2), 200);
        for second in [300, 600, 900] {
            one.hear(at(second), old);
        }
        assert_eq!(one.waits(at(301)), Some(at(300 + QUIET / 1_000)));
        assert_eq!(one.waits(at(300 + QUIET / 1_000)), None);
        // An earlier life of ours with a clock far ahead: heard once, waited for once.
        one.hear(at(2_000), presence(life(9_000_000, 3), 9_000_100));
        assert!(one.waits(at(2_001)).is_some() && one.tell(at(2_001)).is_none());
        one.hear(at(2_600), presence(life(9_000_000, 3), 9_000_100));
        assert!(one.waits(at(2_769)).is_none() && one.tell(at(2_769)).is_some());
    }

    #[test]
    fn a_vote_that_we_did_not_say_stops_us_whoever_said_it() {
        let mut one = Solitude::new(life(100, 1), QUIET);
        one.hear_a_foreign_vote(at(200));
        assert!(one.waits(at(201)).is_some() && one.tell(at(201)).is_none());
    }

    #[test]
    fn a_peer_knows_who_runs_twice_by_the_order_in_which_lives_speak() {
        let (one, other) = (life(0, 1), life(50, 2));
        let mut lives = Lives::default();
        let mut hear = |life, said: u8| lives.hear(presence(life, said.into()), &[said]);
        assert!(!hear(one, 10) && !hear(one, 20) && !hear(other, 60) && !hear(other, 70), "a restart");
        assert!(!hear(one, 15), "it comes late, and was said before");
        assert!(hear(one, 80), "it is still there");
        assert!(hear(other, 90));
        assert_eq!(lives.other_than(Some(&one)), Some([90].as_slice()));
        assert_eq!(lives.other_than(Some(&other)), Some([80].as_slice()));
    }
}
