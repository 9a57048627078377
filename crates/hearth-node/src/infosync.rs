//! Once an epoch: what the operators' nodes can do is compared. The hands of [`hearth_obol::infosync`].

use std::collections::BTreeMap;
use std::time::Duration;

use hearth_crypto::k1::{NodeKey, NodePublicKey};
use hearth_duties::{Cluster, ConsensusDraft, ConsensusMessage};
use hearth_obol::infosync::{Agreed, Alarm, Infosync, Input, Output, duty, own_topics};
use hearth_obol::wire::priority::{PRIORITY_PROTOCOL, PriorityCodec, PriorityRejection};
use hearth_obol::wire::{Gate, Untimely};
use hearth_p2p::{Bytes, Host, Reply, peer_id_of};
use hearth_types::{ChainSpec, OperatorIndex, Slot, UnixMillis};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::alarms::Alarms;
use crate::driver::Answer;

/// Why what a peer prefers is not used.
#[derive(Debug, Error)]
pub(crate) enum NotHeard {
    /// It breaks a rule.
    #[error(transparent)]
    Rejected(#[from] PriorityRejection),
    /// Nothing is wrong with it, but it is not the time.
    #[error(transparent)]
    Untimely(#[from] Untimely),
}

/// What the driver has to do.
pub(crate) enum Order {
    /// Sign this, send it to everybody and bring it back.
    Say(ConsensusDraft),
    /// The cluster has agreed.
    Note(Agreed),
}

/// Asks, answers, and agrees.
pub(crate) struct InfosyncDesk {
    machine: Infosync,
    codec: PriorityCodec,
    me: OperatorIndex,
    peers: Vec<OperatorIndex>,
    alarms: Alarms<Alarm>,
    /// The slot that waits until it is on record.
    next: Option<Slot>,
    /// Peers that asked before we have begun. One each; what is answered too late goes nowhere.
    waiting: BTreeMap<OperatorIndex, (Slot, Reply)>,
}

impl InfosyncDesk {
    pub(crate) fn new(cluster: &Cluster, operators: &[NodePublicKey], spec: &ChainSpec) -> Self {
        let known = |key: &NodePublicKey| (*key, peer_id_of(&key.to_bytes()));
        Self {
            machine: Infosync::new(cluster.me, cluster.operators, cluster.threshold, spec.clone()),
            codec: PriorityCodec::new(operators.iter().map(known).collect()),
            me: cluster.me,
            peers: cluster.peers().collect(),
            alarms: Alarms::default(),
            next: None,
            waiting: BTreeMap::new(),
        }
    }

    /// It is the time to compare. To be begun when the slot is on record.
    pub(crate) const fn is_due(&mut self, slot: Slot) {
        self.next = Some(slot);
    }

    /// The slot that is due, if it is on record up to `recorded`.
    pub(crate) fn take_next(&mut self, recorded: impl Fn(Slot) -> bool) -> Option<Slot> {
        self.next.take_if(|slot| recorded(*slot))
    }

    /// Asks everybody, and answers those who asked already.
    pub(crate) fn begin(
        &mut self,
        (now, slot): (UnixMillis, Slot),
        key: &NodeKey,
        (host, answers, tasks): (&Host, &mpsc::Sender<Answer>, &TaskTracker),
    ) -> Vec<Order> {
        if self.machine.own(slot).is_some() {
            return Vec::new();
        }
        let own = self.codec.sign(self.me, (duty(slot), own_topics()), key);
        let question = Bytes::from(own.bytes.clone());
        for peer in self.peers.iter().copied() {
            let (host, question, answers) = (host.clone(), question.clone(), answers.clone());
            tasks.spawn(async move {
                match host.request(peer, PRIORITY_PROTOCOL, question).await {
                    Ok(answer) => drop(answers.send(Answer::Preferences(peer, answer)).await),
                    Err(error) => tracing::debug!(%peer, %error, "not asked what it can do"),
                }
            });
        }
        for (_, (asked, reply)) in std::mem::take(&mut self.waiting) {
            if asked == slot {
                reply.send(own.bytes.clone());
            }
        }
        self.step(now, Input::Begin(own))
    }

    /// A peer's question: his list, for ours.
    pub(crate) fn asked(
        &mut self,
        (from, question): (OperatorIndex, &[u8]),
        reply: Reply,
        (spec, now): (&ChainSpec, UnixMillis),
    ) -> Result<Vec<Order>, NotHeard> {
        let list = self.codec.decode(from, question)?;
        let asked = list.preferences.duty;
        Gate::new(spec, now).admit(asked)?;
        match self.machine.own(asked.slot) {
            Some(own) => reply.send(own.bytes.clone()),
            None => drop(self.waiting.insert(from, (asked.slot, reply))),
        }
        Ok(self.step(now, Input::Heard(list)))
    }

    /// A peer's answer.
    pub(crate) fn answered(
        &mut self,
        (from, answer): (OperatorIndex, &[u8]),
        now: UnixMillis,
    ) -> Result<Vec<Order>, NotHeard> {
        let list = self.codec.decode(from, answer)?;
        Ok(self.step(now, Input::Heard(list)))
    }

    /// A checked consensus message, of a peer or our own.
    pub(crate) fn hear(
        &mut self,
        now: UnixMillis,
        via: OperatorIndex,
        message: ConsensusMessage,
    ) -> Vec<Order> {
        self.step(now, Input::Consensus { via, message })
    }

    /// Whatever has come due.
    pub(crate) fn ring(&mut self, now: UnixMillis) -> Vec<Order> {
        let mut orders = Vec::new();
        while let Some(alarm) = self.alarms.take_due(now) {
            orders.extend(self.step(now, Input::Alarm(alarm)));
        }
        orders
    }

    /// How long nothing will be due.
    pub(crate) fn nap(&self, now: UnixMillis) -> Duration {
        self.alarms.nap(now)
    }

    fn step(&mut self, now: UnixMillis, input: Input) -> Vec<Order> {
        let mut orders = Vec::new();
        for output in self.machine.step(now, input) {
            match output {
                Output::SetAlarm { at, alarm } => self.alarms.set(at, alarm),
                Output::Say(draft) => orders.push(Order::Say(draft)),
                Output::Agreed(agreed) => orders.push(Order::Note(agreed)),
            }
        }
        orders
    }
}
