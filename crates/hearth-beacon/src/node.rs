//! One beacon node: its routes, each with its bound, each decoded.

use hearth_duties::ValidatorRecord;
use hearth_types::{
    AttestationData, AttesterDuty, ChainSpec, Epoch, ForkName, Root, SingleAttestation, Slot, ValidatorIndex,
    ValidatorPubkey,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::batch::{self, Rejection};
use crate::check;
use crate::error::{BeaconError, Problem, WrongAnswer, short};
use crate::heads;
use crate::http::{Http, Patience, Route};
use crate::network;
use crate::url::{NodeUrl, RedactedUrl};
use crate::wire::{self, Block, BlockHeader, Committee, Config, Genesis, ScheduleEntry, Syncing};

/// One beacon node. What its methods return was decoded and held against what was asked; whether the node is on
/// our chain is for [`BeaconNodes`](crate::BeaconNodes) to know.
///
/// Every method sends one request (or as many as its doc says) bounded by [`Patience`]; dropping its future
/// abandons it. Errors name this node, the route and what happened.
#[derive(Debug)]
pub struct BeaconNode {
    http: Http,
    patience: Patience,
}

/// The operating system gave no certificates to check an `https` node against.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("{node}: no encrypted connection is possible: {reason}")]
pub struct NoTrustRoots {
    /// The node.
    pub node: RedactedUrl,
    /// The TLS library's words.
    pub reason: String,
}

/// Which block is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BlockId {
    /// The node's head.
    Head,
    /// The last finalised block.
    Finalized,
    /// The block of a slot, if there is one.
    Slot(Slot),
    /// The block with this root.
    Root(Root),
}

impl std::fmt::Display for BlockId {
    /// As the beacon API writes it in a path.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Head => f.write_str("head"),
            Self::Finalized => f.write_str("finalized"),
            Self::Slot(slot) => slot.fmt(f),
            Self::Root(root) => root.fmt(f),
        }
    }
}

/// What `node/health` says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Health {
    /// Ready.
    Ready,
    /// Usable, with old data.
    Syncing,
    /// Not started, or broken.
    NotReady,
}

/// What a node says about its chain and about itself.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) spec: ChainSpec,
    pub(crate) version: Option<String>,
}

const KIB: usize = 1 << 10;
const GENESIS: Route = Route { name: "/eth/v1/beacon/genesis", limit_bytes: 16 * KIB };
// Mainnet's is 10 KiB; the blob schedule grows with time.
const CONFIG: Route = Route { name: "/eth/v1/config/spec", limit_bytes: 256 * KIB };
const SCHEDULE: Route = Route { name: "/eth/v1/config/fork_schedule", limit_bytes: 64 * KIB };
const VERSION: Route = Route { name: "/eth/v1/node/version", limit_bytes: 16 * KIB };
const SYNCING: Route = Route { name: "/eth/v1/node/syncing", limit_bytes: 16 * KIB };
const HEALTH: Route = Route { name: "/eth/v1/node/health", limit_bytes: 16 * KIB };
const ATTESTATION_DATA: Route = Route { name: "/eth/v1/validator/attestation_data", limit_bytes: 16 * KIB };
const HEADER: Route = Route { name: "/eth/v1/beacon/headers/{block_id}", limit_bytes: 16 * KIB };
// Of one line.
const EVENTS: Route = Route { name: "/eth/v1/events", limit_bytes: 16 * KIB };
const POOL: Route = Route { name: "/eth/v2/beacon/pool/attestations", limit_bytes: 64 * KIB };
// A block of 10 MiB of transactions doubles in hex.
const BLOCK: Route = Route { name: "/eth/v2/beacon/blocks/{block_id}", limit_bytes: 32 * KIB * KIB };
// Two million validators are 62,500 to a slot, a dozen bytes each.
const COMMITTEES: Route = Route { name: "/eth/v1/beacon/states/{slot}/committees", limit_bytes: 4 * KIB * KIB };

const VALIDATORS: &str = "/eth/v1/beacon/states/head/validators";
const DUTIES: &str = "/eth/v1/validator/duties/attester/{epoch}";

/// A route whose answer grows with the number of validators asked about: some 500 bytes each, doubled for white
/// space.
const fn per_validator(name: &'static str, asked: usize) -> Route {
    Route { name, limit_bytes: 16 * KIB + asked.saturating_mul(2 * KIB) }
}

/// Validators asked about in one request: 100 kB of keys in a body, 5 kB in an address (servers refuse lines of
/// 8 kB).
const KEYS_PER_POST: usize = 1_000;
const KEYS_PER_GET: usize = 50;

impl BeaconNode {
    /// A node at `url`. Nothing is sent.
    ///
    /// Errors: an `https` address on a system without certificates.
    pub fn new(url: NodeUrl, patience: Patience) -> Result<Self, NoTrustRoots> {
        Ok(Self { http: Http::new(url)?, patience })
    }

    /// Its address without credentials.
    pub fn name(&self) -> &RedactedUrl {
        self.http.name()
    }

    /// `GET beacon/genesis`.
    pub async fn genesis(&self) -> Result<Genesis, BeaconError> {
        self.get(GENESIS, GENESIS.name, None, wire::data).await
    }

    /// `GET config/spec`.
    pub async fn config(&self) -> Result<Config, BeaconError> {
        self.get(CONFIG, CONFIG.name, None, wire::data).await
    }

    /// `GET config/fork_schedule`; `None` from a node that does not have the route.
    pub async fn fork_schedule(&self) -> Result<Option<Vec<ScheduleEntry>>, BeaconError> {
        found(self.get(SCHEDULE, SCHEDULE.name, None, wire::data).await)
    }

    /// `GET node/version`, on one line of at most 200 characters.
    pub async fn version(&self) -> Result<String, BeaconError> {
        let version: wire::Version = self.get(VERSION, VERSION.name, None, wire::data).await?;
        Ok(short(&version.version))
    }

    /// `GET node/syncing`.
    pub async fn syncing(&self) -> Result<Syncing, BeaconError> {
        self.get(SYNCING, SYNCING.name, None, wire::data).await
    }

    /// `GET node/health`.
    pub async fn health(&self) -> Result<Health, BeaconError> {
        Ok(match self.http.status(HEALTH, HEALTH.name, self.patience.query).await? {
            200 => Health::Ready,
            206 => Health::Syncing,
            _ => Health::NotReady,
        })
    }

    /// `POST states/head/validators`, in batches; by `GET` from a node that does not have the former.
    ///
    /// Errors: also [`Problem::Optimistic`] when the node has not verified its head.
    pub async fn validators(&self, pubkeys: &[ValidatorPubkey]) -> Result<Vec<ValidatorRecord>, BeaconError> {
        let mut records = Vec::new();
        for batch in pubkeys.chunks(KEYS_PER_POST) {
            match self.validators_by_post(batch).await {
                Err(BeaconError { problem: Problem::Status { status: 404 | 405, .. }, .. }) => {
                    for batch in batch.chunks(KEYS_PER_GET) {
                        records.extend(self.validators_by_get(batch).await?);
                    }
                }
                answer => records.extend(answer?),
            }
        }
        check::validators(pubkeys, records).map_err(|wrong| self.wrong(VALIDATORS, wrong))
    }

    async fn validators_by_post(&self, batch: &[ValidatorPubkey]) -> Result<Vec<ValidatorRecord>, BeaconError> {
        #[derive(Serialize)]
        struct Ids<'a> {
            ids: &'a [ValidatorPubkey],
        }
        let route = per_validator(VALIDATORS, batch.len());
        let entries: Vec<wire::ValidatorEntry> =
            self.post(route, VALIDATORS, &Ids { ids: batch }, wire::verified_data).await?;
        Ok(entries.into_iter().map(ValidatorRecord::from).collect())
    }

    async fn validators_by_get(&self, batch: &[ValidatorPubkey]) -> Result<Vec<ValidatorRecord>, BeaconError> {
        let route = per_validator(VALIDATORS, batch.len());
        let ids: Vec<_> = batch.iter().map(ToString::to_string).collect();
        let query = format!("id={}", ids.join(","));
        let entries: Vec<wire::ValidatorEntry> =
            self.get(route, VALIDATORS, Some(&query), wire::verified_data).await?;
        Ok(entries.into_iter().map(ValidatorRecord::from).collect())
    }

    /// `POST validator/duties/attester/{epoch}`. The node knows epochs up to one ahead of now.
    ///
    /// Errors: also [`Problem::Optimistic`] when the node has not verified the block that decides the duties.
    pub async fn attester_duties(
        &self,
        spec: &ChainSpec,
        epoch: Epoch,
        validators: &[ValidatorIndex],
    ) -> Result<Vec<AttesterDuty>, BeaconError> {
        let route = per_validator(DUTIES, validators.len());
        let path = format!("/eth/v1/validator/duties/attester/{epoch}");
        let duties = self.post(route, &path, &validators, wire::verified_data).await?;
        check::attester_duties(spec, epoch, validators, duties).map_err(|wrong| self.wrong(DUTIES, wrong))
    }

    /// `GET validator/attestation_data` for committee 0, which from Electra on stands for all. The answer does
    /// not say whether the node follows the head, so `GET node/syncing` goes out with it.
    ///
    /// Errors: also [`Problem::Syncing`] and [`Problem::Optimistic`].
    pub async fn attestation_data(&self, spec: &ChainSpec, slot: Slot) -> Result<AttestationData, BeaconError> {
        let query = format!("slot={slot}&committee_index=0");
        let data = self.get(ATTESTATION_DATA, ATTESTATION_DATA.name, Some(&query), wire::data);
        let (data, _) = tokio::try_join!(data, self.following())?;
        check::attestation_data(spec, slot, data).map_err(|wrong| self.wrong(ATTESTATION_DATA.name, wrong))
    }

    /// `POST beacon/pool/attestations` under the rules of `fork`. Returns the entries that were not taken; one
    /// that the node already had counts as taken.
    ///
    /// Errors: none of the batch can be said to be taken.
    pub async fn submit_attestations(
        &self,
        fork: ForkName,
        attestations: &[SingleAttestation],
    ) -> Result<Vec<Rejection>, BeaconError> {
        match self.http.post(POOL, POOL.name, json(&attestations), Some(fork), self.patience.submit).await {
            Ok(_) => Ok(Vec::new()),
            Err(error) => batch::rejections(error.problem, attestations.len())
                .map_err(|problem| self.http.error(POOL, problem)),
        }
    }

    /// `GET beacon/headers/{id}`; `None` where there is no such block.
    pub async fn header(&self, id: BlockId) -> Result<Option<BlockHeader>, BeaconError> {
        let path = format!("/eth/v1/beacon/headers/{id}");
        let header = found(self.get::<wire::HeaderData>(HEADER, &path, None, wire::verified_data).await)?;
        let header = header.map(BlockHeader::from);
        let checked = header.map(|header| check::header(id, header)).transpose();
        checked.map_err(|wrong| self.wrong(HEADER.name, wrong))
    }

    /// `GET beacon/blocks/{id}`; `None` where there is no such block.
    pub async fn block(&self, id: BlockId) -> Result<Option<Block>, BeaconError> {
        let path = format!("/eth/v2/beacon/blocks/{id}");
        let block = found(self.get::<wire::BlockData>(BLOCK, &path, None, wire::verified_data).await)?;
        let block = block.map(Block::from);
        let checked = block.map(|block| check::block(id, block)).transpose();
        checked.map_err(|wrong| self.wrong(BLOCK.name, wrong))
    }

    /// `GET beacon/states/{slot}/committees`, those of that slot.
    pub async fn committees(&self, slot: Slot) -> Result<Vec<Committee>, BeaconError> {
        let path = format!("/eth/v1/beacon/states/{slot}/committees");
        let query = format!("slot={slot}");
        let committees = self.get(COMMITTEES, &path, Some(&query), wire::verified_data).await?;
        check::committees(slot, committees).map_err(|wrong| self.wrong(COMMITTEES.name, wrong))
    }

    /// `GET events?topics=head`: calls `heard` with the slot of each new head, until the node ends the stream or is quiet for
    /// minutes.
    pub(crate) async fn heads(&self, mut heard: impl FnMut(Slot)) -> Result<(), BeaconError> {
        let told = |line: &str| heads::slot_of(line).into_iter().for_each(&mut heard);
        self.http.lines(EVENTS, EVENTS.name, "topics=head", told).await
    }

    /// The chain that the node is on. Four requests at once.
    pub(crate) async fn identity(&self) -> Result<Identity, BeaconError> {
        // A node that hides its version is as good as another.
        let version = async { Ok(self.version().await.ok()) };
        let (genesis, config, schedule, version) =
            tokio::try_join!(self.genesis(), self.config(), self.fork_schedule(), version)?;
        let spec = network::chain_spec(&genesis, &config, schedule.as_deref())
            .map_err(|problem| self.http.error(CONFIG, problem))?;
        Ok(Identity { spec, version })
    }

    /// `GET node/syncing`, as an error where the node does not follow the head.
    pub(crate) async fn following(&self) -> Result<Syncing, BeaconError> {
        let syncing = self.syncing().await?;
        let problem = match syncing {
            Syncing { is_syncing: true, sync_distance, .. } => Problem::Syncing { behind_slots: sync_distance },
            Syncing { is_optimistic: true, .. } => Problem::Optimistic,
            _ => return Ok(syncing),
        };
        Err(self.http.error(SYNCING, problem))
    }

    fn wrong(&self, route: &'static str, wrong: WrongAnswer) -> BeaconError {
        BeaconError { node: self.name().clone(), route, problem: Problem::Wrong(wrong) }
    }

    async fn get<T: DeserializeOwned>(
        &self,
        route: Route,
        path: &str,
        query: Option<&str>,
        decode: fn(&[u8]) -> Result<T, Problem>,
    ) -> Result<T, BeaconError> {
        let body = self.http.get(route, path, query, self.patience.query).await?;
        decode(&body).map_err(|problem| self.http.error(route, problem))
    }

    async fn post<T: DeserializeOwned>(
        &self,
        route: Route,
        path: &str,
        body: &impl Serialize,
        decode: fn(&[u8]) -> Result<T, Problem>,
    ) -> Result<T, BeaconError> {
        let body = self.http.post(route, path, json(body), None, self.patience.query).await?;
        decode(&body).map_err(|problem| self.http.error(route, problem))
    }
}

fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("lists of numbers, hex and plain structures have a JSON form")
}

/// "Not found" is an answer, not a failure.
fn found<T>(answer: Result<T, BeaconError>) -> Result<Option<T>, BeaconError> {
    match answer {
        Err(BeaconError { problem: Problem::Status { status: 404, .. }, .. }) => Ok(None),
        answer => answer.map(Some),
    }
}
