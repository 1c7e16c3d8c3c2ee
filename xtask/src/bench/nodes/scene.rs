//! Which nodes there are, what they have, and the policy.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The routers of the networks that all may reach: the first node of each of so many groups, or the
/// first nodes where there are fewer groups.
pub(super) const ROUTERS: usize = 6;

/// The network that all may reach.
pub(super) const SHARED: &str = "10.250.1.0/24";

/// The network that the other policy lets all reach besides.
pub(super) const GRANTED: &str = "10.250.2.0/24";

/// See the module's head.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Scene {
    pub(super) nodes: usize,
    /// Nodes of a group.
    pub(super) group: usize,
    /// Networks of a node.
    pub(super) routes: usize,
}

impl Scene {
    pub(super) fn groups(&self) -> usize {
        self.nodes / self.group
    }

    pub(super) fn user(group: usize) -> String {
        format!("u{group}@")
    }

    /// The routers of the shared networks, the oldest first.
    pub(super) fn routers(&self) -> Vec<usize> {
        let apart = (self.nodes / ROUTERS).max(1);
        let apart = apart - apart % self.group.min(apart);
        (0..ROUTERS).map(|n| n * apart.max(1)).collect()
    }

    /// What a node advertises.
    pub(super) fn networks(&self, node: usize) -> Vec<String> {
        let (group, place) = (node / self.group, node % self.group);
        let own = (0..self.routes).map(|n| format!("10.{group}.{}.0/24", place * self.routes + n));
        let shared = self.routers().contains(&node).then_some([SHARED, GRANTED]);
        own.chain(shared.into_iter().flatten().map(str::to_owned)).collect()
    }

    /// How many routes a node is told: those of its group and the shared one.
    pub(super) fn told(&self) -> usize {
        self.group * self.routes + 1
    }

    pub(super) fn policy(&self, granted: bool) -> Result<String> {
        let groups: BTreeMap<String, [String; 1]> =
            (0..self.groups()).map(|g| (format!("group:g{g}"), [Self::user(g)])).collect();
        let names: Vec<&String> = groups.keys().collect();
        let within = (0..self.groups()).map(|g| {
            let group = format!("group:g{g}");
            let to = [format!("{group}:*"), format!("10.{g}.0.0/16:*")];
            json!({ "action": "accept", "src": [group], "dst": to })
        });
        let shared = if granted { vec![SHARED, GRANTED] } else { vec![SHARED] };
        let shared: Vec<String> = shared.iter().map(|network| format!("{network}:*")).collect();
        let all = json!({ "action": "accept", "src": ["*"], "dst": shared });
        let acls: Vec<_> = within.chain([all]).collect();
        let policy = json!({
            "groups": groups,
            "autoApprovers": { "routes": { "10.0.0.0/8": names } },
            "acls": acls,
        });
        Ok(serde_json::to_string_pretty(&policy)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routers_are_six_of_different_groups_and_networks_are_each_ones_own() {
        let scene = Scene { nodes: 10_000, group: 50, routes: 5 };
        let groups: Vec<usize> = scene.routers().iter().map(|n| n / 50).collect();
        assert_eq!(groups.len(), ROUTERS);
        assert!(groups.is_sorted_by(|a, b| a < b) && groups[ROUTERS - 1] < 200);
        let small = Scene { nodes: 20, group: 5, routes: 2 };
        assert!(small.routers().is_sorted_by(|a, b| a < b) && small.routers()[ROUTERS - 1] < 20);
        let mut all: Vec<String> = (1..50).flat_map(|node| scene.networks(node)).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 49 * 5);
    }
}
