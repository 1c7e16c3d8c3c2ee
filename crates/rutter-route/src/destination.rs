//! Destinations of any kind.

use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{ClusterId, Credential, ParseError, Prefix, Service};

/// Which kind of destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DestinationKind {
    /// IP prefixes.
    Prefix,
    /// Services.
    Service,
    /// Clusters.
    Cluster,
}

/// What a table is generic over.
///
/// `Ord` gives listings their order; the default methods answer the questions of policy and
/// longest match that only some kinds have an answer to.
pub trait Destination:
    Clone + Eq + Ord + Hash + Debug + Display + FromStr<Err = ParseError> + 'static
{
    /// Which kind it is.
    const KIND: DestinationKind;

    /// As any destination.
    fn to_any(&self) -> AnyDestination;

    /// From any destination, if it is of this kind.
    fn from_any(any: &AnyDestination) -> Option<Self>;

    /// The prefix, if it is one.
    fn as_prefix(&self) -> Option<&Prefix> {
        None
    }

    /// The service, if it is one.
    fn as_service(&self) -> Option<&Service> {
        None
    }

    /// The cluster, if it is one.
    fn as_cluster(&self) -> Option<&ClusterId> {
        None
    }

    /// From a prefix, if that is what this kind is: what longest match builds its probes with.
    fn from_prefix(_: Prefix) -> Option<Self> {
        None
    }

    /// Whether the credential lets its holder announce this destination.
    fn allowed_by(&self, credential: &Credential) -> bool;
}

/// A destination of any kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnyDestination {
    /// An IP prefix.
    Prefix(Prefix),
    /// A service.
    Service(Service),
    /// A cluster.
    Cluster(ClusterId),
}

impl AnyDestination {
    /// Of which kind it is.
    #[inline]
    pub fn kind(&self) -> DestinationKind {
        match self {
            Self::Prefix(_) => DestinationKind::Prefix,
            Self::Service(_) => DestinationKind::Service,
            Self::Cluster(_) => DestinationKind::Cluster,
        }
    }
}

impl std::fmt::Display for AnyDestination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Prefix(p) => Display::fmt(p, f),
            Self::Service(s) => Display::fmt(s, f),
            Self::Cluster(c) => Display::fmt(c, f),
        }
    }
}

impl Destination for Prefix {
    const KIND: DestinationKind = DestinationKind::Prefix;

    fn to_any(&self) -> AnyDestination {
        AnyDestination::Prefix(*self)
    }

    fn from_any(any: &AnyDestination) -> Option<Self> {
        match any {
            AnyDestination::Prefix(p) => Some(*p),
            _ => None,
        }
    }

    fn as_prefix(&self) -> Option<&Prefix> {
        Some(self)
    }

    fn from_prefix(prefix: Prefix) -> Option<Self> {
        Some(prefix)
    }

    fn allowed_by(&self, credential: &Credential) -> bool {
        credential.prefixes.as_ref().is_none_or(|list| list.iter().any(|p| p.contains(self)))
    }
}

impl Destination for Service {
    const KIND: DestinationKind = DestinationKind::Service;

    fn to_any(&self) -> AnyDestination {
        AnyDestination::Service(self.clone())
    }

    fn from_any(any: &AnyDestination) -> Option<Self> {
        match any {
            AnyDestination::Service(p) => Some(p.clone()),
            _ => None,
        }
    }

    fn as_service(&self) -> Option<&Service> {
        Some(self)
    }

    fn allowed_by(&self, credential: &Credential) -> bool {
        let under = |list: &Vec<crate::ServiceName>| {
            list.iter().any(|suffix| self.name.is_under(suffix.as_str()))
        };
        credential.services.as_ref().is_none_or(under)
    }
}

impl Destination for ClusterId {
    const KIND: DestinationKind = DestinationKind::Cluster;

    fn to_any(&self) -> AnyDestination {
        AnyDestination::Cluster(self.clone())
    }

    fn from_any(any: &AnyDestination) -> Option<Self> {
        match any {
            AnyDestination::Cluster(p) => Some(p.clone()),
            _ => None,
        }
    }

    fn as_cluster(&self) -> Option<&ClusterId> {
        Some(self)
    }

    fn allowed_by(&self, credential: &Credential) -> bool {
        credential.clusters.as_ref().is_none_or(|list| list.contains(self))
    }
}
