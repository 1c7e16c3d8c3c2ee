//! Connections and sessions: opening, streams, loss.
//!
//! ```text
//!  connection:   Up ──▶ [our Open is out] ──their Open──▶ opened ──Close, Down, a breach──▶ gone
//!  session:      none ──first opened──▶ up ──last one gone──▶ none
//!                                                   │ Restart announced: KeepStale, bounded, from then
//!                                                   │ Goodbye:           Gone
//!                                                   └ anything else:     Offline at once, later Gone
//! ```
//!
//! Invariants:
//! - a connection's identity is what the transport proved; an `Open` that says otherwise ends it;
//! - all opened connections of a neighbour are of one boot: a newer boot ends the older's
//!   connections, an older one is sent away while a newer is here;
//! - this cluster tells over the first that opened. When that one goes it tells over the next, as a
//!   new stream, from the beginning; so a frame that was lost with a connection is never missed.
//!
//! A [`Close`] is not signed: it does little more than cutting the connection does, which whoever
//! could forge it can do as well. What more it does is bounded: a restart's wait by `max_restart`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rutter_rib::Book;
use rutter_route::{
    ClusterId, DestinationKind, Incarnation, Mono, Now, Session, SourceInfo, SourceState,
};

use super::inbound::From;
use super::waiting::Waiting;
use super::{
    ConnectionId, Level, LogEvent, NeighbourSpec, Output, Parting, ScopeSpec, Speaker, What,
};
use crate::link::Link;
use crate::stats::Reason;
use crate::wire::sign::SessionId;
use crate::wire::{Close, Frame, Open, REVISION, Scope};

/// How many frames may be delivered of a connection before the first was dealt with.
pub(crate) const CREDIT: u32 = 32;

/// A table's session is the boot, moved up by so many bits, plus the number of the session in it: it
/// rises across restarts, since a boot's number is at least that of the seconds that passed.
const SESSION_BITS: u32 = 20;

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) neighbour: ClusterId,
    /// What this end said.
    pub(crate) ours: Open,
    /// What the other end said; `None`: nothing yet.
    pub(crate) theirs: Option<Open>,
    pub(crate) session: Option<SessionId>,
    /// Frames that it takes now.
    pub(crate) room: u32,
    /// The last batch that was sent, and that was heard.
    pub(crate) sent: u64,
    pub(crate) heard: u64,
    /// Batches that wait for their signatures, in order.
    pub(crate) waiting: VecDeque<Waiting>,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End<'a> {
    /// The transport says that it is gone.
    Down(&'a str),
    /// This end ends it.
    Ours(&'a str),
}

impl Open {
    /// Whether its sender takes a scope, with destinations of that kind.
    pub(crate) fn carries(&self, scope: &Scope, kind: DestinationKind) -> bool {
        self.scopes.get(scope) == Some(&kind)
    }
}

impl Speaker {
    /// There is a connection: this end says who it is. `Open` needs no room.
    pub(crate) fn up(
        &mut self,
        neighbour: ClusterId,
        connection: ConnectionId,
        nonce: [u8; 16],
        out: &mut Vec<Output>,
    ) {
        let refused = match self.neighbours.get(&neighbour) {
            _ if self.connections.contains_key(&connection) => return,
            _ if self.parting.is_some() => Some("this cluster is about to end"),
            None => Some("this cluster is not a neighbour here"),
            Some(_) => None,
        };
        if let Some(why) = refused {
            let frame = Frame::Close(Close::Refused(why.into())).encode();
            out.push(Output::Send { connection, frame });
            out.push(Output::Close { connection, why: why.into() });
            return;
        }
        let ours = self.our_open(&neighbour, nonce);
        out.push(Output::Credit { connection, frames: CREDIT });
        out.push(Output::Send { connection, frame: Frame::Open(ours.clone()).encode() });
        let new = Connection {
            neighbour,
            ours,
            theirs: None,
            session: None,
            room: 0,
            sent: 0,
            heard: 0,
            waiting: VecDeque::new(),
        };
        self.connections.insert(connection, new);
    }

    fn our_open(&self, to: &ClusterId, nonce: [u8; 16]) -> Open {
        let scopes = self.config.scopes.iter().map(|s| (s.scope.clone(), s.kind));
        Open {
            revision: REVISION,
            cluster: self.config.cluster.clone(),
            to: to.clone(),
            incarnation: self.config.incarnation,
            nonce,
            scopes: scopes.collect(),
            paths: self.neighbours.get(to).map_or(1, |n| n.spec.paths.max(1)),
            gateway: self.config.gateway.clone(),
        }
    }

    /// A frame came.
    pub(crate) fn heard(
        &mut self,
        now: Now,
        book: &mut Book,
        connection: ConnectionId,
        frame: Bytes,
        out: &mut Vec<Output>,
    ) {
        if !self.connections.contains_key(&connection) {
            return;
        }
        match Frame::decode(frame) {
            Ok(Frame::Open(theirs)) => self.opened(now, book, connection, theirs, out),
            Ok(Frame::Batch(batch)) => self.batch(now, book, connection, batch, out),
            Ok(Frame::Close(close)) => self.close_heard(now, book, connection, close, out),
            Err(malformed) => {
                self.count_breach(connection, Reason::Malformed);
                self.end(now, book, connection, End::Ours(&malformed.to_string()), out);
            }
        }
    }

    /// The other end says who it is.
    fn opened(
        &mut self,
        now: Now,
        book: &mut Book,
        id: ConnectionId,
        theirs: Open,
        out: &mut Vec<Output>,
    ) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let by = connection.neighbour.clone();
        if let Some(why) = breach_of(connection, &theirs) {
            self.count_breach(id, Reason::Malformed);
            self.end(now, book, id, End::Ours(&why), out);
            return;
        }
        connection.session = Some(SessionId::of(&connection.ours, &theirs));
        connection.theirs = Some(theirs.clone());
        if !self.takes_boot(now, book, id, &by, &theirs, out) {
            return;
        }
        let Some(neighbour) = self.neighbours.get_mut(&by) else { return };
        neighbour.connections.push(id);
        // Who parts opens nothing any more: it was somebody else's word.
        neighbour.parting = None;
        if neighbour.session.is_none() {
            self.session_up(now, book, &by, theirs, out);
        }
        // The scopes and the credit are known; one more frame may come for the one that was read.
        out.push(Output::Credit { connection: id, frames: 1 });
        self.tell_over_first(now, book, &by);
    }

    /// Whether the neighbour's boot is the newest; connections of older ones end, and those of the same
    /// that carry other scopes.
    fn takes_boot(
        &mut self,
        now: Now,
        book: &mut Book,
        id: ConnectionId,
        by: &ClusterId,
        theirs: &Open,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(neighbour) = self.neighbours.get_mut(by) else { return false };
        let connected = !neighbour.connections.is_empty();
        let known = neighbour.open.as_ref().filter(|_| connected).map(|o| o.incarnation);
        if known.is_some_and(|known| theirs.incarnation < known) {
            self.end(now, book, id, End::Ours("a newer boot of this cluster is here"), out);
            return false;
        }
        // One boot carries the same scopes over all its connections: of two that differ one was changed
        // on its way, and the session must not keep to that for as long as any connection lasts.
        let differs =
            connected && neighbour.open.as_ref().is_some_and(|o| o.scopes != theirs.scopes);
        let why = match known {
            Some(known) if theirs.incarnation > known => Some("a newer boot of this cluster came"),
            _ if differs => Some("this cluster carries other scopes now"),
            _ => None,
        };
        if let Some(why) = why {
            for older in neighbour.connections.clone() {
                self.end(now, book, older, End::Ours(why), out);
            }
        }
        if let Some(neighbour) = self.neighbours.get_mut(by)
            && neighbour.heard_boot != theirs.incarnation
        {
            neighbour.heard_boot = theirs.incarnation;
            neighbour.heard_stream = 0;
        }
        true
    }

    /// The first connection has opened: the neighbour is here.
    fn session_up(
        &mut self,
        now: Now,
        book: &mut Book,
        by: &ClusterId,
        theirs: Open,
        out: &mut Vec<Output>,
    ) {
        self.last_session += 1;
        let boot = self.config.incarnation << SESSION_BITS;
        let incarnation = boot.saturating_add(self.last_session);
        let Some(neighbour) = self.neighbours.get_mut(by) else { return };
        let source = neighbour.source.clone();
        let session = Session { source, incarnation: Incarnation(incarnation) };
        let info = SourceInfo { tags: neighbour.spec.tags.clone(), ..SourceInfo::default() };
        neighbour.session = Some(session.clone());
        neighbour.last_session = Some(session.clone());
        neighbour.back_until = None;
        neighbour.lost_at = None;
        neighbour.warned.clear();
        // Everything is said anew.
        neighbour.over.clear();
        neighbour.missed.clear();
        neighbour.gaps.clear();
        neighbour.spared.clear();
        let carried: Vec<_> =
            self.config.scopes.iter().filter(|s| theirs.carries(&s.scope, s.kind)).collect();
        for spec in &carried {
            // Refused only over the bound of sources, which then shows as each route's refusal.
            let _ = super::tables::set_source(
                now,
                book,
                spec,
                &session,
                &SourceState::Up(info.clone()),
            );
        }
        let from = |spec: &ScopeSpec| From {
            by: by.clone(),
            spec: spec.clone(),
            source: neighbour.source.clone(),
            session: session.clone(),
        };
        let from = carried.iter().map(|spec| (spec.scope.clone(), Arc::new(from(spec))));
        neighbour.carried = from.collect();
        neighbour.scopes = carried.into_iter().map(|s| s.scope.clone()).collect();
        neighbour.open = Some(theirs);
        out.push(Output::Log(session_event(What::SessionUp, by, String::new())));
    }

    /// Tells over the first connection, from the beginning if it is another than before.
    fn tell_over_first(&mut self, now: Now, book: &Book, to: &ClusterId) {
        let Some(neighbour) = self.neighbours.get_mut(to) else { return };
        let first = neighbour.connections.first().copied();
        if first == neighbour.telling.map(|(connection, _)| connection) {
            return;
        }
        match first {
            Some(first) => {
                neighbour.last_stream += 1;
                neighbour.telling = Some((first, neighbour.last_stream));
                self.begin_telling(now, book, to);
            }
            None => {
                neighbour.telling = None;
                self.end_telling(to);
            }
        }
    }

    fn close_heard(
        &mut self,
        now: Now,
        book: &mut Book,
        id: ConnectionId,
        close: Close,
        out: &mut Vec<Output>,
    ) {
        let Some(connection) = self.connections.get(&id) else { return };
        let opened = connection.theirs.is_some();
        let why = match &close {
            Close::Goodbye => "it said goodbye".to_owned(),
            Close::Restart(in_) => format!("it restarts, and is back in {} s", in_.as_secs()),
            Close::Refused(why) => format!("it ended the connection: {why}"),
        };
        let by = connection.neighbour.clone();
        if opened && let Some(neighbour) = self.neighbours.get_mut(&by) {
            neighbour.parting = match close {
                Close::Goodbye => Some((Parting::Goodbye, now.mono)),
                Close::Restart(in_) => Some((Parting::Restart(in_), now.mono)),
                Close::Refused(_) => None,
            };
        }
        self.end(now, book, id, End::Ours(&why), out);
    }

    /// The transport lost a connection.
    pub(crate) fn down(
        &mut self,
        now: Now,
        book: &mut Book,
        connection: ConnectionId,
        why: &str,
        out: &mut Vec<Output>,
    ) {
        self.end(now, book, connection, End::Down(why), out);
    }

    /// A connection ends, and with the last of a neighbour its session. What was heard of it and
    /// waits is passed over: it comes again with the next stream.
    pub(crate) fn end(
        &mut self,
        now: Now,
        book: &mut Book,
        id: ConnectionId,
        end: End<'_>,
        out: &mut Vec<Output>,
    ) {
        let Some(connection) = self.connections.remove(&id) else { return };
        let why = match end {
            End::Ours(why) => {
                out.push(Output::Close { connection: id, why: why.into() });
                why
            }
            End::Down(why) => why,
        };
        let by = connection.neighbour;
        let Some(neighbour) = self.neighbours.get_mut(&by) else { return };
        neighbour.connections.retain(|c| *c != id);
        if neighbour.connections.is_empty() && neighbour.session.is_some() {
            self.session_down(now, book, &by, why, out);
        }
        self.tell_over_first(now, book, &by);
    }

    /// The last connection of a neighbour is gone.
    fn session_down(
        &mut self,
        now: Now,
        book: &mut Book,
        by: &ClusterId,
        why: &str,
        out: &mut Vec<Output>,
    ) {
        let longest = self.config.max_restart;
        let Some(neighbour) = self.neighbours.get_mut(by) else { return };
        let Some(session) = neighbour.session.take() else { return };
        neighbour.carried.clear();
        let back = |said_at: Mono, in_: Duration| said_at.after(in_.min(longest));
        let to = match neighbour.parting.take() {
            Some((Parting::Goodbye, _)) => SourceState::Gone,
            // Other connections may have stayed after it said so, which then isn't waited for again.
            Some((Parting::Restart(in_), said_at)) if now.mono <= back(said_at, in_) => {
                let until = back(said_at, in_);
                neighbour.back_until = Some(until);
                SourceState::KeepStale { for_: until.since(now.mono) }
            }
            _ => {
                neighbour.lost_at = Some(now.mono);
                self.stats.neighbours.entry(by.clone()).or_default().losses += 1;
                SourceState::Offline { why: why.into() }
            }
        };
        self.set_source(now, book, by, &session, &to);
        out.push(Output::Log(session_event(What::SessionDown, by, why.into())));
    }

    /// A neighbour's source has another state, in all tables that it spoke of.
    pub(crate) fn set_source(
        &mut self,
        now: Now,
        book: &mut Book,
        by: &ClusterId,
        session: &Session,
        to: &SourceState,
    ) {
        let Some(neighbour) = self.neighbours.get_mut(by) else { return };
        for spec in self.config.scopes.iter().filter(|s| neighbour.scopes.contains(&s.scope)) {
            // A source that isn't there has nothing whose state could change.
            let _ = super::tables::set_source(now, book, spec, session, to);
        }
        if *to == SourceState::Gone {
            self.bars.forget(by);
        }
    }

    /// A neighbour isn't one any more.
    pub(crate) fn dismiss(
        &mut self,
        now: Now,
        book: &mut Book,
        id: &ClusterId,
        out: &mut Vec<Output>,
    ) {
        let of = |c: &(&ConnectionId, &Connection)| c.1.neighbour == *id;
        let connections: Vec<_> = self.connections.iter().filter(of).map(|(id, _)| *id).collect();
        for connection in connections {
            let close = Close::Refused("this cluster is not a neighbour any more".into());
            out.push(Output::Send { connection, frame: Frame::Close(close).encode() });
            self.end(now, book, connection, End::Ours("it is no neighbour any more"), out);
        }
        self.forget_neighbour(now, book, id);
        self.neighbours.remove(id);
    }

    /// A neighbour has other settings. How many paths it is told holds from its next session on.
    pub(crate) fn respecify(
        &mut self,
        now: Now,
        book: &mut Book,
        id: &ClusterId,
        spec: &NeighbourSpec,
    ) {
        let links = self.config.links.clone();
        let Some(neighbour) = self.neighbours.get_mut(id) else { return };
        if neighbour.spec.link != spec.link {
            neighbour.link = Link::new(links, spec.link);
        }
        let other_tags = neighbour.spec.tags != spec.tags;
        neighbour.spec = spec.clone();
        // More may be taken of it, or less: it says what there is.
        neighbour.missed.extend(neighbour.scopes.iter().cloned());
        let info = SourceInfo { tags: spec.tags.clone(), ..SourceInfo::default() };
        if other_tags && let Some(session) = neighbour.session.clone() {
            self.set_source(now, book, id, &session, &SourceState::Up(info));
        }
    }

    /// This cluster parts from all its neighbours.
    pub(crate) fn leave(&mut self, parting: Parting, out: &mut Vec<Output>) {
        self.parting = Some(parting);
        let close = match parting {
            Parting::Goodbye => Close::Goodbye,
            Parting::Restart(in_) => Close::Restart(in_),
        };
        let frame = Frame::Close(close).encode();
        for (id, connection) in std::mem::take(&mut self.connections) {
            out.push(Output::Send { connection: id, frame: frame.clone() });
            out.push(Output::Close { connection: id, why: "this cluster ends".into() });
            if let Some(neighbour) = self.neighbours.get_mut(&connection.neighbour) {
                neighbour.connections.clear();
                neighbour.telling = None;
            }
            self.end_telling(&connection.neighbour);
        }
    }
}

/// What is wrong with an `Open`.
fn breach_of(connection: &Connection, theirs: &Open) -> Option<String> {
    if connection.theirs.is_some() {
        return Some("a second Open".into());
    }
    if theirs.revision != REVISION {
        return Some(format!("it speaks revision {}, this is {REVISION}", theirs.revision));
    }
    if theirs.cluster != connection.neighbour {
        return Some(format!("it says that it is {}, its key that of another", theirs.cluster));
    }
    if theirs.to != connection.ours.cluster {
        return Some(format!("it means to speak with {}", theirs.to));
    }
    None
}

fn session_event(what: What, with: &ClusterId, why: String) -> LogEvent {
    LogEvent {
        what,
        level: Level::Info,
        neighbour: Some(with.clone()),
        scope: None,
        destination: None,
        reason: None,
        why,
    }
}
