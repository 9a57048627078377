//! Infosync among four operators on a clock that is turned by hand, with the messages as they travel.

use std::collections::BTreeMap;

use hearth_crypto::k1::NodeKey;
use hearth_duties::Voice;
use hearth_obol::infosync::{Agreed, Alarm, Infosync, Input, Output, duty, own_topics};
use hearth_obol::wire::priority::{PriorityCodec, SignedPreferences};
use hearth_obol::wire::{ConsensusCodec, Gate};
use hearth_types::{OperatorIndex, Slot, Threshold, UnixMillis};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

use crate::support::{at, spec};

/// The last slot of an epoch.
const SLOT: u64 = 63;

struct World {
    now: UnixMillis,
    keys: Vec<NodeKey>,
    consensus: ConsensusCodec,
    priority: PriorityCodec,
    machines: Vec<Infosync>,
    voice: Voice,
    /// Who cannot be reached.
    away: Vec<usize>,
    alarms: BTreeMap<(UnixMillis, usize, Alarm), ()>,
    agreed: Vec<Vec<Agreed>>,
}

fn operator(position: usize) -> OperatorIndex {
    OperatorIndex::new(u8::try_from(position).unwrap()).unwrap()
}

impl World {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(6);
        let keys: Vec<NodeKey> = (0..4).map(|_| NodeKey::generate(&mut rng)).collect();
        let ids = keys.iter().enumerate().map(|(at, key)| (key.public(), format!("peer-{at}"))).collect();
        let machine = |at| Infosync::new(operator(at), 4, Threshold::new(3, 4).unwrap(), spec());
        let mut voice = Voice::default();
        voice.has_recorded(Slot::new(SLOT));
        Self {
            now: at(SLOT * 12_000),
            consensus: ConsensusCodec::new(keys.iter().map(NodeKey::public).collect()),
            priority: PriorityCodec::new(ids),
            keys,
            machines: (0..4).map(machine).collect(),
            voice,
            away: Vec::new(),
            alarms: BTreeMap::new(),
            agreed: vec![Vec::new(); 4],
        }
    }

    fn list(&self, position: usize) -> SignedPreferences {
        let mut topics = own_topics();
        if position == 3 {
            // Another program: one version more, and what nobody else has.
            topics[0].priorities.insert(0, "v1.11".into());
            topics[2].priorities.insert(0, "builder".into());
        }
        self.priority.sign(operator(position), (duty(Slot::new(SLOT)), topics), &self.keys[position])
    }

    fn begin(&mut self, position: usize) {
        let own = self.list(position);
        self.step(position, Input::Begin(own.clone()));
        // A question to everybody: who has begun answers, and has heard the list in any case.
        for other in (0..4).filter(|other| *other != position) {
            if self.away.contains(&other) || self.away.contains(&position) {
                continue;
            }
            let heard = self.priority.decode(operator(position), &own.bytes).unwrap();
            self.step(other, Input::Heard(heard));
            if let Some(answer) = self.machines[other].own(Slot::new(SLOT)).cloned() {
                let answer = self.priority.decode(operator(other), &answer.bytes).unwrap();
                self.step(position, Input::Heard(answer));
            }
        }
    }

    fn step(&mut self, position: usize, input: Input) {
        for output in self.machines[position].step(self.now, input) {
            match output {
                Output::SetAlarm { at, alarm } => drop(self.alarms.insert((at, position, alarm), ())),
                Output::Agreed(agreed) => self.agreed[position].push(agreed),
                Output::Say(draft) => {
                    let speech = self.voice.speak(draft).unwrap();
                    let (bytes, own) = self.consensus.encode(&speech, &self.keys[position]).unwrap();
                    let via = operator(position);
                    self.step(position, Input::Consensus { via, message: own.into_inner() });
                    for other in (0..4).filter(|other| *other != position) {
                        if self.away.contains(&other) || self.away.contains(&position) {
                            continue;
                        }
                        let spec = spec();
                        let gate = Gate::new(&spec, self.now);
                        let message = self.consensus.decode(&bytes, &gate).unwrap().into_inner();
                        self.step(other, Input::Consensus { via, message });
                    }
                }
            }
        }
    }

    /// Turns the clock to this many milliseconds of the slot.
    fn run_to(&mut self, after_ms: u64) {
        let until = at(SLOT * 12_000 + after_ms);
        while let Some(entry) = self.alarms.first_entry().filter(|entry| entry.key().0 <= until) {
            let ((at, position, alarm), ()) = entry.remove_entry();
            self.now = self.now.max(at);
            self.step(position, Input::Alarm(alarm));
        }
        self.now = until;
    }

    fn names(agreed: &Agreed, topic: &str) -> Vec<String> {
        let found = agreed.topics.iter().find(|result| result.name == topic).unwrap();
        found.priorities.iter().map(|(name, _)| name.clone()).collect()
    }
}

#[test]
fn when_everybody_was_heard_the_cluster_agrees_at_once_on_what_enough_of_them_have() {
    let mut world = World::new();
    (0..4).for_each(|position| world.begin(position));
    let first = world.agreed[0][0].topics.clone();
    for agreed in &world.agreed {
        assert_eq!(agreed.len(), 1);
        assert_eq!(agreed[0].topics, first);
        assert_eq!(agreed[0].heard.len(), 4);
    }
    let agreed = &world.agreed[0][0];
    assert_eq!(World::names(agreed, "version").first().map(String::as_str), Some("v1.10"));
    assert_eq!(World::names(agreed, "proposal"), ["full"]);
    assert_eq!(World::names(agreed, "protocol")[0], "/charon/consensus/qbft/2.0.0");
}

#[test]
fn whoever_is_missing_is_waited_for_six_seconds_and_then_left_out() {
    for away in 0..4 {
        let mut world = World::new();
        world.away = vec![away];
        let others: Vec<usize> = (0..4).filter(|position| *position != away).collect();
        others.iter().for_each(|position| world.begin(*position));
        world.run_to(5_999);
        assert!(world.agreed.iter().all(Vec::is_empty));
        // Rounds count from the start of the slot; the first six are over at once.
        world.run_to(12_900);
        for position in &others {
            let agreed = &world.agreed[*position];
            assert_eq!(agreed.len(), 1, "{away} is away, {position} waits");
            assert_eq!(agreed[0].heard.len(), 3);
            assert_eq!(World::names(&agreed[0], "proposal"), ["full"]);
        }
    }
}

#[test]
fn two_of_four_agree_on_nothing_and_forget_it() {
    let mut world = World::new();
    world.away = vec![2, 3];
    world.begin(0);
    world.begin(1);
    world.run_to(13_100);
    assert!(world.agreed.iter().all(Vec::is_empty));
    assert!(world.machines[0].own(Slot::new(SLOT)).is_none(), "it is over");
}

#[test]
fn whoever_begins_late_has_heard_the_others_and_joins_their_agreement() {
    let mut world = World::new();
    (0..3).for_each(|position| world.begin(position));
    // Who is late would lead the seventh round.
    world.run_to(9_500);
    assert_eq!(world.agreed[0].len(), 1, "three were enough");
    assert!(world.agreed[3].is_empty());
    world.begin(3);
    assert_eq!(world.agreed[3].len(), 1, "the messages of the others were kept");
    assert_eq!(world.agreed[3][0].topics, world.agreed[0][0].topics);
}

#[test]
fn lists_of_far_slots_of_other_duties_and_of_ourselves_are_not_kept() {
    let mut world = World::new();
    let key = &world.keys[1];
    for (slot, kind) in [
        (SLOT + 2, hearth_types::DutyKind::InfoSync),
        (SLOT - 2, hearth_types::DutyKind::InfoSync),
        (SLOT, hearth_types::DutyKind::Attester),
    ] {
        let duty = hearth_types::Duty { slot: Slot::new(slot), kind };
        let list = world.priority.sign(operator(1), (duty, own_topics()), key);
        assert!(world.machines[0].step(world.now, Input::Heard(list)).is_empty());
    }
    let own = world.list(0);
    assert!(world.machines[0].step(world.now, Input::Heard(own)).is_empty());
    assert!(world.machines[0].own(Slot::new(SLOT)).is_none());
    // Saying it twice counts once.
    let other = world.list(1);
    for _ in 0..4 {
        let _ = world.machines[0].step(world.now, Input::Heard(other.clone()));
    }
    world.begin(0);
    assert!(world.agreed[0].is_empty());
}

#[test]
fn whoever_sends_a_list_that_makes_no_sense_is_left_out_as_if_he_were_away() {
    let mut world = World::new();
    let mut topics = own_topics();
    topics.push(topics[0].clone());
    let twice = world.priority.sign(operator(3), (duty(Slot::new(SLOT)), topics), &world.keys[3]);
    world.away = vec![3];
    (0..3).for_each(|position| world.begin(position));
    world.step(0, Input::Heard(twice));
    world.run_to(12_900);
    assert_eq!(world.agreed[0].len(), 1);
    assert_eq!(world.agreed[0][0].heard.len(), 3);
}
