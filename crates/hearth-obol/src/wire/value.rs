//! Values that the cluster agrees on: sets of unsigned data, by group public key.
//!
//! A value is named by the hash of its set, written deterministically. The bytes of every entry are kept as the
//! leader wrote them; only the entries are put in order.
//!
//! Source: `obol-duties.md` 1.1, 3.4, 5.1; `obol-p2p.md` 3.6.

use std::collections::BTreeMap;

use hearth_duties::{AgreedValue, Digest, MalformedValue, Value};
use hearth_types::{Duty, DutyKind, ValidatorPubkey};
use prost::Message as _;
use thiserror::Error;

use super::attester;
use super::field::fields;
use super::hash::proto_hash;
use super::proto::{Any, UnsignedDataEntry, UnsignedDataSet};

/// Validators in one value: more than a frame could hold with real content.
const MOST_ENTRIES: usize = 65_536;

const PREFIX: &str = "type.googleapis.com/";
const UNSIGNED_DATA_SET: &str = "core.corepb.v1.UnsignedDataSet";
const PRIORITY_RESULT: &str = "core.corepb.v1.PriorityResult";

/// Why a value that came with a consensus message was refused.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum ValueRejection {
    /// Neither an `Any` nor the set that it says it is.
    #[error("not a set of unsigned data")]
    Undecodable,
    /// Not of the type of the duty's values.
    #[error("of another type than the values of such a duty")]
    UnknownType,
    /// More entries than any cluster has validators.
    #[error("more than {MOST_ENTRIES} entries")]
    TooManyEntries,
}

/// Writes a value as it is agreed on, and names it.
pub fn encode(value: &AgreedValue) -> Value {
    let AgreedValue::Attestations(attestations) = value;
    let entries = attestations.iter().map(|(key, agreed)| (write_key(key), attester::encode_agreed(agreed)));
    let bytes = write(entries.collect(), &[]);
    Value { digest: digest(&bytes), bytes: bytes.into() }
}

/// Reads a decided value.
pub fn decode(duty: Duty, value: &Value) -> Result<AgreedValue, MalformedValue> {
    let refused = |reason: String| MalformedValue { duty, reason };
    if duty.kind != DutyKind::Attester {
        return Err(refused("this version does not perform such duties".into()));
    }
    let set =
        UnsignedDataSet::decode(&*value.bytes).map_err(|_| refused("not a set of unsigned data".into()))?;
    if set.set.is_empty() {
        return Err(refused("the set is empty".into()));
    }
    let mut attestations = BTreeMap::new();
    for UnsignedDataEntry { key, value } in set.set {
        let key = read_key(&key.unwrap_or_default()).ok_or_else(|| refused("a key is no public key".into()))?;
        let agreed = attester::decode_agreed(&value.unwrap_or_default())
            .map_err(|malformed| refused(format!("validator {}: {malformed}", key.abbreviated())))?;
        attestations.insert(key, agreed);
    }
    Ok(AgreedValue::Attestations(attestations))
}

/// A group public key in a set: `0x` and 96 lower-case hex digits.
pub(crate) fn write_key(key: &ValidatorPubkey) -> String {
    format!("0x{}", hex::encode(key.as_bytes()))
}

/// Reads what [`write_key`] writes. Any other spelling would be another key.
pub(crate) fn read_key(text: &str) -> Option<ValidatorPubkey> {
    text.parse().ok().filter(|_| !text.bytes().any(|byte| byte.is_ascii_uppercase()))
}

/// What the value of a consensus about such a duty is.
const fn type_of(kind: DutyKind) -> &'static str {
    match kind {
        DutyKind::InfoSync => PRIORITY_RESULT,
        _ => UNSIGNED_DATA_SET,
    }
}

/// Names the value of a consensus on preferences.
pub fn of_preferences(result: Vec<u8>) -> Value {
    Value { digest: digest(&result), bytes: result.into() }
}

/// Wraps a value for the wire.
pub(crate) fn wrap(kind: DutyKind, value: &Value) -> Any {
    Any { type_url: format!("{PREFIX}{}", type_of(kind)), value: value.bytes.to_vec() }
}

/// Unwraps a received value, puts its entries in order and names it.
///
/// The result of preferences has no entries whose order is open: what encoders write is its deterministic form.
pub(crate) fn unwrap(kind: DutyKind, any: &[u8]) -> Result<Value, ValueRejection> {
    let any = Any::decode(any).map_err(|_| ValueRejection::Undecodable)?;
    // Only the part behind the last slash names the type.
    if any.type_url.rsplit('/').next() != Some(type_of(kind)) {
        return Err(ValueRejection::UnknownType);
    }
    let bytes = if kind == DutyKind::InfoSync { any.value } else { in_order(&any.value)? };
    Ok(Value { digest: digest(&bytes), bytes: bytes.into() })
}

fn digest(deterministic: &[u8]) -> Digest {
    Digest(proto_hash(deterministic))
}

/// The deterministic form of a set: entries by key, the last of equal keys; then the fields that are not known.
fn in_order(set: &[u8]) -> Result<Vec<u8>, ValueRejection> {
    let mut entries = BTreeMap::new();
    let mut unknown = Vec::new();
    for field in fields(set) {
        let field = field.map_err(|_| ValueRejection::Undecodable)?;
        if field.number != 1 {
            unknown.extend_from_slice(field.raw);
            continue;
        }
        let entry = field.payload.ok_or(ValueRejection::Undecodable)?;
        let entry = UnsignedDataEntry::decode(entry).map_err(|_| ValueRejection::Undecodable)?;
        entries.insert(entry.key.unwrap_or_default(), entry.value.unwrap_or_default());
        if entries.len() > MOST_ENTRIES {
            return Err(ValueRejection::TooManyEntries);
        }
    }
    Ok(write(entries, &unknown))
}

fn write(entries: BTreeMap<String, Vec<u8>>, unknown: &[u8]) -> Vec<u8> {
    let entry = |(key, value)| UnsignedDataEntry { key: Some(key), value: Some(value) };
    let mut bytes = UnsignedDataSet { set: entries.into_iter().map(entry).collect() }.encode_to_vec();
    bytes.extend_from_slice(unknown);
    bytes
}
