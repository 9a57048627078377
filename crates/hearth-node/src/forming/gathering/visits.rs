//! The organiser comes by at his guests', to see whether they can be reached.

use std::collections::BTreeMap;
use std::time::Duration;

use hearth_crypto::k1::NodePublicKey;
use hearth_gathering::{Check, CheckKind, Kind, Seat, SeatState, Table};
use hearth_obol::enr::Enr;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::super::kept::Side;
use super::super::reach::{self, Found, judge};
use super::{CHECK_AGAIN, Gathering, VERSION};
use crate::clock;

/// Between two visits at guests who were not reached.
const VISIT_AGAIN: Duration = Duration::from_secs(2);

impl Gathering {
    /// The organiser comes by at guests who are there: often where something is in the way, which may be gone soon.
    pub(super) async fn visit(&mut self) {
        let Side::Organiser(table) = &mut self.side else { return };
        let states = table.states(clock::now());
        let bad = |check: &Check| check.kind == CheckKind::Reach && !check.good;
        let again = if states.iter().any(|seat| seat.standing.checks.iter().any(bad)) {
            VISIT_AGAIN
        } else {
            CHECK_AGAIN
        };
        if self.visits.is_none() && self.visited.is_none_or(|at| at.elapsed() >= again) {
            self.visited = Some(Instant::now());
            self.visits = Some(AbortOnDropHandle::new(tokio::spawn(visit(guests(table, &states)))));
        }
        let Some(visits) = self.visits.take_if(|visits| visits.is_finished()) else { return };
        let Ok(found) = visits.await else { return };
        let reached = judge(&found);
        for (number, state) in (1..).zip(&states) {
            let theirs = found.contains_key(&number).then(|| reach::version(VERSION, &state.standing.version));
            table.find(number, theirs.into_iter().chain(reached.get(&number).cloned()).collect());
        }
    }

    /// Nobody is where he was found.
    pub(super) fn forget_visits(&mut self) {
        (self.visits, self.visited) = (None, None);
        if let Side::Organiser(table) = &mut self.side {
            (1..=table.terms().operators).for_each(|seat| table.find(seat, Vec::new()));
        }
    }
}

/// Guests who are there: where they will be, and who they are.
fn guests(table: &Table, states: &[SeatState]) -> Vec<(u8, Vec<String>, NodePublicKey)> {
    let seats = (1..).zip(table.seats().iter().zip(states));
    let guest = |(number, (seat, state)): (u8, (&Seat, &SeatState))| {
        let there = state.kind == Kind::Invited && state.here;
        let key = *Enr::parse(seat.record().filter(|_| there)?).ok()?.public_key();
        Some((number, state.standing.addresses.clone(), key))
    };
    seats.filter_map(guest).collect()
}

async fn visit(guests: Vec<(u8, Vec<String>, NodePublicKey)>) -> BTreeMap<u8, Found> {
    let mut found = BTreeMap::new();
    for (seat, addresses, key) in guests {
        let by_relay = addresses.iter().any(|address| address.ends_with("/p2p-circuit"));
        found.insert(seat, Found { directly: reach::reaches(&addresses, &key).await, by_relay });
    }
    found
}
