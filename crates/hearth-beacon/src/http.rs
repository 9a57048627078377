//! One connection pool to one node: bounded in size and time, and nothing that the node could redirect.

use std::sync::Arc;
use std::time::Duration;

use hearth_types::ForkName;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder, Response};
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;

use crate::error::{BeaconError, EntryFailure, Problem, kept, short};
use crate::node::NoTrustRoots;
use crate::url::{NodeUrl, RedactedUrl};
use crate::wire;

/// How long one request may take, from connecting to the last byte.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Patience {
    /// Questions.
    pub query: Duration,
    /// Submissions.
    pub submit: Duration,
}

impl Default for Patience {
    /// Two seconds each. Source: `obol-duties.md` 8.
    fn default() -> Self {
        Self { query: Duration::from_secs(2), submit: Duration::from_secs(2) }
    }
}

/// A route of the beacon API and the longest answer it can have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    pub(crate) name: &'static str,
    pub(crate) limit_bytes: usize,
}

/// Bound on the body of a refusal: a batch of 3,000 entries with a sentence for each.
const REFUSAL_LIMIT_BYTES: usize = 1 << 20;

/// Quiet after which a stream of news is given up. A chain whose slots are all empty for so long has other troubles.
const QUIET: Duration = Duration::from_secs(300);

/// A node's connections.
#[derive(Debug)]
pub(crate) struct Http {
    client: Client,
    base: NodeUrl,
    name: RedactedUrl,
}

struct Reply {
    status: u16,
    body: Vec<u8>,
}

impl Http {
    pub(crate) fn new(base: NodeUrl) -> Result<Self, NoTrustRoots> {
        let name = base.redacted();
        let refused = |reason: &dyn std::fmt::Display| NoTrustRoots {
            node: name.clone(),
            reason: short(&reason.to_string()),
        };
        let client = Client::builder()
            .tls_backend_preconfigured(tls(base.is_https()).map_err(|e| refused(&e))?)
            .user_agent(concat!("hearth/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // A beacon node is on this machine or a provider's; a proxy from the environment is meant for
            // neither.
            .no_proxy()
            .tcp_nodelay(true)
            .pool_max_idle_per_host(8)
            .build()
            .map_err(|e| refused(&e.without_url()))?;
        Ok(Self { client, base, name })
    }

    pub(crate) fn name(&self) -> &RedactedUrl {
        &self.name
    }

    pub(crate) fn error(&self, route: Route, problem: impl Into<Problem>) -> BeaconError {
        BeaconError { node: self.name.clone(), route: route.name, problem: problem.into() }
    }

    /// The body of a successful answer to `GET path?query`. Dropping the future abandons the request.
    pub(crate) async fn get(
        &self,
        route: Route,
        path: &str,
        query: Option<&str>,
        patience: Duration,
    ) -> Result<Vec<u8>, BeaconError> {
        let request = self.client.get(self.base.route(path, query));
        self.successful(route, request, patience).await
    }

    /// As [`Http::get`] of the base itself, with these headers.
    pub(crate) async fn get_with(
        &self,
        route: Route,
        headers: &[(&'static str, String)],
        patience: Duration,
    ) -> Result<Vec<u8>, BeaconError> {
        let request = self.client.get(self.base.route("", None));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        self.successful(route, request, patience).await
    }

    /// The status of an answer to `GET path`, whatever it is.
    pub(crate) async fn status(
        &self,
        route: Route,
        path: &str,
        patience: Duration,
    ) -> Result<u16, BeaconError> {
        let request = self.client.get(self.base.route(path, None));
        Ok(self.exchange(route, request, patience).await?.status)
    }

    /// The body of a successful answer to a JSON body sent with `POST`. Dropping the future abandons the
    /// request; the node may have acted on it.
    pub(crate) async fn post(
        &self,
        route: Route,
        path: &str,
        body: Vec<u8>,
        fork: Option<ForkName>,
        patience: Duration,
    ) -> Result<Vec<u8>, BeaconError> {
        let mut request =
            self.client.post(self.base.route(path, None)).header(CONTENT_TYPE, "application/json").body(body);
        if let Some(fork) = fork {
            request = request.header("Eth-Consensus-Version", fork.as_str());
        }
        self.successful(route, request, patience).await
    }

    /// Calls `told` with each line of a stream of server-sent events, until the node ends it or is quiet for [`QUIET`].
    /// The bound of the route is that of a line. Dropping the future ends the stream.
    pub(crate) async fn lines(
        &self,
        route: Route,
        path: &str,
        query: &str,
        mut told: impl FnMut(&str),
    ) -> Result<(), BeaconError> {
        let request = self.client.get(self.base.route(path, Some(query))).header(ACCEPT, "text/event-stream");
        let failed = |problem| self.error(route, problem);
        let quiet =
            |_| failed(Problem::Timeout { budget_ms: u64::try_from(QUIET.as_millis()).unwrap_or(u64::MAX) });
        let sent = tokio::time::timeout(QUIET, request.send()).await.map_err(quiet)?;
        let mut response = sent.map_err(|error| failed(broken(error)))?;
        if !response.status().is_success() {
            let reply = Reply { status: response.status().as_u16(), body: Vec::new() };
            return Err(failed(refused(&reply)));
        }
        let mut line = Vec::new();
        loop {
            let chunk = tokio::time::timeout(QUIET, response.chunk()).await.map_err(quiet)?;
            let Some(chunk) = chunk.map_err(|error| failed(broken(error)))? else { return Ok(()) };
            for part in chunk.split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(part);
                if line.len() > route.limit_bytes {
                    return Err(failed(Problem::TooLong { limit_bytes: route.limit_bytes }));
                }
                if line.ends_with(b"\n") {
                    told(String::from_utf8_lossy(&line).trim_end());
                    line.clear();
                }
            }
        }
    }

    async fn successful(
        &self,
        route: Route,
        request: RequestBuilder,
        patience: Duration,
    ) -> Result<Vec<u8>, BeaconError> {
        match self.exchange(route, request, patience).await? {
            Reply { status: 200..=299, body } => Ok(body),
            refusal => Err(self.error(route, refused(&refusal))),
        }
    }

    async fn exchange(
        &self,
        route: Route,
        request: RequestBuilder,
        patience: Duration,
    ) -> Result<Reply, BeaconError> {
        let exchange = async {
            let response = request.header(ACCEPT, "application/json").send().await.map_err(broken)?;
            let status = response.status().as_u16();
            let success = response.status().is_success();
            match read(response, if success { route.limit_bytes } else { REFUSAL_LIMIT_BYTES }).await {
                Ok(body) => Ok(Reply { status, body }),
                // The status says enough; who sends endless refusals is not read to the end.
                Err(Problem::TooLong { .. }) if !success => Ok(Reply { status, body: Vec::new() }),
                Err(problem) => Err(problem),
            }
        };
        let budget_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        tokio::time::timeout(patience, exchange)
            .await
            .unwrap_or(Err(Problem::Timeout { budget_ms }))
            .map_err(|problem| self.error(route, problem))
    }
}

/// TLS from `ring` and the trust roots of the operating system. Without `https` there is nothing to trust, and
/// a machine without certificates can still reach a node next to it.
fn tls(https: bool) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = if https {
        versions.with_platform_verifier()?.with_no_client_auth()
    } else {
        versions.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Reads a body until its end or until it is longer than it may be. An announced length is refused before
/// reading.
async fn read(mut response: Response, limit_bytes: usize) -> Result<Vec<u8>, Problem> {
    let too_long = Problem::TooLong { limit_bytes };
    if response.content_length().is_some_and(|length| length > limit_bytes as u64) {
        return Err(too_long);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > limit_bytes {
            return Err(too_long);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The deepest cause says what happened ("Connection refused"); the layers above it repeat the URL.
fn broken(error: reqwest::Error) -> Problem {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Problem::Connection(short(&cause.to_string()))
}

fn refused(reply: &Reply) -> Problem {
    let status = reply.status;
    let (message, failures) = match wire::refusal(&reply.body) {
        _ if (300..400).contains(&status) => ("redirects are not followed".to_owned(), Vec::new()),
        Some(wire::Refusal { message, failures }) => (kept(&message), failures),
        None => (kept(&String::from_utf8_lossy(&reply.body)), Vec::new()),
    };
    let failures = failures
        .into_iter()
        .map(|wire::RefusedEntry { index, message }| EntryFailure { index, message: kept(&message) })
        .collect();
    Problem::Status { status, message, failures }
}
