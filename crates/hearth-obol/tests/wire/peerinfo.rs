//! What nodes tell each other about themselves.

use hearth_obol::wire::{CLIENT, Incompatible, PeerInfo, PeerInfoRejection, announced_version};
use hearth_types::{LockHash, UnixMillis};
use proptest::prelude::*;

use crate::pb;

#[test]
fn what_is_written_reads_the_same_and_has_the_fields_of_the_protocol() {
    let info = info();
    let written = info.encode();
    let moment = |seconds, nanos| [pb::number(1, seconds), pb::number(2, nanos)].concat();
    let expected = [
        pb::bytes(1, announced_version().as_bytes()),
        pb::bytes(2, &[0x1f; 32]),
        pb::bytes(3, &moment(1_700_000_000, 250_000_000)),
        pb::bytes(4, b"0a1b2c3"),
        pb::bytes(5, &moment(1_699_999_000, 1_000_000)),
        pb::number(6, 1),
        pb::bytes(7, "Käthe".as_bytes()),
        pb::bytes(8, b"hearth"),
    ];
    assert_eq!(written, expected.concat());
    assert_eq!(PeerInfo::decode(&written), Ok(info));
}

#[test]
fn an_answer_is_read_by_the_steps_of_the_protocol() {
    let moment = |field| pb::bytes(field, &pb::number(1, 5));
    let git = |text: &str| pb::bytes(4, text.as_bytes());
    let (sent, started) = (moment(3), moment(5));
    let git_hash = Some(PeerInfoRejection::GitHash);
    for (name, fields, refused) in [
        ("the least", vec![sent.clone(), started.clone(), git("unknown")], None),
        (
            "a field of a later version",
            vec![sent.clone(), started.clone(), git("unknown"), pb::number(99, 1)],
            None,
        ),
        ("nothing", vec![], Some(PeerInfoRejection::Moment("sent_at"))),
        ("no sent_at", vec![started.clone(), git("unknown")], Some(PeerInfoRejection::Moment("sent_at"))),
        ("no started_at", vec![sent.clone(), git("unknown")], Some(PeerInfoRejection::Moment("started_at"))),
        ("no git hash", vec![sent.clone(), started.clone()], git_hash),
        ("a git hash in capitals", vec![sent.clone(), started.clone(), git("0A1B2C3")], git_hash),
        ("a git hash of six digits", vec![sent.clone(), started.clone(), git("0a1b2c")], git_hash),
        ("a git hash of eight digits", vec![sent.clone(), started.clone(), git("0a1b2c3d")], git_hash),
        (
            "before 1970",
            vec![pb::bytes(3, &pb::number(1, u64::MAX)), started.clone(), git("unknown")],
            Some(PeerInfoRejection::Moment("sent_at")),
        ),
        (
            "beyond the end of time",
            vec![pb::bytes(3, &pb::number(1, i64::MAX as u64)), started.clone(), git("unknown")],
            Some(PeerInfoRejection::Moment("sent_at")),
        ),
        (
            "negative nanoseconds",
            vec![pb::bytes(3, &pb::number(2, u64::MAX)), started.clone(), git("unknown")],
            Some(PeerInfoRejection::Moment("sent_at")),
        ),
        (
            "a second of nanoseconds",
            vec![pb::bytes(3, &pb::number(2, 1_000_000_000)), started.clone(), git("unknown")],
            Some(PeerInfoRejection::Moment("sent_at")),
        ),
        (
            "text that is no text",
            vec![sent, started, pb::bytes(7, &[0xff])],
            Some(PeerInfoRejection::Undecodable),
        ),
    ] {
        assert_eq!(PeerInfo::decode(&fields.concat()).err(), refused, "{name}");
    }
    assert_eq!(PeerInfo::decode(&vec![0; (1 << 20) + 1]), Err(PeerInfoRejection::Undecodable));
}

#[test]
fn an_unnamed_client_is_charon_and_texts_are_cut_and_cleaned() {
    let moment = |field| pb::bytes(field, &pb::number(1, 5));
    let long = format!("\u{1b}[31m\n{}", "ä".repeat(100));
    let frame = [
        pb::bytes(1, &[b'v'; 5_000]),
        pb::bytes(2, &[1; 31]),
        moment(3),
        pb::bytes(4, b"unknown"),
        moment(5),
        pb::bytes(7, long.as_bytes()),
    ];
    let read = PeerInfo::decode(&frame.concat()).unwrap();
    assert_eq!(read.client, "charon");
    assert_eq!(read.lock_hash, None);
    assert_eq!(read.version.len(), 64);
    assert_eq!(read.nickname, format!("[31m{}", "ä".repeat(28)));
    let unnamed = PeerInfo::decode(&[&frame.concat()[..], &pb::bytes(8, b"\x01\x08")].concat()).unwrap();
    assert_eq!(unnamed.client, "charon", "of its name nothing is left");
}

#[test]
fn versions_follow_the_grammar_of_the_protocol() {
    let unreadable = |text: &str| Err(Incompatible::Unreadable(text.into()));
    for (version, fits) in [
        ("v1.0", Ok(())),
        ("v1.11", Ok(())),
        ("v1.11.0-rc3", Ok(())),
        ("v1.10.3", Ok(())),
        ("v1.12.0", Ok(())),
        ("v2.0.0", Ok(())),
        ("v1.11-a-b.c", Ok(())),
        ("v0.19.2", Err(Incompatible::Unsupported("v0.19.2".into()))),
        ("", unreadable("")),
        ("1.11", unreadable("1.11")),
        ("v1", unreadable("v1")),
        ("v1.", unreadable("v1.")),
        ("v1.x", unreadable("v1.x")),
        ("v1.+1", unreadable("v1.+1")),
        ("v1.1.1.1", unreadable("v1.1.1.1")),
        ("v1.1.", unreadable("v1.1.")),
        ("v1.11-", unreadable("v1.11-")),
        ("v1.99999999999999999999", unreadable("v1.99999999999999999999")),
    ] {
        let peer = PeerInfo { version: version.into(), client: "charon".into(), ..info() };
        assert_eq!(peer.compatibility(), fits, "{version}");
        assert_eq!(
            PeerInfo { client: "other".into(), ..peer }.compatibility(),
            Ok(()),
            "{version} of another client"
        );
    }
    let charon = PeerInfo { version: announced_version(), client: "charon".into(), ..info() };
    assert_eq!(charon.compatibility(), Ok(()), "what we announce is what we would accept");
    assert!(announced_version().starts_with("v1.11.0-hearth."));
    for (told, own) in [
        (announced_version().as_str(), env!("CARGO_PKG_VERSION")),
        ("v1.6.2", "v1.6.2"),
        ("v1.6.2-rc1", "v1.6.2-rc1"),
        ("v1.6.2-hearth", "v1.6.2-hearth"),
        ("", ""),
    ] {
        assert_eq!(PeerInfo { version: told.into(), ..info() }.own_version(), own);
    }
}

#[test]
fn the_clock_offset_halves_the_round_trip_and_is_held_within_an_hour() {
    for (name, sent_at, received_at, rtt_ms, expected) in [
        ("equal clocks", 10_000, 10_050, 100, 0),
        ("peer ahead", 12_000, 10_050, 100, 2_000),
        ("peer behind", 9_000, 10_050, 100, -1_000),
        ("peer far ahead", u64::MAX, 10_000, 0, 3_600_000),
        ("peer far behind", 0, u64::MAX, 0, -3_600_000),
        ("a round trip longer than time", 5, 10, u64::MAX, 5),
    ] {
        let peer = PeerInfo { sent_at: UnixMillis::new(sent_at), ..info() };
        assert_eq!(peer.clock_offset_ms(UnixMillis::new(received_at), rtt_ms), expected, "{name}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = PeerInfo::decode(&bytes);
    }

    #[test]
    fn every_information_reads_as_it_was_written(
        nickname in "[a-z\u{e4}\u{1F525}]{0,32}",
        sent_at in 0_u64..=u64::MAX / 1_000_000,
        builder_api: bool,
        presence: Vec<u8>,
        twin: Vec<u8>,
    ) {
        let sent_at = UnixMillis::new(sent_at);
        let info = PeerInfo { nickname, sent_at, builder_api, presence, twin, ..info() };
        prop_assert_eq!(PeerInfo::decode(&info.encode()), Ok(info));
    }
}

fn info() -> PeerInfo {
    PeerInfo {
        version: announced_version(),
        client: CLIENT.into(),
        git_hash: "0a1b2c3".into(),
        lock_hash: Some(LockHash::new([0x1f; 32])),
        sent_at: UnixMillis::new(1_700_000_000_250),
        started_at: UnixMillis::new(1_699_999_000_001),
        builder_api: true,
        nickname: "Käthe".into(),
        presence: Vec::new(),
        twin: Vec::new(),
    }
}
