//! A node and those who ask it, over a real socket and over pipes that are as slow as a test wants.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of a test fail as tests do"
)]

use std::time::Duration;

use hearth_api::{
    AgreeRequest, AlertsReply, AlertsRequest, BackUpRequest, BackupReply, BeginCeremonyRequest,
    BringBackRequest, ChangeSettingsRequest, ChannelsReply, ChannelsRequest, ChecksReply, ChecksRequest,
    Client, ClusterReply, ClusterRequest, Decoder, DepositReply, DepositRequest, Desk, DutiesReply,
    DutiesRequest, ErrorCode, FindBeaconsReply, FindBeaconsRequest, Flame, FormingReply, FormingRequest,
    Handler, Hello, HistoryReply, HistoryRequest, InviteReply, KeysReply, KeysRequest, LeaveFormingRequest,
    MAX_FRAME_BYTES, MoveInRequest, MuteKindRequest, NameSeatRequest, NewClusterReply, NodeState, NodeView,
    PROTOCOL, PlanClusterRequest, PractiseRestoreRequest, PrepareRecordRequest, Publisher, ReadInviteRequest,
    RemoveChannelRequest, ReopenSeatRequest, Role, SaveInviteRequest, ServerMessage, SetChannelRequest,
    SetDefinitionRequest, SetDigestRequest, SetQuietHoursRequest, SetReadyRequest, SettingsReply,
    SettingsRequest, SlashingExportReply, SlashingExportRequest, SlashingImportReply, SlashingImportRequest,
    SlashingReply, SlashingRequest, SnoozeRequest, StatusRequest, StopReply, StopRequest, TakeSeatRequest,
    TestChannelRequest, UiError, ViewEvent, encode,
};
use hearth_types::Slot;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

#[cfg(unix)]
mod over_a_real_socket {
    use hearth_api::{MOST_CONNECTIONS, Server, place_of};
    use tokio::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn a_node_is_found_by_its_folder_answers_and_is_followed_until_it_stops() {
        let node = Node::start();
        let mut cli = Client::connect(node.folder.path(), Role::Cli).await.unwrap();
        let view = cli.status(StatusRequest {}).await.unwrap();
        assert_eq!(view.health.sentence, "No cluster yet.");

        let mut window = Client::connect(node.folder.path(), Role::Window).await.unwrap().follow().unwrap();
        assert!(matches!(window.next().await.unwrap(), ViewEvent::Snapshot(_)));
        node.publisher.publish(at(7));
        assert!(matches!(window.next().await.unwrap(), ViewEvent::Update(_)));
        assert_eq!(window.view().unwrap().at_ms, 7);

        // The reply arrives although the handler stops the server.
        let reply = cli.stop(StopRequest { confirmed: true }).await.unwrap();
        assert!(reply.stopping);
        assert_eq!(window.next().await.unwrap_err().code, ErrorCode::ConnectionLost);
        node.serving.await.unwrap();
        let after = Client::connect(node.folder.path(), Role::Cli).await.unwrap_err();
        assert_eq!(after.code, ErrorCode::NotRunning);
    }

    #[tokio::test]
    async fn a_hundred_connections_of_garbage_keep_nobody_from_asking() {
        let node = Node::start();
        let place = place_of(node.folder.path()).unwrap();
        let mut garbage = Vec::new();
        for n in 0..100_u8 {
            let Ok(mut stream) = UnixStream::connect(&place).await else { continue };
            let _refused = stream.write_all(&[n.wrapping_mul(37); 50]).await;
            garbage.push(stream);
        }
        // Each is told, or just closed; when all are, their places are free again.
        for mut stream in garbage {
            let _reset = stream.read_to_end(&mut Vec::new()).await;
        }
        let mut cli = Client::connect(node.folder.path(), Role::Cli).await.unwrap();
        assert!(cli.status(StatusRequest {}).await.is_ok());
        node.end().await;
    }

    #[tokio::test]
    async fn one_connection_too_many_is_told_so() {
        let node = Node::start();
        let mut open = Vec::new();
        for _ in 0..MOST_CONNECTIONS {
            open.push(Client::connect(node.folder.path(), Role::Tray).await.unwrap());
        }
        let refused = Client::connect(node.folder.path(), Role::Cli).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::Busy);
        node.end().await;
    }

    struct Node {
        folder: tempfile::TempDir,
        publisher: Publisher,
        stop: CancellationToken,
        serving: tokio::task::JoinHandle<()>,
    }

    impl Node {
        fn start() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (publisher, stop) = (Publisher::new(at(0)), CancellationToken::new());
            let server = Server::bind(folder.path()).unwrap();
            let handler = Fake { publisher: publisher.clone(), stop: stop.clone() };
            let serving = tokio::spawn(server.serve(publisher.watch(), handler, stop.clone()));
            Self { folder, publisher, stop, serving }
        }

        async fn end(self) {
            self.stop.cancel();
            self.serving.await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_reads_nothing_delays_nobody_and_is_sent_the_whole_when_it_is_back() {
    let (publisher, stop) = (Publisher::new(at(0)), CancellationToken::new());
    // Smaller than one event: the node waits in the middle of it.
    let mut observer = raw(&publisher, &stop, 64).await;
    observer.say(&json!({"subscribe": {"id": 5}})).await;
    assert!(observer.hear().await["event"]["event"]["snapshot"].is_object());

    publisher.publish(at(1));
    // The node has begun to send the update when its first byte is here; then the observer sleeps.
    let first = observer.stream.read_u8().await.unwrap();
    observer.decoder.push(&[first]);
    let began = Instant::now();
    for n in 2..10_000 {
        publisher.publish(at(n));
    }
    assert_eq!(began.elapsed(), Duration::ZERO, "publishing waited");
    tokio::time::sleep(Duration::from_secs(3)).await;

    assert_eq!(observer.hear().await["event"]["event"]["update"]["at_ms"], 1);
    let next = observer.hear().await;
    assert_eq!(next["event"]["event"]["snapshot"]["at_ms"], 9_999, "{next}");
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_never_reads_again_is_disconnected() {
    let (publisher, stop) = (Publisher::new(at(0)), CancellationToken::new());
    let mut observer = raw(&publisher, &stop, 64).await;
    observer.say(&json!({"subscribe": {"id": 1}})).await;
    let began = Instant::now();
    observer.attending.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    drop(observer.stream);
}

#[tokio::test(start_paused = true)]
async fn events_come_at_most_ten_times_a_second_and_end_with_the_latest() {
    let (publisher, stop) = (Publisher::new(at(0)), CancellationToken::new());
    let mut window = client(&publisher, &stop, Role::Window).await.follow().unwrap();
    window.next().await.unwrap();
    let publishing = {
        let publisher = publisher.clone();
        tokio::spawn(async move {
            for n in 1..=1_000 {
                publisher.publish(at(n));
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
    };
    let (began, mut events) = (Instant::now(), 0);
    while window.view().is_none_or(|view| view.at_ms < 1_000) {
        window.next().await.unwrap();
        events += 1;
    }
    publishing.await.unwrap();
    let tenths = began.elapsed().as_millis() / 100;
    assert!(
        (15..=25).contains(&tenths) && events <= tenths + 1,
        "{events} events in {tenths} tenths of a second"
    );
}

#[tokio::test(start_paused = true)]
async fn a_gap_makes_the_client_start_afresh() {
    let (ours, mut node) = duplex(1 << 16);
    let serving = tokio::spawn(async move {
        let (mut decoder, view) =
            (Decoder::default(), |seq| NodeView { seq, at_ms: seq, ..NodeView::default() });
        send(&mut node, &ServerMessage::Hello(Hello::of(Role::Node))).await;
        assert!(hear(&mut node, &mut decoder).await["hello"].is_object());
        let first = hear(&mut node, &mut decoder).await["subscribe"]["id"].as_u64().unwrap() as u32;
        send(&mut node, &ServerMessage::Event { id: first, event: ViewEvent::Snapshot(Box::new(view(1))) })
            .await;
        // The update from 1 to 2 is lost.
        let update = ViewEvent::Update(hearth_api::difference(&view(2), &view(3)));
        send(&mut node, &ServerMessage::Event { id: first, event: update.clone() }).await;
        let second = hear(&mut node, &mut decoder).await["subscribe"]["id"].as_u64().unwrap() as u32;
        assert_ne!(first, second);
        // A straggler of the first subscription is not mistaken for one of the second.
        send(&mut node, &ServerMessage::Event { id: first, event: update }).await;
        send(&mut node, &ServerMessage::Event { id: second, event: ViewEvent::Snapshot(Box::new(view(9))) })
            .await;
    });
    let mut subscription = Client::over(ours, Role::Window).await.unwrap().follow().unwrap();
    subscription.next().await.unwrap();
    assert_eq!(subscription.view().unwrap().seq, 1);
    assert!(matches!(subscription.next().await.unwrap(), ViewEvent::Snapshot(_)));
    assert_eq!(subscription.view().unwrap().seq, 9);
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_breaks_the_rules_is_told_why_and_disconnected() {
    let hello = json!({"hello": {"protocol": PROTOCOL, "role": "cli"}});
    let framed = |value: &Value| encode(value).unwrap();
    for (name, bytes, code) in [
        ("garbage", b"GET / HTTP/1.1\r\n\r\n".to_vec(), "connection_lost"),
        ("an empty message", vec![0; 4], "connection_lost"),
        ("a call before hello", framed(&json!({"subscribe": {"id": 1}})), "bad_request"),
        ("an older program", framed(&json!({"hello": {"protocol": PROTOCOL - 1}})), "program_too_old"),
        ("a newer program", framed(&json!({"hello": {"protocol": PROTOCOL + 1}})), "node_too_old"),
        ("nothing", Vec::new(), "timed_out"),
        ("garbage after hello", [framed(&hello), vec![0xff; 4]].concat(), "connection_lost"),
        ("nonsense after hello", [framed(&hello), framed(&json!({"dance": 1}))].concat(), "connection_lost"),
    ] {
        let (publisher, stop) = (Publisher::new(at(0)), CancellationToken::new());
        let mut stranger = unread(&publisher, &stop, 1 << 16);
        stranger.stream.write_all(&bytes).await.unwrap();
        assert_eq!(stranger.hear().await["hello"]["role"], "node", "{name}");
        let told = stranger.hear().await;
        assert_eq!(told["failed"]["error"]["code"], code, "{name}: {told}");
        assert_eq!(stranger.stream.read(&mut [0; 16]).await.unwrap(), 0, "{name}: still connected");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_leaves_the_connection_as_it_was() {
    let (publisher, stop) = (Publisher::new(at(0)), CancellationToken::new());
    let mut tray = client(&publisher, &stop, Role::Tray).await;
    let refused = tray.stop(StopRequest { confirmed: true }).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::NotAllowed);
    assert!(!stop.is_cancelled());
    let too_much =
        tray.duties(DutiesRequest { limit: Some(666), ..DutiesRequest::default() }).await.unwrap_err();
    assert_eq!(too_much.code, ErrorCode::TooMuch);
    assert_eq!(tray.alerts(AlertsRequest::default()).await.unwrap(), AlertsReply::default());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_waits_for_any_more_is_not_taken_for_another() {
    let (publisher, stop) = (Publisher::new(at(0)), CancellationToken::new());
    let mut cli = client(&publisher, &stop, Role::Cli).await;
    let slow = DutiesRequest { limit: Some(1), ..DutiesRequest::default() };
    tokio::time::timeout(Duration::from_secs(1), cli.duties(slow)).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let reply = cli.duties(DutiesRequest::default()).await.unwrap();
    assert!(!reply.more, "that was the answer to the first question");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_ends_one_connection_and_nothing_else() {
    let (publisher, stop) = (Publisher::new(at(0)), CancellationToken::new());
    let mut first = client(&publisher, &stop, Role::Cli).await;
    let error = first.duties(DutiesRequest { limit: Some(13), ..DutiesRequest::default() }).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Internal);
    let mut second = client(&publisher, &stop, Role::Cli).await;
    assert_eq!(second.status(StatusRequest {}).await.unwrap().health.flame, Flame::Ash);
}

/// A view of a running node at that moment.
/// A view like no other: one that differed in its time only would not be passed on at once.
fn at(at_ms: u64) -> NodeView {
    let mut view = NodeView { at_ms, slot: Some(Slot::new(at_ms)), ..NodeView::default() };
    view.node.state = NodeState::Running;
    view
}

/// A node that stops when asked, and behaves badly at certain limits.
struct Fake {
    publisher: Publisher,
    stop: CancellationToken,
}

impl Handler for Fake {
    async fn status(&self, _: StatusRequest) -> Result<NodeView, UiError> {
        Ok(NodeView::clone(&self.publisher.current()))
    }

    async fn duties(&self, request: DutiesRequest) -> Result<DutiesReply, UiError> {
        match request.limit {
            Some(1) => {
                tokio::time::sleep(Duration::from_secs(5)).await;
                Ok(DutiesReply { duties: Vec::new(), more: true })
            }
            Some(13) => panic!("a fault in the handler"),
            Some(666) => Err(UiError::because(ErrorCode::Internal, "x".repeat(MAX_FRAME_BYTES))),
            _ => Ok(DutiesReply::default()),
        }
    }

    async fn history(&self, _: HistoryRequest) -> Result<HistoryReply, UiError> {
        Ok(HistoryReply::default())
    }

    async fn cluster(&self, _: ClusterRequest) -> Result<ClusterReply, UiError> {
        Err(UiError::because(ErrorCode::NotReady, "no cluster"))
    }

    async fn alerts(&self, _: AlertsRequest) -> Result<AlertsReply, UiError> {
        Ok(AlertsReply::default())
    }

    async fn checks(&self, _: ChecksRequest) -> Result<ChecksReply, UiError> {
        Ok(ChecksReply::default())
    }

    async fn find_beacons(&self, _: FindBeaconsRequest) -> Result<FindBeaconsReply, UiError> {
        Ok(FindBeaconsReply::default())
    }

    async fn settings(&self, _: SettingsRequest) -> Result<SettingsReply, UiError> {
        Ok(SettingsReply::default())
    }

    async fn change_settings(&self, _: ChangeSettingsRequest) -> Result<SettingsReply, UiError> {
        Ok(SettingsReply::default())
    }

    async fn channels(&self, _: ChannelsRequest) -> Result<ChannelsReply, UiError> {
        Ok(ChannelsReply::default())
    }

    async fn set_channel(&self, _: SetChannelRequest) -> Result<ChannelsReply, UiError> {
        Ok(ChannelsReply::default())
    }

    async fn remove_channel(&self, _: RemoveChannelRequest) -> Result<ChannelsReply, UiError> {
        Ok(ChannelsReply::default())
    }

    async fn test_channel(&self, _: TestChannelRequest) -> Result<ChannelsReply, UiError> {
        Ok(ChannelsReply::default())
    }

    async fn set_quiet_hours(&self, _: SetQuietHoursRequest) -> Result<ChannelsReply, UiError> {
        Ok(ChannelsReply::default())
    }

    async fn set_digest(&self, _: SetDigestRequest) -> Result<ChannelsReply, UiError> {
        Ok(ChannelsReply::default())
    }

    async fn mute_kind(&self, _: MuteKindRequest) -> Result<ChannelsReply, UiError> {
        Ok(ChannelsReply::default())
    }

    async fn snooze(&self, _: SnoozeRequest) -> Result<AlertsReply, UiError> {
        Ok(AlertsReply::default())
    }

    async fn keys(&self, _: KeysRequest) -> Result<KeysReply, UiError> {
        Ok(KeysReply::default())
    }

    async fn back_up(&self, _: BackUpRequest) -> Result<BackupReply, UiError> {
        Err(UiError::because(ErrorCode::Unwritable, "a fake has no disk"))
    }

    async fn bring_back(&self, _: BringBackRequest) -> Result<NewClusterReply, UiError> {
        Err(UiError::new(ErrorCode::NotReady, None))
    }

    async fn move_in(&self, _: MoveInRequest) -> Result<NewClusterReply, UiError> {
        Err(UiError::new(ErrorCode::NotReady, None))
    }

    async fn deposit(&self, _: DepositRequest) -> Result<DepositReply, UiError> {
        Err(UiError::new(ErrorCode::NotReady, None))
    }

    async fn forming(&self, _: FormingRequest) -> Result<FormingReply, UiError> {
        Err(UiError::new(ErrorCode::NotReady, None))
    }

    async fn plan_cluster(&self, _: PlanClusterRequest) -> Result<FormingReply, UiError> {
        Err(UiError::new(ErrorCode::NotReady, None))
    }

    async fn read_invite(&self, _: ReadInviteRequest) -> Result<InviteReply, UiError> {
        Err(UiError::new(ErrorCode::NotReady, None))
    }

    async fn prepare_record(&self, _: PrepareRecordRequest) -> Result<FormingReply, UiError> {
        Err(UiError::new(ErrorCode::NotReady, None))
    }

    async fn set_definition(&self, _: SetDefinitionRequest) -> Result<FormingReply, UiError> {
        Err(UiError::new(ErrorCode::NotReady, None))
    }

    async fn save_invite(&self, _: SaveInviteRequest) -> Result<FormingReply, UiError> {
        Err(UiError::new(ErrorCode::NotReady, None))
    }

    async fn take_seat(&self, _: TakeSeatRequest) -> Result<FormingReply, UiError> {
        Err(UiError::new(ErrorCode::NotReady, None))
    }

    async fn name_seat(&self, _: NameSeatRequest) -> Result<FormingReply, UiError> {
        Err(UiError::new(ErrorCode::NotReady, None))
    }

    async fn reopen_seat(&self, _: ReopenSeatRequest) -> Result<FormingReply, UiError> {
        Err(UiError::new(ErrorCode::NotReady, None))
    }

    async fn agree(&self, _: AgreeRequest) -> Result<FormingReply, UiError> {
        Err(UiError::new(ErrorCode::NotReady, None))
    }

    async fn set_ready(&self, _: SetReadyRequest) -> Result<FormingReply, UiError> {
        Err(UiError::new(ErrorCode::NotReady, None))
    }

    async fn begin_ceremony(&self, _: BeginCeremonyRequest) -> Result<FormingReply, UiError> {
        Err(UiError::new(ErrorCode::NotReady, None))
    }

    async fn leave_forming(&self, _: LeaveFormingRequest) -> Result<FormingReply, UiError> {
        Err(UiError::new(ErrorCode::NotReady, None))
    }

    async fn practise_restore(&self, _: PractiseRestoreRequest) -> Result<BackupReply, UiError> {
        Err(UiError::because(ErrorCode::Unreadable, "a fake has no disk"))
    }

    async fn slashing(&self, _: SlashingRequest) -> Result<SlashingReply, UiError> {
        Ok(SlashingReply::default())
    }

    async fn slashing_export(&self, _: SlashingExportRequest) -> Result<SlashingExportReply, UiError> {
        Err(UiError::because(ErrorCode::Unwritable, "a fake has no disk"))
    }

    async fn slashing_import(&self, _: SlashingImportRequest) -> Result<SlashingImportReply, UiError> {
        Err(UiError::because(ErrorCode::Unreadable, "a fake has no disk"))
    }

    async fn stop(&self, request: StopRequest) -> Result<StopReply, UiError> {
        if request.confirmed {
            self.stop.cancel();
        }
        let consequence = hearth_api::without_this_node(&self.publisher.current());
        Ok(StopReply { stopping: request.confirmed, finishing: None, within_ms: 0, consequence })
    }
}

async fn client(publisher: &Publisher, stop: &CancellationToken, role: Role) -> Client {
    Client::over(unread(publisher, stop, 1 << 16).stream, role).await.unwrap()
}

/// A program that speaks bytes.
struct Raw {
    stream: DuplexStream,
    decoder: Decoder,
    attending: tokio::task::JoinHandle<()>,
}

/// One that has said hello and heard it.
async fn raw(publisher: &Publisher, stop: &CancellationToken, buffer: usize) -> Raw {
    let mut raw = unread(publisher, stop, buffer);
    assert!(raw.hear().await["hello"].is_object());
    raw.say(&json!({"hello": {"protocol": PROTOCOL, "role": "window"}})).await;
    raw
}

fn unread(publisher: &Publisher, stop: &CancellationToken, buffer: usize) -> Raw {
    let (stream, theirs) = duplex(buffer);
    let handler = Fake { publisher: publisher.clone(), stop: stop.clone() };
    let desk = Desk::new(publisher.watch(), handler, stop.clone());
    let attending = tokio::spawn(async move { desk.attend(theirs).await });
    Raw { stream, decoder: Decoder::default(), attending }
}

impl Raw {
    async fn say(&mut self, message: &Value) {
        self.stream.write_all(&encode(message).unwrap()).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        hear(&mut self.stream, &mut self.decoder).await
    }
}

async fn hear(stream: &mut (impl AsyncRead + Unpin), decoder: &mut Decoder) -> Value {
    loop {
        if let Some(message) = decoder.take().unwrap() {
            return message;
        }
        let mut chunk = [0; 1024];
        let read = stream.read(&mut chunk).await.unwrap();
        assert_ne!(read, 0, "the other side closed");
        decoder.push(&chunk[..read]);
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), message: &ServerMessage) {
    stream.write_all(&encode(message).unwrap()).await.unwrap();
}
