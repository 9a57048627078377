use hearth_crypto::{SecretKey, k1::NodeKey};
use hearth_obol::cluster::*;
use rand_chacha::rand_core::SeedableRng as _;
use std::time::Instant;
#[test]
fn bench() {
    for (nodes, validators) in [(4, 100), (4, 1000), (10, 1000)] {
        let mut rng = rand_chacha::ChaCha20Rng::from_seed([1; 32]);
        let keys: Vec<NodeKey> = (0..nodes).map(|_| NodeKey::generate(&mut rng)).collect();
        let secrets: Vec<SecretKey> = (0..validators).map(|_| SecretKey::generate(&mut rng)).collect();
        let plan = Plan { name: "x".into(), network: Networks::known().by_name("hoodi").unwrap().clone(), threshold: None,
            withdrawal_addresses: vec!["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed".into()], fee_recipients: vec!["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed".into()],
            deposit_amounts: vec![], compounding: false, gas_limit: 60_000_000, consensus_protocol: "qbft".into(), timestamp: "2026-01-02T03:04:05Z".into(), uuid: new_uuid(&mut rng), registered_at_s: None };
        let t = Instant::now();
        let dealt = deal(&plan, &keys, secrets, &mut rng).unwrap();
        println!("{nodes} nodes {validators} validators: deal {:?}, {} bytes", t.elapsed(), dealt.lock_json.len());
        let t = Instant::now();
        let lock = Lock::from_json(dealt.lock_json.as_bytes()).unwrap();
        println!("  parse {:?}", t.elapsed());
        let t = Instant::now();
        lock.compute_lock_hash().unwrap();
        println!("  lock hash {:?}", t.elapsed());
        let t = Instant::now();
        lock.to_json().unwrap();
        println!("  write {:?}", t.elapsed());
        let t = Instant::now();
        lock.verify(&Networks::known()).unwrap();
        println!("  verify {:?}", t.elapsed());
    }
    for (what, text) in [("nest", "[".repeat(64<<20)), ("nest2", "{\"operators\":[".repeat(4<<20)), ("unknown", format!("{{\"x\":{}", "[".repeat(60<<20))), ("empties", format!("{{\"distributed_validators\":[{}", "{\"public_shares\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]},".repeat(65536))), ("string", format!("{{\"cluster_definition\":{{\"version\":\"{}\"}}}}", "A".repeat(60<<20)))] {
        let t = Instant::now();
        let e = Lock::from_json(text.as_bytes()).unwrap_err();
        println!("{what} {} bytes: {:?} {}", text.len(), t.elapsed(), e);
    }
}
