//! The JSON of the beacon API, decoded once into domain types. Pure.
//!
//! Fields that nobody here needs are skipped; what is read has exactly the type that the API gives it.
//! Source: ethereum/beacon-APIs; shapes seen on Lodestar are recorded in `shared/vectors/beacon-api`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hearth_duties::{ValidatorRecord, Waiting};
use hearth_types::{CommitteeIndex, Epoch, ForkVersion, Root, Slot, ValidatorIndex, ValidatorPubkey};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use crate::error::{Problem, short};
use crate::inclusion::BlockAttestation;

/// What `config/spec` lists: mostly strings, some lists. Keys of forks are read by name.
pub type Config = BTreeMap<String, serde_json::Value>;

/// Start and identity of a chain.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Genesis {
    /// Start of slot 0 in seconds since 1970.
    #[serde(rename = "genesis_time", deserialize_with = "quoted")]
    pub genesis_time_s: u64,
    /// Tells chains apart.
    pub genesis_validators_root: Root,
    /// Fork version of phase0.
    pub genesis_fork_version: ForkVersion,
}

/// One line of `config/fork_schedule`. It has no name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
pub struct ScheduleEntry {
    /// Version from that epoch on.
    pub current_version: ForkVersion,
    /// First epoch.
    pub epoch: Epoch,
}

/// How far a node is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
pub struct Syncing {
    /// Slot of its head.
    pub head_slot: Slot,
    /// Slots it lacks.
    #[serde(deserialize_with = "quoted")]
    pub sync_distance: u64,
    /// Whether it is catching up.
    pub is_syncing: bool,
    /// Whether the payloads of its head are unverified.
    pub is_optimistic: bool,
    /// Whether its execution client is away. Older nodes do not say.
    #[serde(default)]
    pub el_offline: bool,
}

/// A block's place in the chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BlockHeader {
    /// Root of the block.
    pub root: Root,
    /// Its slot.
    pub slot: Slot,
    /// Root of the block before it.
    pub parent_root: Root,
    /// Whether it is on the node's chain.
    pub canonical: bool,
}

/// What a block says about attestations; all else in it is skipped.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Block {
    /// Its slot.
    pub slot: Slot,
    /// Root of the block before it.
    pub parent_root: Root,
    /// Attestations that it includes, as from Electra on.
    pub attestations: Vec<BlockAttestation>,
}

/// One committee of one slot.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Committee {
    /// Its number in the slot.
    pub index: CommitteeIndex,
    /// The slot.
    pub slot: Slot,
    /// Members, in the order of the aggregation bits.
    pub validators: Vec<ValidatorIndex>,
}

/// An answer's outer layer.
#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
    #[serde(default)]
    execution_optimistic: bool,
}

/// A refusal's body.
#[derive(Deserialize)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) failures: Vec<RefusedEntry>,
}

/// One entry of a refused batch.
#[derive(Deserialize)]
pub(crate) struct RefusedEntry {
    pub(crate) index: u64,
    pub(crate) message: String,
}

/// The `data` of an answer that does not depend on execution payloads.
pub(crate) fn data<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    Ok(envelope::<T>(body)?.data)
}

/// The `data` of an answer that the node must have verified.
pub(crate) fn verified_data<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    match envelope(body)? {
        Envelope { execution_optimistic: true, .. } => Err(Problem::Optimistic),
        Envelope { data, .. } => Ok(data),
    }
}

fn envelope<T: DeserializeOwned>(body: &[u8]) -> Result<Envelope<T>, Problem> {
    serde_json::from_slice(body).map_err(|e| Problem::Malformed(short(&e.to_string())))
}

pub(crate) fn refusal(body: &[u8]) -> Option<Refusal> {
    serde_json::from_slice(body).ok()
}

/// `node/version`.
#[derive(Deserialize)]
pub(crate) struct Version {
    pub(crate) version: String,
}

/// An entry of `states/{id}/validators`.
#[derive(Deserialize)]
pub(crate) struct ValidatorEntry {
    index: ValidatorIndex,
    status: String,
    validator: ValidatorFields,
}

#[derive(Deserialize)]
struct ValidatorFields {
    pubkey: ValidatorPubkey,
    slashed: bool,
    activation_epoch: Option<Epoch>,
}

impl From<ValidatorEntry> for ValidatorRecord {
    fn from(entry: ValidatorEntry) -> Self {
        let ValidatorFields { pubkey, slashed, activation_epoch } = entry.validator;
        let (active, pending) = (entry.status.starts_with("active_"), entry.status.starts_with("pending_"));
        let waiting = pending.then(|| match activation_epoch {
            Some(epoch) if epoch != Epoch::FAR_FUTURE => Waiting::Until(epoch),
            _ => Waiting::Queued,
        });
        Self { pubkey, index: entry.index, active, slashed, waiting }
    }
}

/// `headers/{id}`.
#[derive(Deserialize)]
pub(crate) struct HeaderData {
    root: Root,
    canonical: bool,
    header: Signed<HeaderFields>,
}

#[derive(Deserialize)]
struct Signed<T> {
    message: T,
}

#[derive(Deserialize)]
struct HeaderFields {
    slot: Slot,
    parent_root: Root,
}

impl From<HeaderData> for BlockHeader {
    fn from(data: HeaderData) -> Self {
        let HeaderFields { slot, parent_root } = data.header.message;
        Self { root: data.root, slot, parent_root, canonical: data.canonical }
    }
}

/// `blocks/{id}`.
#[derive(Deserialize)]
pub(crate) struct BlockData {
    message: BlockFields,
}

#[derive(Deserialize)]
struct BlockFields {
    slot: Slot,
    parent_root: Root,
    body: BodyFields,
}

#[derive(Deserialize)]
struct BodyFields {
    attestations: Vec<BlockAttestation>,
}

impl From<BlockData> for Block {
    fn from(data: BlockData) -> Self {
        let BlockFields { slot, parent_root, body } = data.message;
        Self { slot, parent_root, attestations: body.attestations }
    }
}

/// A number as the beacon API writes it: decimal digits in a string.
fn quoted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use hearth_types::{AttestationData, AttesterDuty};
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::inclusion::Places;
    use crate::node::BlockId;
    use crate::{batch, check, network};

    const ANSWERS: [&str; 11] = [
        include_str!("../tests/vectors/genesis.json"),
        include_str!("../tests/vectors/spec.json"),
        include_str!("../tests/vectors/fork_schedule.json"),
        include_str!("../tests/vectors/version.json"),
        include_str!("../tests/vectors/syncing.json"),
        include_str!("../tests/vectors/validators.json"),
        include_str!("../tests/vectors/duties.json"),
        include_str!("../tests/vectors/attestation_data.json"),
        include_str!("../tests/vectors/header.json"),
        include_str!("../tests/vectors/block.json"),
        include_str!("../tests/vectors/committees.json"),
    ];

    #[test]
    fn states_of_validators_are_read_by_their_family() {
        let far = Epoch::FAR_FUTURE.get();
        for (status, activation, active, waiting) in [
            ("pending_initialized", far, false, Some(Waiting::Queued)),
            ("pending_queued", far, false, Some(Waiting::Queued)),
            ("pending_queued", 77, false, Some(Waiting::Until(Epoch::new(77)))),
            ("active_ongoing", 5, true, None),
            ("active_exiting", 5, true, None),
            ("active_slashed", 5, true, None),
            ("exited_unslashed", 5, false, None),
            ("exited_slashed", 5, false, None),
            ("withdrawal_possible", 5, false, None),
            ("withdrawal_done", 5, false, None),
            ("something_new", 5, false, None),
        ] {
            let entry: ValidatorEntry = serde_json::from_value(serde_json::json!({
                "index": "3", "status": status,
                "validator": { "pubkey": format!("0x{}", "ab".repeat(48)), "slashed": false, "activation_epoch": activation.to_string() },
            }))
            .unwrap();
            let record = ValidatorRecord::from(entry);
            assert_eq!((record.active, record.waiting), (active, waiting), "{status}");
        }
    }

    #[test]
    fn an_optimistic_answer_is_not_a_verified_one() {
        let body = br#"{"data":[],"execution_optimistic":true}"#;
        assert_eq!(verified_data::<Vec<Committee>>(body), Err(Problem::Optimistic));
        assert_eq!(data::<Vec<Committee>>(body), Ok(vec![]));
        assert_eq!(verified_data::<Vec<Committee>>(br#"{"data":[]}"#), Ok(vec![]), "older nodes do not say");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
            read_as_everything(&body);
        }

        #[test]
        fn arbitrary_json_never_panics(body in json()) {
            read_as_everything(body.to_string().as_bytes());
            read_as_everything(serde_json::json!({ "data": body }).to_string().as_bytes());
        }

        #[test]
        fn an_answer_changed_anywhere_never_panics(
            answer in prop::sample::select(&ANSWERS[..]),
            changes in prop::collection::vec((any::<prop::sample::Index>(), json()), 1..4),
        ) {
            let mut body: Value = serde_json::from_str(answer).unwrap();
            for (place, value) in changes {
                let mut places = Vec::new();
                pointers(&body, String::new(), &mut places);
                let place: &String = place.get(&places);
                *body.pointer_mut(place).unwrap() = value;
            }
            read_as_everything(body.to_string().as_bytes());
        }
    }

    /// Takes a body for the answer of every route, through all that happens to it afterwards.
    fn read_as_everything(body: &[u8]) {
        let genesis: Genesis = data(ANSWERS[0].as_bytes()).unwrap();
        let config: Config = data(ANSWERS[1].as_bytes()).unwrap();
        let spec = network::chain_spec(&genesis, &config, None).unwrap();
        let committees: Vec<Committee> = data(ANSWERS[10].as_bytes()).unwrap();
        let places = Places::of(&committees, |_| true);

        let chains = [
            data::<Genesis>(body).ok().map(|genesis| network::chain_spec(&genesis, &config, None)),
            data::<Config>(body).ok().map(|config| network::chain_spec(&genesis, &config, None)),
            data::<Vec<ScheduleEntry>>(body).ok().map(|s| network::chain_spec(&genesis, &config, Some(&s))),
        ];
        for chain in chains.into_iter().flatten().flatten() {
            let _ = network::merge(&spec, &chain);
            let _ = network::agree_until(&chain, &spec);
        }
        let _ = data::<Version>(body);
        let _ = data::<Syncing>(body);
        if let Ok(entries) = verified_data::<Vec<ValidatorEntry>>(body) {
            let _ = check::validators(&[], entries.into_iter().map(ValidatorRecord::from).collect());
        }
        if let Ok(duties) = verified_data::<Vec<AttesterDuty>>(body) {
            let asked = [7, 12].map(ValidatorIndex::new);
            let _ = check::attester_duties(&spec, Epoch::new(4), &asked, duties);
        }
        if let Ok(vote) = data::<AttestationData>(body)
            && let Ok(vote) = check::attestation_data(&spec, Slot::new(34), vote)
        {
            assert_eq!((vote.slot, vote.target.epoch), (Slot::new(34), Epoch::new(4)));
            assert!(vote.source.epoch <= vote.target.epoch);
        }
        if let Ok(header) = verified_data::<HeaderData>(body) {
            let _ = check::header(BlockId::Head, header.into());
        }
        if let Ok(block) = verified_data::<BlockData>(body).map(Block::from) {
            for attestation in &block.attestations {
                let _ = attestation.attesters(&places);
            }
        }
        if let Ok(committees) = verified_data::<Vec<Committee>>(body) {
            let block: Block = data::<BlockData>(ANSWERS[9].as_bytes()).unwrap().into();
            let _ = block.attestations[0].attesters(&Places::of(&committees, |_| true));
            let _ = check::committees(Slot::new(34), committees);
        }
        if let Some(Refusal { message, failures }) = refusal(body) {
            let failures = failures
                .into_iter()
                .map(|RefusedEntry { index, message }| crate::EntryFailure { index, message })
                .collect();
            let _ = batch::rejections(Problem::Status { status: 400, message, failures }, 2);
        }
    }

    fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
        match value {
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(i, item)| pointers(item, format!("{at}/{i}"), found));
            }
            Value::Object(fields) => {
                for (key, item) in fields {
                    let key = key.replace('~', "~0").replace('/', "~1");
                    pointers(item, format!("{at}/{key}"), found);
                }
            }
            _ => {}
        }
        found.push(at);
    }

    fn json() -> impl Strategy<Value = Value> {
        let word = prop_oneof![
            any::<u64>().prop_map(|n| n.to_string()),
            Just("18446744073709551616".to_owned()),
            Just("0x".to_owned()),
            prop::collection::vec(any::<u8>(), 0..100).prop_map(|bytes| format!("0x{}", hex::encode(bytes))),
            any::<String>(),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            word.prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let key = prop_oneof![
                prop::sample::select(vec![
                    "data",
                    "index",
                    "validators",
                    "message",
                    "failures",
                    "GLOAS_FORK_EPOCH"
                ])
                .prop_map(str::to_owned),
                "[a-z_~/]{0,8}",
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(key, inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }
}
