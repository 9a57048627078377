//! The loop around the workflow: receive, step, perform.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hearth_beacon::BeaconNodes;
use hearth_crypto::k1::NodeKey;
use hearth_crypto::{Verified, complete_slot};
use hearth_duties::{
    Alarm, ChainReply, Cluster, Combination, ConsensusDraft, ConsensusMessage, Deadlined, Input, Output,
    Report, SignReply, Voice, Workflow,
};
use hearth_obol::infosync::Agreed;
use hearth_obol::wire::partial::{self, PartialRejection};
use hearth_obol::wire::priority::{PRIORITY_PROTOCOL, TopicResult};
use hearth_obol::wire::{
    CONSENSUS_PROTOCOL, ConsensusCodec, ConsensusRejection, Gate, ObolDialect, PARTIALS_PROTOCOL,
    PEERINFO_PROTOCOL,
};
use hearth_p2p::{Bytes, Event, Events, Host};
use hearth_types::{ChainSpec, Duty, DutyKind, LockHash, OperatorIndex, Slot};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::alarms::Alarms;
use crate::clock;
use crate::event::{NodeEvent, Observer};
use crate::evidence::{Caught, EvidenceFolder};
use crate::infosync::{InfosyncDesk, NotHeard, Order};
use crate::metrics::Metrics;
use crate::peers::{PeerInfoDesk, Told};
use crate::show::{ClusterTeller, News, Notice};
use crate::signing::SigningThread;
use crate::spoken::SpokenRecord;

/// Answers that may wait for the loop. Every producer waits when it is full.
const ANSWERS_WAITING: usize = 256;
/// Longest time that a stop waits for a duty under way.
pub(crate) const LAST_DUTY: Duration = Duration::from_secs(12);

/// Why nothing is signed while another program has this node's key.
const RUNS_TWICE: &str = "a copy of this node runs somewhere else as well. Stop one of the two, and the other goes on by itself within a \
                          quarter of an hour";

/// How long work that nobody waits for any more may take to notice.
const LEFTOVERS: Duration = Duration::from_secs(2);

/// A part of the node died, and nothing can be signed without it.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum Broken {
    /// The thread with the key shares and the slashing database.
    #[error("the signing thread ended by itself; its record on disk is intact, start the node again")]
    Signer,
    /// The network host.
    #[error("the network host ended by itself; start the node again")]
    Network,
}

/// What tasks beside the loop bring back.
pub(crate) enum Answer {
    /// Something that the duties wait for.
    Input(Input),
    /// It is on disk that something may be said in slots up to this.
    MaySpeak(Slot),
    /// What a peer answered when it was asked what it prefers.
    Preferences(OperatorIndex, Vec<u8>),
    /// What a peer answered when it was asked who it is, and how long that took.
    Card(OperatorIndex, Vec<u8>, Duration),
}

/// Where they bring it.
pub(crate) struct Answers {
    pub(crate) bring: mpsc::Sender<Answer>,
    brought: mpsc::Receiver<Answer>,
}

impl Answers {
    pub(crate) fn new() -> Self {
        let (bring, brought) = mpsc::channel(ANSWERS_WAITING);
        Self { bring, brought }
    }
}

/// Everything the loop works with.
pub(crate) struct Driver {
    pub(crate) workflow: Workflow<ObolDialect>,
    pub(crate) consensus: ConsensusCodec,
    pub(crate) voice: Voice,
    pub(crate) spoken: SpokenRecord,
    pub(crate) infosync: InfosyncDesk,
    pub(crate) cluster: Cluster,
    pub(crate) identity: NodeKey,
    pub(crate) id: LockHash,
    pub(crate) me: OperatorIndex,
    pub(crate) peers: Vec<OperatorIndex>,
    pub(crate) spec: Arc<ChainSpec>,
    pub(crate) beacon: Arc<BeaconNodes>,
    pub(crate) host: Host,
    pub(crate) network: Events,
    pub(crate) signing: SigningThread,
    pub(crate) answers: Answers,
    pub(crate) evidence: EvidenceFolder,
    pub(crate) desk: PeerInfoDesk,
    /// Whether the owner was told that this node waits because it runs twice.
    pub(crate) runs_twice: bool,
    pub(crate) metrics: Metrics,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) teller: ClusterTeller,
}

impl Driver {
    /// Runs until `stop`, then finishes the duty under way and closes everything.
    ///
    /// Errors: [`Broken`] when a part without which nothing can be signed has died.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), Broken> {
        let tasks = TaskTracker::new();
        let outcome = self.turn(&stop, &tasks).await;

        // Nobody hears answers any more, and nobody who brings one may wait for ever.
        drop(self.answers);
        self.signing.close().await;
        self.host.shutdown().await;
        tasks.close();
        let _in_time = tokio::time::timeout(LEFTOVERS, tasks.wait()).await;
        self.observer.observe(clock::now(), self.id, &NodeEvent::Stopped);
        outcome
    }

    async fn turn(&mut self, stop: &CancellationToken, tasks: &TaskTracker) -> Result<(), Broken> {
        let mut alarms = Alarms::default();
        let mut inputs = VecDeque::new();
        let mut last_call = None;
        let mut next_told = None;
        let mut before = clock::now();
        let first = self.workflow.start(before);
        self.perform(first, &mut alarms, &mut inputs, tasks)?;
        loop {
            while let Some(input) = inputs.pop_front() {
                let outputs = self.workflow.step(clock::now(), input);
                self.perform(outputs, &mut alarms, &mut inputs, tasks)?;
            }
            let now = clock::now();
            if now.saturating_add(self.spec.slot_ms()) < before {
                tracing::warn!("the clock was set back; going on from the slot that it shows now");
                alarms.forget_slot_starts();
                let again = self.workflow.start(now);
                self.perform(again, &mut alarms, &mut inputs, tasks)?;
            }
            before = now;
            self.compare(tasks);
            if let Some(alarm) = alarms.take_due(now) {
                // Once asked to stop, what has begun is finished and nothing new begins.
                if last_call.is_none() || !matches!(alarm, Alarm::Due(_)) {
                    inputs.push_back(Input::Alarm(alarm));
                }
                continue;
            }
            let next = self.workflow.next_duty(now);
            if next != next_told {
                next_told = next;
                self.teller.tell(News::Next(next));
            }
            let enough = |deadline| !self.workflow.is_busy(now) || Instant::now() >= deadline;
            if last_call.is_some_and(enough) {
                return Ok(());
            }
            tokio::select! {
                () = stop.cancelled(), if last_call.is_none() => {
                    last_call = Some(Instant::now() + LAST_DUTY);
                    self.teller.node().tell(Notice::Stopping);
                }
                event = self.network.recv() => inputs.extend(self.hear(event.ok_or(Broken::Network)?, tasks)),
                Some(answer) = self.answers.brought.recv() => {
                    inputs.extend(self.take(answer));
                }
                () = self.desk.next_round() => {
                    self.ask_who_they_are(&self.peers, tasks);
                    self.tell_of_a_twin();
                }
                () = tokio::time::sleep(alarms.nap(now).min(self.infosync.nap(now))) => {}
            }
        }
    }

    fn perform(
        &mut self,
        outputs: Vec<Output>,
        alarms: &mut Alarms<Alarm>,
        inputs: &mut VecDeque<Input>,
        tasks: &TaskTracker,
    ) -> Result<(), Broken> {
        for output in outputs {
            match output {
                Output::SetAlarm { at, alarm } => alarms.set(at, alarm),
                Output::Ask(question) => self.ask(question, tasks),
                Output::Reserve(slot) => self.reserve(slot, tasks),
                Output::Confer(slot) => {
                    self.reserve(slot, tasks);
                    self.infosync.is_due(slot);
                }
                Output::SendConsensus(draft) => {
                    let own = self.say(draft);
                    inputs.extend(own.map(|message| Input::Consensus { via: self.me, message }));
                }
                Output::SendPartials(set) => match partial::encode(&self.spec, &set) {
                    Ok(bytes) => self.send_to_all(PARTIALS_PROTOCOL, bytes),
                    Err(error) => {
                        tracing::error!(%error, duty = %set.duty, "our partial signatures cannot be sent")
                    }
                },
                Output::Sign(request) if self.desk.gives_way(clock::now()).is_some() => {
                    let refused = |(validator, _)| (validator, Err(RUNS_TWICE.to_owned()));
                    let signatures = request.votes.into_iter().map(refused).collect();
                    inputs.push_back(Input::Signed(SignReply { duty: request.duty, signatures }));
                }
                Output::Sign(request) => handed_over(self.signing.ask(request))?,
                Output::Check(request) => handed_over(self.signing.check(request))?,
                Output::Combine(combination) => self.combine(combination, tasks),
                Output::Report(report) => {
                    if let Report::Equivocated { operator, duty, proof } = &report {
                        self.keep_proof(
                            Caught { operator: *operator, duty: *duty, proof: proof.clone() },
                            tasks,
                        );
                    }
                    self.report(report);
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, answer: Answer) -> Option<Input> {
        match answer {
            Answer::Input(input) => {
                if let Input::Chain(ChainReply::Validators(Ok(records))) = &input {
                    self.teller.tell(News::Validators(records.clone()));
                }
                Some(input)
            }
            Answer::MaySpeak(slot) => {
                self.voice.has_recorded(slot);
                None
            }
            Answer::Preferences(from, bytes) => {
                let heard = self.infosync.answered((from, &bytes), clock::now());
                self.take_preferences(from, heard);
                None
            }
            Answer::Card(from, bytes, rtt) => {
                match self.desk.take((from, &bytes), clock::now(), rtt) {
                    Ok(Told { card, offset_ms, runs_twice }) => {
                        tracing::debug!(peer = %from, version = card.version, nickname = card.nickname, "peer");
                        self.teller.tell(News::Card(from, Box::new(card), offset_ms));
                        self.say_if_twice(from, runs_twice);
                    }
                    Err(error) => tracing::debug!(peer = %from, %error, "the peer's card is unreadable"),
                }
                self.tell_of_a_twin();
                None
            }
        }
    }

    /// Tells the owner whether this node waits because it runs twice.
    fn tell_of_a_twin(&mut self) {
        let waits = self.desk.gives_way(clock::now());
        if waits.is_some() != self.runs_twice {
            self.runs_twice = waits.is_some();
            match waits {
                Some(_) => tracing::error!("nothing is signed: {RUNS_TWICE}"),
                None => {
                    tracing::info!("nothing is heard of the other copy of this node any more: it signs again")
                }
            }
            self.observe(&NodeEvent::RunsTwice { waits: self.runs_twice });
            self.teller.tell(News::RunsTwice(waits.map(|_| RUNS_TWICE)));
        }
    }

    fn say_if_twice(&mut self, from: OperatorIndex, runs_twice: bool) {
        if runs_twice {
            let reason = "its node runs twice: two programs have the key of its identity".to_owned();
            self.report(Report::Misbehaved { operator: from, reason });
        }
    }

    /// Puts it on record that something may be said in `slot`, if it is not.
    fn reserve(&self, slot: Slot, tasks: &TaskTracker) {
        if !self.voice.needs_record(slot) {
            return;
        }
        let (record, answers) = (self.spoken.clone(), self.answers.bring.clone());
        tasks.spawn_blocking(move || match record.write(slot) {
            Ok(()) => drop(answers.blocking_send(Answer::MaySpeak(slot))),
            Err(error) => tracing::error!(
                %error,
                %slot,
                "the disk cannot be written: this node takes no part in what the cluster agrees on in this slot"
            ),
        });
    }

    /// Signs a consensus message and sends it to everybody, ourselves included, if anything may be said about its duty.
    fn say(&mut self, draft: ConsensusDraft) -> Option<Verified<ConsensusMessage>> {
        if self.desk.gives_way(clock::now()).is_some() {
            return None;
        }
        let speech = match self.voice.speak(draft) {
            Ok(speech) => speech,
            Err(silent) => {
                tracing::debug!(%silent, "only listening");
                return None;
            }
        };
        match self.consensus.encode(&speech, &self.identity) {
            Ok((bytes, message)) => {
                self.send_to_all(CONSENSUS_PROTOCOL, bytes);
                Some(message)
            }
            Err(error) => {
                tracing::error!(%error, duty = %speech.draft().duty, "our own consensus message is invalid");
                None
            }
        }
    }

    /// Begins to compare what the operators' nodes can do, or goes on with it, where it is time.
    fn compare(&mut self, tasks: &TaskTracker) {
        let now = clock::now();
        let orders = self.infosync.ring(now);
        self.carry_out(orders);
        let voice = &self.voice;
        if let Some(slot) = self.infosync.take_next(|slot| !voice.needs_record(slot)) {
            let hands = (&self.host, &self.answers.bring, tasks);
            let orders = self.infosync.begin((now, slot), &self.identity, hands);
            self.carry_out(orders);
        }
    }

    fn take_preferences(&mut self, from: OperatorIndex, heard: Result<Vec<Order>, NotHeard>) {
        match heard {
            Ok(orders) => self.carry_out(orders),
            Err(innocent @ NotHeard::Untimely(_)) => {
                tracing::debug!(peer = %from, reason = %innocent, "preferences not used");
            }
            Err(rejected) => self.reject(from, PRIORITY_PROTOCOL, &rejected),
        }
    }

    fn carry_out(&mut self, orders: Vec<Order>) {
        let mut orders = VecDeque::from(orders);
        while let Some(order) = orders.pop_front() {
            match order {
                Order::Say(draft) => {
                    if let Some(own) = self.say(draft) {
                        orders.extend(self.infosync.hear(clock::now(), self.me, own.into_inner()));
                    }
                }
                Order::Note(Agreed { slot, heard, topics }) => {
                    let names = |topic: TopicResult| {
                        let names = topic.priorities.into_iter().map(|(name, _)| name);
                        (topic.name, names.collect())
                    };
                    let topics = topics.into_iter().map(names).collect();
                    tracing::debug!(%slot, heard = heard.len(), ?topics, "what the cluster has in common");
                    self.observe(&NodeEvent::Compared { slot, heard, topics });
                }
            }
        }
    }

    fn ask(&self, question: Deadlined, tasks: &TaskTracker) {
        let (beacon, answers) = (Arc::clone(&self.beacon), self.answers.bring.clone());
        tasks.spawn(async move {
            let reply = beacon.answer(question, clock::now()).await;
            // The loop has ended; nobody needs the answer.
            let _unheard = answers.send(Answer::Input(Input::Chain(reply))).await;
        });
    }

    /// Milliseconds of curve arithmetic, off the loop.
    fn combine(&self, Combination { duty, job }: Combination, tasks: &TaskTracker) {
        let answers = self.answers.bring.clone();
        tasks.spawn_blocking(move || {
            let outcome = complete_slot(&job, &mut rand::rng());
            let _unheard = answers.blocking_send(Answer::Input(Input::Combined { duty, outcome }));
        });
    }

    /// Off the loop: it may compute for milliseconds, and waits for the disk.
    fn keep_proof(&self, caught: Caught, tasks: &TaskTracker) {
        let evidence = self.evidence.clone();
        tasks.spawn_blocking(move || match evidence.keep(&caught) {
            Ok(path) => tracing::warn!(path = %path.display(), "the proof is kept"),
            Err(error) => tracing::warn!(peer = %caught.operator, %error, "no proof is kept"),
        });
    }

    fn send_to_all(&self, protocol: &'static str, bytes: Vec<u8>) {
        let bytes = Bytes::from(bytes);
        for peer in &self.peers {
            self.host.send(*peer, protocol, bytes.clone());
        }
    }

    fn ask_who_they_are(&self, peers: &[OperatorIndex], tasks: &TaskTracker) {
        let hands = (&self.host, &self.answers.bring, tasks);
        self.desk.ask(peers, (clock::now(), &self.identity), hands);
    }

    fn hear(&mut self, event: Event, tasks: &TaskTracker) -> Option<Input> {
        match event {
            Event::Message { from, protocol: CONSENSUS_PROTOCOL, bytes } => {
                let gate = Gate::new(&self.spec, clock::now());
                match self.consensus.decode(&bytes, &gate) {
                    Ok(message) => return self.route(from, message),
                    Err(innocent @ (ConsensusRejection::Untimely(_) | ConsensusRejection::NotPerformed(_))) => {
                        tracing::debug!(peer = %from, reason = %innocent, "consensus message not used");
                    }
                    Err(rejection) => self.reject(from, CONSENSUS_PROTOCOL, &rejection),
                }
            }
            Event::Message { from, protocol: PARTIALS_PROTOCOL, bytes } => {
                let gate = Gate::new(&self.spec, clock::now());
                match partial::decode(&bytes, &self.cluster, &gate) {
                    Ok(set) => return Some(Input::Partials { from, set }),
                    Err(innocent @ (PartialRejection::Untimely(_) | PartialRejection::NotPerformed(_))) => {
                        tracing::debug!(peer = %from, reason = %innocent, "partial signatures not used");
                    }
                    Err(rejection) => self.reject(from, PARTIALS_PROTOCOL, &rejection),
                }
            }
            Event::Request { from, protocol: PEERINFO_PROTOCOL, bytes, reply } => {
                let (answer, runs_twice) = self.desk.answer((from, &bytes), clock::now(), &self.identity);
                reply.send(answer);
                self.say_if_twice(from, runs_twice);
            }
            Event::Request { from, protocol: PRIORITY_PROTOCOL, bytes, reply } => {
                let (spec, now) = (Arc::clone(&self.spec), clock::now());
                let heard = self.infosync.asked((from, &bytes), reply, (&spec, now));
                self.take_preferences(from, heard);
            }
            Event::Connected { operator, address } => {
                tracing::info!(peer = %operator, %address, "connected");
                self.observe(&NodeEvent::PeerConnected { operator });
                self.teller.tell(News::Connected(operator, address));
                self.ask_who_they_are(&[operator], tasks);
            }
            Event::Disconnected { operator } => {
                tracing::warn!(peer = %operator, "connection lost");
                self.metrics.lost(operator);
                self.observe(&NodeEvent::PeerDisconnected { operator });
                self.teller.tell(News::Away(operator));
            }
            Event::Ping { operator, rtt, dialled_in } => {
                self.metrics.ping(operator, rtt);
                self.teller.tell(News::Ping(operator, rtt, dialled_in));
            }
            Event::NoWayThrough { operator } => {
                tracing::info!(
                    peer = %operator,
                    "no way through the routers of both homes: messages go through a relay. A port that is open in one of \
                     the two homes would do"
                );
            }
            Event::Router(router) => self.teller.tell(News::Router(router)),
            Event::DialFailed { operator, reason, retry_in } => {
                tracing::debug!(peer = %operator, %reason, ?retry_in, "not reachable");
            }
            Event::Refused { peer_id, address } => {
                // At `debug`: anybody on the internet can cause it as often as they like.
                tracing::debug!(%peer_id, %address, "a stranger was turned away")
            }
            other => tracing::debug!(event = ?other, "network"),
        }
        None
    }

    /// A checked consensus message goes to whom it is about.
    fn route(&mut self, via: OperatorIndex, message: Verified<ConsensusMessage>) -> Option<Input> {
        if via != self.me && self.voice.is_used_by_another(self.me, &message) {
            self.desk.hear_a_foreign_vote(clock::now());
            self.tell_of_a_twin();
        }
        if message.duty.kind != DutyKind::InfoSync {
            return Some(Input::Consensus { via, message });
        }
        let orders = self.infosync.hear(clock::now(), via, message.into_inner());
        self.carry_out(orders);
        None
    }

    fn reject(&mut self, from: OperatorIndex, what: &str, rejection: &dyn std::error::Error) {
        self.report(Report::Misbehaved { operator: from, reason: format!("{what}: {rejection}") });
    }

    fn report(&mut self, report: Report) {
        log(&report);
        self.metrics.duty(&report);
        self.observe(&NodeEvent::Duty(report.clone()));
        self.teller.tell(News::Duty(report));
    }

    pub(crate) fn observe(&self, event: &NodeEvent) {
        self.observer.observe(clock::now(), self.id, event);
    }
}

/// What became of something for the signing thread.
fn handed_over(outcome: Result<(), TrySendError<Duty>>) -> Result<(), Broken> {
    match outcome {
        Ok(()) => Ok(()),
        Err(TrySendError::Full(duty)) => {
            tracing::error!(%duty, "the disk is too slow: the signer has no room for this duty");
            Ok(())
        }
        Err(TrySendError::Closed(_)) => Err(Broken::Signer),
    }
}

/// One line for what the owner of the node would want to know; the rest at `debug`.
fn log(report: &Report) {
    match report {
        Report::Decided { duty, round, leader, after_ms } => {
            tracing::debug!(%duty, %round, %leader, after_ms, "agreed");
        }
        Report::Signed { duty, validators, after_ms } => tracing::debug!(%duty, validators, after_ms, "signed"),
        Report::Completed { duty, validators, after_ms } => {
            tracing::debug!(%duty, validators, after_ms, "complete")
        }
        Report::Submitted { duty, validators, after_ms } => {
            tracing::info!(%duty, validators, after_ms, "the beacon node took the attestations");
        }
        Report::Refused { duty, validator, reason } => {
            tracing::warn!(%duty, validator = %validator.abbreviated(), reason, "not signed");
        }
        Report::Withheld { duty, leader, reason } => {
            tracing::warn!(%duty, %leader, reason, "a proposal that this node does not support");
        }
        Report::Equivocated { operator, duty, .. } => {
            tracing::error!(peer = %operator, %duty, "the peer said two things that exclude each other");
        }
        Report::Misbehaved { operator, reason } => {
            tracing::warn!(peer = %operator, reason, "refused a message")
        }
        Report::Finished { duty, validators, failure: Some(failure), .. } => {
            let validators = validators.len();
            tracing::warn!(%duty, validators, code = failure.code, reason = failure.detail, "duty missed");
        }
        Report::Finished { duty, signers, .. } => tracing::debug!(%duty, signers = signers.len(), "duty done"),
        Report::ChainTrouble { about, failure } => tracing::warn!(about, %failure, "beacon node"),
    }
}
