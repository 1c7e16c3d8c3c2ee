//! Election: which of several routers is primary, and who says so.
//!
//! Nothing is elected here. The table `nodes` ranks the routers of a prefix by named criteria, and
//! this module writes what people configure as those criteria, and reads the outcome:
//!
//! ```text
//!   sticky, preempt (default)    standing, preference, incumbent, oldest
//!   sticky, no preemption        standing, incumbent, preference, oldest
//!   not sticky                   standing, preference, oldest
//! ```
//!
//! - **standing**: a router that is away, not approved or revoked is none; one that drains or fails
//!   its probes stands behind those that are well.
//! - **oldest**: the lowest id, since ids are given in order.
//! - Where all are unhealthy the incumbent stays, and without one there is no primary: nobody takes
//!   over for no gain. The incumbent is whoever was primary last, also if the prefix had none since,
//!   as long as its route is in the table. Headscale forgets it then; remembering it means that a
//!   controller that lost all routers for a moment moves nothing when they return together.
//! - After a start the stored primary is nominated (see [`crate::Nodes::restore`]): until its node
//!   is back or [`Settings::restart_grace`] ends it stays primary, though it be away.
//!
//! An exit route has no primary: a map lists all exit nodes that may be used, and the node chooses.

use std::time::Duration;

use rutter_rib::{
    AllUnhealthy, Approval, Bounds, Damping, OnWithdraw, Policy, Stability, Table, ViewId,
};
use rutter_route::{Criterion, NodeId, Now, PathId, Prefix, SourceId, Standing};

pub use rutter_registry::MAX_NODES;

use crate::node::node_of;
use crate::policy::{AutoApprovers, MAX_VIA};

/// The most routes that one node advertises; a further one is refused.
pub const MAX_ROUTES: usize = 1024;

/// The most routers of one prefix; over it the last in rank gives way.
pub const MAX_ROUTERS: usize = 64;

/// How routers are elected and approvals kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// A preferred router takes over from one that is well. `false`: it waits until that fails.
    pub preempt: bool,
    /// Who is primary stays so among equals. `false`: the oldest takes over as soon as it is well,
    /// as Tailscale does it.
    pub sticky: bool,
    /// How long after a start the stored primaries are waited for.
    pub restart_grace: Duration,
    /// What a rule of the policy file approved is taken back when none approves it any more.
    pub strict: bool,
    /// What a withdrawal does to an approval.
    pub on_withdraw: OnWithdraw,
    /// A flapping router is held for a while; `None`: it isn't.
    pub damping: Option<Damping>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            preempt: true,
            sticky: true,
            restart_grace: Duration::from_secs(15),
            strict: false,
            on_withdraw: OnWithdraw::Clear,
            damping: None,
        }
    }
}

impl Settings {
    /// The policy of the table `nodes`.
    pub fn policy(&self, approvers: &AutoApprovers) -> Policy {
        Policy {
            import: approvers.rules(),
            criteria: self.criteria(),
            approval: Approval::Required,
            on_withdraw: self.on_withdraw,
            strict: self.strict,
            all_unhealthy: AllUnhealthy::Incumbent,
            stability: Stability {
                damping: self.damping.clone(),
                // A router that flaps is better than none.
                spare_sole: true,
                ..Stability::default()
            },
            bounds: Bounds {
                sources: MAX_NODES,
                per_source: MAX_ROUTES,
                per_destination: MAX_ROUTERS,
                // A node has one route to a prefix.
                paths: 1,
                views: MAX_VIA + 1,
                ..Bounds::default()
            },
            ..Policy::default()
        }
    }

    fn criteria(&self) -> Vec<Criterion> {
        use Criterion::{Incumbent, NodeId, Preference, Standing};
        match (self.sticky, self.preempt) {
            (true, true) => vec![Standing, Preference, Incumbent, NodeId],
            (true, false) => vec![Standing, Incumbent, Preference, NodeId],
            (false, _) => vec![Standing, Preference, NodeId],
        }
    }
}

/// Who is primary for a prefix as a view sees it, as of the last commit. Exit routes have none.
pub fn primary(table: &Table<Prefix>, prefix: &Prefix, view: ViewId) -> Option<NodeId> {
    if prefix.is_default() {
        return None;
    }
    table.selected(prefix, view).best().and_then(|best| node_of(best.source))
}

/// Who is primary or was last, and still advertises the prefix.
pub fn last_primary(table: &Table<Prefix>, prefix: &Prefix) -> Option<NodeId> {
    if prefix.is_default() {
        return None;
    }
    table.last_best(prefix, ViewId::DEFAULT).and_then(|route| node_of(&route.source))
}

/// The nodes that may be used by an exit route, as of the last commit: in order of their ids.
pub fn exit_nodes(table: &Table<Prefix>, exit: &Prefix) -> Vec<NodeId> {
    let candidates = table.candidates(exit);
    let usable = candidates.iter().filter(|c| !c.standing.is_barred());
    let mut nodes: Vec<NodeId> = usable.filter_map(|c| node_of(c.source)).collect();
    nodes.sort_unstable();
    nodes
}

/// Why a node can't be made primary. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPrimary {
    /// An exit route.
    #[error("an exit route has no primary: each node chooses its exit node")]
    Exit,
    /// Incumbents don't count.
    #[error("`sticky` is off, so the oldest router would take over again: set a preference")]
    NotSticky,
    /// It doesn't advertise the prefix.
    #[error("node {} doesn't advertise {prefix}", node.0)]
    NotAdvertised {
        /// Which node.
        node: NodeId,
        /// Which prefix.
        prefix: Prefix,
    },
    /// It can't be used.
    #[error("node {} is {standing} for {prefix}", node.0)]
    Barred {
        /// Which node.
        node: NodeId,
        /// Which prefix.
        prefix: Prefix,
        /// How its route stands.
        standing: Standing,
    },
    /// Another comes before it whoever is the incumbent.
    #[error("node {} comes before it for {prefix} by its {by}", better.0)]
    Behind {
        /// Who.
        better: NodeId,
        /// Which prefix.
        prefix: Prefix,
        /// By what: `standing` or `preference`.
        by: &'static str,
    },
}

/// Makes a node the incumbent of a prefix, for a person. It is primary from the next commit, and
/// stays as any incumbent does.
///
/// # Errors
/// It would not be primary by that; says why.
pub fn set_primary(
    now: Now,
    table: &mut Table<Prefix>,
    prefix: &Prefix,
    node: NodeId,
) -> Result<(), NotPrimary> {
    may_be_primary(table, prefix, node)?;
    // Due at once: an incumbent like any other, not one who is waited for.
    let at_once = Some(now.deadline(Duration::ZERO));
    let source = SourceId::node(node.0);
    table.nominate(now, ViewId::DEFAULT, prefix, &source, &PathId::default(), at_once);
    Ok(())
}

/// Whether a person may make a node the primary of a prefix.
///
/// # Errors
/// It would not be; says why.
pub fn may_be_primary(
    table: &Table<Prefix>,
    prefix: &Prefix,
    node: NodeId,
) -> Result<(), NotPrimary> {
    if prefix.is_default() {
        return Err(NotPrimary::Exit);
    }
    let criteria = &table.policy().criteria;
    if !criteria.contains(&Criterion::Incumbent) {
        return Err(NotPrimary::NotSticky);
    }
    let place = |of| criteria.iter().position(|c| *c == of);
    let preempts = place(Criterion::Preference) < place(Criterion::Incumbent);
    let source = SourceId::node(node.0);
    let candidates = table.candidates(prefix);
    let mine = candidates.iter().find(|c| *c.source == source);
    let mine = mine.ok_or(NotPrimary::NotAdvertised { node, prefix: *prefix })?;
    if mine.standing.is_barred() {
        return Err(NotPrimary::Barred { node, prefix: *prefix, standing: mine.standing });
    }
    for other in &candidates {
        let by_standing = other.standing < mine.standing;
        let alike = other.standing == mine.standing;
        let preferred = other.attributes.preference > mine.attributes.preference;
        let by = match (by_standing, preempts && alike && preferred) {
            (true, _) => "standing",
            (_, true) => "preference",
            _ => continue,
        };
        if let Some(better) = node_of(other.source) {
            return Err(NotPrimary::Behind { better, prefix: *prefix, by });
        }
    }
    Ok(())
}
