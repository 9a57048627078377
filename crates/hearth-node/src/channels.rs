//! Alert channels of a node: an observer of the view like any other, which tells what it sees to whoever is elsewhere.

mod store;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hearth_api::{
    Alert, AlertKind, ChannelView, ChannelsReply, Delivery, ErrorCode, Herald, Hush, NodeView, QuietHours,
    RemoveChannelRequest, SetChannelRequest, SetQuietHoursRequest, TestChannelRequest, UiError, Watcher,
};
use hearth_channels::{Courier, Letter, Outbox, Undelivered, check, goes_to};
use hearth_types::UnixMillis;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::aside::aside;
use crate::clock;
use crate::installation::Installation;
use store::{Choices, Kept, Store};

/// Channels, at most.
const MOST: usize = 16;
const QUESTIONS_WAITING: usize = 16;

type Reply = oneshot::Sender<Result<ChannelsReply, UiError>>;

enum Question {
    Show(Reply),
    Set(SetChannelRequest, Reply),
    SetQuietHours(SetQuietHoursRequest, Reply),
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
            let key = alert.key();
            if alert.severity >= self.kept.least || self.herald.told().contains_key(&key) {
                there.insert(key, (alert.severity, alert.clone()));
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
    quiet: Option<QuietHours>,
    minute_of_day: fn(UnixMillis) -> u16,
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
            quiet: None,
            minute_of_day: clock::minute_of_day,
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
            Ok(Choices { quiet, channels }) => {
                self.quiet = quiet;
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
            let quiet = self.quiet.is_some_and(|hours| hours.hold((self.minute_of_day)(now)));
            let hush = if quiet { Hush::AllButCritical } else { Hush::Nothing };
            for channel in &mut self.channels {
                channel.look(now_ms, hush, &view);
                if let Some(letter) = channel.outbox.take(now_ms) {
                    let (id, delivery) = (channel.kept.id, deliver(&self.courier, &channel.kept, letter));
                    self.under_way
                        .spawn(async move { Fared { channel: id, outcome: delivery.await, asked: None } });
                }
            }
            self.posted.send_if_modified(|before| {
                let now = Posted { channels: self.shown().channels, quiet };
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
        self.keep(kept, self.quiet).await
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
        self.keep(self.channels.iter().map(|channel| channel.kept.clone()).collect(), request.hours).await
    }

    async fn remove(&mut self, request: &RemoveChannelRequest) -> Result<ChannelsReply, UiError> {
        let at = self.find(request.id)?;
        let mut kept: Vec<Kept> = self.channels.iter().map(|channel| channel.kept.clone()).collect();
        kept.remove(at);
        self.keep(kept, self.quiet).await
    }

    /// Writes them down, then works with them.
    async fn keep(&mut self, kept: Vec<Kept>, quiet: Option<QuietHours>) -> Result<ChannelsReply, UiError> {
        let store = Arc::clone(&self.store);
        let choices = Choices { quiet, channels: kept.clone() };
        aside(move || store.write(&choices)).await?;
        self.quiet = quiet;
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
        ChannelsReply { channels: self.channels.iter().map(view).collect(), quiet: self.quiet }
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

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::post;
    use hearth_api::{ChannelKind, ChannelTarget, Publisher, Severity};
    use serde_json::{Value, json};

    use super::*;

    fn alert(severity: &str) -> Alert {
        serde_json::from_value(json!({"kind": {"code": "disk_low", "free_mib": 9, "full_in_days": null},
            "cluster": null, "severity": severity, "since_ms": 1, "recovering_since_ms": null, "resolved_ms": null,
            "title": "Disk", "text": "It is full.", "action": "Make room."}))
        .unwrap()
    }

    /// A server that takes what is posted to it, and says no to `/no`.
    async fn server() -> (String, mpsc::Receiver<Value>) {
        let (heard, hearing) = mpsc::channel(16);
        let take = move |axum::Json(body): axum::Json<Value>| async move {
            heard.send(body).await.unwrap();
        };
        let no = || async { (axum::http::StatusCode::FORBIDDEN, "hunter2 may not") };
        let router = Router::new().route("/hunter2", post(take)).route("/no/hunter2", post(no));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        (url, hearing)
    }

    fn open(folder: &Path, publisher: &Publisher) -> ChannelsDesk {
        let installation = Arc::new(Installation::at(folder.join("state")));
        let (postman, desk) = Postman::new(folder, installation);
        tokio::spawn(postman.go_on(publisher.watch()));
        desk
    }

    fn webhook(url: &str, least: Severity) -> SetChannelRequest {
        SetChannelRequest { id: None, target: Some(ChannelTarget::Webhook { url: url.into() }), least }
    }

    fn publish(publisher: &Publisher, alerts: Vec<Alert>) {
        let at_ms = publisher.current().at_ms + 1;
        publisher.publish(NodeView { at_ms, alerts, ..NodeView::default() });
    }

    #[tokio::test]
    async fn what_is_bad_enough_is_told_once_and_its_end_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (url, mut heard) = server().await;
        let publisher = Publisher::new(NodeView::default());
        let desk = open(folder.path(), &publisher);
        let reply = desk.set(webhook(&format!("{url}/hunter2"), Severity::Critical)).await.unwrap();
        assert_eq!(reply.channels[0].goes_to, format!("{url}/…"));

        publish(&publisher, vec![alert("warning")]);
        publish(&publisher, vec![alert("critical")]);
        let message = heard.recv().await.unwrap();
        assert_eq!(
            (message["state"].as_str(), message["title"].as_str()),
            (Some("critical"), Some("Hearth: Disk"))
        );
        publish(&publisher, vec![alert("warning")]);
        publish(&publisher, vec![]);
        assert_eq!(heard.recv().await.unwrap()["state"], "over", "a lesser trouble is not its end");

        let again = Publisher::new(NodeView::default());
        let desk = open(folder.path(), &again);
        publish(&again, vec![alert("critical")]);
        assert_eq!(heard.recv().await.unwrap()["state"], "critical");
        let reply = desk.remove(RemoveChannelRequest { id: 1 }).await.unwrap();
        assert_eq!(reply.channels, []);
        let reply = desk.set(webhook(&url, Severity::Critical)).await.unwrap();
        assert_eq!(reply.channels[0].id, 2, "the number of one that is gone is not used again");
    }

    #[tokio::test]
    async fn a_test_says_whether_it_arrived_and_no_secret_is_in_an_answer_or_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (url, mut heard) = server().await;
        let publisher = Publisher::new(NodeView::default());
        let desk = open(folder.path(), &publisher);
        desk.set(webhook(&format!("{url}/hunter2"), Severity::Warning)).await.unwrap();
        desk.set(webhook(&format!("{url}/no/hunter2"), Severity::Warning)).await.unwrap();
        let reply = desk.test(TestChannelRequest { id: 1 }).await.unwrap();
        assert_eq!(heard.recv().await.unwrap()["state"], "test");
        assert_eq!(reply.channels[0].last.as_ref().map(|last| last.error.clone()), Some(None));

        let refused = desk.test(TestChannelRequest { id: 2 }).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::NotDelivered);
        assert!(refused.details.as_ref().is_some_and(|details| details.contains("403")), "{refused:?}");
        let shown = desk.show().await.unwrap();
        assert!(!format!("{refused:?} {shown:?}").contains("hunter2"));
        let sealed = std::fs::read(folder.path().join(store::FILE_NAME)).unwrap();
        assert!(!sealed.windows(7).any(|bytes| bytes == b"hunter2"));
        assert_eq!(desk.test(TestChannelRequest { id: 3 }).await.unwrap_err().code, ErrorCode::ValueRefused);
    }

    #[tokio::test]
    async fn that_a_channel_fails_is_told_through_the_others_only() {
        let folder = tempfile::tempdir().unwrap();
        let (url, mut heard) = server().await;
        let publisher = Publisher::new(NodeView::default());
        let desk = open(folder.path(), &publisher);
        desk.set(webhook(&format!("{url}/hunter2"), Severity::Warning)).await.unwrap();
        let fails = |channel: u32| {
            let kind = AlertKind::ChannelFails { channel, kind: ChannelKind::Email, goes_to: "m".into() };
            Alert { kind, title: format!("{channel} fails"), ..alert("warning") }
        };
        publish(&publisher, vec![fails(1), fails(2)]);
        assert_eq!(heard.recv().await.unwrap()["title"], "Hearth: 2 fails");
        publish(&publisher, vec![]);
        assert_eq!(heard.recv().await.unwrap()["title"], "Hearth: over: 2 fails");
    }

    #[tokio::test]
    async fn in_quiet_hours_only_what_is_critical_is_sent_and_they_are_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let (url, mut heard) = server().await;
        let publisher = Publisher::new(NodeView::default());
        let at_three = |publisher: &Publisher| {
            let installation = Arc::new(Installation::at(folder.path().join("state")));
            let (mut postman, desk) = Postman::new(folder.path(), installation);
            postman.minute_of_day = |_| 3 * 60;
            let posted = postman.posted();
            tokio::spawn(postman.go_on(publisher.watch()));
            (desk, posted)
        };
        let (desk, _) = at_three(&publisher);
        desk.set(webhook(&format!("{url}/hunter2"), Severity::Warning)).await.unwrap();
        let night = QuietHours { from_minute: 22 * 60, to_minute: 7 * 60 };
        let reply = desk.set_quiet_hours(SetQuietHoursRequest { hours: Some(night) }).await.unwrap();
        assert_eq!(reply.quiet, Some(night));
        let disk = |since_ms, severity| Alert { since_ms, ..alert(severity) };
        publish(&publisher, vec![disk(1, "warning"), disk(2, "critical")]);
        assert_eq!(heard.recv().await.unwrap()["state"], "critical");
        let no_hours = SetQuietHoursRequest { hours: Some(QuietHours { from_minute: 9, to_minute: 9 }) };
        assert_eq!(desk.set_quiet_hours(no_hours).await.unwrap_err().code, ErrorCode::ValueRefused);
        desk.set_quiet_hours(SetQuietHoursRequest::default()).await.unwrap();
        assert_eq!(heard.recv().await.unwrap()["state"], "warning", "afterwards");
        desk.set_quiet_hours(SetQuietHoursRequest { hours: Some(night) }).await.unwrap();

        let quiet = Publisher::new(NodeView::default());
        let (again, mut posted) = at_three(&quiet);
        assert_eq!(again.show().await.unwrap().quiet, Some(night));
        posted.wait_for(|posted| posted.quiet).await.unwrap();
    }

    #[tokio::test]
    async fn what_cannot_be_used_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let publisher = Publisher::new(NodeView::default());
        let desk = open(folder.path(), &publisher);
        for wrong in [
            webhook("hooks.example", Severity::Info),
            SetChannelRequest { id: None, target: None, least: Severity::Info },
            SetChannelRequest { id: Some(1), target: None, least: Severity::Info },
        ] {
            assert_eq!(desk.set(wrong).await.unwrap_err().code, ErrorCode::ValueRefused);
        }
        assert!(!folder.path().join(store::FILE_NAME).exists());
        for _ in 0..MOST {
            desk.set(webhook("https://hooks.example/a", Severity::Info)).await.unwrap();
        }
        let full = desk.set(webhook("https://hooks.example/a", Severity::Info)).await.unwrap_err();
        assert_eq!(full.code, ErrorCode::ValueRefused);
    }

    #[tokio::test]
    async fn channels_of_another_computer_are_not_overwritten_but_explained() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(store::FILE_NAME), b"hearth-sealed-channels-1\nnot for us").unwrap();
        let publisher = Publisher::new(NodeView::default());
        let desk = open(folder.path(), &publisher);
        let refused = desk.show().await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::Unreadable);
        assert!(desk.set(webhook("https://hooks.example/a", Severity::Info)).await.is_err());
    }
}
