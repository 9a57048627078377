//! The loop of a ceremony: hears, steps, performs.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use hearth_crypto::k1::NodeKey;
use hearth_obol::ceremony::frost::SHARES_PROTOCOL;
use hearth_obol::ceremony::pedersen::PEDERSEN_PROTOCOLS;
use hearth_obol::ceremony::sync::{Moment, Report, SYNC_PROTOCOL, encode_answer};
use hearth_obol::ceremony::{Ceremony, Failure, Formed, Message, Output};
use hearth_obol::cluster::Network;
use hearth_obol::wire::PARTIALS_PROTOCOL;
use hearth_p2p::{Bytes, Event, Events, Host};
use hearth_signer::keystore::Cost;
use hearth_types::OperatorIndex;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::talk::{self, Heard, Own, talk};
use super::{CeremonyError, CeremonyNews, Held, Meeting};
use crate::offline::{SaveError, save};

/// Answers and errors of peers that may wait.
const WAITING: usize = 1_024;
/// How long the others are told why we give up, unless all have heard it.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long the others have to take leave once the files are there.
const LEAVE: Duration = Duration::from_secs(10);
/// And how long we stay once they have: our last answers are on their way.
const LINGER: Duration = Duration::from_millis(500);
/// Between two looks at the clock.
const LOOK: Duration = Duration::from_millis(250);

/// One operator in a ceremony, with its connections, its clock and its disk.
pub(super) struct Driver {
    ceremony: Ceremony,
    key: NodeKey,
    host: Host,
    news: mpsc::UnboundedSender<CeremonyNews>,
    folder: PathBuf,
    network: Network,
    cost: Cost,
    patience: Duration,
    /// What our reports say.
    own: watch::Sender<Own>,
    heard: mpsc::Receiver<Heard>,
    hear: mpsc::Sender<Heard>,
    talking: Vec<JoinHandle<()>>,
    /// Operators who answer our reports.
    answering: BTreeSet<OperatorIndex>,
    /// Operators who have taken leave, and those of whom we have.
    left: BTreeSet<OperatorIndex>,
    told: BTreeSet<OperatorIndex>,
    moved: Instant,
    saving: Option<JoinHandle<Result<Held, SaveError>>>,
    held: Option<Held>,
    done: bool,
}

impl Driver {
    pub(super) fn new(
        ceremony: Ceremony,
        key: NodeKey,
        host: Host,
        news: mpsc::UnboundedSender<CeremonyNews>,
        meeting: &Meeting,
        network: Network,
    ) -> Self {
        let (hear, heard) = mpsc::channel(WAITING);
        let own = watch::Sender::new(Own { step: 0, leaving: false });
        let hello = talk::hello(&ceremony, &key, &meeting.nickname);
        let others = OperatorIndex::all(u8::try_from(ceremony.operators().len()).unwrap_or(u8::MAX))
            .filter(|operator| *operator != ceremony.me());
        let talking = others
            .map(|operator| {
                tokio::spawn(talk(host.clone(), operator, hello.clone(), own.subscribe(), hear.clone()))
            })
            .collect();
        Self {
            ceremony,
            key,
            host,
            news,
            folder: meeting.folder.clone(),
            network,
            cost: if meeting.insecure_keys { Cost::Insecure } else { Cost::Standard },
            patience: meeting.patience,
            own,
            heard,
            hear,
            talking,
            answering: BTreeSet::new(),
            left: BTreeSet::new(),
            told: BTreeSet::new(),
            moved: Instant::now(),
            saving: None,
            held: None,
            done: false,
        }
    }

    pub(super) async fn run(
        &mut self,
        mut events: Events,
        stop: &CancellationToken,
    ) -> Result<Held, CeremonyError> {
        let outcome = self.meet(&mut events, stop).await;
        if let Err(error) = &outcome {
            self.say_why(&mut events, &error.to_string()).await;
        }
        self.talking.iter().for_each(JoinHandle::abort);
        // What is being written cannot be stopped half-way: only its end says whether there are files.
        if let Some(saving) = self.saving.take()
            && let Ok(Ok(held)) = saving.await
        {
            self.held = Some(held);
        }
        // Files that are there stay: whoever merely lost the others at the end has a sound cluster.
        outcome.map_err(|error| match self.held.take() {
            Some(held) => CeremonyError::Unconfirmed { held: Box::new(held), why: Box::new(error) },
            None => error,
        })
    }

    async fn meet(&mut self, events: &mut Events, stop: &CancellationToken) -> Result<Held, CeremonyError> {
        let mut looks = tokio::time::interval(LOOK);
        let (mut leaving_until, mut lingering) = (None, false);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Err(CeremonyError::Stopped),
                event = events.recv() => {
                    let event = event.ok_or_else(|| CeremonyError::Broken("the network ended".into()))?;
                    self.take(event)?;
                }
                Some(heard) = self.heard.recv() => self.hear(heard)?,
                saved = finished(&mut self.saving) => {
                    self.saving = None;
                    let saved = saved.map_err(|error| CeremonyError::Broken(error.to_string()))?;
                    self.held = Some(saved?);
                    let outputs = self.ceremony.saved(&self.key)?;
                    self.perform(outputs);
                }
                _ = looks.tick() => self.look()?,
            }
            if self.done && leaving_until.is_none() {
                self.own.send_modify(|own| own.leaving = true);
                leaving_until = Some(Instant::now() + LEAVE);
            }
            // Who goes before he has said so, or before his answer to the last good-bye is out, keeps the others waiting.
            let all_left = self.left.len().min(self.told.len()) + 1 == self.ceremony.operators().len();
            if all_left && !lingering {
                lingering = true;
                leaving_until = Some(Instant::now() + LINGER);
            }
            if leaving_until.is_some_and(|until| Instant::now() >= until) {
                // The files are there and hold, whoever did not say good-bye.
                return self.held.take().ok_or_else(|| CeremonyError::Broken("nothing was saved".into()));
            }
        }
    }

    fn take(&mut self, event: Event) -> Result<(), CeremonyError> {
        match event {
            Event::Request { from, protocol: SYNC_PROTOCOL, bytes, reply } => {
                let report = Report::decode(&bytes).map_err(|error| self.failed(from, error.into()))?;
                let sent_at = report.sent_at;
                if report.shutdown {
                    self.left.insert(from);
                }
                let before = self.ceremony.step_of(from);
                match self.ceremony.report(from, &report, &self.key) {
                    Ok(outputs) => {
                        if before != Some(report.step) {
                            let _unheard = self.news.send(CeremonyNews::At(from, report.step));
                        }
                        reply.send(encode_answer(sent_at, None));
                        self.perform(outputs);
                        self.begin_if_all_are_here()?;
                    }
                    Err(failure) => {
                        reply.send(encode_answer(sent_at, Some(&failure.reason.to_string())));
                        return Err(failure.into());
                    }
                }
            }
            Event::Request { from, bytes, reply, .. } => {
                let (ceremony, key) = (&mut self.ceremony, &self.key);
                reply.send(tokio::task::block_in_place(|| ceremony.request(from, &bytes, key))?);
            }
            Event::Message { from, protocol, bytes } => {
                let message = match protocol {
                    SHARES_PROTOCOL => Message::Shares(&bytes),
                    PARTIALS_PROTOCOL => Message::Partials(&bytes),
                    bundle if PEDERSEN_PROTOCOLS.contains(&bundle) => Message::Bundle(bundle, &bytes),
                    _ => Message::Broadcast(&bytes),
                };
                let (ceremony, key) = (&mut self.ceremony, &self.key);
                let outputs = tokio::task::block_in_place(|| ceremony.hear(from, message, key))?;
                self.perform(outputs);
            }
            Event::Connected { operator, .. } => drop(self.news.send(CeremonyNews::Here(operator, true))),
            Event::Disconnected { operator } => drop(self.news.send(CeremonyNews::Here(operator, false))),
            Event::SendFailed { to, reason, .. } => {
                return Err(CeremonyError::Lost { operator: to, reason });
            }
            other => tracing::debug!(event = ?other, "network"),
        }
        Ok(())
    }

    fn hear(&mut self, heard: Heard) -> Result<(), CeremonyError> {
        match heard {
            Heard::Answers(operator) => {
                self.answering.insert(operator);
                self.begin_if_all_are_here()
            }
            Heard::Left(operator) => {
                self.told.insert(operator);
                Ok(())
            }
            Heard::GaveUp(operator, text) => Err(CeremonyError::GaveUp { operator, text }),
            Heard::Signature(operator, Err(reason)) => Err(CeremonyError::Lost { operator, reason }),
            Heard::Signature(operator, Ok(frame)) => {
                let (ceremony, key) = (&mut self.ceremony, &self.key);
                let outputs = tokio::task::block_in_place(|| ceremony.answer(operator, &frame, key))?;
                self.perform(outputs);
                Ok(())
            }
        }
    }

    /// All are connected when all answer our reports, and all have reported to us.
    fn begin_if_all_are_here(&mut self) -> Result<(), CeremonyError> {
        let others = self.ceremony.operators().len() - 1;
        if self.ceremony.step() == 0 && self.answering.len() == others && self.ceremony.awaited().is_empty() {
            let outputs = self.ceremony.begin(&self.key)?;
            self.perform(outputs);
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), CeremonyError> {
        let (step, waits) = (self.ceremony.step(), self.saving.is_none() && !self.done);
        if step > 0 && waits && self.moved.elapsed() > self.patience {
            let awaited = self.ceremony.awaited();
            return Err(CeremonyError::Silence { step, patience: self.patience, awaited });
        }
        Ok(())
    }

    fn perform(&mut self, outputs: Vec<Output>) {
        let step = self.ceremony.step();
        if self.own.borrow().step != step {
            self.own.send_modify(|own| own.step = step);
            let _unheard = self.news.send(CeremonyNews::Step(step));
            self.moved = Instant::now();
        }
        for output in outputs {
            self.moved = Instant::now();
            match output {
                Output::Ask(frame) => self.ask(&frame.into()),
                Output::Deliver(frame) => {
                    self.send_to_all(self.ceremony.release().message_protocol(), &frame.into());
                }
                Output::Bundle(protocol, frame) => self.send_to_all(protocol, &frame.into()),
                Output::Partials(frame) => self.send_to_all(PARTIALS_PROTOCOL, &frame.into()),
                Output::Share(to, frame) => self.host.send(to, SHARES_PROTOCOL, frame.to_vec()),
                Output::Save(formed) => self.save(*formed),
                Output::Done => self.done = true,
            }
        }
    }

    fn others(&self) -> impl Iterator<Item = OperatorIndex> + use<> {
        let me = self.ceremony.me();
        let count = u8::try_from(self.ceremony.operators().len()).unwrap_or(u8::MAX);
        OperatorIndex::all(count).filter(move |operator| *operator != me)
    }

    fn send_to_all(&self, protocol: &'static str, bytes: &Bytes) {
        self.others().for_each(|to| self.host.send(to, protocol, bytes.clone()));
    }

    fn ask(&self, bytes: &Bytes) {
        let protocol = self.ceremony.release().signature_protocol();
        for operator in self.others() {
            let (host, bytes, hear) = (self.host.clone(), bytes.clone(), self.hear.clone());
            tokio::spawn(async move {
                let answer = host.request(operator, protocol, bytes).await;
                let _unheard = hear.send(Heard::Signature(operator, answer)).await;
            });
        }
    }

    fn save(&mut self, formed: Formed) {
        let (folder, network, cost) = (self.folder.clone(), self.network.clone(), self.cost);
        let (news, number) = (self.news.clone(), self.ceremony.me().share().get());
        self.saving = Some(tokio::task::spawn_blocking(move || {
            save(&folder, &formed, &network, cost, &mut |done, total| {
                let _unheard = news.send(CeremonyNews::Saving(done, total));
            })?;
            let validators = formed.lock.validators().iter().map(|validator| validator.group.to_bytes());
            Ok(Held { lock_hash: formed.lock.lock_hash(), number, validators: validators.collect() })
        }));
    }

    fn failed(&self, culprit: OperatorIndex, reason: hearth_obol::ceremony::Reason) -> Failure {
        Failure { culprit: Some(culprit), step: self.ceremony.step(), reason }
    }

    /// Tells every operator who reports to us that we give up. An answer is all that Charon hears.
    async fn say_why(&self, events: &mut Events, why: &str) {
        let mut told = BTreeSet::new();
        let telling = async {
            while told.len() < self.others().count() {
                let Some(event) = events.recv().await else { return };
                if let Event::Request { from, protocol: SYNC_PROTOCOL, bytes, reply } = event {
                    let never = Moment { seconds: 1, nanos: 0 };
                    let sent_at = Report::decode(&bytes).map_or(never, |report| report.sent_at);
                    reply.send(encode_answer(sent_at, Some(why)));
                    told.insert(from);
                }
            }
            // The last answer is on its way.
            tokio::time::sleep(LINGER).await;
        };
        let _over = tokio::time::timeout(FAREWELL, telling).await;
    }
}

/// When what is being written is written; never where nothing is.
async fn finished<T>(task: &mut Option<JoinHandle<T>>) -> Result<T, tokio::task::JoinError> {
    match task {
        Some(task) => task.await,
        None => std::future::pending().await,
    }
}
