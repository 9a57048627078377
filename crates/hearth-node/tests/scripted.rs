//! Ceremonies over real sockets in which three operators are as they should be and the fourth does as a script says: he falls silent,
//! leaves, lies about his step, or sends what is no message, at each step. Nobody has files, and everybody names him.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of a test fail as tests do"
)]

mod meeting;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use hearth_crypto::k1::NodeKey;
use hearth_node::{CeremonyError, CeremonyNews, Halt, Held, Networks, hold_ceremony};
use hearth_obol::ceremony::frost::SHARES_PROTOCOL;
use hearth_obol::ceremony::sync::{
    Moment, Report, SYNC_FRAME_BYTES, SYNC_PROTOCOL, encode_answer, sign_definition,
};
use hearth_obol::ceremony::{Ceremony, Message, Output};
use hearth_obol::cluster::{Definition, DkgAlgorithm};
use hearth_obol::wire::PARTIALS_PROTOCOL;
use hearth_p2p::{Event, Events, Host, HostConfig, Limits, Pattern, PeerConfig, Protocol, Timing};
use hearth_signer::identity;
use hearth_types::OperatorIndex;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use meeting::{OPERATORS, RELEASE, free_ports, installation, meeting, operator, plan};

/// Position of the one with the script.
const BAD: u8 = 3;
/// How long the others wait for him: far longer than anybody takes for a step, so that nobody is blamed for being slow.
const PATIENCE: Duration = Duration::from_secs(6);

/// What he does, once he has come to a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Deed {
    /// Nothing more; his connections stand.
    Silence,
    /// He is gone.
    Leaves,
    /// He says that he is further than he can be.
    Lies,
    /// His reports are longer than any.
    Oversized,
    /// Half of what he sends is missing.
    Truncated,
}

/// An operator as he should be.
async fn good(place: &Path, definition: Definition, me: u8, ports: &[u16]) -> Result<Held, CeremonyError> {
    let (news, _unheard) = mpsc::unbounded_channel();
    let meeting = meeting(place, &definition, (me, ports), PATIENCE);
    hold_ceremony(meeting, &installation(place, me), news, Halt::default()).await
}

/// The one with the script.
struct Scripted {
    ceremony: Ceremony,
    key: NodeKey,
    host: Host,
    events: Events,
    step: watch::Sender<i64>,
    answers: mpsc::UnboundedReceiver<(OperatorIndex, Vec<u8>)>,
    answered: mpsc::UnboundedSender<(OperatorIndex, Vec<u8>)>,
    deed: (i64, Deed),
}

impl Scripted {
    async fn come(place: &Path, definition: Definition, ports: &[u16], deed: (i64, Deed)) -> Self {
        let key = identity::load(&place.join(format!("node{BAD}")).join(identity::FILE_NAME)).unwrap();
        let ceremony = Ceremony::new(definition, &Networks::known(), RELEASE, &key, &mut rand::rng()).unwrap();
        let protocol = |id, pattern| Protocol { id, max_frame_bytes: 1 << 20, pattern };
        let peer = |(position, key): (u8, &hearth_crypto::k1::NodePublicKey)| PeerConfig {
            operator: operator(position),
            public_key: key.to_bytes(),
            addresses: vec![format!("127.0.0.1:{}", ports[usize::from(position)])],
        };
        let config = HostConfig {
            secret_key: key.to_bytes(),
            listen: vec![format!("127.0.0.1:{}", ports[usize::from(BAD)])],
            quic: false,
            map_ports: false,
            peers: (0..BAD).zip(ceremony.operators()).map(peer).collect(),
            relays: Vec::new(),
            protocols: vec![
                protocol(SYNC_PROTOCOL, Pattern::Dialogue),
                protocol(RELEASE.signature_protocol(), Pattern::RequestResponse),
                protocol(RELEASE.message_protocol(), Pattern::OneWay),
                protocol(SHARES_PROTOCOL, Pattern::OneWay),
                protocol(PARTIALS_PROTOCOL, Pattern::OneWay),
            ],
            agent: "scripted".into(),
            timing: Timing::default(),
            limits: Limits::default(),
        };
        let (host, events) = hearth_p2p::start(config, CancellationToken::new()).await.unwrap();
        let (answered, answers) = mpsc::unbounded_channel();
        Self { ceremony, key, host, events, step: watch::Sender::new(0), answers, answered, deed }
    }

    fn others() -> impl Iterator<Item = OperatorIndex> {
        (0..BAD).map(operator)
    }

    /// Does his part until the script says otherwise; then holds his connections, unless he leaves.
    async fn run(mut self, over: CancellationToken) {
        let talking: Vec<_> = Self::others().map(|to| tokio::spawn(self.talk(to))).collect();
        let mut heard = BTreeMap::new();
        // The others have to be there as well: before the first step everybody is waited for without a limit.
        while self.ceremony.step() < self.deed.0
            || Self::others().any(|other| self.ceremony.step_of(other) < Some(self.deed.0))
        {
            let comes = self.ceremony.step() < self.deed.0;
            let outputs = tokio::select! {
                () = over.cancelled() => break,
                Some(event) = self.events.recv() => self.hear(event, &mut heard),
                Some((from, answer)) = self.answers.recv() => self.ceremony.answer(from, &answer, &self.key),
            };
            // What the good ones think of it is what counts.
            let Ok(outputs) = outputs else { break };
            if comes {
                self.perform(outputs);
            }
        }
        let (at, deed) = self.deed;
        match deed {
            Deed::Silence => talking.iter().for_each(tokio::task::JoinHandle::abort),
            Deed::Leaves => {
                talking.iter().for_each(tokio::task::JoinHandle::abort);
                self.host.shutdown().await;
            }
            Deed::Lies => drop(self.step.send(at + 4)),
            Deed::Oversized => drop(self.step.send(-1)),
            Deed::Truncated => {
                for to in Self::others() {
                    self.host.send(to, RELEASE.message_protocol(), vec![0x0a, 0xff, 0x01]);
                }
            }
        }
        over.cancelled().await;
        talking.iter().for_each(tokio::task::JoinHandle::abort);
        self.host.shutdown().await;
    }

    fn hear(
        &mut self,
        event: Event,
        here: &mut BTreeMap<OperatorIndex, bool>,
    ) -> Result<Vec<Output>, hearth_obol::ceremony::Failure> {
        match event {
            Event::Request { from, protocol: SYNC_PROTOCOL, bytes, reply } => {
                let report = Report::decode(&bytes).unwrap();
                reply.send(encode_answer(report.sent_at, None));
                let mut outputs = self.ceremony.report(from, &report, &self.key)?;
                here.insert(from, true);
                if here.len() == usize::from(BAD) && self.ceremony.step() == 0 {
                    outputs.extend(self.ceremony.begin(&self.key)?);
                }
                Ok(outputs)
            }
            Event::Request { from, bytes, reply, .. } => {
                reply.send(self.ceremony.request(from, &bytes, &self.key)?);
                Ok(Vec::new())
            }
            Event::Message { from, protocol, bytes } => {
                let message = match protocol {
                    SHARES_PROTOCOL => Message::Shares(&bytes),
                    PARTIALS_PROTOCOL => Message::Partials(&bytes),
                    _ => Message::Broadcast(&bytes),
                };
                self.ceremony.hear(from, message, &self.key)
            }
            _ => Ok(Vec::new()),
        }
    }

    fn perform(&mut self, outputs: Vec<Output>) {
        let step = self.ceremony.step();
        // A step at which he does his deed is one that nobody hears of.
        if step < self.deed.0 {
            self.step.send_replace(step);
        }
        for output in outputs {
            match output {
                Output::Ask(frame) => Self::others().for_each(|to| {
                    let (host, frame, answered) = (self.host.clone(), frame.clone(), self.answered.clone());
                    tokio::spawn(async move {
                        if let Ok(answer) = host.request(to, RELEASE.signature_protocol(), frame).await {
                            let _over = answered.send((to, answer));
                        }
                    });
                }),
                Output::Deliver(frame) => self.to_all(RELEASE.message_protocol(), &frame),
                Output::Partials(frame) => self.to_all(PARTIALS_PROTOCOL, &frame),
                Output::Share(to, frame) => self.host.send(to, SHARES_PROTOCOL, frame.to_vec()),
                Output::Bundle(..) | Output::Save(_) | Output::Done => {}
            }
        }
    }

    fn to_all(&self, protocol: &'static str, frame: &[u8]) {
        Self::others().for_each(|to| self.host.send(to, protocol, frame.to_vec()));
    }

    /// Tells one of the others his step; a step below zero is a report that is longer than any.
    fn talk(&self, to: OperatorIndex) -> impl Future<Output = ()> + Send + 'static {
        let (host, step) = (self.host.clone(), self.step.subscribe());
        let hello = Report {
            sent_at: Moment { seconds: 1, nanos: 0 },
            hash_signature: sign_definition(&self.key, self.ceremony.definition_hash()),
            shutdown: false,
            version: RELEASE.version().into(),
            step: 0,
            nickname: String::new(),
        };
        async move {
            loop {
                if let Ok(mut dialogue) = host.open(to, SYNC_PROTOCOL) {
                    loop {
                        let step = *step.borrow();
                        let report = match step {
                            ..0 => vec![1; SYNC_FRAME_BYTES + 1],
                            step => Report { step, ..hello.clone() }.encode(),
                        };
                        if dialogue.ask(report).await.is_err() {
                            break;
                        }
                        tokio::time::sleep(Duration::from_millis(30)).await;
                    }
                }
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        }
    }
}

/// What became of the three.
async fn hold(deed: (i64, Deed)) -> (Vec<Result<Held, CeremonyError>>, tempfile::TempDir) {
    let place = tempfile::tempdir().unwrap();
    let (definition, ports) = (plan(place.path(), DkgAlgorithm::Default, 1), free_ports());
    let over = CancellationToken::new();
    let scripted = Scripted::come(place.path(), definition.clone(), &ports, deed).await;
    let script = tokio::spawn(scripted.run(over.clone()));
    let ends = (0..BAD).map(|me| good(place.path(), definition.clone(), me, &ports));
    let ends = futures::future::join_all(ends).await;
    over.cancel();
    script.await.unwrap();
    (ends, place)
}

/// Whether an error names the one with the script, or one of the others who gave up because of him.
fn names(error: &CeremonyError) -> bool {
    let bad = operator(BAD);
    match error {
        CeremonyError::Failed(failure) => failure.culprit == Some(bad),
        CeremonyError::Silence { awaited, .. } => awaited.contains(&bad),
        // Whoever was kept from a step by him is waited for as well.
        CeremonyError::GaveUp { text, .. } => text.contains("operator 4") || text.ends_with(", 4"),
        _ => false,
    }
}

async fn nobody_has_files(deed: (i64, Deed)) {
    let (ends, place) = hold(deed).await;
    for (me, end) in ends.iter().enumerate() {
        let error = end.as_ref().expect_err("there is no cluster");
        assert!(names(error), "{deed:?}: operator {}: {error}", me + 1);
        for file in ["cluster-lock.json", "validator_keys", "deposit-data.json"] {
            assert!(!place.path().join(format!("node{me}")).join(file).exists(), "{deed:?}: {file}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_falls_silent_at_any_step_is_named_by_all_and_nobody_has_files() {
    futures::future::join_all((1..=6).map(|step| nobody_has_files((step, Deed::Silence)))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_at_any_step_is_named_by_all_and_nobody_has_files() {
    futures::future::join_all((1..=6).map(|step| nobody_has_files((step, Deed::Leaves)))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lies_about_his_step_or_sends_what_is_no_message_is_named_by_all_and_nobody_has_files() {
    let deeds = [Deed::Lies, Deed::Oversized, Deed::Truncated];
    let each = deeds.into_iter().flat_map(|deed| [2, 4].map(|step| (step, deed)));
    futures::future::join_all(each.map(nobody_has_files)).await;
}

/// An operator as he should be, who is interrupted when he comes to a step.
async fn interrupted(
    place: &Path,
    definition: &Definition,
    (me, ports): (u8, &[u16]),
    step: i64,
) -> CeremonyError {
    let (tell, mut news) = mpsc::unbounded_channel();
    let halt = Halt::default();
    let meeting = meeting(place, definition, (me, ports), PATIENCE);
    let installation = installation(place, me);
    let ceremony = hold_ceremony(meeting, &installation, tell, halt.clone());
    let watch = async {
        while let Some(one) = news.recv().await {
            if one == CeremonyNews::Step(step) {
                halt.pause.cancel();
            }
        }
    };
    futures::join!(ceremony, watch).0.expect_err("he was interrupted")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_one_who_knows_no_going_on_as_charon_a_restart_ends_it_for_all_and_all_begin_again_with_the_same_keys()
 {
    let place = tempfile::tempdir().unwrap();
    let (definition, ports) = (plan(place.path(), DkgAlgorithm::Default, 1), free_ports());
    let over = CancellationToken::new();
    let scripted = Scripted::come(place.path(), definition.clone(), &ports, (2, Deed::Silence)).await;
    let script = tokio::spawn(scripted.run(over.clone()));
    let restarts = async {
        let paused = interrupted(place.path(), &definition, (0, &ports), 2).await;
        assert!(matches!(paused, CeremonyError::Paused), "{paused}");
        good(place.path(), definition.clone(), 0, &ports).await
    };
    let others = [1, 2].map(|me| good(place.path(), definition.clone(), me, &ports));
    let (back, others) = futures::join!(restarts, futures::future::join_all(others));
    over.cancel();
    script.await.unwrap();
    let back = back.expect_err("it is over for him");
    assert!(!matches!(back, CeremonyError::Silence { .. }), "nobody waits: {back}");
    for error in others.into_iter().map(|end| end.expect_err("and for the others")) {
        let text = error.to_string();
        assert!(text.contains("operator 1") && text.contains("started again"), "{text}");
    }
    let again = (0..OPERATORS).map(|me| good(place.path(), definition.clone(), me, &ports));
    let again = futures::future::join_all(again).await;
    let hashes: Vec<_> = again.into_iter().map(|end| end.unwrap().lock_hash).collect();
    assert!(hashes.iter().all(|hash| *hash == hashes[0]));
}
