//! A path's attributes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::parse::name_type;
use crate::{Delivery, NextHop, ParseError, PathList, Priority};

/// The preference of a route about which nobody said anything.
pub const DEFAULT_PREFERENCE: u32 = 100;

/// The longest path list, in steps.
pub const MAX_PATH_LIST: usize = 255;

/// The most tags that one route may carry.
pub const MAX_TAGS: usize = 64;

name_type! {
    /// A tag: a word that policy matches on.
    Tag, "tag", 128, "-_.:/@="
}

name_type! {
    /// The name of a load-balancing link or of an ECMP set: routes are equals only if they name
    /// one group.
    Group, "group", 128, "-_.:/@"
}

/// A sorted set of tags, [`MAX_TAGS`] at most.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<Tag>", into = "Vec<Tag>")]
pub struct Tags(Vec<Tag>);

impl Tags {
    /// The tags in order.
    pub fn iter(&self) -> impl Iterator<Item = &Tag> {
        self.0.iter()
    }

    /// Whether the tag is there.
    pub fn contains(&self, tag: &Tag) -> bool {
        self.0.binary_search(tag).is_ok()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a tag.
    ///
    /// # Errors
    /// When [`MAX_TAGS`] are there already.
    pub fn insert(&mut self, tag: Tag) -> Result<(), ParseError> {
        let Err(at) = self.0.binary_search(&tag) else {
            return Ok(());
        };
        if self.0.len() >= MAX_TAGS {
            return Err(ParseError::new("tag", tag.as_str(), "a route carries at most 64 tags"));
        }
        self.0.insert(at, tag);
        Ok(())
    }

    /// Removes a tag.
    pub fn remove(&mut self, tag: &Tag) {
        self.0.retain(|t| t != tag);
    }
}

impl TryFrom<Vec<Tag>> for Tags {
    type Error = ParseError;

    fn try_from(mut tags: Vec<Tag>) -> Result<Self, ParseError> {
        tags.sort();
        tags.dedup();
        if tags.len() > MAX_TAGS {
            let n = tags.len().to_string();
            return Err(ParseError::new("set of tags", &n, "a route carries at most 64 tags"));
        }
        Ok(Self(tags))
    }
}

impl From<Tags> for Vec<Tag> {
    fn from(tags: Tags) -> Self {
        tags.0
    }
}

/// How the gateway asks whether an endpoint is well: `HEAD` of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// The path, beginning with `/`.
    pub path: String,
    /// The `Host` to ask for; without it, the service's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// What a route says of its path. A table interns it: a million routes share a handful.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attributes {
    /// The next hop.
    pub next_hop: NextHop,
    /// Local preference: higher first, [`DEFAULT_PREFERENCE`] unless said.
    #[serde(default = "default_preference", skip_serializing_if = "is_default_preference")]
    pub preference: u32,
    /// Order among a service's routes: lower first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub priority: Priority,
    /// A prefix's metric: lower first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub metric: u32,
    /// How many clusters lie between: lower first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hops: u16,
    /// Latency in microseconds: lower first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub latency_us: u32,
    /// Bandwidth in kbit/s, 0 if not known.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bandwidth_kbps: u32,
    /// Reliability in parts per million: higher first.
    #[serde(default = "full_reliability", skip_serializing_if = "is_full_reliability")]
    pub reliability_ppm: u32,
    /// Cost in any unit that the fabric agrees on: lower first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cost: u32,
    /// Share of the traffic among equals; the sink's business.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: u16,
    /// The group in which this route may be an equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// Words that policy matches on.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// How the gateway asks whether the endpoint is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// How a gateway passes on what it is asked, beyond where to; `None`: in the plain way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Arc<Delivery>>,
    /// The tables the route came through, first step first.
    #[serde(default, skip_serializing_if = "path_list_is_empty")]
    pub path_list: PathList,
}

impl Attributes {
    /// Attributes with nothing said but the next hop.
    pub fn via(next_hop: NextHop) -> Self {
        Self {
            next_hop,
            preference: DEFAULT_PREFERENCE,
            priority: Priority::default(),
            metric: 0,
            hops: 0,
            latency_us: 0,
            bandwidth_kbps: 0,
            reliability_ppm: full_reliability(),
            cost: 0,
            weight: 1,
            group: None,
            tags: Tags::default(),
            health_check: None,
            delivery: None,
            path_list: PathList::default(),
        }
    }
}

fn path_list_is_empty(list: &PathList) -> bool {
    list.is_empty()
}

fn default_preference() -> u32 {
    DEFAULT_PREFERENCE
}

fn is_default_preference(value: &u32) -> bool {
    *value == DEFAULT_PREFERENCE
}

fn full_reliability() -> u32 {
    1_000_000
}

fn is_full_reliability(value: &u32) -> bool {
    *value == full_reliability()
}

fn one() -> u16 {
    1
}

fn is_one(value: &u16) -> bool {
    *value == 1
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
