//! What is remembered of peers between their words: whether they are up, their sessions' numbers,
//! their own addresses.

use std::collections::HashMap;
use std::net::IpAddr;

use rutter_rib::Table;
use rutter_route::{Incarnation, NextHop, Now, Prefix, Refused, Session, SourceInfo, SourceState};

use super::Claim;
use crate::{PeerName, Vni};

/// All that is remembered, a source and overlay each. Bounded by the sources that tables take.
#[derive(Debug)]
pub(crate) struct Known {
    /// What sessions are counted from.
    base: Incarnation,
    sources: HashMap<(PeerName, Vni), Source>,
    /// How often sources were forgotten: one that comes back is newer than it was.
    n_forgotten: u64,
}

/// What is remembered of a peer in an overlay.
#[derive(Debug)]
pub(crate) struct Source {
    pub(super) session: Session,
    up: bool,
    /// It was told that its routes are close to their bound.
    pub(super) warned: bool,
    /// Its own addresses, the latest it was a next hop by, a family each.
    v4: Option<IpAddr>,
    v6: Option<IpAddr>,
}

impl Known {
    pub(crate) fn new(base: Incarnation) -> Self {
        Self { base, sources: HashMap::new(), n_forgotten: 0 }
    }

    pub(super) fn has(&self, peer: &PeerName, vni: Vni) -> bool {
        self.sources.contains_key(&(peer.clone(), vni))
    }

    /// The peer's session there, or the one that it would begin.
    pub(crate) fn session(&self, peer: &PeerName, vni: Vni) -> Session {
        match self.sources.get(&(peer.clone(), vni)) {
            Some(source) => source.session.clone(),
            None => Session {
                source: peer.source(),
                incarnation: Incarnation(self.base.0 + self.n_forgotten),
            },
        }
    }

    /// A source that is up from now on, by a new session if it begins `anew`; unless the table has
    /// no room for it.
    pub(crate) fn raise(
        &mut self,
        now: Now,
        table: &mut Table<Prefix>,
        (peer, vni): (&PeerName, Vni),
        anew: bool,
    ) -> Result<&mut Source, Refused> {
        let mut session = self.session(peer, vni);
        let before = self.sources.get(&(peer.clone(), vni));
        let is_up = before.is_some_and(|source| source.up);
        if anew && before.is_some() {
            session.incarnation.0 += 1;
        }
        if !is_up || anew {
            // Told once a session: it clears what was seen of the source's health.
            table.source(now, &session, SourceState::Up(SourceInfo::default()))?;
        }
        let source =
            self.sources.entry((peer.clone(), vni)).or_insert_with(|| Source::new(session.clone()));
        source.session = session;
        source.up = true;
        Ok(source)
    }

    /// A source is down from now on. Whether it was up.
    pub(crate) fn lower(&mut self, peer: &PeerName, vni: Vni) -> bool {
        let source = self.sources.get_mut(&(peer.clone(), vni));
        source.is_some_and(|source| std::mem::take(&mut source.up))
    }

    pub(super) fn forget(&mut self, peer: &PeerName, vni: Vni) {
        if let Some(source) = self.sources.remove(&(peer.clone(), vni)) {
            let n = source.session.incarnation.0 - self.base.0 + 1;
            self.n_forgotten = self.n_forgotten.max(n);
        }
    }
}

impl Source {
    fn new(session: Session) -> Self {
        Self { session, up: false, warned: false, v4: None, v6: None }
    }

    /// Where a claim leads. A peer that names no address means its own; until that is known, the
    /// peer itself is the next hop, which is unresolved.
    pub(super) fn next_hop(&self, claim: &Claim, peer: &PeerName) -> Option<NextHop> {
        if let Some(address) = claim.next_hop {
            return Some(NextHop::Address(address));
        }
        let [same, other] =
            if claim.prefix.is_v4() { [self.v4, self.v6] } else { [self.v6, self.v4] };
        match same.or(other) {
            Some(address) => Some(NextHop::Address(address)),
            None => peer.as_str().parse().ok().map(NextHop::Peer),
        }
    }

    pub(super) fn learn(&mut self, next_hop: Option<IpAddr>) {
        match next_hop {
            Some(address @ IpAddr::V4(_)) => self.v4 = Some(address),
            Some(address @ IpAddr::V6(_)) => self.v6 = Some(address),
            None => {}
        }
    }
}
