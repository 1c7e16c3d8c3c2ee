//! What becomes of sources: sessions, states, refreshes.

use rutter_route::{Destination, Left, Now, Refused, Session, SourceInfo, SourceState, What};

use crate::parts::wheel::NEVER;

use super::Table;
use super::sources::{Look, Phase};

impl<D: Destination> Table<D> {
    /// A source's state changes. A session that is up replaces older ones; what an older one says
    /// is refused. `Offline` bars all its routes and withdraws none; `Gone` withdraws all, and its
    /// decisions go with it.
    ///
    /// # Errors
    /// An older session, a state of a source that isn't there, or too many sources.
    pub fn source(&mut self, now: Now, s: &Session, to: SourceState) -> Result<(), Refused> {
        let phase = Phase::of(&to);
        let ix = match self.sources.find(&s.source) {
            Some(ix) => {
                let current = self.sources[ix].incarnation;
                let newer = s.incarnation > current && phase == Phase::Up;
                if s.incarnation != current && !newer {
                    return Err(Refused::OldSession { current: Some(current) });
                }
                if self.sources[ix].phase == Phase::Gone && phase != Phase::Up {
                    // As if the walk that forgets it were done.
                    return Err(Refused::OldSession { current: None });
                }
                ix
            }
            None if phase != Phase::Up => return Err(Refused::OldSession { current: None }),
            None => {
                let bound = self.policy.bounds.sources;
                if self.sources.len() >= bound {
                    return Err(Refused::Sources(bound));
                }
                self.sources.add(s)
            }
        };
        match to {
            SourceState::Up(info) => self.source_up(now, ix, s, info),
            SourceState::Draining => {
                let speaks = matches!(self.sources[ix].phase, Phase::Up | Phase::Draining);
                self.set_phase(now, ix, Phase::Draining, String::new());
                if !speaks {
                    self.renew_lease(now, ix);
                }
            }
            SourceState::Offline { why } => self.set_phase(now, ix, Phase::Offline, why),
            SourceState::KeepStale { for_ } => {
                self.set_phase(now, ix, Phase::Stale, String::new());
                let until = self.tick_after(now, for_);
                self.sources[ix].deadline = until;
                self.schedule(ix, until);
            }
            SourceState::Gone => self.source_gone(now, ix),
        }
        Ok(())
    }

    fn source_up(&mut self, now: Now, ix: u32, s: &Session, info: SourceInfo) {
        let owner = info.owner.clone();
        // What policy matches on may be another, and the place may have been another source's.
        self.memo = None;
        self.sources.set_owner(ix, owner.as_ref());
        let source = &mut self.sources[ix];
        let new_session = source.incarnation != s.incarnation;
        let was = source.phase;
        let facts_changed = source.info.credential != info.credential
            || source.info.tags != info.tags
            || source.info.owner != info.owner;
        if new_session {
            source.refreshing = false;
        }
        if new_session && source.n_live > 0 {
            source.refresh = source.refresh.wrapping_add(1);
            source.carried_over = true;
            source.session_from = source.refresh;
        }
        source.incarnation = s.incarnation;
        source.info = info;
        source.decided = self.decisions.has(&source.id);
        // A verdict on the whole source ends when it is up again.
        source.verdicts.clear();
        let recovered = std::mem::take(&mut source.unhealthy);
        let live = source.n_live > 0;
        self.renew_lease(now, ix);
        if was != Phase::Up {
            self.set_phase(now, ix, Phase::Up, String::new());
        } else if live && (new_session || recovered) {
            self.walk_source(ix, Look::MARK);
        }
        if live && facts_changed {
            // What policy matches on is another: its routes go through import again, and sinks look
            // at them again.
            self.walk_source(ix, Look { import: true, tell: true, ..Look::MARK });
        }
    }

    fn set_phase(&mut self, now: Now, ix: u32, phase: Phase, why: String) {
        let source = &mut self.sources[ix];
        let was = source.phase;
        source.phase = phase;
        source.why.clone_from(&why);
        source.refreshing &= matches!(phase, Phase::Up | Phase::Draining);
        // The lease of a source that is away runs on: nobody renews it, and its claims end with it.
        let leased = phase != Phase::Gone && was != Phase::Stale;
        if !leased && !matches!(phase, Phase::Up | Phase::Draining) {
            source.deadline = NEVER;
        }
        // A source that comes for the first time is told from its routes.
        if source.event != 0 || phase != Phase::Up {
            let source = source.id.clone();
            let state = phase.as_str().into();
            let event = self.record_wide(now, None, What::Source { source, state, why });
            self.sources[ix].event = event;
        } else {
            source.event = self.ring.last().0.max(1);
        }
        let lost = phase == Phase::Offline && matches!(was, Phase::Up | Phase::Draining);
        if self.sources[ix].n_held > 0 || phase == Phase::Gone {
            self.walk_source(ix, Look { lost, ..Look::MARK });
        }
    }

    fn source_gone(&mut self, now: Now, ix: u32) {
        let id = self.sources[ix].id.clone();
        self.decisions.forget(&id);
        let source = &mut self.sources[ix];
        source.decided = false;
        source.refresh = source.refresh.wrapping_add(1);
        source.sweep(source.refresh, Left::SourceGone, false);
        self.set_phase(now, ix, Phase::Gone, String::new());
    }

    /// The source begins to say all it has: what it doesn't say until the end goes.
    pub fn begin_refresh(&mut self, _now: Now, s: &Session) -> bool {
        let Ok(ix) = self.sources.speaking(s) else { return false };
        let source = &mut self.sources[ix];
        // The counter is 16 bits wide: refreshes that begin and never end may not lap the oldest
        // route, so one that would is joined to the one before. Routes stay longer, none is lost.
        if !source.refreshing || source.n_live == 0 || source.n_unended < u16::MAX / 2 {
            source.n_unended = if source.refreshing { source.n_unended + 1 } else { 0 };
            source.refresh = source.refresh.wrapping_add(1);
        }
        source.refresh_from = source.refresh;
        source.refreshing = true;
        true
    }

    /// The refresh ends: what the source didn't say since it began is withdrawn. Without a
    /// beginning it is no refresh, and nothing happens.
    pub fn end_of_refresh(&mut self, _now: Now, s: &Session) -> bool {
        let Ok(ix) = self.sources.speaking(s) else { return false };
        let source = &mut self.sources[ix];
        if !std::mem::take(&mut source.refreshing) {
            return false;
        }
        source.n_unended = 0;
        // Nothing but the sweep changes, unless routes stood as the session's before.
        let mark = std::mem::take(&mut source.carried_over);
        source.sweep(source.refresh_from, Left::Swept, false);
        self.walk_source(ix, Look { mark, ..Look::default() });
        self.end_nominations_of(ix);
        true
    }

    /// Whether a source is known, and by which session.
    pub fn session_of(&self, source: &rutter_route::SourceId) -> Option<Session> {
        let found = &self.sources[self.sources.find(source)?];
        Some(Session { source: found.id.clone(), incarnation: found.incarnation })
    }

    /// Whether a source is up and may speak.
    pub fn speaks(&self, source: &rutter_route::SourceId) -> bool {
        self.sources
            .find(source)
            .is_some_and(|ix| matches!(self.sources[ix].phase, Phase::Up | Phase::Draining))
    }
}
