//! The instance against a naive model: the specification's sentences in their order, in the wire's numbers, where
//! zero is "none". Random inputs go into both; every output must be the same.
//!
//! Where Hearth differs from the specification, the model says "Hearth:"; the reasons are in `lib.rs`.

#![allow(clippy::indexing_slicing, clippy::print_stdout, clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use common::{at, round};
use hearth_qbft::{Arming, Config, Input, Kind, Message, Output, Qbft, Round, Signed, Timer, Vote};
use proptest::prelude::*;
use proptest::test_runner::{Config as TestConfig, TestRunner};

const KINDS: [Kind; 5] = [Kind::PrePrepare, Kind::Prepare, Kind::Commit, Kind::RoundChange, Kind::Decided];
const PRE_PREPARE: u8 = 1;
const PREPARE: u8 = 2;
const COMMIT: u8 = 3;
const ROUND_CHANGE: u8 = 4;
const DECIDED: u8 = 5;

#[test]
fn every_output_is_the_models() {
    let seen = RefCell::new(BTreeMap::<&str, u32>::new());
    let mut runner = TestRunner::new(TestConfig {
        cases: 4_000,
        failure_persistence: None,
        max_shrink_iters: 100_000,
        ..TestConfig::default()
    });
    let outcome = runner.run(&plays(), |(cluster, acts)| {
        let mut model = Model::new(cluster);
        let mut instance = Qbft::new(cluster.config());
        let mut ours = Vec::new();
        for act in acts {
            let Some(input) = act.input(&model, &ours) else { continue };
            let expected = model.step(input.clone());
            let outputs: Vec<Told> =
                instance.step(input.clone().for_instance()).into_iter().map(Told::from).collect();
            prop_assert_eq!(&outputs, &expected, "after {:?}", input);
            prop_assert_eq!(instance.round().get(), model.round);
            prop_assert_eq!(instance.decided().map(|(round, value)| (round.get(), value)), model.decision());
            for told in outputs {
                *seen.borrow_mut().entry(told.name()).or_default() += 1;
                if let Told::Broadcast(wire) = told {
                    ours.push(wire);
                }
            }
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let seen = seen.into_inner();
    println!("{seen:?}");
    for name in [
        "own proposal",
        "prepared proposal",
        "prepare",
        "commit",
        "round change",
        "prepared round change",
        "decided",
        "timer",
        "timer again",
        "decision",
    ] {
        assert!(seen.get(name).is_some_and(|times| *times >= 20), "the inputs hardly reach: {name}");
    }
}

// The model.

/// A message as it is on the wire. The tag stands for the signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Wire {
    kind: u8,
    from: u8,
    round: u64,
    value: u64,
    prepared_round: u64,
    prepared_value: u64,
    tag: u32,
}

impl Wire {
    fn same_vote(self, other: Self) -> bool {
        Self { tag: 0, ..self } == Self { tag: 0, ..other }
    }

    fn claims_nothing(self) -> bool {
        (self.prepared_round, self.prepared_value) == (0, 0)
    }
}

/// A message and its justification.
type Full = (Wire, Vec<Wire>);

#[derive(Clone, Copy, Debug)]
struct Cluster {
    me: u8,
    operators: u8,
    first_leader: u8,
}

impl Cluster {
    fn config(self) -> Config {
        Config { me: at(self.me), operators: self.operators, first_leader: at(self.first_leader) }
    }

    fn quorum(self) -> usize {
        [0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7][usize::from(self.operators)]
    }

    fn faulty(self) -> usize {
        [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3][usize::from(self.operators)]
    }

    fn leads(self, from: u8, round: u64) -> bool {
        (u128::from(self.first_leader) + u128::from(round) - 1) % u128::from(self.operators) == u128::from(from)
    }
}

#[derive(Clone, Debug)]
enum Fed {
    Start,
    Propose(u64),
    Received(Full),
    TimedOut(u64, bool),
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Told {
    Broadcast(Full),
    Timer(u64, bool),
    Decide(u64, u64),
}

struct Model {
    cluster: Cluster,
    started: bool,
    inbox: Vec<Full>,
    round: u64,
    input: u64,
    prepared: (u64, u64, Vec<Wire>),
    pending: Option<Vec<Wire>>,
    decided: Option<(u64, u64, Vec<Wire>)>,
    answers: Vec<(u8, u64)>,
    history: Vec<Full>,
    fired: BTreeSet<(&'static str, u64)>,
    timer: (u64, bool),
    told: Vec<Told>,
}

impl Model {
    fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            started: false,
            inbox: Vec::new(),
            round: 1,
            input: 0,
            prepared: (0, 0, Vec::new()),
            pending: None,
            decided: None,
            answers: Vec::new(),
            history: Vec::new(),
            fired: BTreeSet::new(),
            timer: (0, false),
            told: Vec::new(),
        }
    }

    fn decision(&self) -> Option<(u64, u64)> {
        self.decided.as_ref().map(|(round, value, _)| (*round, *value))
    }

    fn step(&mut self, fed: Fed) -> Vec<Told> {
        match fed {
            Fed::Start if !self.started => {
                self.started = true;
                if self.cluster.leads(self.cluster.me, 1) {
                    self.propose_own(Vec::new());
                }
                self.arm_timer();
                for full in std::mem::take(&mut self.inbox) {
                    self.receive(full);
                }
            }
            Fed::Start => {}
            Fed::Propose(value) => {
                if self.input == 0 && self.decided.is_none() {
                    self.input = value;
                    if let Some(pending) = self.pending.take() {
                        self.broadcast(PRE_PREPARE, value, pending);
                    }
                }
            }
            Fed::Received(full) if !self.admitted(&full) => {}
            // Hearth: what is not justified, or here already, is dropped at once.
            Fed::Received((wire, justification)) if !self.started => {
                let repeated = self.inbox.iter().any(|(earlier, _)| earlier.same_vote(wire));
                if self.justified(wire, &justification) && !repeated {
                    self.inbox.push((wire, justification));
                }
            }
            Fed::Received(full) => self.receive(full),
            Fed::TimedOut(round, again) => {
                if self.started && self.decided.is_none() && self.timer == (round, again) {
                    self.change_round(self.round + 1);
                    self.arm_timer();
                    self.broadcast_round_change();
                    self.look_at_early_prepares();
                }
            }
        }
        std::mem::take(&mut self.told)
    }

    fn receive(&mut self, (wire, justification): Full) {
        if self.decided.is_some() {
            return self.answer(wire);
        }
        if !self.justified(wire, &justification) {
            return;
        }
        self.history.push((wire, justification));

        let all = self.all();
        // R1
        if wire.kind == PRE_PREPARE && wire.round >= self.round && !self.fired.contains(&("R1", wire.round)) {
            self.change_round(wire.round);
            self.fired.insert(("R1", wire.round));
            self.arm_timer();
            self.broadcast(PREPARE, wire.value, Vec::new());
            self.look_at_early_prepares();
        }
        // R2
        if wire.kind == PREPARE && wire.round == self.round {
            self.count_prepares(wire.value);
        }
        // R3 and R6. Hearth: COMMITs of any round; of a DECIDED, all the COMMITs that are known are kept.
        if (wire.kind == COMMIT || wire.kind == DECIDED) && wire.value != 0 {
            let commits = first_of_each(&all, |other| {
                (other.kind, other.round, other.value) == (COMMIT, wire.round, wire.value)
            });
            if commits.len() >= self.cluster.quorum() {
                self.change_round(wire.round);
                self.decided = Some((wire.round, wire.value, commits));
                self.told.push(Told::Decide(wire.round, wire.value));
                return;
            }
        }
        // R4
        if wire.kind == ROUND_CHANGE && wire.round > self.round {
            let mut highest = BTreeMap::<u8, u64>::new();
            for other in all.iter().filter(|other| other.kind == ROUND_CHANGE && other.round > self.round) {
                highest.insert(other.from, other.round.max(highest.get(&other.from).copied().unwrap_or(0)));
            }
            // Which of the senders are the F + 1 is left open. Hearth: those that are furthest.
            let mut rounds: Vec<u64> = highest.into_values().collect();
            rounds.sort_by(|a, b| b.cmp(a));
            rounds.truncate(self.cluster.faulty() + 1);
            if rounds.len() == self.cluster.faulty() + 1 {
                self.change_round(*rounds.iter().min().unwrap());
                self.arm_timer();
                self.broadcast_round_change();
                self.look_at_early_prepares();
            }
        } else if wire.kind == ROUND_CHANGE && wire.round == self.round {
            // R5. Hearth: not in round 1.
            let changes = first_of_each(&all, |other| other.kind == ROUND_CHANGE && other.round == wire.round);
            if changes.len() >= self.cluster.quorum()
                && self.cluster.leads(self.cluster.me, self.round)
                && self.round != 1
                && !self.fired.contains(&("R5", wire.round))
                && let Some((prepared_value, quorum)) = self.justified_quorum(&all)
            {
                self.fired.insert(("R5", wire.round));
                match prepared_value {
                    0 => self.propose_own(quorum),
                    value => self.broadcast(PRE_PREPARE, value, quorum),
                }
            }
        }
    }

    /// 5.3: authors are members, and there are at most 2n justifications.
    fn admitted(&self, (wire, justification): &Full) -> bool {
        let member = |wire: &Wire| wire.from < self.cluster.operators;
        member(wire)
            && justification.iter().all(member)
            && justification.len() <= 2 * usize::from(self.cluster.operators)
    }

    fn justified(&self, wire: Wire, justification: &[Wire]) -> bool {
        let quorum = self.cluster.quorum();
        match wire.kind {
            ROUND_CHANGE => {
                if justification.is_empty() {
                    return wire.claims_nothing();
                }
                // Hearth: the zero value cannot have been prepared.
                wire.prepared_value != 0
                    && justification.len() >= quorum
                    && justification.iter().all(|signed| {
                        signed.kind == PREPARE
                            && signed.round == wire.prepared_round
                            && signed.value == wire.prepared_value
                    })
                    && distinct_authors(justification)
            }
            // Hearth: the zero value cannot have been decided.
            DECIDED => {
                let commits = first_of_each(justification, |signed| {
                    (signed.kind, signed.round, signed.value) == (COMMIT, wire.round, wire.value)
                });
                wire.value != 0 && commits.len() >= quorum
            }
            PRE_PREPARE => {
                self.cluster.leads(wire.from, wire.round)
                    && wire.value != 0
                    && (wire.round == 1 || self.test_iii(wire, justification))
            }
            _ => true,
        }
    }

    fn test_iii(&self, wire: Wire, justification: &[Wire]) -> bool {
        let changes =
            first_of_each(justification, |signed| (signed.kind, signed.round) == (ROUND_CHANGE, wire.round));
        if changes.len() < self.cluster.quorum() {
            return false;
        }
        if changes.iter().all(|change| change.claims_nothing()) {
            return true;
        }
        let prepares: Vec<Wire> =
            justification.iter().copied().filter(|signed| signed.kind == PREPARE).collect();
        let Some(Wire { round: pr, value: pv, .. }) = prepares.first().copied() else { return false };
        distinct_authors(&prepares)
            && prepares.iter().all(|prepare| (prepare.round, prepare.value) == (pr, pv))
            && prepares.len() >= self.cluster.quorum()
            && !changes.iter().any(|change| change.prepared_round > pr)
            && changes.iter().any(|change| (change.prepared_round, change.prepared_value) == (pr, pv))
            && wire.value == pv
    }

    fn justified_quorum(&self, all: &[Wire]) -> Option<(u64, Vec<Wire>)> {
        let quorum = self.cluster.quorum();
        let change = |other: &Wire| (other.kind, other.round) == (ROUND_CHANGE, self.round);
        let null = first_of_each(all, |other| change(other) && other.claims_nothing());
        if null.len() >= quorum {
            return Some((0, null));
        }
        // Which set of PREPAREs is found first is left open. Hearth: that of the latest round.
        let prepares = all.iter().filter(|other| other.kind == PREPARE && other.value != 0);
        let mut pairs: Vec<(u64, u64)> = prepares.map(|prepare| (prepare.round, prepare.value)).collect();
        pairs.sort_by(|a, b| b.cmp(a));
        for (pr, pv) in pairs {
            let prepares =
                first_of_each(all, |other| (other.kind, other.round, other.value) == (PREPARE, pr, pv));
            let changes = first_of_each(all, |other| change(other) && other.prepared_round <= pr);
            let claimed =
                changes.iter().any(|change| (change.prepared_round, change.prepared_value) == (pr, pv));
            if prepares.len() >= quorum && changes.len() >= quorum && claimed {
                return Some((pv, [changes, prepares].concat()));
            }
        }
        None
    }

    fn count_prepares(&mut self, value: u64) {
        let prepares = first_of_each(&self.all(), |other| {
            (other.kind, other.round, other.value) == (PREPARE, self.round, value)
        });
        if value != 0 && prepares.len() >= self.cluster.quorum() && self.fired.insert(("R2", self.round)) {
            self.prepared = (self.round, value, prepares);
            self.broadcast(COMMIT, value, Vec::new());
        }
    }

    /// Hearth: R2 is tested again when a round was entered by R1, R4 or the timer.
    fn look_at_early_prepares(&mut self) {
        let all = self.all().into_iter();
        let mut values: Vec<u64> = all
            .filter(|other| (other.kind, other.round) == (PREPARE, self.round))
            .map(|other| other.value)
            .collect();
        values.sort_unstable();
        for value in values {
            self.count_prepares(value);
        }
    }

    /// Buffered messages with their justifications, flattened.
    fn all(&self) -> Vec<Wire> {
        // Hearth: a vote that is still buffered is not buffered again.
        let mut buffer: Vec<Full> = Vec::new();
        for full in &self.history {
            if buffer.iter().any(|(kept, _)| kept.same_vote(full.0)) {
                continue;
            }
            if buffer.iter().filter(|(kept, _)| kept.from == full.0.from).count() == 100 {
                let oldest = buffer.iter().position(|(kept, _)| kept.from == full.0.from).unwrap();
                buffer.remove(oldest);
            }
            buffer.push(full.clone());
        }
        buffer.into_iter().flat_map(|(wire, justification)| [vec![wire], justification].concat()).collect()
    }

    fn change_round(&mut self, round: u64) {
        if round != self.round {
            self.round = round;
            self.fired.clear();
            self.pending = None;
        }
    }

    fn arm_timer(&mut self) {
        self.timer = (self.round, self.timer.0 == self.round);
        self.told.push(Told::Timer(self.timer.0, self.timer.1));
    }

    fn propose_own(&mut self, justification: Vec<Wire>) {
        match self.input {
            0 => self.pending = Some(justification),
            value => self.broadcast(PRE_PREPARE, value, justification),
        }
    }

    fn broadcast(&mut self, kind: u8, value: u64, justification: Vec<Wire>) {
        let (from, round) = (self.cluster.me, self.round);
        let wire = Wire { kind, from, round, value, prepared_round: 0, prepared_value: 0, tag: 0 };
        self.told.push(Told::Broadcast((wire, justification)));
    }

    fn broadcast_round_change(&mut self) {
        let (prepared_round, prepared_value, justification) = self.prepared.clone();
        let (from, round) = (self.cluster.me, self.round);
        let wire = Wire { kind: ROUND_CHANGE, from, round, value: 0, prepared_round, prepared_value, tag: 0 };
        self.told.push(Told::Broadcast((wire, justification)));
    }

    fn answer(&mut self, wire: Wire) {
        let answered = || self.answers.iter().filter(|(author, _)| *author == wire.from);
        if wire.kind == ROUND_CHANGE
            && wire.from != self.cluster.me
            && answered().all(|(_, round)| wire.round > *round)
            && answered().count() < 16
        {
            self.answers.push((wire.from, wire.round));
            let (_, value, commits) = self.decided.clone().unwrap();
            self.broadcast(DECIDED, value, commits);
        }
    }
}

fn first_of_each(wires: &[Wire], matches: impl Fn(&Wire) -> bool) -> Vec<Wire> {
    let mut first: Vec<Wire> = Vec::new();
    for wire in wires.iter().filter(|wire| matches(wire)) {
        if !first.iter().any(|earlier| earlier.from == wire.from) {
            first.push(*wire);
        }
    }
    first
}

fn distinct_authors(wires: &[Wire]) -> bool {
    first_of_each(wires, |_| true).len() == wires.len()
}

// Between the model's words and the instance's.

impl Fed {
    fn for_instance(self) -> Input<u64, u32> {
        match self {
            Self::Start => Input::Start,
            Self::Propose(value) => Input::Propose(value),
            Self::Received((wire, justification)) => Input::Received(Message {
                signed: signed(wire),
                justification: justification.into_iter().map(signed).collect(),
            }),
            Self::TimedOut(number, again) => Input::TimedOut(Timer {
                round: round(number),
                arming: if again { Arming::Again } else { Arming::First },
            }),
        }
    }
}

fn signed(wire: Wire) -> Signed<u64, u32> {
    let value = |value| (value != 0).then_some(value);
    let vote = Vote {
        kind: KINDS[usize::from(wire.kind) - 1],
        from: at(wire.from),
        round: round(wire.round),
        value: value(wire.value),
        prepared_round: Round::new(wire.prepared_round),
        prepared_value: value(wire.prepared_value),
    };
    Signed { vote, proof: wire.tag }
}

fn wire(vote: Vote<u64>, tag: u32) -> Wire {
    Wire {
        kind: KINDS.iter().position(|kind| *kind == vote.kind).unwrap() as u8 + 1,
        from: vote.from.into(),
        round: vote.round.get(),
        value: vote.value.unwrap_or(0),
        prepared_round: vote.prepared_round.map_or(0, Round::get),
        prepared_value: vote.prepared_value.unwrap_or(0),
        tag,
    }
}

impl From<Output<u64, u32>> for Told {
    fn from(output: Output<u64, u32>) -> Self {
        match output {
            Output::Broadcast(draft) => {
                let justification =
                    draft.justification.into_iter().map(|signed| wire(signed.vote, signed.proof));
                Self::Broadcast((wire(draft.vote, 0), justification.collect()))
            }
            Output::StartTimer(timer) => Self::Timer(timer.round.get(), timer.arming == Arming::Again),
            Output::Decide { round, value } => Self::Decide(round.get(), value),
        }
    }
}

impl Told {
    fn name(&self) -> &'static str {
        match self {
            Self::Timer(_, false) => "timer",
            Self::Timer(_, true) => "timer again",
            Self::Decide(..) => "decision",
            Self::Broadcast((wire, justification)) => match wire.kind {
                PRE_PREPARE if justification.iter().any(|signed| signed.kind == PREPARE) => "prepared proposal",
                PRE_PREPARE => "own proposal",
                PREPARE => "prepare",
                COMMIT => "commit",
                ROUND_CHANGE if wire.claims_nothing() => "round change",
                ROUND_CHANGE => "prepared round change",
                _ => "decided",
            },
        }
    }
}

// Random inputs, likely enough to mean something.

/// Something to feed, in terms of what has happened so far.
#[derive(Clone, Debug)]
enum Act {
    Start,
    Propose(u64),
    TheTimer,
    ATimer(u64, bool),
    /// One of our own messages comes back, counted from the latest.
    Echo(usize),
    Receive(Full),
}

impl Act {
    fn input(self, model: &Model, ours: &[Full]) -> Option<Fed> {
        Some(match self {
            Self::Start => Fed::Start,
            Self::Propose(value) => Fed::Propose(value),
            Self::TheTimer => Fed::TimedOut(model.timer.0.max(1), model.timer.1),
            Self::ATimer(round, again) => Fed::TimedOut(round, again),
            Self::Echo(back) => Fed::Received(ours.iter().rev().nth(back)?.clone()),
            Self::Receive(full) => Fed::Received(full),
        })
    }
}

fn plays() -> impl Strategy<Value = (Cluster, Vec<Act>)> {
    let clusters =
        prop_oneof![1 => Just(3_u8), 6 => Just(4), 1 => Just(5), 1 => Just(7)].prop_flat_map(|operators| {
            (0..operators, 0..operators).prop_map(move |(me, first_leader)| Cluster {
                me,
                operators,
                first_leader,
            })
        });
    clusters.prop_flat_map(|cluster| {
        let acts = proptest::collection::vec(acts(cluster), 10..80);
        // Mostly the start comes first; otherwise it comes when it comes.
        let acts = (acts, prop::bool::weighted(0.8)).prop_map(|(mut acts, at_once)| {
            if at_once {
                acts.insert(0, Act::Start);
            }
            acts
        });
        (Just(cluster), acts)
    })
}

fn acts(cluster: Cluster) -> impl Strategy<Value = Act> {
    prop_oneof![
        1 => Just(Act::Start),
        1 => (1..4_u64).prop_map(Act::Propose),
        3 => Just(Act::TheTimer),
        1 => (1..5_u64, any::<bool>()).prop_map(|(round, again)| Act::ATimer(round, again)),
        6 => (0..4_usize).prop_map(Act::Echo),
        20 => messages(cluster).prop_map(Act::Receive),
    ]
}

fn rounds() -> impl Strategy<Value = u64> {
    prop_oneof![30 => 1..4_u64, 8 => 4..7_u64, 1 => Just(1 << 62), 1 => Just((1 << 63) - 1)]
}

fn values() -> impl Strategy<Value = u64> {
    prop_oneof![12 => Just(1_u64), 6 => Just(2), 1 => Just(0)]
}

/// A claim of a ROUND_CHANGE: mostly none or a whole one.
fn claims() -> impl Strategy<Value = (u64, u64)> {
    prop_oneof![5 => Just((0, 0)), 6 => (1..3_u64, values()), 1 => (0..3_u64, 0..3_u64)]
}

fn messages(cluster: Cluster) -> impl Strategy<Value = Full> {
    // One in a few dozen authors is a stranger.
    let authors = prop_oneof![40 => 0..cluster.operators, 1 => cluster.operators..=cluster.operators + 1];
    let kinds = prop_oneof![
        12 => Just(PRE_PREPARE),
        24 => Just(PREPARE),
        8 => Just(COMMIT),
        48 => Just(ROUND_CHANGE),
        1 => Just(DECIDED),
    ];
    (kinds, authors, rounds(), values(), claims(), 0..1_000_u32, any::<u32>()).prop_flat_map(
        move |(kind, author, round, value, claim, tag, coin)| {
            let leader = (0..cluster.operators).find(|from| cluster.leads(*from, round)).unwrap();
            let from = if kind == PRE_PREPARE && coin % 8 != 0 { leader } else { author };
            let value = if kind == ROUND_CHANGE { 0 } else { value };
            let (prepared_round, prepared_value) = if kind == ROUND_CHANGE { claim } else { (0, 0) };
            let head = Wire { kind, from, round, value, prepared_round, prepared_value, tag };
            (Just(head), justifications(cluster, head))
        },
    )
}

fn justifications(cluster: Cluster, head: Wire) -> impl Strategy<Value = Vec<Wire>> {
    let n = usize::from(cluster.operators);
    // Too few authors, enough, or one twice: each is likely.
    let authors = move || {
        let shuffled = Just((0..cluster.operators).collect::<Vec<u8>>()).prop_shuffle();
        (shuffled, n.saturating_sub(2)..=n, prop::bool::weighted(0.05)).prop_map(
            |(mut authors, count, twice)| {
                authors.truncate(count);
                if twice && let Some(first) = authors.first().copied() {
                    authors.push(first);
                }
                authors
            },
        )
    };
    let same = move |kind, round, value| {
        authors().prop_map(move |authors| {
            let vote = |from: u8| Wire {
                kind,
                from,
                round,
                value,
                prepared_round: 0,
                prepared_value: 0,
                tag: 1_000 + u32::from(from),
            };
            authors.into_iter().map(vote).collect::<Vec<Wire>>()
        })
    };
    let stray = (2..=4_u8, 0..=cluster.operators, 1..4_u64, values(), claims(), 0..1_000_u32)
        .prop_map(|(kind, from, round, value, (prepared_round, prepared_value), tag)| match kind {
            ROUND_CHANGE => Wire { kind, from, round, value: 0, prepared_round, prepared_value, tag },
            _ => Wire { kind, from, round, value, prepared_round: 0, prepared_value: 0, tag },
        })
        .boxed();
    let strays = proptest::collection::vec(stray.clone(), 0..2 * n + 2);

    let fitting: BoxedStrategy<Vec<Wire>> = match head.kind {
        ROUND_CHANGE if head.claims_nothing() => Just(Vec::new()).boxed(),
        ROUND_CHANGE => same(PREPARE, head.prepared_round.max(1), head.prepared_value).boxed(),
        DECIDED => same(COMMIT, head.round, head.value).boxed(),
        // Mostly what was prepared is what is proposed.
        PRE_PREPARE => prop_oneof![4 => Just(head.value), 1 => values()]
            .prop_flat_map(move |prepared| {
                let claim = prop_oneof![3 => Just((0, 0)), 2 => Just((1, prepared)), 1 => claims()];
                let claims = proptest::collection::vec(claim, n + 1);
                (authors(), claims, prop::bool::weighted(0.4), same(PREPARE, 1, prepared))
            })
            .prop_map(move |(authors, claims, null, prepares)| {
                let change = |(from, claim): (u8, (u64, u64))| {
                    let (prepared_round, prepared_value) = if null { (0, 0) } else { claim };
                    let (kind, round, tag) = (ROUND_CHANGE, head.round, 2_000 + u32::from(from));
                    Wire { kind, from, round, value: 0, prepared_round, prepared_value, tag }
                };
                authors.into_iter().zip(claims).map(change).chain(prepares).collect()
            })
            .boxed(),
        _ => Just(Vec::new()).boxed(),
    };
    let spoiled = (fitting.clone(), stray).prop_map(|(mut fitting, stray)| {
        fitting.push(stray);
        fitting
    });
    prop_oneof![16 => fitting, 2 => spoiled, 1 => strays, 1 => Just(Vec::new())]
}
