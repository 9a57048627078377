//! A beacon node on loopback that says what a test wants, and remembers what it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response, Uri};
use futures::stream;
use hearth_beacon::{BeaconNodes, NodeUrl, Patience, connect};
use hearth_duties::{ChainQuery, ChainReply, Deadlined};
use hearth_types::{ChainSpec, UnixMillis};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What a node does when a route is asked.
#[derive(Clone)]
pub(crate) enum Act {
    /// Answers with a status and a body.
    Say(u16, String),
    /// Takes the request and never answers.
    Hang,
    /// Sends one byte and never the next.
    Stall,
    /// Answers 200 and sends for ever.
    Endless,
    /// Breaks off in the middle of the answer.
    BreakOff,
    /// Sends the client elsewhere.
    Redirect(String),
}

pub(crate) fn say(status: u16, body: &Value) -> Act {
    Act::Say(status, body.to_string())
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

type Script = Arc<Mutex<BTreeMap<String, VecDeque<Act>>>>;

pub(crate) struct FakeNode {
    address: String,
    script: Script,
    seen: Arc<Mutex<Vec<Seen>>>,
    server: JoinHandle<()>,
}

impl FakeNode {
    /// A healthy node of the chain in `tests/vectors`.
    pub(crate) async fn healthy() -> Self {
        let mut routes = BTreeMap::new();
        for (path, body) in [
            ("/eth/v1/beacon/genesis", include_str!("../vectors/genesis.json")),
            ("/eth/v1/config/spec", include_str!("../vectors/spec.json")),
            ("/eth/v1/config/fork_schedule", include_str!("../vectors/fork_schedule.json")),
            ("/eth/v1/node/version", include_str!("../vectors/version.json")),
            ("/eth/v1/node/syncing", include_str!("../vectors/syncing.json")),
            ("/eth/v1/node/health", ""),
            ("/eth/v1/beacon/states/head/validators", include_str!("../vectors/validators.json")),
            ("/eth/v1/validator/duties/attester/4", include_str!("../vectors/duties.json")),
            ("/eth/v1/validator/attestation_data", include_str!("../vectors/attestation_data.json")),
            ("/eth/v2/beacon/pool/attestations", ""),
            ("/eth/v1/beacon/headers/35", include_str!("../vectors/header.json")),
            ("/eth/v2/beacon/blocks/35", include_str!("../vectors/block.json")),
            ("/eth/v1/beacon/states/34/committees", include_str!("../vectors/committees.json")),
        ] {
            routes.insert(path.to_owned(), Act::Say(200, body.to_owned()));
        }
        Self::with_routes(routes).await
    }

    /// A node that knows these paths.
    pub(crate) async fn with_routes(routes: BTreeMap<String, Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let script: Script =
            Arc::new(Mutex::new(routes.into_iter().map(|(path, act)| (path, [act].into())).collect()));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (lines, log) = (Arc::clone(&script), Arc::clone(&seen));
        let app = Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let path = uri.path().to_owned();
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let query = uri.query().unwrap_or_default().to_owned();
            log.lock().unwrap().push(Seen { method, path: path.clone(), query, headers, body });
            let act = next(&lines, &path);
            async move { perform(act).await }
        });
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, script, seen, server }
    }

    pub(crate) fn url(&self) -> NodeUrl {
        format!("http://{}", self.address).parse().unwrap()
    }

    pub(crate) fn url_with(&self, login: &str, path: &str) -> NodeUrl {
        format!("http://{login}@{}{path}", self.address).parse().unwrap()
    }

    /// From now on: `acts` one after the other, the last for ever.
    pub(crate) fn script(&self, path: &str, acts: impl IntoIterator<Item = Act>) {
        self.script.lock().unwrap().insert(path.to_owned(), acts.into_iter().collect());
    }

    /// From now on every route does this.
    pub(crate) fn script_all(&self, act: &Act) {
        self.script.lock().unwrap().values_mut().for_each(|acts| *acts = [act.clone()].into());
    }

    /// From now on `path` answers as before, with one change.
    pub(crate) fn change(&self, path: &str, change: impl FnOnce(&mut Value)) {
        let mut script = self.script.lock().unwrap();
        let acts = script.get_mut(path).unwrap();
        let Some(Act::Say(status, body)) = acts.back().cloned() else { panic!("{path} says nothing") };
        let mut body: Value = serde_json::from_str(&body).unwrap();
        change(&mut body);
        *acts = [say(status, &body)].into();
    }

    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        self.seen.lock().unwrap().iter().filter(|seen| seen.path == path).cloned().collect()
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn next(script: &Script, path: &str) -> Act {
    let mut script = script.lock().unwrap();
    match script.get_mut(path) {
        Some(acts) if acts.len() > 1 => acts.pop_front().unwrap(),
        Some(acts) => acts[0].clone(),
        None => say(404, &json!({ "code": 404, "message": format!("Route {path} not found") })),
    }
}

async fn perform(act: Act) -> Response<Body> {
    let response = Response::builder();
    match act {
        Act::Say(status, body) => response.status(status).body(Body::from(body)).unwrap(),
        Act::Hang => std::future::pending().await,
        Act::Stall => {
            let forever = stream::unfold(true, async |first| {
                if !first {
                    std::future::pending::<()>().await;
                }
                Some((Ok::<_, Infallible>("{"), false))
            });
            response.body(Body::from_stream(Box::pin(forever))).unwrap()
        }
        Act::Endless => {
            response.body(Body::from_stream(stream::repeat(Ok::<_, Infallible>(" ".repeat(4_096))))).unwrap()
        }
        Act::BreakOff => {
            let broken = stream::iter([Ok("{\"data\":"), Err(std::io::Error::other("pulled the plug"))]);
            response.body(Body::from_stream(broken)).unwrap()
        }
        Act::Redirect(to) => response.status(302).header("Location", to).body(Body::empty()).unwrap(),
    }
}

/// An address at which nobody listens.
pub(crate) async fn nobody() -> NodeUrl {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap()).parse().unwrap()
}

/// Short enough for tests that provoke a time-out, long enough for a busy machine.
pub(crate) const IMPATIENT: Patience =
    Patience { query: Duration::from_secs(1), submit: Duration::from_secs(1) };

pub(crate) async fn connected(urls: &[NodeUrl], patience: Patience) -> (BeaconNodes, ChainSpec) {
    connect(urls, patience, |_| {}).await.unwrap()
}

/// Asks with a budget in milliseconds.
pub(crate) async fn ask(nodes: &BeaconNodes, budget_ms: u64, query: ChainQuery) -> ChainReply {
    let now = UnixMillis::new(1_700_000_204_000);
    nodes.answer(Deadlined { query, until: now.saturating_add(budget_ms) }, now).await
}

/// A folder of recorded answers, if this machine has them.
pub(crate) fn recorded(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("HEARTH_VECTORS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors")),
        PathBuf::from,
    );
    let folder = root.join("beacon-api").join(folder);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} not found", folder.display());
    None
}
