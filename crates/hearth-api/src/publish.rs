//! Where the node puts its view, and where whoever watches finds it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::health::judge;
use crate::view::{HEARTBEAT_MS, NodeView};

/// The node's end. Cheap to clone.
///
/// [`Self::publish`] never waits for anybody: there is one place, which holds the latest view. Who looks too seldom
/// misses what was there in between.
#[derive(Clone, Debug)]
pub struct Publisher {
    place: Arc<watch::Sender<Arc<NodeView>>>,
}

/// An observer's end.
#[derive(Clone, Debug)]
pub struct Watcher {
    place: watch::Receiver<Arc<NodeView>>,
}

impl Publisher {
    /// A place with a first view in it.
    pub fn new(first: NodeView) -> Self {
        Self { place: Arc::new(watch::Sender::new(Arc::new(settled(first)))) }
    }

    /// Replaces the view. Numbers it, makes the words of others fit to be shown, and draws every conclusion: what
    /// `view` has in `seq` and in `health` is overwritten.
    ///
    /// To be called whenever something may have changed, and at least every second: an observer takes silence for trouble.
    /// A view that differs from the last in nothing but its time, and in numbers that never rest, is passed on every
    /// [`HEARTBEAT_MS`] only: each costs every observer more than it costs the node.
    pub fn publish(&self, view: NodeView) {
        let mut view = settled(view);
        self.place.send_if_modified(|place| {
            let at_ms = std::mem::replace(&mut view.at_ms, place.at_ms);
            view.seq = place.seq;
            // A clock that was set back is a change, too.
            let young =
                place.at_ms.checked_add(HEARTBEAT_MS).is_some_and(|due| (place.at_ms..due).contains(&at_ms));
            if young && view.is_as_good_as(place) {
                return false;
            }
            (view.seq, view.at_ms) = (place.seq.saturating_add(1), at_ms);
            *place = Arc::new(view);
            true
        });
    }

    /// The latest view.
    pub fn current(&self) -> Arc<NodeView> {
        self.place.borrow().clone()
    }

    /// Another observer.
    pub fn watch(&self) -> Watcher {
        Watcher { place: self.place.subscribe() }
    }
}

impl Watcher {
    /// The latest view; it counts as seen.
    pub fn current(&mut self) -> Arc<NodeView> {
        self.place.borrow_and_update().clone()
    }

    /// Waits for a view that was not seen yet; `false` when there will be none, because the publisher is gone.
    ///
    /// Dropping the future is safe.
    pub async fn changed(&mut self) -> bool {
        self.place.changed().await.is_ok()
    }
}

fn settled(mut view: NodeView) -> NodeView {
    view.make_plain();
    judge(&mut view);
    view
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_types::LockHash;

    use crate::checks::Machine;
    use crate::health::{Flame, Health};
    use crate::history::Effectiveness;
    use crate::view::{ClusterStage, ClusterView, NodeState, SeatState, SeatView};

    #[tokio::test]
    async fn a_published_view_is_numbered_and_judged_whatever_it_claims() {
        let publisher = Publisher::new(NodeView::default());
        let mut watcher = publisher.watch();
        let mut claims = NodeView { seq: 99, ..NodeView::default() };
        claims.node.state = NodeState::Stopping;
        claims.health = Health { flame: Flame::Lit, sentence: "All is well.".into(), here: 4, spare: 1 };
        publisher.publish(claims);
        assert!(watcher.changed().await);
        let view = watcher.current();
        assert_eq!((view.seq, view.health.flame), (1, Flame::Working));
        assert_eq!(view.health.sentence, "Stopping: the duty under way is finished first.");
        drop(publisher);
        assert!(!watcher.changed().await);
    }

    #[test]
    fn round_trips_and_measurements_wait_for_the_heartbeat_and_what_they_mean_does_not() {
        let view = |rtt_ms, state, free_mib| {
            let seat = SeatView {
                rtt_ms: Some(rtt_ms),
                last_seen_ms: Some(u64::from(rtt_ms)),
                state,
                ..SeatView::default()
            };
            let mut view = NodeView { clusters: vec![cluster(seat)], ..NodeView::default() };
            let machine = Machine { free_mib: Some(free_mib), ..Machine::default() };
            view.checks = crate::checks(&view, &machine);
            view
        };
        let publisher = Publisher::new(view(20, SeatState::Here, 90_000));
        for (name, view, seq) in [
            ("another round trip", view(30, SeatState::Here, 90_000), 0),
            ("a little less space", view(30, SeatState::Here, 80_000), 0),
            ("a slow operator", view(300, SeatState::Slow, 80_000), 1),
            ("too little space", view(300, SeatState::Slow, 4_000), 2),
            ("at the heartbeat", NodeView { at_ms: HEARTBEAT_MS, ..view(310, SeatState::Slow, 3_999) }, 3),
        ] {
            publisher.publish(view);
            assert_eq!(publisher.current().seq, seq, "{name}");
        }
        let first_round_trip = NodeView { at_ms: HEARTBEAT_MS, ..view(310, SeatState::Slow, 3_999) };
        let mut unknown = first_round_trip.clone();
        unknown.clusters[0].seats[0].rtt_ms = None;
        publisher.publish(unknown);
        assert_eq!(publisher.current().seq, 4, "that something is not known any more is no trembling");
    }

    fn cluster(seat: SeatView) -> ClusterView {
        ClusterView {
            id: LockHash::new([1; 32]),
            name: "four".into(),
            stage: ClusterStage::Active,
            refuses: None,
            needed: 3,
            seats: vec![seat],
            validators: 1,
            next_duty: None,
            strip: Vec::new(),
            effectiveness: Effectiveness::default(),
            router: Default::default(),
            health: Health::default(),
        }
    }

    #[test]
    fn where_only_time_goes_on_the_view_is_passed_on_at_every_heartbeat() {
        let at = |at_ms| NodeView { at_ms, ..NodeView::default() };
        let publisher = Publisher::new(at(100));
        for (name, view, seq) in [
            ("at once", at(100), 0),
            ("just before the heartbeat", at(99 + HEARTBEAT_MS), 0),
            ("at the heartbeat", at(100 + HEARTBEAT_MS), 1),
            ("a clock set back", at(50), 2),
            ("a change", NodeView { slot: Some(hearth_types::Slot::new(1)), ..at(51) }, 3),
        ] {
            publisher.publish(view);
            assert_eq!(publisher.current().seq, seq, "{name}");
        }
    }
}
