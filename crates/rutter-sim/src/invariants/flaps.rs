//! What befell the routes that a cluster hears, as it is seen on its wires: the only causes for which
//! hold-down and damping may hold them.
//!
//! A route is withdrawn when its neighbour says so, when its neighbour replaces it by one that is
//! refused (RFC 7606, treat-as-withdraw), when a refresh ends without it, and when its originator
//! takes its claim back, whoever brings that word. It is lost when its neighbour is, without a word.
//! It is changed when it is said with another path, other metrics or other tags, or a newer claim has
//! other tags. All this is read off the frames as they arrive and kept by (destination, neighbour, path
//! id), as the table does: a refresh that says one of two paths withdraws the other.
//! Only three things are asked of the speaker, since no wire shows them: what it refused, how often it
//! couldn't tell what a message was, and whether the end of a session was a loss.
//!
//! The table's own count of flaps is not asked: what flaps by mistake is counted there like any other.

mod story;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use rutter_protocol::speaker::{ConnectionId, Input, Output, Speaker, What};
use rutter_protocol::stats::Reason;
use rutter_protocol::wire::{Announcement, Batch, Claim, Frame, Message, Metrics, Scope};
use rutter_rib::Stability;
use rutter_route::{AnyDestination, ClusterId, Now, PathId, Tags};

use crate::network::Hold;
use story::{Befell, LAG, Story};

/// See the module's head. It begins anew with each boot, as the table does.
#[derive(Debug, Default)]
pub(crate) struct Flaps {
    connections: BTreeMap<ConnectionId, Heard>,
    routes: BTreeMap<AnyDestination, BTreeMap<(ClusterId, PathId), Route>>,
    /// How many refreshes of a neighbour and scope have begun.
    refreshes: BTreeMap<(ClusterId, Scope), u64>,
    /// The originator's tags, by the last claim that was heard.
    tags: BTreeMap<AnyDestination, Tags>,
    /// Claims say something new of these, and nobody could check them yet.
    unchecked: BTreeSet<AnyDestination>,
    n_refused: u64,
    /// Messages of a neighbour that couldn't be told, in its session.
    gaps: BTreeMap<ClusterId, u64>,
    garbled: BTreeMap<ClusterId, u64>,
    losses: BTreeMap<ClusterId, u64>,
}

/// A connection: with whom, and the last batch of it.
#[derive(Debug)]
struct Heard {
    neighbour: ClusterId,
    batch: u64,
}

/// One neighbour's route to one destination, by one path id.
#[derive(Debug)]
struct Route {
    scope: Scope,
    said: Option<Said>,
    /// The refresh in which it was said last.
    refresh: u64,
    /// It may stand in the table.
    stands: bool,
    /// When what is known of it was heard.
    heard_at: u64,
    story: Story,
}

/// What a route is said to be.
#[derive(Debug, Clone, PartialEq)]
struct Said {
    path: Vec<ClusterId>,
    metrics: Metrics,
    tags: Tags,
    own: Option<Tags>,
}

/// When, and how a table keeps calm there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct When<'a> {
    pub(crate) at: u64,
    pub(crate) now: Now,
    pub(crate) stability: &'a Stability,
}

impl Flaps {
    /// Whether a neighbour's route may be held, for what a table gives as the reason.
    pub(crate) fn explain(
        &self,
        at: u64,
        to: &AnyDestination,
        hold: &Hold,
        stability: &Stability,
    ) -> bool {
        let of = (hold.from.clone(), hold.path.clone());
        let route = self.routes.get(to).and_then(|routes| routes.get(&of));
        route.is_some_and(|route| route.story.explains(at, hold.why, stability))
    }

    /// What a speaker is about to be given.
    pub(crate) fn before(&mut self, when: When<'_>, input: &Input, speaker: &Speaker) {
        match input {
            Input::Up { neighbour, connection, .. } => {
                let heard = Heard { neighbour: neighbour.clone(), batch: 0 };
                self.connections.insert(*connection, heard);
            }
            Input::Heard { connection, frame } => {
                let Ok(Frame::Batch(batch)) = Frame::decode(frame.clone()) else { return };
                let Some(heard) = self.connections.get_mut(connection) else { return };
                // What is said again is passed over; whoever is taken in by it has no excuse.
                if batch.number == heard.batch + 1 {
                    heard.batch = batch.number;
                    let by = heard.neighbour.clone();
                    self.batch(when, &by, &batch, speaker);
                }
            }
            Input::Down { connection, .. } => self.ended(when.at, *connection),
            _ => {}
        }
    }

    /// What came of it.
    pub(crate) fn after(&mut self, when: When<'_>, speaker: &Speaker, out: &[Output]) {
        for output in out {
            match output {
                Output::Close { connection, .. } => self.ended(when.at, *connection),
                Output::Log(event) if event.what == What::KeysChanged => {
                    for destination in std::mem::take(&mut self.unchecked) {
                        self.originators_word(when, &destination, Befell::Withdrawn);
                        self.originators_word(when, &destination, Befell::Changed);
                    }
                }
                Output::Log(event) if event.what == What::SessionDown => {
                    if let Some(neighbour) = &event.neighbour {
                        self.session_down(when, neighbour, speaker);
                    }
                }
                _ => {}
            }
        }
        self.refused(when, speaker);
    }

    /// A connection is gone, and with it what waited of it: what was heard just now may count or not.
    fn ended(&mut self, at: u64, connection: ConnectionId) {
        let Some(Heard { neighbour, .. }) = self.connections.remove(&connection) else { return };
        for route in self.all_of(&neighbour).filter(|route| route.heard_at + LAG >= at) {
            (route.stands, route.said) = (true, None);
        }
    }

    /// Messages whose signature or bytes are bad: the first end of refresh behind one sweeps nothing, the
    /// next may sweep what was in another.
    fn garbled(&mut self, when: When<'_>, speaker: &Speaker) {
        for (neighbour, stats) in &speaker.stats().neighbours {
            let count = |reason| stats.rejection_reasons.get(&reason).copied().unwrap_or(0);
            let n = count(Reason::BadSignature) + count(Reason::Malformed);
            let before = self.garbled.insert(neighbour.clone(), n).unwrap_or(0);
            if n == before {
                continue;
            }
            let gaps = self.gaps.entry(neighbour.clone()).or_default();
            *gaps += 1;
            if *gaps > 1 {
                for route in self.all_of(neighbour) {
                    route.story.add(when.at, Befell::Withdrawn, when.stability);
                }
            }
        }
    }

    fn session_down(&mut self, when: When<'_>, neighbour: &ClusterId, speaker: &Speaker) {
        self.gaps.remove(neighbour);
        let losses = speaker.stats().neighbours.get(neighbour).map_or(0, |stats| stats.losses);
        let before = self.losses.insert(neighbour.clone(), losses).unwrap_or(0);
        if losses == before {
            return;
        }
        for route in self.all_of(neighbour) {
            route.story.add(when.at, Befell::Lost, when.stability);
        }
    }

    /// All that a neighbour has said.
    fn all_of(&mut self, neighbour: &ClusterId) -> impl Iterator<Item = &mut Route> {
        let routes = self.routes.values_mut().flatten();
        routes.filter(move |((by, _), _)| by == neighbour).map(|(_, route)| route)
    }

    /// What a neighbour has said of a destination.
    fn those_of(
        &mut self,
        neighbour: &ClusterId,
        to: &AnyDestination,
    ) -> impl Iterator<Item = &mut Route> {
        let routes = self.routes.get_mut(to).into_iter().flatten();
        routes.filter(move |((by, _), _)| by == neighbour).map(|(_, route)| route)
    }

    /// Announcements that were refused just now end what stood before; of which path isn't kept.
    fn refused(&mut self, when: When<'_>, speaker: &Speaker) {
        let stats = speaker.stats().neighbours.values();
        let n: u64 = stats.map(|stats| stats.announcements_rejected).sum();
        let new = n - std::mem::replace(&mut self.n_refused, n);
        if new == 0 {
            return;
        }
        self.garbled(when, speaker);
        let last = speaker.last_refusals(usize::try_from(new).unwrap_or(usize::MAX));
        for refusal in last.iter().filter(|refusal| refusal.at == when.now.wall) {
            for route in self.those_of(&refusal.neighbour, &refusal.destination) {
                route.story.add(when.at, Befell::Withdrawn, when.stability);
            }
        }
    }

    fn batch(&mut self, when: When<'_>, by: &ClusterId, batch: &Batch, speaker: &Speaker) {
        for message in &batch.messages {
            match Message::decode(message) {
                Ok(Message::Announce(said)) => self.announced(when, by, &said, speaker),
                Ok(Message::Withdraw(said)) => {
                    for route in said.routes {
                        let routes = self.routes.get_mut(&route.destination);
                        let of = (by.clone(), route.path_id);
                        if let Some(route) = routes.and_then(|routes| routes.get_mut(&of)) {
                            route.story.add(when.at, Befell::Withdrawn, when.stability);
                            route.heard_at = when.at;
                        }
                        if let Some(claim) = route.claim {
                            self.claimed(when, &claim, speaker);
                        }
                    }
                }
                Ok(Message::Renew(_, claim) | Message::Held(_, claim)) => {
                    self.claimed(when, &claim, speaker);
                }
                Ok(Message::BeginRefresh(scope)) => {
                    *self.refreshes.entry((by.clone(), scope)).or_default() += 1;
                }
                Ok(Message::EndOfRefresh(scope)) => self.refreshed(when, by, &scope),
                Ok(Message::Keys(_) | Message::Refresh(_)) | Err(_) => {}
            }
        }
    }

    fn announced(&mut self, when: When<'_>, by: &ClusterId, it: &Announcement, speaker: &Speaker) {
        let refresh = self.refreshes.get(&(by.clone(), it.scope.clone())).copied().unwrap_or(0);
        for announced in &it.routes {
            if let Some(claim) = &announced.claim {
                self.claimed(when, claim, speaker);
            }
            let said = Said {
                path: it.path.to_vec(),
                metrics: it.metrics,
                tags: it.tags.clone(),
                own: announced.claim.as_ref().map(|claim| claim.tags.clone()),
            };
            let routes = self.routes.entry(announced.destination.clone()).or_default();
            let of = (by.clone(), announced.path_id.clone());
            let route = routes.entry(of).or_insert_with(|| Route {
                scope: it.scope.clone(),
                said: Some(said.clone()),
                refresh,
                stands: true,
                heard_at: when.at,
                story: Story::default(),
            });
            if route.said.as_ref() != Some(&said) {
                route.story.add(when.at, Befell::Changed, when.stability);
                route.said = Some(said);
            }
            (route.refresh, route.stands, route.heard_at) = (refresh, true, when.at);
        }
    }

    /// What a refresh didn't say is withdrawn by its end.
    fn refreshed(&mut self, when: When<'_>, by: &ClusterId, scope: &Scope) {
        let refresh = self.refreshes.get(&(by.clone(), scope.clone())).copied().unwrap_or(0);
        for route in self.all_of(by) {
            let is_swept = route.scope == *scope && route.refresh < refresh;
            if is_swept && std::mem::take(&mut route.stands) {
                route.story.add(when.at, Befell::Withdrawn, when.stability);
                route.heard_at = when.at;
            }
        }
    }

    /// An originator's word ends everybody's routes, or changes their tags.
    fn claimed(&mut self, when: When<'_>, claim: &Claim, speaker: &Speaker) {
        let destination = &claim.destination;
        let before = self.tags.insert(destination.clone(), claim.tags.clone());
        let retagged = before.is_some_and(|before| before != claim.tags);
        if claim.withdrawn {
            self.originators_word(when, destination, Befell::Withdrawn);
        } else if retagged {
            self.originators_word(when, destination, Befell::Changed);
        }
        let known = speaker.keys().find(when.now, &claim.originator, &claim.key).is_some();
        if !known && (claim.withdrawn || retagged) {
            self.unchecked.insert(destination.clone());
        }
    }

    fn originators_word(&mut self, when: When<'_>, of: &AnyDestination, what: Befell) {
        for route in self.routes.get_mut(of).into_iter().flat_map(BTreeMap::values_mut) {
            route.story.add(when.at, what, when.stability);
        }
    }
}
