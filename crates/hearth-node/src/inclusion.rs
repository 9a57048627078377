//! Looks in the chain's blocks for the votes of this node's validators, beside the duties and never in their way.
//!
//! A look takes place late in each slot, when what the slot had to do is done, and one slot behind the head: the newest block
//! is the one that a reorganisation takes back, if any. What the beacon nodes cannot tell is not known; no duty depends on it.

mod search;

use std::sync::Arc;
use std::time::Duration;

use hearth_beacon::{BeaconNodes, BlockId};
use hearth_types::{ChainSpec, Slot, UnixMillis};
use tokio::sync::mpsc;

use crate::clock;
use crate::show::{News, Teller};
pub(crate) use search::Sought;
use search::{Question, Search};

/// Duties that may wait to be taken up: an epoch of several clusters.
const WAITING: usize = 1_024;
/// Blocks that are asked for in one look: what was missed while nobody answered is caught up with little by little.
const BLOCKS: usize = 8;
/// Questions without an answer after which a look ends.
const SETBACKS: usize = 3;
/// How far into a slot a look begins, in sixths: aggregates are sent after four.
const SIXTHS: u64 = 5;

/// Hands in what is sought. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Seeker(mpsc::Sender<Sought>);

impl Seeker {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Sought>) {
        let (seeker, wanted) = mpsc::channel(WAITING);
        (Self(seeker), wanted)
    }

    /// Never waits. For what finds no room nothing will be known.
    pub(crate) fn seek(&self, sought: Sought) {
        let _not_sought = self.0.try_send(sought);
    }
}

/// Looks for what is `wanted`, and tells what it finds. Never returns; drop it to stop.
pub(crate) async fn keep_looking(
    beacon: &BeaconNodes,
    spec: Arc<ChainSpec>,
    mut wanted: mpsc::Receiver<Sought>,
    teller: &Teller,
) {
    let mut search = Search::new(Arc::clone(&spec));
    let mut looked = None;
    loop {
        let now = clock::now();
        let (slot, pause) = next_look(&spec, now, looked);
        tokio::select! {
            Some(sought) = wanted.recv() => search.seek(sought),
            () = tokio::time::sleep(pause) => {
                // A clock that was set back, or a nap that was too short, is found by looking at the clock again.
                if spec.slot_at(clock::now()) >= Some(slot) {
                    looked = Some(slot);
                    look(&mut search, beacon, slot, teller).await;
                }
            }
        }
    }
}

/// The slot in which to look next, and the time until then.
fn next_look(spec: &ChainSpec, now: UnixMillis, looked: Option<Slot>) -> (Slot, Duration) {
    let current = spec.slot_at(now).unwrap_or(Slot::new(0));
    let slot = if looked == Some(current) { current.next() } else { current };
    let at = spec.slot_start(slot).saturating_add(spec.slot_ms() * SIXTHS / 6);
    (slot, Duration::from_millis(at.millis_since(now)))
}

async fn look(search: &mut Search, beacon: &BeaconNodes, now: Slot, teller: &Teller) {
    search.begin_round(now);
    let (mut blocks, mut setbacks) = (0, 0);
    while let Some(question) = search.question(now.saturating_sub(1)) {
        if blocks == BLOCKS || setbacks == SETBACKS {
            return;
        }
        let answered = match question {
            Question::Committees(slot) => {
                beacon.committees(slot).await.map(|committees| search.committees(slot, &committees))
            }
            Question::Block(slot) => {
                blocks += 1;
                beacon.block(BlockId::Slot(slot)).await.map(|block| {
                    for found in search.block(slot, block.as_ref()) {
                        teller.of(found.cluster).tell(News::OnChain(found.slot, found.on_chain));
                    }
                })
            }
        };
        if let Err(error) = answered {
            tracing::debug!(%error, ?question, "the chain cannot be looked at now");
            setbacks += 1;
            search.unanswered(question);
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::{Epoch, ForkName, ForkSchedule, ForkVersion, Root, ScheduledFork};

    use super::*;

    #[test]
    fn each_slot_is_looked_at_once_after_its_duties() {
        let fork =
            ScheduledFork { name: ForkName::Fulu, epoch: Epoch::new(0), version: ForkVersion::new([6; 4]) };
        let forks = ForkSchedule::new(vec![fork], Epoch::FAR_FUTURE).unwrap();
        let spec = ChainSpec::new(UnixMillis::new(100_000), Root::new([7; 32]), 12_000, 32, forks).unwrap();
        for (name, at, looked, slot, pause) in [
            ("before genesis", 90_000, None, 0, 20_000),
            ("early in a slot", 112_000, Some(0), 1, 10_000),
            ("late in a slot that was not looked at", 123_000, Some(0), 1, 0),
            ("late in one that was", 123_000, Some(1), 2, 11_000),
            ("after a long sleep", 1_300_000, Some(1), 100, 10_000),
            ("after the clock was set back", 112_000, Some(100), 1, 10_000),
        ] {
            let (next, wait) = next_look(&spec, UnixMillis::new(at), looked.map(Slot::new));
            assert_eq!((next, wait), (Slot::new(slot), Duration::from_millis(pause)), "{name}");
        }
    }
}
