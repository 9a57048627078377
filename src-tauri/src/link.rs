//! The connection over which the node's view comes, made again for ever.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hearth_api::{Client, ErrorCode, HEARTBEAT_MS, NodeView, Role, Subscription, UiError, ViewEvent};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

/// Between two attempts: well within the two seconds in which a node that is back has to be seen.
const RETRY: Duration = Duration::from_millis(500);
/// A node that lives says something every [`HEARTBEAT_MS`].
const SILENCE: Duration = Duration::from_millis(3 * HEARTBEAT_MS);
/// Between two events for the page: at most ten a second.
const PACE: Duration = Duration::from_millis(100);

/// What the page hears.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum News {
    /// A node answers.
    Connected,
    /// Something changed.
    Event {
        /// What.
        event: ViewEvent,
    },
    /// No node answers any more.
    Lost {
        /// Why.
        error: UiError,
    },
}

/// The handle of the connection.
#[derive(Debug)]
pub(crate) struct Link {
    again: mpsc::Sender<()>,
}

/// The other end of [`Link`].
pub(crate) struct Source {
    folder: watch::Receiver<PathBuf>,
    again: mpsc::Receiver<()>,
    seen: watch::Sender<Option<Arc<NodeView>>>,
}

impl Link {
    /// A connection to the node of a data folder, which may become another; [`show`] makes it. And the latest view that came
    /// over it.
    pub(crate) fn to(
        folder: watch::Receiver<PathBuf>,
    ) -> (Self, Source, watch::Receiver<Option<Arc<NodeView>>>) {
        let (again, asked) = mpsc::channel(1);
        let (seen, view) = watch::channel(None);
        (Self { again }, Source { folder, again: asked, seen }, view)
    }

    /// Asks for the whole view: somebody new looks, or lost track.
    pub(crate) fn again(&self) {
        // One that waits already does it for both.
        let _asked = self.again.try_send(());
    }
}

/// Tells `tell` of the node, for as long as the app lives.
pub(crate) async fn show(mut source: Source, tell: impl Fn(News)) {
    loop {
        let folder = source.folder.borrow_and_update().clone();
        let error = match connect(&folder).await {
            Ok(subscription) => {
                tell(News::Connected);
                follow(&mut source, subscription, &tell).await
            }
            Err(error) => error,
        };
        tell(News::Lost { error: error.clone() });
        tokio::select! {
            () = sleep(RETRY) => {}
            Ok(()) = source.folder.changed() => {}
            asked = source.again.recv() => match asked {
                Some(()) => tell(News::Lost { error }),
                None => return,
            },
        }
    }
}

async fn connect(folder: &Path) -> Result<Subscription, UiError> {
    Client::connect(folder, Role::Window).await?.follow()
}

/// Returns why it ended. An event at most each [`PACE`]; what comes faster waits, and the node merges what waits.
async fn follow(source: &mut Source, mut subscription: Subscription, tell: &impl Fn(News)) -> UiError {
    loop {
        tokio::select! {
            next = timeout(SILENCE, subscription.next()) => match next {
                Ok(Ok(event)) => {
                    source.seen.send_replace(subscription.view().cloned().map(Arc::new));
                    tell(News::Event { event });
                }
                Ok(Err(error)) => return error,
                Err(_) => return UiError::new(ErrorCode::TimedOut, None),
            },
            Ok(()) = source.folder.changed() => {
                source.seen.send_replace(None);
                return UiError::new(ErrorCode::ConnectionLost, None);
            }
            Some(()) = source.again.recv() => {
                if let Some(view) = subscription.view() {
                    tell(News::Connected);
                    tell(News::Event { event: ViewEvent::Snapshot(Box::new(NodeView::clone(view))) });
                }
            }
        }
        sleep(PACE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_looks_while_there_is_no_node_is_told_so_each_time_and_it_goes_on_looking() {
        let folder = tempfile::tempdir().unwrap();
        let (link, source, view) = Link::to(watch::Sender::new(folder.path().to_owned()).subscribe());
        let (told, mut heard) = mpsc::unbounded_channel();
        let showing = tokio::spawn(show(source, move |news| drop(told.send(news))));
        for _ in 0..3 {
            link.again();
            let Some(News::Lost { error }) = heard.recv().await else { panic!("there is no node") };
            assert_eq!(error.code, ErrorCode::NotRunning);
        }
        assert!(view.borrow().is_none());
        drop(link);
        showing.await.unwrap();
    }

    #[test]
    fn news_have_the_shape_that_the_page_reads() {
        let lost = News::Lost { error: UiError::new(ErrorCode::NotRunning, None) };
        assert_eq!(serde_json::to_value(News::Connected).unwrap(), serde_json::json!({"kind": "connected"}));
        assert_eq!(serde_json::to_value(lost).unwrap()["error"]["code"], "not_running");
        let event = News::Event { event: ViewEvent::Snapshot(Box::default()) };
        assert!(serde_json::to_value(event).unwrap()["event"]["snapshot"]["seq"].is_number());
    }
}
