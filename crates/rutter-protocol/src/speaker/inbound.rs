//! What a neighbour says: checks of claims, loops and bounds, and into the tables.
//!
//! The pipeline of a route, each step with its [`Reason`]: schema (path, advertiser, originator),
//! loop, claim (version, life, signature), bounds; then the table's own: policy, hold-down and
//! damping, which bar a route and refuse nothing.
//!
//! A route that is refused stands no more: what the neighbour said before under the same
//! (destination, path id) it has replaced, so that is withdrawn (RFC 7606, treat-as-withdraw). A
//! route whose claim is signed by a key that nobody knows is taken in and barred by the rule `claim`
//! until the key comes.

mod announce;
mod claimed;
mod take;
mod withdraw;

use std::sync::Arc;

use rutter_rib::Book;
use rutter_route::{ClusterId, Now, Session, SourceId};

pub(crate) use claimed::bar_key;

use super::tables::with_table;
use super::waiting::Verdicts;
use super::{Output, ScopeSpec, Speaker};
use crate::keys::{KeySet, Learned};
use crate::stats::Reason;
use crate::wire::{Message, Scope};

/// Whose word it is, and where it goes.
///
/// It is the same for all that a neighbour says of a scope in one session, so it is made when the
/// session begins ([`super::neighbour::Neighbour::carried`]) and shared by what is dealt with.
#[derive(Debug)]
pub(crate) struct From {
    pub(crate) by: ClusterId,
    pub(crate) spec: ScopeSpec,
    pub(crate) source: SourceId,
    pub(crate) session: Session,
}

impl Speaker {
    /// One message whose signature is good, or needs none.
    pub(crate) fn said(
        &mut self,
        now: Now,
        book: &mut Book,
        by: &ClusterId,
        message: Message,
        verdicts: Verdicts<'_>,
        out: &mut Vec<Output>,
    ) {
        match message {
            Message::Announce(said) => self.announced(now, book, by, said, verdicts, out),
            Message::Withdraw(said) => self.withdrawn(now, book, by, said, verdicts, out),
            Message::Renew(scope, claim) => {
                let said = (&scope, claim, verdicts.at(0));
                self.renewal_heard(now, book, by, said, out);
            }
            Message::Held(scope, claim) => {
                let said = (&scope, claim, verdicts.at(0));
                self.held_heard(now, book, by, said, out);
            }
            Message::Keys(set) => self.keys_heard(now, book, by, &set, verdicts.at(0), out),
            Message::BeginRefresh(scope) => {
                let Some(from) = self.carried(by, &scope) else { return };
                with_table!(book, from.spec, table => table.begin_refresh(now, &from.session));
                if let Some(neighbour) = self.neighbours.get_mut(by) {
                    // What was missed until now follows; what is missed from now on is asked for.
                    neighbour.missed.remove(&scope);
                    neighbour.gaps.remove(&scope);
                }
            }
            Message::EndOfRefresh(scope) => self.refreshed(now, book, by, &scope),
            Message::Refresh(scope) => {
                if self.carried(by, &scope).is_some() {
                    self.refresh(by, &scope);
                }
            }
        }
    }

    /// The table that a neighbour means by a scope, if both carry it.
    pub(crate) fn carried(&self, by: &ClusterId, scope: &Scope) -> Option<Arc<From>> {
        self.neighbours.get(by)?.carried.get(scope).cloned()
    }

    /// The neighbour has said all that it has of a scope: bars of what it didn't say go too.
    ///
    /// If something of it was refused that can't be told (a message whose signature or bytes are bad),
    /// a route that isn't in it may have been in that. So nothing is swept, since a route that nobody
    /// has withdrawn would be, and be held down for it: the next refresh, which is asked for, sweeps.
    /// That one does even if something of it is refused too, so nothing stays for who always says
    /// something that can't be read.
    fn refreshed(&mut self, now: Now, book: &mut Book, by: &ClusterId, scope: &Scope) {
        let Some(from) = self.carried(by, scope) else { return };
        if self.spares(by, scope) {
            return;
        }
        with_table!(book, from.spec, table => table.end_of_refresh(now, &from.session));
        if let Some(neighbour) = self.neighbours.get_mut(by) {
            neighbour.refreshed.insert(scope.clone());
        }
        self.lift_idle_bars(now, book, by, scope);
    }

    /// Whether a refresh that ends sweeps nothing, for what was refused of it.
    fn spares(&mut self, by: &ClusterId, scope: &Scope) -> bool {
        let Some(neighbour) = self.neighbours.get_mut(by) else { return false };
        if neighbour.gaps.remove(scope) && neighbour.spared.insert(scope.clone()) {
            return true;
        }
        neighbour.spared.remove(scope);
        false
    }

    /// Keys of a cluster, announced.
    fn keys_heard(
        &mut self,
        now: Now,
        book: &mut Book,
        by: &ClusterId,
        set: &KeySet,
        good: Option<bool>,
        out: &mut Vec<Output>,
    ) {
        let reason = match (self.keys.judge(now, set), good) {
            (Learned::Verify(_), Some(true)) => {
                self.keys.apply(now, set);
                self.relay_keys(&set.cluster, Some(by));
                self.keys_changed(now, book, &set.cluster, out);
                return;
            }
            (Learned::Verify(_), Some(false)) => Reason::BadSignature,
            // It became the next version of what is known only meanwhile; it will be heard again.
            (Learned::Verify(_), None) | (Learned::NotVouched, _) => Reason::UnknownKey,
            (Learned::Known, _) => return,
            (Learned::Invalid, _) => Reason::Malformed,
        };
        self.stats.neighbours.entry(by.clone()).or_default().refuse(reason, 1);
        self.log_refusal(now, by, reason, &format!("keys of {}", set.cluster), out);
    }
}
