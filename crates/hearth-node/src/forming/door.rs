//! How a gathering travels: guests come to the organiser's door, which knows each by the key that his invitation makes, and is shut to
//! everybody else. A guest opens no door; he only goes to the organiser's.

use std::time::Duration;

use hearth_crypto::k1::NodeKey;
use hearth_gathering::{Answer, FRAME_BYTES, Guest, PROTOCOL, Report, Table};
use hearth_p2p::{Event, Events, Host, HostConfig, Pattern, PeerConfig, Protocol, Reply, StartError};
use hearth_types::{OperatorIndex, UnixMillis};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::place::Reached;
use crate::clock;
use crate::relay_finder::{Asker, find_relays};

/// Between two reports of a guest.
const PAUSE: Duration = Duration::from_secs(1);
/// Until the organiser counts as not to be reached.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came through.
pub(super) enum Came {
    /// A guest's report, by his seat, and where the answer goes.
    Report(u8, Box<Report>, Reply),
    /// The organiser's answer, and when it was asked for.
    Answer(Answer, UnixMillis),
    /// What the organiser answered is not to be understood.
    Unreadable,
    /// The organiser does not answer.
    Silence,
}

/// An organiser's door, or a guest on his way to it.
pub(super) enum Door {
    Open {
        host: Host,
        events: Events,
        /// Asks where relays are.
        _finding: JoinSet<()>,
    },
    Knocking {
        host: Host,
        reports: watch::Sender<Option<Report>>,
        came: mpsc::Receiver<Came>,
        talk: JoinHandle<()>,
    },
}

impl Door {
    /// The organiser's.
    pub(super) async fn open(key: &NodeKey, table: &Table, reached: &Reached) -> Result<Self, StartError> {
        let doors = table.doors(&key.public());
        let peers = doors.iter().filter_map(|(seat, door)| Some(peer(operator(*seat)?, door, Vec::new())));
        let (host, events) =
            start(key, (reached.listen.clone(), reached.relays.clone()), peers.collect()).await?;
        // There is no cluster yet to tell a relay of.
        let finding = find_relays(&host, &reached.relays, &Asker::default());
        Ok(Self::Open { host, events, _finding: finding })
    }

    /// A guest's way. `None` if the invitation leads nowhere.
    pub(super) async fn knock(guest: &Guest) -> Option<Result<Self, StartError>> {
        let (organiser, first) = (guest.invite().organiser()?, operator(1)?);
        let door = guest.invite().door_key()?;
        let peer = PeerConfig {
            operator: first,
            public_key: organiser.to_bytes(),
            addresses: guest.invite().rendezvous.clone(),
        };
        let (host, events) = match start(&door, (Vec::new(), Vec::new()), vec![peer]).await {
            Ok(started) => started,
            Err(error) => return Some(Err(error)),
        };
        let (reports, said) = watch::channel(None);
        let (tell, came) = mpsc::channel(4);
        let talk = tokio::spawn(talk(host.clone(), first, (said, tell), events));
        Some(Ok(Self::Knocking { host, reports, came, talk }))
    }

    /// What comes next. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Came {
        match self {
            Self::Open { events, .. } => loop {
                match events.recv().await {
                    Some(Event::Request { from, bytes, reply, .. }) => {
                        // What is no report gets no answer.
                        if let Some(report) = Report::decode(&bytes) {
                            return Came::Report(from.share().get(), Box::new(report), reply);
                        }
                    }
                    Some(_) => {}
                    None => return std::future::pending().await,
                }
            },
            Self::Knocking { came, .. } => match came.recv().await {
                Some(came) => came,
                None => std::future::pending().await,
            },
        }
    }

    /// What a guest says from now on.
    pub(super) fn say(&self, report: Option<Report>) {
        if let Self::Knocking { reports, .. } = self {
            reports.send_if_modified(|said| {
                let new = *said != report;
                *said = report;
                new
            });
        }
    }

    pub(super) async fn close(self) {
        match self {
            Self::Open { host, .. } => host.shutdown().await,
            Self::Knocking { host, talk, .. } => {
                talk.abort();
                host.shutdown().await;
            }
        }
    }
}

fn operator(seat: u8) -> Option<OperatorIndex> {
    OperatorIndex::new(seat.checked_sub(1)?)
}

fn peer(operator: OperatorIndex, key: &NodeKey, addresses: Vec<String>) -> PeerConfig {
    PeerConfig { operator, public_key: key.public().to_bytes(), addresses }
}

async fn start(
    key: &NodeKey,
    (listen, relays): (Vec<String>, Vec<String>),
    peers: Vec<PeerConfig>,
) -> Result<(Host, Events), StartError> {
    let config = HostConfig {
        secret_key: key.to_bytes(),
        listen,
        quic: false,
        map_ports: false,
        peers,
        relays,
        protocols: vec![Protocol { id: PROTOCOL, max_frame_bytes: FRAME_BYTES, pattern: Pattern::Dialogue }],
        agent: concat!("hearth/", env!("CARGO_PKG_VERSION")).into(),
        timing: hearth_p2p::Timing { redial_longest: Duration::from_secs(5), ..hearth_p2p::Timing::default() },
        limits: hearth_p2p::Limits::default(),
    };
    hearth_p2p::start(config, CancellationToken::new()).await
}

/// Reports about once a second, and at once when there is something new to say.
async fn talk(
    host: Host,
    organiser: OperatorIndex,
    (mut said, tell): (watch::Receiver<Option<Report>>, mpsc::Sender<Came>),
    mut events: Events,
) {
    // What the network tells beside is not needed, and must not wait.
    let drain = async { while events.recv().await.is_some() {} };
    let talking = async {
        let mut answered = tokio::time::Instant::now();
        loop {
            if let Ok(mut dialogue) = host.open(organiser, PROTOCOL) {
                loop {
                    let report = said.borrow_and_update().clone();
                    if let Some(report) = report {
                        let now = clock::now();
                        let report = Report { sent_ms: now.get(), ..report };
                        let Ok(answer) = dialogue.ask(report.encode()).await else { break };
                        answered = tokio::time::Instant::now();
                        let came = Answer::decode(&answer)
                            .map_or(Came::Unreadable, |answer| Came::Answer(answer, now));
                        if tell.send(came).await.is_err() {
                            return;
                        }
                    }
                    let _either = tokio::time::timeout(PAUSE, said.changed()).await;
                }
            }
            if answered.elapsed() > PATIENCE && tell.send(Came::Silence).await.is_err() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::join!(drain, talking);
}
