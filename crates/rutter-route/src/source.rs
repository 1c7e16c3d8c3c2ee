//! Who says so: sources, their sessions and what is known of them.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::parse::{name_type, serde_by_text};
use crate::{ClusterId, ParseError, Prefix, Priority, ServiceName, TableName, Tags};

/// What kind of thing a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// A node of the mesh.
    Node,
    /// An agent beside a workload: a direct route.
    Agent,
    /// A tunnel's client or provider.
    Tunnel,
    /// A peer of an overlay.
    Peer,
    /// A neighbour of the fabric.
    Neighbour,
    /// A provider: files, container labels.
    Provider,
    /// A person.
    Operator,
    /// The kernel's own routes.
    Kernel,
    /// Another table of this book.
    Table,
    /// A controller that feeds a gateway.
    Controller,
}

impl SourceKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Node,
        Self::Agent,
        Self::Tunnel,
        Self::Peer,
        Self::Neighbour,
        Self::Provider,
        Self::Operator,
        Self::Kernel,
        Self::Table,
        Self::Controller,
    ];

    /// The kind as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Agent => "agent",
            Self::Tunnel => "tunnel",
            Self::Peer => "peer",
            Self::Neighbour => "neighbour",
            Self::Provider => "provider",
            Self::Operator => "operator",
            Self::Kernel => "kernel",
            Self::Table => "table",
            Self::Controller => "controller",
        }
    }
}

impl FromStr for SourceKind {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let kind = Self::ALL.into_iter().find(|k| k.as_str() == text);
        kind.ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            ParseError::new("kind of source", text, format!("one of {all}"))
        })
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A source's lasting value, `KIND/NAME`, such as `agent/alice` or `node/12`.
///
/// It is what selection compares last, so its order is the same on every machine: by kind, then
/// by name, where names that are plain numbers compare as numbers and stand before the others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceId {
    kind: SourceKind,
    name: SmolStr,
}

impl SourceId {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 512;

    /// A source of a kind.
    ///
    /// # Errors
    /// A name that is empty, over 512 bytes or has control characters.
    pub fn new(kind: SourceKind, name: &str) -> Result<Self, ParseError> {
        if name.is_empty() || name.len() > Self::MAX_LEN || name.chars().any(char::is_control) {
            return Err(ParseError::new(
                "source name",
                name,
                "1 to 512 bytes without control characters",
            ));
        }
        Ok(Self { kind, name: name.into() })
    }

    /// A node, by its number.
    pub fn node(number: u64) -> Self {
        Self { kind: SourceKind::Node, name: smol_str::format_smolstr!("{number}") }
    }

    /// A table as the source of another; a table's name is made of what a source's may hold.
    pub fn table(table: &TableName) -> Self {
        Self { kind: SourceKind::Table, name: table.as_str().into() }
    }

    /// What kind of thing it is.
    pub fn kind(&self) -> SourceKind {
        self.kind
    }

    /// The name, without the kind.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn number(&self) -> Option<u64> {
        let plain = !self.name.starts_with('0') || self.name.len() == 1;
        if plain && self.name.bytes().all(|b| b.is_ascii_digit()) {
            return self.name.parse().ok();
        }
        None
    }
}

impl Ord for SourceId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.kind.cmp(&other.kind).then_with(|| match (self.number(), other.number()) {
            (Some(a), Some(b)) => a.cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => self.name.cmp(&other.name),
        })
    }
}

impl PartialOrd for SourceId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for SourceId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new("source", text, "`KIND/NAME`, such as `agent/alice`");
        let (kind, name) = text.split_once('/').ok_or_else(error)?;
        Self::new(kind.parse()?, name)
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

serde_by_text!(SourceId);

name_type! {
    /// Who owns a source: the unit in which bounds are counted beside the source itself.
    OwnerId, "owner", 1500, "-_.:@/+=|~!$&'()*,;%# "
}

/// Counts the lives of a source; given by the accepting end, rising also across restarts.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Incarnation(pub u64);

/// One life of a source. What an older one says is refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Session {
    /// Whose life.
    pub source: SourceId,
    /// Which one.
    pub incarnation: Incarnation,
}

/// What a credential lets its holder announce. `None` in a field means: anything. It is part of
/// import policy, so `explain` names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// What people call it, such as a token's name.
    pub name: String,
    /// Prefixes in which every announced prefix must lie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefixes: Option<Vec<Prefix>>,
    /// Names of which every announced service must be one, or lie under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<ServiceName>>,
    /// Clusters that may be announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clusters: Option<Vec<ClusterId>>,
    /// The least and the greatest priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priorities: Option<(Priority, Priority)>,
}

/// What is known of a source that is up: what policy matches on, and what bounds count by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct SourceInfo {
    /// Who owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<OwnerId>,
    /// Its own tags, apart from its routes'.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// What it showed to be let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// How long its claims stand unless renewed; `None`: as long as the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Duration>,
}

/// What became of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// It is here.
    Up(SourceInfo),
    /// It is here, and asks that its routes be used last.
    Draining,
    /// Its session is lost: its routes are barred, none is withdrawn.
    Offline {
        /// What was seen.
        why: String,
    },
    /// Its session is lost, and it announced a graceful restart (RFC 4724): its routes are
    /// `Stale` for so long, and withdrawn then.
    KeepStale {
        /// How long they may still be used.
        for_: Duration,
    },
    /// It is gone for good: all its routes are withdrawn.
    Gone,
}
