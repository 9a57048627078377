//! Alert channels of a node: an observer of the view like any other, which tells what it sees to whoever is elsewhere.

mod store;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hearth_api::{
    Alert, AlertKind, ChannelView, ChannelsReply, Delivery, ErrorCode, Herald, Hush, MuteKindRequest, NodeView,
    QuietHours, RemoveChannelRequest, SetChannelRequest, SetDigestRequest, SetQuietHoursRequest, Telling,
    TestChannelRequest, UiError, Watcher,
};
use hearth_channels::{Courier, Digest, Letter, Moment, Outbox, Undelivered, check, goes_to};
use hearth_types::UnixMillis;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::aside::aside;
use crate::clock;
use crate::installation::Installation;
use store::{Choices, Kept, Store};

/// Channels, at most.
const MOST: usize = 16;
/// Kinds that can be muted: more than there are.
const MOST_MUTED: usize = 40;
const QUESTIONS_WAITING: usize = 16;

type Reply = oneshot::Sender<Result<ChannelsReply, UiError>>;

enum Question {
    Show(Reply),
    Set(SetChannelRequest, Reply),
    SetQuietHours(SetQuietHoursRequest, Reply),
    SetDigest(SetDigestRequest, Reply),
    MuteKind(MuteKindRequest, Reply),
    Remove(RemoveChannelRequest, Reply),
    Test(TestChannelRequest, Reply),
}

/// Shows and changes the channels. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct ChannelsDesk(mpsc::Sender<Question>);

impl ChannelsDesk {
    pub(crate) async fn show(&self) -> Result<ChannelsReply, UiError> {
        self.ask(Question::Show).await
    }

    pub(crate) async fn set(&self, request: SetChannelRequest) -> Result<ChannelsReply, UiError> {
        self.ask(|reply| Question::Set(request, reply)).await
    }

    pub(crate) async fn set_quiet_hours(
        &self,
        request: SetQuietHoursRequest,
    ) -> Result<ChannelsReply, UiError> {
        self.ask(|reply| Question::SetQuietHours(request, reply)).await
    }

    pub(crate) async fn set_digest(&self, request: SetDigestRequest) -> Result<ChannelsReply, UiError> {
        self.ask(|reply| Question::SetDigest(request, reply)).await
    }

    pub(crate) async fn mute_kind(&self, request: MuteKindRequest) -> Result<ChannelsReply, UiError> {
        self.ask(|reply| Question::MuteKind(request, reply)).await
    }

    pub(crate) async fn remove(&self, request: RemoveChannelRequest) -> Result<ChannelsReply, UiError> {
        self.ask(|reply| Question::Remove(request, reply)).await
    }

    pub(crate) async fn test(&self, request: TestChannelRequest) -> Result<ChannelsReply, UiError> {
        self.ask(|reply| Question::Test(request, reply)).await
    }

    async fn ask(&self, question: impl FnOnce(Reply) -> Question) -> Result<ChannelsReply, UiError> {
        let (reply, answer) = oneshot::channel();
        let stopping = || UiError::because(ErrorCode::NotReady, "the node is stopping");
        self.0.send(question(reply)).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }
}

/// A channel, with what it was told.
struct Channel {
    kept: Kept,
    herald: Herald<Alert>,
    outbox: Outbox,
    last: Option<Delivery>,
}

impl Channel {
    fn new(kept: Kept) -> Self {
        Self { kept, herald: Herald::default(), outbox: Outbox::default(), last: None }
    }

    /// Takes down what is new. A trouble that it was told of stays its business when it becomes less bad.
    fn look(&mut self, now_ms: u64, hush: Hush, view: &NodeView) {
        let mut there = BTreeMap::new();
        for alert in &view.alerts {
            // That it does not work cannot be told through itself.
            if matches!(alert.kind, AlertKind::ChannelFails { channel, .. } if channel == self.kept.id) {
                continue;
            }
            if alert.severity >= self.kept.least || self.herald.told().contains_key(&alert.key()) {
                there.extend(self.herald.sight(alert, || alert.clone()));
            }
        }
        for news in self.herald.look(there, hush) {
            self.outbox.put(now_ms, &news);
        }
    }
}

/// How a message fared.
struct Fared {
    channel: u32,
    outcome: Result<(), Undelivered>,
    /// Who asked for it, if it was a test.
    asked: Option<Reply>,
}

/// What the view shows of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Posted {
    pub(crate) channels: Vec<ChannelView>,
    pub(crate) telling: Telling,
    /// Whether these are quiet hours.
    pub(crate) quiet: bool,
}

/// Sends the messages. One task, which nothing waits for.
pub(crate) struct Postman {
    store: Arc<Store>,
    courier: Result<Courier, Undelivered>,
    /// What is wrong with the file of the channels, if anything.
    unreadable: Option<UiError>,
    channels: Vec<Channel>,
    /// Number of the channel that was added last. Not used again: a message of a removed one may still be under way.
    newest: u32,
    under_way: JoinSet<Fared>,
    telling: Telling,
    digest: Digest,
    local: fn(UnixMillis) -> Moment,
    posted: watch::Sender<Posted>,
    questions: mpsc::Receiver<Question>,
}

impl Postman {
    pub(crate) fn new(folder: &Path, installation: Arc<Installation>) -> (Self, ChannelsDesk) {
        let (ask, questions) = mpsc::channel(QUESTIONS_WAITING);
        let postman = Self {
            store: Arc::new(Store::new(PathBuf::from(folder), installation)),
            courier: Courier::new(),
            unreadable: None,
            channels: Vec::new(),
            newest: 0,
            under_way: JoinSet::new(),
            telling: Telling::default(),
            digest: Digest::default(),
            local: clock::local,
            posted: watch::Sender::default(),
            questions,
        };
        (postman, ChannelsDesk(ask))
    }

    /// What the view shows of it.
    pub(crate) fn posted(&self) -> watch::Receiver<Posted> {
        self.posted.subscribe()
    }

    /// Until nobody publishes a view any more. Dropping the future loses what was not sent yet.
    pub(crate) async fn go_on(mut self, mut watcher: Watcher) {
        let store = Arc::clone(&self.store);
        match aside(move || store.read()).await {
            Ok(Choices { telling, channels }) => {
                self.telling = telling;
                self.newest = channels.iter().map(|kept| kept.id).max().unwrap_or_default();
                self.channels = channels.into_iter().map(Channel::new).collect();
            }
            Err(error) => {
                tracing::warn!(
                    details = error.details.as_deref(),
                    "alerts are sent nowhere: the channels cannot be read"
                );
                self.unreadable = Some(error);
            }
        }
        let mut view = watcher.current();
        loop {
            let now = clock::now();
            let now_ms = now.get();
            let moment = (self.local)(now);
            let quiet = self.telling.quiet.is_some_and(|hours| hours.hold(moment.minute));
            self.digest.look(now_ms, &view.alerts);
            // Also when there is none, so that one that is turned on begins at the next nine o'clock.
            let digest =
                (!quiet && self.digest.is_due(moment)).then(|| self.digest.letter(now_ms, &view)).flatten();
            let digest = digest.filter(|_| self.telling.digest);
            let hush = if quiet { Hush::AllButCritical } else { Hush::Nothing };
            for channel in &mut self.channels {
                channel.look(now_ms, hush, &view);
                if let Some(digest) = &digest {
                    channel.outbox.post(now_ms, "digest", digest.clone());
                }
                if let Some(letter) = channel.outbox.take(now_ms) {
                    let (id, delivery) = (channel.kept.id, deliver(&self.courier, &channel.kept, letter));
                    self.under_way
                        .spawn(async move { Fared { channel: id, outcome: delivery.await, asked: None } });
                }
            }
            self.posted.send_if_modified(|before| {
                let ChannelsReply { channels, telling } = self.shown();
                let now = Posted { channels, telling, quiet };
                let changed = *before != now;
                *before = now;
                changed
            });
            // A view comes every few seconds, which is soon enough for the next try of what failed.
            tokio::select! {
                there = watcher.changed() => {
                    if !there {
                        return;
                    }
                    view = watcher.current();
                }
                Some(question) = self.questions.recv() => self.answer(question).await,
                Some(fared) = self.under_way.join_next(), if !self.under_way.is_empty() => {
                    if let Ok(fared) = fared {
                        self.note(fared);
                    }
                }
            }
        }
    }

    fn note(&mut self, Fared { channel: id, outcome, asked }: Fared) {
        let at_ms = clock::now().get();
        if let Some(channel) = self.channels.iter_mut().find(|channel| channel.kept.id == id) {
            let error = outcome.as_ref().err().map(ToString::to_string);
            if asked.is_none() {
                channel.outbox.done(at_ms, error.is_none());
            } else if error.is_none() {
                channel.outbox.hurry();
            }
            if let Some(error) = &error {
                tracing::warn!(channel = id, error, "an alert could not be delivered");
            }
            channel.last = Some(Delivery { at_ms, error });
        }
        if let Some(reply) = asked {
            let answer =
                outcome.map(|()| self.shown()).map_err(|e| UiError::because(ErrorCode::NotDelivered, e));
            let _unheard = reply.send(answer);
        }
    }

    async fn answer(&mut self, question: Question) {
        let (reply, answer) = match question {
            Question::Show(reply) => (reply, self.readable().map(|()| self.shown())),
            Question::Set(request, reply) => (reply, self.set(request).await),
            Question::SetQuietHours(request, reply) => (reply, self.set_quiet_hours(&request).await),
            Question::SetDigest(SetDigestRequest { on }, reply) => {
                (reply, self.tell(Telling { digest: on, ..self.telling.clone() }).await)
            }
            Question::MuteKind(request, reply) => (reply, self.mute_kind(request).await),
            Question::Remove(request, reply) => (reply, self.remove(&request).await),
            Question::Test(request, reply) => match self.find(request.id) {
                Err(error) => (reply, Err(error)),
                Ok(at) => {
                    let Some(Channel { kept, .. }) = self.channels.get(at) else { return };
                    let (id, delivery) = (kept.id, deliver(&self.courier, kept, Letter::test()));
                    self.under_way.spawn(async move {
                        Fared { channel: id, outcome: delivery.await, asked: Some(reply) }
                    });
                    return;
                }
            },
        };
        let _unheard = reply.send(answer);
    }

    fn readable(&self) -> Result<(), UiError> {
        self.unreadable.clone().map_or(Ok(()), Err)
    }

    fn find(&self, id: u32) -> Result<usize, UiError> {
        self.readable()?;
        let at = self.channels.iter().position(|channel| channel.kept.id == id);
        at.ok_or_else(|| UiError::value_refused("There is no such channel. Look at the list for its number."))
    }

    async fn set(&mut self, request: SetChannelRequest) -> Result<ChannelsReply, UiError> {
        self.readable()?;
        let SetChannelRequest { id, target, least } = request;
        if let Some(target) = &target {
            check(target).map_err(UiError::value_refused)?;
        }
        let mut kept: Vec<Kept> = self.channels.iter().map(|channel| channel.kept.clone()).collect();
        match (id, target) {
            (Some(id), target) => {
                let at = self.find(id)?;
                if let Some(one) = kept.get_mut(at) {
                    one.least = least;
                    one.target = target.unwrap_or_else(|| one.target.clone());
                }
            }
            (None, Some(_)) if kept.len() >= MOST => {
                return Err(UiError::value_refused(
                    "Remove a channel first: there are 16, and no more are possible.",
                ));
            }
            (None, Some(target)) => {
                self.newest = self.newest.saturating_add(1);
                kept.push(Kept { id: self.newest, least, target });
            }
            (None, None) => return Err(UiError::value_refused("Say where the new channel goes.")),
        }
        self.keep(kept, self.telling.clone()).await
    }

    async fn set_quiet_hours(&mut self, request: &SetQuietHoursRequest) -> Result<ChannelsReply, UiError> {
        self.readable()?;
        let is_part_of_a_day = |hours: QuietHours| {
            hours.from_minute.max(hours.to_minute) < 24 * 60 && hours.from_minute != hours.to_minute
        };
        if !request.hours.is_none_or(is_part_of_a_day) {
            return Err(UiError::value_refused(
                "Give two different times of the day, such as 22:00 and 07:00.",
            ));
        }
        self.tell(Telling { quiet: request.hours, ..self.telling.clone() }).await
    }

    async fn mute_kind(&mut self, request: MuteKindRequest) -> Result<ChannelsReply, UiError> {
        let MuteKindRequest { kind, muted } = request;
        let is_one = (1..=40).contains(&kind.len())
            && kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if !is_one || self.telling.muted.len() >= MOST_MUTED {
            return Err(UiError::value_refused("Give the code of a kind of alerts, such as relay_only."));
        }
        let mut kinds: BTreeSet<String> = self.telling.muted.iter().cloned().collect();
        if muted {
            kinds.insert(kind)
        } else {
            kinds.remove(&kind)
        };
        self.tell(Telling { muted: kinds.into_iter().collect(), ..self.telling.clone() }).await
    }

    /// Other rules for the same channels.
    async fn tell(&mut self, telling: Telling) -> Result<ChannelsReply, UiError> {
        self.readable()?;
        self.keep(self.channels.iter().map(|channel| channel.kept.clone()).collect(), telling).await
    }

    async fn remove(&mut self, request: &RemoveChannelRequest) -> Result<ChannelsReply, UiError> {
        let at = self.find(request.id)?;
        let mut kept: Vec<Kept> = self.channels.iter().map(|channel| channel.kept.clone()).collect();
        kept.remove(at);
        self.keep(kept, self.telling.clone()).await
    }

    /// Writes them down, then works with them.
    async fn keep(&mut self, kept: Vec<Kept>, telling: Telling) -> Result<ChannelsReply, UiError> {
        let store = Arc::clone(&self.store);
        let choices = Choices { telling: telling.clone(), channels: kept.clone() };
        aside(move || store.write(&choices)).await?;
        self.telling = telling;
        let mut before = std::mem::take(&mut self.channels);
        for one in kept {
            let known = before.iter().position(|channel| channel.kept.id == one.id);
            let channel = match known.map(|at| before.swap_remove(at)) {
                Some(mut channel) => {
                    channel.kept = one;
                    channel.outbox.hurry();
                    channel
                }
                None => Channel::new(one),
            };
            self.channels.push(channel);
        }
        Ok(self.shown())
    }

    fn shown(&self) -> ChannelsReply {
        let view = |channel: &Channel| ChannelView {
            id: channel.kept.id,
            kind: channel.kept.target.kind(),
            goes_to: goes_to(&channel.kept.target),
            least: channel.kept.least,
            last: channel.last.clone(),
        };
        ChannelsReply { channels: self.channels.iter().map(view).collect(), telling: self.telling.clone() }
    }
}

/// On a task of its own: a fault in it shall not leave the channel waiting for ever.
fn deliver(
    courier: &Result<Courier, Undelivered>,
    kept: &Kept,
    letter: Letter,
) -> impl Future<Output = Result<(), Undelivered>> + Send + use<> {
    let (courier, target) = (courier.clone(), kept.target.clone());
    let delivery = tokio::spawn(async move { courier?.deliver(&target, &letter).await });
    async { delivery.await.unwrap_or_else(|_| Err(Undelivered::Failed("a fault in the node".into()))) }
}
