//! Forming a cluster while the node runs: invitations, seats, agreement, and the key ceremony, asked for over the local socket.
//!
//! One task holds the gathering; whoever asks sends it an order and gets back how things stand. What has to survive a restart lies in
//! the new cluster's folder in `clusters/`, which becomes a cluster's when the ceremony has written its lock there.

mod door;
mod gathering;
mod kept;
mod named;
mod place;
mod reach;
mod show;
mod taking;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hearth_api::{
    AgreeRequest, ErrorCode, FormingReply, InviteReply, LeaveFormingRequest, NameSeatRequest, OwnSeat,
    PlanClusterRequest, ReadInviteRequest, SaveInviteRequest, SetDefinitionRequest, TakeSeatRequest, UiError,
};
use hearth_gathering::{Invite, InviteError, NotYet};
use hearth_types::Root;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::aside::{absolute, aside};
use crate::clock;
use crate::installation::Installation;
use crate::newcomers::Newcomers;
use crate::settings::SettingsDesk;
use gathering::Gathering;

/// Bytes of an invitation's file that are looked at.
const INVITATION_BYTES: u64 = 8_192;
/// Orders that may wait.
const WAITING: usize = 16;

/// What every gathering of this node needs.
#[derive(Clone)]
pub(crate) struct Grounds {
    /// The node's data folder.
    pub(crate) home: PathBuf,
    pub(crate) settings: SettingsDesk,
    pub(crate) installation: Arc<Installation>,
    pub(crate) newcomers: Newcomers,
}

/// Takes orders for the cluster that is being formed. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct FormingDesk {
    orders: mpsc::Sender<Given>,
    settings: SettingsDesk,
}

/// An order, and where the answer goes.
type Given = (Order, oneshot::Sender<Result<FormingReply, UiError>>);

/// What can be asked for.
#[derive(Debug)]
pub(crate) enum Order {
    /// How things stand; with the picture of a seat's invitation.
    Show(Option<u8>),
    Plan(PlanClusterRequest),
    Take(TakeSeatRequest),
    Prepare(OwnSeat),
    Define(SetDefinitionRequest),
    Save(SaveInviteRequest),
    Name(NameSeatRequest),
    Reopen(u8),
    Agree(AgreeRequest),
    Ready(bool),
    Begin,
    Leave(LeaveFormingRequest),
}

impl FormingDesk {
    /// Begins with the gathering that an earlier run left, if there is one.
    pub(crate) fn open(grounds: Grounds, stop: CancellationToken) -> (Self, JoinHandle<()>) {
        let (orders, taken) = mpsc::channel(WAITING);
        let settings = grounds.settings.clone();
        (Self { orders, settings }, tokio::spawn(tend(grounds, taken, stop)))
    }

    pub(crate) async fn order(&self, order: Order) -> Result<FormingReply, UiError> {
        let (reply, answer) = oneshot::channel();
        let stopping = || UiError::because(ErrorCode::NotReady, "the node is stopping");
        self.orders.send((order, reply)).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }

    /// What an invitation says. Nobody hears of it.
    pub(crate) async fn read(&self, request: ReadInviteRequest) -> Result<InviteReply, UiError> {
        let ReadInviteRequest { link: text, file } = request;
        let text = match file {
            Some(file) => aside(move || read_text(&absolute(&file)?)).await?,
            None => text,
        };
        let invite = Invite::read(&text).map_err(refused)?;
        let networks = self.settings.in_effect().scrutiny().networks();
        let plan = show::plan(&invite.terms, &networks);
        let obstacle = if invite.is_over(clock::now()) {
            Some(InviteError::Expired.to_string())
        } else if plan.network_known {
            None
        } else {
            Some("this node does not know the network of the cluster".to_owned())
        };
        Ok(InviteReply {
            link: Invite::link_in(&text).map_err(refused)?,
            organiser: show::name(&invite.nickname),
            seat: invite.seat,
            expires_ms: invite.expires_s.saturating_mul(1_000),
            plan,
            obstacle,
        })
    }
}

/// Does what is ordered, and what comes from the other operators.
async fn tend(grounds: Grounds, mut orders: mpsc::Receiver<Given>, stop: CancellationToken) {
    let mut current = Gathering::resume(&grounds).await;
    loop {
        let next = async {
            match &mut current {
                Some(gathering) => gathering.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            Some((order, reply)) = orders.recv() => {
                let code_of = if let Order::Show(code_of) = order { code_of } else { None };
                let outcome = obey(&grounds, &mut current, order).await;
                let forming = || current.as_ref().map(|gathering| gathering.show(code_of));
                let shown = outcome.map(|()| FormingReply { forming: forming() });
                // Whoever asked may have left.
                let _unheard = reply.send(shown);
            }
            came = next => if let Some(gathering) = &mut current {
                gathering.take(came, &grounds).await;
            }
        }
    }
    if let Some(gathering) = current {
        gathering.close().await;
    }
}

async fn obey(grounds: &Grounds, current: &mut Option<Gathering>, order: Order) -> Result<(), UiError> {
    match order {
        Order::Show(_) => Ok(()),
        Order::Plan(request) => {
            free(current)?;
            let networks = grounds.settings.in_effect().scrutiny().networks();
            let terms = place::terms(&request, &networks)?;
            *current = Some(Gathering::plan(grounds, terms, &request.seat).await?);
            Ok(())
        }
        Order::Take(TakeSeatRequest { link, seat }) => {
            free(current)?;
            let invite = Invite::read(&link).map_err(refused)?;
            if invite.is_over(clock::now()) {
                return Err(refused(InviteError::Expired));
            }
            *current = Some(Gathering::join(grounds, invite, &seat).await?);
            Ok(())
        }
        Order::Prepare(seat) => {
            free(current)?;
            *current = Some(Gathering::prepare(grounds, &seat).await?);
            Ok(())
        }
        Order::Save(SaveInviteRequest { seat, path }) => {
            there(current)?.save_invite(seat, &absolute(&path)?).await
        }
        Order::Define(request) => there(current)?.define(grounds, request).await,
        Order::Leave(request) => leave(current, &request).await,
        Order::Name(request) => there(current)?.name(&request).await,
        Order::Reopen(seat) => there(current)?.reopen(seat).await,
        Order::Agree(AgreeRequest { definition_hash }) => {
            let hash: Root =
                definition_hash.parse().map_err(|error| UiError::because(ErrorCode::BadRequest, error))?;
            there(current)?.agree(hash).await
        }
        Order::Ready(ready) => there(current)?.set_ready(ready).await,
        Order::Begin => there(current)?.begin(grounds).await,
    }
}

/// The text of an invitation's file, which is short.
fn read_text(path: &Path) -> Result<String, UiError> {
    let unreadable = |error: std::io::Error| UiError::because(ErrorCode::Unreadable, error);
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(INVITATION_BYTES).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

/// Leaves what there is to leave.
async fn leave(current: &mut Option<Gathering>, request: &LeaveFormingRequest) -> Result<(), UiError> {
    let gathering = there(current)?;
    if gathering.is_in_ceremony() {
        confirm(request.confirmed, "Stopping the key ceremony stops it for everybody. Confirm that.")?;
        gathering.stop_ceremony();
        return Ok(());
    }
    if !gathering.is_formed() {
        let meaning = "The seat is given up, and the invitations hold no more. Confirm that.";
        confirm(request.confirmed, meaning)?;
    }
    if let Some(gathering) = current.take() {
        gathering.give_up().await?;
    }
    Ok(())
}

fn confirm(confirmed: bool, meaning: &str) -> Result<(), UiError> {
    if confirmed { Ok(()) } else { Err(UiError::value_refused(meaning)) }
}

fn there(current: &mut Option<Gathering>) -> Result<&mut Gathering, UiError> {
    current.as_mut().ok_or_else(|| UiError::because(ErrorCode::NotReady, "no cluster is being formed"))
}

/// One at a time.
fn free(current: &Option<Gathering>) -> Result<(), UiError> {
    match current {
        Some(gathering) if !gathering.is_formed() => Err(UiError {
            remedy: "Finish that one, or leave it, before you begin with another.".into(),
            ..UiError::because(ErrorCode::NotReady, "another cluster is being formed")
        }),
        _ => Ok(()),
    }
}

fn refused(error: InviteError) -> UiError {
    UiError::value_refused(sentence(&error.to_string()))
}

fn not_yet(error: NotYet) -> UiError {
    UiError::value_refused(sentence(&error.to_string()))
}

/// As a sentence of its own.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
