//! Asking one cluster for what it has, again and again.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use smol_str::SmolStr;

use super::ProxmoxError;
use super::api::Api;
use super::inventory::{Guest, GuestKind, Inventory, MAX_GUESTS, Node};
use super::wire::{Config, Interface, Member, Resource, addresses, had, nodes, written};

/// How long a container's addresses and the cluster's nodes are taken as they were.
pub(super) const STAYS: Duration = Duration::from_secs(30);

/// How long after it turned a container that has no address is asked for one at each look: DHCP
/// takes its time.
const STARTS_FOR: Duration = Duration::from_secs(60);

/// How many questions are asked at once.
const AT_ONCE: usize = 8;

/// One cluster, and what is remembered between two looks at it.
pub(super) struct Watching {
    api: Api,
    nodes: Option<(BTreeMap<SmolStr, Node>, Instant)>,
    containers: BTreeMap<u32, Container>,
}

/// What is remembered of a container.
#[derive(Debug, Clone)]
struct Container {
    node: SmolStr,
    status: SmolStr,
    /// The addresses of its configuration.
    written: Vec<IpAddr>,
    /// Those that its interfaces had when they were known last.
    had: Vec<IpAddr>,
    /// When they were read.
    at: Instant,
    /// When it turned or moved last.
    since: Instant,
}

impl Watching {
    pub(super) fn of(api: Api) -> Self {
        Self { api, nodes: None, containers: BTreeMap::new() }
    }

    /// What the cluster has now.
    ///
    /// # Errors
    /// It can't be asked, or has more than is taken. A container whose addresses alone can't be
    /// had keeps those that it had.
    pub(super) async fn look(&mut self) -> Result<Inventory, ProxmoxError> {
        self.api.log_in().await?;
        let looked = self.try_look().await;
        if matches!(looked, Err(ProxmoxError::NotLetIn(_))) {
            self.api.log_out();
        }
        looked
    }

    async fn try_look(&mut self) -> Result<Inventory, ProxmoxError> {
        let nodes = self.nodes().await?;
        let resources: Vec<Resource> = self.api.get("cluster/resources?type=vm").await?;
        let guests = resources.into_iter().filter_map(|one| Some((one.guest_kind()?, one)));
        let guests: BTreeMap<u32, (GuestKind, Resource)> =
            guests.map(|(kind, one)| (one.vmid, (kind, one))).collect();
        if guests.len() > MAX_GUESTS {
            return Err(ProxmoxError::TooMany { n: guests.len(), limit: MAX_GUESTS });
        }
        self.read_containers(&guests).await;
        let guest = |(vmid, (kind, one)): (u32, (GuestKind, Resource))| {
            let known = self.containers.get(&vmid);
            let addresses = known.map(|known| addresses(&known.written, &known.had));
            let addresses = addresses.unwrap_or_default();
            let Resource { node, name, status, .. } = one;
            (vmid, Guest { node, name, kind, status, addresses })
        };
        Ok(Inventory { nodes, guests: guests.into_iter().map(guest).collect() })
    }

    async fn nodes(&mut self) -> Result<BTreeMap<SmolStr, Node>, ProxmoxError> {
        if let Some((known, at)) = &self.nodes
            && at.elapsed() < STAYS
        {
            return Ok(known.clone());
        }
        let members: Vec<Member> = self.api.get("cluster/status").await?;
        let found = nodes(members);
        self.nodes = Some((found.clone(), Instant::now()));
        Ok(found)
    }

    /// Reads the addresses of those containers whose may have changed.
    async fn read_containers(&mut self, guests: &BTreeMap<u32, (GuestKind, Resource)>) {
        let containers = guests.values().filter(|(kind, _)| *kind == GuestKind::Lxc);
        self.containers.retain(|vmid, _| guests.contains_key(vmid));
        let now = Instant::now();
        let to_read = containers.map(|(_, one)| one).filter(|one| {
            let known = self.containers.get(&one.vmid);
            known.is_none_or(|known| known.may_have_changed(one, now))
        });
        let read: Vec<_> = to_read.map(|one| read_addresses(&self.api, one)).collect();
        let read = futures_util::stream::iter(read).buffer_unordered(AT_ONCE);
        let read: Vec<_> = read.collect().await;
        for (one, read) in read {
            let known = self.containers.get(&one.vmid);
            let before = known.map(|known| (known.written.clone(), known.had.clone()));
            let before = before.unwrap_or_default();
            let (written, had) = match read {
                Ok(ReadAddresses { written, had }) => (written, had.unwrap_or(before.1)),
                Err(error) => {
                    tracing::debug!(vmid = one.vmid, %error, "a container can't be asked for");
                    before
                }
            };
            let (node, status) = (one.node.clone(), one.status.clone());
            let since = known.filter(|known| known.is_as(one)).map_or(now, |known| known.since);
            let container = Container { node, status, written, had, at: now, since };
            self.containers.insert(one.vmid, container);
        }
    }
}

impl Container {
    /// Whether it is where it was, and does what it did.
    fn is_as(&self, is: &Resource) -> bool {
        self.status == is.status && self.node == is.node
    }

    /// Whether its addresses may be others than they were.
    fn may_have_changed(&self, is: &Resource, now: Instant) -> bool {
        let is_starting = is.is_running()
            && self.written.is_empty()
            && self.had.is_empty()
            && now.saturating_duration_since(self.since) < STARTS_FOR;
        !self.is_as(is) || is_starting || now.saturating_duration_since(self.at) >= STAYS
    }
}

/// The addresses of a container: those of its configuration, and those that its interfaces have,
/// if they could be asked.
struct ReadAddresses {
    written: Vec<IpAddr>,
    had: Option<Vec<IpAddr>>,
}

async fn read_addresses<'a>(
    api: &'a Api,
    one: &'a Resource,
) -> (&'a Resource, Result<ReadAddresses, ProxmoxError>) {
    (one, try_read_addresses(api, one).await)
}

/// One that doesn't run has the addresses of its configuration alone.
async fn try_read_addresses(api: &Api, one: &Resource) -> Result<ReadAddresses, ProxmoxError> {
    let path = format!("nodes/{}/lxc/{}", one.node, one.vmid);
    let config: Config = api.get(&format!("{path}/config")).await?;
    let had = match one.is_running() {
        false => Some(Vec::new()),
        true => match api.get::<Option<Vec<Interface>>>(&format!("{path}/interfaces")).await {
            Ok(interfaces) => Some(had(&interfaces.unwrap_or_default())),
            // Older versions don't say.
            Err(error) => {
                tracing::debug!(vmid = one.vmid, %error, "a container's interfaces aren't known");
                None
            }
        },
    };
    Ok(ReadAddresses { written: written(&config), had })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_again_after_a_while_or_when_a_container_moves_or_turns() {
        let at = Instant::now();
        let is = |node: &str, status: &str| -> Resource {
            let value =
                serde_json::json!({"type": "lxc", "vmid": 1, "node": node, "status": status});
            serde_json::from_value(value).unwrap()
        };
        let (node, status) = ("pve1".into(), "running".into());
        let (written, had) = (vec![[10, 0, 0, 5].into()], Vec::new());
        let mut known = Container { node, status, written, had, at, since: at };
        let soon = at + STAYS - Duration::from_millis(1);
        assert!(!known.may_have_changed(&is("pve1", "running"), soon));
        assert!(known.may_have_changed(&is("pve1", "running"), at + STAYS));
        assert!(known.may_have_changed(&is("pve1", "stopped"), soon));
        assert!(known.may_have_changed(&is("pve2", "running"), soon));
        // One that has just started gets its address when DHCP gives it one.
        known.written.clear();
        assert!(known.may_have_changed(&is("pve1", "running"), soon));
        known.at += STARTS_FOR;
        assert!(!known.may_have_changed(&is("pve1", "running"), at + STARTS_FOR));
    }
}
