//! A host against peers that break the rules, or keep them in ways of their own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy counts only functions marked #[test] as tests"
)]

mod support;

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use hearth_p2p::{Event, FrameError, Limits, ReceiveError, SendError, peer_id_of};
use support::{
    raw::{Raw, framed, named},
    *,
};
use tokio::time::timeout;

#[tokio::test]
async fn a_peer_that_writes_everything_before_it_reads_is_heard() {
    let (host, mut events) = started(config(0, vec![peer(1, &[])])).await;
    let go = Raw::dial(&keypair(1), &host.listen_addresses()[0]).await;
    assert_eq!(go.remote.to_base58(), host.peer_id());

    let mut one_way = go.open_with(NOTE.id, &framed(b"lazy")).await.unwrap();
    one_way.close().await.unwrap();
    drop(one_way); // Nothing was ever read: neither the name's echo nor the end.
    assert_eq!(message(&mut events).await, (operator(1), b"lazy".to_vec()));

    let mut request =
        go.open_with(ASK.id, &[&framed(b"lazy too")[..], b"trailing bytes"].concat()).await.unwrap();
    request.close().await.unwrap();
    until(&mut events, |event| match event {
        Event::Request { bytes, reply, .. } => {
            assert_eq!(bytes, b"lazy too");
            reply.send(b"answer".to_vec());
            Some(())
        }
        _ => None,
    })
    .await;
    let mut received = Vec::new();
    timeout(PATIENCE, request.read_to_end(&mut received)).await.unwrap().unwrap();
    assert_eq!(received, [named(ASK.id), framed(b"answer")].concat());
}

#[tokio::test]
async fn a_stranger_is_refused_before_any_protocol_is_negotiated() {
    let (host, mut events) = started(config(0, vec![peer(1, &[])])).await;
    let mut stranger = Raw::dial(&keypair(7), &host.listen_addresses()[0]).await;

    let refused = until(&mut events, |event| match event {
        Event::Refused { peer_id, .. } => Some(peer_id),
        _ => None,
    })
    .await;
    assert_eq!(refused, peer_id_of(&public_key(7)));
    // The operator's side neither opens a stream nor answers one.
    if let Some(mut stream) = stranger.open_with(NOTE.id, &framed(b"psst")).await {
        let mut heard = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut heard)).await.unwrap();
        assert_eq!(heard, b"");
    }
    assert!(timeout(PATIENCE, stranger.inbound.recv()).await.unwrap().is_none());
}

#[tokio::test]
async fn broken_frames_are_cut_and_named() {
    let (host, mut events) = started(config(0, vec![peer(1, &[])])).await;
    let hostile = Raw::dial(&keypair(1), &host.listen_addresses()[0]).await;
    let announced = |length: u64| {
        let mut buffer = unsigned_varint::encode::u64_buffer();
        unsigned_varint::encode::u64(length, &mut buffer).to_vec()
    };
    let limit = NOTE.max_frame_bytes;
    let too_long = |announced| FrameError::TooLong { announced, limit };
    for (name, bytes, error) in [
        ("2^63 - 1", announced((1 << 63) - 1), too_long((1 << 63) - 1)),
        ("one more than allowed", announced(limit as u64 + 1), too_long(limit as u64 + 1)),
        ("truncated", framed(&[1; 100])[..50].to_vec(), FrameError::Truncated { received: 49, announced: 100 }),
        (
            "announced and never sent",
            announced(limit as u64),
            FrameError::Truncated { received: 0, announced: limit },
        ),
        ("nothing", vec![], FrameError::Missing),
        ("no varint", vec![0xff; 20], FrameError::Length),
    ] {
        let mut stream = hostile.open_with(NOTE.id, &bytes).await.unwrap();
        stream.close().await.unwrap();
        let reason = until(&mut events, |event| match event {
            Event::ReceiveFailed { from, protocol, reason } => {
                assert_eq!((from, protocol), (operator(1), NOTE.id));
                Some(reason)
            }
            Event::Message { .. } => panic!("{name}: delivered"),
            _ => None,
        })
        .await;
        assert_eq!(reason, ReceiveError::Frame(error), "{name}");
    }
    // A length of zero is the shortest message, not a broken one.
    let _empty = hostile.open_with(NOTE.id, &[0]).await.unwrap();
    assert_eq!(message(&mut events).await, (operator(1), vec![]));
}

#[tokio::test]
async fn a_stream_that_drips_is_cut_at_its_deadline() {
    let mut config = config(0, vec![peer(1, &[])]);
    config.timing.responder = Duration::from_millis(300);
    let (host, mut events) = started(config).await;
    let slow = Raw::dial(&keypair(1), &host.listen_addresses()[0]).await;
    let mut stream = slow.open_with(NOTE.id, &framed(&vec![1; NOTE.max_frame_bytes])[..10]).await.unwrap();
    let dripping = async {
        loop {
            if stream.write_all(&[1]).await.is_err() || stream.flush().await.is_err() {
                return; // Reset under the writer.
            }
            tokio::task::yield_now().await;
        }
    };
    let reported = until(&mut events, |event| match event {
        Event::ReceiveFailed { reason, .. } => Some(reason),
        _ => None,
    });
    let ((), reason) = timeout(PATIENCE, async { tokio::join!(dripping, reported) }).await.unwrap();
    assert_eq!(reason, ReceiveError::TimedOut { budget_ms: 300 });
}

#[tokio::test]
async fn ten_thousand_junk_streams_are_capped_and_honest_messages_get_through() {
    let mut victim = config(0, vec![peer(1, &[]), peer(2, &[])]);
    victim.timing.responder = Duration::from_millis(500);
    victim.limits.inbound_per_peer = 32;
    let (host, mut events) = started(victim).await;
    let address = host.listen_addresses();
    let (honest, mut honest_events) = started(config(2, vec![peer(0, &address)])).await;
    connected(&mut honest_events, &[0]).await;

    let mut hostile = Raw::dial(&keypair(1), &address[0]).await;
    let flood = async {
        // Kept open until all have been sent, as far as the host lets them.
        let (mut held, mut welcome) = (Vec::new(), true);
        for number in 0..10_000 {
            if welcome {
                match hostile.open_with(NOTE.id, &[200]).await {
                    Some(stream) => held.push(stream),
                    // On a busy machine the host may lose patience with such a peer: that caps it, too.
                    None => welcome = false,
                }
            }
            held.truncate(4000);
            if number % 1000 == 0 {
                honest.send(operator(0), NOTE.id, format!("honest {number}"));
            }
        }
    };
    let received = async {
        let (mut messages, mut capped) = (0, 0);
        until(&mut events, |event| {
            match event {
                Event::Message { from, .. } => {
                    assert_eq!(from, operator(2));
                    messages += 1;
                }
                Event::ReceiveFailed { from, reason, .. } => {
                    assert_eq!(from, operator(1));
                    capped += usize::from(reason == ReceiveError::TooManyStreams);
                }
                _ => {}
            }
            (messages == 10 && capped > 0).then_some(())
        })
        .await;
    };
    timeout(PATIENCE, async { tokio::join!(flood, received) }).await.unwrap();

    // The flooder itself is heard again once its junk has met its deadline.
    let speak = async {
        loop {
            match hostile.open_with(NOTE.id, &framed(b"sorry")).await {
                Some(mut stream) => {
                    let _ = stream.close().await;
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                }
                // The host lost patience with it, as above.
                None => hostile = Raw::dial(&keypair(1), &address[0]).await,
            }
        }
    };
    let heard = until(&mut events, |event| match event {
        Event::Message { from, bytes, .. } if from == operator(1) => Some(bytes),
        _ => None,
    });
    tokio::select! {
        () = speak => unreachable!(),
        bytes = heard => assert_eq!(bytes, b"sorry"),
    }
}

#[tokio::test]
async fn one_peer_cannot_make_the_host_hold_more_bytes_than_its_allowance() {
    let mut victim = config(0, vec![peer(1, &[])]);
    victim.protocols = vec![RARE];
    victim.limits = Limits { inbound_bytes_per_peer: 0, ..victim.limits }; // Two frames of one KiB.
    let (host, mut events) = started(victim).await;
    let hostile = Raw::dial(&keypair(1), &host.listen_addresses()[0]).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(hostile.open_with(RARE.id, &framed(&[1; 1024])[..1000]).await.unwrap());
    }
    let reason = until(&mut events, |event| match event {
        Event::ReceiveFailed { reason, .. } => Some(reason),
        _ => None,
    })
    .await;
    assert_eq!(reason, ReceiveError::Frame(FrameError::NoMemory));
}

#[tokio::test]
async fn a_peer_that_never_reads_loses_its_messages_and_blocks_nobody() {
    let mut sender = config(0, vec![peer(1, &[]), peer(2, &[])]);
    sender.timing.initiator = Duration::from_millis(500);
    sender.limits.outbound_streams = 4;
    sender.limits.outbound_queue = 8;
    let (host, mut events) = started(sender).await;
    let address = host.listen_addresses();
    let mut deaf = Raw::dial(&keypair(1), &address[0]).await;
    let (_other, mut other_events) = started(config(2, vec![peer(0, &address)])).await;
    connected(&mut events, &[2]).await;
    deaf.inbound.recv().await.expect("the host has noticed the connection");

    let large = hearth_p2p::Bytes::from(vec![0; 1 << 20]);
    for _ in 0..100 {
        host.send(operator(1), NOTE.id, large.clone());
    }
    host.send(operator(2), NOTE.id, "not delayed");
    assert_eq!(message(&mut other_events).await.1, b"not delayed");

    let (mut displaced, mut timed_out) = (0, 0);
    until(&mut events, |event| {
        if let Event::SendFailed { to, reason, .. } = event {
            assert_eq!(to, operator(1));
            match reason {
                SendError::Displaced => displaced += 1,
                SendError::TimedOut { .. } => timed_out += 1,
                other => panic!("{other}"),
            }
        }
        (displaced + timed_out == 100).then_some(())
    })
    .await;
    assert_eq!((displaced, timed_out), (88, 12), "four under way, eight waiting, the rest displaced");
}

#[tokio::test]
async fn a_message_whose_stream_is_reset_is_sent_once_more() {
    let (host, mut events) = started(config(0, vec![peer(1, &[])])).await;
    let mut flaky = Raw::dial(&keypair(1), &host.listen_addresses()[0]).await;
    flaky.inbound.recv().await.expect("the host has noticed the connection");

    host.send(operator(1), NOTE.id, "again");
    drop(flaky.offered(NOTE.id).await);
    let mut stream = flaky.accept(NOTE.id).await;
    let mut received = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut received)).await.unwrap().unwrap();
    assert_eq!(received, framed(b"again"));
    drop(stream);

    host.send(operator(1), NOTE.id, "hopeless");
    for _ in 0..2 {
        drop(flaky.offered(NOTE.id).await);
    }
    let reason = until(&mut events, |event| match event {
        Event::SendFailed { reason, .. } => Some(reason),
        _ => None,
    })
    .await;
    assert_eq!(reason, SendError::Reset);
}

#[tokio::test]
async fn of_two_connections_the_newest_is_used_and_the_other_takes_over() {
    let (host, _events) = started(config(0, vec![peer(1, &[])])).await;
    let address = host.listen_addresses();
    let mut older = Raw::dial(&keypair(1), &address[0]).await;
    older.inbound.recv().await.expect("the host has noticed the first connection");
    let mut newer = Raw::dial(&keypair(1), &address[0]).await;
    newer.inbound.recv().await.expect("the host has noticed the second connection");

    host.send(operator(1), NOTE.id, "one");
    drop(timeout(PATIENCE, newer.accept(NOTE.id)).await.expect("on the newest"));
    drop(newer);
    let speak = async {
        // What meets the lost connection before the host has noticed its loss is tried again or lost.
        loop {
            host.send(operator(1), NOTE.id, "two");
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = speak => unreachable!(),
        stream = timeout(PATIENCE, older.accept(NOTE.id)) => drop(stream.expect("on the remaining one")),
    }
}

#[tokio::test]
async fn a_peer_that_stops_answering_pings_is_disconnected() {
    let mut config = config(0, vec![peer(1, &[])]);
    config.timing.ping_timeout = Duration::from_millis(100);
    let (host, mut events) = started(config).await;
    let mut silent = Raw::dial(&keypair(1), &host.listen_addresses()[0]).await;
    until(&mut events, |event| matches!(event, Event::PingFailed { .. }).then_some(())).await;
    timeout(PATIENCE, silent.closed()).await.unwrap();
}

#[tokio::test]
async fn a_peer_that_has_tls_and_no_noise_is_an_operator_or_a_stranger_all_the_same() {
    let (host, mut events) = started(config(0, vec![peer(1, &[])])).await;
    let address = host.listen_addresses().remove(0);
    let known = raw::Raw::dial_with_tls(&keypair(1), &address).await;
    let message_of = |bytes: &[u8]| [&[u8::try_from(bytes.len()).unwrap()], bytes].concat();
    let _stream = known.open_with(NOTE.id, &message_of(b"by TLS")).await.expect("an operator is let in");
    assert_eq!(message(&mut events).await, (operator(1), b"by TLS".to_vec()));
    let mut stranger = raw::Raw::dial_with_tls(&keypair(7), &address).await;
    stranger.closed().await;
}
