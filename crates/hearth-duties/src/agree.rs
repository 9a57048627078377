//! One consensus instance per duty, until a value is decided; afterwards it helps those who come late.

use std::collections::BTreeSet;

use hearth_qbft::{Config, Input, Output, Qbft, Round, Timer, Vote};
use hearth_types::{Duty, OperatorIndex};

use crate::values::Values;
use crate::witness::{Equivocation, Witness};
use crate::{ConsensusDraft, ConsensusMessage, Digest, Proof, Value};

/// Messages kept of one peer for one duty that has not begun. An honest peer sends a few a round.
const EARLY_PER_PEER: usize = 24;

/// What agreeing on something asks for.
#[derive(Debug)]
pub enum Step {
    /// Say this to everybody, ourselves included.
    Send(ConsensusDraft),
    /// Call back when the round ends.
    Arm(Timer),
    /// An operator said two things that exclude each other.
    Accuse(OperatorIndex, Equivocation),
    /// The cluster has agreed.
    Decided {
        /// In which round.
        round: Round,
        /// On what.
        value: Value,
    },
}

/// Messages for an instance that has not begun here. Bounded by construction: of each peer a fixed number, and the values
/// that [`Values`] allows.
#[derive(Debug)]
pub struct Early {
    values: Values,
    messages: Vec<(OperatorIndex, ConsensusMessage)>,
}

impl Early {
    /// None yet; `values` bounds what can come with them.
    pub const fn new(values: Values) -> Self {
        Self { values, messages: Vec::new() }
    }

    /// Keeps a message that `via` delivered, or drops it when the peer's share is full.
    pub fn keep(&mut self, via: OperatorIndex, mut message: ConsensusMessage) {
        let kept = self.messages.iter().filter(|(sender, _)| *sender == via).count();
        if kept < EARLY_PER_PEER && self.values.admit(via, std::mem::take(&mut message.values)) {
            self.messages.push((via, message));
        }
    }
}

/// The instance of one duty and the values that its messages name.
#[derive(Debug)]
pub struct Agreement {
    duty: Duty,
    instance: Qbft<Digest, Proof>,
    values: Values,
    witness: Witness,
}

impl Agreement {
    /// Begins, with the messages that came early.
    pub fn begin(duty: Duty, config: Config, early: Early) -> (Self, Vec<Step>) {
        let Early { values, messages } = early;
        let mut agreement = Self { duty, instance: Qbft::new(config), values, witness: Witness::default() };
        let mut steps = agreement.step(Input::Start);
        for (via, message) in messages {
            steps.extend(agreement.receive(via, message));
        }
        (agreement, steps)
    }

    /// Takes what this operator would have the cluster agree on; once.
    pub fn propose(&mut self, value: Value) -> Vec<Step> {
        let digest = value.digest;
        self.values.keep(value);
        self.step(Input::Propose(digest))
    }

    /// Takes a checked message that `via` delivered. One whose values cannot be kept, or did not come, is dropped.
    /// After the decision no message can name anything new that matters.
    pub fn receive(&mut self, via: OperatorIndex, received: ConsensusMessage) -> Vec<Step> {
        let ConsensusMessage { message, values, .. } = received;
        let accused = self.witness.hear(&message);
        let mut steps: Vec<_> = accused.into_iter().map(|(who, proof)| Step::Accuse(who, proof)).collect();
        let usable = self.instance.decided().is_some()
            || self.values.admit(via, values)
                && named_by(std::iter::once(&message.signed).chain(&message.justification).map(|s| &s.vote))
                    .iter()
                    .all(|digest| self.values.get(digest).is_some());
        if usable {
            steps.extend(self.step(Input::Received(message)));
        }
        steps
    }

    /// The timer of a round has fired.
    pub fn timed_out(&mut self, timer: Timer) -> Vec<Step> {
        self.step(Input::TimedOut(timer))
    }

    /// Who leads a round.
    pub fn leader(&self, round: Round) -> OperatorIndex {
        self.instance.leader(round)
    }

    /// Whether the cluster has agreed.
    pub fn is_decided(&self) -> bool {
        self.instance.decided().is_some()
    }

    /// The round that this operator is in.
    pub fn round(&self) -> Round {
        self.instance.round()
    }

    fn step(&mut self, input: Input<Digest, Proof>) -> Vec<Step> {
        let outputs = self.instance.step(input);
        let steps = outputs.into_iter().filter_map(|output| self.carry(output)).collect();
        if let Some((_, decided)) = self.instance.decided() {
            self.values.retain_only(decided);
        }
        steps
    }

    /// A message can only be sent, and a value only be used, together with what its digest stands for. It is here:
    /// nothing enters the instance without its values.
    fn carry(&self, output: Output<Digest, Proof>) -> Option<Step> {
        match output {
            Output::Broadcast(draft) => {
                let votes = std::iter::once(&draft.vote).chain(draft.justification.iter().map(|s| &s.vote));
                let named = named_by(votes);
                let values =
                    named.iter().map(|digest| self.values.get(digest).cloned()).collect::<Option<_>>()?;
                Some(Step::Send(ConsensusDraft { duty: self.duty, draft, values }))
            }
            Output::StartTimer(timer) => Some(Step::Arm(timer)),
            Output::Decide { round, value } => {
                Some(Step::Decided { round, value: self.values.get(&value)?.clone() })
            }
        }
    }
}

/// Every digest that these votes name.
fn named_by<'a>(votes: impl Iterator<Item = &'a Vote<Digest>>) -> BTreeSet<Digest> {
    votes.flat_map(|vote| [vote.value, vote.prepared_value]).flatten().collect()
}
