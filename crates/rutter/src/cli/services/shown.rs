//! Services and providers for people.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use super::api::{Event, Health, HealthOf, Provider, Service, Uptime};
use crate::text;

/// One a line.
pub(super) fn services(services: &[Service]) -> String {
    if services.is_empty() {
        return "none: `rutter providers list` says who is heard\n".to_owned();
    }
    let row = |service: &Service| {
        vec![
            service.destination.clone().unwrap_or_else(|| service.name.clone()),
            service.provider.clone(),
            leads_to(service),
            service.state.clone(),
            service.health.status.clone(),
            service.reason(),
        ]
    };
    let headings = ["service", "provider", "leads to", "state", "health", "why"];
    text::table(&headings, services.iter().map(row).collect())
}

fn leads_to(service: &Service) -> String {
    match (&service.target, service.members.len()) {
        (Some(target), _) => target.clone(),
        (None, 0) => "-".to_owned(),
        (None, n) => format!("{n} in turn"),
    }
}

/// Each with all there is to say of it.
pub(super) fn service(services: &[Service]) -> String {
    services.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn one(service: &Service) -> String {
    let mut out = format!("{} ({})\n", service.key, service.state);
    let mut line = |name: &str, value: &str| {
        // It never fails on a string.
        let _: std::fmt::Result = writeln!(out, "  {name}: {value}");
    };
    line("asked for as", service.destination.as_deref().unwrap_or("-"));
    if let Some(target) = &service.target {
        line("leads to", target);
    }
    if let Some(link) = &service.link {
        line("member of", link);
    }
    if !service.members.is_empty() {
        line("members", &service.members.join(" "));
    }
    if let Some(container) = &service.container {
        line("container", container);
    }
    for why in &service.why {
        line("why", why);
    }
    let health = &service.health;
    line("health", &health.status);
    if health.uptime_ms > 0 {
        line("well for", &text::span(health.uptime_ms));
    }
    if health.latency_us > 0 {
        line("a probe takes", &milliseconds(health.latency_us * 1000));
    }
    if !health.detail.is_empty() {
        line("seen", &health.detail);
    }
    if let Some(at) = health.last_seen_ms {
        line("last well", &text::date(at));
    }
    for uptime in service.uptime.iter().filter(|uptime| !uptime.statuses.is_empty()) {
        line(&format!("over {}", uptime.period), &was(uptime));
    }
    out
}

fn was(uptime: &Uptime) -> String {
    let percent = |part: f64| format!("{:.1}%", part * 100.0);
    format!(
        "{} well, {} not, {} a probe",
        percent(uptime.uptime),
        percent(uptime.downtime),
        milliseconds(uptime.average_latency_us * 1000)
    )
}

/// One a line.
pub(super) fn health(health: &Health) -> String {
    if health.is_empty() {
        return "no services\n".to_owned();
    }
    let row = |(name, of): (&String, &HealthOf)| match of {
        HealthOf::Status(status) => vec![name.clone(), status.clone()],
        HealthOf::Full { status, uptime, latency, detail, .. } => {
            let (uptime, latency) = (text::span(uptime / 1_000_000), milliseconds(*latency));
            let mut row = vec![name.clone(), status.clone(), uptime, latency];
            row.extend(detail.clone());
            row
        }
    };
    let headings = ["service", "status", "well for", "probe", "seen"];
    let rows: Vec<Vec<String>> = health.iter().map(row).collect();
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    text::table(headings.get(..n_columns).unwrap_or(&headings), rows)
}

/// One a line, and below it what its writer may not expect.
pub(super) fn providers(providers: &[Provider]) -> String {
    if providers.is_empty() {
        return "none: write `providers:` in the file\n".to_owned();
    }
    let row = |provider: &Provider| {
        let n = |number: usize| number.to_string();
        vec![
            provider.name.clone(),
            provider.kind.clone(),
            provider.state.clone(),
            n(provider.routes),
            n(provider.denied),
            n(provider.refused),
            n(provider.excluded),
            provider.why.clone().unwrap_or_default(),
        ]
    };
    let headings = ["provider", "kind", "state", "routes", "denied", "refused", "excluded", "why"];
    let mut out = text::table(&headings, providers.iter().map(row).collect());
    for provider in providers {
        for remark in &provider.remarks {
            out.push_str(&format!("{}: {remark}\n", provider.name));
        }
    }
    out
}

/// One a line, the oldest first.
pub(super) fn events(events: &[Event]) -> String {
    if events.is_empty() {
        return "nothing has happened yet\n".to_owned();
    }
    let row = |event: &Event| {
        vec![
            text::date(event.at_ms),
            event.what.clone(),
            event.key.clone().unwrap_or_else(|| event.provider.clone()),
            event.detail.clone(),
        ]
    };
    text::table(&["at", "what", "of", "seen"], events.iter().map(row).collect())
}

/// Nanoseconds, for people.
fn milliseconds(nanoseconds: u64) -> String {
    match nanoseconds {
        0 => "-".to_owned(),
        nanoseconds => format!("{:.1}ms", nanoseconds as f64 / 1e6),
    }
}
