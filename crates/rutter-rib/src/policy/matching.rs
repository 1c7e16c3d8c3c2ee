//! What a rule or a view matches on.

use rutter_route::{
    Attributes, ClusterId, Destination, DestinationKind, OwnerId, Prefix, ServiceName, SourceKind,
    TableName, Tag, Tags,
};
use serde::{Deserialize, Serialize};

use super::PolicyError;
use super::rules::Subject;

/// Conditions, all of which must hold; one left out holds always.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// The source, `KIND/NAME`; a `*` at the end stands for anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// One of these kinds of source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kind: Vec<SourceKind>,
    /// One of these owners.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owner: Vec<OwnerId>,
    /// The source's tags.
    #[serde(skip_serializing_if = "TagMatch::is_any")]
    pub source_tags: TagMatch,
    /// The prefix; a destination that isn't one doesn't match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<PrefixMatch>,
    /// The service is this name or lies under it; a destination that isn't one doesn't match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_suffix: Option<ServiceName>,
    /// One of these clusters; a destination that isn't one doesn't match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster: Vec<ClusterId>,
    /// The next hop's address lies in one of these; a next hop without an address doesn't match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub next_hop: Vec<Prefix>,
    /// The route's tags.
    #[serde(skip_serializing_if = "TagMatch::is_any")]
    pub tags: TagMatch,
    /// The path list names one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_list: Option<PathListMatch>,
    /// The path comes from one of these: the first step of the path list, or, where there is none,
    /// the cluster that is the destination.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub origin: Vec<ClusterId>,
    /// The destination is a cluster other than the one that the path comes from; `false`: it is
    /// none such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub foreign: Option<bool>,
    /// The path has more hops than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hops_over: Option<u16>,
    /// None of these matches. They hold no `unless` of their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<Match>,
}

/// Tags that must or must not be there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TagMatch {
    /// All of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub all: Vec<Tag>,
    /// At least one of these, if any is named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<Tag>,
    /// None of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub none: Vec<Tag>,
}

impl TagMatch {
    fn is_any(&self) -> bool {
        self.all.is_empty() && self.any.is_empty() && self.none.is_empty()
    }

    fn matches(&self, tags: &Tags) -> bool {
        self.all.iter().all(|t| tags.contains(t))
            && (self.any.is_empty() || self.any.iter().any(|t| tags.contains(t)))
            && !self.none.iter().any(|t| tags.contains(t))
    }
}

/// How a prefix is matched; one of several named prefixes suffices.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PrefixMatch {
    /// It is one of these.
    Exact(Vec<Prefix>),
    /// It is one of these or lies in one.
    OrLonger(Vec<Prefix>),
    /// It lies in `within` and its length is in `from..=to`.
    Range {
        /// Where it lies.
        within: Prefix,
        /// The least length.
        from: u8,
        /// The greatest length.
        to: u8,
    },
    /// It shares an address with one of these.
    Overlap(Vec<Prefix>),
}

impl PrefixMatch {
    fn matches(&self, prefix: &Prefix) -> bool {
        match self {
            Self::Exact(list) => list.contains(prefix),
            Self::OrLonger(list) => list.iter().any(|p| p.contains(prefix)),
            Self::Range { within, from, to } => {
                within.contains(prefix) && (*from..=*to).contains(&prefix.length())
            }
            Self::Overlap(list) => list.iter().any(|p| p.overlaps(prefix)),
        }
    }
}

/// Steps of the path list, any of which suffices.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PathListMatch {
    /// It names one of these clusters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<ClusterId>,
    /// It names one of these tables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableName>,
    /// It is longer than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longer_than: Option<usize>,
}

impl PathListMatch {
    fn matches(&self, attributes: &Attributes) -> bool {
        let list = &attributes.path_list;
        list.iter().any(|s| self.clusters.contains(&s.cluster) || self.tables.contains(&s.table))
            || self.longer_than.is_some_and(|n| list.len() > n)
    }
}

impl Match {
    /// Whether every condition holds.
    pub(crate) fn matches<D: Destination>(
        &self,
        subject: &Subject<'_, D>,
        attributes: &Attributes,
    ) -> bool {
        self.source.as_ref().is_none_or(|s| source_matches(s, &subject.source.to_string()))
            && (self.kind.is_empty() || self.kind.contains(&subject.source.kind()))
            && (self.owner.is_empty()
                || subject.info.owner.as_ref().is_some_and(|o| self.owner.contains(o)))
            && self.source_tags.matches(&subject.info.tags)
            && self.destination_matches(subject.destination)
            && self.next_hop_matches(attributes)
            && self.tags.matches(&attributes.tags)
            && self.path_list.as_ref().is_none_or(|p| p.matches(attributes))
            && self.origin_matches(subject.destination, attributes)
            && self.hops_over.is_none_or(|n| attributes.hops > n)
            && !self.unless.iter().any(|other| other.matches(subject, attributes))
    }

    /// Whether it may match one destination of a kind and not another, with the same attributes.
    pub(crate) fn asks_destination(&self, kind: DestinationKind, attributes: &Attributes) -> bool {
        let is_cluster = kind == DestinationKind::Cluster;
        let names_origin = !self.origin.is_empty() && attributes.path_list.is_empty();
        self.prefix.is_some()
            || self.service_suffix.is_some()
            || !self.cluster.is_empty()
            || (is_cluster && (self.foreign.is_some() || names_origin))
            || self.unless.iter().any(|other| other.asks_destination(kind, attributes))
    }

    fn origin_matches<D: Destination>(&self, destination: &D, attributes: &Attributes) -> bool {
        if self.origin.is_empty() && self.foreign.is_none() {
            return true;
        }
        let cluster = destination.as_cluster();
        let origin = attributes.path_list.first().map(|step| &step.cluster).or(cluster);
        let foreign = cluster.is_some_and(|cluster| origin != Some(cluster));
        (self.origin.is_empty() || origin.is_some_and(|o| self.origin.contains(o)))
            && self.foreign.is_none_or(|wanted| wanted == foreign)
    }

    fn destination_matches<D: Destination>(&self, destination: &D) -> bool {
        let prefix = |m: &PrefixMatch| destination.as_prefix().is_some_and(|p| m.matches(p));
        let service = |suffix: &ServiceName| {
            destination.as_service().is_some_and(|s| s.name.is_under(suffix.as_str()))
        };
        self.prefix.as_ref().is_none_or(prefix)
            && self.service_suffix.as_ref().is_none_or(service)
            && (self.cluster.is_empty()
                || destination.as_cluster().is_some_and(|c| self.cluster.contains(c)))
    }

    fn next_hop_matches(&self, attributes: &Attributes) -> bool {
        let lies_in_one = |address| self.next_hop.iter().any(|p| p.contains_address(address));
        self.next_hop.is_empty() || attributes.next_hop.address().is_some_and(lies_in_one)
    }

    pub(super) fn check(&self, at: &str) -> Result<(), PolicyError> {
        if let Some(source) = &self.source {
            let stem = source.strip_suffix('*').unwrap_or(source);
            if stem.contains('*') {
                let why = "a `*` stands at the end only";
                return Err(PolicyError::new(&format!("{at}.source"), why));
            }
        }
        if let Some(PrefixMatch::Range { within, from, to }) = &self.prefix {
            let longest = if within.is_v4() { 32 } else { 128 };
            if from > to || *from < within.length() || *to > longest {
                let why = format!("expected {} <= from <= to <= {longest}", within.length());
                return Err(PolicyError::new(&format!("{at}.prefix.range"), why));
            }
        }
        for (n, other) in self.unless.iter().enumerate() {
            let at = format!("{at}.unless[{n}]");
            if !other.unless.is_empty() {
                return Err(PolicyError::new(&at, "an `unless` holds none of its own"));
            }
            other.check(&at)?;
        }
        Ok(())
    }
}

fn source_matches(pattern: &str, source: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(stem) => source.starts_with(stem),
        None => pattern == source,
    }
}
