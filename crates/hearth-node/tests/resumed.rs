//! Operators who are started again in the middle of a ceremony: they go on where they were, and all have one cluster; or the others
//! have not waited, and all begin again.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of a test fail as tests do"
)]

mod meeting;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use hearth_node::{CeremonyError, CeremonyNews, Halt, Held, hold_ceremony};
use hearth_obol::cluster::{Definition, DkgAlgorithm};
use tokio::sync::mpsc;

use meeting::{OPERATORS, folder, free_ports, installation, meeting, plan};

/// Far longer than a restart takes.
const LONG: Duration = Duration::from_secs(60);
/// Shorter than anybody is away who does not come back.
const SHORT: Duration = Duration::from_secs(4);

/// Four operators in one place.
struct Friends {
    place: tempfile::TempDir,
    definition: Definition,
    ports: Vec<u16>,
    patience: Duration,
}

/// What one of them went through.
struct Story {
    news: Vec<CeremonyNews>,
    end: Result<Held, CeremonyError>,
}

impl Friends {
    fn new(algorithm: DkgAlgorithm, patience: Duration) -> Self {
        let place = tempfile::tempdir().unwrap();
        let definition = plan(place.path(), algorithm, 2);
        Self { place, definition, ports: free_ports(), patience }
    }

    fn place(&self) -> &Path {
        self.place.path()
    }

    /// Takes part until the end, or until he is interrupted when he comes to this step.
    async fn part(&self, me: u8, until: Option<i64>) -> Story {
        let (tell, mut heard) = mpsc::unbounded_channel();
        let halt = Halt::default();
        let meeting = meeting(self.place(), &self.definition, (me, &self.ports), self.patience);
        let installation = installation(self.place(), me);
        let ceremony = hold_ceremony(meeting, &installation, tell, halt.clone());
        tokio::pin!(ceremony);
        let mut news = Vec::new();
        loop {
            tokio::select! {
                biased;
                Some(one) = heard.recv() => {
                    if until.is_some() && until.map(CeremonyNews::Step) == Some(one.clone()) {
                        halt.pause.cancel();
                    }
                    news.push(one);
                }
                end = &mut ceremony => return Story { news, end },
            }
        }
    }

    /// Takes part, and is started again at this step.
    async fn restarts(&self, me: u8, step: i64) -> Story {
        let first = self.part(me, Some(step)).await;
        let paused = match &first.end {
            Err(CeremonyError::Unconfirmed { why, .. }) => matches!(**why, CeremonyError::Paused),
            end => matches!(end, Err(CeremonyError::Paused)),
        };
        assert!(paused, "step {step}: {:?}", first.end);
        self.part(me, None).await
    }

    /// All have one and the same cluster, and nothing else.
    fn have_one_cluster(&self, stories: &[Story], what: &str) {
        let mut locks = BTreeSet::new();
        for (me, story) in (0..).zip(stories) {
            story.end.as_ref().unwrap_or_else(|error| panic!("{what}: operator {}: {error}", me + 1));
            let folder = folder(self.place(), me);
            locks.insert(std::fs::read(folder.join("cluster-lock.json")).unwrap());
            assert!(folder.join("validator_keys/keystore-insecure-1.json").exists(), "{what}");
            assert!(!folder.join("ceremony.sealed").exists(), "{what}: secrets are left");
        }
        assert_eq!(locks.len(), 1, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_started_again_at_any_step_goes_on_and_all_have_one_cluster() {
    for algorithm in [DkgAlgorithm::Default, DkgAlgorithm::Pedersen] {
        let each = (1..=7).map(|step| async move {
            let friends = Friends::new(algorithm, LONG);
            let others = futures::future::join_all((0..3).map(|me| friends.part(me, None)));
            let (mut stories, back) = futures::join!(others, friends.restarts(3, step));
            let at = back.news.iter().find_map(|news| match news {
                CeremonyNews::Back(at) => Some(*at),
                _ => None,
            });
            assert!(at.is_some_and(|at| at >= step), "{algorithm:?}, step {step}: {:?}", back.news);
            assert!(!back.news.contains(&CeremonyNews::Anew), "{algorithm:?}, step {step}");
            stories.push(back);
            friends.have_one_cluster(&stories, &format!("{algorithm:?}, step {step}"));
        });
        futures::future::join_all(each).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_go_on_after_a_power_cut_that_strikes_everybody() {
    let each = [1, 2, 4, 6].map(|step| async move {
        let friends = Friends::new(DkgAlgorithm::Default, LONG);
        let all = futures::future::join_all((0..OPERATORS).map(|me| friends.restarts(me, step))).await;
        friends.have_one_cluster(&all, &format!("step {step}"));
    });
    futures::future::join_all(each).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_others_have_not_waited_all_begin_again_and_whoever_comes_back_with_them() {
    let friends = Friends::new(DkgAlgorithm::Default, SHORT);
    let others = futures::future::join_all((0..3).map(|me| friends.part(me, None)));
    let (others, away) = futures::join!(others, friends.part(3, Some(2)));
    assert!(matches!(away.end, Err(CeremonyError::Paused)), "{:?}", away.end);
    for story in &others {
        let error = story.end.as_ref().expect_err("one was missing").to_string();
        // On a busy machine another may be behind as well.
        let waited = error.split_once("waiting for operator").is_some_and(|(_, whom)| whom.contains('4'));
        assert!(waited || error.contains("gave up"), "{error}");
    }
    let again = futures::future::join_all((0..OPERATORS).map(|me| friends.part(me, None))).await;
    assert!(again[3].news.contains(&CeremonyNews::Anew), "{:?}", again[3].news);
    friends.have_one_cluster(&again, "begun again");
}
