//! Says it, over HTTP or SMTP.

use std::sync::Arc;
use std::time::Duration;

use hearth_api::{ChannelTarget, MailSecurity, plain};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use reqwest::{Client, Url, redirect};
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;
use serde_json::Value;
use thiserror::Error;

use crate::letter::Letter;
use crate::target::host_and_port;

/// A message that did not arrive by then does not arrive.
const PATIENCE: Duration = Duration::from_secs(15);
/// What is read of an answer, and what is told of it.
const READ_BYTES: usize = 2_048;
const TOLD_CHARS: usize = 160;

/// Why a message did not arrive. Holds nothing that is secret in the target.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum Undelivered {
    /// The server answered, but not with yes.
    #[error("its server answered {status}: {said}")]
    Refused {
        /// The status of the answer.
        status: u16,
        /// The beginning of the answer.
        said: String,
    },
    /// There was no answer in time.
    #[error("its server did not answer within {} s", PATIENCE.as_secs())]
    Silent,
    /// The server could not be talked to, or said no to the mail.
    #[error("{0}")]
    Failed(String),
}

/// Delivers messages. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Courier(Client);

impl Courier {
    /// Errors: the system's certificates cannot be read.
    pub fn new() -> Result<Self, Undelivered> {
        let failed = |error: &dyn std::fmt::Display| Undelivered::Failed(error.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|versions| versions.with_platform_verifier())
            .map_err(|error| failed(&error))?
            .with_no_client_auth();
        // A redirect would carry what is secret to somebody else.
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("hearth/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .build()
            .map_err(|error| failed(&error.without_url()))?;
        Ok(Self(client))
    }

    /// Delivers a message. Dropping the future abandons it; it may have arrived.
    pub async fn deliver(&self, target: &ChannelTarget, letter: &Letter) -> Result<(), Undelivered> {
        let delivered = tokio::time::timeout(PATIENCE, self.try_to(target, letter)).await;
        delivered.unwrap_or(Err(Undelivered::Silent)).map_err(|error| without_secrets(error, target))
    }

    async fn try_to(&self, target: &ChannelTarget, letter: &Letter) -> Result<(), Undelivered> {
        match target {
            ChannelTarget::Webhook { url } => self.post(url.reveal(), None, &letter.for_webhook()).await,
            ChannelTarget::Ntfy { server, topic, token } => {
                let token = token.as_ref().map(|token| token.reveal());
                self.post(server, token, &letter.for_ntfy(topic.reveal())).await
            }
            ChannelTarget::Telegram { server, chat, token } => {
                // The bot API has no other place for the token than the path; it goes into no log of ours.
                let url = format!("{}/bot{}/sendMessage", server.trim_end_matches('/'), token.reveal());
                self.post(&url, None, &letter.for_telegram(chat)).await
            }
            ChannelTarget::Email { .. } => mail(target, letter).await,
        }
    }

    async fn post(&self, url: &str, token: Option<&str>, body: &Value) -> Result<(), Undelivered> {
        let url: Url = url.parse().map_err(|_| Undelivered::Failed("its address is not one".into()))?;
        let request = self.0.post(url).json(body);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let mut answer =
            request.send().await.map_err(|error| Undelivered::Failed(deepest(&error.without_url())))?;
        if answer.status().is_success() {
            return Ok(());
        }
        let mut said = Vec::new();
        while said.len() < READ_BYTES
            && let Ok(Some(chunk)) = answer.chunk().await
        {
            said.extend_from_slice(chunk.get(..READ_BYTES.min(chunk.len())).unwrap_or_default());
        }
        let said = plain(&String::from_utf8_lossy(&said), READ_BYTES);
        Err(Undelivered::Refused { status: answer.status().as_u16(), said })
    }
}

async fn mail(target: &ChannelTarget, letter: &Letter) -> Result<(), Undelivered> {
    let ChannelTarget::Email { server, security, user, password, from, to } = target else {
        return Err(Undelivered::Failed("it is no mail channel".into()));
    };
    let failed = |error: &dyn std::error::Error| Undelivered::Failed(deepest(error));
    let (host, port) = host_and_port(server, *security)
        .ok_or_else(|| Undelivered::Failed("its mail server is not host:port".into()))?;
    let address = |text: &str| text.parse().map_err(|_| Undelivered::Failed("an address is not one".into()));
    let message = Message::builder()
        .from(address(from)?)
        .to(address(to)?)
        .subject(&letter.title)
        .body(format!("{}\n", letter.text))
        .map_err(|error| failed(&error))?;
    let parameters = || TlsParameters::new(host.to_owned()).map_err(|error| failed(&error));
    let tls = match security {
        MailSecurity::Tls => Tls::Wrapper(parameters()?),
        MailSecurity::StartTls => Tls::Required(parameters()?),
        MailSecurity::None => Tls::None,
    };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(port)
        .tls(tls)
        .timeout(Some(PATIENCE));
    if let (Some(user), Some(password)) = (user, password) {
        transport = transport.credentials(Credentials::new(user.clone(), password.reveal().to_owned()));
    }
    transport.build().send(message).await.map(drop).map_err(|error| failed(&error))
}

/// The deepest cause says what happened ("Connection refused"); the layers above it say that something did.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Servers repeat what they were sent.
fn without_secrets(error: Undelivered, target: &ChannelTarget) -> Undelivered {
    let secrets: Vec<&str> = match target {
        ChannelTarget::Webhook { url } => {
            // Any part of its path may be what is secret; the short ones are words such as `api`.
            let parts = url.reveal().split(['/', '?', '&', '=', '@']).filter(|part| part.len() >= 6);
            std::iter::once(url.reveal()).chain(parts.filter(|part| !part.ends_with(':'))).collect()
        }
        ChannelTarget::Ntfy { topic, token, .. } => {
            [Some(topic), token.as_ref()].into_iter().flatten().map(|secret| secret.reveal()).collect()
        }
        ChannelTarget::Telegram { token, .. } => vec![token.reveal()],
        ChannelTarget::Email { password, .. } => password.iter().map(|secret| secret.reveal()).collect(),
    };
    let cleaned = |text: String| {
        let known = secrets.iter().filter(|secret| !secret.is_empty());
        plain(&known.fold(text, |text, secret| text.replace(secret, "…")), TOLD_CHARS)
    };
    match error {
        Undelivered::Refused { status, said } => Undelivered::Refused { status, said: cleaned(said) },
        Undelivered::Silent => Undelivered::Silent,
        Undelivered::Failed(said) => Undelivered::Failed(cleaned(said)),
    }
}
