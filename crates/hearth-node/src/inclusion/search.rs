//! Which blocks have which votes. Pure: says what to ask for, and is told the answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hearth_api::OnChain;
use hearth_beacon::{Block, Committee, Places};
use hearth_types::{ChainSpec, ForkName, LockHash, Slot, ValidatorIndex};

/// An attestation duty whose votes are to be found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Sought {
    pub(crate) cluster: LockHash,
    pub(crate) slot: Slot,
    pub(crate) validators: Vec<ValidatorIndex>,
}

/// What a beacon node is to be asked.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Question {
    /// The committees of this slot.
    Committees(Slot),
    /// The block of this slot.
    Block(Slot),
}

/// What was found of a duty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Found {
    pub(super) cluster: LockHash,
    pub(super) slot: Slot,
    pub(super) on_chain: OnChain,
}

/// All that is sought.
pub(super) struct Search {
    spec: Arc<ChainSpec>,
    sought: BTreeMap<(Slot, LockHash), Votes>,
    /// What was not answered since the last [`Search::begin_round`].
    unanswered: BTreeSet<Question>,
}

struct Votes {
    validators: Vec<ValidatorIndex>,
    found: OnChain,
    /// The next block to look into.
    next: Slot,
    places: Option<Places>,
}

impl Search {
    pub(super) const fn new(spec: Arc<ChainSpec>) -> Self {
        Self { spec, sought: BTreeMap::new(), unanswered: BTreeSet::new() }
    }

    /// Begins to look for the votes of a duty, unless that has begun already.
    pub(super) fn seek(&mut self, sought: Sought) {
        let Sought { cluster, slot, validators } = sought;
        // Blocks from before Electra name committees in another way.
        let fork = self.spec.forks.at(self.spec.epoch_of(slot));
        if validators.is_empty() || !fork.is_ok_and(|fork| fork.name >= ForkName::Electra) {
            return;
        }
        let found = OnChain { delays: vec![None; validators.len()], ..OnChain::default() };
        let votes = Votes { validators, found, next: slot.next(), places: None };
        self.sought.entry((slot, cluster)).or_insert(votes);
    }

    /// Begins a round, in which everything is asked at most once. What cannot be answered any more is given up, unsettled.
    pub(super) fn begin_round(&mut self, now: Slot) {
        self.unanswered.clear();
        let spec = &self.spec;
        let patience = spec.slots_per_epoch();
        self.sought.retain(|(slot, _), _| last_block_for(spec, *slot).saturating_add(patience) >= now);
    }

    /// What to ask next; no blocks after `newest`.
    pub(super) fn question(&self, newest: Slot) -> Option<Question> {
        let asked = self.sought.iter().filter(|(_, votes)| votes.next <= newest).map(|((slot, _), votes)| {
            if votes.places.is_none() { Question::Committees(*slot) } else { Question::Block(votes.next) }
        });
        // Committees before blocks, so that each block is asked for once.
        asked.filter(|question| !self.unanswered.contains(question)).min()
    }

    /// There is no answer to this now.
    pub(super) fn unanswered(&mut self, question: Question) {
        self.unanswered.insert(question);
    }

    /// The committees of a slot.
    pub(super) fn committees(&mut self, slot: Slot, committees: &[Committee]) {
        for ((_, _), votes) in self.sought.iter_mut().filter(|((voted, _), _)| *voted == slot) {
            let validators = &votes.validators;
            votes.places = Some(Places::of(committees, |validator| validators.contains(&validator)));
        }
    }

    /// The block of a slot; `None` if there is none. Returns what is new.
    pub(super) fn block(&mut self, slot: Slot, block: Option<&Block>) -> Vec<Found> {
        let mut news = Vec::new();
        let spec = &self.spec;
        self.sought.retain(|(voted, cluster), votes| {
            if votes.next != slot {
                return true;
            }
            votes.next = slot.next();
            let found = block.is_some_and(|block| votes.look_into(*voted, block));
            let all = votes.found.delays.iter().all(Option::is_some);
            votes.found.settled = all || slot >= last_block_for(spec, *voted);
            if found || votes.found.settled {
                news.push(Found { cluster: *cluster, slot: *voted, on_chain: votes.found.clone() });
            }
            !votes.found.settled
        });
        news
    }
}

impl Votes {
    /// Whether something new was found.
    fn look_into(&mut self, voted: Slot, block: &Block) -> bool {
        let delay = u8::try_from(block.slot.get().saturating_sub(voted.get())).unwrap_or(u8::MAX);
        self.found.best.get_or_insert(delay);
        let Some(places) = &self.places else { return false };
        let mut new = false;
        for attestation in block.attestations.iter().filter(|attestation| attestation.data.slot == voted) {
            let attesters = attestation.attesters(places).unwrap_or_else(|error| {
                tracing::debug!(%error, block = %block.slot, "an attestation in a block cannot be read");
                Vec::new()
            });
            for validator in attesters {
                let seats = self.validators.iter().zip(&mut self.found.delays);
                for (_, unfound) in seats.filter(|(one, found)| **one == validator && found.is_none()) {
                    *unfound = Some(delay);
                    new = true;
                }
            }
        }
        new
    }
}

/// The last slot whose block may have a vote of `slot`: the last of the next epoch.
///
/// Source: consensus-specs, deneb/beacon-chain.md, `process_attestation` (EIP-7045).
fn last_block_for(spec: &ChainSpec, slot: Slot) -> Slot {
    spec.first_slot(spec.epoch_of(slot).saturating_add(2)).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use hearth_types::{Epoch, ForkSchedule, ForkVersion, Root, ScheduledFork, UnixMillis};
    use serde_json::json;

    use super::*;

    const CLUSTER: LockHash = LockHash::new([1; 32]);
    const OTHER: LockHash = LockHash::new([2; 32]);
    const SLOTS_PER_EPOCH: u64 = 4;

    fn search(electra: u64) -> Search {
        let fork = |name, epoch, version| ScheduledFork {
            name,
            epoch: Epoch::new(epoch),
            version: ForkVersion::new([version; 4]),
        };
        let mut forks = vec![fork(ForkName::Electra, electra, 6)];
        if electra > 0 {
            forks.insert(0, fork(ForkName::Deneb, 0, 5));
        }
        let forks = ForkSchedule::new(forks, Epoch::FAR_FUTURE).unwrap();
        let spec =
            ChainSpec::new(UnixMillis::new(0), Root::new([7; 32]), 12_000, SLOTS_PER_EPOCH, forks).unwrap();
        Search::new(Arc::new(spec))
    }

    fn sought(cluster: LockHash, slot: u64, validators: &[u64]) -> Sought {
        let validators = validators.iter().copied().map(ValidatorIndex::new).collect();
        Sought { cluster, slot: Slot::new(slot), validators }
    }

    /// Committee 0 of every slot: validators 0 to 3.
    fn committees(slot: u64) -> Vec<Committee> {
        let members: Vec<String> = (0..4).map(|validator: u64| validator.to_string()).collect();
        serde_json::from_value(json!([{ "index": "0", "slot": slot.to_string(), "validators": members }]))
            .unwrap()
    }

    /// A block with the votes of these validators for these slots.
    fn block(slot: u64, votes: &[(u64, &[u64])]) -> Block {
        let root = Root::new([0; 32]);
        let attestation = |(voted, validators): &(u64, &[u64])| {
            let bits = validators.iter().fold(0b1_0000_u8, |bits, validator| bits | 1 << validator);
            serde_json::from_value(json!({
                "aggregation_bits": format!("0x{bits:02x}"),
                "committee_bits": "0x01",
                "data": {
                    "slot": voted.to_string(), "index": "0", "beacon_block_root": root,
                    "source": { "epoch": "0", "root": root }, "target": { "epoch": "1", "root": root },
                },
            }))
            .unwrap()
        };
        Block {
            slot: Slot::new(slot),
            parent_root: root,
            attestations: votes.iter().map(attestation).collect(),
        }
    }

    /// Answers every question up to the block of `newest`, and says what was asked and what was found.
    fn answer(search: &mut Search, newest: u64, blocks: &[Block]) -> (Vec<Question>, Vec<Found>) {
        let (mut asked, mut found) = (Vec::new(), Vec::new());
        while let Some(question) = search.question(Slot::new(newest)) {
            asked.push(question);
            match question {
                Question::Committees(slot) => search.committees(slot, &committees(slot.get())),
                Question::Block(slot) => {
                    found.extend(search.block(slot, blocks.iter().find(|block| block.slot == slot)));
                }
            }
        }
        (asked, found)
    }

    type Told = (u64, Vec<Option<u8>>, Option<u8>, bool);

    fn told(found: &[Found]) -> Vec<Told> {
        let told = |found: &Found| {
            let OnChain { delays, best, settled } = found.on_chain.clone();
            (found.slot.get(), delays, best, settled)
        };
        found.iter().map(told).collect()
    }

    #[test]
    fn a_vote_is_found_in_the_first_block_that_has_it_and_nothing_more_is_asked() {
        let mut search = search(0);
        search.seek(sought(CLUSTER, 5, &[2, 0]));
        let blocks = [block(6, &[(5, &[0, 1])]), block(7, &[(5, &[0, 2])])];
        let (asked, found) = answer(&mut search, 7, &blocks);
        let slot = Slot::new;
        assert_eq!(asked, [Question::Committees(slot(5)), Question::Block(slot(6)), Question::Block(slot(7))]);
        assert_eq!(
            told(&found),
            [(5, vec![None, Some(1)], Some(1), false), (5, vec![Some(2), Some(1)], Some(1), true)]
        );
        assert_eq!(search.question(slot(100)), None);
    }

    #[test]
    fn what_several_clusters_seek_is_asked_once_and_no_block_too_early() {
        let mut search = search(0);
        search.seek(sought(CLUSTER, 5, &[0]));
        search.seek(sought(OTHER, 5, &[3]));
        search.seek(sought(OTHER, 6, &[1]));
        assert_eq!(search.question(Slot::new(5)), None);
        let blocks = [block(6, &[(5, &[0, 3])]), block(7, &[(6, &[1])])];
        let (asked, found) = answer(&mut search, 7, &blocks);
        assert_eq!((asked.len(), found.len()), (4, 3), "{asked:?}");
        assert!(found.iter().all(|found| found.on_chain.settled && found.on_chain.worst() == Some(1)));
    }

    #[test]
    fn an_empty_slot_makes_the_best_delay_longer_and_no_vote_late() {
        let mut search = search(0);
        search.seek(sought(CLUSTER, 5, &[0]));
        let (_, found) = answer(&mut search, 7, &[block(7, &[(5, &[0])])]);
        assert_eq!(told(&found), [(5, vec![Some(2)], Some(2), true)]);
        assert!(!found[0].on_chain.is_late());
    }

    #[test]
    fn a_vote_that_no_block_has_is_given_up_with_the_next_epoch_and_not_before() {
        let mut search = search(0);
        // Slot 5 is of epoch 1; epoch 2 ends with slot 11.
        search.seek(sought(CLUSTER, 5, &[0]));
        let blocks: Vec<Block> = (6..=12).map(|slot| block(slot, &[(5, &[1])])).collect();
        assert_eq!(answer(&mut search, 10, &blocks).1, []);
        let (asked, found) = answer(&mut search, 12, &blocks);
        assert_eq!(asked, [Question::Block(Slot::new(11))]);
        assert_eq!(told(&found), [(5, vec![None], Some(1), true)]);
    }

    #[test]
    fn what_is_not_answered_is_asked_again_in_the_next_round_and_forgotten_in_the_end() {
        let mut search = search(0);
        search.seek(sought(CLUSTER, 5, &[0]));
        search.seek(sought(CLUSTER, 6, &[0]));
        let question = Question::Committees(Slot::new(5));
        assert_eq!(search.question(Slot::new(7)), Some(question));
        search.unanswered(question);
        let (asked, found) = answer(&mut search, 7, &[block(7, &[(6, &[0])])]);
        assert_eq!((asked.contains(&question), found.len()), (false, 1), "the other goes on");
        search.begin_round(Slot::new(8));
        assert_eq!(search.question(Slot::new(7)), Some(question));
        search.begin_round(Slot::new(15));
        assert_eq!(search.question(Slot::new(7)), Some(question));
        search.begin_round(Slot::new(16));
        assert_eq!(search.question(Slot::new(7)), None, "never settled: nothing is claimed");
    }

    #[test]
    fn before_electra_and_without_validators_nothing_is_sought() {
        let mut search = search(3);
        search.seek(sought(CLUSTER, 11, &[0]));
        search.seek(sought(CLUSTER, 12, &[]));
        assert_eq!(search.question(Slot::new(100)), None);
        search.seek(sought(CLUSTER, 12, &[0]));
        assert_eq!(search.question(Slot::new(100)), Some(Question::Committees(Slot::new(12))));
    }

    #[test]
    fn seeking_twice_is_seeking_once() {
        let mut search = search(0);
        search.seek(sought(CLUSTER, 5, &[0, 1]));
        let blocks = [block(6, &[(5, &[0])]), block(7, &[(5, &[1])])];
        answer(&mut search, 6, &blocks);
        search.seek(sought(CLUSTER, 5, &[0, 1]));
        let (asked, found) = answer(&mut search, 7, &blocks);
        assert_eq!(asked, [Question::Block(Slot::new(7))]);
        assert_eq!(told(&found), [(5, vec![Some(1), Some(2)], Some(1), true)]);
    }
}
