//! Recordings: what happened to each speaker, as JSON lines, and the same played again.

use rutter_protocol::speaker::Input;
use rutter_route::{ClusterId, Now};

use crate::faults::Fault;
use crate::node::Node;

/// Where lines go while a network runs.
#[derive(Debug, Default)]
pub(crate) struct Tape {}

impl Tape {
    pub(crate) fn booted(&mut self, _at: u64, _node: &Node) {}
    pub(crate) fn stopped(&mut self, _at: u64, _node: &ClusterId) {}
    pub(crate) fn input(&mut self, _at: u64, _node: &ClusterId, _now: Now, _input: &Input) {}
    pub(crate) fn fault(&mut self, _at: u64, _fault: &Fault) {}
}
