//! From the model to JSON text, byte for byte as other tools write it: one table of keys per object, for all versions.
//!
//! Source: `obol-cluster.md` 2.1 to 2.3.

use std::io;
use std::ops::RangeInclusive;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::ser::{Formatter, PrettyFormatter};

use super::Version::{self, *};
use super::hash::Unhashable;
use super::model::{Addresses, Definition, Deposit, DistributedValidator, Lock, OperatorEntry, Registration};

impl Definition {
    /// The text of `cluster-definition.json` in its version, with hashes computed anew. Signatures are written as
    /// they are.
    pub fn to_json(&self) -> Result<String, Unhashable> {
        let mut fresh = self.clone();
        fresh.rehash()?;
        Ok(text(&object(DEFINITION, &fresh, fresh.version)))
    }
}

impl Lock {
    /// The text of `cluster-lock.json` in its version, with hashes computed anew. Signatures are written as they are.
    pub fn to_json(&self) -> Result<String, Unhashable> {
        let mut fresh = self.clone();
        fresh.rehash()?;
        Ok(text(&object(LOCK, &fresh, fresh.definition.version)))
    }
}

/// Writes a tree as Charon's tools do: indented by one space, no newline at the end.
pub(super) fn text(json: &Json<'_>) -> String {
    let mut bytes = Vec::new();
    let mut serializer =
        serde_json::Serializer::with_formatter(&mut bytes, GoFormatter(PrettyFormatter::with_indent(b" ")));
    json.serialize(&mut serializer).expect("writing texts and integers to memory cannot fail");
    String::from_utf8(bytes).expect("a JSON serializer writes UTF-8")
}

/// A JSON value whose objects keep the order of their keys.
pub(super) enum Json<'a> {
    /// The key is left out.
    Omitted,
    Null,
    Text(&'a str),
    Made(String),
    Number(u64),
    Flag(bool),
    List(Vec<Json<'a>>),
    Object(Vec<(&'static str, Json<'a>)>),
}

/// One key of an object in some versions.
struct Key<T> {
    name: &'static str,
    versions: RangeInclusive<Version>,
    value: for<'a> fn(&'a T, Version) -> Json<'a>,
}

const fn key<T>(
    name: &'static str,
    versions: RangeInclusive<Version>,
    value: for<'a> fn(&'a T, Version) -> Json<'a>,
) -> Key<T> {
    Key { name, versions, value }
}

fn object<'a, T>(keys: &[Key<T>], of: &'a T, version: Version) -> Json<'a> {
    let keys = keys.iter().filter(|key| key.versions.contains(&version));
    Json::Object(keys.map(|key| (key.name, (key.value)(of, version))).collect())
}

const DEFINITION: &[Key<Definition>] = &[
    key("name", V1_0..=V1_11, |d, _| omit_empty(&d.name)),
    key("creator", V1_4..=V1_11, |d, version| {
        Json::Object(vec![
            ("address", Json::Text(&d.creator.address)),
            ("config_signature", bytes(&d.creator.config_signature, version)),
        ])
    }),
    key("operators", V1_0..=V1_11, |d, version| null_if_empty(list(OPERATOR, &d.operators, version))),
    key("uuid", V1_0..=V1_11, |d, _| Json::Text(&d.uuid)),
    key("version", V1_0..=V1_11, |d, _| Json::Text(d.version.as_str())),
    key("timestamp", V1_0..=V1_11, |d, _| omit_empty(&d.timestamp)),
    key("num_validators", V1_0..=V1_11, |d, _| Json::Number(d.num_validators)),
    key("threshold", V1_0..=V1_11, |d, _| Json::Number(d.threshold)),
    key("fee_recipient_address", V1_0..=V1_4, |d, _| omit_empty(&d.shared_addresses.fee_recipient)),
    key("withdrawal_address", V1_0..=V1_4, |d, _| omit_empty(&d.shared_addresses.withdrawal)),
    key("validators", V1_5..=V1_11, |d, version| null_if_empty(list(ADDRESSES, &d.validators, version))),
    key("dkg_algorithm", V1_0..=V1_11, |d, _| Json::Text(&d.dkg_algorithm)),
    key("fork_version", V1_0..=V1_11, |d, _| hex(&d.fork_version)),
    key("deposit_amounts", V1_8..=V1_11, |d, _| match &d.deposit_amounts {
        None => Json::Null,
        Some(amounts) => Json::List(amounts.iter().map(|amount| Json::Made(amount.to_string())).collect()),
    }),
    key("consensus_protocol", V1_9..=V1_11, |d, _| Json::Text(&d.consensus_protocol)),
    key("target_gas_limit", V1_10..=V1_11, |d, _| Json::Number(d.target_gas_limit)),
    key("compounding", V1_10..=V1_11, |d, _| Json::Flag(d.compounding)),
    key("config_hash", V1_0..=V1_11, |d, version| bytes(&d.config_hash, version)),
    key("definition_hash", V1_0..=V1_11, |d, version| bytes(&d.definition_hash, version)),
];

const OPERATOR: &[Key<OperatorEntry>] = &[
    key("address", V1_0..=V1_11, |o, _| Json::Text(&o.address)),
    key("enr", V1_0..=V1_11, |o, _| Json::Text(&o.enr)),
    key("nonce", V1_0..=V1_1, |_, _| Json::Number(0)),
    key("config_signature", V1_0..=V1_11, |o, version| bytes(&o.config_signature, version)),
    key("enr_signature", V1_0..=V1_11, |o, version| bytes(&o.enr_signature, version)),
];

const ADDRESSES: &[Key<Addresses>] = &[
    key("fee_recipient_address", V1_5..=V1_11, |a, _| Json::Text(&a.fee_recipient)),
    key("withdrawal_address", V1_5..=V1_11, |a, _| Json::Text(&a.withdrawal)),
];

const LOCK: &[Key<Lock>] = &[
    key("cluster_definition", V1_0..=V1_11, |l, version| object(DEFINITION, &l.definition, version)),
    key("distributed_validators", V1_0..=V1_11, |l, version| {
        null_if_empty(list(VALIDATOR, &l.validators, version))
    }),
    key("signature_aggregate", V1_0..=V1_11, |l, version| bytes(&l.signature_aggregate, version)),
    key("lock_hash", V1_0..=V1_11, |l, version| bytes(&l.lock_hash, version)),
    key("node_signatures", V1_7..=V1_11, |l, _| Json::List(l.node_signatures.iter().map(|s| hex(s)).collect())),
];

const VALIDATOR: &[Key<DistributedValidator>] = &[
    key("distributed_public_key", V1_0..=V1_11, |v, _| hex(&v.public_key)),
    key("public_shares", V1_0..=V1_11, |v, version| {
        omit_if_empty(v.public_shares.iter().map(|share| bytes(share, version)).collect())
    }),
    key("deposit_data", V1_6..=V1_7, |v, version| match v.deposits.first() {
        Some(deposit) => object(DEPOSIT, deposit, version),
        None => no_deposit(),
    }),
    key("builder_registration", V1_7..=V1_11, |v, version| object(REGISTRATION, &v.registration, version)),
    key("partial_deposit_data", V1_8..=V1_11, |v, version| omit_if_empty(list(DEPOSIT, &v.deposits, version))),
];

const DEPOSIT: &[Key<Deposit>] = &[
    key("pubkey", V1_6..=V1_11, |d, _| hex(&d.public_key)),
    key("withdrawal_credentials", V1_6..=V1_11, |d, _| hex(&d.withdrawal_credentials)),
    key("amount", V1_6..=V1_11, |d, _| Json::Made(d.amount.to_string())),
    key("signature", V1_6..=V1_11, |d, _| hex(&d.signature)),
];

const REGISTRATION: &[Key<Registration>] = &[
    key("message", V1_7..=V1_11, |r, _| {
        Json::Object(vec![
            ("fee_recipient", hex(&r.fee_recipient)),
            ("gas_limit", Json::Number(r.gas_limit)),
            ("timestamp", Json::Number(r.timestamp)),
            ("pubkey", hex(&r.public_key)),
        ])
    }),
    key("signature", V1_7..=V1_11, |r, _| hex(&r.signature)),
];

fn no_deposit<'a>() -> Json<'a> {
    let empty = || Json::Text("");
    Json::Object(vec![
        ("pubkey", empty()),
        ("withdrawal_credentials", empty()),
        ("amount", Json::Text("0")),
        ("signature", empty()),
    ])
}

fn list<'a, T>(keys: &[Key<T>], entries: &'a [T], version: Version) -> Vec<Json<'a>> {
    entries.iter().map(|entry| object(keys, entry, version)).collect()
}

fn null_if_empty(entries: Vec<Json<'_>>) -> Json<'_> {
    if entries.is_empty() { Json::Null } else { Json::List(entries) }
}

fn omit_if_empty(entries: Vec<Json<'_>>) -> Json<'_> {
    if entries.is_empty() { Json::Omitted } else { Json::List(entries) }
}

fn omit_empty(text: &str) -> Json<'_> {
    if text.is_empty() { Json::Omitted } else { Json::Text(text) }
}

fn hex<'a>(bytes: &[u8]) -> Json<'a> {
    Json::Made(if bytes.is_empty() { String::new() } else { format!("0x{}", hex::encode(bytes)) })
}

/// Hex, or base64 in the first versions.
fn bytes<'a>(bytes: &[u8], version: Version) -> Json<'a> {
    if version.writes_base64() { Json::Made(data_encoding::BASE64.encode(bytes)) } else { hex(bytes) }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Omitted | Self::Null => serializer.serialize_unit(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Made(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::List(entries) => {
                let mut list = serializer.serialize_seq(Some(entries.len()))?;
                entries.iter().try_for_each(|entry| list.serialize_element(entry))?;
                list.end()
            }
            Self::Object(keys) => {
                let mut map = serializer.serialize_map(None)?;
                for (name, value) in keys.iter().filter(|(_, value)| !matches!(value, Self::Omitted)) {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

/// Pretty printing that also escapes what Go's encoder escapes for use inside HTML.
struct GoFormatter(PrettyFormatter<'static>);

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, to: &mut W, fragment: &str) -> io::Result<()> {
        for piece in fragment.split_inclusive(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            match piece.char_indices().next_back() {
                Some((at, last)) if matches!(last, '<' | '>' | '&' | '\u{2028}' | '\u{2029}') => {
                    to.write_all(piece.get(..at).unwrap_or_default().as_bytes())?;
                    write!(to, "\\u{:04x}", u32::from(last))?;
                }
                _ => to.write_all(piece.as_bytes())?,
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.begin_array(to)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_array(to)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(to, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_array_value(to)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.begin_object(to)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_object(to)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(to, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.begin_object_value(to)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_object_value(to)
    }
}
