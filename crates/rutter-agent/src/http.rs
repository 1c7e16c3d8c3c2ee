//! Asking a controller: bounded, timed, verified, and silent about secrets.
//!
//! Bounds: [`CONNECT_TIMEOUT`] for a connection, [`REQUEST_TIMEOUT`] for a whole exchange (the
//! original's 10 s), [`MAX_BODY`] for an answer. Redirects are not followed: a path or header with
//! a secret must not go where somebody else points. Proxies of the environment are not used, as
//! by the original agent.

mod failure;
mod tls;

use std::time::Duration;

use reqwest::{Method, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{AgentError, BaseUrl, Secret};

pub use rutter_link::CaPin;

/// How long a connection may take, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request and its answer may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// The most characters of a server's own words that are shown.
const MAX_SAID: usize = 200;
/// The longest wait that a server may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

/// A client of one controller.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
    base: BaseUrl,
    secrets: Vec<Secret>,
    timeout: Duration,
}

/// One question.
pub(crate) struct Ask<'a> {
    /// What it is called in errors.
    pub(crate) what: &'static str,
    pub(crate) method: Method,
    /// The path below the base URL.
    pub(crate) path: &'a [&'a str],
    /// One query parameter.
    pub(crate) query: Option<(&'a str, &'a str)>,
    pub(crate) bearer: Option<&'a Secret>,
}

/// One answer, read whole.
pub(crate) struct Answer {
    pub(crate) what: &'static str,
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl Http {
    /// A client that verifies by the system's roots, or by the pinned CA alone.
    pub(crate) fn new(base: BaseUrl, pin: Option<CaPin>) -> Result<Self, AgentError> {
        let client = client(base.is_https(), pin)?;
        Ok(Self { client, base, secrets: Vec::new(), timeout: REQUEST_TIMEOUT })
    }

    /// Whom this asks.
    pub(crate) fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// Names a secret that is never to be shown, should the server repeat it.
    pub(crate) fn conceal(&mut self, secret: &Secret) {
        if !self.secrets.contains(secret) {
            self.secrets.push(secret.clone());
        }
    }

    /// Asks without a body.
    pub(crate) async fn ask(&self, ask: Ask<'_>) -> Result<Answer, AgentError> {
        self.send(ask, None::<&()>).await
    }

    /// Asks with a JSON body.
    pub(crate) async fn send<B: Serialize>(
        &self,
        ask: Ask<'_>,
        body: Option<&B>,
    ) -> Result<Answer, AgentError> {
        let mut url = self.base.at(ask.path);
        if let Some((name, value)) = ask.query {
            url.query_pairs_mut().append_pair(name, value);
        }
        let mut request = self.client.request(ask.method, url).timeout(self.timeout);
        if let Some(bearer) = ask.bearer {
            request = request.bearer_auth(bearer.reveal());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        self.read(ask.what, response).await
    }

    async fn read(&self, what: &'static str, mut response: Response) -> Result<Answer, AgentError> {
        let status = response.status().as_u16();
        let retry_after = retry_after(&response);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.unreachable(&e))? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(self.garbled(what, format!("an answer over {MAX_BODY} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { what, status, retry_after, body })
    }

    fn unreachable(&self, error: &reqwest::Error) -> AgentError {
        AgentError::Unreachable { controller: self.base.to_string(), why: failure::classify(error) }
    }

    /// The error of an answer that can't be read.
    pub(crate) fn garbled(&self, what: &'static str, why: String) -> AgentError {
        AgentError::Garbled { controller: self.base.to_string(), what, why }
    }

    /// The error of an answer that says no.
    pub(crate) fn refused(&self, answer: &Answer, advice: &'static str, again: bool) -> AgentError {
        AgentError::Refused {
            controller: self.base.to_string(),
            what: answer.what,
            status: answer.status,
            said: self.said(&answer.body),
            advice,
            again,
            retry_after: answer.retry_after,
        }
    }

    /// An answer's JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, AgentError> {
        serde_json::from_slice(&answer.body).map_err(|error| {
            // serde's text may repeat a value of the body, so only its place is told.
            let (line, column) = (error.line(), error.column());
            let why = format!("no such JSON as was expected, line {line} column {column}");
            self.garbled(answer.what, why)
        })
    }

    /// A text of the server's, fit to be shown: without secrets and control characters, cut.
    pub(crate) fn shown(&self, text: &str) -> String {
        let scrubbed =
            self.secrets.iter().fold(text.to_owned(), |text, secret| secret.scrub(&text));
        scrubbed.chars().filter(|c| !c.is_control()).take(MAX_SAID).collect()
    }

    /// The `error` of a JSON body, where it is one.
    fn said(&self, body: &[u8]) -> String {
        #[derive(serde::Deserialize)]
        struct Said {
            error: String,
        }
        match serde_json::from_slice::<Said>(body) {
            Ok(said) => self.shown(&said.error),
            // Not our API's form: a proxy's page, which the status describes well enough.
            Err(_) => String::new(),
        }
    }
}

/// A client that asks without detours: no redirects, no proxies, a connection each time.
pub(crate) fn client(https: bool, pin: Option<CaPin>) -> Result<reqwest::Client, AgentError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls::client_config(https, pin)?)
        .dns_resolver(failure::Lookup)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("rutter-agent/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| AgentError::Tls(error.without_url().to_string()))
}

impl Answer {
    /// Whether the status is 2xx.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// What to do about a status that means the same everywhere.
pub(crate) fn general_advice(status: u16) -> &'static str {
    match status {
        300..=399 => "redirects are not followed; use the address that it points to",
        404 | 405 => "this is not the API that was expected; check address, port and path",
        429 => "too many requests; it will be tried again later",
        500..=599 => "the trouble is on its side, see its log; it will be tried again",
        _ => "this was not expected; check address, port and versions",
    }
}

/// Whether a status may change with nobody doing anything here.
pub(crate) fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

/// `Retry-After` in seconds (RFC 9110 10.2.3), bounded; its form with a date is not used here.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(reqwest::header::RETRY_AFTER)?.to_str().ok()?;
    let seconds = value.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests;
