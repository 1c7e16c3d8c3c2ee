//! What tests ask of clusters: where their ways lead, what they hold, and what was said to whom.

use std::collections::BTreeMap;

use rutter_protocol::Speaker;
use rutter_protocol::claims::Held;
use rutter_protocol::stats::NeighbourStats;
use rutter_protocol::wire::{Message, Withdrawn};
use rutter_rib::{Kind, Table, ViewId};
use rutter_route::{AnyDestination, ClusterId};

use super::{Net, cluster, scope};

/// Counts, by directed link.
type ByLink = BTreeMap<(String, String), usize>;

impl Net {
    pub(crate) fn speaker(&self, at: &str) -> &Speaker {
        &self.nodes[at].engine.speaker
    }

    pub(crate) fn table<D: Kind>(&self, at: &str, table: &str) -> &Table<D> {
        self.nodes[at].engine.book.table::<D>(&table.parse().unwrap()).unwrap()
    }

    pub(crate) fn stats(&self, at: &str, of: &str) -> NeighbourStats {
        self.speaker(at).stats().neighbours.get(&cluster(of)).cloned().unwrap_or_default()
    }

    /// What cluster `at` holds of a claim of another.
    pub(crate) fn claim(
        &self,
        at: &str,
        in_: &str,
        of: &str,
        on: &AnyDestination,
    ) -> Option<&Held> {
        self.speaker(at).claims().get(&scope(in_), &cluster(of), on)
    }

    /// The clusters on the best way, `at` first; empty: there is none.
    pub(crate) fn way<D: Kind>(&self, at: &str, table: &str, to: &str) -> Vec<String> {
        let table = self.table::<D>(at, table);
        let selected = table.selected(&to.parse().unwrap(), ViewId::DEFAULT);
        let Some(best) = selected.best() else { return Vec::new() };
        let through = best.attributes.path_list.iter().rev().map(|step| step.cluster.to_string());
        std::iter::once(at.to_owned()).chain(through).collect()
    }

    /// The best way to a cluster, as `a>b>c`.
    pub(crate) fn to_cluster(&self, at: &str, to: &str) -> String {
        self.way::<ClusterId>(at, "fabric", to).join(">")
    }

    /// Announcements of a destination (not batches: routes) since then.
    pub(crate) fn announced(&self, since: u64, to: &AnyDestination) -> ByLink {
        self.count(since, |message| n_routes(message, to).0)
    }

    /// As [`Net::announced`], withdrawals too.
    pub(crate) fn sends(&self, since: u64, to: &AnyDestination) -> ByLink {
        self.count(since, |message| {
            let (announced, withdrawn) = n_routes(message, to);
            announced + withdrawn
        })
    }

    fn count(&self, since: u64, of: impl Fn(&Message) -> usize) -> ByLink {
        let mut links = BTreeMap::new();
        for said in self.said.iter().filter(|s| s.at >= since) {
            let n = of(&said.message);
            if n > 0 {
                *links.entry((said.by.clone(), said.to.clone())).or_default() += n;
            }
        }
        links
    }

    /// What was said over each directed link since then.
    pub(crate) fn all_heard(&self, since: u64) -> BTreeMap<(String, String), Vec<Message>> {
        let mut links = BTreeMap::<_, Vec<_>>::new();
        for said in self.said.iter().filter(|s| s.at >= since) {
            let link = (said.by.clone(), said.to.clone());
            links.entry(link).or_default().push(said.message.clone());
        }
        links
    }

    /// What was said over one directed link since then.
    pub(crate) fn heard(&self, since: u64, by: &str, to: &str) -> Vec<Message> {
        self.all_heard(since).remove(&(by.into(), to.into())).unwrap_or_default()
    }

    /// The paths by which a destination was announced over a directed link since then, as `a>b>c`.
    pub(crate) fn paths(&self, since: u64, by: &str, to: &str, on: &AnyDestination) -> Vec<String> {
        let mut paths = Vec::new();
        for message in self.heard(since, by, to) {
            if let Message::Announce(said) = message
                && said.routes.iter().any(|route| route.destination == *on)
            {
                let path: Vec<_> = said.path.iter().map(ClusterId::as_str).collect();
                paths.push(path.join(">"));
            }
        }
        paths
    }

    /// Withdrawals that went over a directed link since then.
    pub(crate) fn withdrawn(&self, since: u64, by: &str, to: &str) -> Vec<Withdrawn> {
        let withdrawals =
            self.heard(since, by, to).into_iter().filter_map(|message| match message {
                Message::Withdraw(said) => Some(said.routes),
                _ => None,
            });
        withdrawals.flatten().collect()
    }
}

/// How many routes to a destination a message announces, and how many it withdraws.
fn n_routes(message: &Message, to: &AnyDestination) -> (usize, usize) {
    match message {
        Message::Announce(a) => (a.routes.iter().filter(|r| r.destination == *to).count(), 0),
        Message::Withdraw(w) => (0, w.routes.iter().filter(|r| r.destination == *to).count()),
        _ => (0, 0),
    }
}
