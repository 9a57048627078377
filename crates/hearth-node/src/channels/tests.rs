use std::sync::atomic::{AtomicI32, Ordering};

use axum::Router;
use axum::routing::post;
use hearth_api::{ChannelKind, ChannelTarget, Publisher, Rest, Severity};
use serde_json::{Value, json};

use super::*;

fn alert(severity: &str) -> Alert {
    serde_json::from_value(json!({"kind": {"code": "disk_low", "free_mib": 9, "full_in_days": null},
        "cluster": null, "severity": severity, "since_ms": 1, "recovering_since_ms": null, "resolved_ms": null,
        "title": "Disk", "text": "It is full.", "action": "Make room.", "why": "", "rests": null}))
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
        postman.local = |_| Moment { day: 1, minute: 3 * 60 };
        let posted = postman.posted();
        tokio::spawn(postman.go_on(publisher.watch()));
        (desk, posted)
    };
    let (desk, _) = at_three(&publisher);
    desk.set(webhook(&format!("{url}/hunter2"), Severity::Warning)).await.unwrap();
    let night = QuietHours { from_minute: 22 * 60, to_minute: 7 * 60 };
    let reply = desk.set_quiet_hours(SetQuietHoursRequest { hours: Some(night) }).await.unwrap();
    assert_eq!(reply.telling.quiet, Some(night));
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
    assert_eq!(again.show().await.unwrap().telling.quiet, Some(night));
    posted.wait_for(|posted| posted.quiet).await.unwrap();
}

#[tokio::test]
async fn a_day_in_which_something_happened_is_summed_up_at_nine_unless_that_is_turned_off() {
    static DAY: AtomicI32 = AtomicI32::new(1);
    let folder = tempfile::tempdir().unwrap();
    let (url, mut heard) = server().await;
    let publisher = Publisher::new(NodeView::default());
    let (mut postman, desk) = Postman::new(folder.path(), Arc::new(Installation::at(folder.path().join("s"))));
    postman.local = |_| Moment { day: DAY.load(Ordering::SeqCst), minute: 9 * 60 };
    tokio::spawn(postman.go_on(publisher.watch()));
    desk.set(webhook(&format!("{url}/hunter2"), Severity::Critical)).await.unwrap();
    let muted = MuteKindRequest { kind: "disk_low".into(), muted: true };
    assert_eq!(desk.mute_kind(muted).await.unwrap().telling.muted, ["disk_low"]);
    let resting = || Alert { rests: Some(Rest::Muted), ..alert("warning") };
    publish(&publisher, vec![resting(), Alert { since_ms: 2, ..alert("critical") }]);
    assert_eq!(heard.recv().await.unwrap()["state"], "critical");
    DAY.store(2, Ordering::SeqCst);
    publish(&publisher, vec![resting()]);
    let mut told = BTreeMap::new();
    for _ in 0..2 {
        let letter = heard.recv().await.unwrap();
        told.insert(
            letter["state"].as_str().unwrap().to_owned(),
            letter["message"].as_str().unwrap().to_owned(),
        );
    }
    assert!(told.contains_key("over") && told["digest"].starts_with("- Disk: for "), "{told:?}");

    assert!(!desk.set_digest(SetDigestRequest { on: false }).await.unwrap().telling.digest);
    DAY.store(3, Ordering::SeqCst);
    publish(&publisher, vec![resting(), Alert { since_ms: 3, ..alert("critical") }]);
    assert_eq!(heard.recv().await.unwrap()["state"], "critical");
    for wrong in ["", "Disk", "disk low"] {
        let wrong = MuteKindRequest { kind: wrong.into(), muted: true };
        assert_eq!(desk.mute_kind(wrong).await.unwrap_err().code, ErrorCode::ValueRefused);
    }
    let loud = MuteKindRequest { kind: "disk_low".into(), muted: false };
    assert_eq!(desk.mute_kind(loud).await.unwrap().telling.muted, Vec::<String>::new());
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
