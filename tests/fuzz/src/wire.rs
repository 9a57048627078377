//! What operators send each other while they perform duties: consensus messages, partial signatures, what each node is and prefers.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use hearth_crypto::SecretKey;
use hearth_crypto::k1::NodeKey;
use hearth_duties::{Cluster, ClusterValidator};
use hearth_obol::wire::partial::{self, PartialRejection};
use hearth_obol::wire::priority::{PriorityCodec, calculate, decode_result};
use hearth_obol::wire::{ConsensusCodec, Gate, PeerInfo, proto_hash};
use hearth_types::{
    ChainSpec, Epoch, ForkName, ForkSchedule, ForkVersion, OperatorIndex, Root, ScheduledFork, Threshold,
    UnixMillis, ValidatorPubkey,
};

use crate::assert_is_a_line;

/// Field of a vote in which its signature stands, and of a message of preferences.
const VOTE_SIGNATURE: u8 = 8;
const PREFERENCES_SIGNATURE: u8 = 4;

/// A cluster of four with one validator, on a chain at slot 123.
struct Place {
    spec: ChainSpec,
    now: UnixMillis,
    keys: Vec<NodeKey>,
    cluster: Cluster,
    consensus: ConsensusCodec,
    priority: PriorityCodec,
}

static PLACE: LazyLock<Option<Place>> = LazyLock::new(Place::build);

impl Place {
    fn build() -> Option<Self> {
        let fork =
            ScheduledFork { name: ForkName::Fulu, epoch: Epoch::new(0), version: ForkVersion::new([6; 4]) };
        let forks = ForkSchedule::new(vec![fork], Epoch::FAR_FUTURE).ok()?;
        let spec = ChainSpec::new(UnixMillis::new(0), Root::new([7; 32]), 12_000, 32, forks).ok()?;
        let keys: Vec<NodeKey> = (1..=4).filter_map(|at| NodeKey::from_bytes(&[at; 32]).ok()).collect();
        let share = |at| SecretKey::from_bytes(&[at; 32]).ok().map(|secret| secret.public_key());
        let group = share(9)?;
        let shares = (1..=4).map(share).collect::<Option<Vec<_>>>()?;
        let validator = ClusterValidator { group, shares };
        let cluster = Cluster {
            me: OperatorIndex::new(0)?,
            operators: 4,
            threshold: Threshold::new(3, 4).ok()?,
            validators: BTreeMap::from([(ValidatorPubkey::new(group.to_bytes()), validator)]),
        };
        let ids = keys.iter().enumerate().map(|(at, key)| (key.public(), format!("peer-{at}"))).collect();
        Some(Self {
            now: UnixMillis::new(123 * 12_000 + 5_000),
            spec,
            cluster,
            consensus: ConsensusCodec::new(keys.iter().map(NodeKey::public).collect()),
            priority: PriorityCodec::new(ids),
            keys,
        })
    }

    /// The bytes with a signature of theirs behind them, as an operator would make it.
    fn signed(&self, bytes: &[u8], by: u8, field: u8) -> Vec<u8> {
        let Some(key) = self.keys.get(usize::from(by) % self.keys.len().max(1)) else { return Vec::new() };
        [bytes, &[field << 3 | 2, 65], &key.sign(&proto_hash(bytes))].concat()
    }
}

/// Reads the bytes as each of the messages, as they are and signed by an operator: what nobody signed gets nowhere.
pub fn wire(input: &[u8]) {
    let (Some(place), Some((by, bytes))) = (PLACE.as_ref(), input.split_first()) else { return };
    consensus(place, bytes);
    // A message that is one signed vote, short enough for its length to take one or two bytes.
    let vote = place.signed(bytes, *by, VOTE_SIGNATURE);
    if let Ok(length) = u16::try_from(vote.len()).map(|length| length & 0x3fff) {
        let [low, high] = [(length & 0x7f) as u8 | 0x80, (length >> 7) as u8];
        consensus(place, &[&[0x0a, low, high], vote.as_slice()].concat());
    }
    partials(place, bytes);
    if let Ok(card) = PeerInfo::decode(bytes) {
        assert!(PeerInfo::decode(&card.encode()).is_ok_and(|again| again == card), "{card:?}");
    }
    let from = OperatorIndex::new(by % 4).unwrap_or(place.cluster.me);
    for bytes in [bytes.to_vec(), place.signed(bytes, *by, PREFERENCES_SIGNATURE)] {
        match place.priority.decode(from, &bytes) {
            Ok(list) => {
                if let Err(unusable) = calculate(&[&list.preferences], place.cluster.threshold) {
                    assert_is_a_line(&unusable);
                }
            }
            Err(rejection) => assert_is_a_line(&rejection),
        }
    }
    if let Err(rejection) = decode_result(bytes) {
        assert_is_a_line(&rejection);
    }
}

fn consensus(place: &Place, frame: &[u8]) {
    match place.consensus.decode(frame, &Gate::new(&place.spec, place.now)) {
        Ok(message) => {
            let message = message.into_inner();
            assert!(message.message.justification.len() <= 8);
            for value in &message.values {
                assert_eq!(proto_hash(&value.bytes), value.digest.0, "a value has another name than its own");
            }
        }
        Err(rejection) => assert_is_a_line(&rejection),
    }
}

fn partials(place: &Place, frame: &[u8]) {
    let gate = Gate::new(&place.spec, place.now);
    match partial::decode(frame, &place.cluster, &gate) {
        Ok(set) => {
            let Ok(again) = partial::encode(&place.spec, &set) else { return };
            let again = partial::decode(&again, &place.cluster, &gate);
            assert!(
                again.is_ok_and(|again| again == set),
                "partial signatures are read otherwise than written"
            );
        }
        Err(PartialRejection::Untimely(_)) => {}
        Err(rejection) => assert_is_a_line(&rejection),
    }
}
