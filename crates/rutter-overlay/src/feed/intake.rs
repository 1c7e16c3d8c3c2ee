//! From one peer's words to one table. Pure: the table, the time and what is remembered of the peer
//! are handed in, so a network of hosts can be simulated with the code that runs.

use rutter_link::relay;
use rutter_rib::{Batch, Table};
use rutter_route::{
    Advertisement, Attributes, ClusterId, NextHop, Now, PathId, Prefix, SourceInfo, Standing,
    Verdict,
};

use super::{Claim, Counts, Refused, Report, Source};
use crate::{PeerName, Vni};

/// Past this share of its bound a peer is warned of, in percent; below the second it is no longer.
const WARN: usize = 80;
const CALM: usize = 70;

/// A peer that speaks, until [`Intake::end`].
pub(crate) struct Intake<'a> {
    now: Now,
    table: &'a mut Table<Prefix>,
    speaker: Speaker<'a>,
}

/// What is known of who speaks, and what came of its words.
struct Speaker<'a> {
    now: Now,
    source: &'a mut Source,
    peer: &'a PeerName,
    /// This host in path lists.
    here: &'a ClusterId,
    counts: Counts,
    report: Report,
}

impl<'a> Intake<'a> {
    /// `source` is up in `table`.
    pub(crate) fn new(
        now: Now,
        table: &'a mut Table<Prefix>,
        source: &'a mut Source,
        peer: &'a PeerName,
        here: &'a ClusterId,
    ) -> Self {
        let (counts, report) = (Counts::default(), Report::default());
        Self { now, table, speaker: Speaker { now, source, peer, here, counts, report } }
    }

    /// It claims a route. Whether that is in the table now, if only to be shown there.
    pub(crate) fn claim(&mut self, claim: Claim) -> bool {
        self.speaker.claim(self.table, claim).is_ok()
    }

    /// Its outlet tells what there is, or what has changed.
    pub(crate) fn batch(&mut self, vni: Vni, batch: &Batch<Prefix>) {
        let session = self.speaker.source.session.clone();
        let speaker = &mut self.speaker;
        let not_taken = relay::take_by(self.now, self.table, &session, batch, |table, route| {
            let path = PathId::default();
            speaker.claim(table, claim(vni, route)).map(|()| path).map_err(|why| why.to_string())
        });
        for not in not_taken {
            tracing::debug!(peer = %speaker.peer, prefix = %not.destination, why = not.why, "a route");
        }
    }

    /// What came of all of it.
    pub(crate) fn end(mut self) -> (Report, Counts) {
        self.speaker.warn(self.table);
        (self.speaker.report, self.speaker.counts)
    }
}

impl Speaker<'_> {
    /// `Err`: it is not in the table.
    fn claim(&mut self, table: &mut Table<Prefix>, claim: Claim) -> Result<(), Refused> {
        let (session, prefix) = (self.source.session.clone(), claim.prefix);
        if claim.path_list.iter().any(|s| s.cluster == *self.here && s.table == *table.name()) {
            table.withdraw(self.now, &session, &prefix, &PathId::default());
            return self.refuse(prefix, Refused::Table(rutter_route::Refused::Loop));
        }
        let Some(hop) = self.source.next_hop(&claim, self.peer) else {
            return self.refuse(prefix, Refused::NextHop);
        };
        let attributes = Attributes {
            metric: claim.metric,
            tags: claim.tags,
            path_list: claim.path_list.into(),
            ..Attributes::via(hop)
        };
        let mut route = Advertisement::new(prefix, attributes.clone());
        route.lease = claim.lease;
        route.standing = claim.standing;
        match table.advertise(self.now, &session, route) {
            Verdict::Stands(Standing::Denied) => {
                let info = SourceInfo::default();
                let import = &table.policy().import;
                let trace = import.judge(&prefix, &session.source, &info, attributes);
                let by = match trace.accepted {
                    // Not the rules, then: somebody revoked it.
                    true => "revoked".to_owned(),
                    false => trace.decided_by,
                };
                // It is there, to be shown.
                self.refuse(prefix, Refused::Policy(by)).or(Ok(()))
            }
            Verdict::Stands(_) => {
                self.source.learn(claim.next_hop);
                self.report.taken += 1;
                self.counts.taken(1);
                Ok(())
            }
            Verdict::Refused(why) => self.refuse(prefix, Refused::Table(why)),
        }
    }

    fn refuse(&mut self, prefix: Prefix, why: Refused) -> Result<(), Refused> {
        self.counts.refused(&why);
        self.report.refuse(&prefix.to_string(), &why);
        Err(why)
    }

    /// Somebody should know before the bound is reached.
    fn warn(&mut self, table: &Table<Prefix>) {
        let bound = table.policy().bounds.per_source;
        let n_routes = table.routes_of(&self.source.session.source);
        let share = n_routes.saturating_mul(100) / bound.max(1);
        if share >= WARN && !self.source.warned {
            self.source.warned = true;
            let (peer, table) = (self.peer, table.name());
            tracing::warn!(%peer, %table, n_routes, bound, "the peer has almost as many routes as it may");
        } else if share < CALM {
            self.source.warned = false;
        }
    }
}

/// What a peer's outlet tells, as a claim. A peer tells one way a network, its best: whose that was
/// first is in the path list, so its path id is none, as an original's, and a way that moves is a
/// change and no withdrawal. Preference is each host's own, and what isn't an address is the peer
/// itself.
fn claim(vni: Vni, route: Advertisement<Prefix>) -> Claim {
    let Advertisement { destination, attributes, standing, .. } = route;
    Claim {
        vni,
        prefix: destination,
        next_hop: match attributes.next_hop {
            NextHop::Address(address) => Some(address),
            _ => None,
        },
        metric: attributes.metric,
        // As long as the session.
        lease: None,
        tags: attributes.tags,
        path_list: attributes.path_list.to_vec(),
        standing,
    }
}
