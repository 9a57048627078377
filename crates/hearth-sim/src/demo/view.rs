//! What there is to see: every operator, and the duties of every slot.

use std::collections::{BTreeMap, BTreeSet};

use hearth_types::{Slot, Threshold, UnixMillis};

use super::Options;
use super::operator::Heard;
use crate::chain::Chain;

/// Slots that are kept for the verdict.
const SLOTS_KEPT: usize = 100_000;

/// What an operator is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Its process is starting.
    Starting,
    /// It is ready for duties.
    Running,
    /// It is not there.
    Stopped,
}

/// One operator.
#[derive(Clone, Debug)]
pub struct OperatorView {
    /// Counted from 1.
    pub number: u8,
    /// What it is doing.
    pub state: State,
    /// Its process.
    pub pid: Option<u32>,
    life: u32,
    /// Peers that it is connected to.
    pub peers: BTreeSet<u64>,
    /// The last slot that it signed in.
    pub last_signed: Option<Slot>,
}

/// The duties of one slot.
#[derive(Clone, Debug, Default)]
pub struct SlotView {
    /// Operator that led the deciding round.
    pub leader: Option<u64>,
    /// The deciding round.
    pub round: Option<u64>,
    /// When each operator saw the decision, in milliseconds after the duty was due.
    pub decided_ms: BTreeMap<u8, u64>,
    /// When each operator had the whole signatures.
    pub completed_ms: BTreeMap<u8, u64>,
    /// When each operator's beacon node had taken them.
    pub submitted_ms: BTreeMap<u8, u64>,
    /// Operators that signed.
    pub signers: BTreeSet<u8>,
    /// Operators that ran through the slot.
    pub running: Option<usize>,
    /// Validators that had a duty.
    pub duties: usize,
    /// How many of them were included so far.
    pub included: usize,
    /// Blocks until the last of them was included.
    pub distance: Option<u64>,
    /// Why operators say that it failed.
    pub failures: BTreeMap<u8, String>,
}

/// Everything there is to see.
#[derive(Clone, Debug)]
pub struct View {
    /// Operators in order.
    pub operators: Vec<OperatorView>,
    /// Slots so far.
    pub slots: BTreeMap<Slot, SlotView>,
    /// Partial signatures needed.
    pub threshold: usize,
    /// The first vote that was included: its block's slot.
    pub first_included: Option<Slot>,
    genesis: UnixMillis,
    slot_ms: u64,
}

impl View {
    pub(crate) fn new(options: &Options, genesis: UnixMillis) -> Self {
        let operator = |number| OperatorView {
            number,
            state: State::Starting,
            pid: None,
            life: 0,
            peers: BTreeSet::new(),
            last_signed: None,
        };
        Self {
            operators: (1..=options.operators).map(operator).collect(),
            slots: BTreeMap::new(),
            threshold: Threshold::default_for(options.operators).count(),
            first_included: None,
            genesis,
            slot_ms: options.slot_ms,
        }
    }

    /// When `slot` starts.
    pub fn slot_start(&self, slot: Slot) -> UnixMillis {
        self.genesis.saturating_add(slot.get().saturating_mul(self.slot_ms))
    }

    /// Operators that are ready for duties.
    pub fn running(&self) -> usize {
        self.operators.iter().filter(|operator| operator.state == State::Running).count()
    }

    /// The state of the cluster in one sentence.
    pub fn sentence(&self) -> String {
        let (running, all, need) = (self.running(), self.operators.len(), self.threshold);
        let starting = self.operators.iter().any(|operator| operator.state == State::Starting);
        match running {
            _ if running < need && starting => format!("Starting: {running} of {all} operators are here."),
            _ if running < need => {
                format!("Not signing: {running} of {all} operators are here, {need} are needed.")
            }
            _ if running == need => format!("Attesting with {running} of {all} operators; no one to spare."),
            _ => format!("Attesting with {running} of {all} operators."),
        }
    }

    pub(crate) fn starting(&mut self, number: u8, life: u32, pid: Option<u32>) {
        if let Some(operator) = self.operator(number) {
            operator.state = State::Starting;
            (operator.life, operator.pid) = (life, pid);
            operator.peers.clear();
        }
    }

    pub(crate) fn stopped(&mut self, number: u8) {
        if let Some(operator) = self.operator(number) {
            operator.state = State::Stopped;
            operator.pid = None;
            operator.peers.clear();
        }
        // Who leaves in the middle of a slot is missing in it.
        let running = self.running();
        if let Some((_, slot)) = self.slots.iter_mut().next_back() {
            slot.running = slot.running.map(|before| before.min(running));
        }
    }

    pub(crate) fn hear(&mut self, Heard { operator: number, life, event }: &Heard) {
        let number = *number;
        let text = |path: &str| event.pointer(path).and_then(|field| field.as_str());
        let count = |path: &str| event.pointer(path).and_then(|field| field.as_u64());
        let kind = text("/event").unwrap_or_default();
        let millis = count("/after_ms").unwrap_or_default();
        let duty = text("/duty/slot").and_then(|slot| slot.parse().ok());
        // What a process that was killed still had to say about itself is old news.
        let speaks = |operator: &&mut OperatorView| operator.life == *life && operator.state != State::Stopped;
        if let Some(operator) = self.operator(number).filter(speaks) {
            match (kind, count("/operator")) {
                ("started", _) => operator.state = State::Running,
                ("peer_connected", Some(peer)) => drop(operator.peers.insert(peer)),
                ("peer_disconnected", Some(peer)) => drop(operator.peers.remove(&peer)),
                ("signed", _) => operator.last_signed = duty,
                _ => {}
            }
        }
        let Some(slot) = duty.map(|slot: Slot| self.slots.entry(slot).or_default()) else { return };
        match kind {
            "decided" => {
                slot.leader = count("/leader").map(|position| position + 1);
                slot.round = count("/round");
                slot.decided_ms.insert(number, millis);
            }
            "signed" => drop(slot.signers.insert(number)),
            "completed" => drop(slot.completed_ms.insert(number, millis)),
            "submitted" => drop(slot.submitted_ms.insert(number, millis)),
            "finished" => {
                if let Some(detail) = text("/failure/detail") {
                    slot.failures.insert(number, detail.to_owned());
                }
            }
            _ => {}
        }
    }

    /// Brings the slots up to the state of the chain; `now` has just begun.
    pub(crate) fn settle(&mut self, chain: &Chain, now: Slot) {
        let running = self.running();
        self.slots.entry(now).or_default().running = Some(running);
        for slot in (now.saturating_sub(4).get()..=now.get()).map(Slot::new) {
            let seen = self.slots.entry(slot).or_default();
            let inclusions: Vec<_> =
                chain.validators().flat_map(|validator| chain.inclusions(validator, slot..=slot)).collect();
            seen.duties = inclusions.len();
            seen.included = inclusions.iter().filter(|inclusion| inclusion.included_in.is_some()).count();
            let blocks = inclusions.iter().filter_map(|inclusion| inclusion.included_in);
            seen.distance = blocks.clone().map(|block| block.get() - slot.get()).max();
            let first = blocks.min();
            self.first_included = self.first_included.into_iter().chain(first).min();
        }
        while self.slots.len() > SLOTS_KEPT {
            self.slots.pop_first();
        }
    }

    fn operator(&mut self, number: u8) -> Option<&mut OperatorView> {
        self.operators.iter_mut().find(|operator| operator.number == number)
    }
}
