//! The state machine of one instance.

use std::collections::{BTreeMap, BTreeSet};

use hearth_types::OperatorIndex;

use crate::buffer::{Buffer, agreeing};
use crate::justification::find_grounds;
use crate::{Config, Draft, Kind, Message, Round, Signed, Vote, is_justified};

/// DECIDED answers that one author's ROUND_CHANGEs can cause.
///
/// Source: `obol-duties.md` 5.7.
const ANSWERS_PER_AUTHOR: u8 = 16;

/// Whether a round's timer is set for the first time or once more.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Arming {
    /// The round was just entered.
    First,
    /// A proposal of the round arrived; the round gets more time.
    Again,
}

/// A round's timer. Arming it again replaces the earlier one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timer {
    /// The round that ends when it fires.
    pub round: Round,
    /// Which of the round's two deadlines it stands for.
    pub arming: Arming,
}

/// Everything that can happen to one instance.
#[derive(Clone, Debug)]
pub enum Input<V, P> {
    /// The duty has begun; a local value may not exist yet. Messages that came earlier count from now on.
    Start,
    /// The local value is known. The first one counts.
    Propose(V),
    /// A message arrived, our own included: what we broadcast comes back signed.
    Received(Message<V, P>),
    /// A timer fired. One that is not the latest armed is ignored.
    TimedOut(Timer),
}

/// Everything the instance can ask of its surroundings, in the order to be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output<V, P> {
    /// Sign this, send it to every other operator and feed it back as [`Input::Received`].
    ///
    /// To drop a draft instead is always safe; nobody has seen it, and this operator counts as slow. That is how an
    /// operator objects to a proposed value: it drops the PREPARE, or holds it back until it has looked. The vote
    /// may still be sent in a later round; it is the only PREPARE that this operator makes in its round.
    Broadcast(Draft<V, P>),
    /// Set the round's timer.
    StartTimer(Timer),
    /// Agreement is reached. Emitted once.
    Decide {
        /// The round of the deciding quorum.
        round: Round,
        /// The agreed value.
        value: V,
    },
}

/// One instance.
///
/// Memory: [`Config::operators`] times 100 messages of at most `2n` justifying votes, whatever peers send.
#[derive(Debug)]
pub struct Qbft<V, P> {
    config: Config,
    phase: Phase<V, P>,
    /// Never falls before the decision.
    round: Round,
    /// The local value.
    input: Option<V>,
    /// The latest quorum of PREPAREs that we saw in time. Carried from round to round.
    prepared: Option<Prepared<V, P>>,
    /// What entitles us to propose in this round, while the local value is missing.
    pending: Option<Vec<Signed<V, P>>>,
    /// Rules that have fired in this round and may not fire again.
    fired: BTreeSet<Rule>,
    armed: Option<Timer>,
    buffer: Buffer<V, P>,
    outputs: Vec<Output<V, P>>,
}

#[derive(Debug)]
enum Phase<V, P> {
    Waiting,
    Running,
    Decided(Decision<V, P>),
}

/// Rules that fire once a round. R3 and R6 fire once, R4 leaves the round.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Rule {
    Proposal,
    Prepared,
    Lead,
}

#[derive(Debug)]
struct Prepared<V, P> {
    round: Round,
    value: V,
    prepares: Vec<Signed<V, P>>,
}

#[derive(Debug)]
struct Decision<V, P> {
    value: V,
    commits: Vec<Signed<V, P>>,
    answered: BTreeMap<OperatorIndex, Answered>,
}

#[derive(Debug, Default)]
struct Answered {
    highest: Option<Round>,
    answers: u8,
}

impl<V: Copy + Ord, P: Clone> Qbft<V, P> {
    /// An instance that has not started.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            phase: Phase::Waiting,
            round: Round::FIRST,
            input: None,
            prepared: None,
            pending: None,
            fired: BTreeSet::new(),
            armed: None,
            buffer: Buffer::new(),
            outputs: Vec::new(),
        }
    }

    /// Applies one input and returns what to do next. Pure: no clock, no randomness, no IO.
    #[must_use]
    pub fn step(&mut self, input: Input<V, P>) -> Vec<Output<V, P>> {
        self.apply(input);
        std::mem::take(&mut self.outputs)
    }

    /// The round that the instance is in; once decided, the round of the decision.
    pub fn round(&self) -> Round {
        self.round
    }

    /// The operator that leads `round`.
    pub fn leader(&self, round: Round) -> OperatorIndex {
        self.config.leader(round)
    }

    /// The decided value and its round.
    pub fn decided(&self) -> Option<(Round, V)> {
        match &self.phase {
            Phase::Decided(decision) => Some((self.round, decision.value)),
            Phase::Waiting | Phase::Running => None,
        }
    }

    fn apply(&mut self, input: Input<V, P>) {
        match (&self.phase, input) {
            (_, Input::Received(message)) if !self.config.admits(&message) => {}

            (Phase::Waiting, Input::Start) => self.start(),
            (Phase::Waiting, Input::Propose(value)) => self.input = self.input.or(Some(value)),
            (Phase::Waiting, Input::Received(message)) => self.keep(message),
            (Phase::Waiting, Input::TimedOut(_)) => {}

            (Phase::Running, Input::Start) => {}
            (Phase::Running, Input::Propose(value)) => self.learn_own_value(value),
            (Phase::Running, Input::Received(message)) => self.receive(message),
            (Phase::Running, Input::TimedOut(timer)) if self.armed == Some(timer) => self.give_up_round(),
            (Phase::Running, Input::TimedOut(_)) => {} // Replaced, or of a round already left.

            (Phase::Decided(_), Input::Received(message)) => self.answer(&message.signed.vote),
            (Phase::Decided(_), Input::Start | Input::Propose(_) | Input::TimedOut(_)) => {}
        }
    }

    fn start(&mut self) {
        self.phase = Phase::Running;
        if self.leader(self.round) == self.config.me {
            self.propose_own(Vec::new());
        }
        self.arm();
        for message in self.buffer.take() {
            self.apply(Input::Received(message));
        }
    }

    fn learn_own_value(&mut self, value: V) {
        if self.input.is_some() {
            return;
        }
        self.input = Some(value);
        if let Some(grounds) = self.pending.take() {
            self.propose(value, grounds);
        }
    }

    fn keep(&mut self, message: Message<V, P>) {
        if is_justified(&self.config, &message) {
            self.buffer.insert(message);
        }
    }

    fn receive(&mut self, message: Message<V, P>) {
        if !is_justified(&self.config, &message) {
            return;
        }
        let vote = message.signed.vote;
        self.buffer.insert(message);
        match (vote.kind, vote.value) {
            (Kind::PrePrepare, Some(value)) => self.accept_proposal(vote.round, value),
            (Kind::Prepare, Some(value)) if vote.round == self.round => self.count_prepares(value),
            (Kind::Commit | Kind::Decided, Some(value)) => self.count_commits(vote.round, value),
            (Kind::RoundChange, _) if vote.round > self.round => self.join_later_round(),
            (Kind::RoundChange, _) if vote.round == self.round => self.lead(),
            // Of a round already left, of a round to come, or about no value: kept, if at all, for later counts.
            (Kind::PrePrepare | Kind::Prepare | Kind::Commit | Kind::Decided | Kind::RoundChange, _) => {}
        }
    }

    /// R1. Only the first proposal of a round counts, so that a leader who makes two gets one PREPARE from us.
    fn accept_proposal(&mut self, round: Round, value: V) {
        if round < self.round || (round == self.round && self.fired.contains(&Rule::Proposal)) {
            return;
        }
        self.enter(round);
        self.fired.insert(Rule::Proposal);
        self.arm();
        self.broadcast(Kind::Prepare, value, Vec::new());
        self.recall_prepares();
    }

    /// R2. Needs no proposal: a quorum has seen it.
    fn count_prepares(&mut self, value: V) {
        let prepares = agreeing(self.buffer.votes(), Kind::Prepare, self.round, value);
        if prepares.len() < self.config.quorum() || self.fired.contains(&Rule::Prepared) {
            return;
        }
        let prepares = prepares.into_iter().cloned().collect();
        self.fired.insert(Rule::Prepared);
        self.prepared = Some(Prepared { round: self.round, value, prepares });
        self.broadcast(Kind::Commit, value, Vec::new());
    }

    /// R2 for votes that came before their round did.
    fn recall_prepares(&mut self) {
        let votes = self.buffer.votes().map(|signed| &signed.vote);
        let early = votes.filter(|vote| vote.kind == Kind::Prepare && vote.round == self.round);
        let values: BTreeSet<V> = early.filter_map(|vote| vote.value).collect();
        for value in values {
            self.count_prepares(value);
        }
    }

    /// R3 and R6: a quorum of COMMITs of any round, met one by one or within a DECIDED.
    fn count_commits(&mut self, round: Round, value: V) {
        let commits = agreeing(self.buffer.votes(), Kind::Commit, round, value);
        if commits.len() < self.config.quorum() {
            return;
        }
        let commits = commits.into_iter().cloned().collect();
        self.enter(round);
        self.armed = None;
        self.buffer.take();
        self.phase = Phase::Decided(Decision { value, commits, answered: BTreeMap::new() });
        self.outputs.push(Output::Decide { round, value });
    }

    /// R4. Among `F + 1` operators that are ahead one is correct: its round, or a lower one, is worth joining.
    fn join_later_round(&mut self) {
        let mut ahead: BTreeMap<OperatorIndex, Round> = BTreeMap::new();
        for Signed { vote, .. } in self.buffer.votes() {
            if vote.kind == Kind::RoundChange && vote.round > self.round {
                let highest = ahead.entry(vote.from).or_insert(vote.round);
                *highest = vote.round.max(*highest);
            }
        }
        let mut rounds: Vec<Round> = ahead.into_values().collect();
        rounds.sort_unstable();
        if let Some(round) = rounds.into_iter().rev().nth(self.config.faulty()) {
            self.change_round(round);
        }
    }

    /// R5. What a quorum says was prepared is proposed again; our own value only if nothing can have been decided.
    fn lead(&mut self) {
        let leads = self.leader(self.round) == self.config.me;
        // In round 1 the leader proposed at the start; a second proposal would be an equivocation.
        if !leads || self.round == Round::FIRST || self.fired.contains(&Rule::Lead) {
            return;
        }
        let Some(grounds) = find_grounds(&self.config, self.round, &self.buffer) else { return };
        self.fired.insert(Rule::Lead);
        match grounds.prepared {
            Some(value) => self.propose(value, grounds.votes),
            None => self.propose_own(grounds.votes),
        }
    }

    fn give_up_round(&mut self) {
        self.change_round(self.round.next());
    }

    /// The timer rule and R4.
    fn change_round(&mut self, round: Round) {
        if round == self.round {
            return; // The last round that a number can name.
        }
        self.enter(round);
        self.arm();
        self.announce_round();
        // After the announcement: what is prepared in this round belongs into the next one's.
        self.recall_prepares();
    }

    fn enter(&mut self, round: Round) {
        if round != self.round {
            self.round = round;
            self.fired.clear();
            self.pending = None;
        }
    }

    fn arm(&mut self) {
        let again = self.armed.is_some_and(|armed| armed.round == self.round);
        let timer = Timer { round: self.round, arming: if again { Arming::Again } else { Arming::First } };
        self.armed = Some(timer);
        self.outputs.push(Output::StartTimer(timer));
    }

    fn propose_own(&mut self, grounds: Vec<Signed<V, P>>) {
        match self.input {
            Some(value) => self.propose(value, grounds),
            None => self.pending = Some(grounds),
        }
    }

    fn propose(&mut self, value: V, grounds: Vec<Signed<V, P>>) {
        self.broadcast(Kind::PrePrepare, value, grounds);
    }

    fn announce_round(&mut self) {
        let prepared = self.prepared.as_ref();
        let vote = Vote {
            kind: Kind::RoundChange,
            from: self.config.me,
            round: self.round,
            value: None,
            prepared_round: prepared.map(|prepared| prepared.round),
            prepared_value: prepared.map(|prepared| prepared.value),
        };
        let justification = prepared.map(|prepared| prepared.prepares.clone()).unwrap_or_default();
        self.outputs.push(Output::Broadcast(Draft { vote, justification }));
    }

    /// Helps those who missed the quorum. Bounded, because every answer goes to everybody.
    fn answer(&mut self, vote: &Vote<V>) {
        let Phase::Decided(decision) = &mut self.phase else { return };
        if vote.kind != Kind::RoundChange || vote.from == self.config.me {
            return;
        }
        let answered = decision.answered.entry(vote.from).or_default();
        if answered.highest >= Some(vote.round) || answered.answers >= ANSWERS_PER_AUTHOR {
            return;
        }
        *answered = Answered { highest: Some(vote.round), answers: answered.answers + 1 };
        let (value, commits) = (decision.value, decision.commits.clone());
        self.broadcast(Kind::Decided, value, commits);
    }

    fn broadcast(&mut self, kind: Kind, value: V, justification: Vec<Signed<V, P>>) {
        let vote = Vote {
            kind,
            from: self.config.me,
            round: self.round,
            value: Some(value),
            prepared_round: None,
            prepared_value: None,
        };
        self.outputs.push(Output::Broadcast(Draft { vote, justification }));
    }
}
