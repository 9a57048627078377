//! Moments at which the workflow wants to be called back.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use hearth_duties::Alarm;
use hearth_types::UnixMillis;

/// Longest sleep in one piece: a wall clock that was set forward, or a machine that slept, is noticed after this.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// Alarms in the order in which they fire; equal moments in the order in which they were set.
#[derive(Debug)]
pub(crate) struct Alarms<A> {
    pending: BinaryHeap<Reverse<(UnixMillis, u64, A)>>,
    set_so_far: u64,
}

impl<A: Ord> Default for Alarms<A> {
    fn default() -> Self {
        Self { pending: BinaryHeap::new(), set_so_far: 0 }
    }
}

impl Alarms<Alarm> {
    /// Forgets which slot comes next: the clock that said so was wrong. Everything else fires late, and is over then.
    pub(crate) fn forget_slot_starts(&mut self) {
        self.pending.retain(|Reverse((_, _, alarm))| !matches!(alarm, Alarm::SlotStart(_)));
    }
}

impl<A: Ord> Alarms<A> {
    pub(crate) fn set(&mut self, at: UnixMillis, alarm: A) {
        self.pending.push(Reverse((at, self.set_so_far, alarm)));
        self.set_so_far += 1;
    }

    /// The next alarm whose moment has come.
    pub(crate) fn take_due(&mut self, now: UnixMillis) -> Option<A> {
        if self.pending.peek()?.0.0 > now {
            return None;
        }
        self.pending.pop().map(|Reverse((_, _, alarm))| alarm)
    }

    /// How long nothing will be due, at most [`LONGEST_NAP`].
    pub(crate) fn nap(&self, now: UnixMillis) -> Duration {
        match self.pending.peek() {
            Some(Reverse((at, _, _))) => Duration::from_millis(at.millis_since(now)).min(LONGEST_NAP),
            None => LONGEST_NAP,
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::Slot;

    use super::*;

    #[test]
    fn alarms_fire_in_order_of_time_then_of_setting_and_never_early() {
        let mut alarms = Alarms::default();
        for (at, slot) in [(30, 3), (10, 1), (10, 2)] {
            alarms.set(UnixMillis::new(at), Alarm::SlotStart(Slot::new(slot)));
        }
        let take = |alarms: &mut Alarms<Alarm>, now| {
            alarms.take_due(UnixMillis::new(now)).map(|alarm| match alarm {
                Alarm::SlotStart(slot) => slot.get(),
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(take(&mut alarms, 9), None);
        assert_eq!(alarms.nap(UnixMillis::new(9)), Duration::from_millis(1));
        assert_eq!(take(&mut alarms, 10), Some(1));
        assert_eq!(take(&mut alarms, 10), Some(2));
        assert_eq!(take(&mut alarms, 10), None);
        assert_eq!(take(&mut alarms, 99), Some(3));
        assert_eq!(alarms.nap(UnixMillis::new(99)), LONGEST_NAP);
    }
}
