//! The keeper: looks, compares, asks, counts.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::watch;

use super::{Counter, Means, Options, Status, TransitSpec, ruleset};
use crate::error::KernelError;
use crate::keeper::{Keep, Kept};
use crate::nft::{Nft, is_lack};
use crate::rules::{Rule, RuleKeeper};
use crate::socket::Socket;
use crate::wire::{self, NftTable};

/// See the module's head.
pub(super) struct Transit {
    options: Options,
    routes: Socket,
    /// `None`: the kernel has no nftables, or they aren't to be used.
    nft: Option<Nft>,
    rules: RuleKeeper,
    status: watch::Sender<Status>,
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
            Means::Best => Nft::open(NftTable::Transit)?,
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
        self.nft.as_ref().map(Nft::port)
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
                    settled => {
                        let settled = settled?;
                        let (packets, bytes) = settled.counted;
                        return Ok(Done {
                            counter: Counter::Dropped { packets, bytes },
                            drift: settled.drift,
                            errors: settled.refused.into_iter().collect(),
                        });
                    }
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
