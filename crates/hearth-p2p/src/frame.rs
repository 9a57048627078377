//! One message on a stream: its length as an unsigned varint, then its bytes.
//!
//! A length is a promise of the peer, not a fact: it is checked against the limit first, and the buffer then grows
//! with the bytes that really arrive. What a reader holds is at most twice what it has received, plus one chunk.
//! Source: spec/obol-p2p.md, 3.1; LEB128, shortest form only.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use thiserror::Error;
use unsigned_varint::{decode, encode};

use crate::allowance::Memory;

/// What the buffer of a reader starts with, at most.
const CHUNK: usize = 64 << 10;

/// Longest length: 63 bits. A tenth byte could only say more than any limit, and the decoder ignores its overflow.
///
/// Source: multiformats, unsigned-varint: nine bytes at most.
const LONGEST_PREFIX: usize = 9;

/// What travels in one piece with the length: one yamux frame.
const FIRST_PIECE: usize = 16 << 10;

/// Why no message could be read from a stream.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum FrameError {
    /// The stream ended before it began.
    #[error("stream closed without a message")]
    Missing,
    /// The length is longer than 63 bits or not in its shortest form.
    #[error("malformed length")]
    Length,
    /// More is announced than this protocol may carry. Nothing was read.
    #[error("message of {announced} bytes announced, {limit} allowed")]
    TooLong {
        /// What the peer wants to send.
        announced: u64,
        /// Limit of the protocol.
        limit: usize,
    },
    /// The stream ended inside the length or the message.
    #[error("stream closed after {received} of {announced} bytes")]
    Truncated {
        /// Bytes of the message that arrived.
        received: usize,
        /// Bytes that were announced; zero inside the length.
        announced: usize,
    },
    /// The peer has too much under way already; see [`crate::Limits::inbound_bytes_per_peer`].
    #[error("the peer's share of memory is used up")]
    NoMemory,
}

/// How reading can fail: by what the peer wrote, or by the stream itself.
#[derive(Debug)]
pub(crate) enum Fault {
    Frame(FrameError),
    Stream(io::Error),
}

impl From<FrameError> for Fault {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

/// Reads one message of at most `limit` bytes; whatever follows it stays unread.
///
/// Dropping the future is safe: the stream is then in the middle of a message and of no further use.
pub(crate) async fn read<R>(stream: &mut R, limit: usize, memory: &mut Memory) -> Result<Vec<u8>, Fault>
where
    R: AsyncRead + Unpin,
{
    let announced = read_length(stream).await?;
    read_body(stream, announced, limit, memory).await
}

/// As [`read`], in a dialogue: the length is 8 bytes, little-endian and signed, and no message is empty.
pub(crate) async fn read_in_dialogue<R>(
    stream: &mut R,
    limit: usize,
    memory: &mut Memory,
) -> Result<Vec<u8>, Fault>
where
    R: AsyncRead + Unpin,
{
    let mut length = [0; 8];
    let mut received = 0;
    while let Some(room) = length.get_mut(received..).filter(|room| !room.is_empty()) {
        match stream.read(room).await.map_err(Fault::Stream)? {
            0 if received == 0 => return Err(FrameError::Missing.into()),
            0 => return Err(FrameError::Truncated { received: 0, announced: 0 }.into()),
            more => received += more,
        }
    }
    match i64::from_le_bytes(length) {
        ..=0 => Err(FrameError::Length.into()),
        announced => read_body(stream, announced.unsigned_abs(), limit, memory).await,
    }
}

/// How a length stands in front of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// On a stream of its own.
    Single,
    /// In a dialogue.
    Dialogue,
}

/// Reads the message at the beginning of these bytes, as from a stream that ends after them. Claims at most twice what is there.
pub async fn read_frame(bytes: &[u8], framing: Framing, limit: usize) -> Result<Vec<u8>, FrameError> {
    let mut memory = Memory::of_kibibytes(bytes.len().saturating_mul(2).saturating_add(CHUNK).div_ceil(1_024));
    let mut stream = futures::io::Cursor::new(bytes);
    let outcome = match framing {
        Framing::Single => read(&mut stream, limit, &mut memory).await,
        Framing::Dialogue => read_in_dialogue(&mut stream, limit, &mut memory).await,
    };
    outcome.map_err(|fault| match fault {
        Fault::Frame(error) => error,
        // Memory has no failures of its own.
        Fault::Stream(_) => FrameError::Missing,
    })
}

async fn read_body<R>(
    stream: &mut R,
    announced: u64,
    limit: usize,
    memory: &mut Memory,
) -> Result<Vec<u8>, Fault>
where
    R: AsyncRead + Unpin,
{
    let length = usize::try_from(announced)
        .ok()
        .filter(|length| *length <= limit)
        .ok_or(FrameError::TooLong { announced, limit })?;

    let mut message = Vec::new();
    let mut received = 0;
    while received < length {
        if received == message.len() {
            let target = length.min(received.saturating_mul(2).max(CHUNK));
            if !memory.grow_to(target) {
                return Err(FrameError::NoMemory.into());
            }
            message.reserve_exact(target - received);
            message.resize(target, 0);
        }
        let room = message.get_mut(received..).unwrap_or_default();
        match stream.read(room).await.map_err(Fault::Stream)? {
            0 => return Err(FrameError::Truncated { received, announced: length }.into()),
            more => received += more,
        }
    }
    Ok(message)
}

/// Writes one message and hands it to the stream; the caller closes.
pub(crate) async fn write<W>(stream: &mut W, message: &[u8]) -> io::Result<()>
where
    W: AsyncWrite + Unpin,
{
    let mut buffer = encode::u64_buffer();
    // A slice is never longer than `isize::MAX`, so its length fits.
    let prefix = encode::u64(message.len() as u64, &mut buffer);
    let (first, rest) = message.split_at(message.len().min(FIRST_PIECE - LONGEST_PREFIX));
    stream.write_all(&[prefix, first].concat()).await?;
    stream.write_all(rest).await
}

/// As [`write`], in a dialogue. Length and message leave in one piece: the other implementation reads what comes first for the
/// whole.
pub(crate) async fn write_in_dialogue<W>(stream: &mut W, message: &[u8]) -> io::Result<()>
where
    W: AsyncWrite + Unpin,
{
    let length = (message.len() as u64).to_le_bytes();
    stream.write_all(&[&length, message].concat()).await?;
    stream.flush().await
}

async fn read_length<R>(stream: &mut R) -> Result<u64, Fault>
where
    R: AsyncRead + Unpin,
{
    let mut length = Vec::with_capacity(LONGEST_PREFIX);
    while length.len() < LONGEST_PREFIX {
        let mut byte = [0];
        if stream.read(&mut byte).await.map_err(Fault::Stream)? == 0 {
            return Err(match length.len() {
                0 => FrameError::Missing,
                _ => FrameError::Truncated { received: 0, announced: 0 },
            }
            .into());
        }
        length.extend_from_slice(&byte);
        if decode::is_last(byte[0]) {
            return match decode::u64(&length) {
                Ok((length, [])) => Ok(length),
                Ok(_) | Err(_) => Err(FrameError::Length.into()),
            };
        }
    }
    Err(FrameError::Length.into())
}

#[cfg(test)]
mod tests {
    use futures::{executor::block_on, io::Cursor};
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1 << 20;

    #[test]
    fn broken_frames_are_named_for_what_they_are() {
        let prefix = |length: u64| encode::u64(length, &mut encode::u64_buffer()).to_vec();
        let huge = (1u64 << 63) - 1;
        for (name, bytes, error) in [
            ("nothing at all", vec![], FrameError::Missing),
            ("length cut short", vec![0x80], FrameError::Truncated { received: 0, announced: 0 }),
            ("not the shortest form", vec![0x81, 0x00, 7], FrameError::Length),
            ("no end of the length", vec![0x80; 100], FrameError::Length),
            ("2^64 - 1", prefix(u64::MAX), FrameError::Length),
            ("2^64, which overflows to 0", [vec![0x80; 9], vec![0x02]].concat(), FrameError::Length),
            ("2^63 - 1", prefix(huge), FrameError::TooLong { announced: huge, limit: LIMIT }),
            (
                "limit + 1",
                prefix(LIMIT as u64 + 1),
                FrameError::TooLong { announced: LIMIT as u64 + 1, limit: LIMIT },
            ),
            ("cut in the message", vec![3, 1, 2], FrameError::Truncated { received: 2, announced: 3 }),
            ("no message after its length", vec![3], FrameError::Truncated { received: 0, announced: 3 }),
        ] {
            assert_eq!(parse(&bytes, LIMIT).0, Err(error), "{name}");
        }
    }

    #[test]
    fn in_a_dialogue_the_length_is_eight_bytes_and_a_broken_frame_is_named() {
        let framed = |length: i64, bytes: &[u8]| [&length.to_le_bytes(), bytes].concat();
        let heard = |bytes: &[u8]| {
            let mut memory = Memory::of_kibibytes(1 << 20);
            let outcome = block_on(read_in_dialogue(&mut Cursor::new(bytes), 100, &mut memory));
            outcome.map_err(|fault| match fault {
                Fault::Frame(error) => error,
                Fault::Stream(error) => panic!("{error}"),
            })
        };
        for (name, bytes, expected) in [
            ("a message", framed(2, &[7, 8]), Ok(vec![7, 8])),
            ("what follows is left alone", framed(1, &[7, 8]), Ok(vec![7])),
            ("nothing at all", vec![], Err(FrameError::Missing)),
            ("half a length", vec![1, 0, 0], Err(FrameError::Truncated { received: 0, announced: 0 })),
            ("empty", framed(0, &[]), Err(FrameError::Length)),
            ("negative", framed(-1, &[7]), Err(FrameError::Length)),
            ("too long", framed(101, &[]), Err(FrameError::TooLong { announced: 101, limit: 100 })),
            ("cut", framed(3, &[7]), Err(FrameError::Truncated { received: 1, announced: 3 })),
        ] {
            assert_eq!(heard(&bytes), expected, "{name}");
        }
        let mut bytes = Vec::new();
        block_on(write_in_dialogue(&mut Cursor::new(&mut bytes), &[7, 8])).unwrap();
        assert_eq!(bytes, framed(2, &[7, 8]));
    }

    #[test]
    fn an_empty_message_is_a_message() {
        assert_eq!(parse(&[0], LIMIT).0, Ok(vec![]));
        assert_eq!(written(&[]), [0]);
    }

    #[test]
    fn a_length_beyond_the_limit_claims_no_memory() {
        let (outcome, memory) = parse(&written(&vec![0; LIMIT + 1]), LIMIT);
        assert!(matches!(outcome, Err(FrameError::TooLong { .. })));
        assert_eq!(memory.claimed_kibibytes(), 0);
    }

    #[test]
    fn memory_follows_what_arrives_and_not_what_is_announced() {
        let mut bytes = written(&vec![7; LIMIT]);
        bytes.truncate(100 << 10);
        let (outcome, memory) = parse(&bytes, LIMIT);
        assert!(matches!(outcome, Err(FrameError::Truncated { announced: LIMIT, .. })));
        assert_eq!(memory.claimed_kibibytes(), 128);
    }

    #[test]
    fn a_peer_without_memory_left_is_cut() {
        let mut memory = Memory::of_kibibytes(64);
        let bytes = written(&vec![7; LIMIT]);
        let outcome = block_on(read(&mut Cursor::new(bytes), LIMIT, &mut memory));
        assert!(matches!(outcome, Err(Fault::Frame(FrameError::NoMemory))));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_in_whatever_pieces_it_arrives(
            message in proptest::collection::vec(any::<u8>(), 0..200_000),
            pieces in proptest::collection::vec(1..70_000usize, 1..40),
            trailing in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let bytes = [written(&message), trailing.clone()].concat();
            let mut stream = Pieces { bytes: Cursor::new(bytes), sizes: pieces.into_iter().cycle() };
            let mut memory = Memory::of_kibibytes(usize::MAX >> 4);
            let read = block_on(read(&mut stream, message.len(), &mut memory));
            prop_assert_eq!(&read.unwrap(), &message);
            let mut rest = Vec::new();
            block_on(stream.bytes.read_to_end(&mut rest)).unwrap();
            prop_assert_eq!(rest, trailing, "what follows the message is left alone");
        }

        #[test]
        fn any_bytes_are_a_message_within_the_limit_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let (Ok(message), _) = parse(&bytes, 40) {
                prop_assert!(message.len() <= 40);
                prop_assert_eq!(&written(&message), &bytes[..message.len() + 1]);
            }
        }
    }

    fn written(message: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        block_on(write(&mut Cursor::new(&mut bytes), message)).unwrap();
        bytes
    }

    fn parse(bytes: &[u8], limit: usize) -> (Result<Vec<u8>, FrameError>, Memory) {
        let mut memory = Memory::of_kibibytes(1 << 20);
        let outcome = block_on(read(&mut Cursor::new(bytes), limit, &mut memory));
        let outcome = outcome.map_err(|fault| match fault {
            Fault::Frame(error) => error,
            Fault::Stream(error) => panic!("{error}"),
        });
        (outcome, memory)
    }

    /// A stream that hands out its bytes in pieces of given sizes.
    struct Pieces<I> {
        bytes: Cursor<Vec<u8>>,
        sizes: I,
    }

    impl<I: Iterator<Item = usize> + Unpin> AsyncRead for Pieces<I> {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
            buffer: &mut [u8],
        ) -> std::task::Poll<io::Result<usize>> {
            let this = self.get_mut();
            let size = this.sizes.next().unwrap().min(buffer.len());
            std::pin::Pin::new(&mut this.bytes).poll_read(cx, &mut buffer[..size])
        }
    }
}
