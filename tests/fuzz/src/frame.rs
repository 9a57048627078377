//! How messages lie on a stream.

use futures::executor::block_on;
use hearth_p2p::{FrameError, Framing, read_frame};

use crate::assert_is_a_line;

/// Longest message, as in a protocol with short ones.
const LIMIT: usize = 1 << 10;

/// What is read is what stands behind its length, whatever follows; and it is read again from what it says of itself.
pub fn frame(input: &[u8]) {
    for framing in [Framing::Single, Framing::Dialogue] {
        match block_on(read_frame(input, framing, LIMIT)) {
            Ok(message) => {
                let head = head(framing, message.len());
                assert!(message.len() <= LIMIT && !(framing == Framing::Dialogue && message.is_empty()));
                assert!(input.starts_with(&[head.as_slice(), &message].concat()));
            }
            Err(error) => {
                assert!(error != FrameError::NoMemory, "twice what arrived is always enough");
                assert_is_a_line(&error);
            }
        }
    }
    // Whatever is no longer than allowed comes through.
    let message = input.get(..LIMIT).unwrap_or(input);
    for framing in [Framing::Single, Framing::Dialogue] {
        let written = [head(framing, message.len()).as_slice(), message].concat();
        let expected = match (framing, message) {
            (Framing::Dialogue, []) => Err(FrameError::Length),
            (_, message) => Ok(message.to_vec()),
        };
        assert_eq!(block_on(read_frame(&written, framing, LIMIT)), expected);
    }
}

/// The length in front of a message: LEB128 in its shortest form, or eight bytes.
fn head(framing: Framing, length: usize) -> Vec<u8> {
    let mut rest = u64::try_from(length).expect("a length");
    if framing == Framing::Dialogue {
        return rest.to_le_bytes().to_vec();
    }
    let mut head = Vec::new();
    loop {
        let low = u8::try_from(rest & 0x7f).expect("seven bits");
        rest >>= 7;
        if rest == 0 {
            head.push(low);
            return head;
        }
        head.push(low | 0x80);
    }
}
