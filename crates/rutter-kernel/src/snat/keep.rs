//! The keeper: forwarding on, and the table as it is wanted.

use tokio::sync::watch;

use super::{SnatSpec, Status, ruleset};
use crate::error::KernelError;
use crate::keeper::{Keep, Kept};
use crate::nft::{Nft, is_lack};
use crate::rules::Family;
use crate::sysctl::Settings;
use crate::wire::NftTable;

/// What is said where the kernel can't do it.
const LACKS: &str = "this kernel can't masquerade by nftables (it needs NF_TABLES_INET, NFT_NAT and \
                     NFT_MASQ): answers come back only if hosts behind have a route by this router; \
                     say `snat: false` if they have";

/// See the module's head.
pub(super) struct Snat {
    /// `None`: the kernel has no nftables.
    nft: Option<Nft>,
    settings: Settings,
    status: watch::Sender<Status>,
}

impl Snat {
    pub(super) fn open() -> Result<(Self, watch::Receiver<Status>), KernelError> {
        let (status, shown) = watch::channel(Status::default());
        Ok((Self { nft: Nft::open(NftTable::Snat)?, settings: Settings::default(), status }, shown))
    }

    pub(super) fn port(&self) -> Option<u32> {
        self.nft.as_ref().map(Nft::port)
    }

    /// Has packets be forwarded. Says what someone else had put off, and what can't be put on.
    fn forward(&self, wanted: &SnatSpec, errors: &mut Vec<String>) {
        for family in ruleset::families(wanted) {
            match self.settings.forwarding(family) {
                Ok(true) => {}
                Ok(false) => match self.settings.set_forwarding(family, true) {
                    Ok(()) => tracing::info!("packets are forwarded from now on{}", caveat(family)),
                    Err(error) => errors.push(format!("packets aren't forwarded: {error}")),
                },
                Err(error) => errors.push(format!("whether packets are forwarded: {error}")),
            }
        }
    }

    /// Makes the table as it is wanted. Says whether someone else had changed it.
    fn masquerade(
        &mut self,
        wanted: &SnatSpec,
        errors: &mut Vec<String>,
    ) -> Result<usize, KernelError> {
        let rules = ruleset::nft(wanted);
        let Some(nft) = &mut self.nft else {
            errors.extend((!rules.is_empty()).then(|| LACKS.to_owned()));
            return Ok(0);
        };
        match nft.settle(rules) {
            Err(error) if is_lack(&error) => {
                errors.push(format!("{LACKS} ({error})"));
                Ok(0)
            }
            Err(error) => Err(error),
            Ok(settled) => {
                errors.extend(settled.refused.map(|why| format!("{why}; {LACKS}")));
                Ok(settled.drift)
            }
        }
    }
}

/// What else comes with forwarding (Linux' Documentation/networking/ip-sysctl.rst).
fn caveat(family: Family) -> &'static str {
    match family {
        Family::V4 => "",
        Family::V6 => {
            " (IPv6: a link by whose router advertisements this host has its own routes needs \
             `accept_ra = 2` from now on)"
        }
    }
}

impl Keep for Snat {
    type Spec = SnatSpec;

    fn keep(&mut self, wanted: &SnatSpec) -> Result<Kept, KernelError> {
        let mut errors = Vec::new();
        let mut drift = 0;
        match ruleset::mistake(wanted) {
            Some(mistake) => errors.push(mistake),
            None => {
                self.forward(wanted, &mut errors);
                drift = self.masquerade(wanted, &mut errors)?;
            }
        }
        if drift > 0 {
            tracing::warn!("someone else changed how this router masquerades; it is put right");
        }
        let whole = errors.is_empty();
        self.status.send_modify(|status| {
            for why in errors.iter().filter(|why| !status.errors.contains(why)) {
                tracing::warn!(why, "this router isn't as it is wanted");
            }
            let n_drift = status.n_drift + u64::try_from(drift).unwrap_or(u64::MAX);
            let n_looks = status.n_looks + 1;
            *status = Status { settled: whole, n_looks, n_drift, errors, failed: None };
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
        let Some(nft) = &mut self.nft else { return Ok(()) };
        if let Some(why) = nft.settle(Vec::new())?.refused {
            tracing::warn!(why, "how this router masqueraded stays in the kernel");
        }
        Ok(())
    }
}
