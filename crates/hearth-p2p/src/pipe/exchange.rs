//! What happens on one stream, from its opening to its end.

use std::{io, pin::pin, time::Duration};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::core::upgrade::NegotiationError;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout, timeout_at},
};

use super::{Counterpart, Question, Questions};
use crate::{
    allowance::{Memory, Permit},
    config::{Pattern, Protocol},
    event::{Event, ReceiveError, Reply, SendError},
    frame::{self, Fault, FrameError},
};

/// Writes `message`, half-closes, and waits for the other side: for its answer or, one-way, for its close.
///
/// Waiting costs a one-way message nothing and tells three things that would stay unknown otherwise: that the peer
/// serves the protocol (we do not wait for its word before writing), that the stream was not reset, and that the
/// end of our message is not overtaken by our dropping the stream.
///
/// Dropping the future is safe; the peer may or may not have received the message.
pub(super) async fn initiate<S>(
    stream: S,
    protocol: Protocol,
    message: &[u8],
    mut memory: Memory,
    budget: Duration,
) -> Result<Vec<u8>, SendError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = stream;
    let exchange = async {
        frame::write(&mut stream, message).await.map_err(|error| failure(&error))?;
        stream.close().await.map_err(|error| failure(&error))?;
        match protocol.pattern {
            Pattern::OneWay => {
                // A responder has nothing to say; should it, that is nothing we want to hear.
                stream.read(&mut [0]).await.map(|_| Vec::new()).map_err(|error| failure(&error))
            }
            Pattern::RequestResponse => {
                match frame::read(&mut stream, protocol.max_frame_bytes, &mut memory).await {
                    Ok(answer) => Ok(answer),
                    Err(Fault::Stream(error)) => Err(failure(&error)),
                    Err(Fault::Frame(FrameError::Missing)) => Err(SendError::NoAnswer),
                    Err(Fault::Frame(error)) => Err(SendError::BadAnswer(error)),
                }
            }
            // Opened by `converse`.
            Pattern::Dialogue => Err(SendError::Unsupported),
        }
    };
    timeout(budget, exchange).await.unwrap_or(Err(SendError::TimedOut { budget_ms: whole_ms(budget) }))
}

/// Asks every question on the stream, one after the other, until there are no more or one stays without an answer.
///
/// Dropping the future is safe; the peer may or may not have heard the question under way.
pub(super) async fn converse<S>(
    mut stream: S,
    protocol: Protocol,
    questions: &Questions,
    peer: &Counterpart,
) -> Result<Vec<u8>, SendError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut questions = questions.lock().await;
    let budget = peer.common.timing.initiator;
    while let Some(Question { bytes, answer }) = questions.recv().await {
        let mut memory = peer.allowance.memory();
        let exchange = async {
            frame::write_in_dialogue(&mut stream, &bytes).await.map_err(|error| failure(&error))?;
            match frame::read_in_dialogue(&mut stream, protocol.max_frame_bytes, &mut memory).await {
                Ok(heard) => Ok(heard),
                Err(Fault::Stream(error)) => Err(failure(&error)),
                Err(Fault::Frame(FrameError::Missing)) => Err(SendError::NoAnswer),
                Err(Fault::Frame(error)) => Err(SendError::BadAnswer(error)),
            }
        };
        let silent = SendError::TimedOut { budget_ms: whole_ms(budget) };
        let heard = timeout(budget, exchange).await.unwrap_or(Err(silent));
        let failed = heard.as_ref().err().cloned();
        // Whoever asked may have stopped waiting.
        let _ = answer.send(heard);
        if let Some(error) = failed {
            return Err(error);
        }
    }
    // Its end tells the peer that it may go; what it says to that is nothing we want to hear.
    let _ = stream.close().await;
    Ok(Vec::new())
}

/// Reads one message, hands it to the application and, where one is due, writes its answer.
///
/// Dropping the future is safe: a message is handed over whole or not at all.
pub(super) async fn respond<S>(stream: S, protocol: Protocol, peer: Counterpart, place: Permit)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let opened = Instant::now();
    let served = match protocol.pattern {
        Pattern::Dialogue => attend(stream, protocol, &peer, place).await,
        Pattern::OneWay | Pattern::RequestResponse => serve(stream, protocol, &peer, place, opened).await,
    };
    if let Err(reason) = served {
        report(&peer, protocol, reason);
    }
}

/// Hands over question after question, and writes the answers, until the peer has no more.
async fn attend<S>(
    mut stream: S,
    protocol: Protocol,
    peer: &Counterpart,
    place: Permit,
) -> Result<(), ReceiveError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let timing = &peer.common.timing;
    loop {
        let mut memory = peer.allowance.memory();
        let reading = frame::read_in_dialogue(&mut stream, protocol.max_frame_bytes, &mut memory);
        let bytes = match timeout(timing.silence, reading).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(Fault::Frame(FrameError::Missing) | Fault::Stream(_))) => return Ok(()), // It is over.
            Ok(Err(Fault::Frame(error))) => return Err(error.into()),
            Err(_) => return Err(ReceiveError::TimedOut { budget_ms: whole_ms(timing.silence) }),
        };
        let (answer, answered) = oneshot::channel();
        let reply = Reply { answer };
        let event = Event::Request { from: peer.operator, protocol: protocol.id, bytes, reply };
        peer.common.mailbox.deliver(event, place.clone(), memory);
        let budget_ms = whole_ms(timing.responder);
        let answer = timeout(timing.responder, answered).await;
        let answer = answer.map_err(|_| ReceiveError::Unanswered { budget_ms })?;
        // A reply dropped by the application is the end of the dialogue.
        let Some(answer) = answer.ok().filter(|answer| answer.len() <= protocol.max_frame_bytes) else {
            let _ = stream.close().await;
            return Ok(());
        };
        let writing = frame::write_in_dialogue(&mut stream, &answer);
        if !matches!(timeout(timing.initiator, writing).await, Ok(Ok(()))) {
            return Ok(());
        }
    }
}

/// Tells the application that a stream was cut.
pub(super) fn report(peer: &Counterpart, protocol: Protocol, reason: ReceiveError) {
    let event = Event::ReceiveFailed { from: peer.operator, protocol: protocol.id, reason };
    peer.common.mailbox.report(event, peer.allowance.report());
}

async fn serve<S>(
    mut stream: S,
    protocol: Protocol,
    peer: &Counterpart,
    place: Permit,
    opened: Instant,
) -> Result<(), ReceiveError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let timing = &peer.common.timing;
    let deadline = opened + timing.responder;
    let budget_ms = whole_ms(timing.responder);

    let mut memory = peer.allowance.memory();
    let reading = frame::read(&mut stream, protocol.max_frame_bytes, &mut memory);
    let bytes = match timeout_at(deadline, reading).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(Fault::Frame(error))) => return Err(error.into()),
        Ok(Err(Fault::Stream(_))) => return Ok(()), // Given up by the initiator or with its connection.
        Err(_) => return Err(ReceiveError::TimedOut { budget_ms }),
    };

    let from = peer.operator;
    let answer = match protocol.pattern {
        Pattern::OneWay => {
            peer.common.mailbox.deliver(Event::Message { from, protocol: protocol.id, bytes }, place, memory);
            None
        }
        Pattern::RequestResponse => {
            let (answer, answered) = oneshot::channel();
            let event = Event::Request { from, protocol: protocol.id, bytes, reply: Reply { answer } };
            // The stream keeps its place among the peer's messages until it is answered.
            peer.common.mailbox.deliver(event, place.clone(), memory);
            let answer =
                timeout_at(deadline, answered).await.map_err(|_| ReceiveError::Unanswered { budget_ms })?;
            // A reply dropped by the application, or too long for the protocol, is none.
            answer.ok().filter(|answer| answer.len() <= protocol.max_frame_bytes)
        }
        // See `attend`.
        Pattern::Dialogue => None,
    };
    // The message is handed over: what happens to the stream from here on is the initiator's loss. He has no
    // deadline for taking an answer, but his own for the whole exchange began before ours.
    let farewell = pin!(async {
        if let Some(answer) = answer {
            frame::write(&mut stream, &answer).await?;
        }
        stream.close().await
    });
    let _ = timeout_at(opened + timing.initiator.max(timing.responder), farewell).await;
    Ok(())
}

/// What an error of a stream means to the sender of a message.
pub(super) fn failure(error: &io::Error) -> SendError {
    let negotiation = error.get_ref().and_then(|inner| inner.downcast_ref::<NegotiationError>());
    if matches!(negotiation, Some(NegotiationError::Failed)) {
        return SendError::Unsupported;
    }
    match error.kind() {
        // yamux says `WriteZero` for a stream that was reset under the writer. An end in the middle of the
        // negotiation (`UnexpectedEof`) is a reset too: whoever serves or refuses a protocol says so first.
        io::ErrorKind::WriteZero
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected => SendError::Reset,
        kind => SendError::Stream(kind),
    }
}

/// A duration in whole milliseconds, for messages to people.
pub(super) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hearth_types::OperatorIndex;
    use libp2p::StreamProtocol;
    use tokio::io::{DuplexStream, duplex};
    use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

    use super::*;
    use crate::{
        allowance::Allowance,
        config::{Limits, Timing},
        event::{Events, Mailbox},
        pipe::Common,
    };

    const NOTE: Protocol = Protocol { id: "/test/note/1", max_frame_bytes: 1 << 20, pattern: Pattern::OneWay };
    const ASK: Protocol = Protocol { pattern: Pattern::RequestResponse, ..NOTE };
    const ROOM: usize = 4096;

    #[tokio::test(start_paused = true)]
    async fn a_responder_waits_five_seconds_for_a_message() {
        for (name, written) in [("nothing", &b""[..]), ("half a message", &[4, 1, 2])] {
            let (peer, mut events) = counterpart();
            let (mut far, near) = streams();
            far.write_all(written).await.unwrap();
            let started = Instant::now();
            respond(near, NOTE, peer.clone(), peer.allowance.message().unwrap()).await;
            assert_eq!(started.elapsed(), Duration::from_secs(5), "{name}");
            assert_eq!(cut(&mut events).await, ReceiveError::TimedOut { budget_ms: 5000 }, "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_unanswered_for_five_seconds_is_closed_without_an_answer() {
        let (peer, mut events) = counterpart();
        let (mut far, near) = streams();
        far.write_all(&[1, 9]).await.unwrap();
        let started = Instant::now();
        let responding = tokio::spawn(respond(near, ASK, peer.clone(), peer.allowance.message().unwrap()));
        let Some(Event::Request { bytes, reply, .. }) = events.recv().await else { panic!("no request") };
        assert_eq!(bytes, [9]);
        assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(started.elapsed(), Duration::from_secs(5));
        responding.await.unwrap();
        assert_eq!(cut(&mut events).await, ReceiveError::Unanswered { budget_ms: 5000 });
        reply.send(vec![1]); // Too late, and no harm.
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_ends_with_the_initiators_deadline() {
        let (peer, mut events) = counterpart();
        let (mut far, near) = streams();
        far.write_all(&[0]).await.unwrap();
        let started = Instant::now();
        let responding = tokio::spawn(respond(near, ASK, peer.clone(), peer.allowance.message().unwrap()));
        let Some(Event::Request { reply, .. }) = events.recv().await else { panic!("no request") };
        reply.send(vec![0; 2 * ROOM]);
        responding.await.unwrap();
        assert_eq!(started.elapsed(), Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn an_initiator_waits_seven_seconds_for_either_pattern() {
        for (protocol, message) in [(NOTE, vec![1]), (ASK, vec![1]), (NOTE, vec![1; 2 * ROOM])] {
            let (peer, _events) = counterpart();
            let (_far, near) = streams();
            let started = Instant::now();
            let budget = peer.common.timing.initiator;
            let outcome = initiate(near, protocol, &message, peer.allowance.memory(), budget).await;
            assert_eq!(outcome, Err(SendError::TimedOut { budget_ms: 7000 }));
            assert_eq!(started.elapsed(), Duration::from_secs(7));
        }
    }

    #[tokio::test]
    async fn an_initiator_half_closes_and_names_what_is_wrong_with_an_answer() {
        for (name, answer, expected) in [
            ("an answer", &[1, 7][..], Ok(vec![7])),
            ("an empty answer", &[0], Ok(vec![])),
            ("none", &[], Err(SendError::NoAnswer)),
            (
                "half of one",
                &[2, 7],
                Err(SendError::BadAnswer(FrameError::Truncated { received: 1, announced: 2 })),
            ),
        ] {
            let (peer, _events) = counterpart();
            let (mut far, near) = streams();
            let answering = async {
                let mut question = Vec::new();
                far.read_to_end(&mut question).await.unwrap(); // Ends only because the other side half-closes.
                far.write_all(answer).await.unwrap();
                far.close().await.unwrap();
                question
            };
            let asking = initiate(near, ASK, &[5], peer.allowance.memory(), peer.common.timing.initiator);
            let (question, outcome) = tokio::join!(answering, asking);
            assert_eq!((question, outcome), (vec![1, 5], expected), "{name}");
        }
    }

    fn streams() -> (Compat<DuplexStream>, Compat<DuplexStream>) {
        let (far, near) = duplex(ROOM);
        (far.compat(), near.compat())
    }

    fn counterpart() -> (Counterpart, Events) {
        let (mailbox, events) = Mailbox::new();
        let named = |protocol: Protocol| (protocol, StreamProtocol::new(protocol.id));
        let common = Common { protocols: vec![named(NOTE)], timing: Timing::default(), mailbox };
        let allowance = Allowance::new(&Limits::default(), NOTE.max_frame_bytes);
        (Counterpart { operator: OperatorIndex::new(1).unwrap(), allowance, common: Arc::new(common) }, events)
    }

    async fn cut(events: &mut Events) -> ReceiveError {
        match events.recv().await {
            Some(Event::ReceiveFailed { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }
}
