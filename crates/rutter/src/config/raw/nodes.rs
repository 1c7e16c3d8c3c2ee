//! The section of nodes.

use std::path::PathBuf;

use rutter_rib::OnWithdraw;
use rutter_route::Prefix;

use crate::config::Period;
use crate::config::section::section;

section! {
    /// Nodes: the subnets and exit routes that they advertise, who approves them, and which router of
    /// a subnet is primary. They speak with the controller of this file, by its `link`.
    Nodes {
        /// A policy file in HuJSON, as Headscale's: `groups`, `tagOwners`, `hosts`, `autoApprovers`,
        /// `acls`, `grants`. Read again by a reload.
        policy: PathBuf = Says("people approve each route, and everybody is told everything"),
        /// Where nodes' addresses in the mesh are given from: one IPv4 and one IPv6 network at most.
        prefixes: Vec<Prefix> = Is("[100.64.0.0/10, \"fd7a:115c:a1e0::/48\"]"),
        /// A router with a higher preference takes over from one that is well; `false`: it waits until
        /// that fails.
        preempt: bool = Is("true"),
        /// Who is primary stays so among equals; `false`: the oldest takes over as soon as it is well.
        sticky: bool = Is("true"),
        /// How long after a start the primaries of before are waited for.
        restart_grace: Period = Is("15s"),
        /// What a rule approved is taken back when no rule approves it any more.
        strict: bool = Is("false"),
        /// What becomes of an approval when its route is withdrawn: `clear`, it needs a word again, or
        /// `keep`.
        on_withdraw: OnWithdraw = Is("clear"),
        /// Routers that come and go are held for a while.
        damping: NodesDamping = Says("as below"),
        /// How long an ephemeral node may be away before it is deleted.
        ephemeral_timeout: Period = Is("2m"),
        /// How long the key of a user's node is good; of a tagged one it always is. `0s`: for ever.
        key_lifetime: Period = Is("0s"),
        /// How often a node and the controller show each other that they are there.
        keepalive: Period = Is("1s"),
        /// How long a node may be silent until it counts as gone. At least two `keepalive`.
        dead: Period = Is("3s"),
        /// The controller's own ping of routers that share a subnet.
        ha: NodesHa = Says("as below")
    }
}

section! {
    /// Damping by RFC 2439's words: each lost session and each withdrawal adds a penalty, which halves
    /// with every half-life. A route over `suppress` is held until its penalty is down to `reuse`. RFC 7196's
    /// numbers are for paths that flap for hours; a router that is lost costs packets each time, so here the
    /// third loss in a row holds it, for some minutes.
    NodesDamping {
        /// Whether it is done at all.
        enabled: bool = Is("true"),
        /// In what time a penalty halves; at least 1s.
        half_life: Period = Is("2m"),
        /// Over it a route is held.
        suppress: u32 = Is("2500"),
        /// Down to it a route is free again; below `suppress`.
        reuse: u32 = Is("1000"),
        /// The longest hold; at least one half-life.
        max_hold: Period = Is("10m"),
        /// What a lost session or a withdrawal adds.
        withdrawal: u32 = Is("1000")
    }
}

section! {
    /// The controller's own ping of routers that share a subnet: one that has a session but doesn't
    /// answer hands its subnets to another.
    NodesHa {
        /// How often; at least 2s. `0s`: not at all.
        probe_interval: Period = Is("10s"),
        /// In what time it is answered; at least 1s, and shorter than `probe_interval`.
        probe_timeout: Period = Is("5s")
    }
}
