//! What is kept apart from all else, so that what fails in one keeps no other from being made.

use std::collections::BTreeSet;
use std::fmt;

use super::plan::{self, Machine, Plan};
use super::spec::{LinksSpec, MAX_BRIDGES, MAX_OVERLAYS, ManagedBridge, OverlayLink};
use crate::hop::LinkName;

/// An overlay, a managed bridge, or one of them that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unit {
    Overlay {
        wanted: OverlayLink,
        managed: Option<ManagedBridge>,
    },
    Bridge {
        wanted: ManagedBridge,
        is_made: bool,
    },
    /// It makes no sense: why.
    Refused {
        name: Name,
        why: String,
    },
}

/// Which one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Overlay(u32),
    Bridge(LinkName),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overlay(vni) => write!(f, "overlay {vni}"),
            Self::Bridge(name) => write!(f, "bridge {name}"),
        }
    }
}

impl Unit {
    pub(super) fn name(&self) -> Name {
        match self {
            Self::Overlay { wanted, .. } => Name::Overlay(wanted.vni),
            Self::Bridge { wanted, .. } => Name::Bridge(wanted.name.clone()),
            Self::Refused { name, .. } => name.clone(),
        }
    }

    /// What is to be done for it. `anew` are overlays whose VXLAN the kernel doesn't change while it
    /// lives.
    pub(super) fn plan(&self, machine: &Machine, anew: &BTreeSet<u32>) -> Plan {
        match self {
            Self::Refused { why, .. } => Plan { mistake: Some(why.clone()), ..Plan::default() },
            Self::Overlay { wanted, managed } => {
                plan::overlay(wanted, managed.as_ref(), machine, anew.contains(&wanted.vni))
            }
            Self::Bridge { wanted, is_made } => plan::bridge(wanted, machine, *is_made),
        }
    }
}

/// What a spec is of.
pub(super) fn units(spec: &LinksSpec) -> Vec<Unit> {
    let managed = |name: &LinkName| spec.bridges.iter().find(|b| b.name == *name).cloned();
    let (mut numbers, mut names) = (BTreeSet::new(), BTreeSet::new());
    let mut units = Vec::new();
    for (n, wanted) in spec.overlays.iter().enumerate() {
        // All three are tried: each of them is taken from now on.
        let new = [
            numbers.insert(wanted.vni),
            names.insert(&wanted.vxlan.name),
            names.insert(&wanted.bridge.name),
        ];
        let name = Name::Overlay(wanted.vni);
        units.push(if n >= MAX_OVERLAYS {
            let why = format!("there are more than {MAX_OVERLAYS} overlays");
            Unit::Refused { name, why }
        } else if new.contains(&false) {
            let (vxlan, bridge) = (&wanted.vxlan.name, &wanted.bridge.name);
            let why = format!("its number, `{vxlan}` or `{bridge}` is another overlay's too");
            Unit::Refused { name, why }
        } else {
            Unit::Overlay { wanted: wanted.clone(), managed: managed(&wanted.bridge.name) }
        });
    }
    units.extend(spec.bridges.iter().enumerate().map(|(n, wanted)| {
        if n >= MAX_BRIDGES {
            let why = format!("there are more than {MAX_BRIDGES} managed bridges");
            return Unit::Refused { name: Name::Bridge(wanted.name.clone()), why };
        }
        let is_made = names.contains(&wanted.name);
        Unit::Bridge { wanted: wanted.clone(), is_made }
    }));
    units
}
