//! The cluster as this node sees it: who is here.

use std::collections::BTreeSet;
use std::time::Duration;

use hearth_api::{
    ClusterReply, ClusterStage, ClusterView, Effectiveness, NextDuty, Reach, RouterState, SeatState, SeatView,
    ValidatorStage,
};
use hearth_duties::{Report, ValidatorRecord, Waiting};
use hearth_obol::wire::{Incompatible, PeerInfo};
use hearth_p2p::Router;
use hearth_types::{ChainSpec, Duty, Epoch, LockHash, OperatorIndex, UnixMillis};

use super::chronicle::{Chronicle, Told};
use super::notice::News;

/// An answer to a ping that takes longer is slow. Source: ux.md G-26.
const SLOW: Duration = Duration::from_millis(235);
/// Silence after which a peer counts as gone, whatever was said of its connection; and time that one gets to be found at first.
const SILENCE_MS: u64 = 60_000;
const FIRST_SEARCH_MS: u64 = 30_000;

/// What is remembered of a cluster beside its view.
pub(super) struct Room {
    chronicle: Chronicle,
    facts: ClusterReply,
    /// The last epoch in which nothing is signed.
    waits_until: Option<Epoch>,
    /// Why nothing is signed while the node runs twice.
    runs_twice: Option<&'static str>,
}

impl Room {
    pub(super) fn new(seated: Seated) -> Self {
        Self { chronicle: Chronicle::new(&seated), facts: seated.facts, waits_until: None, runs_twice: None }
    }

    /// What the lock says of the cluster, and the chain of its validators.
    pub(super) const fn facts(&self) -> &ClusterReply {
        &self.facts
    }

    pub(super) const fn chronicle(&self) -> &Chronicle {
        &self.chronicle
    }

    /// Why nothing is signed in `epoch`, if so: it runs twice, or was restored and says when it will sign.
    pub(super) fn refuses(&self, epoch: Option<Epoch>) -> Option<String> {
        if let Some(reason) = self.runs_twice {
            return Some(reason.to_owned());
        }
        let last = self.waits_until.filter(|last| epoch.is_none_or(|epoch| epoch <= *last))?;
        let next = last.get().saturating_add(1);
        Some(format!("restored from a backup, it waits for epoch {next} before it signs"))
    }

    /// Adds what is heard of the cluster to its view.
    pub(super) fn take(
        &mut self,
        cluster: &mut ClusterView,
        news: News,
        spec: Option<&ChainSpec>,
        now: UnixMillis,
    ) -> Option<Told> {
        match news {
            News::Past(past) => {
                self.chronicle.remember(past);
                cluster.strip = self.chronicle.strip();
            }
            News::Effectiveness(effectiveness) => cluster.effectiveness = effectiveness,
            News::Waits(epoch) => self.waits_until = Some(epoch),
            News::RunsTwice(reason) => self.runs_twice = reason,
            News::Router(router) => cluster.router = router_state(router),
            News::Duty(report) => {
                if let Report::Equivocated { operator, .. } = &report
                    && let Some(seat) = seat(cluster, *operator)
                {
                    seat.contradicted_ms = Some(now.get());
                }
                let told = self.chronicle.take(spec?, &report, &cluster.seats);
                cluster.strip = self.chronicle.strip();
                return told;
            }
            News::OnChain(slot, on_chain) => {
                let told = self.chronicle.on_chain(slot, on_chain);
                cluster.strip = self.chronicle.strip();
                return told;
            }
            News::Next(next) => {
                let view = |(duty, due): (Duty, UnixMillis)| NextDuty {
                    slot: duty.slot,
                    kind: duty.kind,
                    due_ms: due.get(),
                };
                cluster.next_duty = next.map(view);
            }
            News::Validators(records) => {
                let active = records.iter().any(|record| record.active && !record.slashed);
                cluster.stage = if active { ClusterStage::Active } else { ClusterStage::Queued };
                know_validators(&mut self.facts, &records, spec);
            }
            News::Connected(operator, address) => connected(cluster, operator, &address, now),
            News::Away(operator) => away(cluster, operator),
            News::Ping(operator, rtt, dialled_in) => ping(cluster, operator, (rtt, dialled_in), now),
            News::Card(operator, told, offset_ms) => card(cluster, operator, *told, offset_ms),
        }
        None
    }
}

/// A node's place in a cluster, for showing.
#[derive(Clone, Debug)]
pub(crate) struct Seated {
    pub(crate) me: OperatorIndex,
    pub(crate) operators: u8,
    pub(crate) nickname: String,
    /// What the lock says of the cluster.
    pub(crate) facts: ClusterReply,
}

impl Seated {
    /// Nobody but ourselves was seen yet.
    pub(crate) fn view(&self) -> ClusterView {
        let seat = |operator: OperatorIndex| {
            let me = operator == self.me;
            let own = |text: &str| (me && !text.is_empty()).then(|| text.to_owned());
            SeatView {
                number: operator.share().get(),
                nickname: own(&self.nickname),
                me,
                state: if me { SeatState::Here } else { SeatState::Unknown },
                client: own("hearth"),
                version: own(env!("CARGO_PKG_VERSION")),
                ..SeatView::default()
            }
        };
        ClusterView {
            id: self.facts.cluster,
            name: self.facts.name.clone(),
            stage: ClusterStage::Unknown,
            refuses: None,
            needed: self.facts.needed,
            seats: OperatorIndex::all(self.operators).map(seat).collect(),
            validators: u32::try_from(self.facts.validators.len()).unwrap_or(u32::MAX),
            next_duty: None,
            strip: Vec::new(),
            effectiveness: Effectiveness::default(),
            router: RouterState::Unknown,
            health: hearth_api::Health::default(),
        }
    }
}

fn router_state(router: Router) -> RouterState {
    match router {
        Router::NotAsked | Router::Looking => RouterState::Unknown,
        Router::Silent => RouterState::Silent,
        Router::Refuses(reason) => RouterState::Refuses { reason },
        Router::Nested(address) => RouterState::Nested { address: address.to_string() },
        Router::Open(opened) => {
            let outside: BTreeSet<String> = opened.iter().map(|at| at.outside.to_string()).collect();
            RouterState::Open { outside: outside.into_iter().collect() }
        }
    }
}

fn seat(cluster: &mut ClusterView, operator: OperatorIndex) -> Option<&mut SeatView> {
    cluster.seats.get_mut(operator.position()).filter(|seat| !seat.me)
}

fn connected(cluster: &mut ClusterView, operator: OperatorIndex, address: &str, now: UnixMillis) {
    if let Some(seat) = seat(cluster, operator) {
        seat.state = SeatState::Here;
        seat.path = if address.contains("/p2p-circuit") { Reach::Relay } else { Reach::Direct };
        seat.last_seen_ms = Some(now.get());
    }
}

fn away(cluster: &mut ClusterView, operator: OperatorIndex) {
    if let Some(seat) = seat(cluster, operator) {
        (seat.state, seat.path, seat.rtt_ms) = (SeatState::Dark, Reach::None, None);
    }
}

fn ping(
    cluster: &mut ClusterView,
    operator: OperatorIndex,
    (rtt, dialled_in): (Duration, bool),
    now: UnixMillis,
) {
    if let Some(seat) = seat(cluster, operator) {
        seat.state = if rtt > SLOW { SeatState::Slow } else { SeatState::Here };
        seat.dialled_in |= dialled_in;
        seat.rtt_ms = u32::try_from(rtt.as_millis()).ok();
        seat.last_seen_ms = Some(now.get());
    }
}

fn card(cluster: &mut ClusterView, operator: OperatorIndex, card: PeerInfo, offset_ms: i64) {
    let cluster_id = cluster.id;
    if let Some(seat) = seat(cluster, operator) {
        seat.version = Some(card.own_version().to_owned());
        seat.started_ms = Some(card.started_at.get());
        seat.misfit = misfit(&card, cluster_id);
        seat.nickname = Some(card.nickname).filter(|name| !name.is_empty());
        seat.client = Some(card.client);
        seat.clock_offset_ms = Some(offset_ms);
    }
}

/// Why a peer's node and ours may not get along. Nothing of that keeps the two apart.
fn misfit(card: &PeerInfo, ours: LockHash) -> Option<String> {
    if card.lock_hash != Some(ours) {
        return Some("It has another version of this cluster's lock file".into());
    }
    match card.compatibility() {
        Ok(()) => None,
        Err(Incompatible::Unreadable(version)) => {
            Some(format!("It says that it runs version {version}, which is none of Obol's protocol"))
        }
        Err(Incompatible::Unsupported(version)) => {
            Some(format!("It runs version {version} of Charon, which is older than this node can work with"))
        }
    }
}

/// Adds what the chain knows of the validators. One that it does not name is not deposited, or no more there.
fn know_validators(facts: &mut ClusterReply, records: &[ValidatorRecord], spec: Option<&ChainSpec>) {
    let start = |epoch| spec.map(|spec| spec.slot_start(spec.first_slot(epoch)).get());
    for validator in &mut facts.validators {
        match records.iter().find(|record| record.pubkey == validator.pubkey) {
            Some(record) => {
                validator.index = Some(record.index);
                validator.activation_ms = match record.waiting {
                    Some(Waiting::Until(epoch)) => start(epoch),
                    Some(Waiting::Queued) | None => None,
                };
                validator.stage = match record {
                    record if record.slashed => ValidatorStage::Slashed,
                    record if record.active => ValidatorStage::Active,
                    record if record.waiting.is_some() => ValidatorStage::Pending,
                    _ => ValidatorStage::Inactive,
                };
            }
            None => validator.stage = ValidatorStage::NotDeposited,
        }
    }
}

/// Nobody says of a peer that it never came, and a notice of its going can be lost.
pub(super) fn look_for_the_silent(cluster: &mut ClusterView, started_ms: u64, now: UnixMillis) {
    for seat in cluster.seats.iter_mut().filter(|seat| !seat.me) {
        let gone = match seat.last_seen_ms {
            Some(seen) => now.get().saturating_sub(seen) > SILENCE_MS,
            None => now.get().saturating_sub(started_ms) > FIRST_SEARCH_MS,
        };
        if gone && seat.state != SeatState::Dark {
            (seat.state, seat.path, seat.rtt_ms) = (SeatState::Dark, Reach::None, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::LockHash;

    use super::*;

    const START: u64 = 1_000_000;

    fn cluster() -> ClusterView {
        let facts = ClusterReply {
            cluster: LockHash::new([1; 32]),
            name: "four".into(),
            created: String::new(),
            lock_version: String::new(),
            needed: 3,
            words: String::new(),
            operators: Vec::new(),
            validators: Vec::new(),
        };
        Seated { me: operator(0), operators: 4, nickname: "Maya".into(), facts }.view()
    }

    fn operator(position: u8) -> OperatorIndex {
        OperatorIndex::new(position).unwrap()
    }

    fn at(ms: u64) -> UnixMillis {
        UnixMillis::new(START + ms)
    }

    fn states(cluster: &ClusterView) -> Vec<SeatState> {
        cluster.seats.iter().map(|seat| seat.state).collect()
    }

    #[test]
    fn a_seat_is_unknown_until_its_operator_comes_or_does_not_come() {
        use SeatState::{Dark, Here, Slow, Unknown};
        let mut cluster = cluster();
        assert_eq!(states(&cluster), [Here, Unknown, Unknown, Unknown]);
        connected(&mut cluster, operator(1), "/ip4/10.0.0.2/tcp/3610", at(10));
        away(&mut cluster, operator(2));
        ping(&mut cluster, operator(1), (Duration::from_millis(236), false), at(20));
        assert_eq!(states(&cluster), [Here, Slow, Dark, Unknown]);
        look_for_the_silent(&mut cluster, START, at(FIRST_SEARCH_MS));
        assert_eq!(states(&cluster), [Here, Slow, Dark, Unknown]);
        look_for_the_silent(&mut cluster, START, at(FIRST_SEARCH_MS + 1));
        assert_eq!(states(&cluster), [Here, Slow, Dark, Dark]);
        look_for_the_silent(&mut cluster, START, at(SILENCE_MS + 21));
        assert_eq!(states(&cluster), [Here, Dark, Dark, Dark]);
    }

    #[test]
    fn nothing_that_a_peer_does_changes_our_own_seat() {
        let (mut cluster, before) = (cluster(), cluster());
        away(&mut cluster, operator(0));
        ping(&mut cluster, operator(0), (Duration::from_secs(9), true), at(1));
        away(&mut cluster, operator(200));
        assert_eq!(cluster, before);
    }

    #[test]
    fn who_could_dial_in_once_can_dial_in() {
        let (mut cluster, rtt) = (cluster(), Duration::from_millis(9));
        for (came_in, known) in [(false, false), (true, true), (false, true)] {
            ping(&mut cluster, operator(1), (rtt, came_in), at(1));
            assert_eq!(cluster.seats[1].dialled_in, known);
        }
        away(&mut cluster, operator(1));
        assert!(cluster.seats[1].dialled_in);
    }

    #[test]
    fn a_relay_is_told_from_a_direct_path_by_the_address() {
        let mut cluster = cluster();
        for (address, path) in [
            ("/ip4/10.0.0.2/tcp/3610", Reach::Direct),
            ("/dns4/relay.example/tcp/443/p2p/16Uiu2/p2p-circuit", Reach::Relay),
        ] {
            connected(&mut cluster, operator(1), address, at(1));
            assert_eq!(cluster.seats[1].path, path, "{address}");
        }
    }
}
