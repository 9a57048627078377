//! The node's side: answers whoever connects, and lets them follow the view.
//!
//! Each connection is one task that reads, answers and writes by turns. Nothing is queued for an observer: when it
//! has taken the last event, the next is made from the view of that moment. One that takes its time sees fewer
//! events; one that keeps the node waiting for [`SLOW`] is sent the whole view afresh; one that takes nothing for
//! [`WRITE_BUDGET`] is disconnected. None of them can be felt by whoever publishes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::commands::{Handler, Request, route};
use crate::error::{ErrorCode, UiError};
use crate::follow::{ViewEvent, difference};
use crate::frame::{Decoder, FrameError, encode};
use crate::local::{ListenError, Listener};
use crate::message::{ClientMessage, Hello, Role, ServerMessage, check_versions};
use crate::publish::Watcher;
use crate::view::NodeView;

/// Connections at a time.
pub const MOST_CONNECTIONS: usize = 32;
/// Calls of one connection that may be under way.
const MOST_CALLS: usize = 16;
/// Time for a program to say hello.
const HELLO_BUDGET: Duration = Duration::from_secs(5);
/// Time for a program to take one message.
const WRITE_BUDGET: Duration = Duration::from_secs(10);
/// A program that takes a message this slowly is not sent updates but the whole, next time.
const SLOW: Duration = Duration::from_secs(1);
/// Between two events of a subscription, at least.
const PACE: Duration = Duration::from_millis(100);
/// Time for answers under way when the server stops.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// Read at a time.
const CHUNK: usize = 16 << 10;

/// A node's socket, before anybody is answered.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
}

impl Server {
    /// Takes the place of `data_folder`'s node. Whoever calls holds that folder's lock, so that no two do it at once.
    ///
    /// Must be called in a tokio runtime.
    pub fn bind(data_folder: &Path) -> Result<Self, ListenError> {
        Ok(Self { listener: Listener::bind(data_folder)? })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        self.listener.path()
    }

    /// Answers with `handler` and shows what `watcher` sees, until `stop`. Returns when every connection has ended.
    ///
    /// To be stopped last: while a node stops, its owner wants to see it do so.
    pub async fn serve<H: Handler>(mut self, watcher: Watcher, handler: H, stop: CancellationToken) {
        let desk = Desk::new(watcher, handler, stop.clone());
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                Some(_ended) = connections.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            match (accepted, Arc::clone(&places).try_acquire_owned()) {
                (Ok(stream), Ok(place)) => {
                    let desk = desk.clone();
                    connections.spawn(async move {
                        desk.attend(stream).await;
                        drop(place);
                    });
                }
                (Ok(stream), Err(_full)) => {
                    connections.spawn(refuse(stream));
                }
                (Err(error), _) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(PACE).await;
                }
            }
        }
        while connections.join_next().await.is_some() {}
    }
}

/// Says why and closes. Whoever does not listen to that is not waited for.
async fn refuse(mut stream: impl AsyncWrite + Unpin) {
    let error = UiError::because(ErrorCode::Busy, format!("{MOST_CONNECTIONS} connections already"));
    if let Ok(frame) = encode(&ServerMessage::Failed { id: None, error }) {
        let _unheard = timeout(PACE, stream.write_all(&frame)).await;
    }
}

/// Answers single connections, of whatever they are made. For [`Server`], and for another transport such as a
/// development WebSocket. Cheap to clone.
#[derive(Debug)]
pub struct Desk<H> {
    watcher: Watcher,
    handler: Arc<H>,
    stop: CancellationToken,
}

impl<H> Clone for Desk<H> {
    fn clone(&self) -> Self {
        Self { watcher: self.watcher.clone(), handler: Arc::clone(&self.handler), stop: self.stop.clone() }
    }
}

/// Why a connection ends. Nobody is to blame for most of them.
enum End {
    /// The other side left, takes nothing any more, or the node stops.
    Quiet,
    /// The other side is to be told.
    Told(UiError),
}

impl From<FrameError> for End {
    fn from(error: FrameError) -> Self {
        Self::Told(UiError::because(ErrorCode::ConnectionLost, error))
    }
}

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> Self {
        Self::Quiet
    }
}

impl<H: Handler> Desk<H> {
    /// A desk that shows what `watcher` sees and lets `handler` answer, until `stop`.
    pub fn new(watcher: Watcher, handler: H, stop: CancellationToken) -> Self {
        Self { watcher, handler: Arc::new(handler), stop }
    }

    /// Attends to one connection until it ends.
    pub async fn attend(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut line =
            Line { stream, decoder: Decoder::default(), chunk: vec![0; CHUNK], stop: self.stop.clone() };
        if let Err(End::Told(error)) = self.converse(&mut line).await {
            tracing::debug!(details = ?error.details, "a local connection was ended");
            let _unheard = line.send(&ServerMessage::Failed { id: None, error }).await;
        }
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(&self, line: &mut Line<S>) -> Result<(), End> {
        let node = Hello::of(Role::Node);
        line.send(&ServerMessage::Hello(node.clone())).await?;
        let program = tokio::select! {
            () = self.stop.cancelled() => return Ok(()),
            first = timeout(HELLO_BUDGET, line.receive()) => match first {
                Ok(Ok(ClientMessage::Hello(hello))) => hello,
                Ok(Err(end)) => return Err(end),
                Ok(Ok(_)) => return Err(End::Told(UiError::because(ErrorCode::BadRequest, "hello comes first"))),
                Err(_late) => return Err(End::Told(UiError::new(ErrorCode::TimedOut, None))),
            },
        };
        check_versions(&program, &node).map_err(End::Told)?;

        let mut calls: JoinSet<(u32, Result<Value, UiError>)> = JoinSet::new();
        let mut following: Option<Following> = None;
        loop {
            tokio::select! {
                message = line.receive() => match message? {
                    ClientMessage::Hello(_) => {}
                    ClientMessage::Subscribe { id } => following = Some(Following::new(id, self.watcher.clone())),
                    ClientMessage::Call { id, .. } if calls.len() >= MOST_CALLS => {
                        let error = UiError::because(ErrorCode::Busy, format!("{MOST_CALLS} calls already"));
                        line.send(&ServerMessage::Failed { id: Some(id), error }).await?;
                    }
                    ClientMessage::Call { id, command, request } => {
                        let request = Request::read(program.role, &command, request);
                        let handler = Arc::clone(&self.handler);
                        calls.spawn(async move {
                            match request {
                                Ok(request) => (id, route(handler, request).await),
                                Err(error) => (id, Err(error)),
                            }
                        });
                    }
                },
                Some(answer) = calls.join_next() => line.answer(answer).await?,
                event = next_event(&mut following) => {
                    let Some((id, event)) = event else { return Ok(()) };
                    let took = line.send(&ServerMessage::Event { id, event }).await?;
                    if let Some(following) = &mut following {
                        following.pace(took);
                    }
                }
                () = self.stop.cancelled() => break,
            }
        }
        // Such as the answer to the call that stopped the node.
        let answers = async {
            while let Some(answer) = calls.join_next().await {
                line.answer(answer).await?;
            }
            Ok(())
        };
        timeout(LAST_ANSWERS, answers).await.unwrap_or(Ok(()))
    }
}

/// A connection's bytes.
struct Line<S> {
    stream: S,
    decoder: Decoder,
    chunk: Vec<u8>,
    stop: CancellationToken,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    /// The next message. Dropping the future is safe: what has arrived is kept.
    async fn receive(&mut self) -> Result<ClientMessage, End> {
        loop {
            if let Some(message) = self.decoder.take()? {
                return Ok(message);
            }
            match self.stream.read(&mut self.chunk).await? {
                0 => return Err(End::Quiet),
                read => self.decoder.push(self.chunk.get(..read).unwrap_or_default()),
            }
        }
    }

    /// Sends a message whole, and says how long the other side took to take it.
    async fn send(&mut self, message: &ServerMessage) -> Result<Duration, End> {
        let frame = encode(message).or_else(|error| {
            // Too long for a frame: whoever asked learns that instead.
            let id = match message {
                ServerMessage::Reply { id, .. } | ServerMessage::Event { id, .. } => Some(*id),
                ServerMessage::Failed { id, .. } => *id,
                ServerMessage::Hello(_) => None,
            };
            encode(&ServerMessage::Failed { id, error: UiError::because(ErrorCode::TooMuch, error) })
        })?;
        let began = Instant::now();
        let stopped = async {
            self.stop.cancelled().await;
            sleep(LAST_ANSWERS).await;
        };
        tokio::select! {
            biased;
            written = self.stream.write_all(&frame) => Ok(written.map(|()| began.elapsed())?),
            () = sleep(WRITE_BUDGET) => Err(End::Quiet),
            () = stopped => Err(End::Quiet),
        }
    }

    async fn answer(
        &mut self,
        answer: Result<(u32, Result<Value, UiError>), tokio::task::JoinError>,
    ) -> Result<(), End> {
        let message = match answer {
            Ok((id, Ok(reply))) => ServerMessage::Reply { id, reply },
            Ok((id, Err(error))) => ServerMessage::Failed { id: Some(id), error },
            // A handler panicked; nobody knows any more whose call it was.
            Err(error) => return Err(End::Told(UiError::because(ErrorCode::Internal, error))),
        };
        self.send(&message).await.map(|_| ())
    }
}

/// A subscription of one connection.
struct Following {
    id: u32,
    watcher: Watcher,
    /// What the observer has; `None` if it is to get the whole.
    has: Option<Arc<NodeView>>,
    /// A view that it does not have is there.
    due: bool,
    not_before: Instant,
}

impl Following {
    fn new(id: u32, watcher: Watcher) -> Self {
        Self { id, watcher, has: None, due: true, not_before: Instant::now() }
    }

    /// The next event; `None` when there will be none. Dropping the future is safe.
    async fn next(&mut self) -> Option<ViewEvent> {
        if !self.due {
            self.due = self.watcher.changed().await;
            if !self.due {
                return None;
            }
        }
        sleep_until(self.not_before).await;
        self.due = false;
        let now = self.watcher.current();
        let event = match &self.has {
            Some(has) => ViewEvent::Update(difference(has, &now)),
            None => ViewEvent::Snapshot(Box::new(NodeView::clone(&now))),
        };
        self.has = Some(now);
        Some(event)
    }

    /// An event was taken within `took`.
    fn pace(&mut self, took: Duration) {
        self.not_before = Instant::now() + PACE;
        if took >= SLOW {
            self.has = None;
        }
    }
}

async fn next_event(following: &mut Option<Following>) -> Option<(u32, ViewEvent)> {
    match following {
        Some(following) => {
            let id = following.id;
            following.next().await.map(|event| (id, event))
        }
        None => std::future::pending().await,
    }
}
