//! Batches: their order, their signatures, and what waits for those to be verified.
//!
//! A batch is taken apart as it arrives. What has to be verified of it (its own signature, or one a
//! message, and each claim and key set that isn't known) goes out as one [`Output::Verify`]; a batch
//! without any is dealt with at once, if none is before it. Nothing of a batch acts before its
//! signature is found good, and batches of a connection act in their order.
//!
//! A batch that is not signed though it has to be, or is signed wrongly, ends its connection: the
//! sender holds it for told, so only a new stream, which says everything again, brings both ends to
//! agree. A single message that is refused (its own signature, its bytes) is healed by asking for a
//! refresh. A number that was heard already is passed over and counted; a gap ends the connection.

use rutter_rib::Book;
use rutter_route::{ClusterId, Now};

use super::session::End;
use super::{Check, ConnectionId, MAX_WAITING, Output, Speaker, Ticket, Weakness};
use crate::claims::Judged;
use crate::keys::Learned;
use crate::stats::Reason;
use crate::wire::{Batch, Claim, Malformed, Message, Scope, Signed, root, sign};

/// A batch that waits, or is about to be dealt with.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) stream: u64,
    pub(crate) messages: Vec<Result<Message, Malformed>>,
    /// `None`: nothing had to be verified.
    ticket: Option<Ticket>,
    /// What each check is of.
    of: Vec<Of>,
    /// The answer.
    good: Option<Vec<bool>>,
}

/// What a check is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    /// The whole batch.
    Batch,
    /// A message's own signature.
    Message(usize),
    /// What the message at the first place says at the second: a route's claim, a claim, a key set.
    Within(usize, usize),
}

/// What the verifier said of what one message holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdicts<'a> {
    of: &'a [Of],
    good: &'a [bool],
    message: usize,
}

impl Verdicts<'_> {
    /// Whether the claim, or the key set, at that place of the message is signed well; `None`: nobody
    /// was asked.
    pub(crate) fn at(&self, place: usize) -> Option<bool> {
        if self.of.is_empty() {
            return None;
        }
        let at = self.of.binary_search(&Of::Within(self.message, place)).ok()?;
        self.good.get(at).copied()
    }
}

impl Waiting {
    fn is_ready(&self) -> bool {
        self.ticket.is_none() || self.good.is_some()
    }

    fn says(&self, what: Of) -> Option<bool> {
        let at = self.of.binary_search(&what).ok()?;
        self.good.as_ref()?.get(at).copied()
    }

    fn n_routes(&self) -> u64 {
        self.messages.iter().map(|m| m.as_ref().map_or(1, Message::n_routes)).sum()
    }
}

impl Message {
    /// How many refusals it counts for.
    pub(crate) fn n_routes(&self) -> u64 {
        match self {
            Self::Announce(announcement) => announcement.routes.len() as u64,
            Self::Withdraw(withdrawal) => withdrawal.routes.len() as u64,
            _ => 1,
        }
    }
}

impl Speaker {
    /// A batch came.
    pub(crate) fn batch(
        &mut self,
        now: Now,
        book: &mut Book,
        id: ConnectionId,
        batch: Batch,
        out: &mut Vec<Output>,
    ) {
        let weak = self.is_weak(Weakness::Order);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let by = connection.neighbour.clone();
        let breach = match () {
            () if connection.session.is_none() => Some("a batch before Open"),
            () if connection.waiting.len() >= MAX_WAITING => Some("more batches than it may send"),
            () if batch.number > connection.heard + 1 && !weak => Some("a gap in the batches"),
            () => None,
        };
        if let Some(why) = breach {
            self.count_breach(id, Reason::Replay);
            return self.end(now, book, id, End::Ours(why), out);
        }
        self.stats.neighbours.entry(by.clone()).or_default().batches_received += 1;
        if batch.number <= connection.heard && !weak {
            self.count_breach(id, Reason::Replay);
            out.push(Output::Credit { connection: id, frames: 1 });
            return;
        }
        connection.heard = batch.number;
        let messages: Vec<_> = batch.messages.iter().map(|m| Message::decode(m)).collect();
        let mut checks = Checks::default();
        if let Err(reason) = self.checks_of_batch(now, id, &by, &batch, &mut checks) {
            let n = messages.iter().map(|m| m.as_ref().map_or(1, Message::n_routes)).sum();
            return self.refuse_batch(now, book, id, reason, n, out);
        }
        self.checks_of_messages(now, &messages, &mut checks);
        let Checks { of, checks } = checks;
        let mut waiting = Waiting { stream: batch.stream, messages, ticket: None, of, good: None };
        if !checks.is_empty() {
            let ticket = self.next_ticket();
            waiting.ticket = Some(ticket);
            out.push(Output::Verify { ticket, checks });
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if waiting.is_ready() && connection.waiting.is_empty() {
            return self.deal_with(now, book, id, &by, waiting, out);
        }
        connection.waiting.push_back(waiting);
    }

    /// Who vouches for the batch; an error: nobody does, and somebody has to.
    fn checks_of_batch(
        &self,
        now: Now,
        id: ConnectionId,
        by: &ClusterId,
        batch: &Batch,
        checks: &mut Checks,
    ) -> Result<(), Reason> {
        let required = self.config.security.require_signatures;
        let own = &self.config.cluster;
        let Some(session) = self.connections.get(&id).and_then(|c| c.session.as_ref()) else {
            return Err(Reason::Replay);
        };
        let key = match &batch.signed {
            Signed::Not if required => return Err(Reason::Unsigned),
            Signed::Not => return Ok(()),
            Signed::Batch(key, _) | Signed::Each(key, _) => self.keys.find(now, by, key),
        };
        let Some(key) = key else {
            return if required { Err(Reason::UnknownKey) } else { Ok(()) };
        };
        let Batch { stream, number, messages, signed } = batch;
        match signed {
            Signed::Not => {}
            Signed::Batch(_, signature) => {
                let root = root(messages);
                let n = messages.len();
                let bytes = sign::batch_bytes(by, own, session, *stream, *number, n, &root);
                checks.add(Of::Batch, Check { key, bytes, signature: *signature });
            }
            Signed::Each(_, signatures) if signatures.len() != messages.len() => {
                return Err(Reason::Malformed);
            }
            Signed::Each(_, signatures) => {
                for (at, (message, signature)) in messages.iter().zip(signatures).enumerate() {
                    let bytes =
                        sign::message_bytes(by, own, session, *stream, *number, at, message);
                    checks.add(Of::Message(at), Check { key, bytes, signature: *signature });
                }
            }
        }
        Ok(())
    }

    /// What has to be verified of what the messages hold.
    fn checks_of_messages(
        &self,
        now: Now,
        messages: &[Result<Message, Malformed>],
        checks: &mut Checks,
    ) {
        for (at, message) in messages.iter().enumerate() {
            match message {
                Ok(Message::Announce(said)) => {
                    for (place, route) in said.routes.iter().enumerate() {
                        self.check_claim(now, &said.scope, route.claim.as_ref(), at, place, checks);
                    }
                }
                Ok(Message::Withdraw(said)) => {
                    for (place, route) in said.routes.iter().enumerate() {
                        self.check_claim(now, &said.scope, route.claim.as_ref(), at, place, checks);
                    }
                }
                Ok(Message::Renew(scope, claim) | Message::Held(scope, claim)) => {
                    self.check_claim(now, scope, Some(claim), at, 0, checks);
                }
                Ok(Message::Keys(set)) => {
                    if let Learned::Verify(key) = self.keys.judge(now, set) {
                        let bytes = sign::keys_bytes(set);
                        let signature = set.signature;
                        checks.add(Of::Within(at, 0), Check { key, bytes, signature });
                    }
                }
                _ => {}
            }
        }
    }

    fn check_claim(
        &self,
        now: Now,
        scope: &Scope,
        claim: Option<&Claim>,
        message: usize,
        place: usize,
        checks: &mut Checks,
    ) {
        let Some(claim) = claim else { return };
        let own = claim.originator == self.config.cluster;
        // Of its own claims only a newer one matters, and the store of others' doesn't know it.
        if !own && self.claims.judge(now, scope, claim) != Judged::Newer {
            return;
        }
        if let Some(key) = self.keys.find(now, &claim.originator, &claim.key) {
            let bytes = sign::claim_bytes(scope, claim);
            let check = Check { key, bytes, signature: claim.signature };
            checks.add(Of::Within(message, place), check);
        }
    }

    /// The verifier's answer to a batch, if one still waits for it.
    pub(crate) fn verified_batch(
        &mut self,
        now: Now,
        book: &mut Book,
        ticket: Ticket,
        good: &[bool],
        out: &mut Vec<Output>,
    ) {
        let Some(id) = self.connections.iter_mut().find_map(|(id, connection)| {
            let waiting = connection.waiting.iter_mut().find(|w| w.ticket == Some(ticket))?;
            // An answer that doesn't fit is none of ours, and counts as no.
            let fits = good.len() == waiting.of.len();
            let no = || vec![false; waiting.of.len()];
            waiting.good = Some(if fits { good.to_vec() } else { no() });
            Some(*id)
        }) else {
            return;
        };
        loop {
            let Some(connection) = self.connections.get_mut(&id) else { return };
            let by = connection.neighbour.clone();
            let Some(next) = connection.waiting.pop_front_if(|w| w.is_ready()) else { return };
            self.deal_with(now, book, id, &by, next, out);
        }
    }

    /// A batch whose signatures are known, in its turn.
    fn deal_with(
        &mut self,
        now: Now,
        book: &mut Book,
        id: ConnectionId,
        by: &ClusterId,
        batch: Waiting,
        out: &mut Vec<Output>,
    ) {
        if batch.says(Of::Batch) == Some(false) {
            return self.refuse_batch(now, book, id, Reason::BadSignature, batch.n_routes(), out);
        }
        out.push(Output::Credit { connection: id, frames: 1 });
        let refused: Vec<bool> = (0..batch.messages.len())
            .map(|at| batch.says(Of::Message(at)) == Some(false))
            .collect();
        if !refused.is_empty() && refused.iter().all(|refused| *refused) {
            // Nobody vouches for anything of it, its stream and number among that.
            return self.refuse_message(by, Reason::BadSignature, batch.n_routes());
        }
        let Some(neighbour) = self.neighbours.get_mut(by) else { return };
        if batch.stream < neighbour.heard_stream {
            // What it tells has moved to another connection, which says everything again.
            return;
        }
        neighbour.heard_stream = batch.stream;
        let Waiting { messages, of, good, .. } = batch;
        let good = good.unwrap_or_default();
        for (at, (message, refused)) in messages.into_iter().zip(refused).enumerate() {
            let verdicts = Verdicts { of: &of, good: &good, message: at };
            match message {
                Ok(message) if refused => {
                    self.refuse_message(by, Reason::BadSignature, message.n_routes());
                }
                Ok(message) => self.said(now, book, by, message, verdicts, out),
                Err(_) => self.refuse_message(by, Reason::Malformed, 1),
            }
        }
    }

    fn refuse_batch(
        &mut self,
        now: Now,
        book: &mut Book,
        id: ConnectionId,
        reason: Reason,
        n: u64,
        out: &mut Vec<Output>,
    ) {
        let Some(connection) = self.connections.get(&id) else { return };
        let by = connection.neighbour.clone();
        self.stats.neighbours.entry(by.clone()).or_default().refuse(reason, n.max(1));
        self.log_refusal(now, &by, reason, "a batch", out);
        self.end(now, book, id, End::Ours(&format!("a batch was refused: {reason}")), out);
    }

    /// A message of a good batch that can't be taken: what it said is asked for again.
    fn refuse_message(&mut self, by: &ClusterId, reason: Reason, n: u64) {
        self.stats.neighbours.entry(by.clone()).or_default().refuse(reason, n);
        let Some(neighbour) = self.neighbours.get_mut(by) else { return };
        neighbour.missed.extend(neighbour.scopes.iter().cloned());
        neighbour.gaps.extend(neighbour.scopes.iter().cloned());
    }
}

/// What is to be verified, in the order in which it is looked up: the batch, messages, claims.
#[derive(Debug, Default)]
struct Checks {
    of: Vec<Of>,
    checks: Vec<Check>,
}

impl Checks {
    fn add(&mut self, of: Of, check: Check) {
        self.of.push(of);
        self.checks.push(check);
    }
}
