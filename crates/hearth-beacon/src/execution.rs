//! An execution client over JSON-RPC: what contracts answer.
//!
//! Source: execution-apis, `eth_chainId` and `eth_call`.

use std::time::Duration;

use hearth_types::ExecutionAddress;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::error::{BeaconError, Problem, short};
use crate::http::{Http, Route};
use crate::node::NoTrustRoots;
use crate::retry::Backoff;
use crate::url::{NodeUrl, RedactedUrl};

const CHAIN_ID: Route = Route { name: "eth_chainId", limit_bytes: 64 << 10 };
const CALL: Route = Route { name: "eth_call", limit_bytes: 64 << 10 };
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an answering client is waited for. Source: `obol-cluster.md` 4.5.
const CONNECT: Duration = Duration::from_secs(10);

/// An execution client, of which nothing is believed but what contracts answer.
#[derive(Debug)]
pub struct ExecutionClient {
    http: Http,
}

impl ExecutionClient {
    /// The client at this address. Nothing is sent yet.
    pub fn new(url: NodeUrl) -> Result<Self, NoTrustRoots> {
        Ok(Self { http: Http::new(url)? })
    }

    /// Its address, without credentials.
    pub fn name(&self) -> &RedactedUrl {
        self.http.name()
    }

    /// Number of the chain that it follows. Waits up to ten seconds for a client that starts.
    pub async fn chain_id(&self) -> Result<u64, BeaconError> {
        let (deadline, mut backoff) = (Instant::now() + CONNECT, Backoff::new());
        loop {
            let answer = self.request(CHAIN_ID, json!([])).await;
            let delay = backoff.delay();
            match answer {
                Err(error) if error.problem.is_temporary() && Instant::now() + delay < deadline => {
                    sleep(delay).await;
                }
                answer => return answer.and_then(|answer| self.number(&answer)),
            }
        }
    }

    /// What a call of this account at the latest block returns; nothing where the call reverts or nobody is there.
    pub async fn call(&self, to: &ExecutionAddress, data: &[u8]) -> Result<Vec<u8>, BeaconError> {
        let hex = |bytes: &[u8]| format!("0x{}", hex::encode(bytes));
        let call = json!([{ "to": hex(to.as_bytes()), "data": hex(data) }, "latest"]);
        match self.request(CALL, call).await {
            Ok(answer) => {
                let digits = answer.as_str().and_then(|text| text.strip_prefix("0x"));
                digits
                    .and_then(|digits| hex::decode(digits).ok())
                    .ok_or_else(|| self.malformed(CALL, "the result of the call is not hex"))
            }
            Err(BeaconError { problem: Problem::Call { code, message }, .. }) if is_revert(code, &message) => {
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    async fn request(&self, route: Route, params: Value) -> Result<Value, BeaconError> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": route.name, "params": params });
        let body = self.http.post(route, "", request.to_string().into_bytes(), None, PATIENCE).await?;
        let reply: Reply =
            serde_json::from_slice(&body).map_err(|_| self.malformed(route, "no JSON-RPC reply"))?;
        match reply {
            Reply { error: Some(Refusal { code, message }), .. } => {
                Err(self.http.error(route, Problem::Call { code, message: short(&message) }))
            }
            Reply { result: Some(result), .. } => Ok(result),
            Reply { .. } => Err(self.malformed(route, "neither a result nor an error")),
        }
    }

    fn number(&self, answer: &Value) -> Result<u64, BeaconError> {
        let digits = answer.as_str().and_then(|text| text.strip_prefix("0x"));
        digits
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .ok_or_else(|| self.malformed(CHAIN_ID, "the chain id is no number"))
    }

    fn malformed(&self, route: Route, what: &str) -> BeaconError {
        self.http.error(route, Problem::Malformed(what.to_owned()))
    }
}

/// Whether an error means that the contract refused, not that the client could not ask it. Code 3 is that of the
/// specification, -32015 that of older clients; others say so in words.
fn is_revert(code: i64, message: &str) -> bool {
    matches!(code, 3 | -32_015) || message.to_ascii_lowercase().contains("revert")
}

#[derive(Deserialize)]
struct Reply {
    result: Option<Value>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: i64,
    #[serde(default)]
    message: String,
}
