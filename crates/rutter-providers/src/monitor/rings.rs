//! How a route was over the last five minutes, quarter of an hour, hour, day and month.
//!
//! A ring a period, each of 100 samples at equal distances (the original's metrics of uptime).
//! Nobody samples: what holds between two probes is what the first said, so each probe first fills
//! in the samples that passed since the one before. A route costs no timer and no task, and a
//! reader fills in the rest as it reads.
//!
//! A sample is two bytes: 3 bits of status, 13 of latency, to 1 in 256. A ring takes its room when
//! its first sample is due, so the thousand bytes that a route takes at most are taken only after
//! seven hours.

#[cfg(test)]
mod tests;

use std::time::Duration;

use rutter_route::{Mono, Now};

use super::HealthStatus;

/// Samples a ring.
const N_SAMPLES: usize = 100;

/// How far back is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// `5m`.
    FiveMinutes,
    /// `15m`.
    Quarter,
    /// `1h`.
    Hour,
    /// `1d`.
    Day,
    /// `1mo`, 30 days.
    Month,
}

impl Period {
    /// All, the shortest first.
    pub const ALL: [Self; 5] =
        [Self::FiveMinutes, Self::Quarter, Self::Hour, Self::Day, Self::Month];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FiveMinutes => "5m",
            Self::Quarter => "15m",
            Self::Hour => "1h",
            Self::Day => "1d",
            Self::Month => "1mo",
        }
    }

    /// The period of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.as_str() == word)
    }

    /// From one sample to the next, in milliseconds.
    fn step(self) -> u64 {
        match self {
            Self::FiveMinutes => 3_000,
            Self::Quarter => 9_000,
            Self::Hour => 36_000,
            Self::Day => 864_000,
            Self::Month => 25_920_000,
        }
    }
}

/// How a route was over a period. Ratios are of the samples that say something, so all three are
/// 0 if none does.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    /// The samples, the oldest first, 100 at most.
    pub samples: Vec<Sample>,
    /// What part of the time it was healthy.
    pub uptime: f64,
    /// What part of the time it was unhealthy or could not be asked.
    pub downtime: f64,
    /// What part of the time it slept or began.
    pub idle: f64,
    /// The mean latency of what was healthy.
    pub average_latency: Duration,
}

/// How a route was at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Its status.
    pub status: HealthStatus,
    /// How long the last probe before took, to 1 in 256.
    pub latency: Duration,
    /// When, in seconds of the wall's clock.
    pub at: u64,
}

/// The rings of one route.
#[derive(Debug)]
pub(crate) struct Rings {
    rings: [Ring; Period::ALL.len()],
    /// What holds since the last probe.
    holds: Packed,
}

#[derive(Debug)]
struct Ring {
    samples: Option<Box<[Packed; N_SAMPLES]>>,
    /// The number of the step up to which it is filled, counted from the clock's zero.
    upto: u64,
    n_samples: u8,
}

impl Rings {
    /// The room that a route's rings take at most.
    #[cfg(test)]
    pub(crate) const MOST_BYTES: usize =
        size_of::<Self>() + Period::ALL.len() * size_of::<[Packed; N_SAMPLES]>();

    /// Of a route of which nothing is known.
    pub(crate) fn new(now: Mono) -> Self {
        let ring =
            |period: Period| Ring { samples: None, upto: now.0 / period.step(), n_samples: 0 };
        Self {
            rings: Period::ALL.map(ring),
            holds: Packed::new(HealthStatus::Unknown, Duration::ZERO),
        }
    }

    /// How it is from now on.
    pub(crate) fn note(&mut self, status: HealthStatus, latency: Duration, now: Mono) {
        for (ring, period) in self.rings.iter_mut().zip(Period::ALL) {
            ring.fill(self.holds, now.0 / period.step());
        }
        self.holds = Packed::new(status, latency);
    }

    /// How it was over a period.
    pub(crate) fn history(&mut self, period: Period, now: Now) -> History {
        let holds = self.holds;
        let mut rings = self.rings.iter_mut().zip(Period::ALL);
        let Some((ring, _)) = rings.find(|(_, of)| *of == period) else {
            return History::default();
        };
        ring.fill(holds, now.mono.0 / period.step());
        History::of(ring.oldest_first(period, now).collect())
    }
}

impl Ring {
    /// Fills in what held until `step`. A clock that stands still or went back fills in nothing.
    fn fill(&mut self, holds: Packed, step: u64) {
        let n_passed = step.saturating_sub(self.upto);
        if n_passed == 0 {
            return;
        }
        let unknown = Packed::new(HealthStatus::Unknown, Duration::ZERO);
        let samples = self.samples.get_or_insert_with(|| Box::new([unknown; N_SAMPLES]));
        let all = N_SAMPLES as u64;
        for step in self.upto.max(step.saturating_sub(all))..step {
            if let Some(sample) = samples.get_mut(index(step + 1)) {
                *sample = holds;
            }
        }
        let n_samples = u64::from(self.n_samples).saturating_add(n_passed).min(all);
        self.n_samples = u8::try_from(n_samples).unwrap_or(u8::MAX);
        self.upto = step;
    }

    fn oldest_first(&self, period: Period, now: Now) -> impl Iterator<Item = Sample> {
        let first = self.upto.saturating_sub(u64::from(self.n_samples)) + 1;
        (first..=self.upto).filter_map(move |step| {
            let packed = *self.samples.as_ref()?.get(index(step))?;
            let age = now.mono.0.saturating_sub(step * period.step());
            let at = now.wall.0.saturating_sub(age) / 1000;
            Some(Sample { status: packed.status(), latency: packed.latency(), at })
        })
    }
}

/// Where a step's sample stands.
fn index(step: u64) -> usize {
    usize::try_from(step % N_SAMPLES as u64).unwrap_or(0)
}

impl History {
    fn of(samples: Vec<Sample>) -> Self {
        let count = |is: fn(HealthStatus) -> bool| {
            u32::try_from(samples.iter().filter(|sample| is(sample.status)).count()).unwrap_or(0)
        };
        let n_up = count(|status| status == HealthStatus::Healthy);
        let n_down = count(|s| matches!(s, HealthStatus::Unhealthy | HealthStatus::Error));
        let n_idle = count(|s| matches!(s, HealthStatus::Napping | HealthStatus::Starting));
        let n_known = f64::from((n_up + n_down + n_idle).max(1));
        let ratio = |n: u32| f64::from(n) / n_known;
        let (uptime, downtime, idle) = (ratio(n_up), ratio(n_down), ratio(n_idle));
        let healthy = samples.iter().filter(|sample| sample.status == HealthStatus::Healthy);
        let average_latency = healthy.map(|sample| sample.latency).sum::<Duration>() / n_up.max(1);
        Self { samples, uptime, downtime, idle, average_latency }
    }
}

/// A sample in 16 bits: 3 of status, 5 of exponent, 8 of mantissa; the latency is
/// `mantissa << exponent` microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Packed(u16);

impl Packed {
    fn new(status: HealthStatus, latency: Duration) -> Self {
        let status = match status {
            HealthStatus::Unknown => 0,
            HealthStatus::Healthy => 1,
            HealthStatus::Napping => 2,
            HealthStatus::Starting => 3,
            HealthStatus::Unhealthy => 4,
            HealthStatus::Error => 5,
        };
        let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
        let exponent = (u32::BITS - micros.leading_zeros()).saturating_sub(8);
        // Eight bits are left of the one, five hold the other, which is 24 at most.
        let (mantissa, exponent) = ((micros >> exponent) & 0xff, exponent & 0x1f);
        Self(status << 13 | u16::try_from(exponent << 8 | mantissa).unwrap_or(0))
    }

    fn status(self) -> HealthStatus {
        match self.0 >> 13 {
            1 => HealthStatus::Healthy,
            2 => HealthStatus::Napping,
            3 => HealthStatus::Starting,
            4 => HealthStatus::Unhealthy,
            5 => HealthStatus::Error,
            _ => HealthStatus::Unknown,
        }
    }

    fn latency(self) -> Duration {
        let (exponent, mantissa) = (self.0 >> 8 & 0x1f, self.0 & 0xff);
        Duration::from_micros(u64::from(mantissa) << exponent)
    }
}
