//! What is to be done for one overlay's links, or for one managed bridge. Pure: from what is wanted
//! and what was found.
//!
//! A link's index is known once it is there, so what follows from making it is planned in the next
//! round.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::spec::{Flooding, LinkAddress, MAX_PEERS, ManagedBridge, OverlayLink, Remote, Vxlan};
use crate::hop::LinkName;
use crate::wire::{self, AddressRow, Batch, Device, DeviceRow, FloodRow, VxlanDevice};

/// What is noted on a link that was made here (`ip link` shows it as `alias`).
pub const NOTE: &str = "rutter";

/// What VXLAN's headers take of an MTU: Ethernet 14, VXLAN 8, UDP 8, and IPv4 20 or IPv6 40.
const HEADERS_V4: u32 = 50;
const HEADERS_V6: u32 = 70;

/// The links of the machine, as they were when it was looked.
#[derive(Debug, Clone, Default)]
pub(super) struct Machine {
    pub(super) devices: BTreeMap<String, DeviceRow>,
    pub(super) addresses: Vec<AddressRow>,
    /// Entries for everybody, by the VXLAN's index.
    pub(super) flood: BTreeMap<u32, BTreeSet<FloodRow>>,
    /// Links that are up or were at some look before, by index.
    pub(super) were_up: BTreeSet<u32>,
}

impl Machine {
    fn named(&self, name: &str) -> Option<&DeviceRow> {
        self.devices.get(name)
    }

    fn of(&self, index: u32) -> impl Iterator<Item = &AddressRow> {
        self.addresses.iter().filter(move |row| row.link == index)
    }
}

/// Something that the kernel is to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Request {
    MakeBridge { name: String, mtu: u32, stp: bool },
    MakeVxlan { name: String, mtu: u32, vxlan: VxlanDevice },
    Delete { name: String, index: u32 },
    ChangeVxlan { name: String, index: u32, vxlan: VxlanDevice },
    ChangeStp { name: String, index: u32, stp: bool },
    ChangeMtu { name: String, index: u32, mtu: u32 },
    ChangeMaster { name: String, index: u32, bridge: (String, u32) },
    SetUp { name: String, index: u32 },
    AddAddress { name: String, index: u32, address: LinkAddress },
    AddFlood { name: String, index: u32, row: FloodRow },
    DeleteFlood { name: String, index: u32, row: FloodRow },
}

impl Request {
    /// Adds its message to a batch.
    pub(super) fn encode(&self, batch: &mut Batch) {
        match self {
            Self::MakeBridge { name, mtu, stp } => {
                wire::make_bridge(batch, name, *mtu, *stp, fresh_mac());
            }
            Self::MakeVxlan { name, mtu, vxlan } => wire::make_vxlan(batch, name, *mtu, vxlan),
            Self::Delete { index, .. } => wire::delete_link(batch, *index),
            Self::ChangeVxlan { index, vxlan, .. } => wire::change_vxlan(batch, *index, vxlan),
            Self::ChangeStp { index, stp, .. } => wire::change_stp(batch, *index, *stp),
            Self::ChangeMtu { index, mtu, .. } => wire::change_mtu(batch, *index, *mtu),
            Self::ChangeMaster { index, bridge, .. } => {
                wire::change_master(batch, *index, bridge.1);
            }
            Self::SetUp { index, .. } => wire::set_up(batch, *index),
            Self::AddAddress { index, address, .. } => {
                wire::add_address(batch, *index, address.address(), address.length());
            }
            Self::AddFlood { index, row, .. } => wire::add_flood(batch, *index, row),
            Self::DeleteFlood { index, row, .. } => wire::delete_flood(batch, *index, row),
        }
    }

    /// The link that it makes.
    pub(super) fn makes(&self) -> Option<&str> {
        match self {
            Self::MakeBridge { name, .. } | Self::MakeVxlan { name, .. } => Some(name),
            _ => None,
        }
    }

    /// In words, for when it is refused.
    pub(super) fn what(&self) -> String {
        match self {
            Self::MakeBridge { name, .. } => format!("make the bridge `{name}`"),
            Self::MakeVxlan { name, .. } => format!("make the VXLAN `{name}`"),
            Self::Delete { name, .. } => format!("remove `{name}`"),
            Self::ChangeVxlan { name, .. } => format!("change the VXLAN `{name}`"),
            Self::ChangeStp { name, .. } => format!("set the spanning tree of `{name}`"),
            Self::ChangeMtu { name, mtu, .. } => format!("set the MTU of `{name}` to {mtu}"),
            Self::ChangeMaster { name, bridge, .. } => {
                format!("make `{name}` a port of `{}`", bridge.0)
            }
            Self::SetUp { name, .. } => format!("set `{name}` up"),
            Self::AddAddress { name, address, .. } => format!("give `{name}` {address}"),
            Self::AddFlood { name, row, .. } => format!("have `{name}` copy frames to {}", row.to),
            Self::DeleteFlood { name, row, .. } => {
                format!("have `{name}` copy no frames to {}", row.to)
            }
        }
    }
}

/// What is to be done, and what is to be said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) requests: Vec<Request>,
    /// Why it can't be as it is wanted whatever the kernel is asked.
    pub(super) mistake: Option<String>,
    /// What whoever wrote the configuration may not expect.
    pub(super) remark: Option<String>,
    pub(super) has_bridge: bool,
    pub(super) has_vxlan: bool,
    pub(super) n_flood: usize,
    /// The MTU that the VXLAN has or gets.
    pub(super) mtu: Option<u32>,
}

/// Plans for an overlay. `managed` is what is said of its bridge; `anew`: the kernel has refused to
/// change the VXLAN while it lives.
pub(super) fn overlay(
    wanted: &OverlayLink,
    managed: Option<&ManagedBridge>,
    machine: &Machine,
    anew: bool,
) -> Plan {
    let mut plan = Plan::default();
    if let Err(mistake) = plan.overlay(wanted, managed, machine, anew) {
        plan.mistake = Some(mistake);
    }
    plan
}

/// Plans for a managed bridge. `is_made`: it is an overlay's, which makes it.
pub(super) fn bridge(wanted: &ManagedBridge, machine: &Machine, is_made: bool) -> Plan {
    let mut plan = Plan::default();
    let name = wanted.name.as_str();
    let Some(found) = machine.named(name) else {
        plan.mistake = (!is_made).then(|| format!("there is no bridge `{name}` to manage"));
        return plan;
    };
    let Device::Bridge { stp } = found.what else {
        plan.mistake = Some(is_no("bridge", found));
        return plan;
    };
    let (name, index) = (name.to_owned(), found.link.index);
    if stp != wanted.stp {
        let stp = wanted.stp;
        plan.requests.push(Request::ChangeStp { name: name.clone(), index, stp });
    }
    if let Some(mtu) = wanted.mtu.filter(|mtu| *mtu != found.mtu) {
        plan.requests.push(Request::ChangeMtu { name: name.clone(), index, mtu });
    }
    if !found.link.up {
        plan.requests.push(Request::SetUp { name, index });
    }
    plan
}

impl Plan {
    fn overlay(
        &mut self,
        wanted: &OverlayLink,
        managed: Option<&ManagedBridge>,
        machine: &Machine,
        anew: bool,
    ) -> Result<(), String> {
        let found = machine.named(wanted.vxlan.name.as_str());
        let below = Below::of(&wanted.vxlan, found, machine);
        let mtu = match &below {
            Ok(below) => self.mtu_over(&wanted.vxlan, below),
            Err(_) => wanted.vxlan.mtu.unwrap_or(Vxlan::MTU),
        };
        let bridge = self.bridge(wanted, managed, machine, mtu)?;
        let below = below?;
        self.mtu = Some(mtu);
        let Some(found) = found else {
            let (name, vxlan) = (wanted.vxlan.name.to_string(), device(wanted, &below));
            self.requests.push(Request::MakeVxlan { name, mtu, vxlan });
            return Ok(());
        };
        let Device::Vxlan(there) = &found.what else { return Err(is_no("VXLAN", found)) };
        self.has_vxlan = true;
        let device = device(wanted, &below);
        self.vxlan(found, there, &device, mtu, anew);
        if let Some(bridge) = bridge {
            self.port(found, (wanted.bridge.name.as_str(), bridge), mtu);
        }
        self.flood(wanted, found, machine)
    }

    /// The MTU that the link has: what is wanted, as far as it fits.
    fn mtu_over(&mut self, wanted: &Vxlan, below: &Below<'_>) -> u32 {
        let headers = if below.v6 { HEADERS_V6 } else { HEADERS_V4 };
        let fits = below.device.map(|below| below.mtu.saturating_sub(headers));
        let mtu = wanted.mtu.or(fits).unwrap_or(Vxlan::MTU);
        let (Some(fits), Some(below)) = (fits.filter(|fits| *fits < mtu), below.device) else {
            return mtu;
        };
        self.remark = Some(format!(
            "an MTU of {mtu} doesn't fit: `{}` has {} and VXLAN takes {headers}, so it is {fits}",
            below.link.name, below.mtu
        ));
        fits
    }

    /// The bridge's index, if it is there.
    fn bridge(
        &mut self,
        wanted: &OverlayLink,
        managed: Option<&ManagedBridge>,
        machine: &Machine,
        mtu: u32,
    ) -> Result<Option<u32>, String> {
        let name = wanted.bridge.name.as_str();
        let Some(found) = machine.named(name) else {
            let mtu = managed.and_then(|managed| managed.mtu).unwrap_or(mtu);
            let stp = managed.is_some_and(|managed| managed.stp);
            self.requests.push(Request::MakeBridge { name: name.to_owned(), mtu, stp });
            return Ok(None);
        };
        if !matches!(found.what, Device::Bridge { .. }) {
            return Err(is_no("bridge", found));
        }
        self.has_bridge = true;
        let index = found.link.index;
        // Another's that was up carries the overlay: that it went down is drift. One that never was
        // is as its owner wants it.
        let is_kept_up = found.note == NOTE || machine.were_up.contains(&index);
        match (found.link.up, is_kept_up, managed) {
            (false, true, None) => {
                self.requests.push(Request::SetUp { name: name.to_owned(), index });
            }
            (false, false, None) => {
                let why = format!("the bridge `{name}` is down, and is left so: others made it");
                self.remark = self.remark.take().or(Some(why));
            }
            // A managed one is set up as such.
            _ => {}
        }
        let there: BTreeSet<(IpAddr, u8)> =
            machine.of(index).map(|row| (row.own, row.length)).collect();
        for address in &wanted.bridge.addresses {
            if !there.contains(&(address.address(), address.length())) {
                let (name, address) = (name.to_owned(), *address);
                self.requests.push(Request::AddAddress { name, index, address });
            }
        }
        Ok(Some(index))
    }

    fn vxlan(
        &mut self,
        found: &DeviceRow,
        there: &VxlanDevice,
        wanted: &VxlanDevice,
        mtu: u32,
        anew: bool,
    ) {
        let (name, index) = (found.link.name.clone(), found.link.index);
        let difference = Difference::of(there, wanted);
        match difference {
            Difference::None => {}
            Difference::InPlace if !anew => {
                let local = wanted.local.or(there.local.map(any_like));
                let vxlan = VxlanDevice { local, ..*wanted };
                self.requests.push(Request::ChangeVxlan { name, index, vxlan });
            }
            Difference::InPlace | Difference::Anew => {
                self.requests.push(Request::Delete { name: name.clone(), index });
                self.requests.push(Request::MakeVxlan { name, mtu, vxlan: *wanted });
            }
        }
    }

    /// What makes the VXLAN carry frames: up, of its MTU, a port of its bridge.
    fn port(&mut self, found: &DeviceRow, bridge: (&str, u32), mtu: u32) {
        let (name, index) = (&found.link.name, found.link.index);
        if self.is_made_anew(name) {
            return;
        }
        if found.mtu != mtu {
            self.requests.push(Request::ChangeMtu { name: name.clone(), index, mtu });
        }
        if found.master != Some(bridge.1) {
            let bridge = (bridge.0.to_owned(), bridge.1);
            self.requests.push(Request::ChangeMaster { name: name.clone(), index, bridge });
        }
        if !found.link.up {
            self.requests.push(Request::SetUp { name: name.clone(), index });
        }
    }

    fn flood(
        &mut self,
        wanted: &OverlayLink,
        found: &DeviceRow,
        machine: &Machine,
    ) -> Result<(), String> {
        let (name, index) = (&found.link.name, found.link.index);
        let Flooding::HeadEnd(peers) = &wanted.vxlan.flooding else { return Ok(()) };
        if peers.len() > MAX_PEERS {
            return Err(format!("there are {} peers, and {MAX_PEERS} at most", peers.len()));
        }
        if self.is_made_anew(name) {
            return Ok(());
        }
        let none = BTreeSet::new();
        let there = machine.flood.get(&index).unwrap_or(&none);
        let (mut wanted, mut lost) = (BTreeSet::new(), None);
        for peer in peers {
            match entry(peer, machine) {
                Ok(row) => drop(wanted.insert(row)),
                Err(why) => lost = lost.or(Some(why)),
            }
        }
        self.n_flood = wanted.intersection(there).count();
        // Those that are new first: a frame for everybody is rather sent to one too many.
        for row in wanted.difference(there) {
            let (name, row) = (name.clone(), *row);
            self.requests.push(Request::AddFlood { name, index, row });
        }
        for row in there.difference(&wanted) {
            let (name, row) = (name.clone(), *row);
            self.requests.push(Request::DeleteFlood { name, index, row });
        }
        lost.map_or(Ok(()), Err)
    }

    fn is_made_anew(&self, name: &str) -> bool {
        let mut deleted = self.requests.iter();
        deleted.any(|request| matches!(request, Request::Delete { name: n, .. } if n == name))
    }
}

/// The entry that copies frames to a peer.
fn entry(peer: &Remote, machine: &Machine) -> Result<FloodRow, String> {
    let plain = FloodRow::to(peer.address);
    let Some(over) = &peer.over else { return Ok(plain) };
    let found = machine.named(over.as_str());
    let found = found.ok_or_else(|| format!("there is no link `{over}` to {}", peer.address))?;
    Ok(FloodRow { below: Some(found.link.index), ..plain })
}

/// What is below a VXLAN.
struct Below<'a> {
    device: Option<&'a DeviceRow>,
    local: Option<IpAddr>,
    v6: bool,
}

impl<'a> Below<'a> {
    /// What is wanted to be below. `found` is the link if it is there: its address stays while the
    /// underlay has it, whichever comes first there.
    fn of(wanted: &Vxlan, found: Option<&DeviceRow>, machine: &'a Machine) -> Result<Self, String> {
        let is_there = |name: &&LinkName| machine.named(name.as_str()).is_some();
        let preferred = || wanted.preferred.iter().find(is_there);
        let Some(name) = wanted.underlay.as_ref().or_else(preferred) else {
            let v6 = match &wanted.flooding {
                Flooding::Multicast(group) => group.is_ipv6(),
                Flooding::HeadEnd(_) => wanted.prefers_v6,
            };
            // A link of IPv6 is one whose address is of IPv6, be it any.
            let any = (v6 && matches!(wanted.flooding, Flooding::HeadEnd(_)))
                .then_some(Ipv6Addr::UNSPECIFIED.into());
            return Ok(Self { device: None, local: any, v6 });
        };
        let device = machine.named(name.as_str());
        let device = device.ok_or_else(|| format!("there is no link `{name}` below it"))?;
        let kept = match found.map(|found| &found.what) {
            Some(Device::Vxlan(there)) => there.local,
            _ => None,
        };
        let family = |v6| {
            let own = machine.of(device.link.index).map(|row| row.own);
            let mut own = own.filter(move |own| own.is_ipv6() == v6 && !is_link_local(own));
            let first = own.next();
            if first == kept { first } else { own.find(|own| Some(*own) == kept).or(first) }
        };
        let order = match &wanted.flooding {
            // An address of the other family reaches no member of the group.
            Flooding::Multicast(group) => [group.is_ipv6(); 2],
            Flooding::HeadEnd(_) => [wanted.prefers_v6, !wanted.prefers_v6],
        };
        let local = order.into_iter().find_map(family);
        let local = local.ok_or_else(|| format!("`{name}`, the link below it, has no address"))?;
        Ok(Self { device: Some(device), local: Some(local), v6: local.is_ipv6() })
    }
}

fn is_link_local(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// No address in particular, of the family of another.
fn any_like(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn device(wanted: &OverlayLink, below: &Below<'_>) -> VxlanDevice {
    VxlanDevice {
        vni: wanted.vni,
        port: wanted.vxlan.port,
        learning: wanted.vxlan.learning,
        local: below.local,
        group: match wanted.vxlan.flooding {
            Flooding::Multicast(group) => Some(group),
            Flooding::HeadEnd(_) => None,
        },
        below: below.device.map(|below| below.link.index),
    }
}

/// How far a VXLAN is from what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Difference {
    None,
    /// The kernel changes it while it lives.
    InPlace,
    /// It doesn't.
    Anew,
}

impl Difference {
    fn of(there: &VxlanDevice, wanted: &VxlanDevice) -> Self {
        // Any address isn't listed.
        let said = |local: Option<IpAddr>| local.filter(|local| !local.is_unspecified());
        let (had, wants) = (said(there.local), said(wanted.local));
        // Of any address the family isn't known: the kernel says whether it was another.
        let same_family = match (had, wants) {
            (Some(had), Some(wants)) => had.is_ipv6() == wants.is_ipv6(),
            _ => true,
        };
        let kept = |device: &VxlanDevice| (device.vni, device.port, device.group);
        if kept(there) != kept(wanted) || !same_family {
            Self::Anew
        } else if (had, there.learning, there.below) != (wants, wanted.learning, wanted.below) {
            Self::InPlace
        } else {
            Self::None
        }
    }
}

fn is_no(kind: &str, found: &DeviceRow) -> String {
    let name = &found.link.name;
    let is = match &found.what {
        Device::Bridge { .. } => "a bridge".to_owned(),
        Device::Vxlan(_) => "a VXLAN".to_owned(),
        Device::Other(kind) if kind.is_empty() => "hardware".to_owned(),
        Device::Other(kind) => format!("a link of kind `{kind}`"),
    };
    format!("`{name}` is no {kind} but {is}, and is left alone")
}

/// An address that nobody else has, as the kernel makes them: a bridge that is given one keeps it.
/// One that the kernel has chosen changes with each port, and whoever has the old one in mind (a
/// neighbour, what tells routed frames from others in [`crate::transit`]) is wrong for a while.
fn fresh_mac() -> [u8; 6] {
    let [first, rest @ ..] = RandomState::new().hash_one(()).to_be_bytes();
    let [b, c, d, e, f, ..] = rest;
    // Of one station, and locally administered.
    [first & 0xfc | 0x02, b, c, d, e, f]
}
