//! A client of one cluster's API (Proxmox VE API 2, JSON).

use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, Url};
use rustls::ClientConfig;
use rutter_route::HostName;
use serde::de::DeserializeOwned;
use std::sync::Arc;

use crate::godoxy::config::{ProxmoxAt, ProxmoxLogin};
use crate::tls::{self, Anybody};

use super::ProxmoxError;
use super::wire::{Answer, Ticket};

/// The most bytes of an answer: 10,000 guests have some 4 MiB.
const MAX_ANSWER: usize = 16 << 20;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a ticket is used: Proxmox takes it for two hours.
const TICKET_LASTS: Duration = Duration::from_secs(3600);

/// The API's port where its address says none.
const PORT: u16 = 8006;

/// A cluster's API.
pub(super) struct Api {
    client: reqwest::Client,
    base: Url,
    login: ProxmoxLogin,
    ticket: Option<(String, Instant)>,
}

impl Api {
    /// Takes the address apart and sets TLS up; nothing is asked.
    pub(super) async fn open(at: ProxmoxAt) -> Result<Self, ProxmoxError> {
        let base = base(&at.url)?;
        let tls = tokio::task::spawn_blocking(move || config(at.no_tls_verify)).await;
        let tls = tls.map_err(|error| ProxmoxError::Tls(error.to_string()))?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.map_err(|error| ProxmoxError::Tls(error.to_string()))?)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
            .user_agent(concat!("rutter/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ProxmoxError::Tls(error.without_url().to_string()))?;
        Ok(Self { client, base, login: at.login, ticket: None })
    }

    /// Gets a ticket where one is needed and there is none that lasts.
    pub(super) async fn log_in(&mut self) -> Result<(), ProxmoxError> {
        let ProxmoxLogin::Password { user, realm, password } = &self.login else { return Ok(()) };
        if self.ticket.as_ref().is_some_and(|(_, since)| since.elapsed() < TICKET_LASTS) {
            return Ok(());
        }
        let mut form = self.base.clone();
        form.query_pairs_mut()
            .clear()
            .append_pair("username", &format!("{user}@{realm}"))
            .append_pair("password", password);
        let form = form.query().unwrap_or_default().to_owned();
        let asked = self.request(Method::POST, "access/ticket")?;
        let asked = asked.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        let Ticket { ticket } = ask(asked, "access/ticket").await?;
        self.ticket = Some((ticket, Instant::now()));
        Ok(())
    }

    /// Forgets the ticket: it was refused.
    pub(super) fn log_out(&mut self) {
        self.ticket = None;
    }

    /// Asks for something.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ProxmoxError> {
        let mut asked = self.request(Method::GET, path)?;
        let shows = match (&self.login, &self.ticket) {
            (ProxmoxLogin::Token { id, secret }, _) => {
                Some((AUTHORIZATION, format!("PVEAPIToken={id}={secret}")))
            }
            (_, Some((ticket, _))) => Some((COOKIE, format!("PVEAuthCookie={ticket}"))),
            _ => None,
        };
        if let Some((name, secret)) = shows {
            let secret = HeaderValue::try_from(secret);
            let mut secret = secret.map_err(|_| ProxmoxError::Secret)?;
            secret.set_sensitive(true);
            asked = asked.header(name, secret);
        }
        ask(asked, path).await
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, ProxmoxError> {
        let url = self.base.join(path);
        let url = url.map_err(|_| ProxmoxError::Address(format!("{}{path}", self.base)))?;
        Ok(self.client.request(method, url))
    }
}

async fn ask<T: DeserializeOwned>(asked: RequestBuilder, path: &str) -> Result<T, ProxmoxError> {
    let answer = asked.send().await.map_err(no_answer)?;
    let status = answer.status();
    if matches!(status.as_u16(), 401 | 403) {
        return Err(ProxmoxError::NotLetIn(status.as_u16()));
    }
    if !status.is_success() {
        return Err(ProxmoxError::Status { status: status.as_u16(), path: path.to_owned() });
    }
    let body = read(answer, path).await?;
    let answer: Result<Answer<T>, _> = serde_json::from_slice(&body);
    answer
        .map(|answer| answer.data)
        .map_err(|error| ProxmoxError::Answer { path: path.to_owned(), why: error.to_string() })
}

async fn read(mut answer: Response, path: &str) -> Result<Vec<u8>, ProxmoxError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(no_answer)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(ProxmoxError::TooMuch { path: path.to_owned(), limit: MAX_ANSWER });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What went wrong, with its causes: the outermost says only that something did.
fn no_answer(error: reqwest::Error) -> ProxmoxError {
    let error = error.without_url();
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    ProxmoxError::Connect(said)
}

/// Where paths are joined to: `https://HOST:8006/api2/json/`.
fn base(text: &str) -> Result<Url, ProxmoxError> {
    let wrong = || ProxmoxError::Address(text.to_owned());
    let mut url: Url = text.trim().parse().map_err(|_| wrong())?;
    // A name and password in the address would be shown wherever it is.
    if url.scheme() != "https" || !url.has_host() || !url.username().is_empty() {
        return Err(wrong());
    }
    let path = url.path().trim_end_matches('/').trim_end_matches("/api2/json").to_owned();
    url.set_path(&format!("{path}/api2/json/"));
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// The host and port of an API, where a node's own pages are too.
pub(super) fn place(url: &str) -> Result<(HostName, u16), ProxmoxError> {
    let base = base(url)?;
    let host = base.host_str().and_then(|host| host.parse().ok());
    let host = host.ok_or_else(|| ProxmoxError::Address(url.to_owned()))?;
    Ok((host, base.port().unwrap_or(PORT)))
}

fn config(is_anybody_trusted: bool) -> Result<ClientConfig, rustls::Error> {
    let provider = tls::provider();
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?;
    Ok(match is_anybody_trusted {
        false => builder.with_root_certificates(tls::system_roots()).with_no_client_auth(),
        // It was written.
        true => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_apis() {
        let base = |text: &str| base(text).map(|url| url.to_string()).ok();
        let want = Some("https://pve.lan:8006/api2/json/".to_owned());
        for text in
            ["https://pve.lan:8006", "https://pve.lan:8006/", "https://pve.lan:8006/api2/json"]
        {
            assert_eq!(base(text), want, "{text}");
        }
        assert_eq!(base("https://pve/x/").as_deref(), Some("https://pve/x/api2/json/"));
        for text in ["http://pve:8006", "pve:8006", "https://", "https://root:pw@pve", ""] {
            assert_eq!(base(text), None, "{text}");
        }
        let place = |text: &str| place(text).map(|(host, port)| (host.to_string(), port)).unwrap();
        assert_eq!(place("https://pve.lan"), ("pve.lan".to_owned(), 8006));
        assert_eq!(place("https://[fd00::1]:443/api2/json"), ("[fd00::1]".to_owned(), 8006));
        assert_eq!(place("https://10.0.0.1:9000"), ("10.0.0.1".to_owned(), 9000));
    }
}
