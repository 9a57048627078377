//! One cluster, one duty, one seed.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use hearth_qbft::{
    Arming, Config, Draft, Input, Kind, Message, Output, Qbft, Signed, Timer, Vote, is_justified,
};
use hearth_types::{OperatorIndex, Quorum, faulty_tolerated};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::common::at;
use crate::villain::{Letter, Scene, Villain};

pub(crate) type Instance = Qbft<u64, ()>;
pub(crate) type Said = Message<u64, ()>;

/// When a run is given up: every correct operator must have decided by then.
const PATIENCE_MS: u64 = 60_000;

/// How long villains go on after the network has healed.
const ENCORE_MS: u64 = 4_000;

/// What goes wrong, and until when.
pub(crate) struct Plan {
    pub(crate) operators: u8,
    pub(crate) villains: Vec<Villain>,
    /// Correct operators that stop for good at some moment.
    pub(crate) stops: u8,
    /// Whether operators start late, or have nothing to propose.
    pub(crate) tardy: bool,
    pub(crate) weather: Weather,
}

/// The network until it heals. Afterwards it loses nothing and takes at most 60 ms.
pub(crate) struct Weather {
    heals_at_ms: u64,
    loss_percent: u32,
    duplicated_percent: u32,
    delay_up_to_ms: u64,
    /// Messages between operators of different sides are lost.
    side: BTreeSet<OperatorIndex>,
    /// COMMITs reach nobody else until it has decided, DECIDEDs never: the others must decide the same on their own.
    lucky: Option<OperatorIndex>,
}

#[derive(Debug)]
pub(crate) struct Outcome {
    /// Rounds in which correct operators decided.
    pub(crate) rounds: BTreeSet<u64>,
    pub(crate) took_ms: u64,
    pub(crate) after_healing_ms: u64,
}

impl Plan {
    pub(crate) fn quiet(operators: u8) -> Self {
        let weather = Weather {
            heals_at_ms: 0,
            loss_percent: 0,
            duplicated_percent: 0,
            delay_up_to_ms: 0,
            side: BTreeSet::new(),
            lucky: None,
        };
        Self { operators, villains: Vec::new(), stops: 0, tardy: false, weather }
    }

    pub(crate) fn stormy(operators: u8, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5707);
        let selective = rng.random_range(0..2) == 0;
        let partitioned = !selective && rng.random_range(0..3) == 0;
        let weather = Weather {
            heals_at_ms: rng.random_range(0..if selective { 16_000 } else { 8_000 }),
            loss_percent: rng.random_range(0..if selective { 10 } else { 50 }),
            duplicated_percent: rng.random_range(0..30),
            delay_up_to_ms: [50, 300, 1_500][rng.random_range(0..3)],
            side: OperatorIndex::all(operators)
                .filter(|_| partitioned && rng.random_range(0..2) == 0)
                .collect(),
            lucky: selective.then(|| at(rng.random_range(0..operators))),
        };
        Self { operators, villains: Vec::new(), stops: 0, tardy: true, weather }
    }

    /// Operators that may lie.
    pub(crate) fn tolerated(operators: u8) -> u8 {
        faulty_tolerated(operators) as u8
    }

    /// Operators that a quorum can do without.
    pub(crate) fn spare(operators: u8) -> u8 {
        operators - Quorum::of(operators).count() as u8
    }
}

enum Member {
    Correct(Box<Instance>),
    Stopped,
    Villain(Villain),
}

enum Event {
    Start(OperatorIndex),
    Value(OperatorIndex, u64),
    Stop(OperatorIndex),
    Delivered(OperatorIndex, Rc<Said>),
    Timer(OperatorIndex, Timer),
    /// A villain's moment, or the timer of one of its instances.
    Tick(OperatorIndex),
    VillainTimer(OperatorIndex, usize, Timer),
    VillainEcho(OperatorIndex, usize, Said),
}

pub(crate) struct World {
    seed: u64,
    rng: ChaCha8Rng,
    operators: u8,
    first_leader: OperatorIndex,
    weather: Weather,
    now_ms: u64,
    queue: BTreeMap<(u64, u64), Event>,
    queued: u64,
    members: Vec<Member>,
    gang: BTreeSet<OperatorIndex>,
    inputs: BTreeSet<u64>,
    /// Every vote that a correct operator ever signed: what a signature check lets pass, and all that villains know.
    authored: BTreeSet<Vote<u64>>,
    broadcast: Vec<Rc<Said>>,
    decisions: BTreeMap<OperatorIndex, (u64, u64)>,
}

impl World {
    pub(crate) fn new(seed: u64, plan: Plan) -> Self {
        let Plan { operators, villains, stops, tardy, weather } = plan;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let first_leader = at(rng.random_range(0..operators));
        let mut world = Self {
            seed,
            operators,
            first_leader,
            weather,
            now_ms: 0,
            queue: BTreeMap::new(),
            queued: 0,
            members: Vec::new(),
            gang: BTreeSet::new(),
            inputs: BTreeSet::new(),
            authored: BTreeSet::new(),
            broadcast: Vec::new(),
            decisions: BTreeMap::new(),
            rng,
        };
        for me in OperatorIndex::all(operators) {
            world.members.push(Member::Correct(Box::new(Instance::new(world.config(me)))));
        }
        for villain in villains {
            let me = world.pick(|world, me| !world.gang.contains(&me));
            world.gang.insert(me);
            world.members[me.position()] = Member::Villain(villain);
        }
        world.raise_curtain(stops, tardy);
        world
    }

    fn raise_curtain(&mut self, stops: u8, tardy: bool) {
        let mut stopping = BTreeSet::new();
        for _ in 0..stops {
            let me = self.pick(|world, me| !world.gang.contains(&me) && !stopping.contains(&me));
            stopping.insert(me);
            let at_ms = self.rng.random_range(0..3_000);
            self.schedule(at_ms, Event::Stop(me));
        }
        // One correct operator has a value soon; without any there would be nothing to agree on.
        let dependable = self.pick(|world, me| !world.gang.contains(&me) && !stopping.contains(&me));
        for me in OperatorIndex::all(self.operators) {
            if self.gang.contains(&me) {
                for tick in 0..(self.weather.heals_at_ms + ENCORE_MS) / 250 {
                    let at_ms = 250 * tick + self.rng.random_range(0..250);
                    self.schedule(at_ms, Event::Tick(me));
                }
                continue;
            }
            let late = tardy && self.rng.random_range(0..10) == 0;
            let starts_ms = self.rng.random_range(0..if late { 5_000 } else { 100 });
            self.schedule(starts_ms, Event::Start(me));
            let nothing = tardy && self.rng.random_range(0..8) == 0;
            if me == dependable || !nothing {
                let value = 100 + u64::from(u8::from(me));
                self.inputs.insert(value);
                let fetched_ms = self.rng.random_range(0..if tardy { 1_500 } else { 100 });
                self.schedule(fetched_ms, Event::Value(me, value));
            }
        }
    }

    pub(crate) fn run(mut self) -> Outcome {
        while let Some(((at_ms, _), event)) = self.queue.pop_first() {
            self.now_ms = at_ms;
            if at_ms > PATIENCE_MS || self.undecided().next().is_none() {
                break;
            }
            self.happen(event);
        }
        let undecided: Vec<_> = self.undecided().collect();
        assert!(undecided.is_empty(), "{}: never decided: {undecided:?}", self.name());
        Outcome {
            rounds: self.decisions.values().map(|(round, _)| *round).collect(),
            took_ms: self.now_ms,
            after_healing_ms: self.now_ms.saturating_sub(self.weather.heals_at_ms),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Start(me) => self.feed(me, Input::Start),
            Event::Value(me, value) => self.feed(me, Input::Propose(value)),
            Event::Stop(me) => self.members[me.position()] = Member::Stopped,
            Event::Timer(me, timer) => self.feed(me, Input::TimedOut(timer)),
            Event::Delivered(me, message) => match self.members[me.position()] {
                Member::Correct(_) if self.signatures_hold(&message) => {
                    self.feed(me, Input::Received(Said::clone(&message)));
                }
                Member::Correct(_) | Member::Stopped => {}
                Member::Villain(_) => self.act(me, |villain, scene| villain.hear(&message, scene)),
            },
            Event::Tick(me) => self.act(me, Villain::tick),
            Event::VillainTimer(me, twin, timer) => {
                self.act(me, |villain, _| villain.feed(twin, Input::TimedOut(timer)));
            }
            Event::VillainEcho(me, twin, message) => {
                self.act(me, |villain, _| villain.feed(twin, Input::Received(message)));
            }
        }
    }

    // Correct operators.

    fn feed(&mut self, me: OperatorIndex, input: Input<u64, ()>) {
        let Member::Correct(instance) = &mut self.members[me.position()] else { return };
        for output in instance.step(input) {
            match output {
                Output::Broadcast(draft) => self.broadcast(me, draft),
                Output::StartTimer(timer) => {
                    let at_ms = deadline_ms(timer);
                    self.schedule(at_ms, Event::Timer(me, timer));
                }
                Output::Decide { round, value } => self.decide(me, round.get(), value),
            }
        }
    }

    fn broadcast(&mut self, me: OperatorIndex, draft: Draft<u64, ()>) {
        let vote = draft.vote;
        let message = Said { signed: Signed { vote, proof: () }, justification: draft.justification };
        assert!(is_justified(&self.config(me), &message), "{}: {me} says {message:?}", self.name());
        assert!(message.justification.len() <= 2 * usize::from(self.operators), "{}: too much", self.name());
        let contradicts = |other: &&Vote<u64>| {
            other.from == me && (other.kind, other.round) == (vote.kind, vote.round) && **other != vote
        };
        let before = self.authored.iter().find(contradicts);
        assert!(before.is_none(), "{}: {me} says {vote:?} after {before:?}", self.name());
        self.authored.insert(vote);

        let message = Rc::new(message);
        self.broadcast.push(Rc::clone(&message));
        for to in OperatorIndex::all(self.operators) {
            if to == me {
                let at_ms = self.now_ms + self.rng.random_range(0..3);
                self.schedule(at_ms, Event::Delivered(me, Rc::clone(&message)));
            } else {
                self.send(me, to, Rc::clone(&message));
            }
        }
    }

    fn decide(&mut self, me: OperatorIndex, round: u64, value: u64) {
        let before = self.decisions.insert(me, (round, value));
        assert_eq!(before, None, "{}: {me} decides twice", self.name());
        for (other, (_, decided)) in &self.decisions {
            assert_eq!(*decided, value, "{}: {me} and {other} decide differently", self.name());
        }
        for kind in [Kind::Prepare, Kind::Commit] {
            let in_favour =
                |vote: &&Vote<u64>| (vote.kind, vote.round.get(), vote.value) == (kind, round, Some(value));
            let correct = self.authored.iter().filter(in_favour).count();
            let enough = Quorum::of(self.operators).count() - self.gang.len();
            assert!(correct >= enough, "{}: {value} decided by {correct} correct {kind:?}", self.name());
        }
        let proposable = self.inputs.contains(&value) || !self.gang.is_empty();
        assert!(proposable, "{}: nobody proposed {value}", self.name());
    }

    /// What the shell checks: nobody speaks for a correct operator.
    fn signatures_hold(&self, message: &Said) -> bool {
        let mut votes =
            std::iter::once(&message.signed).chain(&message.justification).map(|signed| signed.vote);
        votes.all(|vote| self.gang.contains(&vote.from) || self.authored.contains(&vote))
            && message.justification.len() <= 2 * usize::from(self.operators)
    }

    // Villains.

    fn act(&mut self, me: OperatorIndex, act: impl FnOnce(&mut Villain, &mut Scene<'_>) -> Vec<Letter>) {
        if self.now_ms > self.weather.heals_at_ms + ENCORE_MS {
            return;
        }
        let config = self.config(me);
        let Member::Villain(villain) = &mut self.members[me.position()] else { return };
        let mut scene = Scene {
            config,
            gang: &self.gang,
            known: &self.authored,
            messages: &self.broadcast,
            rng: &mut self.rng,
        };
        for letter in act(villain, &mut scene) {
            match letter {
                Letter::To(to, message) => self.send(me, to, message),
                Letter::Timer(twin, timer) => {
                    self.schedule(deadline_ms(timer), Event::VillainTimer(me, twin, timer))
                }
                Letter::Echo(twin, message) => {
                    self.schedule(self.now_ms + 1, Event::VillainEcho(me, twin, message))
                }
            }
        }
    }

    // The network and the clock.

    fn send(&mut self, from: OperatorIndex, to: OperatorIndex, message: Rc<Said>) {
        let healed = self.now_ms >= self.weather.heals_at_ms;
        let parted = self.weather.side.contains(&from) != self.weather.side.contains(&to);
        let withheld = self.weather.lucky.is_some_and(|lucky| match message.signed.vote.kind {
            Kind::Commit => lucky != to && !self.decisions.contains_key(&lucky),
            Kind::Decided => true,
            Kind::PrePrepare | Kind::Prepare | Kind::RoundChange => false,
        });
        let mut percent = |chance| !healed && self.rng.random_range(0..100) < chance;
        if percent(self.weather.loss_percent) || (!healed && (parted || withheld)) {
            return;
        }
        let copies = if percent(self.weather.duplicated_percent) { 2 } else { 1 };
        for _ in 0..copies {
            let most_ms = if healed { 55 } else { self.weather.delay_up_to_ms };
            let at_ms = self.now_ms + 5 + self.rng.random_range(0..=most_ms);
            self.schedule(at_ms, Event::Delivered(to, Rc::clone(&message)));
        }
    }

    /// A moment already past comes at once, after what is due now.
    fn schedule(&mut self, at_ms: u64, event: Event) {
        self.queued += 1;
        self.queue.insert((at_ms.max(self.now_ms), self.queued), event);
    }

    fn config(&self, me: OperatorIndex) -> Config {
        Config { me, operators: self.operators, first_leader: self.first_leader }
    }

    fn pick(&mut self, fits: impl Fn(&Self, OperatorIndex) -> bool) -> OperatorIndex {
        loop {
            let me = at(self.rng.random_range(0..self.operators));
            if fits(self, me) {
                return me;
            }
        }
    }

    fn undecided(&self) -> impl Iterator<Item = OperatorIndex> {
        let correct = |me: &OperatorIndex| matches!(self.members[me.position()], Member::Correct(_));
        OperatorIndex::all(self.operators).filter(correct).filter(|me| !self.decisions.contains_key(me))
    }

    fn name(&self) -> String {
        format!("seed {}, {} operators, faulty {:?}, {} ms", self.seed, self.operators, self.gang, self.now_ms)
    }
}

/// Eager double linear, for attesters, from the moment at which the duty is triggered.
///
/// Source: `obol-duties.md` 5.9.
fn deadline_ms(timer: Timer) -> u64 {
    let once = timer.round.get().saturating_mul(1_000);
    match timer.arming {
        Arming::First => once,
        Arming::Again => once.saturating_mul(2),
    }
}
