//! What operators send each other in a key ceremony: each kind of message, as any of them could send it.

use hearth_dkg::frost::Terms;
use hearth_obol::ceremony::broadcast;
use hearth_obol::ceremony::frost::{decode_casts, decode_claims, decode_shares};
use hearth_obol::ceremony::pedersen::{PEDERSEN_PROTOCOLS, decode_bundle, decode_node_key, longest};
use hearth_obol::ceremony::signatures::{decode_node_signature, decode_partials};
use hearth_obol::ceremony::sync::{Report, decode_answer};
use hearth_types::{OperatorIndex, Root, Threshold};

use crate::assert_is_a_line;

/// Reads the bytes as each of the messages. What is read is bounded, and what is refused is refused in one line.
pub fn ceremony(input: &[u8]) {
    let (Some(me), Some(from)) = (OperatorIndex::new(0), OperatorIndex::new(1)) else { return };
    let Ok(threshold) = Threshold::new(3, 4) else { return };
    let terms = Terms { me, operators: 4, threshold, validators: 2 };
    let share = from.share();
    refused(decode_casts(input, share, &terms).map(|casts| assert_eq!(casts.len(), 2)));
    refused(decode_claims(input, share, &terms).map(|claims| assert_eq!(claims.len(), 2)));
    refused(decode_shares(input, share, &terms).map(|shares| assert_eq!(shares.len(), 2)));
    refused(decode_node_signature(input, from));
    refused(decode_partials(input, share, 2, &[]));
    refused(decode_answer(input));
    refused(broadcast::decode_request(input, input.len()));
    if let Ok(report) = Report::decode(input) {
        let again = Report::decode(&report.encode());
        assert!(again.is_ok_and(|again| again == report), "a report is read otherwise than it was written");
    }
    for protocol in PEDERSEN_PROTOCOLS {
        refused(decode_bundle(protocol, input, from, longest(4)));
    }
    refused(decode_node_key(input, &Root::new([0; 32]), longest(4)));
}

fn refused<T, E: std::fmt::Display>(read: Result<T, E>) {
    if let Err(error) = read {
        assert_is_a_line(&error);
    }
}
