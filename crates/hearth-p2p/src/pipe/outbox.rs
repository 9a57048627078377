//! What waits for one peer and one protocol.
//!
//! A peer that takes messages slower than they come loses the oldest: consensus has moved on, and the message that
//! waited longest is the one nearest to its deadline.

use std::collections::VecDeque;

use tokio::time::Instant;

/// Messages `M` that wait, and the number of streams in use.
#[derive(Debug)]
pub(super) struct Outbox<M> {
    waiting: VecDeque<(Instant, M)>,
    streams: usize,
}

impl<M> Default for Outbox<M> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), streams: 0 }
    }
}

impl<M> Outbox<M> {
    /// Takes a message handed over at `now`; returns the oldest one where more than `bound` would wait.
    #[must_use]
    pub(super) fn push(&mut self, message: M, now: Instant, bound: usize) -> Option<M> {
        self.waiting.push_back((now, message));
        if self.waiting.len() > bound { self.waiting.pop_front().map(|(_, message)| message) } else { None }
    }

    /// The next message, with when it was handed over, if one waits and a stream is free; the stream is then in use
    /// until [`Self::release`].
    pub(super) fn start(&mut self, streams: usize) -> Option<(Instant, M)> {
        if self.streams >= streams {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.streams += 1;
        Some(next)
    }

    /// A stream is free again.
    pub(super) fn release(&mut self) {
        debug_assert!(self.streams > 0, "only a stream in use is released");
        self.streams = self.streams.saturating_sub(1);
    }

    /// Everything that waits, taken out.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = M> {
        self.waiting.drain(..).map(|(_, message)| message)
    }

    /// Whether nothing waits and no stream is in use.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.streams == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room_for_the_newest() {
        let now = Instant::now();
        let mut outbox = Outbox::default();
        assert_eq!(outbox.push(1, now, 2), None);
        assert_eq!(outbox.push(2, now, 2), None);
        assert_eq!(outbox.push(3, now, 2), Some(1));
        assert_eq!(outbox.start(9), Some((now, 2)));
        assert_eq!(outbox.drain().collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn no_more_streams_are_used_than_allowed() {
        let now = Instant::now();
        let mut outbox = Outbox::default();
        for message in 0..3 {
            assert_eq!(outbox.push(message, now, 9), None);
        }
        assert!(outbox.start(2).is_some() && outbox.start(2).is_some());
        assert_eq!(outbox.start(2), None);
        outbox.release();
        assert_eq!(outbox.start(2), Some((now, 2)));
        outbox.release();
        outbox.release();
        assert!(outbox.is_idle());
    }
}
