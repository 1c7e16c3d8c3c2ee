//! The keeper: looks, compares, asks, counts.

use std::collections::{BTreeMap, BTreeSet};

use netlink_sys::protocols::NETLINK_NETFILTER;
use rustix::io::Errno;
use tokio::sync::watch;

use super::{Counter, Means, Options, Status, TransitSpec, ruleset};
use crate::error::KernelError;
use crate::keeper::{Keep, Kept};
use crate::rules::{Rule, RuleKeeper};
use crate::socket::Socket;
use crate::wire::{self, Batch, NftRow, NftRule};

/// See the module's head.
pub(super) struct Transit {
    options: Options,
    routes: Socket,
    /// `None`: the kernel has no nftables, or they aren't to be used.
    nft: Option<Nft>,
    rules: RuleKeeper,
    status: watch::Sender<Status>,
}

/// Our table.
struct Nft {
    socket: Socket,
    /// What was put, and should be there: a difference then is drift.
    put: Option<Vec<NftRule>>,
    /// Packets and bytes that counters had counted which are gone.
    before: (u64, u64),
    /// What the counters said last.
    last: (u64, u64),
}

/// What came of it.
#[derive(Default)]
struct Done {
    counter: Counter,
    drift: usize,
    errors: Vec<String>,
}

impl Transit {
    pub(super) fn open(options: Options) -> Result<(Self, watch::Receiver<Status>), KernelError> {
        let (status, shown) = watch::channel(Status::default());
        let nft = match options.means {
            Means::Best => Nft::open()?,
            Means::Rules => None,
        };
        if nft.is_none() && options.means == Means::Best {
            tracing::warn!("this kernel has no nftables; rules keep packets from transit instead");
        }
        let (routes, rules) = (Socket::open()?, RuleKeeper::default());
        Ok((Self { options, routes, nft, rules, status }, shown))
    }

    pub(super) fn port(&self) -> u32 {
        self.routes.port()
    }

    pub(super) fn nft_port(&self) -> Option<u32> {
        self.nft.as_ref().map(|nft| nft.socket.port())
    }

    fn bridge_macs(
        &mut self,
        wanted: &TransitSpec,
    ) -> Result<BTreeMap<String, [u8; 6]>, KernelError> {
        self.routes.list("links", wire::list_links, BTreeMap::new, |macs, row| {
            let device = wire::device_row(row);
            let is_wanted = |name: &str| wanted.bridges.iter().any(|b| b.as_str() == name);
            macs.extend(device.and_then(|device| {
                let mac = device.mac.filter(|_| is_wanted(&device.link.name))?;
                Some((device.link.name, mac))
            }));
        })
    }

    /// Makes it so by whatever there is.
    fn settle(&mut self, wanted: &TransitSpec) -> Result<Done, KernelError> {
        if let Some(mistake) = ruleset::mistake(wanted) {
            return Ok(Done { errors: vec![mistake], ..Done::default() });
        }
        if self.nft.is_some() {
            let rules = ruleset::nft(wanted, &self.bridge_macs(wanted)?);
            if let Some(nft) = &mut self.nft {
                match nft.settle(rules) {
                    Err(error) if is_lack(&error) => {
                        tracing::warn!(%error, "this kernel has no nftables; rules do it instead");
                        self.nft = None;
                    }
                    settled => return settled,
                }
            }
        }
        self.settle_rules(wanted)
    }

    fn settle_rules(&mut self, wanted: &TransitSpec) -> Result<Done, KernelError> {
        let rules = ruleset::rules(wanted, self.options.rule_priority);
        let priority = self.options.rule_priority;
        let priorities = priority..=priority.saturating_add(1);
        let is_ours = |rule: &Rule| priorities.contains(&rule.priority);
        let drift = self.rules.settle(&mut self.routes, self.options.protocol, &rules, is_ours)?;
        let refused = self.rules.refused().iter();
        let mut errors: Vec<String> = refused.map(|(rule, why)| format!("{rule}: {why}")).collect();
        if !wanted.allowed.is_empty() {
            errors.push("without nftables no pair of overlays can be allowed".into());
        }
        Ok(Done { counter: Counter::Unavailable, drift, errors })
    }
}

impl Nft {
    /// `None`: the kernel has none.
    fn open() -> Result<Option<Self>, KernelError> {
        let socket = match Socket::open_for(NETLINK_NETFILTER) {
            Err(error) if is_lack(&error) => return Ok(None),
            opened => opened?,
        };
        let mut nft = Self { socket, put: None, before: (0, 0), last: (0, 0) };
        let lacks = nft.list().is_err_and(|error| is_lack(&error));
        Ok((!lacks).then_some(nft))
    }

    fn list(&mut self) -> Result<Vec<NftRow>, KernelError> {
        self.socket.list("nftables' rules", wire::list_nft_rules, Vec::new, |rows, row| {
            rows.extend(wire::nft_row(row));
        })
    }

    /// Counters only rise; those that fell are of a table that was put anew.
    fn count(&mut self, rows: &[NftRow]) -> Counter {
        let now = rows.iter().fold((0, 0), |sum, row| (sum.0 + row.packets, sum.1 + row.bytes));
        if now.0 < self.last.0 {
            self.forget_counters();
        }
        self.last = now;
        Counter::Dropped { packets: self.before.0 + now.0, bytes: self.before.1 + now.1 }
    }

    fn forget_counters(&mut self) {
        self.before = (self.before.0 + self.last.0, self.before.1 + self.last.1);
        self.last = (0, 0);
    }

    fn settle(&mut self, wanted: Vec<NftRule>) -> Result<Done, KernelError> {
        let rows = self.list()?;
        let mut done = Done { counter: self.count(&rows), ..Done::default() };
        let there: Vec<Option<&NftRule>> = rows.iter().map(|row| row.rule.as_ref()).collect();
        if there == wanted.iter().map(Some).collect::<Vec<_>>() {
            self.put = Some(wanted);
            return Ok(done);
        }
        done.drift = usize::from(self.put.as_ref() == Some(&wanted));
        let mut batch = Batch::default();
        if wanted.is_empty() {
            wire::delete_nft_table(&mut batch);
        } else {
            wire::put_nft_table(&mut batch, &wanted);
        }
        match self.socket.ask_whole(&mut batch)? {
            Some((_, said)) if lacks(said.errno) && self.put.is_none() => {
                return Err(KernelError::Dump { what: "nftables' table", said });
            }
            Some((_, said)) => {
                self.put = None;
                done.errors.push(format!("nftables' table `inet {}`: {said}", wire::NFT_TABLE));
            }
            None => {
                // What was counted between the listing and now is lost with the old counters.
                self.forget_counters();
                self.put = Some(wanted);
            }
        }
        Ok(done)
    }
}

/// Whether the kernel has nftables.
pub(crate) fn has_nftables() -> Result<bool, KernelError> {
    Nft::open().map(|nft| nft.is_some())
}

/// Whether the kernel has no such thing, and not just an objection.
fn is_lack(error: &KernelError) -> bool {
    match error {
        KernelError::Dump { said, .. } => lacks(said.errno),
        KernelError::Open { source, .. } => {
            let errno = source.raw_os_error().map(Errno::from_raw_os_error);
            errno.is_some_and(lacks)
        }
        _ => false,
    }
}

/// `nfnetlink` says of a subsystem that isn't there: not supported, in a transaction, or invalid.
fn lacks(errno: Errno) -> bool {
    matches!(errno, Errno::OPNOTSUPP | Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT | Errno::INVAL)
}

impl Keep for Transit {
    type Spec = TransitSpec;

    fn keep(&mut self, wanted: &TransitSpec) -> Result<Kept, KernelError> {
        let done = self.settle(wanted)?;
        if done.drift > 0 {
            tracing::warn!("someone else changed what keeps packets from transit; it is put right");
        }
        let whole = done.errors.is_empty();
        self.status.send_modify(|status| {
            for why in done.errors.iter().filter(|why| !status.errors.contains(why)) {
                tracing::warn!(why, "transit isn't as it is wanted");
            }
            let n_drift = status.n_drift + u64::try_from(done.drift).unwrap_or(u64::MAX);
            let (n_looks, counter) = (status.n_looks + 1, done.counter);
            let errors = done.errors;
            *status = Status { settled: whole, n_looks, counter, n_drift, errors, failed: None };
        });
        Ok(if whole { Kept::Whole } else { Kept::InPart })
    }

    fn failed(&mut self, error: &KernelError) {
        self.status.send_modify(|status| {
            status.settled = false;
            status.failed = Some(error.to_string());
        });
    }

    fn end(&mut self) -> Result<(), KernelError> {
        let nothing = TransitSpec { bridges: BTreeSet::new(), ..TransitSpec::default() };
        let done = self.settle(&nothing)?;
        for why in done.errors {
            tracing::warn!(why, "what keeps packets from transit stays in the kernel");
        }
        Ok(())
    }
}
