//! Files made to harm: each is refused with a reason, and none makes a reader panic.

use hearth_obol::cluster::{Definition, Lock, MAX_FILE_BYTES, MAX_NESTING, MAX_VALUES, ParseError};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{latest_lock, networks, own_locks};

fn lock(json: &Value) -> Result<Lock, ParseError> {
    Lock::from_json(json.to_string().as_bytes())
}

fn patched(path: &str, value: Value) -> Value {
    let mut json = latest_lock();
    *json.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = value;
    json
}

#[test]
fn texts_that_are_no_file_are_refused() {
    let deep = |open: &str| open.repeat(2_000_000);
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("no JSON", b"enr:-HW4Q".to_vec()),
        ("null", b"null".to_vec()),
        ("a list", b"[]".to_vec()),
        ("a number", b"17".to_vec()),
        ("something behind it", b"{} {}".to_vec()),
        ("not UTF-8", b"{\"name\": \"\xff\"}".to_vec()),
        ("half a surrogate", br#"{"name": "\ud800"}"#.to_vec()),
        ("lists within lists", deep("[").into_bytes()),
        ("objects within objects", deep("{\"operators\":").into_bytes()),
        ("unknown objects within objects", deep("{\"x\":").into_bytes()),
        ("operators within operators", format!("{{\"operators\":{}", deep("[")).into_bytes()),
        ("cut off", latest_lock().to_string().into_bytes()[..900].to_vec()),
    ] {
        assert!(Definition::from_json(&bytes).is_err(), "{name}");
        assert!(Lock::from_json(&bytes).is_err(), "{name}");
    }
    let deepest =
        |nested: usize| format!("{{\"x\":{}\"]}}\\\"[[[\"{}}}", "[".repeat(nested), "]".repeat(nested));
    let file = |nested| Definition::from_json(deepest(nested).as_bytes()).unwrap_err();
    assert_eq!(file(MAX_NESTING - 1), ParseError::Version(String::new()), "{}", deepest(1));
    assert_eq!(file(MAX_NESTING), ParseError::TooDeep);
    let crowd =
        format!("{{\"distributed_validators\":[{{\"partial_deposit_data\":[{}", "{},".repeat(MAX_VALUES));
    assert_eq!(Lock::from_json(crowd.as_bytes()), Err(ParseError::TooMany));
    let huge = vec![b' '; MAX_FILE_BYTES + 1];
    assert_eq!(Lock::from_json(&huge), Err(ParseError::TooLarge { bytes: huge.len() }));
    assert_eq!(Definition::from_json(&huge), Err(ParseError::TooLarge { bytes: huge.len() }));
}

#[test]
fn values_of_the_wrong_type_or_out_of_range_are_refused_where_they_stand() {
    for (path, value, reason) in [
        ("/cluster_definition/threshold", json!("2"), "invalid type: string \"2\", expected u64"),
        ("/cluster_definition/threshold", json!(-1), "invalid value: integer `-1`, expected u64"),
        ("/cluster_definition/threshold", json!(2.0), "invalid type: floating point `2.0`, expected u64"),
        ("/cluster_definition/name", json!(7), "invalid type: integer `7`, expected a string"),
        ("/cluster_definition/compounding", json!("true"), "invalid type: string \"true\", expected a boolean"),
        (
            "/cluster_definition/operators",
            json!({}),
            "invalid type: map, expected a list of at most 256 entries",
        ),
        ("/cluster_definition/operators/0", json!("enr"), "invalid type: string \"enr\", expected an object"),
        ("/cluster_definition", json!([1]), "invalid type: sequence, expected an object"),
        (
            "/cluster_definition/deposit_amounts",
            json!([32_000_000_000_u64]),
            "invalid type: integer `32000000000`, expected a string",
        ),
        (
            "/distributed_validators/0/builder_registration/message/gas_limit",
            json!("1"),
            "invalid type: string \"1\", expected u64",
        ),
        ("/lock_hash", json!([1, 2]), "invalid type: sequence, expected a string"),
    ] {
        match lock(&patched(path, value)) {
            Err(ParseError::Json { line: 1, message, .. }) => assert_eq!(message, reason, "{path}"),
            other => panic!("{path}: {other:?}"),
        }
    }
    let beyond = latest_lock().to_string().replace("\"threshold\":2", "\"threshold\":18446744073709551616");
    assert!(matches!(Lock::from_json(beyond.as_bytes()), Err(ParseError::Json { .. })));
    let most = patched("/cluster_definition/threshold", json!(u64::MAX));
    assert_eq!(lock(&most).unwrap().definition.threshold, u64::MAX);
}

#[test]
fn texts_that_stand_for_bytes_and_numbers_are_read_strictly() {
    for (path, value, error) in [
        ("/lock_hash", json!("0xabc"), ParseError::Bytes("lock_hash")),
        ("/lock_hash", json!("0xzz"), ParseError::Bytes("lock_hash")),
        ("/node_signatures/0", json!("0x0x"), ParseError::Bytes("node_signatures")),
        ("/cluster_definition/fork_version", json!(" 0x00"), ParseError::Bytes("fork_version")),
        (
            "/cluster_definition/deposit_amounts/0",
            json!("+32000000000"),
            ParseError::Decimal("deposit_amounts"),
        ),
        ("/cluster_definition/deposit_amounts/0", json!("0x20"), ParseError::Decimal("deposit_amounts")),
        ("/cluster_definition/deposit_amounts/0", json!(""), ParseError::Decimal("deposit_amounts")),
        (
            "/distributed_validators/0/partial_deposit_data/0/amount",
            json!("18446744073709551616"),
            ParseError::Decimal("amount"),
        ),
        ("/cluster_definition/version", json!("v1.12.0"), ParseError::Version("v1.12.0".to_owned())),
        ("/cluster_definition/version", json!("1.11.0"), ParseError::Version("1.11.0".to_owned())),
        ("/cluster_definition/version", json!("v1.11.0 "), ParseError::Version("v1.11.0 ".to_owned())),
        ("/cluster_definition/version", json!(null), ParseError::Version(String::new())),
        (
            "/cluster_definition/num_validators",
            json!(3),
            ParseError::AddressCount { addresses: 2, validators: 3 },
        ),
    ] {
        assert_eq!(lock(&patched(path, value)), Err(error), "{path}");
    }
}

#[test]
fn lists_without_end_are_refused_before_they_are_read_whole() {
    let lists = [
        ("/cluster_definition/operators", json!({}), 256),
        ("/cluster_definition/validators", json!({}), 65_536),
        ("/cluster_definition/deposit_amounts", json!("32000000000"), 256),
        ("/distributed_validators", json!({}), 65_536),
        ("/distributed_validators/0/public_shares", json!(""), 256),
        ("/distributed_validators/0/partial_deposit_data", json!({}), 256),
        ("/node_signatures", json!(""), 256),
    ];
    for (path, entry, most) in lists {
        let longer = vec![entry; most + 1];
        match lock(&patched(path, json!(longer))) {
            Err(ParseError::Json { message, .. }) => {
                assert_eq!(message, format!("a list of more than {most} entries"), "{path}");
            }
            other => panic!("{path}: {other:?}"),
        }
        if path != "/cluster_definition/validators" {
            let longest = json!(longer[..most]);
            assert!(lock(&patched(path, longest)).is_ok(), "{path}");
        }
    }
}

#[test]
fn a_key_that_appears_twice_is_refused() {
    let json = latest_lock().to_string();
    for (first, field) in [
        ("\"lock_hash\":", "lock_hash"),
        ("\"threshold\":", "threshold"),
        ("\"cluster_definition\":", "cluster_definition"),
        ("\"enr\":", "enr"),
    ] {
        let twice = json.replacen(first, &format!("{first}null,{first}"), 1);
        match Lock::from_json(twice.as_bytes()) {
            Err(ParseError::Json { message, .. }) => assert_eq!(message, format!("duplicate field `{field}`")),
            other => panic!("{field}: {other:?}"),
        }
    }
}

#[test]
fn fields_that_were_never_in_use_must_not_be_set() {
    for (name, json) in own_locks() {
        let mut json: Value = serde_json::from_slice(&json).unwrap();
        let first = ["v1.0.0", "v1.1.0"].iter().any(|version| name.contains(version));
        json["cluster_definition"]["operators"][0]["nonce"] = json!(1);
        let expected = Err(ParseError::Legacy("operators.nonce"));
        assert_eq!(lock(&json).is_err(), first, "{name}");
        if first {
            assert_eq!(lock(&json), expected, "{name}");
        }
        json["cluster_definition"]["operators"][0]["nonce"] = json!(0);
        json["distributed_validators"][0]["fee_recipient_address"] = json!("0x00");
        let early = (0..=5).any(|minor| name.contains(&format!("v1.{minor}.0")));
        assert_eq!(lock(&json).is_err(), early, "{name}");
    }
}

/// Somewhere in a tree, chosen by `path`.
fn somewhere<'a>(json: &'a mut Value, path: &mut impl Iterator<Item = usize>) -> &'a mut Value {
    match path.next() {
        Some(step) if json.as_array().is_some_and(|list| !list.is_empty()) => {
            let list = json.as_array_mut().unwrap();
            let at = step % list.len();
            somewhere(&mut list[at], path)
        }
        Some(step) if json.as_object().is_some_and(|map| !map.is_empty()) => {
            let map = json.as_object_mut().unwrap();
            let at = step % map.len();
            somewhere(map.values_mut().nth(at).unwrap(), path)
        }
        _ => json,
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        "(0x)?([0-9a-f][0-9a-f]){0,100}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[], {}, null])),
    ]
}

/// Reads, and does everything that can be done with what was read.
fn exercise(bytes: &[u8]) {
    if let Ok(definition) = Definition::from_json(bytes) {
        let _ = (definition.verify_all(&networks()), definition.to_json());
    }
    if let Ok(lock) = Lock::from_json(bytes) {
        let _ = (lock.verify_all(&networks()), lock.to_json());
        let _ = lock.clone().verify(&networks());
        let _ = lock.accept_unverified(&networks());
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes: Vec<u8>, text in "\\PC*") {
        exercise(&bytes);
        exercise(text.as_bytes());
        exercise(json!({ "version": text, "cluster_definition": { "version": text } }).to_string().as_bytes());
    }

    #[test]
    fn no_change_of_bytes_makes_a_reader_panic(
        file in 0..12_usize,
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<usize>()),
    ) {
        let (_, mut bytes) = own_locks().swap_remove(file);
        for (at, to) in changes {
            let at = at % bytes.len();
            bytes[at] = to;
        }
        let end = cut.map_or(bytes.len(), |cut| cut % bytes.len());
        exercise(&bytes[..end]);
    }

    #[test]
    fn no_change_of_a_value_makes_a_reader_panic_or_goes_unnoticed(
        file in 0..12_usize,
        path: [usize; 6],
        depth in 1..7_usize,
        value in any_value(),
    ) {
        let (name, bytes) = own_locks().swap_remove(file);
        let original = Lock::from_json(&bytes).unwrap();
        let mut json: Value = serde_json::from_slice(&bytes).unwrap();
        *somewhere(&mut json, &mut path.into_iter().take(depth)) = value;
        let changed = json.to_string();
        exercise(changed.as_bytes());
        if let Ok(lock) = Lock::from_json(changed.as_bytes())
            && let Ok(verified) = lock.clone().verify(&networks())
        {
            // What still verifies says the same; the case of an address and zeros in front of a number are the same.
            let same = lock.compute_lock_hash() == original.compute_lock_hash();
            prop_assert!(same, "{name}: {changed}");
            prop_assert_eq!(verified.lock_hash().as_bytes()[..].to_vec(), original.lock_hash);
        }
    }
}
