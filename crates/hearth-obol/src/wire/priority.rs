//! What each operator's node prefers, and what follows for the cluster: the priority protocol, whose one use is infosync, once an epoch.
//!
//! Everybody tells everybody an ordered list for each topic; whoever leads proposes what follows from the lists that he has, and the
//! cluster agrees on that as on the value of a duty. Here are the messages and the arithmetic.
//!
//! Source: `obol-p2p.md` 7.

use std::collections::{BTreeMap, BTreeSet};

use hearth_crypto::k1::{NodeKey, NodePublicKey, recover};
use hearth_types::{Duty, DutyKind, OperatorIndex, Slot, Threshold};
use prost::Message as _;
use thiserror::Error;

use super::field::{Field, fields};
use super::hash::proto_hash;
use super::proto::{
    self, Any, PriorityMsg, PriorityResult, PriorityScoredResult, PriorityTopicProposal, PriorityTopicResult,
};

/// Protocol of preferences; request and response. The older name without a slash cannot be spoken here (`obol-p2p.md` 7.5).
pub const PRIORITY_PROTOCOL: &str = "/charon/priority/2.0.0";
/// Bytes of the longest message that is read. Real ones have about 1,200.
pub const PRIORITY_FRAME_BYTES: usize = 64 << 10;

const VALUE_URL: &str = "type.googleapis.com/google.protobuf.Value";
/// Tag of the text in a `google.protobuf.Value`.
const STRING_VALUE: u64 = 3;
/// What the first place is worth; each further one is worth one less.
const FIRST_PLACE: i64 = 1_000;

/// One topic and what is preferred in it, best first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// What can be had.
    pub priorities: Vec<String>,
}

/// What one operator's node prefers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Preferences {
    /// When it is agreed on: a slot and the kind for that.
    pub duty: Duty,
    /// Whose they are: the node's id in libp2p, in base58.
    pub peer_id: String,
    /// By topic.
    pub topics: Vec<Topic>,
}

/// Preferences with their owner's signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedPreferences {
    /// Whose they are.
    pub operator: OperatorIndex,
    /// What they say.
    pub preferences: Preferences,
    /// As they travel, signature included.
    pub bytes: Vec<u8>,
}

/// Why preferences are refused.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum PriorityRejection {
    /// More than anybody has to say.
    #[error("{0} bytes of preferences")]
    TooLong(usize),
    /// Not a message of this protocol.
    #[error("not a message with preferences")]
    Undecodable,
    /// A topic or an entry that is no text.
    #[error("a topic or an entry that is no text")]
    NoText,
    /// It names somebody else than who sent it.
    #[error("preferences of {named}, sent by {sent_by}")]
    OtherPeer {
        /// Whom it names.
        named: String,
        /// Who sent it.
        sent_by: String,
    },
    /// Not signed by who sent it.
    #[error("preferences with a wrong signature")]
    Signature,
}

/// Lists from which nothing follows.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum Unusable {
    /// There are none.
    #[error("no preferences")]
    Nothing,
    /// For different occasions.
    #[error("preferences for {one} and for {other}")]
    Duties {
        /// The first.
        one: Duty,
        /// Another.
        other: Duty,
    },
    /// Two of one operator.
    #[error("two preferences of {0}")]
    Peer(String),
    /// One topic twice.
    #[error("topic {0} twice")]
    Topic(String),
    /// More entries than there are places.
    #[error("{0} entries in a topic")]
    TooMany(usize),
    /// One entry twice.
    #[error("entry {0} twice")]
    Entry(String),
}

/// What the cluster has of one topic, best first, with scores.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TopicResult {
    /// Its name.
    pub name: String,
    /// What enough operators can have.
    pub priorities: Vec<(String, i64)>,
}

/// Reads and writes preferences of a cluster's operators.
#[derive(Clone, Debug)]
pub struct PriorityCodec {
    /// Key and libp2p id of each operator, in order.
    operators: Vec<(NodePublicKey, String)>,
}

impl PriorityCodec {
    /// For the operators with these keys and ids, in the order of the cluster definition.
    pub const fn new(operators: Vec<(NodePublicKey, String)>) -> Self {
        Self { operators }
    }

    /// Signs what this node prefers.
    pub fn sign(
        &self,
        me: OperatorIndex,
        (duty, topics): (Duty, Vec<Topic>),
        key: &NodeKey,
    ) -> SignedPreferences {
        let peer_id = self.operators.get(me.position()).map(|(_, id)| id.clone()).unwrap_or_default();
        let preferences = Preferences { duty, peer_id, topics };
        let mut message = message_of(&preferences);
        message.signature = key.sign(&proto_hash(&message.encode_to_vec())).to_vec();
        SignedPreferences { operator: me, preferences, bytes: message.encode_to_vec() }
    }

    /// Reads what a peer sends as his own. Whether it is time for it is the caller's to say.
    pub fn decode(&self, from: OperatorIndex, frame: &[u8]) -> Result<SignedPreferences, PriorityRejection> {
        let preferences = read(frame)?;
        let (key, id) = self.operators.get(from.position()).ok_or(PriorityRejection::Signature)?;
        if preferences.peer_id != *id {
            let (named, sent_by) = (shown(&preferences.peer_id), id.clone());
            return Err(PriorityRejection::OtherPeer { named, sent_by });
        }
        // Fields of later versions are signed as well, and stand where they stand.
        let (mut signed, mut signature) = (Vec::with_capacity(frame.len()), None);
        for field in fields(frame) {
            let Field { number, raw, payload } = field.map_err(|_| PriorityRejection::Undecodable)?;
            match number {
                4 => signature = payload,
                _ => signed.extend_from_slice(raw),
            }
        }
        let signer = signature.and_then(|signature| recover(&proto_hash(&signed), signature).ok());
        if signer.as_ref() != Some(key) {
            return Err(PriorityRejection::Signature);
        }
        Ok(SignedPreferences { operator: from, preferences, bytes: frame.to_vec() })
    }
}

/// What follows from the lists, of topics in the order of their hashes: what at least `needed` operators have, by how much they like it.
pub fn calculate(all: &[&Preferences], needed: Threshold) -> Result<Vec<TopicResult>, Unusable> {
    check(all)?;
    let mut in_order: Vec<&Preferences> = all.to_vec();
    in_order.sort_by(|one, other| one.peer_id.cmp(&other.peer_id));
    // By hash; of each the entries as they were first seen.
    let mut topics: BTreeMap<[u8; 32], TopicResult> = BTreeMap::new();
    for topic in in_order.into_iter().flat_map(|preferences| &preferences.topics) {
        let hash = proto_hash(&any(&topic.name).encode_to_vec());
        let unknown = || TopicResult { name: topic.name.clone(), priorities: Vec::new() };
        let scores = &mut topics.entry(hash).or_insert_with(unknown).priorities;
        for (place, entry) in (0..).zip(&topic.priorities) {
            match scores.iter_mut().find(|(known, _)| known == entry) {
                Some((_, score)) => *score += FIRST_PLACE - place,
                None => scores.push((entry.clone(), FIRST_PLACE - place)),
            }
        }
    }
    let least = (i64::try_from(needed.count()).unwrap_or(i64::MAX) - 1).saturating_mul(FIRST_PLACE);
    let result = |TopicResult { name, mut priorities }| {
        priorities.retain(|(_, score)| *score > least);
        // Those with the same score stay as they were first seen.
        priorities.sort_by_key(|(_, score)| std::cmp::Reverse(*score));
        TopicResult { name, priorities }
    };
    Ok(topics.into_values().map(result).collect())
}

fn check(all: &[&Preferences]) -> Result<(), Unusable> {
    let first = all.first().ok_or(Unusable::Nothing)?;
    let mut peers = BTreeSet::new();
    for preferences in all {
        if preferences.duty != first.duty {
            return Err(Unusable::Duties { one: first.duty, other: preferences.duty });
        }
        if !peers.insert(&preferences.peer_id) {
            return Err(Unusable::Peer(shown(&preferences.peer_id)));
        }
        let mut names = BTreeSet::new();
        for topic in &preferences.topics {
            if !names.insert(&topic.name) {
                return Err(Unusable::Topic(shown(&topic.name)));
            }
            if i64::try_from(topic.priorities.len()).unwrap_or(i64::MAX) >= FIRST_PLACE {
                return Err(Unusable::TooMany(topic.priorities.len()));
            }
            let mut entries = BTreeSet::new();
            if let Some(twice) = topic.priorities.iter().find(|entry| !entries.insert(*entry)) {
                return Err(Unusable::Entry(shown(twice)));
            }
        }
    }
    Ok(())
}

/// A text of somebody else's, as it may stand in a sentence.
fn shown(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(64).collect()
}

/// The value that is agreed on: the lists in the order in which they came, ours first, and what follows from them.
pub fn encode_result(lists: &[&SignedPreferences], topics: &[TopicResult]) -> Vec<u8> {
    let scored =
        |(entry, score): &(String, i64)| PriorityScoredResult { priority: Some(any(entry)), score: *score };
    let topic = |topic: &TopicResult| PriorityTopicResult {
        topic: Some(any(&topic.name)),
        priorities: topic.priorities.iter().map(scored).collect(),
    };
    PriorityResult {
        msgs: lists.iter().map(|list| list.bytes.clone()).collect(),
        topics: topics.iter().map(topic).collect(),
    }
    .encode_to_vec()
}

/// What was agreed on. The lists in it are not looked at: nobody does.
pub fn decode_result(value: &[u8]) -> Result<Vec<TopicResult>, PriorityRejection> {
    let result = PriorityResult::decode(value).map_err(|_| PriorityRejection::Undecodable)?;
    let topic = |topic: PriorityTopicResult| {
        let priorities = topic.priorities.into_iter().map(|scored| Ok((text(scored.priority)?, scored.score)));
        Ok(TopicResult { name: text(topic.topic)?, priorities: priorities.collect::<Result<_, _>>()? })
    };
    result.topics.into_iter().map(topic).collect()
}

fn message_of(preferences: &Preferences) -> PriorityMsg {
    let Preferences { duty, peer_id, topics } = preferences;
    let proposal = |topic: &Topic| PriorityTopicProposal {
        topic: Some(any(&topic.name)),
        priorities: topic.priorities.iter().map(|entry| any(entry)).collect(),
    };
    PriorityMsg {
        duty: Some(proto::Duty { slot: duty.slot.get(), kind: i32::from(duty.kind.number()) }),
        topics: topics.iter().map(proposal).collect(),
        peer_id: peer_id.clone(),
        signature: Vec::new(),
    }
}

fn read(frame: &[u8]) -> Result<Preferences, PriorityRejection> {
    if frame.len() > PRIORITY_FRAME_BYTES {
        return Err(PriorityRejection::TooLong(frame.len()));
    }
    let PriorityMsg { duty, topics, peer_id, .. } =
        PriorityMsg::decode(frame).map_err(|_| PriorityRejection::Undecodable)?;
    let duty = duty.ok_or(PriorityRejection::Undecodable)?;
    let kind = DutyKind::from_number(duty.kind.into()).map_err(|_| PriorityRejection::Undecodable)?;
    let topic = |proposal: PriorityTopicProposal| {
        let priorities = proposal.priorities.into_iter().map(|entry| text(Some(entry)));
        Ok(Topic { name: text(proposal.topic)?, priorities: priorities.collect::<Result<_, _>>()? })
    };
    let topics = topics.into_iter().map(topic).collect::<Result<_, _>>()?;
    Ok(Preferences { duty: Duty { slot: Slot::new(duty.slot), kind }, peer_id, topics })
}

/// A text as `google.protobuf.Value` in an `Any`.
fn any(text: &str) -> Any {
    let value = proto::StringValue { string_value: text.to_owned() }.encode_to_vec();
    // Also an empty text is written.
    let value = if value.is_empty() { vec![0x1a, 0x00] } else { value };
    Any { type_url: VALUE_URL.to_owned(), value }
}

fn text(any: Option<Any>) -> Result<String, PriorityRejection> {
    let Any { type_url, value } = any.ok_or(PriorityRejection::Undecodable)?;
    let is_value = type_url.rsplit('/').next() == Some("google.protobuf.Value");
    let mut fields = fields(&value);
    match (fields.next(), fields.next()) {
        (Some(Ok(Field { number: STRING_VALUE, payload: Some(text), .. })), None) if is_value => {
            String::from_utf8(text.to_vec()).map_err(|_| PriorityRejection::NoText)
        }
        _ => Err(PriorityRejection::NoText),
    }
}
