//! The other side: asks a node and follows its view.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::commands::Request;
use crate::error::{ErrorCode, UiError};
use crate::follow::{ViewEvent, apply};
use crate::frame::{Decoder, encode};
use crate::local::{self, Stream};
use crate::message::{ClientMessage, Hello, Role, ServerMessage, check_versions};
use crate::view::NodeView;

/// Time for a node to say hello.
const HELLO_BUDGET: Duration = Duration::from_secs(5);
/// Time for a node to answer.
const ANSWER_BUDGET: Duration = Duration::from_secs(30);
/// Read at a time.
const CHUNK: usize = 16 << 10;

/// A connection to a node. One question at a time; who wants to ask and follow at once connects twice.
///
/// Dropping the future of any of its methods is safe: the next one goes on where that left off.
pub struct Client {
    stream: Box<dyn Stream>,
    decoder: Decoder,
    chunk: Vec<u8>,
    /// What is still to be written.
    outgoing: Vec<u8>,
    node: Hello,
    last_id: u32,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects to the node of `data_folder`.
    ///
    /// Errors: [`ErrorCode::NotRunning`], [`ErrorCode::NotTrusted`], [`ErrorCode::NodeTooOld`],
    /// [`ErrorCode::ProgramTooOld`], [`ErrorCode::Busy`].
    pub async fn connect(data_folder: &Path, role: Role) -> Result<Self, UiError> {
        let stream = local::connect(data_folder).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory => {
                UiError::because(ErrorCode::NotRunning, format!("{}: {error}", data_folder.display()))
            }
            ErrorKind::PermissionDenied => UiError::because(ErrorCode::NotTrusted, error),
            _ => UiError::because(ErrorCode::ConnectionLost, error),
        })?;
        Self::greet(stream, role).await
    }

    /// Talks to a node over something else.
    pub async fn over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        role: Role,
    ) -> Result<Self, UiError> {
        Self::greet(Box::new(stream), role).await
    }

    async fn greet(stream: Box<dyn Stream>, role: Role) -> Result<Self, UiError> {
        let mine = Hello::of(role);
        let mut client = Self {
            stream,
            decoder: Decoder::default(),
            chunk: vec![0; CHUNK],
            outgoing: Vec::new(),
            node: mine.clone(),
            last_id: 0,
        };
        client.send(&ClientMessage::Hello(mine.clone()))?;
        match within(HELLO_BUDGET, client.receive()).await? {
            ServerMessage::Hello(node) => client.node = node,
            ServerMessage::Failed { error, .. } => return Err(error),
            _ => return Err(UiError::because(ErrorCode::ConnectionLost, "it did not say hello")),
        }
        check_versions(&mine, &client.node)?;
        Ok(client)
    }

    /// Version of the node's program.
    pub fn node_build(&self) -> &str {
        &self.node.build
    }

    /// Passes on a question that somebody else asks, such as the window.
    ///
    /// Errors: [`ErrorCode::UnknownCommand`] without asking the node, if there is no such command; else as the node answers.
    pub async fn pass_on(&mut self, command: &str, request: Value) -> Result<Value, UiError> {
        if !Request::NAMES.contains(&command) {
            return Err(UiError::because(ErrorCode::UnknownCommand, crate::view::plain(command, 100)));
        }
        self.call(command, &request).await
    }

    /// Follows the node's view from now on.
    pub fn follow(self) -> Result<Subscription, UiError> {
        let mut subscription = Subscription { client: self, id: 0, view: None };
        subscription.start()?;
        Ok(subscription)
    }

    pub(crate) async fn call<Q: Serialize, A: DeserializeOwned>(
        &mut self,
        command: &str,
        request: &Q,
    ) -> Result<A, UiError> {
        let request =
            serde_json::to_value(request).map_err(|error| UiError::because(ErrorCode::BadRequest, error))?;
        let mine = self.next_id();
        self.send(&ClientMessage::Call { id: mine, command: command.into(), request })?;
        let answer = async {
            loop {
                match self.receive().await? {
                    ServerMessage::Reply { id, reply } if id == mine => return Ok(reply),
                    ServerMessage::Failed { id, error } if id.is_none_or(|id| id == mine) => return Err(error),
                    // To a question that nobody waits for any more.
                    _ => {}
                }
            }
        };
        let reply = within(ANSWER_BUDGET, answer).await?;
        serde_json::from_value(reply).map_err(|error| UiError::because(ErrorCode::ConnectionLost, error))
    }

    fn next_id(&mut self) -> u32 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    /// Lays a message out for writing; [`Self::receive`] writes it.
    fn send(&mut self, message: &ClientMessage) -> Result<(), UiError> {
        let frame = encode(message).map_err(|error| UiError::because(ErrorCode::BadRequest, error))?;
        self.outgoing.extend_from_slice(&frame);
        Ok(())
    }

    async fn receive(&mut self) -> Result<ServerMessage, UiError> {
        let lost = |error: &dyn std::fmt::Display| UiError::because(ErrorCode::ConnectionLost, error);
        while !self.outgoing.is_empty() {
            match self.stream.write(&self.outgoing).await {
                // Whoever hung up may have said why; that is still to be read.
                Ok(0) => self.outgoing.clear(),
                Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                    self.outgoing.clear();
                }
                Ok(written) => drop(self.outgoing.drain(..written)),
                Err(error) => return Err(lost(&error)),
            }
        }
        loop {
            if let Some(message) = self.decoder.take().map_err(|error| lost(&error))? {
                return Ok(message);
            }
            match self.stream.read(&mut self.chunk).await {
                Ok(0) => return Err(lost(&"the node closed it")),
                Ok(read) => self.decoder.push(self.chunk.get(..read).unwrap_or_default()),
                Err(error) => return Err(lost(&error)),
            }
        }
    }
}

async fn within<T>(budget: Duration, work: impl Future<Output = Result<T, UiError>>) -> Result<T, UiError> {
    let late = || UiError::because(ErrorCode::TimedOut, format!("nothing within {} s", budget.as_secs()));
    timeout(budget, work).await.unwrap_or_else(|_| Err(late()))
}

/// A view that is kept up to date.
#[derive(Debug)]
pub struct Subscription {
    client: Client,
    id: u32,
    view: Option<NodeView>,
}

impl Subscription {
    /// Waits for the next event, and applies it to [`Self::view`]. What does not fit is not given out: the node is
    /// asked for the whole view instead.
    ///
    /// A node that lives sends something every [`crate::HEARTBEAT_MS`]; how long to wait is the caller's choice.
    pub async fn next(&mut self) -> Result<ViewEvent, UiError> {
        loop {
            let event = match self.client.receive().await? {
                ServerMessage::Event { id, event } if id == self.id => event,
                ServerMessage::Failed { id, error } if id.is_none_or(|id| id == self.id) => return Err(error),
                _ => continue,
            };
            match (&event, &mut self.view) {
                (ViewEvent::Snapshot(view), _) => {
                    self.view = Some(NodeView::clone(view));
                    return Ok(event);
                }
                (ViewEvent::Update(update), Some(view)) => match apply(view, update.clone()) {
                    Ok(()) => return Ok(event),
                    Err(gap) => {
                        tracing::debug!(%gap, "starting afresh");
                        self.start()?;
                    }
                },
                (ViewEvent::Update(_), None) => self.start()?,
            }
        }
    }

    /// The view as of the latest event; `None` before the first.
    pub fn view(&self) -> Option<&NodeView> {
        self.view.as_ref()
    }

    fn start(&mut self) -> Result<(), UiError> {
        self.view = None;
        self.id = self.client.next_id();
        self.client.send(&ClientMessage::Subscribe { id: self.id })
    }
}
