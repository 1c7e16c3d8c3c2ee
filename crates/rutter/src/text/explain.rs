//! The whole story of a destination, for people.
//!
//! First what is selected and why, then every candidate with what speaks for and against it, then
//! what happened, oldest first, each move with its cause; a cause that is an event of its own is
//! named by number. All that the API's answer holds is here: who reads this needs no JSON.

use std::fmt::{Display, Write};

use rutter_route::{
    Attributes, CandidateExplanation, Cause, Criterion, Event, Explanation, HealthCheck, Left,
    RouteKey, SourceKind, Standing, ViewExplanation, What,
};

use super::{clock, date, span};

/// The text.
pub(crate) fn render<D: Display>(told: &Explanation<D>) -> String {
    let mut out = String::new();
    // Writing to a string doesn't fail, here and below.
    let _ = writeln!(out, "{} in {}, at {} UTC", told.destination, told.table, date(told.at.0));
    for view in &told.views {
        selected(&mut out, view, told);
    }
    if let Some(dispute) = told.dispute() {
        let _ = writeln!(out, "\nIt doesn't come to rest: {dispute}");
    }
    let _ = writeln!(out, "\nCandidates");
    if told.candidates.is_empty() {
        let _ = writeln!(out, "  none");
    }
    for one in &told.candidates {
        candidate(&mut out, one, told.at.0);
    }
    if !told.events.is_empty() {
        let _ = writeln!(out, "\nWhat happened");
        told.events.iter().for_each(|e| event(&mut out, e));
    }
    if !told.sinks.is_empty() {
        let _ = writeln!(out, "\nWho was told");
    }
    for sink in &told.sinks {
        let told = match sink.told {
            Some(number) => format!("told last as number {number}"),
            None => "told nothing".to_owned(),
        };
        let behind = if sink.behind { ", has yet to be told more" } else { ", up to date" };
        let _ = write!(out, "  {}: {told}{behind}", sink.sink);
        if let Some(why) = &sink.refused {
            let _ = write!(out, "; it refused: {why}");
        }
        out.push('\n');
    }
    out
}

fn selected<D>(out: &mut String, view: &ViewExplanation, told: &Explanation<D>) {
    let name = match view.view.as_str() {
        "default" => String::new(),
        name => format!(" in view {name}"),
    };
    match (&view.best, view.unreachable) {
        (Some(best), _) => {
            let _ = writeln!(out, "  best{name}: {}", self::name(best));
        }
        (None, true) => {
            let _ = writeln!(out, "  best{name}: none: unreachable, all its routes are barred");
        }
        (None, false) => {
            let _ = writeln!(out, "  best{name}: none");
        }
    }
    for equal in &view.equals {
        let _ = writeln!(out, "  equal{name}: {}", self::name(equal));
    }
    for (n, alternate) in view.alternates.iter().enumerate() {
        let _ = write!(out, "  then{name}: {}", self::name(alternate));
        if let (0, Some(criterion)) = (n, view.decided_by) {
            let values = told.candidates.iter().find(|c| c.route == *alternate);
            let values = values.and_then(|c| c.lost_by.as_ref());
            let _ = match values {
                Some(lost) => write!(
                    out,
                    " (behind by {}: {} against {})",
                    word(criterion),
                    lost.mine,
                    lost.best
                ),
                None => write!(out, " (behind by {})", word(criterion)),
            };
        }
        out.push('\n');
    }
}

fn candidate(out: &mut String, one: &CandidateExplanation, now: u64) {
    let rank = one.rank.map_or_else(|| "-".to_owned(), |rank| format!("{rank}."));
    let _ = writeln!(out, "  {rank:<3} {}: {}", name(&one.route), one.standing);
    let mut line = |text: &str| {
        let _ = writeln!(out, "      {text}");
    };
    line(&attributes(&one.attributes));
    if let Some(received) = &one.received {
        line(&format!("received as {}", attributes(received)));
    }
    match &one.lost_by {
        Some(lost) => line(&format!(
            "lost by {}: {} against the best's {}",
            word(lost.criterion),
            lost.mine,
            lost.best
        )),
        None if one.standing.is_barred() => line("not ranked: it is barred"),
        None => {}
    }
    for fact in &one.facts {
        let until = fact.ends_in_ms.map(|ms| format!(", for {} more", span(ms)));
        let reason = if fact.reason.is_empty() { "no reason given" } else { &fact.reason };
        line(&format!("{}: {reason}{}", fact.fact, until.unwrap_or_default()));
    }
    let policy = &one.policy;
    let verdict = if policy.accepted { "accepted" } else { "denied" };
    let by = if policy.decided_by.is_empty() { "default" } else { &policy.decided_by };
    line(&format!("policy: {verdict} by {by}"));
    for rule in &policy.matched {
        line(&format!("  matched {rule}"));
    }
    if let Some(hop) = &one.next_hop {
        let through = hop.table.as_ref().map(|t| format!(" through {t}")).unwrap_or_default();
        match &hop.unresolved {
            None => line(&format!("next hop {} resolves{through}", hop.hop)),
            Some(why) => line(&format!("next hop {} doesn't resolve{through}: {why}", hop.hop)),
        }
        hop.chain.iter().for_each(|step| line(&format!("  {step}")));
    }
    one.observed.iter().for_each(|seen| line(&format!("seen by {seen}")));
    let lease = match one.lease_ms {
        Some(ms) => format!("its lease ends in {}", span(ms)),
        None => "no lease".to_owned(),
    };
    let since = span(now.saturating_sub(one.since.0));
    line(&format!("here since {} ({since}); {lease}", clock(one.since.0)));
}

fn attributes(of: &Attributes) -> String {
    let mut text = format!("via {}, preference {}", of.next_hop, of.preference);
    let _ = write!(text, ", priority {}", of.priority);
    for (name, value) in [
        ("metric", u64::from(of.metric)),
        ("hops", u64::from(of.hops)),
        ("latency in µs", u64::from(of.latency_us)),
        ("kbit/s", u64::from(of.bandwidth_kbps)),
        ("cost", u64::from(of.cost)),
    ] {
        if value != 0 {
            let _ = write!(text, ", {name} {value}");
        }
    }
    if of.reliability_ppm != 1_000_000 {
        let _ = write!(text, ", reliability {} ppm", of.reliability_ppm);
    }
    if of.weight != 1 {
        let _ = write!(text, ", weight {}", of.weight);
    }
    if let Some(group) = &of.group {
        let _ = write!(text, ", group {group}");
    }
    if !of.tags.is_empty() {
        let tags: Vec<_> = of.tags.iter().map(ToString::to_string).collect();
        let _ = write!(text, ", tags {}", tags.join(" "));
    }
    if let Some(HealthCheck { path, .. }) = &of.health_check {
        let _ = write!(text, ", health check {path}");
    }
    if !of.path_list.is_empty() {
        let steps = of.path_list.iter().map(|step| format!("{}:{}", step.cluster, step.table));
        let _ = write!(text, ", came through {}", steps.collect::<Vec<_>>().join(" "));
    }
    text
}

fn event<D: Display>(out: &mut String, event: &Event<D>) {
    let _ = write!(out, "  {}  #{:<4} {}", clock(event.at.0), event.number.0, what(&event.what));
    if let Some(cause) = &event.cause {
        let _ = write!(out, "; cause: {}", why(cause));
    }
    out.push('\n');
}

fn what(what: &What) -> String {
    let because = |why: &str| if why.is_empty() { String::new() } else { format!(": {why}") };
    match what {
        What::Source { source, state, why } => {
            format!("source {source} is {state}{}", because(why))
        }
        What::Advertised(route) => format!("{} was advertised", name(route)),
        What::Changed(route) => format!("{} changed its attributes", name(route)),
        What::Left(route, left) => format!("{} left: {}", name(route), left_word(*left)),
        What::Standing { route, from, to, why } => {
            format!("{}: {from} -> {to}{}", name(route), because(why))
        }
        What::Moved { from, to, decided_by, view } => {
            let view = view.as_ref().map(|v| format!(" in view {v}")).unwrap_or_default();
            let decided = decided_by.map(|c| format!(", decided by {}", word(c)));
            let decided = decided.unwrap_or_default();
            format!("MOVED{view}: {} -> {}{decided}", key(from.as_ref()), key(to.as_ref()))
        }
        What::Decided { source, path, decision, by, why } => {
            let path = path.as_ref().map(|path| format!(" {path}")).unwrap_or_default();
            format!("{by} decided on {source}{path}: {decision}{}", because(why))
        }
        What::NextHop { hop, unresolved: None } => format!("next hop {hop} can be reached"),
        What::NextHop { hop, unresolved: Some(why) } => {
            format!("next hop {hop} can't be reached: {why}")
        }
        What::Policy => "the policy changed".to_owned(),
    }
}

fn key(route: Option<&RouteKey>) -> String {
    route.map_or_else(|| "nothing".to_owned(), name)
}

/// What a route is called. In a gateway's table every route is its controller's, and the path id
/// holds whose it was there: that is who people know.
pub(crate) fn name(route: &RouteKey) -> String {
    let claim = match route.source.kind() {
        SourceKind::Controller => rutter_gateway::claim_of(&route.path),
        _ => None,
    };
    claim.map_or_else(|| route.to_string(), |claim| claim.to_string())
}

fn left_word(left: Left) -> &'static str {
    match left {
        Left::Withdrawn => "its source withdrew it",
        Left::Swept => "its source's refresh ended without it",
        Left::LeaseEnded => "its lease ended",
        Left::SourceGone => "its source is gone",
        Left::Evicted => "there was no room for all, and it ranked last",
        Left::Loop => "its path list names this table",
    }
}

fn why(cause: &Cause) -> String {
    match cause {
        Cause::Advertised => "a route came or changed".to_owned(),
        Cause::Left(left) => format!("a route left ({})", left_word(*left)),
        Cause::Source(event) => format!("the source's state (#{})", event.0),
        Cause::Decision(event) => format!("a decision (#{})", event.0),
        Cause::Health => "a health verdict".to_owned(),
        Cause::NextHop(event) => format!("a next hop (#{})", event.0),
        Cause::Held => "a hold began or ended".to_owned(),
        Cause::Policy(event) => format!("the policy (#{})", event.0),
        Cause::Nominated => "a nominated incumbent".to_owned(),
        Cause::View => "the view changed".to_owned(),
    }
}

/// A criterion as the configuration spells it.
pub(crate) fn word(criterion: Criterion) -> String {
    // A unit variant, so JSON has it as a text.
    match serde_json::to_value(criterion) {
        Ok(serde_json::Value::String(word)) => word,
        _ => format!("{criterion:?}"),
    }
}

/// A standing and whether it is worth a second look.
pub(crate) fn standing(standing: Standing, best: bool) -> String {
    if best { format!("{standing}, best") } else { standing.to_string() }
}

#[cfg(test)]
mod tests;
