//! What was written, of the keys that are read. Each may be left out or have nothing behind it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    pub(super) network: Option<Network>,
}

/// Kinds of devices that may have routes; those of VRFs are of the VRF's table.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Network {
    ethernets: Option<Devices>,
    modems: Option<Devices>,
    wifis: Option<Devices>,
    bonds: Option<Devices>,
    bridges: Option<Devices>,
    vlans: Option<Devices>,
    tunnels: Option<Devices>,
    dummy_devices: Option<Devices>,
    virtual_ethernets: Option<Devices>,
}

pub(super) type Devices = BTreeMap<String, Option<Device>>;

impl Network {
    /// Each kind by its key.
    pub(super) fn kinds(self) -> impl Iterator<Item = (&'static str, Devices)> {
        let kinds = [
            ("ethernets", self.ethernets),
            ("modems", self.modems),
            ("wifis", self.wifis),
            ("bonds", self.bonds),
            ("bridges", self.bridges),
            ("vlans", self.vlans),
            ("tunnels", self.tunnels),
            ("dummy-devices", self.dummy_devices),
            ("virtual-ethernets", self.virtual_ethernets),
        ];
        kinds.into_iter().filter_map(|(key, devices)| Some((key, devices?)))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Device {
    pub(super) addresses: Option<Vec<Address>>,
    pub(super) routes: Option<Vec<Route>>,
    pub(super) gateway4: Option<String>,
    pub(super) gateway6: Option<String>,
}

/// An address, by itself or with options behind it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Address {
    Plain(String),
    WithOptions(BTreeMap<String, IgnoredAny>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Route {
    pub(super) to: Option<String>,
    pub(super) via: Option<String>,
    pub(super) metric: Option<i64>,
    pub(super) on_link: Option<bool>,
    pub(super) table: Option<i64>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}
