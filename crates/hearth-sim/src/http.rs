//! The chain as a beacon node on loopback: the few routes that a validator's node asks, answered as a real one does.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Json, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::stream::{self, Stream};
use hearth_types::{Epoch, ForkName, SingleAttestation, Slot, UnixMillis, ValidatorIndex, ValidatorPubkey};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::chain::Chain;

/// Largest request: attestations of a few thousand validators.
const LARGEST_BODY: usize = 8 << 20;

/// A chain that several can look at.
#[derive(Clone, Debug)]
pub struct SharedChain(Arc<Mutex<Chain>>);

impl SharedChain {
    /// Shares `chain`.
    pub fn new(chain: Chain) -> Self {
        Self(Arc::new(Mutex::new(chain)))
    }

    /// Looks at the chain, or changes it. Never held across a wait.
    pub fn lock(&self) -> MutexGuard<'_, Chain> {
        // A panic while the lock was held cannot leave the chain half-changed in a way that matters to its readers.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A beacon node that serves a simulated chain until dropped or stopped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: CancellationToken,
}

impl Server {
    /// Serves `chain` on a free port of the loopback interface and lets it advance with the wall clock.
    pub async fn start(chain: SharedChain) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let serving =
            axum::serve(listener, router(chain.clone())).with_graceful_shutdown(stop.clone().cancelled_owned());
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the simulated beacon node stopped serving");
            }
        });
        tokio::spawn(advance(chain, stop.clone()));
        Ok(Self { address, stop })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Now, for a chain that lives in real time.
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

async fn advance(chain: SharedChain, stop: CancellationToken) {
    loop {
        let next = {
            let mut chain = chain.lock();
            let now = now();
            if let Some(slot) = chain.spec().slot_at(now) {
                chain.advance(slot);
            }
            let next = chain.spec().slot_at(now).map_or(Slot::new(0), Slot::next);
            chain.spec().slot_start(next).millis_since(now)
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_millis(next)) => {}
        }
    }
}

fn router(chain: SharedChain) -> Router {
    Router::new()
        .route("/eth/v1/beacon/genesis", get(genesis))
        .route("/eth/v1/config/spec", get(spec))
        .route("/eth/v1/config/fork_schedule", get(fork_schedule))
        .route("/eth/v1/node/version", get(version))
        .route("/eth/v1/node/health", get(|| async { StatusCode::OK }))
        .route("/eth/v1/node/syncing", get(syncing))
        .route("/eth/v1/beacon/states/head/validators", get(validators_by_query).post(validators_by_body))
        .route("/eth/v1/validator/duties/attester/{epoch}", post(attester_duties))
        .route("/eth/v1/validator/attestation_data", get(attestation_data))
        .route("/eth/v2/beacon/pool/attestations", post(submit))
        .route("/eth/v2/beacon/blocks/{slot}", get(block))
        .route("/eth/v1/beacon/states/{slot}/committees", get(committees))
        .route("/eth/v1/events", get(events))
        .fallback(|| async { refuse(StatusCode::NOT_FOUND, "the simulated beacon node has no such route") })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(chain)
}

/// News of each new head, from now on. Other topics are never news here.
async fn events(State(chain): State<SharedChain>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let first = chain.lock().head();
    Sse::new(stream::unfold(first, move |told| {
        let chain = chain.clone();
        async move {
            loop {
                let (head, wait) = {
                    let chain = chain.lock();
                    let next = chain.spec().slot_start(chain.head().next());
                    (chain.head(), next.millis_since(now()))
                };
                if head > told {
                    let event = Event::default().event("head").data(json!({ "slot": head }).to_string());
                    return Some((Ok(event), head));
                }
                // The chain advances at the same moment: a little later it has.
                tokio::time::sleep(Duration::from_millis(wait.max(5))).await;
            }
        }
    }))
}

fn refuse(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "code": status.as_u16(), "message": message }))).into_response()
}

fn data(value: Value) -> Response {
    Json(json!({ "data": value, "execution_optimistic": false, "finalized": false })).into_response()
}

async fn genesis(State(chain): State<SharedChain>) -> Response {
    let chain = chain.lock();
    let spec = chain.spec();
    let version = spec.forks.forks().first().map(|fork| fork.version.to_string());
    data(json!({
        "genesis_time": (spec.genesis_time.get() / 1_000).to_string(),
        "genesis_validators_root": spec.genesis_validators_root,
        "genesis_fork_version": version,
    }))
}

async fn spec(State(chain): State<SharedChain>) -> Response {
    let chain = chain.lock();
    let spec = chain.spec();
    let mut entries = serde_json::Map::from_iter([
        ("CONFIG_NAME".to_owned(), json!("hearth-simulation")),
        ("PRESET_BASE".to_owned(), json!("mainnet")),
        ("SLOTS_PER_EPOCH".to_owned(), json!(spec.slots_per_epoch().to_string())),
        ("SLOT_DURATION_MS".to_owned(), json!(spec.slot_ms().to_string())),
        ("SECONDS_PER_SLOT".to_owned(), json!(spec.slot_ms().div_ceil(1_000).to_string())),
    ]);
    for fork in spec.forks.forks() {
        // The first fork has another name here, and no epoch: it is there from genesis.
        if fork.name == ForkName::Phase0 {
            entries.insert("GENESIS_FORK_VERSION".to_owned(), json!(fork.version));
            continue;
        }
        let name = fork.name.as_str().to_uppercase();
        entries.insert(format!("{name}_FORK_VERSION"), json!(fork.version));
        entries.insert(format!("{name}_FORK_EPOCH"), json!(fork.epoch));
    }
    data(Value::Object(entries))
}

async fn fork_schedule(State(chain): State<SharedChain>) -> Response {
    let chain = chain.lock();
    let mut previous = None;
    let forks: Vec<Value> = chain
        .spec()
        .forks
        .forks()
        .iter()
        .map(|fork| {
            let before = previous.replace(fork.version).unwrap_or(fork.version);
            json!({ "previous_version": before, "current_version": fork.version, "epoch": fork.epoch })
        })
        .collect();
    data(json!(forks))
}

async fn version() -> Response {
    data(json!({ "version": concat!("HearthSim/v", env!("CARGO_PKG_VERSION")) }))
}

async fn syncing(State(chain): State<SharedChain>) -> Response {
    let head = chain.lock().head();
    data(json!({
        "head_slot": head, "sync_distance": "0", "is_syncing": false, "is_optimistic": false, "el_offline": false,
    }))
}

#[derive(Deserialize)]
struct ValidatorIds {
    #[serde(default)]
    ids: Vec<String>,
}

#[derive(Deserialize)]
struct ValidatorIdsInQuery {
    id: Option<String>,
}

async fn validators_by_body(State(chain): State<SharedChain>, Json(asked): Json<ValidatorIds>) -> Response {
    validators(&chain.lock(), &asked.ids)
}

async fn validators_by_query(
    State(chain): State<SharedChain>,
    Query(asked): Query<ValidatorIdsInQuery>,
) -> Response {
    let ids: Vec<String> = asked.id.iter().flat_map(|ids| ids.split(',')).map(str::to_owned).collect();
    validators(&chain.lock(), &ids)
}

fn validators(chain: &Chain, ids: &[String]) -> Response {
    let named = |id: &String| match id.parse::<ValidatorPubkey>() {
        Ok(pubkey) => chain.index_of(&pubkey),
        Err(_) => id.parse().ok(),
    };
    let indexes: Vec<ValidatorIndex> =
        if ids.is_empty() { chain.validators().collect() } else { ids.iter().filter_map(named).collect() };
    let records: Vec<Value> = indexes
        .into_iter()
        .filter_map(|index| {
            let pubkey = chain.pubkey_of(index)?;
            Some(json!({
                "index": index,
                "balance": "32000000000",
                "status": "active_ongoing",
                "validator": {
                    "pubkey": pubkey,
                    "withdrawal_credentials": format!("0x01{}", "00".repeat(31)),
                    "effective_balance": "32000000000",
                    "slashed": false,
                    "activation_eligibility_epoch": "0",
                    "activation_epoch": "0",
                    "exit_epoch": Epoch::FAR_FUTURE,
                    "withdrawable_epoch": Epoch::FAR_FUTURE,
                },
            }))
        })
        .collect();
    data(json!(records))
}

async fn attester_duties(
    State(chain): State<SharedChain>,
    Path(epoch): Path<Epoch>,
    Json(asked): Json<Vec<ValidatorIndex>>,
) -> Response {
    let chain = chain.lock();
    let current = chain.spec().slot_at(now()).map_or(Epoch::new(0), |slot| chain.spec().epoch_of(slot));
    if epoch > current.next() {
        return refuse(StatusCode::BAD_REQUEST, "epoch is more than one ahead");
    }
    let duties: Vec<_> = asked.into_iter().filter_map(|validator| chain.duty(validator, epoch)).collect();
    let dependent_root = chain.root_at(chain.spec().first_slot(epoch.saturating_sub(1)));
    Json(json!({ "data": duties, "dependent_root": dependent_root, "execution_optimistic": false }))
        .into_response()
}

#[derive(Deserialize)]
struct AttestationQuery {
    slot: Slot,
}

async fn attestation_data(State(chain): State<SharedChain>, Query(asked): Query<AttestationQuery>) -> Response {
    match chain.lock().attestation_data(asked.slot) {
        Some(attestation) => data(json!(attestation)),
        None => refuse(StatusCode::BAD_REQUEST, "slot is in the future"),
    }
}

/// What the block of a slot says about attestations, and nothing else.
async fn block(State(chain): State<SharedChain>, Path(slot): Path<Slot>) -> Response {
    let chain = chain.lock();
    if slot > chain.head() {
        return refuse(StatusCode::NOT_FOUND, "there is no such block yet");
    }
    let mut voters: BTreeMap<Slot, BTreeSet<ValidatorIndex>> = BTreeMap::new();
    for (voted, validator) in chain.included_in(slot) {
        voters.entry(voted).or_default().insert(validator);
    }
    let aggregate = |(voted, voters): (Slot, BTreeSet<ValidatorIndex>)| {
        let members = chain.committee(voted).into_iter();
        // The bit after the last member's tells where the list ends.
        let set: Vec<bool> = members.map(|member| voters.contains(&member)).chain([true]).collect();
        let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
        let bits: Vec<u8> = set.chunks(8).map(byte).collect();
        json!({
            "aggregation_bits": format!("0x{}", hex::encode(bits)),
            "committee_bits": "0x0100000000000000",
            "data": chain.attestation_data(voted),
        })
    };
    let attestations: Vec<Value> = voters.into_iter().map(aggregate).collect();
    data(json!({ "message": {
        "slot": slot,
        "parent_root": chain.root_at(slot.saturating_sub(1)),
        "body": { "attestations": attestations },
    }}))
}

async fn committees(State(chain): State<SharedChain>, Path(slot): Path<Slot>) -> Response {
    let validators = chain.lock().committee(slot);
    data(json!([{ "index": "0", "slot": slot, "validators": validators }]))
}

async fn submit(
    State(chain): State<SharedChain>,
    headers: HeaderMap,
    Json(attestations): Json<Vec<SingleAttestation>>,
) -> Response {
    if !headers.contains_key("eth-consensus-version") {
        return refuse(StatusCode::BAD_REQUEST, "header Eth-Consensus-Version is missing");
    }
    let mut chain = chain.lock();
    let failures: Vec<Value> = attestations
        .into_iter()
        .enumerate()
        .filter_map(|(index, attestation)| {
            let rejection = chain.submit(attestation).err()?;
            Some(json!({ "index": index, "message": rejection.to_string() }))
        })
        .collect();
    if failures.is_empty() {
        return StatusCode::OK.into_response();
    }
    let status = StatusCode::BAD_REQUEST;
    let body =
        json!({ "code": status.as_u16(), "message": "some attestations were refused", "failures": failures });
    (status, Json(body)).into_response()
}
