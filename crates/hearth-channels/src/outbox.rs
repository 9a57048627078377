//! What still has to be said through a channel, and when it is tried again.

use std::collections::VecDeque;

use hearth_api::{Alert, News};

use crate::letter::Letter;

/// Between two tries, first to last; the last one again and again.
const PAUSES_MS: [u64; 4] = [5_000, 30_000, 120_000, 600_000];
/// What could not be said for so long is not said any more.
const STALE_MS: u64 = 24 * 3_600_000;
/// Messages that wait, at most; the oldest make room.
const MOST: usize = 64;

#[derive(Debug)]
struct Waiting {
    key: String,
    letter: Letter,
    since_ms: u64,
}

/// The messages of one channel, said one after another. Pure: time is an argument.
///
/// What a new message makes pointless is left out: of a trouble that ended before it could be told, only the end is told, with
/// how long it lasted.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<Waiting>,
    /// Tries of the first one that failed.
    failed: usize,
    due_ms: u64,
    under_way: bool,
}

impl Outbox {
    /// Puts a message in.
    pub fn put(&mut self, now_ms: u64, news: &News<Alert>) {
        let (News::Began { key, .. } | News::Over { key, .. }) = news;
        self.post(now_ms, key, Letter::of(news, now_ms));
    }

    /// Puts any message in, in the place of one that waits under the same key.
    pub fn post(&mut self, now_ms: u64, key: &str, letter: Letter) {
        let untouched = usize::from(self.under_way);
        match self.waiting.iter_mut().skip(untouched).find(|waiting| waiting.key == key) {
            Some(waiting) => waiting.letter = letter,
            None => {
                if self.waiting.len() == MOST {
                    let _oldest = self.waiting.remove(untouched);
                }
                self.waiting.push_back(Waiting { key: key.to_owned(), letter, since_ms: now_ms });
            }
        }
    }

    /// The message to be said now, if there is one. No other follows before [`Outbox::done`].
    pub fn take(&mut self, now_ms: u64) -> Option<Letter> {
        if self.under_way || now_ms < self.due_ms {
            return None;
        }
        let stale = |waiting: &Waiting| now_ms.saturating_sub(waiting.since_ms) > STALE_MS;
        self.waiting.retain(|waiting| !stale(waiting));
        let first = self.waiting.front()?;
        self.under_way = true;
        Some(first.letter.clone())
    }

    /// The message under way arrived, or did not.
    pub fn done(&mut self, now_ms: u64, arrived: bool) {
        self.under_way = false;
        if arrived {
            self.waiting.pop_front();
            (self.failed, self.due_ms) = (0, now_ms);
        } else {
            let pause = PAUSES_MS.get(self.failed).or(PAUSES_MS.last()).copied().unwrap_or_default();
            self.failed = self.failed.saturating_add(1);
            self.due_ms = now_ms.saturating_add(pause);
        }
    }

    /// The channel works, as somebody has seen elsewhere, or was changed: what waits is tried at once.
    pub fn hurry(&mut self) {
        (self.failed, self.due_ms) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use hearth_api::Severity;

    use super::*;
    use crate::letter::Tone;
    use crate::letter::tests::alert;

    fn began(key: &str) -> News<Alert> {
        News::Began { key: key.into(), severity: Severity::Critical, what: alert(0) }
    }

    fn over(key: &str) -> News<Alert> {
        News::Over { key: key.into(), what: alert(0) }
    }

    #[test]
    fn messages_are_said_one_after_another_and_again_after_growing_pauses() {
        let mut outbox = Outbox::default();
        outbox.put(0, &began("a"));
        outbox.put(0, &began("b"));
        assert!(outbox.take(0).is_some());
        assert!(outbox.take(0).is_none(), "one at a time");
        let mut now = 0;
        for pause in [5_000, 30_000, 120_000, 600_000, 600_000] {
            outbox.done(now, false);
            assert!(outbox.take(now + pause - 1).is_none());
            now += pause;
            assert!(outbox.take(now).is_some(), "after {pause}");
        }
        outbox.done(now, true);
        assert!(outbox.take(now).is_some(), "the next one at once");
        outbox.done(now, true);
        assert!(outbox.take(now).is_none());
    }

    #[test]
    fn a_trouble_that_ended_before_it_was_told_is_told_once() {
        let mut outbox = Outbox::default();
        outbox.put(0, &began("a"));
        assert!(outbox.take(0).is_some());
        outbox.done(0, false);
        outbox.put(60_000, &over("a"));
        assert_eq!(outbox.take(60_000).map(|letter| letter.tone), Some(Tone::Over));
        outbox.done(60_000, true);
        assert!(outbox.take(60_000).is_none());
    }

    #[test]
    fn an_end_that_comes_while_the_trouble_is_being_told_follows_it() {
        let mut outbox = Outbox::default();
        outbox.put(0, &began("a"));
        assert!(outbox.take(0).is_some());
        outbox.put(0, &over("a"));
        outbox.done(0, true);
        assert_eq!(outbox.take(0).map(|letter| letter.tone), Some(Tone::Over));
    }

    #[test]
    fn what_is_a_day_old_or_one_too_many_is_left_out() {
        let mut outbox = Outbox::default();
        for n in 0..=MOST {
            outbox.put(0, &began(&n.to_string()));
        }
        assert_eq!(outbox.waiting.len(), MOST);
        assert_eq!(outbox.waiting.front().map(|first| first.key.as_str()), Some("1"));
        assert!(outbox.take(STALE_MS + 1).is_none());
        outbox.put(STALE_MS + 2, &began("new"));
        assert!(outbox.take(STALE_MS + 2).is_some());
    }
}
