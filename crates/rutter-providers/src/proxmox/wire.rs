//! The answers of Proxmox's API, as far as they are read.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use smol_str::SmolStr;

use super::inventory::{GuestKind, Node, is_somewhere};

/// Every answer.
#[derive(Debug, Deserialize)]
pub(super) struct Answer<T> {
    pub(super) data: T,
}

/// A line of `/cluster/status`: the cluster itself, or a node.
#[derive(Debug, Deserialize)]
pub(super) struct Member {
    #[serde(rename = "type")]
    kind: SmolStr,
    name: SmolStr,
    #[serde(default)]
    ip: Option<SmolStr>,
}

/// A line of `/cluster/resources?type=vm`.
#[derive(Debug, Deserialize)]
pub(super) struct Resource {
    #[serde(rename = "type")]
    kind: SmolStr,
    pub(super) vmid: u32,
    pub(super) node: SmolStr,
    #[serde(default)]
    pub(super) name: SmolStr,
    #[serde(default)]
    pub(super) status: SmolStr,
    #[serde(default)]
    template: u8,
}

/// The configuration of a container: `net0` and so on among much else.
pub(super) type Config = BTreeMap<String, serde_json::Value>;

/// A line of a container's interfaces.
#[derive(Debug, Deserialize)]
pub(super) struct Interface {
    #[serde(default)]
    inet: Option<SmolStr>,
    #[serde(default)]
    inet6: Option<SmolStr>,
    /// What newer versions say, where there are several.
    #[serde(default, rename = "ip-addresses")]
    addresses: Vec<InterfaceAddress>,
}

#[derive(Debug, Deserialize)]
struct InterfaceAddress {
    #[serde(rename = "ip-address")]
    address: SmolStr,
}

/// What a user gets for a password.
#[derive(Deserialize)]
pub(super) struct Ticket {
    pub(super) ticket: String,
}

/// The nodes among a cluster's members.
pub(super) fn nodes(members: Vec<Member>) -> BTreeMap<SmolStr, Node> {
    let nodes = members.into_iter().filter(|member| member.kind == "node");
    let node = |member: Member| {
        let address = member.ip.as_deref().and_then(address);
        (member.name, Node { address })
    };
    nodes.map(node).collect()
}

impl Resource {
    /// Whether it runs.
    pub(super) fn is_running(&self) -> bool {
        self.status == "running"
    }

    /// What sort of guest it is; `None`: none that runs, such as a template.
    pub(super) fn guest_kind(&self) -> Option<GuestKind> {
        let kind = match self.kind.as_str() {
            "lxc" => GuestKind::Lxc,
            "qemu" => GuestKind::Qemu,
            _ => return None,
        };
        Some(kind).filter(|_| self.template == 0 && self.vmid != 0)
    }
}

/// A container's addresses: those of its configuration, and behind them those that it has besides.
pub(super) fn addresses(written: &[IpAddr], had: &[IpAddr]) -> Vec<IpAddr> {
    let mut all = Vec::new();
    for address in written.iter().chain(had) {
        if !all.contains(address) {
            all.push(*address);
        }
    }
    all.truncate(MAX_ADDRESSES);
    all
}

/// The addresses of a configuration, in the order of its networks.
pub(super) fn written(config: &Config) -> Vec<IpAddr> {
    let mut networks: Vec<(u32, &str)> = config
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix("net")?.parse().ok()?, value.as_str()?)))
        .collect();
    networks.sort_unstable();
    let parts = networks.iter().flat_map(|(_, network)| network.split(','));
    let addresses = parts.filter_map(|part| {
        let (key, value) = part.split_once('=')?;
        // `ip=dhcp` is none.
        matches!(key.trim(), "ip" | "ip6").then(|| address(value))?
    });
    addresses.filter(is_somewhere).collect()
}

/// The addresses that interfaces have.
pub(super) fn had(interfaces: &[Interface]) -> Vec<IpAddr> {
    let texts = interfaces.iter().flat_map(|interface| {
        let more = interface.addresses.iter().map(|one| &one.address);
        [&interface.inet, &interface.inet6].into_iter().flatten().chain(more)
    });
    texts.filter_map(|text| address(text)).filter(is_somewhere).collect()
}

/// How many addresses of a guest are taken; of a host of containers, it has a bridge for each.
const MAX_ADDRESSES: usize = 16;

/// `10.0.0.5` or `10.0.0.5/24`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim().split('/').next()?;
    bare.parse().ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_nodes_of_a_cluster_and_of_one_that_stands_alone() {
        let members = serde_json::from_value(json!([
            {"type": "cluster", "name": "home", "id": "cluster", "nodes": 2, "quorate": 1},
            {"type": "node", "name": "pve1", "ip": "10.0.0.1", "online": 1, "local": 1},
            {"type": "node", "name": "pve2", "online": 0},
        ]));
        let nodes = nodes(members.unwrap());
        let nodes: Vec<_> =
            nodes.iter().map(|(name, node)| (name.as_str(), node.address)).collect();
        assert_eq!(nodes, [("pve1", Some([10, 0, 0, 1].into())), ("pve2", None)]);
    }

    #[test]
    fn a_containers_addresses_as_they_are_written_and_as_they_are() {
        let config: Config = serde_json::from_value(json!({
            "hostname": "app", "memory": 512, "netmask": "ip=9.9.9.9",
            "net10": "name=eth9,ip=10.0.9.9/24",
            "net1": "name=eth1,bridge=vmbr1,ip=dhcp,ip6=fd00::5/64",
            "net0": "name=eth0,bridge=vmbr0,gw=10.0.0.1,ip=10.0.0.5/24,type=veth",
        }))
        .unwrap();
        let interfaces: Vec<Interface> = serde_json::from_value(json!([
            {"name": "lo", "inet": "127.0.0.1/8", "inet6": "::1/128"},
            {"name": "eth0", "inet": "10.0.0.5/24", "inet6": "fe80::1/64", "hwaddr": "bc:24"},
            {"name": "eth1", "ip-addresses": [
                {"ip-address": "192.168.7.7", "ip-address-type": "inet", "prefix": 24},
                {"ip-address": "fe80::2", "ip-address-type": "inet6", "prefix": 64},
            ]},
            {"name": "eth2", "inet": "no address"},
        ]))
        .unwrap();
        let said: Vec<String> = addresses(&written(&config), &had(&interfaces))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(said, ["10.0.0.5", "fd00::5", "10.0.9.9", "192.168.7.7"]);
        assert_eq!(written(&Config::new()), Vec::<IpAddr>::new());
    }

    #[test]
    fn a_template_is_no_guest() {
        let kind = |value| serde_json::from_value::<Resource>(value).unwrap().guest_kind();
        let lxc = json!({"type": "lxc", "vmid": 101, "node": "pve1", "template": 0});
        assert_eq!(kind(lxc), Some(GuestKind::Lxc));
        assert_eq!(kind(json!({"type": "qemu", "vmid": 1, "node": "n", "template": 1})), None);
        assert_eq!(kind(json!({"type": "storage", "vmid": 1, "node": "n"})), None);
    }
}
