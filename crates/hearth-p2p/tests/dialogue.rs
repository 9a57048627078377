//! Dialogues: one stream, question after question.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use hearth_p2p::{Event, Events, Host, HostConfig, Pattern, Protocol, SendError};

use support::{config, connected, operator, peer, started};

const TALK: Protocol = Protocol { id: "/test/talk/1/", max_frame_bytes: 1 << 10, pattern: Pattern::Dialogue };

fn talking(position: u8, others: Vec<hearth_p2p::PeerConfig>) -> HostConfig {
    HostConfig { protocols: vec![TALK], ..config(position, others) }
}

/// Operators 0 and 1, connected.
async fn pair() -> [(Host, Events); 2] {
    let mut zero = started(talking(0, vec![peer(1, &[])])).await;
    let mut one = started(talking(1, vec![peer(0, &zero.0.listen_addresses())])).await;
    connected(&mut zero.1, &[1]).await;
    connected(&mut one.1, &[0]).await;
    [zero, one]
}

/// Answers every question with itself and one byte more, but those that begin with `silent_on`.
fn answering(mut events: Events, silent_on: u8) -> tokio::task::JoinHandle<usize> {
    tokio::spawn(async move {
        let mut heard = 0;
        while let Some(event) = events.recv().await {
            if let Event::Request { bytes, reply, .. } = event {
                heard += 1;
                if bytes[0] != silent_on {
                    reply.send([bytes, vec![9]].concat());
                }
            }
        }
        heard
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_question_is_answered_in_its_turn_in_both_directions_at_once() {
    let [zero, one] = pair().await;
    let (first, second) = (zero.0.clone(), one.0.clone());
    let (_answers_zero, _answers_one) = (answering(zero.1, 0), answering(one.1, 0));
    let asking = |host: Host, to: u8| async move {
        let mut talk = host.open(operator(to), TALK.id).unwrap();
        for number in 1..=200_u8 {
            assert_eq!(talk.ask(vec![number]).await, Ok(vec![number, 9]), "{number}");
        }
    };
    tokio::join!(asking(first, 1), asking(second, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_without_an_answer_ends_the_dialogue_and_another_can_be_opened() {
    let [zero, one] = pair().await;
    let _answers = answering(one.1, 7);
    let mut talk = zero.0.open(operator(1), TALK.id).unwrap();
    assert_eq!(talk.ask(vec![1]).await, Ok(vec![1, 9]));
    assert_eq!(talk.ask(vec![7]).await, Err(SendError::NoAnswer));
    assert_eq!(talk.ask(vec![1]).await, Err(SendError::NotConnected), "this one is over");
    let mut again = zero.0.open(operator(1), TALK.id).unwrap();
    assert_eq!(again.ask(vec![2]).await, Ok(vec![2, 9]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_a_question_is_refused_before_it_is_asked() {
    let [zero, one] = pair().await;
    let answers = answering(one.1, 0);
    let mut talk = zero.0.open(operator(1), TALK.id).unwrap();
    let limit = TALK.max_frame_bytes;
    for length in [0, limit + 1] {
        assert_eq!(talk.ask(vec![1; length]).await, Err(SendError::TooLong { length, limit }));
    }
    assert!(talk.ask(vec![1; limit - 1]).await.is_ok());
    let unknown = SendError::UnknownProtocol { protocol: "/test/other", pattern: Pattern::Dialogue };
    assert_eq!(zero.0.open(operator(1), "/test/other").map(|_| ()), Err(unknown));
    assert_eq!(zero.0.open(operator(9), TALK.id).map(|_| ()), Err(SendError::UnknownPeer));
    drop(talk);
    one.0.shutdown().await;
    assert_eq!(answers.await.unwrap(), 1, "only what could be asked was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dialogue_with_a_peer_that_goes_is_over_and_none_can_be_had_without_a_connection() {
    let [zero, one] = pair().await;
    let mut events = zero.1;
    let _answers = answering(one.1, 0);
    let mut talk = zero.0.open(operator(1), TALK.id).unwrap();
    assert_eq!(talk.ask(vec![1]).await, Ok(vec![1, 9]));
    one.0.shutdown().await;
    support::until(&mut events, |event| matches!(event, Event::Disconnected { .. }).then_some(())).await;
    assert!(talk.ask(vec![1]).await.is_err());
    let mut again = zero.0.open(operator(1), TALK.id).unwrap();
    assert!(again.ask(vec![1]).await.is_err());
}
