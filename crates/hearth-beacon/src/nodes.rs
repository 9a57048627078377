//! Several beacon nodes as one: who is asked, in what order, and for how long.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use hearth_duties::{ChainFailure, ChainQuery, ChainReply, Deadlined};
use hearth_types::{ChainSpec, Epoch, Slot, UnixMillis};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::error::{BeaconError, Problem};
use crate::heads::HeadDelays;
use crate::node::{BeaconNode, BlockId};
use crate::retry::Backoff;
use crate::status::{NodeStatus, ranked};
use crate::wire::{Block, BlockHeader, Committee};

/// The owner's beacon nodes, in the owner's order. Made by [`connect`](crate::connect()).
///
/// Questions go to the first healthy node and on to the next where it fails; submissions go to all.
#[derive(Debug)]
pub struct BeaconNodes {
    pub(crate) nodes: Vec<Arc<BeaconNode>>,
    pub(crate) spec: ChainSpec,
    pub(crate) statuses: watch::Sender<Vec<NodeStatus>>,
    /// Submissions that go on after another node has taken the batch.
    pub(crate) stragglers: TaskTracker,
}

/// From the end of a node's news until it is asked for more.
const LISTEN_AGAIN: Duration = Duration::from_secs(30);
/// No question waits longer, whatever its deadline says.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

impl BeaconNodes {
    pub(crate) fn new(nodes: Vec<Arc<BeaconNode>>, spec: ChainSpec) -> Self {
        let statuses = nodes.iter().map(|node| NodeStatus::unknown(node.name().clone())).collect();
        Self { nodes, spec, statuses: watch::Sender::new(statuses), stragglers: TaskTracker::new() }
    }

    /// What is known of each node, in the owner's order; changes as checks and answers come in.
    pub fn status(&self) -> watch::Receiver<Vec<NodeStatus>> {
        self.statuses.subscribe()
    }

    /// Answers a question of the duties, at the latest when its deadline has passed, counted from `now`.
    ///
    /// Dropping the future abandons the question; submissions already on their way arrive nevertheless.
    pub async fn answer(&self, asked: Deadlined, now: UnixMillis) -> ChainReply {
        let budget = Duration::from_millis(asked.until.millis_since(now)).min(LONGEST_WAIT);
        let deadline = Instant::now() + budget;
        let spec = &self.spec;
        match asked.query {
            ChainQuery::Validators { pubkeys } => {
                if pubkeys.is_empty() {
                    return ChainReply::Validators(Ok(Vec::new()));
                }
                let pubkeys = &pubkeys;
                let ask = |node: Arc<BeaconNode>| async move { node.validators(pubkeys).await };
                ChainReply::Validators(self.ask_until(deadline, None, ask).await)
            }
            ChainQuery::AttesterDuties { epoch, validators } => {
                if validators.is_empty() {
                    return ChainReply::AttesterDuties { epoch, duties: Ok(Vec::new()) };
                }
                let validators = &validators;
                let ask =
                    |node: Arc<BeaconNode>| async move { node.attester_duties(spec, epoch, validators).await };
                ChainReply::AttesterDuties { epoch, duties: self.ask_until(deadline, Some(epoch), ask).await }
            }
            ChainQuery::AttestationData { slot } => {
                let ask = |node: Arc<BeaconNode>| async move { node.attestation_data(spec, slot).await };
                let epoch = Some(spec.epoch_of(slot));
                ChainReply::AttestationData { slot, data: self.ask_until(deadline, epoch, ask).await }
            }
            ChainQuery::SubmitAttestations { slot, attestations } => {
                let validators = attestations.len();
                let outcome = self.submit_until(deadline, slot, attestations).await;
                ChainReply::Submitted { slot, validators, outcome }
            }
        }
    }

    /// A block's header from the first healthy node that answers; `None` where there is no such block.
    pub async fn header(&self, id: BlockId) -> Result<Option<BlockHeader>, ChainFailure> {
        self.look(None, |node: Arc<BeaconNode>| async move { node.header(id).await }).await
    }

    /// A block's attestations from the first healthy node that answers; `None` where there is no such block.
    pub async fn block(&self, id: BlockId) -> Result<Option<Block>, ChainFailure> {
        self.look(None, |node: Arc<BeaconNode>| async move { node.block(id).await }).await
    }

    /// The committees of a slot from the first healthy node that answers.
    pub async fn committees(&self, slot: Slot) -> Result<Vec<Committee>, ChainFailure> {
        let epoch = Some(self.spec.epoch_of(slot));
        self.look(epoch, |node: Arc<BeaconNode>| async move { node.committees(slot).await }).await
    }

    /// Looks at every node once: is it there, on our chain, at the head? Cancel-safe.
    pub async fn check(&self) {
        join_all((0..self.nodes.len()).map(|index| self.check_one(index))).await;
    }

    /// Looks at every node again and again. Never returns; drop it to stop.
    pub async fn keep_checking(&self, every: Duration) {
        loop {
            sleep(every).await;
            self.check().await;
        }
    }

    /// Listens to the nodes' news of their heads and measures how late those are by the clock `now`. Never returns; drop it
    /// to stop.
    pub async fn keep_watching_heads(&self, now: fn() -> UnixMillis) {
        let watch = |(index, node): (usize, &Arc<BeaconNode>)| {
            let (node, spec) = (Arc::clone(node), &self.spec);
            async move {
                let mut delays = HeadDelays::default();
                loop {
                    let heard = |slot| {
                        let p95 = delays.take(spec, slot, now());
                        self.record(index, |status| status.head_delay_ms = p95);
                    };
                    // A node without this route is as good as another.
                    let _ended = node.heads(heard).await;
                    sleep(LISTEN_AGAIN).await;
                }
            }
        };
        join_all(self.nodes.iter().enumerate().map(watch)).await;
    }

    /// Waits for submissions that are still on their way. No request takes longer than its patience, so neither
    /// does this.
    pub async fn finish(&self) {
        self.stragglers.close();
        self.stragglers.wait().await;
    }

    async fn check_one(&self, index: usize) {
        let Some(node) = self.nodes.get(index) else { return };
        let started = Instant::now();
        let syncing = async {
            let answer = node.syncing().await;
            (answer, u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX))
        };
        let (identity, (syncing, latency_ms)) = tokio::join!(node.identity(), syncing);
        let seen = NodeStatus::seen(node.name().clone(), &self.spec, identity, syncing, latency_ms);
        self.record(index, |status| {
            let head_delay_ms = status.head_delay_ms;
            *status = NodeStatus { head_delay_ms, ..seen };
        });
    }

    /// Asks until an answer is right, every failure is final, or the deadline has passed.
    async fn ask_until<T, Answer>(
        &self,
        deadline: Instant,
        epoch: Option<Epoch>,
        ask: impl Fn(Arc<BeaconNode>) -> Answer,
    ) -> Result<T, ChainFailure>
    where
        Answer: Future<Output = Result<T, BeaconError>>,
    {
        let mut last = Setbacks::default();
        let attempts = async {
            let mut backoff = Backoff::new();
            loop {
                match self.ask(epoch, &ask).await {
                    Ok(answer) => return Some(answer),
                    Err(setbacks) => last = setbacks,
                }
                if !last.temporary {
                    return None;
                }
                sleep(backoff.delay()).await;
            }
        };
        match timeout_at(deadline, attempts).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(last.into_failure()),
            Err(_) => Err(last.into_silence()),
        }
    }

    /// Asks the usable nodes one after the other, once. Where none is usable, looks at all of them first.
    async fn ask<T, Answer>(
        &self,
        epoch: Option<Epoch>,
        ask: impl Fn(Arc<BeaconNode>) -> Answer,
    ) -> Result<T, Setbacks>
    where
        Answer: Future<Output = Result<T, BeaconError>>,
    {
        let mut setbacks = Setbacks::default();
        for index in self.usable(epoch).await {
            let Some(node) = self.nodes.get(index).cloned() else { continue };
            match ask(node).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    self.note(index, &error);
                    setbacks.add(&error);
                }
            }
        }
        Err(self.explained(setbacks, epoch))
    }

    /// Asks the usable nodes one after the other, once, for what no duty needs. A failure is not held against the node: a block
    /// that is too large for it or a state that it has forgotten must not lead duties elsewhere.
    async fn look<T, Answer>(
        &self,
        epoch: Option<Epoch>,
        ask: impl Fn(Arc<BeaconNode>) -> Answer,
    ) -> Result<T, ChainFailure>
    where
        Answer: Future<Output = Result<T, BeaconError>>,
    {
        let mut setbacks = Setbacks::default();
        let usable = ranked(&self.statuses.borrow(), epoch, self.spec.slots_per_epoch());
        for node in usable.into_iter().filter_map(|index| self.nodes.get(index).cloned()) {
            match ask(node).await {
                Ok(answer) => return Ok(answer),
                Err(error) => setbacks.add(&error),
            }
        }
        Err(self.explained(setbacks, epoch).into_failure())
    }

    /// With what is known of the nodes, where none was asked.
    fn explained(&self, mut setbacks: Setbacks, epoch: Option<Epoch>) -> Setbacks {
        if setbacks.words.is_empty() {
            setbacks.temporary = true;
            setbacks.words = self.statuses.borrow().iter().map(|status| status.complaint(epoch)).collect();
        }
        setbacks
    }

    async fn usable(&self, epoch: Option<Epoch>) -> Vec<usize> {
        let order = || ranked(&self.statuses.borrow(), epoch, self.spec.slots_per_epoch());
        let known = order();
        if !known.is_empty() {
            return known;
        }
        self.check().await;
        order()
    }

    /// Remembers what an answer says about its node.
    pub(crate) fn note(&self, index: usize, error: &BeaconError) {
        self.record(index, |status| {
            status.last_error = Some(error.to_string());
            status.reachable &= !error.problem.is_silence();
            status.synced &= !matches!(error.problem, Problem::Syncing { .. } | Problem::Optimistic);
        });
    }

    fn record(&self, index: usize, change: impl FnOnce(&mut NodeStatus)) {
        self.statuses.send_if_modified(|statuses| {
            let Some(status) = statuses.get_mut(index) else { return false };
            let before = status.clone();
            change(status);
            match (before.usable(), status.usable()) {
                (false, true) => info!(node = %status.url, version = status.version, "beacon node is usable"),
                (true, false) => {
                    warn!(node = %status.url, reason = status.last_error, "beacon node is not usable");
                }
                _ => {}
            }
            let until = status.agrees_until;
            if status.network_ok && until != Epoch::FAR_FUTURE && until != before.agrees_until {
                warn!(node = %status.url, epoch = %until, "beacon node knows other forks from here on");
            }
            *status != before
        });
    }
}

/// What went wrong in one round over the nodes.
#[derive(Debug, Default)]
pub(crate) struct Setbacks {
    /// Whether another round may help.
    pub(crate) temporary: bool,
    /// Whether a node refused, as opposed to having answered nonsense.
    pub(crate) refused: bool,
    /// One sentence a node.
    pub(crate) words: Vec<String>,
}

impl Setbacks {
    pub(crate) fn add(&mut self, error: &BeaconError) {
        self.temporary |= error.problem.is_temporary();
        self.refused |= matches!(error.problem, Problem::Status { .. });
        self.words.push(error.to_string());
    }

    pub(crate) fn into_failure(self) -> ChainFailure {
        match self {
            Self { temporary: true, .. } => self.into_silence(),
            Self { refused: true, words, .. } => ChainFailure::Refused(words.join("; ")),
            Self { words, .. } => ChainFailure::Unusable(words.join("; ")),
        }
    }

    pub(crate) fn into_silence(mut self) -> ChainFailure {
        if self.words.is_empty() {
            self.words.push("the deadline passed first".to_owned());
        }
        ChainFailure::Unreachable(self.words.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::network::chain_spec;
    use crate::{Patience, WrongAnswer, wire};

    /// `count` nodes that are believed to be well; nothing listens at their addresses.
    fn believed_well(count: u16) -> BeaconNodes {
        let genesis = wire::data(include_bytes!("../tests/vectors/genesis.json")).unwrap();
        let config = wire::data(include_bytes!("../tests/vectors/spec.json")).unwrap();
        let spec = chain_spec(&genesis, &config, None).unwrap();
        let url = |port| format!("http://127.0.0.1:{port}").parse().unwrap();
        let node = |port| Arc::new(BeaconNode::new(url(port), Patience::default()).unwrap());
        let nodes = BeaconNodes::new((1..=count).map(node).collect(), spec);
        for index in 0..usize::from(count) {
            nodes.record(index, |status| {
                (status.reachable, status.synced, status.network_ok) = (true, true, true);
                (status.agrees_until, status.execution_online) = (Epoch::FAR_FUTURE, true);
            });
        }
        nodes
    }

    fn error(node: &BeaconNode, problem: Problem) -> BeaconError {
        BeaconError { node: node.name().clone(), route: "/route", problem }
    }

    fn busy() -> Problem {
        Problem::Status { status: 503, message: "busy".to_owned(), failures: vec![] }
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_is_repeated_with_growing_waits_until_its_deadline_and_not_beyond() {
        let nodes = believed_well(1);
        let asked = AtomicU32::new(0);
        let started = Instant::now();
        let deadline = started + Duration::from_secs(60);
        let answer = nodes
            .ask_until(deadline, None, async |node: Arc<BeaconNode>| {
                asked.fetch_add(1, Ordering::Relaxed);
                Err::<(), _>(error(&node, busy()))
            })
            .await;
        assert!(matches!(answer, Err(ChainFailure::Unreachable(words)) if words.contains("busy")));
        assert_eq!(started.elapsed().as_secs(), 60, "on virtual time");
        // Waits of 250 ms growing by 1.6 to 12 s: eleven or twelve fit into a minute.
        assert!((11..=13).contains(&asked.load(Ordering::Relaxed)), "{asked:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_never_returns_is_abandoned_at_its_deadline() {
        let nodes = believed_well(2);
        let started = Instant::now();
        let answer: Result<(), _> = nodes
            .ask_until(started + Duration::from_millis(700), None, async |_| std::future::pending().await)
            .await;
        assert_eq!(answer, Err(ChainFailure::Unreachable("the deadline passed first".to_owned())));
        assert_eq!(started.elapsed().as_millis(), 700, "on virtual time");
    }

    #[tokio::test(start_paused = true)]
    async fn every_node_is_asked_once_a_round_and_the_failure_names_them_all() {
        let nodes = believed_well(3);
        let wrong = || Problem::Wrong(WrongAnswer::Committee(hearth_types::CommitteeIndex::new(1)));
        let refused = || Problem::Status { status: 400, message: "no".to_owned(), failures: vec![] };
        for (name, problems, expected) in [
            ("all nonsense", [wrong(), wrong(), wrong()], "unusable"),
            ("one refuses", [wrong(), refused(), wrong()], "refused"),
            ("one is busy", [wrong(), refused(), busy()], "in time"),
        ] {
            let turn = AtomicU32::new(0);
            let deadline = Instant::now() + Duration::from_millis(100);
            let answer: Result<(), _> = nodes
                .ask_until(deadline, None, |node: Arc<BeaconNode>| {
                    let turn = turn.fetch_add(1, Ordering::Relaxed) as usize % 3;
                    std::future::ready(Err(error(&node, problems[turn].clone())))
                })
                .await;
            let words = answer.unwrap_err().to_string();
            assert!(words.contains(expected), "{name}: {words}");
            for port in 1..=3 {
                assert!(words.contains(&format!("http://127.0.0.1:{port}:")), "{name}: {words}");
            }
            assert_eq!(turn.load(Ordering::Relaxed), 3, "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_answer_after_some_failures_is_the_answer() {
        let nodes = believed_well(1);
        let left = AtomicU32::new(3);
        let deadline = Instant::now() + Duration::from_secs(60);
        let answer = nodes
            .ask_until(deadline, Some(Epoch::new(4)), |node: Arc<BeaconNode>| {
                let left = left.fetch_sub(1, Ordering::Relaxed);
                std::future::ready(if left == 0 { Ok(7) } else { Err(error(&node, busy())) })
            })
            .await;
        assert_eq!(answer, Ok(7));
    }
}
