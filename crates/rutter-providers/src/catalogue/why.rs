//! Why one comes before another, as people are told it.

use rutter_route::{ListenAt, Listener, Scope, Service};
use smol_str::{SmolStr, format_smolstr};

use super::rows::Rows;
use crate::conflict::{ClaimKind, Claimant, Place};
use crate::registry::{EntryKey, What};
use crate::{Alias, ProviderId};

/// Who has a place that a route wants, and why: `alias `app` is app.yml's: what a file says comes
/// before containers`.
pub(super) fn denied(rows: &Rows, loser: &EntryKey, place: &Place, winner: &Claimant) -> SmolStr {
    let place = said(place);
    let Some((key, row)) = rows.of_claimant(winner) else {
        // The winner of a judgement is there; without it nothing would be denied.
        return format_smolstr!("{place} is another's");
    };
    let route = match key.name == loser.name && key.provider != loser.provider {
        true => String::new(),
        false => format!(" by its route `{}`", key.name),
    };
    let container = match (&key.container, key.provider == loser.provider) {
        (Some(id), true) => format!(" of container {}", id.short()),
        _ => String::new(),
    };
    let refused = match row.what {
        Some(What::Refused(_)) => ", which is refused, so nobody is served there",
        _ => "",
    };
    let why = because(&key.provider, &loser.provider);
    format_smolstr!("{place} is {}'s{route}{container}{refused}: {why}", key.provider)
}

/// Why a provider's claims come before another's.
fn because(winner: &ProviderId, loser: &ProviderId) -> &'static str {
    match (winner.kind().claims(), loser.kind().claims()) {
        _ if winner == loser => "of one provider's routes the first by name and container has it",
        (won, lost) if won == lost => "its provider stands first in the configuration",
        (ClaimKind::BuiltIn, _) => "what is built in comes first",
        _ => "what a file says comes before containers",
    }
}

/// A place in people's words.
fn said(place: &Place) -> String {
    match place {
        Place::Http(at, alias, paths) => {
            let (name, is_wildcard) = match alias {
                Alias::Name(name) => (name, false),
                Alias::Under(domain) => (domain, true),
            };
            let scope = Scope { is_wildcard, at: *at, paths: paths.clone() };
            let kind = match (*at == ListenAt::default(), paths.is_none()) {
                (true, true) => "alias",
                _ => "place",
            };
            format!("{kind} `{}`", Service::new(name.clone(), Listener::Http, scope))
        }
        Place::Stream(alias) => format!("stream alias `{alias}`"),
        Place::Tcp(address, port) => format!("TCP port {port} of {address}"),
        Place::Udp(address, port) => format!("UDP port {port} of {address}"),
        Place::Whole(alias) => format!("alias `{alias}` as a whole"),
    }
}
