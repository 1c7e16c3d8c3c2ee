use std::collections::VecDeque;

use tokio::sync::watch;

use super::*;
use crate::Unreachable;

/// What an attempt does.
enum Step {
    Succeed {
        renew: u64,
    },
    Fail(AgentError),
    Hang,
    /// Succeeds after the end came.
    Slow,
}

struct Script {
    steps: VecDeque<Step>,
    attempts: Vec<Instant>,
    n_withdrawn: u32,
    withdrawal_hangs: bool,
    slow_one_ended: bool,
    /// Ended after the last step.
    end: CancellationToken,
}

impl Script {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            attempts: Vec::new(),
            n_withdrawn: 0,
            withdrawal_hangs: false,
            slow_one_ended: false,
            end: CancellationToken::new(),
        }
    }

    /// Runs to the end of the script.
    async fn run(&mut self) -> Status {
        let status = watch::Sender::new(Status::default());
        let (shutdown, pacing) = (self.end.clone(), Pacing::default());
        drive(self, &Run { pacing: &pacing, status: &status, shutdown: &shutdown }).await;
        status.borrow().clone()
    }

    /// The waits between attempts, in seconds.
    fn waits(&self) -> Vec<f64> {
        self.attempts.windows(2).map(|w| (w[1] - w[0]).as_secs_f64()).collect()
    }
}

impl Registrar for Script {
    async fn register(&mut self) -> Result<Registration, AgentError> {
        self.attempts.push(Instant::now());
        let step = self.steps.pop_front();
        if self.steps.is_empty() {
            self.end.cancel();
        }
        match step {
            Some(Step::Succeed { renew }) => {
                Ok(Registration { routes: Vec::new(), renew: Duration::from_secs(renew) })
            }
            Some(Step::Fail(error)) => Err(error),
            Some(Step::Slow) => {
                tokio::time::sleep(Duration::from_secs(2)).await;
                self.slow_one_ended = true;
                Ok(Registration { routes: Vec::new(), renew: Duration::from_secs(300) })
            }
            Some(Step::Hang) | None => std::future::pending().await,
        }
    }

    async fn withdraw(&mut self) -> Result<Option<u64>, AgentError> {
        self.n_withdrawn += 1;
        if self.withdrawal_hangs {
            std::future::pending::<()>().await;
        }
        Ok(Some(1))
    }
}

fn down() -> Step {
    Step::Fail(AgentError::Unreachable { controller: "http://c".into(), why: Unreachable::Refused })
}

fn refused(status: u16, again: bool, retry_after: Option<Duration>) -> Step {
    Step::Fail(AgentError::Refused {
        controller: "http://c".into(),
        what: "the join",
        status,
        said: String::new(),
        advice: "do something",
        again,
        retry_after,
    })
}

#[tokio::test(start_paused = true)]
async fn renewals_come_in_time_with_jitter() {
    let mut script = Script::new((0..40).map(|_| Step::Succeed { renew: 300 }));
    script.run().await;
    let waits = script.waits();
    assert_eq!(waits.len(), 39);
    assert!(waits.iter().all(|w| (269.9..=330.1).contains(w)), "{waits:?}");
    assert!(waits.iter().any(|w| (w - waits[0]).abs() > 0.1), "they are spread: {waits:?}");
    assert_eq!(script.n_withdrawn, 1);
}

#[tokio::test(start_paused = true)]
async fn failures_back_off_up_to_the_cap_and_a_success_starts_over() {
    let mut steps: Vec<Step> = (0..12).map(|_| down()).collect();
    steps.extend([Step::Succeed { renew: 300 }, down(), Step::Succeed { renew: 300 }]);
    let mut script = Script::new(steps);
    let status = script.run().await;
    let waits = script.waits();
    for (n, wait) in waits[..12].iter().enumerate() {
        let upper = 60_f64.min(f64::from(1 << n));
        assert!((0.09..=upper + 0.01).contains(wait), "failure {}: {wait}", n + 1);
    }
    assert!(waits[..12].iter().sum::<f64>() > 5.0, "it is no busy loop: {waits:?}");
    assert!(waits[13] <= 1.01, "the back-off starts over: {waits:?}");
    assert_eq!((status.n_registrations, status.n_failures), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_server_may_ask_for_a_longer_wait() {
    let busy = refused(503, true, Some(Duration::from_secs(90)));
    let mut script = Script::new([busy, Step::Succeed { renew: 300 }]);
    script.run().await;
    assert!((90.0..=90.1).contains(&script.waits()[0]), "{:?}", script.waits());
}

#[tokio::test(start_paused = true)]
async fn it_never_gives_up() {
    let mut script = Script::new([refused(401, false, None), down()]);
    let status = script.run().await;
    assert_eq!((script.attempts.len(), status.n_failures), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn an_end_is_bounded_whatever_hangs() {
    let mut script = Script::new([Step::Hang]);
    script.withdrawal_hangs = true;
    let begun = Instant::now();
    let status = script.run().await;
    let took = begun.elapsed();
    assert!(took <= SHUTDOWN_GRACE + Duration::from_millis(10), "{took:?}");
    assert_eq!(script.n_withdrawn, 1, "a registration given up may still have been taken");
    assert_eq!(status.phase, Phase::Withdrawing);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_in_flight_may_end_before_the_withdrawal() {
    let mut script = Script::new([Step::Slow]);
    script.run().await;
    assert!(script.slow_one_ended, "a join given up would have spent its token for nothing");
    assert_eq!(script.n_withdrawn, 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_registered_after_the_end() {
    let mut script = Script::new([Step::Succeed { renew: 300 }]);
    script.end.cancel();
    script.run().await;
    assert_eq!((script.attempts.len(), script.n_withdrawn), (0, 1));
}
