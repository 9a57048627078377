//! The organiser's side of a gathering.

use hearth_crypto::k1::{NodeKey, NodePublicKey};
use hearth_obol::cluster::{Definition, Network, PlanError, timestamp_text};
use hearth_obol::enr::{Enr, EnrError};
use hearth_types::{Root, UnixMillis};
use minicbor::{Decode, Encode};
use rand::CryptoRng;
use thiserror::Error;

use crate::invite::{Invite, SeatSecret};
use crate::message::{Answer, Check, Kind, Refusal, Report, SeatState, Standing, proven};
use crate::terms::Terms;

/// How long an invitation is good for. Source: `ux.md` 3.8.
const EXPIRES_MS: u64 = 7 * 24 * 3_600_000;
/// Silence after which a guest is taken for gone.
const SILENCE_MS: u64 = 5_000;

/// A gathering as its organiser keeps it. What is encoded is all that has to be kept over a restart.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Table {
    #[n(0)]
    terms: Terms,
    /// When it was planned, RFC 3339, and what tells it from others like it: both are hashed.
    #[n(1)]
    timestamp: String,
    #[n(2)]
    uuid: String,
    #[n(3)]
    seats: Vec<Seat>,
    /// Number of the newest ceremony.
    #[n(4)]
    ceremony: u32,
    #[cbor(n(5), with = "crate::kept")]
    definition: Option<Definition>,
}

/// A seat, the organiser's first.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Seat {
    #[n(0)]
    seating: Seating,
    /// Record of the node, once it is known.
    #[n(1)]
    record: Option<String>,
    /// What is known of whoever sits there.
    #[n(2)]
    standing: Standing,
    /// When he was last heard from.
    #[cbor(skip)]
    heard_ms: Option<u64>,
    /// What the organiser has found out about him.
    #[cbor(skip)]
    found: Vec<Check>,
}

/// Who may take a seat.
#[derive(Clone, Debug, Encode, Decode)]
pub enum Seating {
    /// The organiser.
    #[n(0)]
    Organiser,
    /// Whoever has the link.
    #[n(1)]
    Invited {
        /// What lets him in.
        #[n(0)]
        secret: SeatSecret,
        /// Until when it can be taken; Unix milliseconds.
        #[n(1)]
        expires_ms: u64,
    },
    /// The node with the seat's record, which comes to the ceremony only.
    #[n(2)]
    Named,
}

/// Why a ceremony does not begin, or a seat is not changed.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum NotYet {
    /// There is no such seat, or it is the organiser's.
    #[error("there is no seat {0} to give")]
    NoSeat(u8),
    /// The text is no record.
    #[error("that is no record of a node: {0}")]
    Record(#[from] EnrError),
    /// The node sits elsewhere.
    #[error("that node has seat {0} already")]
    SeatedTwice(u8),
    /// Somebody has to come first.
    #[error("seat {0} is not taken yet")]
    Empty(u8),
    /// He has not compared the words, or they are others now.
    #[error("seat {0} has not agreed to the plan yet")]
    NotAgreed(u8),
    /// He is not there, or not ready.
    #[error("seat {0} is not ready")]
    NotReady(u8),
    /// Something on his computer is in the way.
    #[error("seat {seat} is not ready: {detail}")]
    NotFit {
        /// Whose.
        seat: u8,
        /// What.
        detail: String,
    },
    /// The words are those of another plan.
    #[error("the plan has changed; compare its words again")]
    Changed,
}

impl Table {
    /// A plan, with a seat to be taken for everybody but the organiser.
    pub fn new(
        terms: Terms,
        (record, nickname): (String, String),
        (now, uuid): (UnixMillis, String),
        rng: &mut impl CryptoRng,
    ) -> Self {
        let organiser = Seat {
            seating: Seating::Organiser,
            record: Some(record),
            standing: Standing { nickname, ..Standing::default() },
            heard_ms: None,
            found: Vec::new(),
        };
        let others = (1..terms.operators).map(|_| Seat::open(now, rng)).collect::<Vec<_>>();
        let seats = std::iter::once(organiser).chain(others).collect();
        Self { terms, timestamp: timestamp_text(now), uuid, seats, ceremony: 0, definition: None }
    }

    /// What the cluster is to be.
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// All seats, the organiser's first.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// Number of the ceremony that everybody is to go to; zero before the first.
    pub const fn ceremony(&self) -> u32 {
        self.ceremony
    }

    /// What is agreed on, once all seats are taken.
    pub const fn definition(&self) -> Option<&Definition> {
        self.definition.as_ref()
    }

    /// Its hash.
    pub fn hash(&self) -> Option<Root> {
        hash_of(self.definition.as_ref()?)
    }

    /// The invitation to a seat that is to be taken.
    pub fn invite(&self, seat: u8, organiser: &NodePublicKey, rendezvous: Vec<String>) -> Option<Invite> {
        let Seating::Invited { secret, expires_ms } = &self.seat(seat)?.seating else { return None };
        let nickname = self.seats.first().map(|seat| seat.standing.nickname.clone()).unwrap_or_default();
        let (terms, expires) = (self.terms.clone(), UnixMillis::new(*expires_ms));
        Some(Invite::new(terms, (organiser, nickname), rendezvous, (seat, secret.clone()), expires))
    }

    /// Who is let in, by seat: the keys that invitations make.
    pub fn doors(&self, organiser: &NodePublicKey) -> Vec<(u8, NodeKey)> {
        let door = |(number, seat): (u8, &Seat)| match &seat.seating {
            Seating::Invited { secret, .. } => Some((number, secret.key(organiser))),
            Seating::Organiser | Seating::Named => None,
        };
        (1..).zip(&self.seats).filter_map(door).collect()
    }

    /// Withdraws a seat's invitation, lets whoever sits there go, and makes a new invitation.
    pub fn reopen(&mut self, seat: u8, now: UnixMillis, rng: &mut impl CryptoRng) -> Result<(), NotYet> {
        *self.given(seat)? = Seat::open(now, rng);
        self.changed();
        Ok(())
    }

    /// Gives a seat to a node that runs other software, or is not invited: it comes to the ceremony only.
    pub fn name(
        &mut self,
        seat: u8,
        record: &str,
        (nickname, addresses): (String, Vec<String>),
    ) -> Result<(), NotYet> {
        let enr = Enr::parse(record.trim())?;
        if let Some(other) = self.seat_of(enr.public_key()).filter(|other| *other != seat) {
            return Err(NotYet::SeatedTwice(other));
        }
        let mut standing = Standing { nickname, addresses, ..Standing::default() };
        standing.trim();
        let record = Some(enr.text().to_owned());
        *self.given(seat)? =
            Seat { seating: Seating::Named, record, standing, heard_ms: None, found: Vec::new() };
        self.changed();
        Ok(())
    }

    /// What a guest who was let in at this seat's door says, and what to answer.
    pub fn hear(&mut self, seat: u8, mut report: Report, organiser: &NodePublicKey, now: UnixMillis) -> Answer {
        let Some(Seating::Invited { secret, expires_ms }) = self.seat(seat).map(|seat| seat.seating.clone())
        else {
            return Answer::Refused(Refusal::NoSeat);
        };
        let Some(key) = proven(&report, organiser, &secret.key(organiser).public()) else {
            return Answer::Refused(Refusal::Unproven);
        };
        if self.seat_of(&key).is_some_and(|other| other != seat) {
            return Answer::Refused(Refusal::SeatedTwice);
        }
        let sitting = self.seat(seat).and_then(|seat| seat.record.clone());
        match sitting {
            Some(record) if record != report.record => return Answer::Refused(Refusal::Used),
            None if now.get() >= expires_ms => return Answer::Refused(Refusal::Expired),
            Some(_) | None => {}
        }
        let Ok(place) = self.given(seat) else { return Answer::Refused(Refusal::NoSeat) };
        if report.leaving {
            place.record = None;
            place.standing = Standing::default();
            self.changed();
            return Answer::Refused(Refusal::NoSeat);
        }
        let new = place.record.is_none();
        place.record = Some(report.record);
        report.standing.trim();
        place.standing = report.standing;
        place.heard_ms = Some(now.get());
        if new {
            self.changed();
        }
        self.answer(report.has, now)
    }

    /// Makes the definition, where all seats are taken and there is none yet.
    pub fn settle(&mut self, network: &Network) -> Result<(), PlanError> {
        if self.definition.is_some() {
            return Ok(());
        }
        let records: Option<Vec<String>> = self.seats.iter().map(|seat| seat.record.clone()).collect();
        let Some(records) = records else { return Ok(()) };
        let named = (self.timestamp.as_str(), self.uuid.as_str());
        self.definition = Some(self.terms.definition(network, &records, named)?);
        Ok(())
    }

    /// What the organiser himself says: how far he is. Agreement is for [`Table::agree`].
    pub fn own(&mut self, standing: Standing) {
        if let Some(seat) = self.seats.first_mut() {
            seat.standing = Standing { agreed: seat.standing.agreed, ready: seat.standing.ready, ..standing };
            seat.standing.trim();
        }
    }

    /// The organiser has compared the words of the definition with this hash.
    pub fn agree(&mut self, hash: Root) -> Result<(), NotYet> {
        if self.hash() != Some(hash) {
            return Err(NotYet::Changed);
        }
        self.me(|standing| standing.agreed = Some(*hash.as_bytes()));
        Ok(())
    }

    /// The organiser is ready, or not.
    pub fn set_ready(&mut self, ready: bool) {
        self.me(|standing| standing.ready = ready);
    }

    /// Calls everybody to the next ceremony.
    pub fn begin(&mut self, now: UnixMillis) -> Result<u32, NotYet> {
        let hash = self.hash();
        for (number, seat) in (1..).zip(&self.seats) {
            if seat.record.is_none() || hash.is_none() {
                return Err(NotYet::Empty(number));
            }
            if matches!(seat.seating, Seating::Named) {
                continue;
            }
            if !seat.standing.agrees(hash) {
                return Err(NotYet::NotAgreed(number));
            }
            if let Some(check) = seat.checks().into_iter().find(|check| !check.good) {
                return Err(NotYet::NotFit { seat: number, detail: check.detail });
            }
            if !seat.standing.ready || !seat.is_here(now) {
                return Err(NotYet::NotReady(number));
            }
        }
        self.ceremony = self.ceremony.saturating_add(1);
        Ok(self.ceremony)
    }

    /// Whether every guest knows of the newest ceremony, so that the organiser can go to it as well.
    pub fn all_gone(&self) -> bool {
        let invited = self.seats.iter().filter(|seat| matches!(seat.seating, Seating::Invited { .. }));
        invited.clone().all(|seat| seat.standing.gone_to >= self.ceremony)
    }

    /// All seats as everybody may see them.
    pub fn states(&self, now: UnixMillis) -> Vec<SeatState> {
        let state = |seat: &Seat| SeatState {
            kind: match seat.seating {
                Seating::Organiser => Kind::Organiser,
                Seating::Invited { .. } => Kind::Invited,
                Seating::Named => Kind::Named,
            },
            taken: seat.record.is_some(),
            here: seat.is_here(now),
            standing: Standing { checks: seat.checks(), ..seat.standing.clone() },
        };
        self.seats.iter().map(state).collect()
    }

    /// Notes what the organiser has found out about whoever sits there, in the place of what he says himself.
    pub fn find(&mut self, seat: u8, checks: Vec<Check>) {
        let place = usize::from(seat).checked_sub(1).and_then(|position| self.seats.get_mut(position));
        if let Some(place) = place {
            place.found = checks;
        }
    }

    fn answer(&self, has: Option<[u8; 32]>, now: UnixMillis) -> Answer {
        let hash = self.hash().map(|hash| *hash.as_bytes());
        let news = self.definition.as_ref().filter(|_| has != hash);
        Answer::Seated {
            seats: self.states(now),
            hash,
            definition: news.and_then(|definition| definition.to_json().ok()),
            ceremony: self.ceremony,
            now_ms: now.get(),
        }
    }

    /// Somebody came or went: what was agreed on is no more.
    fn changed(&mut self) {
        self.definition = None;
        self.me(|standing| {
            standing.agreed = None;
            standing.ready = false;
        });
    }

    fn me(&mut self, change: impl FnOnce(&mut Standing)) {
        if let Some(seat) = self.seats.first_mut() {
            change(&mut seat.standing);
        }
    }

    fn seat(&self, number: u8) -> Option<&Seat> {
        self.seats.get(usize::from(number).checked_sub(1)?)
    }

    /// A seat that the organiser can give.
    fn given(&mut self, number: u8) -> Result<&mut Seat, NotYet> {
        let seat = usize::from(number).checked_sub(1).filter(|position| *position > 0);
        seat.and_then(|position| self.seats.get_mut(position)).ok_or(NotYet::NoSeat(number))
    }

    fn seat_of(&self, key: &NodePublicKey) -> Option<u8> {
        let sits = |seat: &Seat| {
            let enr = seat.record.as_deref().and_then(|record| Enr::parse(record).ok());
            enr.is_some_and(|enr| enr.public_key() == key)
        };
        (1..).zip(&self.seats).find(|(_, seat)| sits(seat)).map(|(number, _)| number)
    }
}

impl Seat {
    fn open(now: UnixMillis, rng: &mut impl CryptoRng) -> Self {
        let (secret, expires_ms) = (SeatSecret::generate(rng), now.saturating_add(EXPIRES_MS).get());
        let seating = Seating::Invited { secret, expires_ms };
        Self { seating, record: None, standing: Standing::default(), heard_ms: None, found: Vec::new() }
    }

    /// Who may take it.
    pub const fn seating(&self) -> &Seating {
        &self.seating
    }

    /// Record of the node that has it.
    pub fn record(&self) -> Option<&str> {
        self.record.as_deref()
    }

    /// What is known of whoever has it.
    pub const fn standing(&self) -> &Standing {
        &self.standing
    }

    /// What he says of his computer, and what the organiser has found instead.
    fn checks(&self) -> Vec<Check> {
        let found_otherwise = |own: &&Check| self.found.iter().all(|found| found.kind != own.kind);
        self.standing.checks.iter().filter(found_otherwise).chain(&self.found).cloned().collect()
    }

    fn is_here(&self, now: UnixMillis) -> bool {
        let heard = self.heard_ms.is_some_and(|at| now.get().saturating_sub(at) <= SILENCE_MS);
        heard || matches!(self.seating, Seating::Organiser)
    }
}

pub(crate) fn hash_of(definition: &Definition) -> Option<Root> {
    definition.compute_definition_hash().ok()
}
