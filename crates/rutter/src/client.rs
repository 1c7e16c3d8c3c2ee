//! Asking the API of a controller, or of a gateway apart from its own, from the command line.
//!
//! Bounds: 5 s for a connection, 30 s for an exchange, 16 MiB for an answer; a watch has no end.
//! A local one is known by its data directory, which also says what CA to trust; one
//! elsewhere by `RUTTER_URL`, `RUTTER_TOKEN` and, where its certificate is of its own CA,
//! `RUTTER_CA`.

mod error;
mod events;
mod trust;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Method, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::run::Local;

pub(crate) use events::{Event, Events};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// A client of one controller or gateway.
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    token: String,
    /// Its data directory, if it runs here.
    data: Option<String>,
}

impl Client {
    /// The one of this machine, else the one that the environment names.
    ///
    /// # Errors
    /// There is neither, or a file or variable that can't be read.
    pub(crate) fn find(data: &Path) -> anyhow::Result<Self> {
        let local = Local::find(data)?;
        if let Some(Local { run, token }) = &local
            && let Some(api) = &run.api
        {
            let ca = run.pin.as_ref().map(|_| run.ca.as_bytes());
            return Self::new(api, token.clone(), ca, Some(run.data.clone()));
        }
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let Some(url) = set("RUTTER_URL") else {
            if local.is_some() {
                bail!(
                    "what runs here with its data in {} has no API that this command can find: write \
                     `listeners: {{api: 127.0.0.1:7070}}` in its file, or set RUTTER_URL and \
                     RUTTER_TOKEN.",
                    data.display()
                );
            }
            bail!(
                "no controller runs here with its data in {}.\n\
                 Start one with `rutter up`, name its directory with --data, or set RUTTER_URL \
                 and RUTTER_TOKEN for one elsewhere.",
                data.display()
            );
        };
        let token = set("RUTTER_TOKEN").context(
            "RUTTER_TOKEN is not set: make a token with `rutter tokens create` on the controller",
        )?;
        let ca = match set("RUTTER_CA") {
            Some(path) => Some(std::fs::read(&path).with_context(|| format!("RUTTER_CA={path}"))?),
            None => None,
        };
        Self::new(&url, token, ca.as_deref(), None)
    }

    fn new(
        url: &str,
        token: String,
        ca: Option<&[u8]>,
        data: Option<String>,
    ) -> anyhow::Result<Self> {
        let base = Url::parse(url).with_context(|| format!("`{url}` is not a URL"))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            bail!("`{url}` is not the URL of a controller: expected `http(s)://HOST:PORT`");
        }
        let http = http(trust::client_config(base.scheme() == "https", ca)?)?;
        Ok(Self { http, base, token, data })
    }

    /// The URL of a path below the base; each segment is percent-encoded.
    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        // An http URL always has a path, so the error is impossible; the base is then the answer.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Asks for something.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> anyhow::Result<T> {
        self.ask(Method::GET, self.url(path, query), None::<&()>).await
    }

    /// Makes something.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.ask(Method::POST, self.url(path, &[]), Some(body)).await
    }

    /// Changes something.
    pub(crate) async fn patch<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.ask(Method::PATCH, self.url(path, &[]), Some(body)).await
    }

    /// Removes something.
    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &[&str]) -> anyhow::Result<T> {
        self.ask(Method::DELETE, self.url(path, &[]), None::<&()>).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<&impl Serialize>,
    ) -> anyhow::Result<T> {
        let mut request = self.http.request(method, url).timeout(REQUEST_TIMEOUT);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = self.send(request).await?;
        let body = read(response).await?;
        serde_json::from_slice(&body).context("the answer can't be read: is it another version?")
    }

    /// Watches a table.
    pub(crate) async fn watch(&self, table: &str) -> anyhow::Result<Events> {
        let request = self.http.get(self.url(&["v1", "tables", table, "watch"], &[]));
        Ok(Events::new(self.send(request).await?))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Response> {
        let request = match self.token.as_str() {
            "" => request,
            token => request.bearer_auth(token),
        };
        let sent = request.send().await;
        let response = sent.map_err(|error| error::unreachable(&self.base, &error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = read(response).await?;
        Err(error::refused(status, &body, self.data.as_deref()))
    }
}

/// A client for what isn't Rutter, by the roots that this system trusts.
pub(crate) fn for_url(url: &Url) -> anyhow::Result<reqwest::Client> {
    http(trust::client_config(url.scheme() == "https", None)?)
}

fn http(tls: rustls::ClientConfig) -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("rutter/", env!("CARGO_PKG_VERSION")))
        .build()?)
}

async fn read(mut response: Response) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER {
            bail!("the controller's answer has more than {MAX_ANSWER} bytes");
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
