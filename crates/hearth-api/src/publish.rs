//! Where the node puts its view, and where whoever watches finds it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::health::judge;
use crate::view::NodeView;

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
    /// To be called whenever something changed, and every [`crate::HEARTBEAT_MS`] even if nothing did: an observer
    /// takes silence for trouble.
    pub fn publish(&self, view: NodeView) {
        let mut view = settled(view);
        self.place.send_modify(|place| {
            view.seq = place.seq.saturating_add(1);
            *place = Arc::new(view);
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
    use crate::health::{Flame, Health};
    use crate::view::NodeState;

    #[tokio::test]
    async fn a_published_view_is_numbered_and_judged_whatever_it_claims() {
        let publisher = Publisher::new(NodeView::default());
        let mut watcher = publisher.watch();
        let reason = "the slashing record is damaged".to_owned();
        let mut claims = NodeView { seq: 99, ..NodeView::default() };
        claims.node.state = NodeState::Refusing { reason };
        claims.health = Health { flame: Flame::Lit, sentence: "All is well.".into(), here: 4, spare: 1 };
        publisher.publish(claims);
        assert!(watcher.changed().await);
        let view = watcher.current();
        assert_eq!((view.seq, view.health.flame), (1, Flame::Dark));
        assert_eq!(view.health.sentence, "Not signing: the slashing record is damaged.");
        drop(publisher);
        assert!(!watcher.changed().await);
    }
}
