//! What the program can show of a node.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rutter_route::{NodeId, Prefix};

use crate::Phase;

/// How a node is doing; a snapshot, given out through a watch channel.
#[derive(Debug, Clone, Default)]
pub struct NodeStatus {
    /// What it is doing: `Registered` while it has a session and the controller has heard what it
    /// advertises.
    pub phase: Phase,
    /// Its number at the controller.
    pub id: Option<NodeId>,
    /// Its addresses in the mesh.
    pub addresses: Vec<IpAddr>,
    /// What it advertises, and how that stands: `eligible`, `unapproved`, `refused: ...`.
    pub advertised: BTreeMap<Prefix, String>,
    /// Prefixes whose probe fails, and what it saw.
    pub unhealthy: BTreeMap<Prefix, String>,
    /// How many maps it has heard since the start, and how many are in use.
    pub n_maps: u64,
    /// Of those the last that is in use: its routes are in the kernel.
    pub n_applied: u64,
    /// Where routes of others lead that are used.
    pub routes: BTreeMap<Prefix, IpAddr>,
    /// Routes of others that aren't, and why.
    pub passed_over: BTreeMap<Prefix, String>,
    /// The text of the last failure, kept until there is a session.
    pub last_error: Option<String>,
    /// How many sessions there were.
    pub n_sessions: u64,
}
