//! The side of whoever was invited.

use hearth_crypto::k1::{NodeKey, NodePublicKey};
use hearth_obol::cluster::Definition;
use hearth_types::{Root, UnixMillis};
use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::invite::Invite;
use crate::message::{Answer, Refusal, Report, SeatState, Standing, prove};
use crate::table::{NotYet, hash_of};
use crate::terms::{Difference, Field, sits_at};

/// A gathering as a guest knows it. What is encoded is all that has to be kept over a restart.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Guest {
    #[n(0)]
    invite: Invite,
    /// The record of this node.
    #[n(1)]
    record: String,
    #[n(2)]
    standing: Standing,
    #[cbor(n(3), with = "crate::kept")]
    definition: Option<Definition>,
    /// As the organiser last told: where the others are.
    #[n(4)]
    seats: Vec<SeatState>,
    /// What the organiser's clock is ahead of this one, milliseconds, at the last answer.
    #[cbor(skip)]
    ahead_ms: Option<i64>,
}

/// What an answer brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Heard {
    /// How the others are.
    State,
    /// Another definition, or none any more: what was agreed on is no more.
    Changed,
    /// It is time to go to the ceremony with this number.
    Go(u32),
}

/// Why a guest does not go along.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum Unwilling {
    /// The organiser says no.
    #[error("{}", .0.words())]
    Refused(Refusal),
    /// What came is not to be understood.
    #[error("the organiser's node says something that this one does not understand")]
    Unreadable,
    /// The plan is not what the invitation said.
    #[error(transparent)]
    Differs(#[from] Difference),
}

impl Guest {
    /// Whoever accepts an invitation, with the record of his node.
    pub fn new(invite: Invite, record: String, nickname: String) -> Self {
        let standing = Standing { nickname, ..Standing::default() };
        Self { invite, record, standing, definition: None, seats: Vec::new(), ahead_ms: None }
    }

    /// What was accepted.
    pub const fn invite(&self) -> &Invite {
        &self.invite
    }

    /// All seats as the organiser last told.
    pub fn seats(&self) -> &[SeatState] {
        &self.seats
    }

    /// How far this guest is.
    pub const fn standing(&self) -> &Standing {
        &self.standing
    }

    /// What is agreed on, once the organiser has told.
    pub const fn definition(&self) -> Option<&Definition> {
        self.definition.as_ref()
    }

    /// Its hash.
    pub fn hash(&self) -> Option<Root> {
        hash_of(self.definition.as_ref()?)
    }

    /// How far the organiser's clock is ahead, milliseconds.
    pub const fn ahead_ms(&self) -> Option<i64> {
        self.ahead_ms
    }

    /// What to say now. `key` is that of this node, whose record the guest was made with.
    pub fn report(&self, key: &NodeKey, leaving: bool, now: UnixMillis) -> Option<Report> {
        let (organiser, door) = (self.invite.organiser()?, self.invite.door_key()?);
        Some(Report {
            record: self.record.clone(),
            proof: prove(key, &organiser, &door.public()),
            standing: self.standing.clone(),
            has: self.hash().map(|hash| *hash.as_bytes()),
            sent_ms: now.get(),
            leaving,
        })
    }

    /// What the organiser answered, between these two moments; and what that means.
    pub fn hear(
        &mut self,
        answer: Answer,
        key: &NodePublicKey,
        (asked, now): (UnixMillis, UnixMillis),
    ) -> Result<Heard, Unwilling> {
        let (seats, hash, definition, ceremony, now_ms) = match answer {
            Answer::Refused(refusal) => return Err(Unwilling::Refused(refusal)),
            Answer::Seated { seats, hash, definition, ceremony, now_ms } => {
                (seats, hash.map(Root::new), definition, ceremony, now_ms)
            }
        };
        self.seats = seats;
        // The answer was written half-way.
        let halfway = asked.get().midpoint(now.get());
        self.ahead_ms = Some(i64::try_from(now_ms).unwrap_or(i64::MAX).saturating_sub_unsigned(halfway));
        if hash != self.hash() {
            self.definition = None;
            self.standing.agreed = None;
            self.standing.ready = false;
            if let Some(json) = definition {
                let definition = Definition::from_json(json.as_bytes()).map_err(|_| Unwilling::Unreadable)?;
                self.check(&definition, key)?;
                if hash_of(&definition) != hash {
                    return Err(Unwilling::Unreadable);
                }
                self.definition = Some(definition);
            }
            return Ok(Heard::Changed);
        }
        let goes = self.standing.agrees(hash) && self.standing.ready && ceremony > self.standing.gone_to;
        if goes {
            self.standing.gone_to = ceremony;
            self.standing.outcome = None;
            return Ok(Heard::Go(ceremony));
        }
        Ok(Heard::State)
    }

    /// The words of the definition with this hash are the same for everybody.
    pub fn agree(&mut self, hash: Root) -> Result<(), NotYet> {
        if self.hash() != Some(hash) {
            return Err(NotYet::Changed);
        }
        self.standing.agreed = Some(*hash.as_bytes());
        Ok(())
    }

    /// Whether this guest is ready to begin.
    pub fn set_ready(&mut self, ready: bool) {
        self.standing.ready = ready && self.standing.agrees(self.hash());
    }

    /// How far this guest is, agreement apart.
    pub fn own(&mut self, standing: Standing) {
        let Standing { agreed, ready, gone_to, .. } = self.standing;
        self.standing = Standing { agreed, ready, gone_to, ..standing };
        self.standing.trim();
    }

    /// The definition is what the invitation said, and this node and the organiser's sit where it said.
    fn check(&self, definition: &Definition, key: &NodePublicKey) -> Result<(), Difference> {
        self.invite.terms.check(definition)?;
        let organiser = self.invite.organiser();
        let seated = sits_at(definition, self.invite.seat, key)
            && organiser.is_some_and(|organiser| sits_at(definition, 1, &organiser));
        if seated {
            return Ok(());
        }
        let (invited, found) = (format!("this node at seat {}", self.invite.seat), "another node".into());
        Err(Difference { field: Field::Seats, invited, found })
    }
}
