//! The loop of a ceremony: hears, steps, performs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use hearth_crypto::k1::NodeKey;
use hearth_obol::ceremony::frost::SHARES_PROTOCOL;
use hearth_obol::ceremony::pedersen::PEDERSEN_PROTOCOLS;
use hearth_obol::ceremony::sync::{Moment, Report, SYNC_PROTOCOL, SyncRejection, encode_answer};
use hearth_obol::ceremony::{Ceremony, Failure, Formed, Message, Output, Reason};
use hearth_obol::cluster::Network;
use hearth_obol::wire::PARTIALS_PROTOCOL;
use hearth_p2p::{Bytes, Event, Events, Host};
use hearth_signer::keystore::Cost;
use hearth_types::OperatorIndex;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::journal::{Entry, Journal, Past};
use super::notes::Notes;
use super::outbox::Outbox;
use super::talk::{self, Heard, Own, ask, ask_again, talk};
use super::{AGAIN_PROTOCOL, CeremonyError, CeremonyNews, Halt, Held, Meeting};
use crate::offline::{SaveError, holds, save};

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
pub(super) struct Driver<'a> {
    ceremony: Ceremony,
    key: &'a NodeKey,
    host: Host,
    notes: Notes,
    outbox: Outbox,
    /// Operators to whom something did not get through, or who were started again.
    missed: BTreeSet<OperatorIndex>,
    /// After a restart: who has not said whether he is still in this ceremony.
    unsure: BTreeSet<OperatorIndex>,
    hello: Report,
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
    /// The steps that whoever watches was told of.
    shown: BTreeMap<OperatorIndex, i64>,
    moved: Instant,
    saving: Option<JoinHandle<Result<Held, SaveError>>>,
    held: Option<Held>,
    /// Of a run that ended while it was writing.
    unsaved: Option<Box<Formed>>,
    done: bool,
}

impl<'a> Driver<'a> {
    pub(super) fn new(
        ceremony: Ceremony,
        key: &'a NodeKey,
        (host, news, network): (Host, mpsc::UnboundedSender<CeremonyNews>, Network),
        meeting: &Meeting,
    ) -> Self {
        let (hear, heard) = mpsc::channel(WAITING);
        let own = watch::Sender::new(Own { step: 0, leaving: false });
        let hello = talk::hello(&ceremony, key, &meeting.nickname);
        let release = ceremony.release();
        Self {
            ceremony,
            key,
            host,
            notes: Notes::default(),
            outbox: Outbox::new(release),
            missed: BTreeSet::new(),
            unsure: BTreeSet::new(),
            hello,
            news,
            folder: meeting.folder.clone(),
            network,
            cost: if meeting.insecure_keys { Cost::Insecure } else { Cost::Standard },
            patience: meeting.patience,
            own,
            heard,
            hear,
            talking: Vec::new(),
            answering: BTreeSet::new(),
            left: BTreeSet::new(),
            told: BTreeSet::new(),
            shown: BTreeMap::new(),
            moved: Instant::now(),
            saving: None,
            held: None,
            unsaved: None,
            done: false,
        }
    }

    /// Goes back to where an interrupted run was, silently.
    pub(super) fn catch_up(mut self, Past { journal, entries, .. }: Past) -> Result<Self, CeremonyError> {
        for entry in &entries {
            let (_, outputs) = tokio::task::block_in_place(|| apply(&mut self.ceremony, self.key, entry))?;
            self.notes.recall(entry);
            for output in outputs {
                self.outbox.keep(&output);
                match output {
                    // What the next entry says, unless the run ended before it was noted.
                    Output::Save(formed) => self.unsaved = Some(formed),
                    Output::Done => self.done = true,
                    _ => {}
                }
            }
            if *entry == Entry::Saved
                && let Some(formed) = self.unsaved.take()
            {
                self.held = Some(held(&formed, self.ceremony.me()));
            }
        }
        // Who has written his files and heard that all have is done, whoever is still there.
        if self.ceremony.step() > 0 && !self.done {
            self.unsure = self.others().collect();
        }
        Ok(self.note_in(Some(journal)))
    }

    /// Notes what happens from now on.
    pub(super) fn note_in(mut self, journal: Option<Journal>) -> Self {
        self.notes.keep_in(journal);
        self
    }

    pub(super) async fn run(mut self, events: &mut Events, halt: &Halt) -> Result<Held, CeremonyError> {
        let outcome = self.meet(events, halt).await;
        match &outcome {
            // The others wait, or know nothing of us.
            Ok(_) | Err(CeremonyError::Paused | CeremonyError::NotResumed) => {}
            Err(error) => self.say_why(events, &error.to_string()).await,
        }
        self.talking.iter().for_each(JoinHandle::abort);
        // What is being written cannot be stopped half-way: only its end says whether there are files.
        if let Some(saving) = self.saving.take()
            && let Ok(Ok(held)) = saving.await
        {
            self.held = Some(held);
        }
        if !matches!(outcome, Err(CeremonyError::Paused)) {
            self.notes.end();
        }
        // Files that are there stay: whoever merely lost the others at the end has a sound cluster.
        outcome.map_err(|error| match self.held.take() {
            Some(held) => CeremonyError::Unconfirmed { held: Box::new(held), why: Box::new(error) },
            None => error,
        })
    }

    async fn meet(&mut self, events: &mut Events, halt: &Halt) -> Result<Held, CeremonyError> {
        if self.unsure.is_empty() {
            self.talk_to_all();
        } else {
            let _unheard = self.news.send(CeremonyNews::Back(self.ceremony.step()));
        }
        // At the beginning anybody may come and go; what was sent to us meanwhile is sent again all the same.
        if !self.notes.is_empty() {
            for operator in self.others() {
                let hash = *self.ceremony.definition_hash();
                self.talking.push(tokio::spawn(ask_again(
                    self.host.clone(),
                    operator,
                    hash,
                    self.hear.clone(),
                )));
            }
        }
        let mut looks = tokio::time::interval(LOOK);
        let (mut leaving_until, mut lingering) = (None, false);
        loop {
            tokio::select! {
                () = halt.give_up.cancelled() => return Err(CeremonyError::Stopped),
                () = halt.pause.cancelled() => return Err(CeremonyError::Paused),
                event = events.recv() => {
                    let event = event.ok_or_else(|| CeremonyError::Broken("the network ended".into()))?;
                    self.take(event)?;
                }
                Some(heard) = self.heard.recv() => self.hear(heard)?,
                saved = finished(&mut self.saving) => {
                    self.saving = None;
                    let saved = saved.map_err(|error| CeremonyError::Broken(error.to_string()))?;
                    self.held = Some(saved?);
                    self.take_in(Entry::Saved)?;
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
                let before = self.ceremony.step_of(from);
                if !self.unsure.is_empty() && before.is_some_and(|before| report.step < before) {
                    // He has begun anew, and is not to hear that we think of another run.
                    return Err(CeremonyError::NotResumed);
                }
                match self.take_in(Entry::Reported(from.share().get(), bytes)) {
                    Ok(_) => reply.send(encode_answer(report.sent_at, None)),
                    Err(error) => {
                        let why = match &error {
                            CeremonyError::Failed(failure) => failure.reason.to_string(),
                            error => error.to_string(),
                        };
                        reply.send(encode_answer(report.sent_at, Some(&why)));
                        return Err(error);
                    }
                }
                if report.shutdown {
                    self.left.insert(from);
                }
                if self.shown.insert(from, report.step) != Some(report.step) {
                    let _unheard = self.news.send(CeremonyNews::At(from, report.step));
                }
                self.begin_if_all_are_here()?;
            }
            Event::Request { from, protocol: AGAIN_PROTOCOL, bytes, reply } => {
                let knows = bytes == self.ceremony.definition_hash() && self.ceremony.step_of(from).is_some();
                reply.send(vec![u8::from(knows)]);
                if knows {
                    self.missed.insert(from);
                }
            }
            Event::Request { from, bytes, reply, .. } => {
                reply.send(self.take_in(Entry::Asked(from.share().get(), bytes))?);
            }
            Event::Message { from, protocol, bytes } => {
                self.take_in(Entry::Heard(from.share().get(), protocol.to_owned(), bytes))?;
            }
            Event::Connected { operator, .. } => drop(self.news.send(CeremonyNews::Here(operator, true))),
            Event::Disconnected { operator } => drop(self.news.send(CeremonyNews::Here(operator, false))),
            // He may be started again, and is then told once more. Who never answers is waited for no longer than anybody.
            Event::SendFailed { to, reason, protocol } => {
                tracing::debug!(operator = to.share().get(), protocol, %reason, "not sent");
                self.missed.insert(to);
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
            Heard::Signature(operator, frame) => {
                self.take_in(Entry::Signed(operator.share().get(), frame)).map(drop)
            }
            Heard::Knows(operator, knows) => {
                let was_unsure = self.unsure.remove(&operator);
                if was_unsure && !knows {
                    return Err(CeremonyError::NotResumed);
                }
                if was_unsure && self.unsure.is_empty() {
                    self.go_on();
                }
                Ok(())
            }
        }
    }

    /// Everybody is still in this ceremony: all hear once more what they may not have heard.
    fn go_on(&mut self) {
        let step = self.ceremony.step();
        self.moved = Instant::now();
        self.own.send_modify(|own| own.step = step);
        let _unheard = self.news.send(CeremonyNews::Step(step));
        self.talk_to_all();
        self.missed = self.others().collect();
        if let Some(frame) = self.outbox.asking() {
            self.ask(&frame);
        }
        if let Some(formed) = self.unsaved.take() {
            self.save(*formed);
        }
    }

    fn talk_to_all(&mut self) {
        for operator in self.others() {
            let (own, hear) = (self.own.subscribe(), self.hear.clone());
            self.talking.push(tokio::spawn(talk(self.host.clone(), operator, self.hello.clone(), own, hear)));
        }
    }

    /// Takes in what happens: it is on the disk before anybody hears of it. What came before is nothing new, but is answered.
    fn take_in(&mut self, entry: Entry) -> Result<Vec<u8>, CeremonyError> {
        let known = self.notes.knows(&entry);
        if known && matches!(entry, Entry::Heard(..) | Entry::Signed(..)) {
            return Ok(Vec::new());
        }
        let before = self.step_told(&entry);
        let (answer, outputs) = tokio::task::block_in_place(|| {
            let done = apply(&mut self.ceremony, self.key, &entry)?;
            let same = known || (before.is_some() && before == self.step_told(&entry));
            if !same {
                self.notes.note(&entry).map_err(CeremonyError::Unnoted)?;
            }
            Ok::<_, CeremonyError>(done)
        })?;
        if let Some(operator) = entry.operator()
            && self.notes.of(operator) > self.ceremony.most_messages()
            && let Some(culprit) = by_share(operator)
        {
            return Err(self.failed(culprit, Reason::TooMany).into());
        }
        self.perform(outputs);
        Ok(answer)
    }

    /// The step that whoever reports has told us so far: most reports say nothing new.
    fn step_told(&self, entry: &Entry) -> Option<i64> {
        let Entry::Reported(from, _) = entry else { return None };
        self.ceremony.step_of(by_share(*from)?)
    }

    /// All are connected when all answer our reports, and all have reported to us.
    fn begin_if_all_are_here(&mut self) -> Result<(), CeremonyError> {
        let others = self.ceremony.operators().len() - 1;
        if self.ceremony.step() == 0 && self.answering.len() == others && self.ceremony.awaited().is_empty() {
            self.take_in(Entry::Begun)?;
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), CeremonyError> {
        for operator in std::mem::take(&mut self.missed) {
            for (protocol, bytes) in self.outbox.of(operator) {
                self.host.send(operator, protocol, bytes);
            }
        }
        // Who has his files waits no longer than others for them to come back.
        let back = self.unsure.is_empty() || self.held.is_some();
        let waits = self.saving.is_none() && !self.done && back;
        let step = self.ceremony.step();
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
            self.outbox.keep(&output);
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
            tokio::spawn(ask(self.host.clone(), operator, (protocol, bytes.clone()), self.hear.clone()));
        }
    }

    fn save(&mut self, formed: Formed) {
        let (folder, network, cost) = (self.folder.clone(), self.network.clone(), self.cost);
        let (news, me) = (self.news.clone(), self.ceremony.me());
        self.saving = Some(tokio::task::spawn_blocking(move || {
            // A run that ended just here has written them.
            if holds(&folder, &formed) {
                return Ok(held(&formed, me));
            }
            save(&folder, &formed, &network, cost, &mut |done, total| {
                let _unheard = news.send(CeremonyNews::Saving(done, total));
            })?;
            Ok(held(&formed, me))
        }));
    }

    fn failed(&self, culprit: OperatorIndex, reason: Reason) -> Failure {
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

/// Tells the ceremony what happened. Returns what is answered, and what is to be done.
fn apply(
    ceremony: &mut Ceremony,
    key: &NodeKey,
    entry: &Entry,
) -> Result<(Vec<u8>, Vec<Output>), CeremonyError> {
    let operator =
        |share: u8| by_share(share).ok_or_else(|| CeremonyError::Broken("an entry of nobody".into()));
    let outputs = match entry {
        Entry::Begun => ceremony.begin(key)?,
        Entry::Reported(from, frame) => {
            let from = operator(*from)?;
            let failed = |error: SyncRejection| Failure {
                culprit: Some(from),
                step: ceremony.step(),
                reason: error.into(),
            };
            let report = Report::decode(frame).map_err(failed)?;
            ceremony.report(from, &report, key)?
        }
        Entry::Asked(from, frame) => return Ok((ceremony.request(operator(*from)?, frame, key)?, Vec::new())),
        Entry::Signed(from, frame) => ceremony.answer(operator(*from)?, frame, key)?,
        Entry::Heard(from, protocol, frame) => {
            let bundle = PEDERSEN_PROTOCOLS.iter().find(|bundle| *bundle == protocol);
            let message = match (protocol.as_str(), bundle) {
                (SHARES_PROTOCOL, _) => Message::Shares(frame),
                (PARTIALS_PROTOCOL, _) => Message::Partials(frame),
                (_, Some(bundle)) => Message::Bundle(bundle, frame),
                _ => Message::Broadcast(frame),
            };
            ceremony.hear(operator(*from)?, message, key)?
        }
        Entry::Saved => ceremony.saved(key)?,
    };
    Ok((Vec::new(), outputs))
}

fn by_share(share: u8) -> Option<OperatorIndex> {
    OperatorIndex::new(share.checked_sub(1)?)
}

fn held(formed: &Formed, me: OperatorIndex) -> Held {
    let validators = formed.lock.validators().iter().map(|validator| validator.group.to_bytes());
    Held { lock_hash: formed.lock.lock_hash(), number: me.share().get(), validators: validators.collect() }
}

/// When what is being written is written; never where nothing is.
async fn finished<T>(task: &mut Option<JoinHandle<T>>) -> Result<T, tokio::task::JoinError> {
    match task {
        Some(task) => task.await,
        None => std::future::pending().await,
    }
}
