//! The policy file: who approves routes by rule, and who may reach whom.
//!
//! ```text
//!   policy.hujson ─ hujson ─▶ values at their places ─ read ─▶ PolicyFile ─┬ approvers ─▶ rules of
//!                                                                          │             the table
//!                                                                          └ access ───▶ maps
//! ```
//!
//! The file is Headscale's and Tailscale's: HuJSON (JSON with comments and trailing commas) with
//! `groups`, `tagOwners`, `hosts`, `autoApprovers`, `acls` and `grants`. What is not in that list is
//! refused by name and place, with the nearest name that is known: a key that was passed over in
//! silence would be a lock that someone believes in.
//!
//! A [`PolicyFile`] is resolved: groups are their users, hosts their networks, and every group, tag
//! and host that is named is defined. So nothing that comes after can fail on a name.
//!
//! Ports are read and kept; no part of Rutter filters by them.
//!
//! Bounds: a text of 4 MiB, [`MAX_GRANTS`] rules of `acls` and `grants` together, [`MAX_VIA`]
//! different sets of `via`, and for approvers the longest list of rules that a table takes.

mod access;
mod approvers;
mod hujson;
mod ports;
mod read;
mod selector;

use std::collections::{BTreeMap, BTreeSet};

use rutter_rib::{PolicyError, Table, TooMany};
use rutter_route::{Now, Prefix, Tag};
use rutter_yaml::ConfigError;
use smol_str::SmolStr;

use crate::Owner;
use crate::UserName;
use crate::election::Settings;
use crate::names::GroupName;

pub use access::{Access, Grant, Target, via_view};
pub use approvers::{ApprovedRoutes, Approvers, AutoApprovers};
pub use ports::Ports;
pub use selector::Selector;

/// The most rules of `acls` and `grants` together.
pub const MAX_GRANTS: usize = 10_000;

/// The most different sets of tags that `via` may name: each is a view of the table.
pub const MAX_VIA: usize = 32;

/// A policy, resolved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyFile {
    /// Groups and their users.
    pub groups: BTreeMap<GroupName, BTreeSet<UserName>>,
    /// Tags, and who may give them.
    pub tag_owners: BTreeMap<Tag, TagOwners>,
    /// Names of networks.
    pub hosts: BTreeMap<SmolStr, Prefix>,
    /// What rules approve.
    pub auto_approvers: AutoApprovers,
    /// Who may reach whom.
    pub access: Access,
}

/// Who may give a tag.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TagOwners {
    /// These users, groups resolved.
    pub users: BTreeSet<UserName>,
    /// Nodes that hold one of these tags.
    pub tags: BTreeSet<Tag>,
}

impl PolicyFile {
    /// Reads a policy. `name` is what problems call the file.
    ///
    /// # Errors
    /// Everything that is wrong with it, each at its place. Nothing was changed.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        read::file(text).map_err(|problems| ConfigError::new(name, text, problems))
    }

    /// Takes the policy into force in the table `nodes`: its rules, and the views that `via` asks for.
    /// Those that `before` asked for and this doesn't are removed; what stays keeps its incumbents.
    /// Stored routes follow as the table works.
    ///
    /// # Errors
    /// The table refuses; what was taken in until then stands.
    pub fn enforce(
        &self,
        now: Now,
        table: &mut Table<Prefix>,
        settings: &Settings,
        before: &Self,
        seed: u64,
    ) -> Result<(), EnforceError> {
        table.set_policy(now, settings.policy(&self.auto_approvers))?;
        let views = self.access.views();
        for old in before.access.views() {
            if !views.contains(&old) {
                table.set_view(now, &old.name, None, seed)?;
            }
        }
        for view in views {
            let name = view.name.clone();
            table.set_view(now, &name, Some(view), seed)?;
        }
        Ok(())
    }

    /// Whether an owner may give a node the tag.
    pub fn may_give(&self, owner: &Owner, tag: &Tag) -> bool {
        let Some(owners) = self.tag_owners.get(tag) else { return false };
        match owner {
            Owner::User(user) => owners.users.contains(user),
            Owner::Tags(tags) => tags.iter().any(|held| owners.tags.contains(held)),
        }
    }
}

/// A policy that the table doesn't take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnforceError {
    /// It contradicts itself.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// There is no room for its views.
    #[error(transparent)]
    Views(#[from] TooMany),
}

#[cfg(test)]
mod tests;
