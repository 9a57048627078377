//! Vectors of our own: a change of any byte that we write is seen. `UPDATE=1` writes them anew.

use hearth_obol::ceremony::broadcast::{Content, Session, Topic, encode_message, encode_request};
use hearth_obol::ceremony::frost::{encode_casts, encode_shares};
use hearth_obol::ceremony::sync::{Moment, Report, sign_definition};
use hearth_obol::ceremony::{Release, signatures};
use serde_json::{Value, json};

use crate::{node_key, operator, round, terms};

#[test]
fn what_we_write_is_what_we_always_wrote() {
    let sender = round(0);
    let casts = encode_casts(&terms(0), sender.casts());
    let content = Content::new(Topic::RoundOne, casts.clone());
    let digests = [Release::V1_10, Release::V1_11].map(|release| {
        let session = Session { release, definition: [9; 32] };
        hex::encode(session.digest(&content))
    });
    let signatures = [1, 2, 3, 4].map(|seed| node_key(seed).sign(&[5; 32]));
    let report = Report {
        sent_at: Moment { seconds: 1_800_000_000, nanos: 5_000_000 },
        hash_signature: sign_definition(&node_key(1), &[9; 32]),
        shutdown: false,
        version: Release::default().version().into(),
        step: 3,
        nickname: "Maya".into(),
    };
    let vector = json!({
        "provenance": "made by this project; every secret is a public test value",
        "casts": hex::encode(&casts),
        "shares_for_operator_2": hex::encode(&*encode_shares(&terms(0), operator(1).share(), sender.shares_for(operator(1)))),
        "digests_v1_v2": digests,
        "request": hex::encode(encode_request(&content)),
        "message": hex::encode(encode_message(&content, &signatures)),
        "report": hex::encode(report.encode()),
        "node_signature": hex::encode(signatures::encode_node_signature(operator(3), &signatures[3])),
    });
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/ceremony.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, serde_json::to_string_pretty(&vector).unwrap() + "\n").unwrap();
    }
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(vector, kept);
}
