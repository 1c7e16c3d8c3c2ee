//! Short links: `http://go/app/page` leads to where `app` is.

use std::collections::{BTreeMap, BTreeSet};

use rutter_route::ServiceName;

use crate::Alias;

/// What short links lead to: GoDoxy's (its entrypoint's short links), asked when a host has no
/// route and is [`Self::HOST`]. Wildcards lead nowhere.
#[derive(Debug, Clone, Default)]
pub struct ShortLinks {
    /// Aliases without a dot, found under the suffix.
    labels: BTreeSet<ServiceName>,
    /// Aliases that are full names.
    full: BTreeSet<ServiceName>,
    /// The first full name, in order, with this first label.
    by_label: BTreeMap<String, ServiceName>,
    suffix: Option<ServiceName>,
}

/// Where a short link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShortLink {
    /// There, by a redirect that keeps the method (307).
    To(String),
    /// It names nothing (400).
    NoKey,
    /// Nobody has that name (404).
    Unknown,
}

impl ShortLinks {
    /// The host that short links are asked of, unless it is set otherwise.
    pub const HOST: &'static str = "go";

    /// Short links to these aliases. A name without a dot is found under `suffix`: the domain of
    /// the certificate, else the first of `match_domains`.
    pub fn new<'a>(
        aliases: impl IntoIterator<Item = &'a Alias>,
        suffix: Option<ServiceName>,
    ) -> Self {
        let mut links = Self { suffix, ..Self::default() };
        for alias in aliases {
            match alias {
                Alias::Name(name) if alias.is_full() => links.full.insert(name.clone()),
                Alias::Name(name) => links.labels.insert(name.clone()),
                Alias::Under(_) => continue,
            };
        }
        for name in &links.full {
            let label = name.as_str().split('.').next().unwrap_or_default();
            links.by_label.entry(label.to_owned()).or_insert_with(|| name.clone());
        }
        links
    }

    /// Where a request's path and query lead.
    pub fn leads(&self, path_and_query: &str) -> ShortLink {
        let asked = path_and_query.strip_prefix('/').unwrap_or(path_and_query);
        let key = asked.split(['/', '?']).next().unwrap_or_default();
        if key.is_empty() {
            return ShortLink::NoKey;
        }
        let Some(host) = key.parse().ok().and_then(|key| self.host(&key)) else {
            return ShortLink::Unknown;
        };
        let rest = asked.get(key.len()..).unwrap_or_default();
        let slash = if rest.starts_with('/') { "" } else { "/" };
        ShortLink::To(format!("https://{host}{slash}{rest}"))
    }

    fn host(&self, key: &ServiceName) -> Option<String> {
        if key.as_str().contains('.') {
            return self.full.get(key).map(ToString::to_string);
        }
        if self.labels.contains(key) {
            return self.suffix.as_ref().map(|suffix| format!("{key}.{suffix}"));
        }
        self.by_label.get(key.as_str()).map(ToString::to_string)
    }
}
