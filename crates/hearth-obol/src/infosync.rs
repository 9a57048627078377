//! Infosync: once an epoch the operators' nodes tell each other what they can do, and the cluster agrees on what it has in common.
//!
//! A machine: inputs in, outputs out. The exchange itself, a request to everybody and answers to everybody's, is the caller's; what
//! comes of it enters as [`Input::Heard`]. When everybody was heard, or six seconds have passed, what follows from the lists is
//! proposed, and the consensus begins; it begins no earlier, for there is nothing to support before.
//!
//! Source: `obol-p2p.md` 7; `obol-duties.md` 5.8.

use std::collections::BTreeMap;

use hearth_duties::{Agreement, ConsensusDraft, ConsensusMessage, Early, Step, Timer, Values};
use hearth_qbft::Config;
use hearth_types::{ChainSpec, Duty, DutyKind, OperatorIndex, Slot, Threshold, UnixMillis};

use crate::wire::priority::{
    PRIORITY_FRAME_BYTES, PRIORITY_PROTOCOL, SignedPreferences, Topic, TopicResult, calculate, decode_result,
    encode_result,
};
use crate::wire::value::of_preferences;
use crate::wire::{CONSENSUS_PROTOCOL, PARTIALS_PROTOCOL, PEERINFO_PROTOCOL, timing};

/// How long lists of others are waited for.
const PATIENCE_MS: u64 = 6_000;
/// Slots ahead of and behind the clock of which anything is kept.
const SLOTS_AROUND: u64 = 1;
/// Minor versions of the protocol, newest first. Version 11 may be named when contributions to sync committees are written in
/// the plural (`obol-p2p.md` 7.5), which this version does not write.
const NEWEST_MINOR: u8 = 10;

/// What this version prefers, in the order in which it is told.
pub fn own_topics() -> Vec<Topic> {
    let topic = |name: &str, priorities: Vec<String>| Topic { name: name.into(), priorities };
    let protocols = [CONSENSUS_PROTOCOL, PARTIALS_PROTOCOL, PEERINFO_PROTOCOL, PRIORITY_PROTOCOL];
    vec![
        topic("version", (0..=NEWEST_MINOR).rev().map(|minor| format!("v1.{minor}")).collect()),
        topic("protocol", protocols.map(str::to_owned).into()),
        topic("proposal", vec!["full".into()]),
    ]
}

/// The occasion in a slot.
pub const fn duty(slot: Slot) -> Duty {
    Duty { slot, kind: DutyKind::InfoSync }
}

/// Everything that can happen.
#[derive(Debug)]
pub enum Input {
    /// It is time: this is what we prefer. Everybody is being asked.
    Begin(SignedPreferences),
    /// What a peer prefers, in an answer or in a question of his.
    Heard(SignedPreferences),
    /// A checked consensus message about infosync, that `via` delivered.
    Consensus {
        /// Who delivered it.
        via: OperatorIndex,
        /// The message.
        message: ConsensusMessage,
    },
    /// A moment that was asked for has come.
    Alarm(Alarm),
}

/// A moment that was asked for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Alarm {
    /// Whoever was not heard by now is not waited for.
    Enough(Slot),
    /// A round of consensus ends.
    RoundEnd(Slot, Timer),
    /// Nothing about it matters any more.
    Over(Slot),
}

/// What to do.
#[derive(Debug)]
pub enum Output {
    /// Call back at this moment (at once if it has passed).
    SetAlarm {
        /// When.
        at: UnixMillis,
        /// With what.
        alarm: Alarm,
    },
    /// Sign this, send it to everybody and feed it back.
    Say(ConsensusDraft),
    /// The cluster has agreed.
    Agreed(Agreed),
}

/// What the cluster has in common.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Agreed {
    /// When it was agreed on.
    pub slot: Slot,
    /// Who was heard here, ourselves included.
    pub heard: Vec<OperatorIndex>,
    /// By topic, best first.
    pub topics: Vec<TopicResult>,
}

/// The exchange and agreement of one operator.
#[derive(Debug)]
pub struct Infosync {
    me: OperatorIndex,
    operators: u8,
    threshold: Threshold,
    spec: ChainSpec,
    occasions: BTreeMap<Slot, Occasion>,
}

/// One slot in which the operators compare.
#[derive(Debug)]
struct Occasion {
    /// Ours first, once it has begun; then as they came.
    lists: Vec<SignedPreferences>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Others may have begun.
    Ahead(Early),
    Asking(Early),
    Agreeing(Box<Agreement>),
    /// Nothing can be proposed, or the agreement was given up.
    Idle,
}

impl Infosync {
    /// An operator that has compared nothing yet.
    pub const fn new(me: OperatorIndex, operators: u8, threshold: Threshold, spec: ChainSpec) -> Self {
        Self { me, operators, threshold, spec, occasions: BTreeMap::new() }
    }

    /// Our own list of a slot, as it is told whoever asks; `None` before it has begun here.
    pub fn own(&self, slot: Slot) -> Option<&SignedPreferences> {
        self.occasions.get(&slot)?.lists.first().filter(|list| list.operator == self.me)
    }

    /// Applies one input and returns what to do next.
    #[must_use]
    pub fn step(&mut self, now: UnixMillis, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        match input {
            Input::Begin(own) => self.begin(now, own, &mut out),
            Input::Heard(list) => self.hear(now, list, &mut out),
            Input::Consensus { via, message } => self.receive(now, via, message, &mut out),
            Input::Alarm(Alarm::Enough(slot)) => self.propose(slot, &mut out),
            Input::Alarm(Alarm::RoundEnd(slot, timer)) => {
                if let Some(Occasion { stage: Stage::Agreeing(agreement), .. }) = self.occasions.get_mut(&slot)
                {
                    let steps = agreement.timed_out(timer);
                    self.carry_out(slot, steps, &mut out);
                }
            }
            Input::Alarm(Alarm::Over(slot)) => drop(self.occasions.remove(&slot)),
        }
        out
    }

    /// What is kept of a slot; `None` if it is not near.
    fn occasion(&mut self, now: UnixMillis, slot: Slot) -> Option<&mut Occasion> {
        let now = self.spec.slot_at(now).unwrap_or_default();
        let near = now.saturating_sub(SLOTS_AROUND)..=now.saturating_add(SLOTS_AROUND);
        self.occasions.retain(|slot, _| near.contains(slot));
        let most_bytes = PRIORITY_FRAME_BYTES.saturating_mul(usize::from(self.operators) + 1);
        let operators = self.operators;
        let nothing = || Occasion {
            lists: Vec::new(),
            stage: Stage::Ahead(Early::new(Values::new(operators, most_bytes))),
        };
        near.contains(&slot).then(|| self.occasions.entry(slot).or_insert_with(nothing))
    }

    fn begin(&mut self, now: UnixMillis, own: SignedPreferences, out: &mut Vec<Output>) {
        let slot = own.preferences.duty.slot;
        let over = timing::duty_deadline(&self.spec, duty(slot)).unwrap_or(now);
        let Some(occasion) = self.occasion(now, slot) else { return };
        match std::mem::replace(&mut occasion.stage, Stage::Idle) {
            Stage::Ahead(early) => occasion.stage = Stage::Asking(early),
            begun => return occasion.stage = begun,
        }
        occasion.lists.insert(0, own);
        out.push(Output::SetAlarm { at: now.saturating_add(PATIENCE_MS), alarm: Alarm::Enough(slot) });
        out.push(Output::SetAlarm { at: over, alarm: Alarm::Over(slot) });
        self.propose_if_all_are_here(slot, out);
    }

    fn hear(&mut self, now: UnixMillis, list: SignedPreferences, out: &mut Vec<Output>) {
        let Duty { slot, kind } = list.preferences.duty;
        // A list that makes no sense would spoil the occasion for all: it is as if its author were away.
        let senseless = calculate(&[&list.preferences], self.threshold).is_err();
        if kind != DutyKind::InfoSync || list.operator == self.me || senseless {
            return;
        }
        let Some(occasion) = self.occasion(now, slot) else { return };
        if occasion.lists.iter().all(|known| known.operator != list.operator) {
            occasion.lists.push(list);
            self.propose_if_all_are_here(slot, out);
        }
    }

    fn receive(
        &mut self,
        now: UnixMillis,
        via: OperatorIndex,
        message: ConsensusMessage,
        out: &mut Vec<Output>,
    ) {
        let slot = message.duty.slot;
        let Some(occasion) = self.occasion(now, slot) else { return };
        match &mut occasion.stage {
            Stage::Ahead(early) | Stage::Asking(early) => early.keep(via, message),
            Stage::Agreeing(agreement) => {
                let steps = agreement.receive(via, message);
                self.carry_out(slot, steps, out);
            }
            Stage::Idle => {}
        }
    }

    fn propose_if_all_are_here(&mut self, slot: Slot, out: &mut Vec<Output>) {
        if self.occasions.get(&slot).is_some_and(|known| known.lists.len() >= usize::from(self.operators)) {
            self.propose(slot, out);
        }
    }

    fn propose(&mut self, slot: Slot, out: &mut Vec<Output>) {
        let Some(occasion) = self.occasions.get_mut(&slot) else { return };
        let early = match std::mem::replace(&mut occasion.stage, Stage::Idle) {
            Stage::Asking(early) => early,
            other => return occasion.stage = other,
        };
        let lists: Vec<&SignedPreferences> = occasion.lists.iter().collect();
        let preferences: Vec<_> = lists.iter().map(|list| &list.preferences).collect();
        let Ok(topics) = calculate(&preferences, self.threshold) else { return };
        let value = of_preferences(encode_result(&lists, &topics));
        let first_leader = timing::first_leader(duty(slot), self.operators);
        let config = Config { me: self.me, operators: self.operators, first_leader };
        let (mut agreement, mut steps) = Agreement::begin(duty(slot), config, early);
        steps.extend(agreement.propose(value));
        occasion.stage = Stage::Agreeing(Box::new(agreement));
        self.carry_out(slot, steps, out);
    }

    fn carry_out(&self, slot: Slot, steps: Vec<Step>, out: &mut Vec<Output>) {
        for step in steps {
            match step {
                Step::Send(draft) => out.push(Output::Say(draft)),
                Step::Arm(timer) => {
                    let at = timing::round_deadline(&self.spec, duty(slot), timer);
                    out.push(Output::SetAlarm { at, alarm: Alarm::RoundEnd(slot, timer) });
                }
                // Who says two things here is found out in duties as well, where it matters.
                Step::Accuse(..) => {}
                Step::Decided { value, .. } => {
                    // One that cannot be read says nothing.
                    let topics = decode_result(&value.bytes).unwrap_or_default();
                    let lists = self.occasions.get(&slot).map_or(&[][..], |occasion| &occasion.lists);
                    let heard = lists.iter().map(|list| list.operator).collect();
                    out.push(Output::Agreed(Agreed { slot, heard, topics }));
                }
            }
        }
    }
}
