//! The writer: 10,000 writes a second, as the gateway's table makes them.
//!
//! They come in ticks of 10 ms. Of 100 writes 90 change the routes of a host that stays (a
//! failover), 5 add a host and 5 take one away. Hosts that come and go are none that readers ask
//! for, so each look-up has to find its host: one that doesn't is an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rutter_gateway::routes::Routes;
use rutter_route::{Service, ServiceName};

use super::contender::{Contender, Write};
use crate::bench::cpu::thread_cpu;
use crate::bench::random::Random;

const TICK: Duration = Duration::from_millis(10);
const WRITES_A_TICK: usize = 100;
const CHANGES_A_TICK: usize = 90;
/// What the writer did.
pub(super) struct Written {
    pub(super) n_writes: u64,
    pub(super) cpu: Duration,
    pub(super) took: Duration,
}

/// Who writes, and how far it has come.
pub(super) struct Writer<'a> {
    names: &'a [ServiceName],
    visitors: &'a [ServiceName],
    random: Random,
    n_arrivals: usize,
}

impl<'a> Writer<'a> {
    /// `names` stay, `visitors` come and go, so that about half of them are there.
    pub(super) fn new(names: &'a [ServiceName], visitors: &'a [ServiceName]) -> Self {
        Self { names, visitors, random: Random(7), n_arrivals: 0 }
    }

    /// Writes until told to stop. Ticks that it could not keep are made up for one by one.
    pub(super) fn run<C: Contender>(&mut self, contender: &C, stop: &AtomicBool) -> Written {
        let (begun, cpu) = (Instant::now(), thread_cpu());
        let mut n_ticks = 0;
        while !stop.load(Ordering::Relaxed) {
            let next = TICK * n_ticks;
            std::thread::sleep(next.saturating_sub(begun.elapsed()));
            contender.write(self.tick());
            n_ticks += 1;
        }
        Written {
            n_writes: u64::from(n_ticks) * WRITES_A_TICK as u64,
            cpu: thread_cpu().saturating_sub(cpu),
            took: begun.elapsed(),
        }
    }

    fn tick(&mut self) -> Vec<Write> {
        let mut batch = Vec::with_capacity(WRITES_A_TICK);
        for _ in 0..CHANGES_A_TICK {
            let name = at(self.names, self.random.next() as usize);
            batch.push((Service::http(name.clone()), Some(routes(name))));
        }
        for _ in (CHANGES_A_TICK..WRITES_A_TICK).step_by(2) {
            self.n_arrivals += 1;
            let comes = at(self.visitors, self.n_arrivals);
            let goes = at(self.visitors, self.n_arrivals + self.visitors.len() / 2);
            batch.push((Service::http(comes.clone()), Some(routes(comes))));
            batch.push((Service::http(goes.clone()), None));
        }
        batch
    }
}

fn at(names: &[ServiceName], number: usize) -> &ServiceName {
    // Below the length.
    &names[number % names.len()]
}

/// Routes as the index holds them; a look-up reads nothing of them.
pub(super) fn routes(service: &ServiceName) -> Arc<Routes> {
    Arc::new(Routes::new(Service::http(service.clone()), Vec::new()))
}
