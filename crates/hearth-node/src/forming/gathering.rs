//! One gathering, from the plan or the invitation to the cluster's files.

mod acts;
mod held;
mod visits;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hearth_api::{ClusterPlan, ErrorCode, FormedCluster, Forming, OwnSeat, UiError};
use hearth_crypto::k1::NodeKey;
use hearth_gathering::{
    Check, CheckKind, Guest, Heard, Invite, NAME_BYTES, Outcome, SeatState, Seating, Standing, Table, Terms,
    Unwilling,
};
use hearth_obol::cluster::{Definition, Network, new_uuid};
use hearth_obol::enr::Enr;
use hearth_signer::identity;
use hearth_types::{Root, UnixMillis};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::task::AbortOnDropHandle;

use super::door::{Came, Door};
use super::kept::{Kept, Side};
use super::place::{Reached, reached};
use super::reach::{Found, KeptPort};
use super::taking::Taking;
use super::{Grounds, show};
use crate::aside::{aside, replace_private};
use crate::ceremony::words_of;
use crate::clock;
use crate::folder::CLUSTERS;
use crate::offline::{DEFINITION, check_room};

/// What this node calls itself.
const VERSION: &str = concat!("hearth/", env!("CARGO_PKG_VERSION"));
/// Between two looks at the clock.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks at this computer.
const CHECK_AGAIN: Duration = Duration::from_secs(15);
/// How long guests have to hear that the ceremony begins.
const CALL: Duration = Duration::from_secs(10);
/// Space that a cluster's files and a year of signatures never need.
const ROOM_MIB: u64 = 500;
/// How far clocks may differ, milliseconds.
const CLOCK_MS: u64 = 1_000;

/// A cluster that is being formed.
pub(super) struct Gathering {
    folder: PathBuf,
    key: NodeKey,
    side: Side,
    reached: Reached,
    /// That of the cluster, once it is known what it is to be.
    network: Option<Network>,
    door: Option<Door>,
    /// A guest listens nowhere before the ceremony.
    port: Option<KeptPort>,
    /// The organiser comes by at his guests'.
    visits: Option<AbortOnDropHandle<BTreeMap<u8, Found>>>,
    visited: Option<Instant>,
    ceremony: Option<Taking>,
    /// Number of the newest ceremony that was gone to, and how it ended.
    gone_to: u32,
    outcome: Option<Outcome>,
    /// When the organiser has called everybody.
    called: Option<Instant>,
    pub(super) formed: Option<FormedCluster>,
    pub(super) trouble: Option<String>,
    pub(super) refused: bool,
    pub(super) connected: bool,
    checks: Vec<Check>,
    /// Of a seat that nobody gathers.
    standing: Standing,
    checked: Option<Instant>,
    looks: Interval,
    /// What was last written, and hash of the definition that was.
    kept: Vec<u8>,
    written: Option<Root>,
}

/// What happens in a gathering.
pub(super) enum Moved {
    Came(Came),
    Ceremony(super::taking::Moved),
    Look,
}

impl Gathering {
    /// Plans a cluster, in a new folder with a new key.
    pub(super) async fn plan(grounds: &Grounds, terms: Terms, seat: &OwnSeat) -> Result<Self, UiError> {
        let make = |record: String, reached: &Reached| {
            let named = (clock::now(), new_uuid(&mut rand::rng()));
            let organiser = (record, reached.nickname.clone());
            Side::Organiser(Box::new(Table::new(terms, organiser, named, &mut rand::rng())))
        };
        Self::begin_with(grounds, (seat, Vec::new()), make).await
    }

    /// Takes the seat of an invitation, in a new folder with a new key.
    pub(super) async fn join(grounds: &Grounds, invite: Invite, seat: &OwnSeat) -> Result<Self, UiError> {
        let met_at = invite.rendezvous.clone();
        let make = |record: String, reached: &Reached| {
            Side::Guest(Box::new(Guest::new(invite, record, reached.nickname.clone())))
        };
        Self::begin_with(grounds, (seat, met_at), make).await
    }

    /// Makes a new key in a new folder, for somebody else's definition.
    pub(super) async fn prepare(grounds: &Grounds, seat: &OwnSeat) -> Result<Self, UiError> {
        let make = |_, _: &Reached| Side::Named(Box::default());
        Self::begin_with(grounds, (seat, Vec::new()), make).await
    }

    async fn begin_with(
        grounds: &Grounds,
        (seat, met_at): (&OwnSeat, Vec<String>),
        make: impl FnOnce(String, &Reached) -> Side,
    ) -> Result<Self, UiError> {
        let reached =
            reached(&grounds.home, &grounds.settings.in_effect(), seat, &met_at)?.through_relays().await?;
        if reached.nickname.len() > NAME_BYTES {
            return Err(UiError::value_refused(format!("A name has at most {NAME_BYTES} letters.")));
        }
        let folder = grounds.home.join(CLUSTERS).join(format!("{:08x}", rand::random::<u32>()));
        let at = folder.clone();
        let key = aside(move || make_key(&at)).await?;
        let side = make(Enr::create(&key).text().to_owned(), &reached);
        let mut gathering = Self::new(grounds, folder, (key, side, reached)).ok_or_else(unknown_network)?;
        gathering.keep()?;
        gathering.look(grounds).await;
        Ok(gathering)
    }

    /// What an earlier run left.
    pub(super) async fn resume(grounds: &Grounds) -> Option<Self> {
        let (folder, Kept { side, listen, addresses, nickname, relays, in_ceremony }) =
            Kept::find(&grounds.home)?;
        let key = identity::load(&folder.join(identity::FILE_NAME));
        let key = key.map_err(|error| tracing::warn!(%error, "a cluster that was being formed")).ok()?;
        let reached = Reached { nickname, listen, addresses, relays };
        let side = match side {
            Side::Named(named) => Side::Named(Box::new(named.resumed())),
            side => side,
        };
        let mut gathering = Self::new(grounds, folder, (key, side, reached))?;
        if in_ceremony {
            gathering.go(gathering.gone_to, grounds).await;
        }
        gathering.look(grounds).await;
        Some(gathering)
    }

    fn new(grounds: &Grounds, folder: PathBuf, (key, side, reached): (NodeKey, Side, Reached)) -> Option<Self> {
        let networks = grounds.settings.in_effect().scrutiny().networks();
        let of_terms = |terms: &Terms| networks.by_fork_version(terms.network()).cloned();
        let (network, gone_to) = match &side {
            Side::Organiser(table) => (Some(of_terms(table.terms())?), table.ceremony()),
            Side::Guest(guest) => (Some(of_terms(&guest.invite().terms)?), guest.standing().gone_to),
            Side::Named(named) => {
                (named.definition().and_then(|definition| networks.of(definition)).cloned(), 0)
            }
        };
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Some(Self {
            folder,
            key,
            side,
            reached,
            network,
            door: None,
            port: None,
            visits: None,
            visited: None,
            ceremony: None,
            gone_to,
            outcome: None,
            called: None,
            formed: None,
            trouble: None,
            refused: false,
            connected: false,
            checks: Vec::new(),
            standing: Standing::default(),
            checked: None,
            looks,
            kept: Vec::new(),
            written: None,
        })
    }

    /// What comes next. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Moved {
        let Self { door, ceremony, looks, .. } = self;
        let came = async {
            match door {
                Some(door) => door.next().await,
                None => std::future::pending().await,
            }
        };
        let taking = async {
            match ceremony {
                Some(ceremony) => ceremony.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            came = came => Moved::Came(came),
            moved = taking => Moved::Ceremony(moved),
            _ = looks.tick() => Moved::Look,
        }
    }

    pub(super) async fn take(&mut self, moved: Moved, grounds: &Grounds) {
        match moved {
            Moved::Came(came) => self.hear(came, grounds).await,
            Moved::Ceremony(moved) => {
                let ended = self.ceremony.as_mut().and_then(|ceremony| ceremony.take(moved));
                if let Some(ended) = ended {
                    self.ended(ended, grounds).await;
                }
            }
            Moved::Look => self.look(grounds).await,
        }
        if let Err(error) = self.keep() {
            tracing::warn!(error = %error.details.unwrap_or_default(), "a gathering cannot be kept over a restart");
        }
    }

    async fn hear(&mut self, came: Came, grounds: &Grounds) {
        match (came, &mut self.side) {
            (Came::Report(seat, report, reply), Side::Organiser(table)) => {
                let answer = table.hear(seat, *report, &self.key.public(), clock::now());
                if let Some(Err(error)) = self.network.as_ref().map(|network| table.settle(network)) {
                    self.trouble = Some(error.to_string());
                }
                reply.send(answer.encode());
            }
            (Came::Answer(answer, asked), Side::Guest(guest)) => {
                match guest.hear(answer, &self.key.public(), (asked, clock::now())) {
                    Ok(Heard::Go(number)) => self.go(number, grounds).await,
                    Ok(Heard::State | Heard::Changed) => {
                        if !self.connected {
                            self.trouble = self.last_failure();
                        }
                        self.connected = true;
                    }
                    Err(Unwilling::Unreadable) => self.trouble = Some(Unwilling::Unreadable.to_string()),
                    Err(unwilling) => {
                        self.trouble = Some(unwilling.to_string());
                        self.refused = true;
                        self.shut().await;
                    }
                }
                self.say(false);
            }
            (Came::Unreadable, _) => self.trouble = Some(Unwilling::Unreadable.to_string()),
            (Came::Silence, Side::Guest(guest)) => {
                let at = guest.invite().rendezvous.join(", ");
                self.connected = false;
                self.trouble =
                    Some(format!("the organiser's node does not answer at {at}; this node keeps trying"));
            }
            (Came::Report(..) | Came::Answer(..) | Came::Silence, _) => {}
        }
    }

    /// What is to be done from time to time.
    async fn look(&mut self, grounds: &Grounds) {
        if self.formed.is_some() {
            return;
        }
        if self.checked.is_none_or(|at| at.elapsed() >= CHECK_AGAIN) {
            self.check().await;
        }
        if let Some(ceremony) = &mut self.ceremony {
            ceremony.look();
            return;
        }
        if self.refused {
            return;
        }
        self.stand();
        if let Side::Organiser(table) = &mut self.side {
            if let Some(Err(error)) = self.network.as_ref().map(|network| table.settle(network)) {
                self.trouble = Some(error.to_string());
            }
            let (number, all_gone) = (table.ceremony(), table.all_gone());
            if number > self.gone_to && all_gone {
                self.go(number, grounds).await;
                return;
            }
            if number > self.gone_to && self.called.is_none_or(|at| at.elapsed() >= CALL) {
                self.gone_to = number;
                self.called = None;
                self.failed(
                    "somebody did not hear that the ceremony begins; begin again when all are here".into(),
                );
                self.connected = true;
            }
        }
        self.visit().await;
        // Before the organiser hears of him: who is there is visited.
        if self.port.is_none() && matches!(self.side, Side::Guest(_) | Side::Named(_)) {
            // Where it cannot be had, the ceremony says so.
            let address = self.reached.listen.first();
            self.port = address.and_then(|address| KeptPort::keep(address, &self.key.public()).ok());
        }
        if self.door.is_none() {
            self.open().await;
        }
        self.say(false);
    }

    async fn open(&mut self) {
        let opened = match &self.side {
            Side::Organiser(table) => Some(Door::open(&self.key, table, &self.reached).await),
            Side::Guest(guest) => Door::knock(guest).await,
            // He meets the others in the ceremony.
            Side::Named(_) => return,
        };
        match opened {
            Some(Ok(door)) => {
                self.door = Some(door);
                if matches!(self.side, Side::Organiser(_)) {
                    if !self.connected {
                        self.trouble = self.last_failure();
                    }
                    self.connected = true;
                }
            }
            Some(Err(error)) => {
                self.connected = false;
                self.trouble = Some(error.to_string());
            }
            None => self.trouble = Some("the invitation leads nowhere".into()),
        }
    }

    async fn shut(&mut self) {
        if let Some(door) = self.door.take() {
            door.close().await;
        }
    }

    /// Tells the organiser how far this guest is.
    fn say(&self, leaving: bool) {
        if let (Side::Guest(guest), Some(door)) = (&self.side, &self.door) {
            // The time is put in when it is sent.
            door.say(guest.report(&self.key, leaving, UnixMillis::new(0)));
        }
    }

    /// Puts down how far this operator is.
    fn stand(&mut self) {
        let mut checks = self.checks.clone();
        if let Side::Guest(guest) = &self.side
            && let Some(ahead) = guest.ahead_ms()
        {
            let good = ahead.unsigned_abs() <= CLOCK_MS;
            let tenths = ahead.unsigned_abs() / 100;
            let detail = format!("{}.{} s from the organiser's clock", tenths / 10, tenths % 10);
            checks.insert(0, Check { kind: CheckKind::Clock, good, detail });
        }
        let standing = Standing {
            nickname: self.reached.nickname.clone(),
            version: VERSION.into(),
            addresses: self.reached.addresses.clone(),
            checks,
            gone_to: self.gone_to,
            outcome: self.outcome.clone(),
            ..Standing::default()
        };
        match &mut self.side {
            Side::Organiser(table) => table.own(standing),
            Side::Guest(guest) => guest.own(standing),
            Side::Named(_) => self.standing = standing,
        }
    }

    /// Looks at this computer.
    async fn check(&mut self) {
        let (folder, gone) = (self.folder.clone(), self.outcome.is_some());
        let looked = tokio::task::spawn_blocking(move || {
            // What a failed ceremony has left is moved aside before the next.
            let room = if gone { Ok(()) } else { check_room(&folder).map_err(|error| error.to_string()) };
            let free = fs4::available_space(&folder).ok().map(|bytes| bytes >> 20);
            (room, free)
        })
        .await;
        let Ok((room, free)) = looked else { return };
        let gib = free.unwrap_or_default() >> 10;
        let detail = free.map_or_else(
            || "not known".into(),
            |free| if gib > 0 { format!("{gib} GiB free") } else { format!("{free} MiB free") },
        );
        let reach = match self.reached.addresses.as_slice() {
            [] => "no address; the others have to be reached by this node".to_owned(),
            addresses => addresses.join(", "),
        };
        self.checks = vec![
            Check {
                kind: CheckKind::Folder,
                good: room.is_ok(),
                detail: room.err().unwrap_or_else(|| "free and writable".into()),
            },
            Check { kind: CheckKind::Disk, good: free.is_none_or(|free| free >= ROOM_MIB), detail },
            Check { kind: CheckKind::Reach, good: true, detail: reach },
        ];
        self.checked = Some(Instant::now());
    }

    fn last_failure(&self) -> Option<String> {
        match &self.outcome {
            Some(Outcome::Failed(why)) => Some(why.clone()),
            _ => None,
        }
    }

    /// For operators who come with another program: the definition as a file, as long as there is one.
    fn write_definition(&mut self) -> Result<(), UiError> {
        let hash = self.definition().and_then(words_of).map(|(hash, _)| hash);
        if hash == self.written {
            return Ok(());
        }
        let path = self.folder.join(DEFINITION);
        let failed = |error: std::io::Error| UiError::because(ErrorCode::Unwritable, error);
        match self.definition().and_then(|definition| definition.to_json().ok()) {
            Some(json) => replace_private(&path, json.as_bytes()).map_err(failed)?,
            None => drop(std::fs::remove_file(&path)),
        }
        self.written = hash;
        Ok(())
    }

    fn keep(&mut self) -> Result<(), UiError> {
        if self.formed.is_some() {
            return Ok(());
        }
        self.write_definition()?;
        let Reached { nickname, listen, addresses, relays } = self.reached.clone();
        let (side, in_ceremony) = (self.side.clone(), self.ceremony.is_some());
        let kept = Kept { side, listen, addresses, nickname, relays, in_ceremony };
        let bytes = minicbor::to_vec(&kept).unwrap_or_default();
        if bytes != self.kept {
            kept.write(&self.folder).map_err(|error| UiError::because(ErrorCode::Unwritable, error))?;
            self.kept = bytes;
        }
        Ok(())
    }

    pub(super) fn me(&self) -> u8 {
        match &self.side {
            Side::Organiser(_) => 1,
            Side::Guest(guest) => guest.invite().seat,
            Side::Named(named) => named.seat_of(&self.key.public()),
        }
    }

    /// What the cluster is to be.
    pub(super) fn planned(&self) -> ClusterPlan {
        let network = self.network.as_ref();
        match &self.side {
            Side::Organiser(table) => show::plan_on(table.terms(), network),
            Side::Guest(guest) => show::plan_on(&guest.invite().terms, network),
            Side::Named(named) => {
                named.definition().map(|definition| super::named::plan(definition, network)).unwrap_or_default()
            }
        }
    }

    /// The record by which a definition names this node, where it waits to be named.
    pub(super) fn record(&self) -> Option<String> {
        matches!(self.side, Side::Named(_)).then(|| Enr::create(&self.key).text().to_owned())
    }

    /// Whether the operators' wallets have signed what is to be.
    pub(super) fn is_signed(&self) -> bool {
        matches!(&self.side, Side::Named(named) if named.is_signed())
    }

    pub(super) fn definition(&self) -> Option<&Definition> {
        match &self.side {
            Side::Organiser(table) => table.definition(),
            Side::Guest(guest) => guest.definition(),
            Side::Named(named) => named.definition(),
        }
    }

    /// All seats, with this operator's as he knows it himself.
    pub(super) fn states(&self) -> Vec<SeatState> {
        match &self.side {
            Side::Organiser(table) => table.states(clock::now()),
            Side::Guest(guest) => {
                let mut seats = guest.seats().to_vec();
                let mine = usize::from(self.me()).checked_sub(1).and_then(|position| seats.get_mut(position));
                if let Some(mine) = mine {
                    // How he is reached, and whether versions go together, the organiser knows better.
                    let told = std::mem::take(&mut mine.standing.checks);
                    let better = |check: &Check| matches!(check.kind, CheckKind::Reach | CheckKind::Version);
                    mine.standing = guest.standing().clone();
                    let told: Vec<Check> = told.into_iter().filter(better).collect();
                    mine.standing.checks.retain(|own| told.iter().all(|told| told.kind != own.kind));
                    mine.standing.checks.extend(told);
                    mine.here = true;
                }
                seats
            }
            Side::Named(named) => named.states(self.me(), &self.standing),
        }
    }

    /// The invitation to a seat, and when it ends, Unix milliseconds.
    pub(super) fn link(&self, seat: u8) -> Option<(String, u64)> {
        let Side::Organiser(table) = &self.side else { return None };
        let position = usize::from(seat).checked_sub(1)?;
        let Seating::Invited { expires_ms, .. } = table.seats().get(position)?.seating() else { return None };
        let invite = table.invite(seat, &self.key.public(), self.reached.addresses.clone())?;
        Some((invite.link(&self.key), *expires_ms))
    }

    pub(super) fn show(&self, code_of: Option<u8>) -> Forming {
        show::forming(self, code_of)
    }

    pub(super) const fn ceremony(&self) -> Option<&Taking> {
        self.ceremony.as_ref()
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn addresses(&self) -> &[String] {
        &self.reached.addresses
    }
}

pub(super) fn unknown_network() -> UiError {
    UiError::value_refused("This node does not know the network of that cluster.")
}

/// A key in a new folder.
fn make_key(folder: &Path) -> Result<NodeKey, UiError> {
    let made = crate::offline::create_identity(folder).and_then(|made| identity::load(&made.path));
    made.map_err(|error| UiError::because(ErrorCode::Unwritable, error))
}
