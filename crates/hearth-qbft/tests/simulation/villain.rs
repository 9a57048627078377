//! Members that do not follow the rules. They know everything that was ever said, share their keys, and can do
//! whatever signatures allow: say anything as themselves, and repeat anything that a correct operator once said.

use std::collections::BTreeSet;
use std::rc::Rc;

use hearth_qbft::{Config, Input, Kind, Output, Round, Signed, Timer, Vote, is_justified};
use hearth_types::OperatorIndex;
use rand::seq::{IndexedRandom as _, IteratorRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::common::{at, change, round, vote};
use crate::world::{Instance, Plan, Said};

pub(crate) enum Villain {
    /// Says nothing.
    Mute,
    /// Is two correct operators at once, each with a value and an audience of its own.
    Equivocator(Option<Box<Twins>>),
    /// Repeats what others said, late, often, and justified by something else.
    Replayer,
    /// Votes for every value of every round, and forgets that it did.
    YesSayer { said: BTreeSet<(u64, u64)> },
    /// Builds proposals, round changes and decisions out of whatever votes exist.
    Forger,
}

pub(crate) struct Twins {
    instances: [Instance; 2],
    audiences: [BTreeSet<OperatorIndex>; 2],
}

/// What a villain sees and has.
pub(crate) struct Scene<'a> {
    pub(crate) config: Config,
    pub(crate) gang: &'a BTreeSet<OperatorIndex>,
    /// Every vote of a correct operator.
    pub(crate) known: &'a BTreeSet<Vote<u64>>,
    /// Every message of a correct operator.
    pub(crate) messages: &'a [Rc<Said>],
    pub(crate) rng: &'a mut ChaCha8Rng,
}

/// What a villain does.
pub(crate) enum Letter {
    To(OperatorIndex, Rc<Said>),
    /// For one of its instances.
    Timer(usize, Timer),
    Echo(usize, Said),
}

impl Villain {
    pub(crate) fn yes_sayer() -> Self {
        Self::YesSayer { said: BTreeSet::new() }
    }

    /// As many villains as are tolerated, of random kinds.
    pub(crate) fn gang(operators: u8, seed: u64) -> Vec<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x9a49);
        let kind = |_| match rng.random_range(0..8) {
            0 => Self::Mute,
            1 | 2 => Self::Equivocator(None),
            3 => Self::Replayer,
            4 | 5 => Self::yes_sayer(),
            _ => Self::Forger,
        };
        (0..Plan::tolerated(operators)).map(kind).collect()
    }

    pub(crate) fn tick(&mut self, scene: &mut Scene<'_>) -> Vec<Letter> {
        match self {
            Self::Mute | Self::YesSayer { .. } | Self::Equivocator(Some(_)) => Vec::new(),
            Self::Equivocator(unborn) => {
                let twins = unborn.insert(Box::new(Twins::born(scene)));
                [0, 1].into_iter().flat_map(|twin| twins.feed(twin, Input::Start)).collect()
            }
            Self::Replayer => (0..6).flat_map(|_| replay(scene)).collect(),
            Self::Forger => (0..4).flat_map(|_| forge(scene)).collect(),
        }
    }

    pub(crate) fn hear(&mut self, message: &Said, scene: &mut Scene<'_>) -> Vec<Letter> {
        match self {
            Self::Mute | Self::Equivocator(None) => Vec::new(),
            Self::Equivocator(Some(twins)) => {
                [0, 1].into_iter().flat_map(|twin| twins.feed(twin, Input::Received(message.clone()))).collect()
            }
            Self::Replayer if scene.rng.random_range(0..4) == 0 => replay(scene),
            Self::Replayer => Vec::new(),
            Self::YesSayer { said } => say_yes(said, message, scene),
            Self::Forger if scene.rng.random_range(0..8) == 0 => forge(scene),
            Self::Forger => Vec::new(),
        }
    }

    pub(crate) fn feed(&mut self, twin: usize, input: Input<u64, ()>) -> Vec<Letter> {
        match self {
            Self::Equivocator(Some(twins)) => twins.feed(twin, input),
            _ => Vec::new(),
        }
    }
}

impl Twins {
    fn born(scene: &mut Scene<'_>) -> Self {
        let mut instances = [Instance::new(scene.config), Instance::new(scene.config)];
        for (instance, value) in instances.iter_mut().zip([901, 902]) {
            let _waits_for_the_start = instance.step(Input::Propose(value));
        }
        let mut audiences = [BTreeSet::new(), BTreeSet::new()];
        for to in scene.others() {
            let hears = scene.rng.random_range(0..5);
            audiences[0].extend((hears != 0 && hears != 1).then_some(to));
            audiences[1].extend((hears != 2 && hears != 3).then_some(to));
        }
        Self { instances, audiences }
    }

    fn feed(&mut self, twin: usize, input: Input<u64, ()>) -> Vec<Letter> {
        let mut letters = Vec::new();
        for output in self.instances[twin].step(input) {
            match output {
                Output::Broadcast(draft) => {
                    let message = Said { signed: signed(draft.vote), justification: draft.justification };
                    letters.push(Letter::Echo(twin, message.clone()));
                    let message = Rc::new(message);
                    letters.extend(self.audiences[twin].iter().map(|to| Letter::To(*to, Rc::clone(&message))));
                }
                Output::StartTimer(timer) => letters.push(Letter::Timer(twin, timer)),
                Output::Decide { .. } => {}
            }
        }
        letters
    }
}

impl Scene<'_> {
    fn others(&self) -> Vec<OperatorIndex> {
        OperatorIndex::all(self.config.operators).filter(|to| !self.gang.contains(to)).collect()
    }

    fn tell_all(&self, vote: Vote<u64>, because: Vec<Vote<u64>>) -> Vec<Letter> {
        let message =
            Rc::new(Said { signed: signed(vote), justification: because.into_iter().map(signed).collect() });
        self.others().into_iter().map(|to| Letter::To(to, Rc::clone(&message))).collect()
    }

    fn tell_some(&mut self, vote: Vote<u64>, because: Vec<Vote<u64>>) -> Vec<Letter> {
        let mut letters = self.tell_all(vote, because);
        letters.retain(|_| self.rng.random_range(0..3) != 0);
        letters
    }

    fn accomplice(&mut self) -> u8 {
        self.gang.iter().choose(self.rng).copied().unwrap_or(self.config.me).into()
    }

    /// Values that somebody correct named, and two that nobody did.
    fn values(&self) -> Vec<u64> {
        let named = self.known.iter().filter_map(|vote| vote.value);
        named.chain([903, 904]).collect::<BTreeSet<u64>>().into_iter().collect()
    }

    fn value(&mut self) -> u64 {
        self.values().choose(self.rng).copied().unwrap_or(903)
    }

    fn latest_round(&self) -> u64 {
        self.known.iter().map(|vote| vote.round.get()).max().unwrap_or(1)
    }

    /// All votes for something that exist, and those that the gang can add.
    fn votes(&self, kind: Kind, number: u64, value: u64) -> Vec<Vote<u64>> {
        let agree =
            |vote: &&Vote<u64>| (vote.kind, vote.round.get(), vote.value) == (kind, number, Some(value));
        let invented = self.gang.iter().map(|&from| vote(kind, from.into(), number, value));
        self.known.iter().filter(agree).copied().chain(invented).collect()
    }
}

fn replay(scene: &mut Scene<'_>) -> Vec<Letter> {
    let (Some(message), Some(other)) = (scene.messages.choose(scene.rng), scene.messages.choose(scene.rng))
    else {
        return Vec::new();
    };
    let mut message = Rc::clone(message);
    if scene.rng.random_range(0..3) == 0 {
        let (signed, justification) = (message.signed.clone(), other.justification.clone());
        message = Rc::new(Said { signed, justification });
    }
    let to = at(scene.rng.random_range(0..scene.config.operators));
    vec![Letter::To(to, message)]
}

fn say_yes(said: &mut BTreeSet<(u64, u64)>, message: &Said, scene: &mut Scene<'_>) -> Vec<Letter> {
    let me = u8::from(scene.config.me);
    let heard = message.signed.vote;
    let number = heard.round.get();
    let mut letters = Vec::new();
    for value in heard.value.into_iter().chain([903]) {
        if said.insert((number, value)) {
            letters.extend(scene.tell_some(vote(Kind::Prepare, me, number, value), Vec::new()));
            letters.extend(scene.tell_some(vote(Kind::Commit, me, number, value), Vec::new()));
        }
    }
    if said.insert((number, 0)) {
        letters.extend(scene.tell_some(change(me, number, (0, 0)), Vec::new()));
        letters.extend(scene.tell_some(change(me, number + 1, (0, 0)), Vec::new()));
    }
    letters
}

fn forge(scene: &mut Scene<'_>) -> Vec<Letter> {
    let number = scene.rng.random_range(1..=scene.latest_round() + 1);
    let value = scene.value();
    let from = scene.accomplice();
    match scene.rng.random_range(0..8) {
        0 => scene.tell_some(vote(Kind::Prepare, from, number, value), Vec::new()),
        1 => scene.tell_some(vote(Kind::Commit, from, number, value), Vec::new()),
        2 => {
            let commits = scene.votes(Kind::Commit, number, value);
            scene.tell_some(vote(Kind::Decided, from, number, value), commits)
        }
        3 => {
            let later = number + scene.rng.random_range(1..3);
            let prepares = scene.votes(Kind::Prepare, number, value);
            scene.tell_some(change(from, later, (number, value)), prepares)
        }
        4 => scene.tell_some(change(from, scene.latest_round() + 1, (0, 0)), Vec::new()),
        _ => (0..scene.config.operators.into()).flat_map(|ahead| propose(scene, number + ahead)).collect(),
    }
}

/// As leader of a round: each value that some choice of the existing votes justifies, to others; or one to everybody,
/// with all the votes that the gang can give it.
fn propose(scene: &mut Scene<'_>, number: u64) -> Vec<Letter> {
    let leader = scene.config.leader(round(number));
    if !scene.gang.contains(&leader) || number > scene.latest_round() + 1 {
        return Vec::new();
    }
    let config = scene.config;
    let proposal = |scene: &mut Scene<'_>, value| {
        let head = vote(Kind::PrePrepare, leader.into(), number, value);
        let because = (0..12).map(|_| grounds(scene, number, value)).find(|because| {
            let justification = because.iter().copied().map(signed).collect();
            is_justified(&config, &Said { signed: signed(head), justification })
        });
        because.map(|because| (head, because))
    };
    if scene.rng.random_range(0..2) == 0 {
        let value = scene.value();
        let Some((head, because)) = proposal(scene, value) else { return Vec::new() };
        let mut letters = scene.tell_all(head, because);
        for from in scene.gang.clone() {
            letters.extend(scene.tell_all(vote(Kind::Prepare, from.into(), number, value), Vec::new()));
            letters.extend(scene.tell_all(vote(Kind::Commit, from.into(), number, value), Vec::new()));
        }
        return letters;
    }
    let proposals: Vec<_> = scene.values().into_iter().filter_map(|value| proposal(scene, value)).collect();
    proposals.into_iter().flat_map(|(head, because)| scene.tell_some(head, because)).collect()
}

/// A random choice of the round changes and PREPAREs that exist, and of what the gang can add: sometimes all that says
/// nothing was prepared, sometimes what fits one claim, sometimes what fits nothing.
fn grounds(scene: &mut Scene<'_>, number: u64, value: u64) -> Vec<Vote<u64>> {
    let prepared_round = scene.rng.random_range(0..number);
    let prepared_value = if scene.rng.random_range(0..3) == 0 { scene.value() } else { value };
    let claim = if prepared_round == 0 { (0, 0) } else { (prepared_round, prepared_value) };
    let latest_claim = if scene.rng.random_range(0..3) == 0 { number } else { prepared_round };
    let mut chosen = Vec::new();
    for from in OperatorIndex::all(scene.config.operators) {
        if scene.gang.contains(&from) {
            let claim = if scene.rng.random_range(0..3) == 0 { (0, 0) } else { claim };
            chosen.push(change(from.into(), number, claim));
        } else {
            let real = scene.known.iter().filter(|vote| {
                (vote.kind, vote.from, vote.round.get()) == (Kind::RoundChange, from, number)
                    && vote.prepared_round.map_or(0, Round::get) <= latest_claim
            });
            chosen.extend(real.choose(scene.rng).copied());
        }
    }
    if prepared_round != 0 {
        chosen.extend(scene.votes(Kind::Prepare, prepared_round, prepared_value));
    }
    chosen
}

fn signed(vote: Vote<u64>) -> Signed<u64, ()> {
    Signed { vote, proof: () }
}
