//! How late a node hears of blocks: its news of the head, held against the clock.

use std::collections::VecDeque;

use hearth_types::{ChainSpec, Slot, UnixMillis};
use serde::Deserialize;

/// News from which a judgement is made, and without which there is none.
const MOST: usize = 20;
const FEWEST: usize = 3;

/// What of an event `head` is read.
#[derive(Deserialize)]
struct Head {
    slot: Slot,
}

/// The slot of a line of the stream `events?topics=head`, if it has one.
pub(crate) fn slot_of(line: &str) -> Option<Slot> {
    let data = line.strip_prefix("data:")?;
    serde_json::from_str::<Head>(data.trim()).ok().map(|head| head.slot)
}

/// The latest delays of a node.
#[derive(Debug, Default)]
pub(crate) struct HeadDelays(VecDeque<u64>);

impl HeadDelays {
    /// Takes news that came at `now`; the delay in milliseconds that 19 of 20 stay below, once there are enough to say.
    ///
    /// News of a slot that is not the clock's own say nothing about delay: the node is catching up, or a clock is wrong.
    pub(crate) fn take(&mut self, spec: &ChainSpec, slot: Slot, now: UnixMillis) -> Option<u64> {
        if spec.slot_at(now) == Some(slot) {
            self.0.truncate(MOST - 1);
            self.0.push_front(now.millis_since(spec.slot_start(slot)));
        }
        let mut sorted: Vec<u64> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let rank = (sorted.len() * 19).div_ceil(20).checked_sub(1)?;
        sorted.get(rank).copied().filter(|_| sorted.len() >= FEWEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_event_is_told_from_everything_else_on_the_stream() {
        let event = r#"data: {"slot":"10","block":"0x9a","epoch_transition":false}"#;
        for (line, slot) in [
            (event, Some(10)),
            (&event.replace("data: ", "data:"), Some(10)),
            ("event: head", None),
            ("", None),
            (": keep-alive", None),
            (r#"data: {"slot":"-1"}"#, None),
            ("data: nonsense", None),
        ] {
            assert_eq!(slot_of(line).map(Slot::get), slot, "{line}");
        }
    }

    #[test]
    fn one_late_block_in_twenty_does_not_count_and_two_do() {
        let genesis = crate::wire::data(include_bytes!("../tests/vectors/genesis.json")).unwrap();
        let config = crate::wire::data(include_bytes!("../tests/vectors/spec.json")).unwrap();
        let spec = crate::network::chain_spec(&genesis, &config, None).unwrap();
        assert_eq!(spec.slot_ms(), 6_000);
        let mut delays = HeadDelays::default();
        let mut at = |slot: u64, late: u64| {
            let slot = Slot::new(slot);
            let start = spec.slot_start(slot);
            delays.take(&spec, slot, start.saturating_add(late))
        };
        assert_eq!((at(1, 500), at(2, 500), at(3, 400)), (None, None, Some(500)));
        for slot in 4..=20 {
            at(slot, 600);
        }
        assert_eq!(at(21, 5_000), Some(600));
        assert_eq!(at(22, 4_500), Some(4_500));
        // A block of a slot that is over, and one of the future.
        assert_eq!(at(22, 6_000), Some(4_500));
    }
}
