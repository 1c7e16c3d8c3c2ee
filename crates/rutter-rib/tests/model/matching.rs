//! Import, the model's way: every rule asked in order, every condition written out.

use rutter_rib::{Action, Match, Policy, PrefixMatch, Rules};
use rutter_route::{Attributes, Destination, Prefix, SourceId, SourceInfo, Tag, Tags};

/// What the lists make of a route.
pub struct Ruled {
    pub accepted: bool,
    pub approved_by: Option<String>,
}

pub fn import<D: Destination>(
    policy: &Policy,
    d: &D,
    source: &SourceId,
    info: &SourceInfo,
    attributes: &mut Attributes,
) -> Ruled {
    let own = policy.import_of.get(&source.to_string());
    let kind = policy.import_of.get(source.kind().as_str());
    let mut approved_by = None;
    for rules in own.into_iter().chain(kind).chain([&policy.import]) {
        let (ends, approves) = ask(rules, d, source, info, attributes);
        approved_by = approves.or(approved_by);
        if let Some(accepted) = ends {
            return Ruled { accepted, approved_by };
        }
    }
    Ruled { accepted: true, approved_by }
}

/// Asks one list: how it ends, and the last rule that approves.
pub fn ask<D: Destination>(
    rules: &Rules,
    d: &D,
    source: &SourceId,
    info: &SourceInfo,
    attributes: &mut Attributes,
) -> (Option<bool>, Option<String>) {
    let mut approved_by = None;
    for (at, rule) in rules.rules.iter().enumerate() {
        if !matches(&rule.matches, d, source, info, attributes) {
            continue;
        }
        let then = &rule.then;
        if let Some(n) = then.preference {
            attributes.preference = n;
        }
        if let Some(n) = then.priority {
            attributes.priority = n;
        }
        if let Some(n) = then.metric {
            attributes.metric = n;
        }
        if then.group.is_some() {
            attributes.group.clone_from(&then.group);
        }
        for tag in &then.remove_tags {
            attributes.tags.remove(tag);
        }
        for tag in &then.add_tags {
            attributes.tags.insert(tag.clone()).expect("few tags");
        }
        if then.approve {
            let number = format!("rule {}", at + 1);
            approved_by = Some(if rule.name.is_empty() { number } else { rule.name.clone() });
        }
        match then.action {
            Action::Accept => return (Some(true), approved_by),
            Action::Deny => return (Some(false), approved_by),
            Action::Next => {}
        }
    }
    let ends = match rules.default {
        Some(Action::Accept) => Some(true),
        Some(Action::Deny) => Some(false),
        _ => None,
    };
    (ends, approved_by)
}

pub fn matches<D: Destination>(
    m: &Match,
    d: &D,
    source: &SourceId,
    info: &SourceInfo,
    attributes: &Attributes,
) -> bool {
    let text = source.to_string();
    let source_ok = match &m.source {
        None => true,
        Some(pattern) if pattern.ends_with('*') => text.starts_with(&pattern[..pattern.len() - 1]),
        Some(pattern) => *pattern == text,
    };
    let kind_ok = m.kind.is_empty() || m.kind.contains(&source.kind());
    let owner_ok = m.owner.is_empty() || m.owner.iter().any(|o| info.owner.as_ref() == Some(o));
    let tags_ok = |all: &[Tag], any: &[Tag], none: &[Tag], tags: &Tags| {
        all.iter().all(|t| tags.contains(t))
            && (any.is_empty() || any.iter().any(|t| tags.contains(t)))
            && none.iter().all(|t| !tags.contains(t))
    };
    let prefix_ok = match (&m.prefix, d.as_prefix()) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(how), Some(p)) => prefix_matches(how, p),
    };
    let service_ok = match (&m.service_suffix, d.as_service()) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(suffix), Some(s)) => {
            let (name, suffix) = (s.name.as_str(), suffix.as_str());
            name == suffix || name.ends_with(&format!(".{suffix}"))
        }
    };
    let cluster_ok = m.cluster.is_empty() || d.as_cluster().is_some_and(|c| m.cluster.contains(c));
    let list_ok = m.path_list.as_ref().is_none_or(|p| {
        let steps = &attributes.path_list;
        steps.iter().any(|s| p.clusters.contains(&s.cluster))
            || steps.iter().any(|s| p.tables.contains(&s.table))
            || p.longer_than.is_some_and(|n| steps.len() > n)
    });
    let (s, t) = (&m.source_tags, &m.tags);
    source_ok
        && kind_ok
        && owner_ok
        && tags_ok(&s.all, &s.any, &s.none, &info.tags)
        && tags_ok(&t.all, &t.any, &t.none, &attributes.tags)
        && prefix_ok
        && service_ok
        && cluster_ok
        && list_ok
        && origin_ok(m, d, attributes)
        && m.hops_over.is_none_or(|n| attributes.hops > n)
        && m.unless.iter().all(|other| !matches(other, d, source, info, attributes))
}

fn origin_ok<D: Destination>(m: &Match, d: &D, attributes: &Attributes) -> bool {
    let first = attributes.path_list.first().map(|s| s.cluster.clone());
    let origin = first.or_else(|| d.as_cluster().cloned());
    let is_foreign = d.as_cluster().is_some() && d.as_cluster() != origin.as_ref();
    let origin_ok = m.origin.is_empty() || m.origin.iter().any(|o| Some(o) == origin.as_ref());
    origin_ok && m.foreign.is_none_or(|f| f == is_foreign)
}

fn prefix_matches(how: &PrefixMatch, p: &Prefix) -> bool {
    // Both ends of `inner` lie between both ends of `outer`.
    let inside = |outer: &Prefix, inner: &Prefix| {
        outer.is_v4() == inner.is_v4()
            && outer.address() <= inner.address()
            && inner.last_address() <= outer.last_address()
            && outer.length() <= inner.length()
    };
    match how {
        PrefixMatch::Exact(list) => list.iter().any(|q| q == p),
        PrefixMatch::OrLonger(list) => list.iter().any(|q| inside(q, p)),
        PrefixMatch::Range { within, from, to } => {
            inside(within, p) && *from <= p.length() && p.length() <= *to
        }
        PrefixMatch::Overlap(list) => list.iter().any(|q| inside(q, p) || inside(p, q)),
    }
}
