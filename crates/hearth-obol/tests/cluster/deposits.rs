//! Deposits and registrations: roots, signatures, amounts and files.

use hearth_crypto::{PublicKey, SecretKey, Signature};
use hearth_obol::cluster::{
    Deposit, DepositFileError, Lock, Network, Networks, Registration, amounts_to_sign, check_amounts,
    deposit_files, file_name, read_deposit_file, withdrawal_credentials,
};
use hearth_types::{ForkVersion, Gwei};
use serde_json::Value;

use crate::support::{latest_lock, rows, vectors_in};
use crate::vectors::{bytes, vector, vector_json};

const ETH: u64 = 1_000_000_000;

fn network(fork_version: &Value) -> Network {
    let fork_version = ForkVersion::new(bytes(fork_version).try_into().unwrap());
    Networks::known().by_fork_version(fork_version).unwrap().clone()
}

fn secret(field: &Value) -> SecretKey {
    SecretKey::from_bytes(&bytes(field).try_into().unwrap()).unwrap()
}

#[test]
fn deposits_have_the_roots_and_signatures_of_the_specification() {
    for row in rows("deposit/signing.json") {
        let network = network(&row["fork_version"]);
        let address = row["withdrawal_address"].as_str().unwrap().parse().unwrap();
        let credentials = withdrawal_credentials(&address, row["compounding"].as_bool().unwrap());
        assert_eq!(credentials[..], bytes(&row["withdrawal_credentials"]));
        let mut deposit = Deposit {
            public_key: bytes(&row["pubkey"]),
            withdrawal_credentials: credentials.to_vec(),
            amount: Gwei::new(row["amount_gwei"].as_u64().unwrap()),
            signature: Vec::new(),
        };
        assert_eq!(deposit.message_root().unwrap().as_bytes()[..], bytes(&row["deposit_message_root"]));
        let root = deposit.signing_root(network.fork_version).unwrap();
        assert_eq!(root.as_bytes()[..], bytes(&row["signing_root"]));
        deposit.signature = secret(&row["secret"]).sign(&root).to_bytes().as_bytes().to_vec();
        assert_eq!(deposit.signature, bytes(&row["signature"]));
        assert_eq!(deposit.data_root().unwrap().as_bytes()[..], bytes(&row["deposit_data_root"]));
        assert!(deposit.is_signed(network.fork_version));
        assert!(!deposit.is_signed(ForkVersion::new([0xee; 4])));
    }
}

#[test]
fn registrations_have_the_roots_and_signatures_of_the_specification() {
    for row in rows("registration/vectors.json") {
        let network = network(&row["fork_version"]);
        let message = &row["message"];
        let number = |field: &str| message[field].as_str().unwrap().parse().unwrap();
        let registration = Registration {
            fee_recipient: bytes(&message["fee_recipient"]),
            gas_limit: number("gas_limit"),
            timestamp: number("timestamp"),
            public_key: bytes(&message["pubkey"]),
            signature: bytes(&row["signature"]),
        };
        let root = registration.signing_root(network.fork_version).unwrap();
        if let Some(expected) = row.get("message_root") {
            assert_eq!(registration.message_root().unwrap().as_bytes()[..], bytes(expected));
            assert_eq!(root.as_bytes()[..], bytes(&row["signing_root"]));
        }
        let signature = secret(&row["signer_secret"]).sign(&root);
        assert_eq!(signature.to_bytes().as_bytes()[..], registration.signature);
    }
}

#[test]
fn amounts_follow_the_rules() {
    let gwei = |amounts: &[u64]| amounts.iter().copied().map(Gwei::new).collect::<Vec<_>>();
    for (amounts, compounding, allowed) in [
        (&[][..], false, true),
        (&[16 * ETH, 16 * ETH], false, true),
        (&[ETH - 1, 32 * ETH], false, false),
        (&[32 * ETH + 1], false, false),
        (&[32 * ETH + 1], true, true),
        (&[2_048 * ETH], true, true),
        (&[2_048 * ETH + 1], true, false),
        (&[31 * ETH], false, false),
        (&[u64::MAX, u64::MAX], true, false),
    ] {
        assert_eq!(check_amounts(&gwei(amounts), compounding).is_ok(), allowed, "{amounts:?} {compounding}");
    }
    assert_eq!(amounts_to_sign(&gwei(&[32, 1, 32, 8, 1]), false), gwei(&[1, 8, 32]));
    let Some(rules) = vector_json("deposit/amount-rules.json") else { return };
    let list = |field: &Value| -> Vec<Gwei> {
        field.as_array().unwrap().iter().map(|amount| Gwei::new(amount.as_u64().unwrap())).collect()
    };
    for row in rules["verify"].as_array().unwrap() {
        let checked = check_amounts(&list(&row["amounts"]), row["compounding"].as_bool().unwrap());
        assert_eq!(checked.is_ok(), row["ok"].as_bool().unwrap(), "{row}");
    }
    for row in rules["file_names"].as_array().unwrap() {
        assert_eq!(file_name(Gwei::new(row["amount_gwei"].as_u64().unwrap())), row["file"].as_str().unwrap());
    }
    assert_eq!(amounts_to_sign(&[], false), list(&rules["defaults"]["standard"]));
    assert_eq!(amounts_to_sign(&[], true), list(&rules["defaults"]["compounding"]));
    for row in rules["dedup"].as_array().unwrap() {
        assert_eq!(amounts_to_sign(&list(&row["in"]), false), list(&row["out"]));
    }
}

fn deposits_of(lock: &Lock) -> Vec<Deposit> {
    lock.validators.iter().flat_map(|validator| validator.deposits.clone()).collect()
}

#[test]
fn the_files_of_a_lock_are_those_of_other_tools_to_the_last_byte() {
    for (lock, folder) in [
        ("lock-signed/self_v1_10_mainnet_4of3_signed.json", "deposit/v1_10_mainnet_4of3_signed"),
        ("lock-signed/self_v1_11_hoodi_4of3_signed.json", "deposit/v1_11_hoodi_4of3_signed"),
        ("lock-signed/self_v1_11_sepolia_3of2_solo.json", "node-folders/solo/node0"),
    ] {
        let Some(json) = vector(lock) else { return };
        let lock = Lock::from_json(&json).unwrap();
        let network = network(&serde_json::json!(hex::encode(&lock.definition.fork_version)));
        let mut files = deposit_files(&deposits_of(&lock), &network).unwrap();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let expected = vectors_in(folder, "deposit-data");
        assert_eq!(files.len(), expected.len(), "{folder}");
        for (file, (name, json)) in files.iter().zip(expected) {
            assert_eq!((&file.name, &file.json), (&name, &String::from_utf8(json).unwrap()));
            assert!(read_deposit_file(file.json.as_bytes(), &network).is_ok());
        }
    }
}

#[test]
fn a_file_of_another_tool_is_read_and_written_back_to_the_last_byte() {
    let Some(json) = vector("deposit/deposit-data-goerli-32eth-0x02.json") else { return };
    let network = Networks::known().by_name("prater").unwrap().clone();
    let deposits = read_deposit_file(&json, &network).unwrap();
    let files = deposit_files(&deposits, &network).unwrap();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].json, String::from_utf8(json).unwrap());
}

#[test]
fn deposits_that_would_be_lost_are_neither_written_nor_read() {
    let lock = Lock::from_json(latest_lock().to_string().as_bytes()).unwrap();
    let network = Networks::known().by_name("sepolia").unwrap().clone();
    let deposits = deposits_of(&lock);
    let mut forged = deposits.clone();
    forged[1].amount = forged[1].amount.saturating_add(1);
    assert!(matches!(deposit_files(&forged, &network), Err(DepositFileError::Signature(_))));
    let mainnet = Networks::known().by_name("mainnet").unwrap().clone();
    assert!(matches!(deposit_files(&deposits, &mainnet), Err(DepositFileError::Signature(_))));

    let file = deposit_files(&deposits, &network).unwrap().remove(0);
    let read = |change: &dyn Fn(&mut Value)| {
        let mut json = serde_json::from_str(&file.json).unwrap();
        change(&mut json);
        read_deposit_file(json.to_string().as_bytes(), &network)
    };
    assert_eq!(read(&|_| ()).unwrap().len(), 2);
    assert!(matches!(
        read_deposit_file(file.json.as_bytes(), &mainnet),
        Err(DepositFileError::OtherNetwork { .. })
    ));
    assert!(matches!(read(&|json| json[0]["amount"] = 7.into()), Err(DepositFileError::Roots(_))));
    assert!(matches!(read(&|json| json[0]["deposit_data_root"] = "".into()), Err(DepositFileError::Roots(_))));
    assert!(matches!(read(&|json| json[0]["amount"] = "7".into()), Err(DepositFileError::Parse(_))));
    assert!(matches!(read(&|json| json[0]["pubkey"] = "xx".into()), Err(DepositFileError::Parse(_))));
    let two = read(&|json| {
        let other: Value = serde_json::from_str(&deposit_files(&deposits, &network).unwrap()[1].json).unwrap();
        json[1] = other[0].clone();
    });
    assert_eq!(two, Err(DepositFileError::Amounts));
    // A signature by another key, with roots that fit it.
    let signature = Signature::from_bytes(&deposits[0].signature.clone().try_into().unwrap()).unwrap();
    let other = PublicKey::from_bytes(&deposits[3].public_key.clone().try_into().unwrap()).unwrap();
    assert!(!signature.verify(&other, &deposits[0].signing_root(network.fork_version).unwrap()));
    let stolen = Deposit { public_key: other.to_bytes().to_vec(), ..deposits[0].clone() };
    let stolen_root = hex::encode(stolen.data_root().unwrap().as_bytes());
    let message_root = hex::encode(stolen.message_root().unwrap().as_bytes());
    let outcome = read(&|json| {
        let at =
            json.as_array().unwrap().iter().position(|entry| bytes(&entry["pubkey"]) == deposits[0].public_key);
        let entry = &mut json[at.unwrap()];
        entry["pubkey"] = hex::encode(&stolen.public_key).into();
        entry["deposit_data_root"] = stolen_root.clone().into();
        entry["deposit_message_root"] = message_root.clone().into();
    });
    assert!(matches!(outcome, Err(DepositFileError::Signature(_))), "{outcome:?}");
}
