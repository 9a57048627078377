//! Hosts among themselves, over real sockets on loopback.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy counts only functions marked #[test] as tests"
)]

mod support;

use std::{collections::BTreeSet, time::Duration};

use hearth_p2p::{Event, HostConfig, SendError, peer_id_of};
use support::*;
use tokio::time::timeout;

#[tokio::test]
async fn two_hosts_exchange_one_way_messages_and_requests() {
    let [(zero, mut zero_events), (one, mut one_events)] = pair().await;

    zero.send(operator(1), NOTE.id, b"from zero".to_vec());
    assert_eq!(message(&mut one_events).await, (operator(0), b"from zero".to_vec()));
    one.send(operator(0), NOTE.id, Vec::new());
    assert_eq!(message(&mut zero_events).await, (operator(1), Vec::new()));

    let answering = tokio::spawn(async move {
        until(&mut one_events, |event| match event {
            Event::Request { from, bytes, reply, .. } => {
                assert_eq!(from, operator(0));
                reply.send([b"re: ", &bytes[..]].concat());
                Some(())
            }
            _ => None,
        })
        .await;
        one_events
    });
    assert_eq!(zero.request(operator(1), ASK.id, b"question".to_vec()).await, Ok(b"re: question".to_vec()));
    answering.await.unwrap();

    assert!(zero.links()[&operator(1)].address.is_some());
    assert_eq!(zero.peer_id(), peer_id_of(&public_key(0)));
}

#[tokio::test]
async fn four_hosts_form_a_full_mesh() {
    let addresses: Vec<_> = (0..4).map(|_| free_address()).collect();
    let mut hosts = Vec::new();
    for own in 0..4u8 {
        let others = (0..4).filter(|other| *other != own);
        let peers = others.map(|other| peer(other, &[addresses[usize::from(other)].clone()])).collect();
        let mut config = config(own, peers);
        config.listen = vec![addresses[usize::from(own)].clone()];
        hosts.push(started(config).await);
    }
    for (own, (_, events)) in (0u8..).zip(&mut hosts) {
        let others: Vec<_> = (0..4).filter(|other| *other != own).collect();
        connected(events, &others).await;
    }
    for (own, (host, _)) in (0u8..).zip(&hosts) {
        for other in (0..4).filter(|other| *other != own) {
            host.send(operator(other), NOTE.id, vec![own, other]);
        }
    }
    for (own, (_, events)) in (0u8..).zip(&mut hosts) {
        let mut received = BTreeSet::new();
        while received.len() < 3 {
            let (from, bytes) = message(events).await;
            assert_eq!(bytes, [u8::from(from), own]);
            assert!(received.insert(from));
        }
    }
}

#[tokio::test]
async fn hosts_that_dial_each_other_at_once_settle() {
    let (at_zero, at_one) = (free_address(), free_address());
    let (mut first, mut second) = (
        config(0, vec![peer(1, std::slice::from_ref(&at_one))]),
        config(1, vec![peer(0, std::slice::from_ref(&at_zero))]),
    );
    (first.listen, second.listen) = (vec![at_zero], vec![at_one]);
    let ((zero, mut zero_events), (one, mut one_events)) = tokio::join!(started(first), started(second));
    tokio::join!(connected(&mut zero_events, &[1]), connected(&mut one_events, &[0]));
    for round in 0..50u8 {
        zero.send(operator(1), NOTE.id, vec![round]);
        one.send(operator(0), NOTE.id, vec![round]);
        assert_eq!(message(&mut one_events).await.1, [round]);
        assert_eq!(message(&mut zero_events).await.1, [round]);
    }
}

#[tokio::test]
async fn a_message_as_long_as_allowed_arrives_and_a_longer_one_is_not_sent() {
    let [(zero, mut zero_events), (_one, mut one_events)] = pair().await;
    let longest: Vec<u8> = (0..NOTE.max_frame_bytes).map(|at| (at % 251) as u8).collect();
    zero.send(operator(1), NOTE.id, longest.clone());
    assert!(message(&mut one_events).await.1 == longest);

    zero.send(operator(1), NOTE.id, vec![0; NOTE.max_frame_bytes + 1]);
    let error = SendError::TooLong { length: NOTE.max_frame_bytes + 1, limit: NOTE.max_frame_bytes };
    assert_eq!(send_failure(&mut zero_events).await, error);
}

#[tokio::test]
async fn a_peer_that_stops_and_returns_is_reconnected() {
    let at_one = free_address();
    let home = |address: &String| {
        let mut config = config(1, vec![peer(0, &[])]);
        config.listen = vec![address.clone()];
        config
    };
    let (zero, mut zero_events) = started(config(0, vec![peer(1, std::slice::from_ref(&at_one))])).await;
    for round in 0..3u8 {
        let (one, mut one_events) = started(home(&at_one)).await;
        connected(&mut zero_events, &[1]).await;
        zero.send(operator(1), NOTE.id, vec![round]);
        assert_eq!(message(&mut one_events).await, (operator(0), vec![round]));
        one.shutdown().await;
        until(&mut zero_events, |event| matches!(event, Event::Disconnected { .. }).then_some(())).await;
        assert_eq!(zero.links()[&operator(1)], hearth_p2p::Link::default());
    }
}

#[tokio::test]
async fn a_message_for_a_dead_peer_fails_with_a_report_and_the_living_get_theirs() {
    let nobody = free_address();
    let (one, mut one_events) = started(config(1, vec![peer(0, &[])])).await;
    let peers = vec![peer(1, &one.listen_addresses()), peer(2, &[nobody]), peer(3, &[])];
    let (zero, mut zero_events) = started(config(0, peers)).await;
    connected(&mut zero_events, &[1]).await;

    for dead in [2, 3] {
        zero.send(operator(dead), NOTE.id, b"anybody?".to_vec());
    }
    zero.send(operator(1), NOTE.id, b"hello".to_vec());
    assert_eq!(message(&mut one_events).await.1, b"hello");

    let mut failed = BTreeSet::new();
    until(&mut zero_events, |event| {
        if let Event::SendFailed { to, reason, .. } = event {
            assert_eq!(reason, SendError::NotConnected);
            failed.insert(to);
        }
        (failed.len() == 2).then_some(())
    })
    .await;
    assert_eq!(failed, [operator(2), operator(3)].into());
    let refused = zero.request(operator(2), ASK.id, Vec::new()).await;
    assert_eq!(refused, Err(SendError::NotConnected));
    until(&mut zero_events, |event| match event {
        Event::DialFailed { operator: dead, .. } => {
            assert_eq!(dead, operator(2));
            Some(())
        }
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn an_address_where_somebody_else_answers_is_no_connection() {
    let (one, _one_events) = started(config(1, vec![peer(0, &[])])).await;
    let (_zero, mut zero_events) = started(config(0, vec![peer(2, &one.listen_addresses())])).await;
    let reason = until(&mut zero_events, |event| match event {
        Event::DialFailed { operator: absent, reason, .. } => {
            assert_eq!(absent, operator(2));
            Some(reason)
        }
        Event::Connected { .. } => panic!("connected to the wrong peer"),
        _ => None,
    })
    .await;
    assert!(reason.contains(&one.peer_id()), "{reason}");
}

#[tokio::test]
async fn a_message_handed_over_while_the_peer_is_being_dialled_waits_for_the_connection() {
    let (one, mut one_events) = started(config(1, vec![peer(0, &[])])).await;
    let (zero, _zero_events) = started(config(0, vec![peer(1, &one.listen_addresses())])).await;
    // The dial is the first thing the host does, and the message comes right behind.
    let sending = async {
        loop {
            zero.send(operator(1), NOTE.id, b"early".to_vec());
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = sending => unreachable!(),
        (from, bytes) = message(&mut one_events) => assert_eq!((from, bytes), (operator(0), b"early".to_vec())),
    }
}

#[tokio::test]
async fn requests_that_get_no_answer_say_why() {
    let mut responder = config(0, vec![peer(1, &[])]);
    responder.timing.responder = Duration::from_millis(200);
    let (zero, mut zero_events) = started(responder).await;
    let mut initiator = config(1, vec![peer(0, &zero.listen_addresses())]);
    initiator.protocols.push(RARE);
    let (one, mut one_events) = started(initiator).await;
    connected(&mut one_events, &[0]).await;

    let answering = tokio::spawn(async move {
        let mut kept = Vec::new();
        until(&mut zero_events, |event| match event {
            Event::Request { bytes, reply, .. } if bytes == b"ignore" => {
                drop(reply);
                None
            }
            Event::Request { bytes, reply, .. } if bytes == b"say too much" => {
                reply.send(vec![0; ASK.max_frame_bytes + 1]);
                None
            }
            Event::Request { reply, .. } => {
                kept.push(reply);
                None
            }
            Event::ReceiveFailed { reason, .. } => Some(reason),
            _ => None,
        })
        .await
    });
    for question in ["ignore", "say too much", "think for ever"] {
        assert_eq!(one.request(operator(0), ASK.id, question).await, Err(SendError::NoAnswer), "{question}");
    }
    assert_eq!(answering.await.unwrap().to_string(), "unanswered for 200 ms");

    assert_eq!(one.request(operator(9), ASK.id, "").await, Err(SendError::UnknownPeer));
    assert_eq!(one.request(operator(1), ASK.id, "").await, Err(SendError::UnknownPeer), "oneself");
    for (protocol, case) in [(NOTE.id, "one-way"), ("/test/unheard-of/1", "unheard of")] {
        let outcome = one.request(operator(0), protocol, "").await;
        assert!(matches!(outcome, Err(SendError::UnknownProtocol { .. })), "{case}: {outcome:?}");
    }
    one.send(operator(0), RARE.id, "not served there");
    assert_eq!(send_failure(&mut one_events).await, SendError::Unsupported);
}

#[tokio::test]
async fn a_shutdown_lets_taken_messages_leave_and_ends_the_events() {
    let [(zero, mut zero_events), (_one, mut one_events)] = pair().await;
    for number in 0..100u8 {
        zero.send(operator(1), NOTE.id, vec![number]);
    }
    timeout(PATIENCE, zero.shutdown()).await.unwrap();
    let mut received = BTreeSet::new();
    while received.len() < 100 {
        received.insert(message(&mut one_events).await.1);
    }
    timeout(PATIENCE, async { while zero_events.recv().await.is_some() {} }).await.unwrap();
    zero.send(operator(1), NOTE.id, vec![]);
    assert_eq!(zero.request(operator(1), ASK.id, vec![]).await, Err(SendError::ShuttingDown));
    until(&mut one_events, |event| matches!(event, Event::Disconnected { .. }).then_some(())).await;
}

async fn send_failure(events: &mut hearth_p2p::Events) -> SendError {
    until(events, |event| match event {
        Event::SendFailed { reason, .. } => Some(reason),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn whoever_is_known_by_an_address_of_quic_is_reached_by_quic() {
    let mut zero = started(HostConfig { quic: true, ..config(0, vec![peer(1, &[])]) }).await;
    let by_quic: Vec<String> =
        zero.0.listen_addresses().into_iter().filter(|address| address.ends_with("/quic-v1")).collect();
    assert_eq!(by_quic.len(), 1, "{:?}", zero.0.listen_addresses());
    let mut one = started(HostConfig { listen: Vec::new(), ..config(1, vec![peer(0, &by_quic)]) }).await;
    connected(&mut one.1, &[0]).await;
    connected(&mut zero.1, &[1]).await;
    let address = one.0.links()[&operator(0)].address.clone().unwrap();
    assert!(address.contains("/quic-v1"), "{address}");
    for (from, to, sender) in [(&zero.0, &mut one.1, 0), (&one.0, &mut zero.1, 1)] {
        from.send(operator(1 - sender), NOTE.id, vec![sender; 200_000]);
        assert_eq!(message(to).await, (operator(sender), vec![sender; 200_000]));
    }
}
