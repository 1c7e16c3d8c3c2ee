//! What the controller knows of users, their leases and members, in memory.
//!
//! The registry is what lasts; this is its copy for reading, so that names resolve while the disk
//! is full or the database lost, and so that an answer costs no query. It is written only after
//! the registry has acknowledged, by the one who holds the user's lock ([`crate::locks`]); so it
//! never shows what a restart would forget.
//!
//! A name maps to the user who claimed it last: where one user frees a name and another takes it
//! at once, the two writes may arrive here in either order, and the first user's removal must not
//! take the second's entry. Hence a name is removed only while it is that user's.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rutter_registry::{
    DomainName, Identity, Member, MemberName, Page, PublicKey, SourceName, UserId,
};
use rutter_route::{Deadline, Incarnation, Now, Wall};

use crate::{RegistrationNumber, RouteClaim, Speaker};

mod speakers;

use speakers::Speakers;

/// What a source said, and until when it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lease {
    /// The source's session.
    pub(crate) incarnation: Incarnation,
    /// When it ends.
    pub(crate) ends: Deadline,
    /// All that the source said.
    pub(crate) claims: Vec<RouteClaim>,
    /// The registration that said it.
    pub(crate) number: RegistrationNumber,
    /// Whether the session that said it is lost.
    pub(crate) away: bool,
}

/// A user and what its sources said.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// The user.
    pub(crate) identity: Identity,
    /// Leases by the source's name, in the names' order; those that have ended are not here.
    pub(crate) leases: Vec<(SourceName, Lease)>,
}

#[derive(Default)]
struct Inner {
    users: HashMap<UserId, User>,
    names: HashMap<DomainName, UserId>,
    speakers: Speakers,
}

struct User {
    identity: Identity,
    leases: HashMap<SourceName, Lease>,
}

/// Users by id and by name.
#[derive(Default)]
pub(crate) struct Directory(RwLock<Inner>);

impl Directory {
    // No code panics while it holds the lock half-written, so a poisoned one is whole.
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in what a user is now.
    pub(crate) fn put_identity(&self, identity: Identity) {
        let inner = &mut *self.write();
        let user = identity.user.clone();
        let before = inner.users.get(&user).map(|u| (u.identity.name.clone(), u.identity.key));
        let (before, key_before) = before.unwrap_or_default();
        inner.speakers.user_key(&user, key_before, identity.key);
        if let Some(before) = before
            && inner.names.get(&before) == Some(&user)
        {
            inner.names.remove(&before);
        }
        if let Some(name) = &identity.name {
            inner.names.insert(name.clone(), user.clone());
        }
        match inner.users.get_mut(&user) {
            Some(known) => known.identity = identity,
            None => {
                inner.users.insert(user, User { identity, leases: HashMap::new() });
            }
        }
    }

    /// Takes a user out with all its leases.
    pub(crate) fn remove(&self, user: &UserId) {
        let inner = &mut *self.write();
        let Some(known) = inner.users.remove(user) else { return };
        inner.speakers.user_key(user, known.identity.key, None);
        if let Some(name) = known.identity.name
            && inner.names.get(&name) == Some(user)
        {
            inner.names.remove(&name);
        }
    }

    /// Notes that a user was heard of.
    pub(crate) fn seen(&self, user: &UserId, at: Wall) {
        if let Some(known) = self.write().users.get_mut(user) {
            known.identity.last_seen = known.identity.last_seen.max(Some(at));
        }
    }

    /// Puts in what a source said.
    pub(crate) fn put_lease(&self, user: &UserId, source: SourceName, lease: Lease) {
        if let Some(known) = self.write().users.get_mut(user) {
            known.leases.insert(source, lease);
        }
    }

    /// Takes out what a source said.
    pub(crate) fn remove_lease(&self, user: &UserId, source: &SourceName) {
        if let Some(known) = self.write().users.get_mut(user) {
            known.leases.remove(source);
        }
    }

    /// A user's identity.
    pub(crate) fn identity(&self, user: &UserId) -> Option<Identity> {
        self.read().users.get(user).map(|u| u.identity.clone())
    }

    /// Who has a name.
    pub(crate) fn holder(&self, name: &DomainName) -> Option<UserId> {
        self.read().names.get(name).cloned()
    }

    /// A user and its leases that have not ended.
    pub(crate) fn known(&self, user: &UserId, now: Now) -> Option<Known> {
        let inner = self.read();
        let known = inner.users.get(user)?;
        let running = known.leases.iter().filter(|(_, lease)| !lease.ends.is_due(now));
        let mut leases: Vec<_> = running.map(|(s, l)| (s.clone(), l.clone())).collect();
        leases.sort_by(|(a, _), (b, _)| a.cmp(b));
        Some(Known { identity: known.identity.clone(), leases })
    }

    /// What a source said last, be it ended or not.
    pub(crate) fn lease(&self, user: &UserId, source: &SourceName) -> Option<Lease> {
        self.read().users.get(user)?.leases.get(source).cloned()
    }

    /// The sources of a user whose leases are here, ended ones among them.
    pub(crate) fn sources(&self, user: &UserId) -> Vec<(SourceName, Incarnation)> {
        let inner = self.read();
        let leases = inner.users.get(user).into_iter().flat_map(|u| &u.leases);
        leases.map(|(source, lease)| (source.clone(), lease.incarnation)).collect()
    }

    /// Leases that have ended, at most `most` of them.
    pub(crate) fn ended(&self, now: Now, most: usize) -> Vec<(UserId, SourceName)> {
        let inner = self.read();
        let all = inner.users.iter().flat_map(|(user, known)| {
            let ended = known.leases.iter().filter(|(_, lease)| lease.ends.is_due(now));
            ended.map(|(source, _)| (user.clone(), source.clone()))
        });
        all.take(most).collect()
    }

    /// How many users there are, and how many leases.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let inner = self.read();
        (inner.users.len(), inner.users.values().map(|u| u.leases.len()).sum())
    }

    /// Whom a key belongs to, if that is one and has a name.
    pub(crate) fn speaker(&self, key: &PublicKey) -> Option<Speaker> {
        let inner = self.read();
        if let Some(member) = inner.speakers.member_of(key) {
            return Some(Speaker::Member(member.clone()));
        }
        let user = inner.speakers.user_of(key)?;
        let name = inner.users.get(user)?.identity.name.clone()?;
        Some(Speaker::Agent { user: user.clone(), name })
    }

    /// Puts in what a member is now.
    pub(crate) fn put_member(&self, member: Member) {
        self.write().speakers.put_member(member);
    }

    /// Takes a member out.
    pub(crate) fn remove_member(&self, name: &MemberName) {
        self.write().speakers.remove_member(name);
    }

    /// Notes that a member was heard of.
    pub(crate) fn member_seen(&self, name: &MemberName, at: Wall) {
        self.write().speakers.member_seen(name, at);
    }

    /// Members in the order of their names.
    pub(crate) fn members(&self, page: &Page<MemberName>) -> Vec<Member> {
        self.read().speakers.members(page)
    }

    /// How many members there are.
    pub(crate) fn n_members(&self) -> usize {
        self.read().speakers.n_members()
    }

    /// Users with a name in the order of their names, `limit` at most, behind `after`.
    pub(crate) fn named(&self, after: Option<&DomainName>, limit: usize) -> Vec<Identity> {
        let inner = self.read();
        let mut names: Vec<_> = inner.names.iter().filter(|(n, _)| after < Some(*n)).collect();
        names.sort();
        let users = names.into_iter().take(limit).filter_map(|(_, user)| inner.users.get(user));
        users.map(|u| u.identity.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
