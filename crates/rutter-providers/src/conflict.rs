//! Several providers want one alias: who has it.
//!
//! A pure function of the claims, whatever order they come in: the strongest claim first takes all
//! its places; a weaker one that needs a place that is taken has none and is told by whom. So
//! there is no race (the original prefers the newest, which is one), and when the winner ends the
//! next one has it, by the same function.
//!
//! Stronger is, in this order: what is built in; what a file says over what a container's labels
//! do; the provider that stands first in the configuration; the smaller identity. Health is no
//! part of it: a loser is `Denied`, so that no failure ever sends one app's requests to another.
//!
//! A refused route claims as any other, and what it is granted nobody serves: otherwise a file's
//! route that is refused because it asks for protection would leave its alias to a container that
//! asks for none.

mod claims;
#[cfg(test)]
mod tests;

pub use claims::{Change, Claims};

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use rutter_route::{Group, ListenAt, Listener, PathPrefix};

use crate::{Alias, Balance, Paths, Refused, Route, Target};

/// What only one service can have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// An alias on an HTTP listener, with the paths of a route that shares its host.
    Http(ListenAt, Alias, Option<PathPrefix>),
    /// A stream's alias.
    Stream(Alias),
    /// A port that a TCP stream is asked for on.
    Tcp(IpAddr, u16),
    /// A port that UDP datagrams are asked for on.
    Udp(IpAddr, u16),
    /// An alias wherever and for whatever it is asked: of a refused route, if what is wrong with it
    /// leaves open what it would have been.
    Whole(Alias),
}

impl Place {
    /// The places of a route. A member of a link is asked for by the link's name.
    pub(crate) fn of(
        listener: Listener,
        listen: ListenAt,
        alias: &Alias,
        paths: Option<&Paths>,
        balance: Option<&Balance>,
    ) -> Vec<Self> {
        let alias = balance.map_or_else(|| alias.clone(), |b| Alias::Name(b.link.clone()));
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let port = listen.port.map(|port| (listen.address.unwrap_or(any), port));
        let stream =
            |port: Option<Self>| std::iter::once(Self::Stream(alias.clone())).chain(port).collect();
        match listener {
            Listener::Http => {
                vec![Self::Http(listen, alias, paths.map(|paths| paths.prefix.clone()))]
            }
            Listener::Tcp => stream(port.map(|(address, port)| Self::Tcp(address, port))),
            Listener::Udp => stream(port.map(|(address, port)| Self::Udp(address, port))),
        }
    }

    fn alias(&self) -> Option<&Alias> {
        match self {
            Self::Http(_, alias, _) | Self::Stream(alias) | Self::Whole(alias) => Some(alias),
            Self::Tcp(..) | Self::Udp(..) => None,
        }
    }

    /// Whether both can't be had by two.
    fn excludes(&self, other: &Self) -> bool {
        let whole = matches!(self, Self::Whole(_)) || matches!(other, Self::Whole(_));
        self == other || whole && self.alias() == other.alias() && self.alias().is_some()
    }
}

/// What kind of provider made a claim, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimKind {
    /// Rutter itself.
    BuiltIn,
    /// Somebody wrote the route down.
    Explicit,
    /// A container has it, by its labels or by itself.
    Container,
}

/// Whose claim it is. The order is that of strength, the strongest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claimant {
    /// What kind of provider.
    pub kind: ClaimKind,
    /// The provider's place in the configuration; each provider has its own.
    pub provider: u32,
    /// The route among the provider's own: its name, and its container's id where it has one.
    pub route: (String, Option<String>),
}

/// A claim to places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose.
    pub by: Claimant,
    /// To what: all or nothing.
    pub places: Vec<Place>,
    /// The link whose members share their places, within one provider.
    pub group: Option<Group>,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It has its places: it is served there or, if it was refused, nobody is.
    Granted,
    /// Another has one of them.
    Denied {
        /// The place that it has.
        place: Place,
        /// Who has it.
        winner: Claimant,
    },
}

impl Claim {
    /// A route's claim.
    pub fn of(route: &Route, kind: ClaimKind, provider: u32) -> Self {
        let container = route.container.as_ref().map(|id| id.as_str().to_owned());
        let by = Claimant { kind, provider, route: (route.name.clone(), container) };
        let group = route.balance.as_ref().and_then(|balance| balance.group());
        Self { by, places: route.places(), group }
    }

    /// A refused route's claim.
    pub fn of_refused(refused: &Refused, kind: ClaimKind, provider: u32) -> Self {
        let container = refused.container.as_ref().map(|id| id.as_str().to_owned());
        let by = Claimant { kind, provider, route: (refused.name.clone(), container) };
        Self { by, places: refused.places.clone(), group: refused.group.clone() }
    }

    /// Whether two claims are of members of one link.
    fn shares_with(&self, other: &Self) -> bool {
        self.group.is_some() && self.group == other.group && self.by.provider == other.by.provider
    }
}

impl Route {
    /// What only one service can have, of that which this one needs.
    pub fn places(&self) -> Vec<Place> {
        let listener = match &self.target {
            Target::Http { .. } | Target::Files { .. } => Listener::Http,
            Target::Tcp { .. } => Listener::Tcp,
            Target::Udp { .. } => Listener::Udp,
        };
        let (paths, balance) = (self.paths.as_ref(), self.balance.as_ref());
        Place::of(listener, self.listen, &self.alias, paths, balance)
    }
}

/// Judges claims; what comes back is in their order.
pub fn judge(claims: &[Claim]) -> Vec<Judgement> {
    let mut by_strength: Vec<usize> = (0..claims.len()).collect();
    by_strength.sort_by_key(|&n| claims.get(n).map(|claim| (&claim.by, &claim.places)));
    let mut taken = Taken::default();
    let mut judgements = vec![Judgement::Granted; claims.len()];
    for n in by_strength {
        let (Some(claim), Some(judgement)) = (claims.get(n), judgements.get_mut(n)) else {
            continue;
        };
        match claim.places.iter().find_map(|place| taken.by_another(place, claim)) {
            Some((place, holder)) => {
                let winner = holder.by.clone();
                *judgement = Judgement::Denied { place: place.clone(), winner };
            }
            None => taken.by(claim),
        }
    }
    judgements
}

/// The places that are taken: those of an alias together, ports each by itself.
#[derive(Debug, Default)]
struct Taken<'c>(BTreeMap<Near<'c>, Vec<(&'c Place, &'c Claim)>>);

/// What two places have in common that may exclude each other.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Near<'c> {
    Alias(&'c Alias),
    Port(&'c Place),
}

impl<'c> Taken<'c> {
    fn near(place: &Place) -> Near<'_> {
        place.alias().map_or(Near::Port(place), Near::Alias)
    }

    /// Who has a place that excludes this one, unless both are of one link.
    fn by_another(&self, place: &'c Place, claim: &Claim) -> Option<(&'c Place, &'c Claim)> {
        let near = self.0.get(&Self::near(place))?;
        let is_in_the_way = |(taken, holder): &&(&Place, &Claim)| {
            taken.excludes(place) && !claim.shares_with(holder)
        };
        near.iter().find(is_in_the_way).copied()
    }

    fn by(&mut self, claim: &'c Claim) {
        for place in &claim.places {
            let near = self.0.entry(Self::near(place)).or_default();
            // Members of a link share theirs, which is there once.
            if !near.iter().any(|(taken, _)| *taken == place) {
                near.push((place, claim));
            }
        }
    }
}
