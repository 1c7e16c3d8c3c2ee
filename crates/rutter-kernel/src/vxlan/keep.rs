//! The keeper: looks, plans, asks, and tells how it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

use super::plan::{Machine, NOTE, Plan, Request};
use super::spec::LinksSpec;
use super::unit::{Name, Unit, units};
use crate::error::{KernelError, Said};
use crate::hop::LinkName;
use crate::keeper::{Keep, Kept};
use crate::sink::ROOM;
use crate::socket::Socket;
use crate::wire::{self, Batch, Device, DeviceRow};

/// How often is looked and asked until all is as it is wanted: made, made a port, given addresses
/// that a link loses when it is set up, and once to see that nothing is left.
const ROUNDS: u32 = 6;

/// What becomes of the links in the end, and of those that are wanted no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AtEnd {
    /// They stay, for a later process or for nobody.
    #[default]
    Leave,
    /// Those that were made here, by this process or an earlier one, are removed; a bridge only if
    /// nobody else has a port on it.
    Remove,
}

/// How the links stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// What was wanted when it was looked last, which all else is about.
    pub wanted: Arc<LinksSpec>,
    /// All is as it is wanted.
    pub settled: bool,
    /// Looks since the start.
    pub n_looks: u64,
    /// Wanted VXLANs that are there.
    pub n_vxlans: usize,
    /// Overlays' bridges that are there.
    pub n_bridges: usize,
    /// Wanted entries for everybody that are there.
    pub n_flood: usize,
    /// What someone else removed or changed, since the start.
    pub n_drift: u64,
    /// The MTU of each overlay's VXLAN.
    pub mtus: BTreeMap<u32, u32>,
    /// Overlays that aren't as they are wanted, and why; each is tried again.
    pub errors: BTreeMap<u32, String>,
    /// What is to be known of overlays, such as an MTU that was cut.
    pub remarks: BTreeMap<u32, String>,
    /// Managed bridges that aren't as they are wanted, and why.
    pub bridge_errors: BTreeMap<LinkName, String>,
    /// Why the kernel can't be asked, until it can be again.
    pub failed: Option<String>,
}

/// How something is from what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Of what: `overlay 100`, `bridge vmbr0`.
    pub of: String,
    /// What would be done, in words and in order. What follows from making a link isn't among it.
    pub changes: Vec<String>,
    /// Why it can't be as it is wanted.
    pub error: Option<String>,
    /// What is to be known of it.
    pub remark: Option<String>,
}

/// Compares links with what is wanted, in the network namespace of the calling thread. Nothing is
/// changed. What is as it is wanted isn't told.
///
/// # Errors
/// The kernel can't be asked.
pub fn compare(wanted: &LinksSpec) -> Result<Vec<Difference>, KernelError> {
    let (mut links, _) = Links::open(AtEnd::Leave)?;
    let units = units(wanted);
    let machine = links.look(&units)?;
    let difference = |unit: &Unit| {
        let plan = unit.plan(&machine, &BTreeSet::new());
        let changes: Vec<String> = plan.requests.iter().map(Request::what).collect();
        let is_one = !changes.is_empty() || plan.mistake.is_some() || plan.remark.is_some();
        let (error, remark) = (plan.mistake, plan.remark);
        is_one.then(|| Difference { of: unit.name().to_string(), changes, error, remark })
    };
    Ok(units.iter().filter_map(difference).collect())
}

/// Makes links as they are wanted once, in the network namespace of the calling thread, and says
/// how they stand then.
///
/// # Errors
/// The kernel can't be asked. Some may be done.
pub fn apply(wanted: &LinksSpec) -> Result<Status, KernelError> {
    let (mut links, status) = Links::open(AtEnd::Leave)?;
    links.keep(wanted)?;
    Ok(status.borrow().clone())
}

/// See the module's head.
pub(super) struct Links {
    socket: Socket,
    at_end: AtEnd,
    /// Units that were as wanted, and how that was: a difference then is drift.
    settled: BTreeMap<Name, Unit>,
    /// Names of links that were wanted at some time, and are removed when they no longer are.
    known: BTreeSet<String>,
    /// Links that were up at the last look, or before and are there still; by index.
    were_up: BTreeSet<u32>,
    /// What is wanted.
    wanted: Arc<LinksSpec>,
    status: watch::Sender<Status>,
}

/// What one call of [`Links::keep`] has learned.
#[derive(Default)]
struct Round {
    /// What the kernel has refused; it isn't asked twice in one go.
    refused: BTreeSet<(Name, Request)>,
    errors: BTreeMap<Name, String>,
    /// Overlays whose VXLAN the kernel doesn't change while it lives.
    anew: BTreeSet<u32>,
}

impl Round {
    fn is_refused(&mut self, name: Name, request: Request, said: &Said) {
        if let (Name::Overlay(vni), Request::ChangeVxlan { .. }) = (&name, &request) {
            tracing::info!(vni, %said, "the VXLAN can't be changed while it lives");
            self.anew.insert(*vni);
        } else {
            let why = format!("can't {}: {said}", request.what());
            self.errors.entry(name.clone()).or_insert(why);
        }
        self.refused.insert((name, request));
    }
}

impl Links {
    pub(super) fn open(at_end: AtEnd) -> Result<(Self, watch::Receiver<Status>), KernelError> {
        let (status, shown) = watch::channel(Status::default());
        let socket = Socket::open()?;
        let (settled, known, were_up, wanted) = Default::default();
        Ok((Self { socket, at_end, settled, known, were_up, wanted, status }, shown))
    }

    pub(super) fn port(&self) -> u32 {
        self.socket.port()
    }

    fn look(&mut self, units: &[Unit]) -> Result<Machine, KernelError> {
        let devices = self.socket.list("links", wire::list_links, BTreeMap::new, |all, row| {
            all.extend(wire::device_row(row).map(|device| (device.link.name.clone(), device)));
        })?;
        let list = wire::list_addresses;
        let addresses = self.socket.list("addresses", list, Vec::new, |all, row| {
            all.extend(wire::address_row(row));
        })?;
        let mut flood = BTreeMap::new();
        for unit in units {
            let Unit::Overlay { wanted, .. } = unit else { continue };
            let Some(found) = devices.get(wanted.vxlan.name.as_str()) else { continue };
            if !matches!(found.what, Device::Vxlan(_)) {
                continue;
            }
            let index = found.link.index;
            let list = |batch: &mut Batch| wire::list_flood(batch, index);
            let listed = self.socket.list("forwarding entries", list, BTreeSet::new, |all, row| {
                let row = wire::flood_row(row).filter(|(link, _)| *link == index);
                all.extend(row.map(|(_, row)| row));
            });
            match listed {
                Ok(rows) => drop(flood.insert(index, rows)),
                // The link went meanwhile: the next look sees that.
                Err(KernelError::Dump { said, .. }) if said.errno == rustix::io::Errno::NODEV => {}
                Err(error) => return Err(error),
            }
        }
        let kept_up = |d: &&DeviceRow| d.link.up || self.were_up.contains(&d.link.index);
        let were_up: BTreeSet<u32> =
            devices.values().filter(kept_up).map(|device| device.link.index).collect();
        self.were_up.clone_from(&were_up);
        Ok(Machine { devices, addresses, flood, were_up })
    }

    /// Has the kernel do what is planned; notes what it refuses.
    fn ask(&mut self, wants: Vec<(Name, Request)>, round: &mut Round) -> Result<(), KernelError> {
        let mut wants = wants.into_iter();
        loop {
            let some: Vec<(Name, Request)> = wants.by_ref().take(ROOM).collect();
            if some.is_empty() {
                return Ok(());
            }
            self.ask_some(some, round)?;
        }
    }

    fn ask_some(
        &mut self,
        wants: Vec<(Name, Request)>,
        round: &mut Round,
    ) -> Result<(), KernelError> {
        let mut batch = Batch::default();
        for (_, request) in &wants {
            request.encode(&mut batch);
        }
        let mut refused: BTreeMap<usize, Said> = self.socket.ask(&mut batch)?.into_iter().collect();
        // Apart from the making, so that a link that another process made meanwhile isn't taken
        // for ours.
        let mut notes = Batch::default();
        for (n, (name, request)) in wants.into_iter().enumerate() {
            match refused.remove(&n) {
                Some(said) => round.is_refused(name, request, &said),
                None => {
                    if let Some(made) = request.makes() {
                        wire::note(&mut notes, made, NOTE);
                    }
                }
            }
        }
        for (_, said) in self.socket.ask(&mut notes)? {
            tracing::warn!(%said, "a link that was made here can't be noted as such, and will stay");
        }
        Ok(())
    }

    /// What someone else did since a unit was last as it is wanted.
    fn count_drift(&self, units: &[Unit], plans: &[Plan]) -> u64 {
        let mut drift = 0;
        for (unit, plan) in units.iter().zip(plans) {
            let name = unit.name();
            if !plan.requests.is_empty() && self.settled.get(&name) == Some(unit) {
                tracing::warn!(
                    of = %name,
                    n = plan.requests.len(),
                    "someone else changed a link that is ours; it is put right"
                );
                drift += u64::try_from(plan.requests.len()).unwrap_or(u64::MAX);
            }
        }
        drift
    }

    fn show(
        &mut self,
        units: &[Unit],
        plans: &[Plan],
        mut errors: BTreeMap<Name, String>,
        drift: u64,
    ) -> bool {
        let whole = |plan: &Plan| plan.requests.is_empty() && plan.mistake.is_none();
        let settled = plans.iter().all(whole) && errors.is_empty();
        self.settled = units
            .iter()
            .zip(plans)
            .filter(|(_, plan)| whole(plan))
            .map(|(unit, _)| (unit.name(), unit.clone()))
            .collect();
        let mut status = Status { settled, wanted: Arc::clone(&self.wanted), ..Status::default() };
        for (unit, plan) in units.iter().zip(plans) {
            status.n_bridges += usize::from(plan.has_bridge);
            status.n_vxlans += usize::from(plan.has_vxlan);
            status.n_flood += plan.n_flood;
            let name = unit.name();
            // What the kernel said is nearer than what is wrong by itself.
            let error = errors.remove(&name).or_else(|| plan.mistake.clone());
            match name {
                Name::Overlay(vni) => {
                    status.errors.extend(error.map(|why| (vni, why)));
                    status.remarks.extend(plan.remark.clone().map(|remark| (vni, remark)));
                    status.mtus.extend(plan.mtu.map(|mtu| (vni, mtu)));
                }
                Name::Bridge(name) => status.bridge_errors.extend(error.map(|why| (name, why))),
            }
        }
        self.status.send_if_modified(|shown| {
            log_news(shown, &status);
            status.n_looks = shown.n_looks + 1;
            status.n_drift = shown.n_drift + drift;
            *shown = status;
            true
        });
        settled
    }

    /// Removes those of the named links that were made here.
    fn remove(&mut self, names: &BTreeSet<String>) -> Result<(), KernelError> {
        let machine = self.look(&[])?;
        let ours = |device: &&DeviceRow| names.contains(&device.link.name) && device.note == NOTE;
        let ours: Vec<_> = machine.devices.values().filter(ours).collect();
        let gone: BTreeSet<u32> = ours.iter().map(|device| device.link.index).collect();
        let has_others = |bridge: u32| {
            let mut ports = machine.devices.values().filter(|port| port.master == Some(bridge));
            ports.any(|port| !gone.contains(&port.link.index))
        };
        let mut batch = Batch::default();
        let mut asked = Vec::new();
        for device in ours {
            let (name, index) = (&device.link.name, device.link.index);
            if matches!(device.what, Device::Bridge { .. }) && has_others(index) {
                tracing::warn!(bridge = name, "it stays: others have ports on it");
                continue;
            }
            let request = Request::Delete { name: name.clone(), index };
            request.encode(&mut batch);
            asked.push(request);
        }
        for (place, said) in self.socket.ask(&mut batch)? {
            let what = asked.get(place).map(Request::what);
            tracing::warn!(what, %said, "a link stays in the kernel");
        }
        Ok(())
    }
}

/// Says what is wrong and wasn't before.
fn log_news(before: &Status, now: &Status) {
    let news = now.errors.iter().filter(|(vni, why)| before.errors.get(vni) != Some(why));
    for (vni, why) in news {
        tracing::warn!(vni, why, "an overlay's links aren't as they are wanted");
    }
    let news = now.remarks.iter().filter(|(vni, why)| before.remarks.get(vni) != Some(why));
    for (vni, remark) in news {
        tracing::warn!(vni, remark, "an overlay's links");
    }
    let told = &before.bridge_errors;
    let news = now.bridge_errors.iter().filter(|(name, why)| told.get(name) != Some(why));
    for (bridge, why) in news {
        tracing::warn!(%bridge, why, "a managed bridge isn't as it is wanted");
    }
}

impl Keep for Links {
    type Spec = LinksSpec;

    fn keep(&mut self, wanted: &LinksSpec) -> Result<Kept, KernelError> {
        if *self.wanted != *wanted {
            self.wanted = Arc::new(wanted.clone());
        }
        let units = units(wanted);
        let names = |unit: &Unit| match unit {
            Unit::Overlay { wanted, .. } => {
                vec![wanted.vxlan.name.to_string(), wanted.bridge.name.to_string()]
            }
            Unit::Bridge { .. } | Unit::Refused { .. } => Vec::new(),
        };
        let names: BTreeSet<String> = units.iter().flat_map(names).collect();
        let gone: BTreeSet<String> = self.known.difference(&names).cloned().collect();
        if !gone.is_empty() && self.at_end == AtEnd::Remove {
            self.remove(&gone)?;
        }
        self.known = names;
        let mut round = Round::default();
        let mut drift = 0;
        let mut plans = Vec::new();
        for n in 0..ROUNDS {
            let machine = self.look(&units)?;
            plans = units.iter().map(|unit| unit.plan(&machine, &round.anew)).collect();
            if n == 0 {
                drift = self.count_drift(&units, &plans);
            }
            let mut wants = Vec::new();
            for (unit, plan) in units.iter().zip(&plans) {
                let requests = plan.requests.iter().map(|request| (unit.name(), request.clone()));
                wants.extend(requests.filter(|want| !round.refused.contains(want)));
            }
            if wants.is_empty() {
                break;
            }
            self.ask(wants, &mut round)?;
        }
        let whole = self.show(&units, &plans, round.errors, drift);
        Ok(if whole { Kept::Whole } else { Kept::InPart })
    }

    fn failed(&mut self, error: &KernelError) {
        self.status.send_modify(|status| {
            status.settled = false;
            status.failed = Some(error.to_string());
        });
    }

    fn end(&mut self) -> Result<(), KernelError> {
        match self.at_end {
            AtEnd::Leave => Ok(()),
            AtEnd::Remove => {
                let known = std::mem::take(&mut self.known);
                self.remove(&known)
            }
        }
    }
}
