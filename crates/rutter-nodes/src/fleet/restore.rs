//! What was stored, taken back at a start.

use std::collections::BTreeMap;

use rutter_registry::{MAX_PAGE, NodeRecord, Page, Registry, RouteRow};
use rutter_rib::{Decided, Table, ViewId};
use rutter_route::{NodeId, Now, PathId, Prefix, SourceState};

use super::FleetError;
use super::policy::Read;
use super::state::{Presence, State};
use crate::election::Settings;
use crate::nodes::StoredNode;
use crate::{Nodes, election};

/// All that the registry has of nodes.
#[derive(Debug)]
pub(super) struct Stored {
    state: State,
    nodes: Vec<StoredNode>,
}

/// Reads it, a page at a time.
pub(super) async fn read(registry: &dyn Registry) -> Result<Stored, FleetError> {
    let numbers = registry.node_numbers().await?;
    let mut rows: BTreeMap<NodeId, Vec<RouteRow>> = BTreeMap::new();
    let mut page = Page::first(MAX_PAGE);
    loop {
        let more = registry.route_rows(page).await?;
        let last = more.last().filter(|_| more.len() == MAX_PAGE).map(|row| row.id);
        for row in more {
            rows.entry(row.node).or_default().push(row);
        }
        match last {
            Some(last) => page = Page::after(last, MAX_PAGE),
            None => break,
        }
    }
    let state = State { nodes: Nodes::new(numbers.node, numbers.row), ..State::default() };
    let mut stored = Stored { state, nodes: Vec::new() };
    let mut page = Page::first(MAX_PAGE);
    loop {
        let more = registry.nodes(page).await?;
        let last = more.last().filter(|_| more.len() == MAX_PAGE).map(|record| record.node.id);
        for record in more {
            let rows = rows.remove(&record.node.id).unwrap_or_default();
            stored.take(record, rows);
        }
        match last {
            Some(last) => page = Page::after(last, MAX_PAGE),
            None => return Ok(stored),
        }
    }
}

impl Stored {
    fn take(&mut self, record: NodeRecord, rows: Vec<RouteRow>) {
        let NodeRecord { node, incarnation, last_seen, endpoints, approval, preference, drain } =
            record;
        let presence =
            Presence { incarnation: incarnation.0, since: last_seen, ..Presence::default() };
        self.state.presence.insert(node.id, presence);
        self.state.endpoints.insert(node.id, endpoints);
        let primaries = rows.iter().filter(|row| row.is_primary);
        self.state.primaries.extend(primaries.map(|row| (row.prefix, node.id)));
        let words = Decided { approval, preference, drain };
        self.nodes.push(StoredNode { node, incarnation, words, rows });
    }
}

/// Brings all of it back in one step: nothing is committed between the first node and the last, so
/// nobody is elected who has a better one behind. That all are away then is no flap of theirs: the
/// settings have no damping yet.
pub(super) fn restore(
    state: &mut State,
    table: &mut Table<Prefix>,
    now: Now,
    stored: Stored,
    policy: Read,
    settings: &Settings,
    seed: u64,
) -> Result<(), FleetError> {
    *state = stored.state;
    super::policy::enforce(state, table, now, policy, (settings, settings), seed)?;
    for node in &stored.nodes {
        state.nodes.restore(now, table, node, settings.restart_grace)?;
    }
    for presence in state.presence.values_mut() {
        presence.away = Some(now.mono);
    }
    Ok(())
}

/// Nodes whose sessions were ended from this side are waited for as after a start: each stays primary
/// for what it was until its session is back or the grace ends. As at a start, without damping.
pub(super) fn wait_again(
    state: &mut State,
    table: &mut Table<Prefix>,
    now: Now,
    settings: &Settings,
) -> Result<(), FleetError> {
    let until = Some(now.deadline(settings.restart_grace));
    let away: Vec<NodeId> =
        state.presence.iter().filter(|(_, p)| !p.online).map(|(id, _)| *id).collect();
    for id in away {
        let Some(source) = state.nodes.get(id).map(crate::Node::source) else { continue };
        let Some(session) = table.session_of(&source).filter(|_| table.speaks(&source)) else {
            continue;
        };
        for row in state.nodes.rows_of(table, id) {
            let is = election::primary(table, &row.prefix, ViewId::DEFAULT) == Some(id);
            if is {
                let (view, path) = (ViewId::DEFAULT, PathId::default());
                table.nominate(now, view, &row.prefix, &source, &path, until);
            }
        }
        let why = "not back yet since the controller went on".to_owned();
        table
            .source(now, &session, SourceState::Offline { why })
            .map_err(crate::NodesError::Refused)?;
    }
    Ok(())
}
