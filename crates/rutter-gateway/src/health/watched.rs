//! One route as the detector sees it, and the routes of one service together.

use rutter_route::{Mono, RouteKey};

use super::config::HealthConfig;
use super::events::{ProbeKind, Verdict};
use super::outlier::{Ejection, Failures, History, Reason};

/// What the probes say. A route without a health check is presumed healthy until connects fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Checked {
    Unknown,
    Healthy { until: Option<Mono> },
    Unhealthy { why: String },
}

impl Checked {
    /// What holds of a route that nobody has asked.
    pub(super) fn presumed(has_check: bool) -> Self {
        if has_check { Self::Unknown } else { Self::Healthy { until: None } }
    }
}

/// A probe in flight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flight {
    pub(super) number: u64,
    pub(super) since: Mono,
}

/// Answers of one kind in a row.
#[derive(Debug, Default)]
struct Streak {
    good: u32,
    bad: u32,
}

#[derive(Debug)]
pub(super) struct Watched {
    pub(super) key: RouteKey,
    pub(super) has_check: bool,
    pub(super) checked: Checked,
    streak: Streak,
    pub(super) failures: Failures,
    pub(super) ejection: Option<Ejection>,
    history: History,
    pub(super) probing: Option<Flight>,
    /// When to ask next.
    pub(super) due: Option<Mono>,
    /// Until when it counts as one that carries traffic.
    pub(super) used_until: Mono,
    /// Where this route stands in the queue of deadlines.
    pub(super) queued: Option<Mono>,
    pub(super) told: Verdict,
}

impl Watched {
    pub(super) fn new(key: RouteKey, has_check: bool) -> Self {
        let checked = Checked::presumed(has_check);
        let told = if has_check { Verdict::Unknown } else { Verdict::Healthy { until: None } };
        Self {
            key,
            has_check,
            checked,
            streak: Streak::default(),
            failures: Failures::default(),
            ejection: None,
            history: History::default(),
            probing: None,
            due: None,
            used_until: Mono(0),
            queued: None,
            told,
        }
    }

    /// Whether nothing speaks against using it.
    pub(super) fn in_service(&self) -> bool {
        self.ejection.is_none() && !self.is_unhealthy()
    }

    pub(super) fn is_unhealthy(&self) -> bool {
        matches!(self.checked, Checked::Unhealthy { .. })
    }

    /// How it would be asked now; `None`: nothing that a probe can see would change anything.
    pub(super) fn probe_kind(&self) -> Option<ProbeKind> {
        match &self.ejection {
            Some(ejection) => ejection.probe,
            None if self.has_check => Some(ProbeKind::Check),
            None => Some(ProbeKind::Connect),
        }
    }

    /// Takes it out of service; which time in a row this is.
    pub(super) fn eject(&mut self, now: Mono, reason: Reason, config: &HealthConfig) -> u32 {
        let times = self.history.eject(now, &config.outlier);
        let probe = match (self.has_check, reason.only_connects) {
            (true, _) => Some(ProbeKind::Check),
            (false, true) => Some(ProbeKind::Connect),
            (false, false) => None,
        };
        let until = now.after(config.outlier.ejection_time(times));
        self.ejection = Some(Ejection { since: now, until, why: reason.why, probe });
        self.failures.clear();
        self.streak = Streak::default();
        self.due = probe.map(|_| now.after(config.recheck));
        times
    }

    /// Puts it back into service; whether it was out.
    pub(super) fn release(&mut self, now: Mono) -> bool {
        if self.ejection.take().is_none() {
            return false;
        }
        self.history.returned(now);
        self.streak = Streak::default();
        // A bad health check goes on being asked; nothing else does.
        self.due.take_if(|_| !matches!(self.checked, Checked::Unhealthy { .. }));
        true
    }

    /// A good answer to a probe that began at `began`; whether it ends the ejection.
    pub(super) fn probed_good(&mut self, now: Mono, began: Mono, config: &HealthConfig) -> bool {
        self.streak.bad = 0;
        // One that was sent before says nothing of what came since.
        if self.ejection.as_ref().is_none_or(|e| e.since <= began) {
            self.streak.good = self.streak.good.saturating_add(1);
        }
        let enough = self.streak.good >= config.healthy_threshold;
        if !self.is_unhealthy() || enough {
            let until = self.has_check.then(|| now.after(config.cache_ttl));
            self.checked = Checked::Healthy { until };
        }
        enough && self.ejection.as_ref().is_some_and(|e| e.probe.is_some())
    }

    /// A bad answer to a probe.
    pub(super) fn probed_bad(&mut self, now: Mono, why: String, config: &HealthConfig) {
        self.streak.good = 0;
        self.streak.bad = self.streak.bad.saturating_add(1);
        // What was believed too long ago is nothing known.
        let patient =
            matches!(&self.checked, Checked::Healthy { until } if until.is_none_or(|u| u > now));
        if !patient || self.streak.bad >= config.unhealthy_threshold {
            self.checked = Checked::Unhealthy { why };
        }
    }

    pub(super) fn verdict(&self, now: Mono) -> Verdict {
        if let Some(ejection) = &self.ejection {
            return Verdict::Unhealthy { why: ejection.why.clone(), until: Some(ejection.until) };
        }
        match &self.checked {
            Checked::Healthy { until } if until.is_none_or(|u| u > now) => {
                Verdict::Healthy { until: *until }
            }
            Checked::Unhealthy { why } => Verdict::Unhealthy { why: why.clone(), until: None },
            _ => Verdict::Unknown,
        }
    }
}

/// The routes of one service: what bounds its ejections.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// In the order of their keys.
    routes: Vec<Watched>,
    /// Until when the service counts as one that is used, by whichever route.
    pub(super) used_until: Mono,
}

impl Pool {
    pub(super) fn len(&self) -> usize {
        self.routes.len()
    }

    pub(super) fn get_mut(&mut self, key: &RouteKey) -> Option<&mut Watched> {
        let at = self.position(key).ok()?;
        self.routes.get_mut(at)
    }

    /// `key` isn't among them yet.
    pub(super) fn insert(&mut self, route: Watched) {
        let at = self.position(&route.key).unwrap_or_else(|at| at);
        self.routes.insert(at, route);
    }

    pub(super) fn remove(&mut self, key: &RouteKey) -> Option<Watched> {
        let at = self.position(key).ok()?;
        Some(self.routes.remove(at))
    }

    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Watched> {
        self.routes.iter_mut()
    }

    /// Whether that route may be ejected: another stays in service, and not too many are out.
    pub(super) fn may_eject(&self, key: &RouteKey, config: &HealthConfig) -> bool {
        self.n_ejected() < config.outlier.max_ejected(self.len())
            && self.routes.iter().any(|r| r.key != *key && r.in_service())
    }

    /// The ejected route that would be back first, if more are out than may be.
    pub(super) fn one_too_many(&self, config: &HealthConfig) -> Option<RouteKey> {
        if self.n_ejected() <= config.outlier.max_ejected(self.len()) {
            return None;
        }
        let ejected = self.routes.iter().filter_map(|r| Some((r.ejection.as_ref()?.until, &r.key)));
        ejected.min().map(|(_, key)| key.clone())
    }

    fn n_ejected(&self) -> usize {
        self.routes.iter().filter(|r| r.ejection.is_some()).count()
    }

    fn position(&self, key: &RouteKey) -> Result<usize, usize> {
        self.routes.binary_search_by(|r| r.key.cmp(key))
    }
}
