//! A model of the kernel's links, as slow and plain as it can be.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::vxlan::NOTE;
use crate::vxlan::plan::{Machine, Request};
use crate::wire::{AddressRow, Device, DeviceRow, LinkRow, VxlanDevice};

/// See the module's head.
#[derive(Debug, Clone)]
pub(super) struct Kernel {
    pub(super) machine: Machine,
    /// It changes no VXLAN while it lives, as older ones don't.
    pub(super) rigid: bool,
    next_index: u32,
}

impl Kernel {
    pub(super) fn new(machine: Machine, rigid: bool) -> Self {
        Self { machine, rigid, next_index: 100 }
    }

    /// `false`: it refuses.
    pub(super) fn take(&mut self, request: &Request) -> bool {
        match request {
            Request::MakeBridge { name, mtu, stp } => {
                self.make(name, *mtu, Device::Bridge { stp: *stp });
            }
            Request::MakeVxlan { name, mtu, vxlan } => {
                self.make(name, *mtu, Device::Vxlan(listed(vxlan)));
            }
            Request::Delete { name, index } => {
                let device = self.machine.devices.remove(name).unwrap();
                assert_eq!(device.link.index, *index);
                assert!(matches!(device.what, Device::Vxlan(_)), "only a VXLAN is made anew");
                self.machine.flood.remove(index);
            }
            Request::ChangeVxlan { index, vxlan, .. } => {
                if self.rigid {
                    return false;
                }
                let Device::Vxlan(there) = &mut self.of(*index).what else { panic!("no VXLAN") };
                assert_eq!(
                    (there.vni, there.port, there.group),
                    (vxlan.vni, vxlan.port, vxlan.group),
                    "what the kernel doesn't change"
                );
                *there = listed(vxlan);
            }
            Request::ChangeStp { index, stp, .. } => {
                self.of(*index).what = Device::Bridge { stp: *stp };
            }
            Request::ChangeMtu { index, mtu, .. } => self.of(*index).mtu = *mtu,
            Request::ChangeMaster { index, bridge, .. } => {
                assert!(matches!(self.of(bridge.1).what, Device::Bridge { .. }));
                self.of(*index).master = Some(bridge.1);
            }
            Request::SetUp { index, .. } => self.of(*index).link.up = true,
            Request::AddAddress { index, address, .. } => {
                let (own, length) = (address.address(), address.length());
                self.machine.addresses.push(AddressRow { link: *index, address: own, length, own });
            }
            Request::AddFlood { index, row, .. } => {
                assert!(self.machine.flood.entry(*index).or_default().insert(*row), "twice");
            }
            Request::DeleteFlood { index, row, .. } => {
                assert!(self.machine.flood.entry(*index).or_default().remove(row), "none");
            }
        }
        true
    }

    fn make(&mut self, name: &str, mtu: u32, what: Device) {
        let index = self.next_index;
        self.next_index += 1;
        let link = LinkRow { index, name: name.into(), up: false, carrier: false, loopback: false };
        let note = NOTE.to_owned();
        let device = DeviceRow { link, mac: None, mtu, master: None, note, what };
        let before = self.machine.devices.insert(name.into(), device);
        assert_eq!(before, None, "there is a link of that name");
    }

    fn of(&mut self, index: u32) -> &mut DeviceRow {
        let mut all = self.machine.devices.values_mut();
        all.find(|device| device.link.index == index).unwrap()
    }

    pub(super) fn addresses_of(&self, index: u32) -> BTreeSet<(IpAddr, u8)> {
        let all = self.machine.addresses.iter().filter(|row| row.link == index);
        all.map(|row| (row.own, row.length)).collect()
    }
}

/// An address of no host isn't listed.
fn listed(vxlan: &VxlanDevice) -> VxlanDevice {
    VxlanDevice { local: vxlan.local.filter(|local| !local.is_unspecified()), ..*vxlan }
}
