//! From messages to a signed batch on its way.

use bytes::{Bytes, BytesMut};
use rutter_route::{AnyDestination, ClusterId, Deadline, Now};

use super::super::own::Asked;
use super::super::{ConnectionId, Level, LogEvent, Output, Signing, Speaker, Ticket, What};
use crate::keys::KeyId;
use crate::wire::sign::{self, SessionId};
use crate::wire::{
    Announced, Announcement, Batch, Frame, MAX_BATCH, MAX_ROUTES, Message, Scope, Signature, Signed,
};
use rutter_rib::Progress;

/// How many bytes of messages go into a batch before it is closed: liveness is judged on the same
/// connection, and a slow link must not look dead.
const BATCH_BYTES: usize = 48 * 1024;

/// After which size an announcement is split.
const ANNOUNCEMENT_BYTES: usize = 16 * 1024;

/// A batch that waits for its signatures.
#[derive(Debug)]
pub(super) struct Sealed {
    connection: ConnectionId,
    session: SessionId,
    stream: u64,
    number: u64,
    messages: Vec<Bytes>,
    how: How,
    /// Signing has failed so many times, and is tried again then.
    failed: u32,
    again: Option<Deadline>,
}

#[derive(Debug)]
enum How {
    Not,
    Batch(KeyId, Option<Signature>),
    Each(KeyId, Vec<Option<Signature>>),
}

impl Sealed {
    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.again
    }

    /// The signatures, once all are there.
    fn signed(&self) -> Option<Signed> {
        match &self.how {
            How::Not => Some(Signed::Not),
            How::Batch(key, signature) => signature.map(|s| Signed::Batch(*key, s)),
            How::Each(key, signatures) => {
                let all: Option<Vec<_>> = signatures.iter().copied().collect();
                all.map(|all| Signed::Each(*key, all))
            }
        }
    }
}

impl Speaker {
    /// Writes a draft whose claims are signed as messages in bytes.
    pub(super) fn make_ready(&mut self, now: Now, to: &ClusterId, out: &mut Vec<Output>) {
        let Some(neighbour) = self.neighbours.get_mut(to) else { return };
        let waits = neighbour.outbox.draft.as_ref().is_none_or(|d| !d.awaits.is_empty());
        if waits {
            return;
        }
        let Some(draft) = neighbour.outbox.draft.take() else { return };
        for message in draft.messages {
            match message {
                Message::Announce(announcement) => self.announce(now, to, announcement, out),
                Message::Withdraw(withdrawal) => self.withdraw(to, withdrawal, out),
                other => self.encode(to, &other),
            }
        }
    }

    fn announce(
        &mut self,
        now: Now,
        to: &ClusterId,
        mut announcement: Announcement,
        out: &mut Vec<Output>,
    ) {
        let routes = std::mem::take(&mut announcement.routes);
        let mut weight = 0;
        for mut route in routes {
            let claim = self.claim_for(&announcement, &route.destination);
            if claim.as_ref().is_some_and(|claim| claim.withdrawn) {
                // It ended while this draft waited; the outlet says so next.
                continue;
            }
            route.claim = claim;
            weight += weight_of(&route);
            self.count_announced(now, to, &announcement, &route, out);
            announcement.routes.push(route);
            if weight >= ANNOUNCEMENT_BYTES || announcement.routes.len() >= MAX_ROUTES {
                let whole = Announcement { routes: Vec::new(), ..announcement.clone() };
                self.encode(to, &Message::Announce(std::mem::replace(&mut announcement, whole)));
                weight = 0;
            }
        }
        if !announcement.routes.is_empty() {
            self.encode(to, &Message::Announce(announcement));
        }
    }

    fn claim_for(&self, of: &Announcement, on: &AnyDestination) -> Option<crate::claims::Claim> {
        let originator = of.path.last()?;
        match *originator == self.config.cluster {
            true => self.own.claim(&of.scope, on).cloned(),
            false => self.claims.get(&of.scope, originator, on).map(|held| held.claim.clone()),
        }
    }

    fn withdraw(
        &mut self,
        to: &ClusterId,
        mut withdrawal: crate::wire::Withdrawal,
        out: &mut Vec<Output>,
    ) {
        for route in &mut withdrawal.routes {
            let own = self.own.claim(&withdrawal.scope, &route.destination);
            if let Some(end) = own.filter(|claim| claim.withdrawn) {
                route.claim = Some(end.clone());
            }
        }
        let n = withdrawal.routes.len() as u64;
        self.stats.neighbours.entry(to.clone()).or_default().withdrawals_sent += n;
        if self.logs_routes() {
            for route in &withdrawal.routes {
                let what = (What::RouteWithdraw, to, &withdrawal.scope, &route.destination);
                self.log_route(what, "told as withdrawn".into(), out);
            }
        }
        let scope = withdrawal.scope.clone();
        let mut routes = withdrawal.routes.into_iter().peekable();
        while routes.peek().is_some() {
            let mut weight = 0;
            let mut part = Vec::new();
            while let Some(route) = routes.next_if(|_| weight < ANNOUNCEMENT_BYTES) {
                weight += 64 + route.claim.as_ref().map_or(0, weight_of_claim);
                part.push(route);
            }
            let part = crate::wire::Withdrawal { scope: scope.clone(), routes: part };
            self.encode(to, &Message::Withdraw(part));
        }
    }

    fn count_announced(
        &mut self,
        _now: Now,
        to: &ClusterId,
        of: &Announcement,
        route: &Announced,
        out: &mut Vec<Output>,
    ) {
        let Some(neighbour) = self.neighbours.get_mut(to) else { return };
        let refused = &mut neighbour.outbox.refused;
        let known = (of.scope.clone(), route.destination.clone());
        if !refused.is_empty()
            && refused.remove(&known)
            && let Some(outlet) = neighbour.outlets.get_mut(&of.scope)
        {
            outlet.accepted(&route.destination);
        }
        self.stats.neighbours.entry(to.clone()).or_default().announcements_sent += 1;
        if self.logs_routes() {
            let path: Vec<&str> = of.path.iter().map(ClusterId::as_str).collect();
            let why = format!("by {}", path.join(", "));
            self.log_route((What::RouteAnnounce, to, &of.scope, &route.destination), why, out);
        }
    }

    /// Whether each route is worth a line.
    fn logs_routes(&self) -> bool {
        self.config.log_routes
    }

    fn log_route(
        &self,
        (what, to, scope, on): (What, &ClusterId, &Scope, &AnyDestination),
        why: String,
        out: &mut Vec<Output>,
    ) {
        out.push(Output::Log(LogEvent {
            what,
            level: Level::Debug,
            neighbour: Some(to.clone()),
            scope: Some(scope.clone()),
            destination: Some(on.clone()),
            reason: None,
            why,
        }));
    }

    fn encode(&mut self, to: &ClusterId, message: &Message) {
        if let Message::Renew(..) = message {
            self.stats.neighbours.entry(to.clone()).or_default().renewals_sent += 1;
        }
        let mut bytes = BytesMut::new();
        message.encode(&mut bytes);
        if let Some(neighbour) = self.neighbours.get_mut(to) {
            neighbour.outbox.ready.push_back(bytes.freeze());
        }
    }

    /// Makes the next batch of what is ready, and has it signed.
    pub(super) fn seal(&mut self, now: Now, to: &ClusterId, out: &mut Vec<Output>) -> Progress {
        let key = self.own_key(now);
        let Self { neighbours, connections, config, .. } = self;
        let Some(neighbour) = neighbours.get_mut(to) else { return Progress::Done };
        let outbox = &mut neighbour.outbox;
        if outbox.ready.is_empty() {
            return Progress::Done;
        }
        let Some((connection, stream)) = neighbour.telling else { return Progress::Done };
        let Some(of) = connections.get(&connection) else { return Progress::Done };
        let Some(session) = of.session else { return Progress::Done };
        let how = match (config.security.signing, key) {
            (Signing::Off, _) => How::Not,
            (Signing::Batch, Some(key)) => How::Batch(key, None),
            (Signing::Each, Some(key)) => How::Each(key, Vec::new()),
            // Nothing is said unsigned that is to be signed: it waits for a key.
            (_, None) => return Progress::Done,
        };
        let mut weight = 0;
        let mut messages = Vec::new();
        while weight < BATCH_BYTES
            && messages.len() < MAX_BATCH
            && let Some(message) = outbox.ready.pop_front()
        {
            weight += message.len();
            messages.push(message);
        }
        let how = match how {
            How::Each(key, _) => How::Each(key, vec![None; messages.len()]),
            other => other,
        };
        let number = of.sent + 1;
        let failed = 0;
        let again = None;
        let sealed = Sealed { connection, session, stream, number, messages, how, failed, again };
        outbox.sealed = Some(sealed);
        self.ask_signatures(to, out);
        self.send_sealed(now, to, out)
    }

    /// Asks for those signatures of the sealed batch that aren't there.
    fn ask_signatures(&mut self, to: &ClusterId, out: &mut Vec<Output>) {
        let Self { neighbours, own, config, last_ticket, .. } = self;
        let sealed = neighbours.get_mut(to).and_then(|n| n.outbox.sealed.as_mut());
        let Some(sealed) = sealed else { return };
        sealed.again = None;
        let mut ask = |at: usize, key: KeyId, bytes: Vec<u8>| {
            *last_ticket += 1;
            let ticket = Ticket(*last_ticket);
            own.ask(ticket, Asked::Batch(to.clone(), at));
            out.push(Output::Sign { ticket, key, bytes });
        };
        let Sealed { session, stream, number, messages, how, .. } = sealed;
        match how {
            How::Batch(key, None) => {
                let root = crate::wire::root(messages);
                let count = messages.len();
                let from = &config.cluster;
                let bytes = sign::batch_bytes(from, to, session, *stream, *number, count, &root);
                ask(0, *key, bytes);
            }
            How::Each(key, signatures) => {
                for (at, message) in messages.iter().enumerate() {
                    if signatures.get(at).is_some_and(Option::is_some) {
                        continue;
                    }
                    let from = &config.cluster;
                    let bytes =
                        sign::message_bytes(from, to, session, *stream, *number, at, message);
                    ask(at, *key, bytes);
                }
            }
            How::Not | How::Batch(_, Some(_)) => {}
        }
    }

    /// One of a batch's signatures came, or its signer failed: then it is asked again, ever later.
    pub(super) fn batch_signed(
        &mut self,
        now: Now,
        to: &ClusterId,
        at: usize,
        signature: &Result<Signature, String>,
        out: &mut Vec<Output>,
    ) {
        let sealed = self.neighbours.get_mut(to).and_then(|n| n.outbox.sealed.as_mut());
        let Some(sealed) = sealed else { return };
        match (signature, &mut sealed.how) {
            (Ok(good), How::Batch(_, slot)) => *slot = Some(*good),
            (Ok(good), How::Each(_, slots)) => {
                if let Some(slot) = slots.get_mut(at) {
                    *slot = Some(*good);
                }
            }
            (Ok(_), How::Not) => {}
            (Err(why), _) => {
                if sealed.again.is_some() {
                    return;
                }
                sealed.failed += 1;
                sealed.again = Some(now.deadline(backoff(sealed.failed)));
                out.push(sign_failed(Some(to), why));
            }
        }
    }

    /// Sends the sealed batch if its signatures are there; asks for them again when that is due.
    pub(super) fn send_sealed(
        &mut self,
        now: Now,
        to: &ClusterId,
        out: &mut Vec<Output>,
    ) -> Progress {
        let Some(neighbour) = self.neighbours.get_mut(to) else { return Progress::Done };
        let Some(sealed) = &mut neighbour.outbox.sealed else { return Progress::Done };
        if sealed.again.is_some_and(|at| at.is_due(now)) {
            self.ask_signatures(to, out);
            return Progress::Done;
        }
        let Some(signed) = sealed.signed() else { return Progress::Done };
        let Some(connection) = self.connections.get_mut(&sealed.connection) else {
            return Progress::Done;
        };
        connection.sent = sealed.number;
        connection.room = connection.room.saturating_sub(1);
        let messages = std::mem::take(&mut sealed.messages);
        let batch = Batch { stream: sealed.stream, number: sealed.number, messages, signed };
        let connection = sealed.connection;
        neighbour.outbox.sealed = None;
        out.push(Output::Send { connection, frame: Frame::Batch(batch).encode() });
        self.stats.neighbours.entry(to.clone()).or_default().batches_sent += 1;
        Progress::More
    }
}

/// 1, 2, 4 .. 64 seconds.
fn backoff(n_failed: u32) -> std::time::Duration {
    std::time::Duration::from_secs(1 << n_failed.saturating_sub(1).min(6))
}

pub(in crate::speaker) fn sign_failed(neighbour: Option<&ClusterId>, why: &str) -> Output {
    Output::Log(LogEvent {
        what: What::SignFailed,
        level: Level::Warn,
        neighbour: neighbour.cloned(),
        scope: None,
        destination: None,
        reason: None,
        why: why.into(),
    })
}

/// About how many bytes a route takes.
fn weight_of(route: &Announced) -> usize {
    let destination = match &route.destination {
        AnyDestination::Prefix(_) => 18,
        AnyDestination::Service(service) => 40 + service.name.as_str().len(),
        AnyDestination::Cluster(cluster) => 2 + cluster.as_str().len(),
    };
    destination + 2 + route.path_id.as_str().len() + route.claim.as_ref().map_or(1, weight_of_claim)
}

fn weight_of_claim(claim: &crate::claims::Claim) -> usize {
    let tags: usize = claim.tags.iter().map(|tag| 2 + tag.as_str().len()).sum();
    // Versions, the end, the key's id, the signature, the originator.
    104 + claim.originator.as_str().len() + tags
}
