//! The task that asks.
//!
//! One task waits for the next that is due; each probe under way has a task of its own for as long
//! as it lasts, [`MonitorSettings::at_once`] at most. A probe that breaks is an answer too: nothing
//! stops a monitor for good.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use rutter_route::Now;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::probe::Prober;
use super::schedule::{ToAsk, WatchId};
use super::state::{Answer, Found};
use super::{MonitorSettings, Shared, Turned};

/// What came of asking somebody.
struct Asked {
    id: WatchId,
    is_slow: bool,
    answer: Answer,
}

pub(super) async fn run(
    shared: Arc<Shared>,
    settings: MonitorSettings,
    tell: mpsc::Sender<Turned>,
    stop: CancellationToken,
) {
    let prober = Arc::new(Prober::default());
    let mut asking: JoinSet<Asked> = JoinSet::new();
    let at_once = settings.at_once.max(1);
    // One place is for both.
    let most_slow = at_once.div_ceil(2);
    let mut n_slow = 0;
    let mut is_heard = true;
    loop {
        let now = shared.now();
        let (has_turned, next) = {
            let mut schedule = shared.schedule();
            while asking.len() < at_once
                && let Some(to_ask) = schedule.take_due(n_slow < most_slow, now)
            {
                n_slow += usize::from(to_ask.is_slow);
                asking.spawn(ask(prober.clone(), to_ask));
            }
            if !is_heard {
                schedule.forget_turns();
            }
            (schedule.has_turned(), schedule.next_due(n_slow < most_slow))
        };
        let has_place = asking.len() < at_once;
        let wait = next.map_or(Duration::MAX, |next| next.since(now.mono));
        tokio::select! {
            () = stop.cancelled() => break,
            place = tell.reserve(), if is_heard && has_turned => match place {
                Ok(place) => {
                    if let Some(turned) = shared.schedule().next_turned(shared.now()) {
                        place.send(turned);
                    }
                }
                Err(_) => is_heard = false,
            },
            Some(done) = asking.join_next(), if !asking.is_empty() => {
                let mut done = Some(done);
                while let Some(asked) = done {
                    n_slow -= usize::from(take(&shared, asked, shared.now()));
                    done = asking.try_join_next();
                }
            }
            () = shared.is_woken.notified() => {}
            () = tokio::time::sleep(wait), if has_place && next.is_some() => {}
        }
    }
}

/// Takes an answer; whether it was of who is slow.
fn take(shared: &Shared, done: Result<Asked, JoinError>, now: Now) -> bool {
    // None ends by itself but with an answer: who breaks is caught, and nobody aborts it.
    let Ok(Asked { id, is_slow, answer }) = done else { return false };
    shared.schedule().answered(id, answer, now);
    is_slow
}

async fn ask(prober: Arc<Prober>, to_ask: ToAsk) -> Asked {
    let ToAsk { id, route, is_slow } = to_ask;
    let asked = AssertUnwindSafe(prober.probe(&route)).catch_unwind().await;
    let answer = asked.unwrap_or_else(|_| Answer {
        found: Found::Failed,
        detail: "the probe broke; the program's log says where".to_owned(),
        latency: Duration::ZERO,
    });
    Asked { id, is_slow, answer }
}
