//! One message on a stream: its length as four bytes, big-endian, then that many bytes of JSON.
//!
//! No IO: bytes go in, messages come out. A length is a promise of the other side, not a fact. It is checked as soon
//! as it is there, and what a [`Decoder`] holds is never more than what has arrived.

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Longest message, in bytes of JSON.
pub const MAX_FRAME_BYTES: usize = 1 << 20;

/// Bytes of the length.
const PREFIX: usize = 4;

/// Why bytes are not a message, or a message cannot travel. The stream is of no further use.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum FrameError {
    /// A message of no bytes.
    #[error("an empty message")]
    Empty,
    /// More than [`MAX_FRAME_BYTES`].
    #[error("a message of {announced} bytes, {MAX_FRAME_BYTES} allowed")]
    TooLong {
        /// Bytes that it has, or is said to have.
        announced: usize,
    },
    /// The stream ended inside a message.
    #[error("the stream ended after {received} bytes of a message")]
    Truncated {
        /// Bytes that had arrived, with those of the length.
        received: usize,
    },
    /// Not JSON, or not of the expected shape.
    #[error("not a message: {0}")]
    Malformed(String),
}

/// A message as it travels.
///
/// Errors: [`FrameError::TooLong`] for a message that the other side would refuse.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; PREFIX];
    serde_json::to_writer(&mut frame, message).map_err(|error| FrameError::Malformed(error.to_string()))?;
    let announced = frame.len() - PREFIX;
    match u32::try_from(announced) {
        Ok(length) if announced <= MAX_FRAME_BYTES => {
            for (to, from) in frame.iter_mut().zip(length.to_be_bytes()) {
                *to = from;
            }
            Ok(frame)
        }
        _ => Err(FrameError::TooLong { announced }),
    }
}

/// Turns bytes, in whatever pieces they arrive, into messages.
#[derive(Debug, Default)]
pub struct Decoder {
    arrived: Vec<u8>,
}

impl Decoder {
    /// Takes what arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.arrived.extend_from_slice(bytes);
    }

    /// The next whole message; `None` until more has arrived.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let Some(prefix) = self.arrived.first_chunk::<PREFIX>() else { return Ok(None) };
        let announced = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        match announced {
            0 => return Err(FrameError::Empty),
            1..=MAX_FRAME_BYTES => {}
            _ => return Err(FrameError::TooLong { announced }),
        }
        let Some(body) = self.arrived.get(PREFIX..PREFIX + announced) else { return Ok(None) };
        let message = serde_json::from_slice(body).map_err(|error| FrameError::Malformed(error.to_string()))?;
        self.arrived.drain(..PREFIX + announced);
        Ok(Some(message))
    }

    /// The stream ended: an error if it did so inside a message.
    pub fn end(&self) -> Result<(), FrameError> {
        match self.arrived.len() {
            0 => Ok(()),
            received => Err(FrameError::Truncated { received }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn framed(body: &[u8]) -> Vec<u8> {
        [&u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
    }

    #[test]
    fn what_is_not_a_message_is_refused_by_its_kind() {
        let whole = framed(br#"{"a":1}"#);
        for (name, bytes, expected) in [
            ("nothing yet", &[][..], Ok(None)),
            ("half a length", &whole[..3], Ok(None)),
            ("half a message", &whole[..6], Ok(None)),
            ("a message", &whole, Ok(Some(serde_json::json!({"a": 1})))),
            ("zero length", &[0, 0, 0, 0], Err("an empty message")),
            ("longer than allowed", &[0, 0x10, 0, 1], Err("a message of 1048577 bytes, 1048576 allowed")),
            ("four gigabytes", &[0xff; 4], Err("a message of 4294967295 bytes, 1048576 allowed")),
            (
                "a line of HTTP",
                b"GET / HTTP/1.1\r\n\r\n",
                Err("a message of 1195725856 bytes, 1048576 allowed"),
            ),
            ("not JSON", &framed(b"hearth"), Err("not a message")),
            ("two values", &framed(b"1 2"), Err("not a message")),
        ] {
            let mut decoder = Decoder::default();
            decoder.push(bytes);
            match (decoder.take::<Value>(), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{name}"),
                (Err(found), Err(expected)) => {
                    assert!(found.to_string().starts_with(expected), "{name}: {found}")
                }
                (found, _) => panic!("{name}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_length_that_is_too_long_is_refused_before_anything_is_held_for_it() {
        let mut decoder = Decoder::default();
        decoder.push(&u32::MAX.to_be_bytes());
        assert!(decoder.take::<Value>().is_err());
        assert!(decoder.arrived.capacity() < 64);
    }

    #[test]
    fn a_stream_that_ends_inside_a_message_is_told_from_one_that_ends_after_it() {
        let mut decoder = Decoder::default();
        let frame = encode(&"fire").unwrap();
        decoder.push(&frame[..frame.len() - 1]);
        assert_eq!(decoder.end(), Err(FrameError::Truncated { received: frame.len() - 1 }));
        decoder.push(&frame[frame.len() - 1..]);
        assert_eq!(decoder.take::<String>().unwrap().as_deref(), Some("fire"));
        assert_eq!(decoder.end(), Ok(()));
    }

    #[test]
    fn a_message_that_would_be_refused_is_not_sent() {
        let longest = "x".repeat(MAX_FRAME_BYTES - 2);
        assert!(encode(&longest).is_ok());
        assert_eq!(encode(&(longest + "x")), Err(FrameError::TooLong { announced: MAX_FRAME_BYTES + 1 }));
    }

    proptest! {
        #[test]
        fn messages_arrive_whole_and_in_order_however_the_stream_is_cut(
            messages in prop::collection::vec(".{0,40}", 0..8),
            piece in 1_usize..50,
        ) {
            let stream = messages.iter().flat_map(|message| encode(message).unwrap()).collect::<Vec<_>>();
            let (mut decoder, mut arrived) = (Decoder::default(), Vec::new());
            for bytes in stream.chunks(piece) {
                decoder.push(bytes);
                while let Some(message) = decoder.take::<String>().unwrap() {
                    arrived.push(message);
                }
            }
            prop_assert_eq!(arrived, messages);
            prop_assert_eq!(decoder.end(), Ok(()));
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.take::<Value>() {}
        }
    }
}
