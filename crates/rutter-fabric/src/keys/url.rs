//! Keys over HTTPS: from whoever shows a certificate that this system, or the test, trusts.
//!
//! Neither a redirect nor a proxy is followed: the operator names who speaks for keys.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use rustls::RootCertStore;

use super::MAX_TEXT;

/// How long an answer may take, to its last byte.
const PATIENCE: Duration = Duration::from_secs(30);

/// What asks.
#[derive(Debug, Clone)]
pub(super) struct Fetch {
    client: Result<reqwest::Client, String>,
}

impl Fetch {
    /// Trusts these roots; `None`: the system's.
    pub(super) fn new(roots: Option<RootCertStore>) -> Self {
        Self { client: client(roots) }
    }

    /// What stands at that URL.
    ///
    /// # Errors
    /// For people: anything but a text of at most [`MAX_TEXT`] bytes with status 200.
    pub(super) async fn get(&self, url: &str) -> Result<String, String> {
        let client = self.client.as_ref().map_err(Clone::clone)?;
        let said = |error: reqwest::Error| chain(&error.without_url());
        let answer = client.get(url).send().await.map_err(said)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(format!("answered {}", answer.status()));
        }
        let mut body = Vec::new();
        let mut pieces = answer.bytes_stream();
        while let Some(piece) = pieces.next().await {
            body.extend_from_slice(&piece.map_err(said)?);
            if body.len() > MAX_TEXT {
                return Err(format!("answered more than {MAX_TEXT} bytes"));
            }
        }
        String::from_utf8(body).map_err(|_| "answered something that isn't UTF-8".to_owned())
    }
}

fn client(roots: Option<RootCertStore>) -> Result<reqwest::Client, String> {
    let roots = roots.unwrap_or_else(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    });
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(true)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        .user_agent(concat!("rutter-fabric/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| chain(&error))
}

/// The error with its causes: reqwest's own words name none.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
