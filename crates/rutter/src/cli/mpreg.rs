//! `rutter mpreg`: MPREG's monitoring command, with its words and its output.
//!
//! One thing is changed: what went wrong ends with another code than 0. The original prints the error and
//! says that all is well.

use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use reqwest::Url;
use serde_json::Value;

use super::{Global, Output};
use crate::client;

const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer that is taken, in bytes.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

#[derive(Debug, Subcommand)]
pub(crate) enum Mpreg {
    /// Look at a running cluster
    #[command(subcommand)]
    Monitor(Monitor),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Monitor {
    /// Print why a route to a cluster is chosen, as JSON
    RouteTrace(RouteTrace),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rutter mpreg monitor route-trace --destination west --url http://127.0.0.1:9090
  MPREG_MONITORING_URL=http://127.0.0.1:9090 rutter mpreg monitor route-trace -d west -a south

The address is that of `listeners.compat.mpreg`, or of an original. Rutter's asks for a token of scope
`read`, in RUTTER_TOKEN. Exits with 0 if the trace was printed, and with 1 if there is none.")]
pub(crate) struct RouteTrace {
    /// The cluster
    #[arg(short, long, value_name = "CLUSTER")]
    destination: String,
    /// A cluster that the way must not lead through; again for another
    #[arg(short, long, value_name = "CLUSTER")]
    avoid: Vec<String>,
    /// Where the monitoring endpoints are
    #[arg(long, env = "MPREG_MONITORING_URL", value_name = "URL")]
    url: Option<String>,
}

impl Mpreg {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let Self::Monitor(Monitor::RouteTrace(trace)) = self;
        trace.run(global.output()).await
    }
}

impl RouteTrace {
    async fn run(self, output: Output) -> anyhow::Result<()> {
        let Some(url) = self.url.as_deref().filter(|url| !url.is_empty()) else {
            bail!("no address: name one with --url or in MPREG_MONITORING_URL");
        };
        let mut url = Url::parse(url).with_context(|| format!("`{url}` is not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
            bail!(
                "`{url}` is not an address of monitoring endpoints: expected `http(s)://HOST:PORT`"
            );
        }
        // An http URL always has a path, so the error is impossible.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["routing", "trace"]);
        }
        url.query_pairs_mut().append_pair("destination", &self.destination);
        if !self.avoid.is_empty() {
            url.query_pairs_mut().append_pair("avoid", &self.avoid.join(","));
        }
        let mut request = client::for_url(&url)?.get(url.clone()).timeout(PATIENCE);
        if let Some(token) = std::env::var("RUTTER_TOKEN").ok().filter(|token| !token.is_empty()) {
            request = request.bearer_auth(token);
        }
        let mut response = request.send().await.with_context(|| format!("asking {url}"))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            anyhow::ensure!(body.len() + chunk.len() <= MAX_ANSWER, "the answer is too long");
            body.extend_from_slice(&chunk);
        }
        let answer: Value = serde_json::from_slice(&body)
            .with_context(|| format!("{url} answers {status}, and not in JSON"))?;
        // As the original has it: the JSON, whatever it says.
        output.write(&format!("{}\n", serde_json::to_string_pretty(&answer)?))?;
        if !status.is_success() || answer.get("status").and_then(Value::as_str) != Some("ok") {
            let message = answer.get("message").and_then(Value::as_str).unwrap_or("no message");
            bail!("there is no trace: {message} ({status})");
        }
        Ok(())
    }
}
