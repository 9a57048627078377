//! Invitations, and what nodes say to each other before there is a cluster.

use std::sync::LazyLock;

use data_encoding::BASE64URL_NOPAD;
use hearth_crypto::k1::NodeKey;
use hearth_gathering::{Answer, Invite, LINK, Report, Table};

use crate::assert_is_a_line;

/// Who signs what is found.
static SIGNATORY: LazyLock<NodeKey> =
    LazyLock::new(|| NodeKey::from_bytes(&[0x45; 32]).expect("a number below the order of the curve"));

/// Reads the bytes as a link, as what a link holds, and as each message. What is read is written again as it was.
pub fn gathering(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        check_link(text);
    }
    check_link(&format!("{LINK}{}", BASE64URL_NOPAD.encode(input)));
    if let Some(report) = Report::decode(input) {
        assert_eq!(Report::decode(&report.encode()), Some(report));
    }
    if let Some(answer) = Answer::decode(input) {
        assert_eq!(Answer::decode(&answer.encode()), Some(answer));
    }
    // A file of our own may be damaged as well.
    let _kept: Result<Table, _> = minicbor::decode(input);
}

fn check_link(link: &str) {
    match Invite::read(link) {
        Ok(invite) => {
            let again = Invite::read(&invite.link(&SIGNATORY));
            // Signed by another, it is no invitation of its organiser.
            let ours = invite.organiser() == Some(SIGNATORY.public());
            assert!(if ours { again == Ok(invite) } else { again.is_err() });
        }
        Err(error) => assert_is_a_line(&error),
    }
}
