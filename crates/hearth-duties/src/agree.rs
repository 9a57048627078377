//! One consensus instance per duty, until a value is decided; afterwards it helps those who come late.

use std::collections::BTreeSet;

use hearth_qbft::{Config, Input, Output, Qbft, Round, Timer, Vote};
use hearth_types::{Duty, OperatorIndex};

use crate::values::Values;
use crate::{ConsensusDraft, ConsensusMessage, Digest, Proof, Value};

/// What agreeing on a duty asks for.
#[derive(Debug)]
pub(crate) enum Step {
    Send(ConsensusDraft),
    Arm(Timer),
    Decided { round: Round, value: Value },
}

/// The instance of one duty and the values that its messages name.
#[derive(Debug)]
pub(crate) struct Agreement {
    duty: Duty,
    instance: Qbft<Digest, Proof>,
    values: Values,
}

impl Agreement {
    /// An instance that has not started; `values` came with messages that were early.
    pub(crate) fn new(duty: Duty, config: Config, values: Values) -> Self {
        Self { duty, instance: Qbft::new(config), values }
    }

    pub(crate) fn start(&mut self) -> Vec<Step> {
        self.step(Input::Start)
    }

    pub(crate) fn propose(&mut self, value: Value) -> Vec<Step> {
        let digest = value.digest;
        self.values.keep(value);
        self.step(Input::Propose(digest))
    }

    /// Takes a checked message that `via` delivered. One whose values cannot be kept, or did not come, is dropped.
    /// After the decision no message can name anything new that matters.
    pub(crate) fn receive(&mut self, via: OperatorIndex, received: ConsensusMessage) -> Vec<Step> {
        let ConsensusMessage { message, values, .. } = received;
        let usable = self.instance.decided().is_some()
            || self.values.admit(via, values)
                && named_by(std::iter::once(&message.signed).chain(&message.justification).map(|s| &s.vote))
                    .iter()
                    .all(|digest| self.values.get(digest).is_some());
        if usable { self.step(Input::Received(message)) } else { Vec::new() }
    }

    pub(crate) fn timed_out(&mut self, timer: Timer) -> Vec<Step> {
        self.step(Input::TimedOut(timer))
    }

    pub(crate) fn leader(&self, round: Round) -> OperatorIndex {
        self.instance.leader(round)
    }

    pub(crate) fn is_decided(&self) -> bool {
        self.instance.decided().is_some()
    }

    pub(crate) fn round(&self) -> Round {
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
