//! Stability: hold-down, and two ways of damping flaps.
//!
//! Hold-down bars the withdrawn path of a source for a while. Damping by penalty is RFC 2439's
//! with RFC 7196's thresholds: each flap adds to a penalty that halves with every half-life;
//! above `suppress` the path is held until it falls to `reuse`. The flap limit is MPREG's simple
//! count: so many flaps, none further than a window from the one before, hold for a window more.
//!
//! All are off by default. All are integers: two machines with equal inputs hold equally long.

use std::time::Duration;

use rutter_route::Mono;
use serde::{Deserialize, Serialize};

use super::{PolicyError, seconds};

/// How a table keeps calm.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stability {
    /// How long a withdrawn path of a source is held; zero: not at all.
    #[serde(with = "seconds")]
    pub hold_down: Duration,
    /// Hold-down and damping by penalty end where nothing else is left: they are for those who have
    /// another way meanwhile. The penalty stays, so the next flap holds again.
    pub spare_sole: bool,
    /// Damping by penalty.
    pub damping: Option<Damping>,
    /// The simple count.
    pub flap_limit: Option<FlapLimit>,
}

/// RFC 2439 damping; the defaults are RFC 7196's (section 3, with 4.2's suppress threshold).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Damping {
    /// In what time a penalty halves.
    #[serde(with = "seconds")]
    pub half_life: Duration,
    /// Above this penalty a path is held.
    pub suppress: u32,
    /// At or below this penalty it is free again.
    pub reuse: u32,
    /// The longest hold; it caps the penalty.
    #[serde(with = "seconds")]
    pub max_hold: Duration,
    /// Penalty of a withdrawal or a lost session.
    pub withdrawal: u32,
    /// Penalty of changed attributes.
    pub change: u32,
}

impl Default for Damping {
    fn default() -> Self {
        Self {
            half_life: Duration::from_secs(15 * 60),
            suppress: 6000,
            reuse: 750,
            max_hold: Duration::from_secs(60 * 60),
            withdrawal: 1000,
            change: 500,
        }
    }
}

/// A count of flaps in a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlapLimit {
    /// This many flaps hold the path.
    pub flaps: u32,
    /// Flaps further apart than this start the count anew; also how long a hold lasts.
    #[serde(with = "seconds")]
    pub window: Duration,
}

impl Stability {
    /// Whether anything is on.
    pub fn is_on(&self) -> bool {
        !self.hold_down.is_zero() || self.damping.is_some() || self.flap_limit.is_some()
    }

    pub(super) fn check(&self) -> Result<(), PolicyError> {
        let error = |field: &str, why: &str| Err(PolicyError::new(field, why));
        if let Some(damping) = &self.damping {
            if damping.half_life < Duration::from_secs(1) {
                return error("stability.damping.half_life", "at least 1 second");
            }
            if damping.reuse == 0 || damping.reuse >= damping.suppress {
                return error("stability.damping.reuse", "above 0 and below `suppress`");
            }
            if damping.max_hold < damping.half_life {
                return error("stability.damping.max_hold", "at least one half-life");
            }
            if damping.ceiling() < u64::from(damping.suppress) * STEPS {
                return error(
                    "stability.damping.suppress",
                    "never reached: `max_hold` caps the penalty at reuse × 2^(max_hold / half_life)",
                );
            }
        }
        match &self.flap_limit {
            Some(limit) if limit.flaps == 0 => error("stability.flap_limit.flaps", "at least 1"),
            Some(limit) if limit.window.is_zero() => {
                error("stability.flap_limit.window", "longer than nothing")
            }
            _ => Ok(()),
        }
    }
}

/// Steps that a half-life has, and the units of a point of penalty.
const STEPS: u64 = 64;

/// 2^(-1/64) in 32-bit fixed point.
const STEP_FACTOR: u64 = 4_248_701_965;

impl Damping {
    fn step_ms(&self) -> u64 {
        (self.half_life.as_millis() as u64 / STEPS).max(1)
    }

    /// The penalty, in sixty-fourths, from which `max_hold` leads down to `reuse`.
    fn ceiling(&self) -> u64 {
        let mut penalty = u64::from(self.reuse) * STEPS;
        let half_lives = self.max_hold.as_millis() / self.half_life.as_millis().max(1);
        for _ in 0..half_lives.min(32) {
            penalty = penalty.saturating_mul(2);
        }
        penalty.min(1 << 40)
    }
}

/// What happened to a path, for damping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flapped {
    /// It was withdrawn: hold-down and a flap.
    Withdrawn,
    /// Its session was lost: a flap.
    Lost,
    /// Its attributes changed: a smaller penalty.
    Changed,
}

/// What is remembered of one path of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FlapState {
    /// In sixty-fourths of a point, as of `as_of`.
    penalty: u64,
    as_of: Mono,
    n_flaps: u32,
    last_flap: Mono,
    hold_down_until: Option<Mono>,
    limit_until: Option<Mono>,
    damped: bool,
}

impl FlapState {
    /// Takes note of what happened.
    pub(crate) fn note(&mut self, now: Mono, what: Flapped, settings: &Stability) {
        if what == Flapped::Withdrawn && !settings.hold_down.is_zero() {
            self.hold_down_until = Some(now.after(settings.hold_down));
        }
        if let Some(damping) = &settings.damping {
            self.decay(now, damping);
            let points = if what == Flapped::Changed { damping.change } else { damping.withdrawal };
            self.penalty = (self.penalty + u64::from(points) * STEPS).min(damping.ceiling());
            self.damped |= self.penalty > u64::from(damping.suppress) * STEPS;
        }
        if let Some(limit) = &settings.flap_limit
            && what != Flapped::Changed
        {
            self.end_limit(now);
            let apart = self.n_flaps > 0 && now.since(self.last_flap) > limit.window;
            self.n_flaps = if apart { 1 } else { self.n_flaps + 1 };
            self.last_flap = now;
            if self.n_flaps >= limit.flaps {
                self.limit_until = Some(now.after(limit.window));
            }
        }
    }

    /// Hold-down and damping are over, whatever else holds the path.
    pub(crate) fn spare(&mut self) {
        self.hold_down_until = None;
        self.damped = false;
    }

    /// A hold by count that is over takes its count along.
    fn end_limit(&mut self, now: Mono) {
        if self.limit_until.is_some_and(|until| until <= now) {
            self.limit_until = None;
            self.n_flaps = 0;
        }
    }

    fn decay(&mut self, now: Mono, damping: &Damping) {
        let step = damping.step_ms();
        let steps = now.since(self.as_of).as_millis() as u64 / step;
        let halvings = (steps / STEPS).min(63);
        self.penalty >>= halvings;
        for _ in 0..steps % STEPS {
            self.penalty = (self.penalty * STEP_FACTOR) >> 32;
        }
        // What is left of a step counts next time.
        self.as_of = Mono(self.as_of.0 + steps * step);
    }

    /// Until when the path is held, and why; `None` if it is free.
    pub(crate) fn held_until(
        &mut self,
        now: Mono,
        settings: &Stability,
    ) -> Option<(Mono, &'static str)> {
        self.end_limit(now);
        // What is off holds nothing, though it was on when the path flapped.
        let hold_down = self.hold_down_until.filter(|_| !settings.hold_down.is_zero());
        let hold_down = hold_down.filter(|t| *t > now).map(|t| (t, "hold-down"));
        let limit = self.limit_until.filter(|_| settings.flap_limit.is_some());
        let limit = limit.map(|t| (t, "too many flaps"));
        let damped = match &settings.damping {
            Some(damping) => self.damped_until(now, damping).map(|t| (t, "damped")),
            None => None,
        };
        [hold_down, limit, damped].into_iter().flatten().max_by_key(|(t, _)| *t)
    }

    fn damped_until(&mut self, now: Mono, damping: &Damping) -> Option<Mono> {
        self.decay(now, damping);
        let reuse = u64::from(damping.reuse) * STEPS;
        if self.penalty <= reuse {
            self.damped = false;
        }
        if !self.damped {
            return None;
        }
        let mut ahead = self.penalty;
        let mut steps = 0;
        while ahead > reuse {
            ahead = (ahead * STEP_FACTOR) >> 32;
            steps += 1;
        }
        Some(Mono(self.as_of.0 + steps * damping.step_ms()))
    }

    /// Whether nothing is left that a later flap would build on.
    pub(crate) fn is_forgotten(&mut self, now: Mono, settings: &Stability) -> bool {
        if self.held_until(now, settings).is_some() {
            return false;
        }
        let calm = match &settings.damping {
            Some(damping) => self.penalty <= u64::from(damping.reuse) * STEPS / 2,
            None => true,
        };
        let window = settings.flap_limit.as_ref().map(|l| l.window);
        calm && window.is_none_or(|w| self.n_flaps == 0 || now.since(self.last_flap) > w)
    }

    /// The penalty in points, for people.
    pub(crate) fn penalty(&self) -> u64 {
        self.penalty / STEPS
    }
}
