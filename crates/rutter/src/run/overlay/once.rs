//! The kernel compared with the file once, and made so once: for commands beside the role.
//!
//! Of routes nothing is said here: which there should be is what peers tell, and so the role's.

use std::collections::BTreeSet;

use anyhow::bail;
use rutter_kernel::sysctl::{ReversePath, Scope, Settings};
use rutter_kernel::{Cleaned, Family, Rule, Sink, SinkSpec, missing_rules, vxlan};
use rutter_overlay::{Install, Overlay};
use rutter_registry::DataDir;
use serde::Serialize;

use super::{kernel, links, rules};
use crate::config::resolved;

/// How something of the kernel's is from what the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Differs {
    /// Of what.
    pub(crate) of: String,
    /// What would be done, or what was.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) changes: Vec<String>,
    /// Why it can't be as it is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// What is to be known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remark: Option<String>,
}

impl Differs {
    fn changes(of: &str, changes: Vec<String>) -> Option<Self> {
        let of = of.to_owned();
        (!changes.is_empty()).then_some(Self { of, changes, error: None, remark: None })
    }
}

/// Says what differs. Nothing is changed.
///
/// # Errors
/// The kernel can't be asked.
pub(crate) fn compare(overlay: &resolved::Overlay) -> anyhow::Result<Vec<Differs>> {
    let compared = vxlan::compare(&links::spec(&overlay.host, &BTreeSet::new())?)?;
    let mut all: Vec<Differs> = compared
        .into_iter()
        .map(|vxlan::Difference { of, changes, error, remark }| Differs {
            of,
            changes,
            error,
            remark,
        })
        .collect();
    let missing = missing_rules(&wanted_rules(overlay)?)?;
    let missing = missing.iter().map(|rule| format!("add {}", shown(rule))).collect();
    all.extend(Differs::changes("rules", missing));
    all.extend(Differs::changes(
        "settings",
        settings(overlay)?.iter().map(Setting::what).collect(),
    ));
    Ok(all)
}

/// Makes links, rules and settings as the file says; what was there and is right stays as it is. Says
/// what couldn't be done.
///
/// # Errors
/// The kernel can't be asked. Some may be done.
pub(crate) fn apply(
    overlay: &resolved::Overlay,
    dir: Option<&DataDir>,
) -> anyhow::Result<Vec<Differs>> {
    let status = vxlan::apply(&links::spec(&overlay.host, &BTreeSet::new())?)?;
    if let Some(why) = status.failed {
        bail!("{why}");
    }
    let error = |(of, why): (String, &String)| {
        let error = Some(why.clone());
        Differs { of, changes: Vec::new(), error, remark: None }
    };
    let overlays = status.errors.iter().map(|(vni, why)| (format!("overlay {vni}"), why));
    let bridges = status.bridge_errors.iter().map(|(name, why)| (format!("bridge {name}"), why));
    let mut wrong: Vec<Differs> = overlays.chain(bridges).map(error).collect();
    for (vni, of) in &overlay.host.overlays {
        let spec = kernel::spec(overlay, *vni, of, dir)?.sink;
        // Routes that are there stay: which are wanted is the role's to know.
        let mut sink = Sink::open(SinkSpec { keep_left_over: true, ..spec })?;
        sink.look()?;
        sink.settle()?;
        wrong.extend(sink.refused_rules().iter().map(|(rule, why)| error((shown(rule), why))));
    }
    set(overlay)?;
    Ok(wrong)
}

/// Removes what a host left: routes of the overlays' tables that bear its protocol number, their
/// next-hop objects, its rules. Says what of each table.
///
/// # Errors
/// The kernel can't be asked. Some may be removed.
pub(crate) fn clean(overlay: &resolved::Overlay) -> anyhow::Result<Vec<(u32, Cleaned)>> {
    let mut cleaned = Vec::new();
    for (vni, of) in &overlay.host.overlays {
        // A file of displaced routes is the role's: it puts them back at its next end.
        let without =
            Overlay { install: Install { replace_existing: false, ..of.install }, ..of.clone() };
        let spec = kernel::spec(overlay, *vni, &without, None)?.sink;
        let objects = kernel::objects(spec.table);
        cleaned.push((spec.table, rutter_kernel::clean(spec.table, spec.protocol, Some(objects))?));
        kernel::flush(spec)?;
    }
    Ok(cleaned)
}

/// All rules of all overlays.
fn wanted_rules(overlay: &resolved::Overlay) -> anyhow::Result<BTreeSet<Rule>> {
    let mut all = BTreeSet::new();
    for of in overlay.host.overlays.values() {
        all.extend(rules::of(&overlay.host, of)?);
    }
    Ok(all)
}

fn shown(rule: &Rule) -> String {
    match rule.family {
        Family::V4 => format!("IPv4 {rule}"),
        Family::V6 => format!("IPv6 {rule}"),
    }
}

/// A setting of the kernel that isn't as routes need it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Setting {
    Forwarding(Family),
    ReversePath(rutter_kernel::LinkName),
    NexthopCompat,
}

impl Setting {
    fn what(&self) -> String {
        match self {
            Self::Forwarding(Family::V4) => "net.ipv4.ip_forward: 1".into(),
            Self::Forwarding(Family::V6) => "net.ipv6.conf.all.forwarding: 1".into(),
            Self::ReversePath(link) => format!("net.ipv4.conf.{link}.rp_filter: 2"),
            Self::NexthopCompat => "net.ipv4.nexthop_compat_mode: 0".into(),
        }
    }
}

/// Those that the file asks for and the kernel has otherwise.
fn settings(overlay: &resolved::Overlay) -> anyhow::Result<Vec<Setting>> {
    let mut wrong = Vec::new();
    if !overlay.sysctl {
        return Ok(wrong);
    }
    let kernel = Settings::default();
    for family in [Family::V4, Family::V6] {
        if !kernel.forwarding(family)? {
            wrong.push(Setting::Forwarding(family));
        }
    }
    for of in overlay.host.overlays.values() {
        let bridge: rutter_kernel::LinkName = of.bridge.name.as_str().parse()?;
        // A bridge that isn't there yet has no setting.
        if kernel.reverse_path(&Scope::Link(bridge.clone())).is_ok()
            && kernel.effective_reverse_path(&bridge)? == ReversePath::Strict
        {
            wrong.push(Setting::ReversePath(bridge));
        }
    }
    if overlay.next_hop_objects && kernel.nexthop_compat()? == Some(true) {
        wrong.push(Setting::NexthopCompat);
    }
    Ok(wrong)
}

/// Sets what the file asks for.
///
/// # Errors
/// A setting that can't be read or written.
pub(super) fn set(overlay: &resolved::Overlay) -> anyhow::Result<()> {
    let kernel = Settings::default();
    for setting in settings(overlay)? {
        match &setting {
            Setting::Forwarding(family) => kernel.set_forwarding(*family, true)?,
            Setting::ReversePath(link) => {
                kernel.set_reverse_path(&Scope::Link(link.clone()), ReversePath::Loose)?;
            }
            Setting::NexthopCompat => kernel.set_nexthop_compat(false)?,
        }
        tracing::info!("set {}", setting.what());
    }
    Ok(())
}
