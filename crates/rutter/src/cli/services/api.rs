//! What the API says of services.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::PAGE;
use crate::client::Client;

/// A service.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Service {
    pub(super) key: String,
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) alias: Option<String>,
    pub(super) provider: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) container: Option<String>,
    pub(super) pool: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) destination: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) link: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) members: Vec<String>,
    pub(super) state: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) why: Vec<String>,
    pub(super) health: ServiceHealth,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) uptime: Vec<Uptime>,
}

/// How a service is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ServiceHealth {
    pub(super) status: String,
    pub(super) uptime_ms: u64,
    pub(super) latency_us: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) detail: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_seen_ms: Option<u64>,
}

/// How a service was over a period.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Uptime {
    pub(super) period: String,
    pub(super) uptime: f64,
    pub(super) downtime: f64,
    pub(super) average_latency_us: u64,
    #[serde(default)]
    pub(super) statuses: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Page {
    services: Vec<Service>,
    next: Option<String>,
}

/// What is known by a name.
#[derive(Debug, Deserialize)]
pub(super) struct OfName {
    pub(super) services: Vec<Service>,
}

/// Health by name, in whichever form; durations are nanoseconds.
pub(super) type Health = BTreeMap<String, HealthOf>;

/// Of one service.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum HealthOf {
    Status(String),
    Full {
        status: String,
        uptime: u64,
        latency: u64,
        sleep_in: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
}

/// The providers.
#[derive(Debug, Deserialize)]
pub(super) struct Providers {
    pub(super) providers: Vec<Provider>,
}

/// A provider.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Provider {
    pub(super) name: String,
    pub(super) short_name: String,
    pub(super) kind: String,
    pub(super) state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
    pub(super) routes: usize,
    pub(super) denied: usize,
    pub(super) refused: usize,
    pub(super) excluded: usize,
    pub(super) not_taken: usize,
    pub(super) remarks: Vec<String>,
}

/// Something that happened.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) number: u64,
    pub(super) at_ms: u64,
    pub(super) what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    pub(super) provider: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) detail: String,
}

#[derive(Debug, Deserialize)]
struct Events {
    events: Vec<Event>,
}

/// All services for which the query asks, page by page.
pub(super) async fn services(
    client: &Client,
    query: &[(&'static str, String)],
) -> anyhow::Result<Vec<Service>> {
    let (mut all, mut after): (Vec<Service>, Option<String>) = (Vec::new(), None);
    loop {
        let mut asked: Vec<(&str, &str)> =
            query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        asked.push(("limit", PAGE));
        asked.extend(after.as_deref().map(|after| ("after", after)));
        let page: Page = client.get(&["v1", "services"], &asked).await?;
        all.extend(page.services);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(all),
        }
    }
}

/// What happened last.
pub(super) async fn events(client: &Client) -> anyhow::Result<Vec<Event>> {
    let answer: Events = client.get(&["v1", "events"], &[]).await?;
    Ok(answer.events)
}
