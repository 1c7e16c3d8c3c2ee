//! Who has which key.
//!
//! Members have a key each. Users have what they were given, and Mesh Router's API lets several have
//! one: such a key says nothing of who holds it, so it opens nothing.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use rutter_registry::{Member, MemberName, Page, PublicKey, UserId};
use rutter_route::Wall;

/// Members by name and by key, and users by key.
#[derive(Default)]
pub(super) struct Speakers {
    members: BTreeMap<MemberName, Member>,
    member_keys: HashMap<PublicKey, MemberName>,
    user_keys: HashMap<PublicKey, Vec<UserId>>,
}

impl Speakers {
    /// Puts in what a member is now.
    pub(super) fn put_member(&mut self, member: Member) {
        self.remove_member(&member.name);
        self.member_keys.insert(member.key, member.name.clone());
        self.members.insert(member.name.clone(), member);
    }

    /// Takes a member out.
    pub(super) fn remove_member(&mut self, name: &MemberName) {
        if let Some(gone) = self.members.remove(name) {
            self.member_keys.remove(&gone.key);
        }
    }

    /// Notes that a member was heard of.
    pub(super) fn member_seen(&mut self, name: &MemberName, at: Wall) {
        if let Some(member) = self.members.get_mut(name) {
            member.last_seen = member.last_seen.max(Some(at));
        }
    }

    /// Members in the order of their names.
    pub(super) fn members(&self, page: &Page<MemberName>) -> Vec<Member> {
        let after = page.after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.members.range::<MemberName, _>((after, Bound::Unbounded));
        range.take(page.limit()).map(|(_, member)| member.clone()).collect()
    }

    /// How many members there are.
    pub(super) fn n_members(&self) -> usize {
        self.members.len()
    }

    /// A user's key changes; `None`: it has none.
    pub(super) fn user_key(
        &mut self,
        user: &UserId,
        before: Option<PublicKey>,
        after: Option<PublicKey>,
    ) {
        if before == after {
            return;
        }
        if let Some(key) = before
            && let Some(users) = self.user_keys.get_mut(&key)
        {
            users.retain(|other| other != user);
            if users.is_empty() {
                self.user_keys.remove(&key);
            }
        }
        if let Some(key) = after {
            self.user_keys.entry(key).or_default().push(user.clone());
        }
    }

    /// The member that has a key.
    pub(super) fn member_of(&self, key: &PublicKey) -> Option<&Member> {
        self.members.get(self.member_keys.get(key)?)
    }

    /// The one user that has a key.
    pub(super) fn user_of(&self, key: &PublicKey) -> Option<&UserId> {
        match self.user_keys.get(key)?.as_slice() {
            [user] => Some(user),
            _ => None,
        }
    }
}
