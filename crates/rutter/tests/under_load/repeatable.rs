//! The direct way is killed, or frozen, again and again, and no request that may be repeated fails.
//!
//! Every request is a GET, PUT or DELETE, and every answer has to be 200 with the request's own
//! body: one 502, 504 or broken connection fails the test. The people ask without a breath, so
//! requests are on their way at every kill.
//!
//! [`Fate::n_requests`] says how many that are; the kills have 100,000, which take twenty seconds.
//! Any other number for both, and the figures:
//!
//! ```text
//! RUTTER_LOAD_REQUESTS=100000 cargo nextest run -p rutter --test under_load repeatable \
//!     --no-capture
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::person::{Answer, Person};
use crate::scene::{DIRECT, Scene, TUNNEL};
use crate::support::Up;
use crate::{told, until};

const PEOPLE: usize = 16;
const REPEATABLE: [&str; 4] = ["GET", "PUT", "GET", "DELETE"];
/// How long the whole may take; a machine that is busy takes a minute for what CI asks.
const PATIENCE: Duration = Duration::from_secs(1800);

const QUICK: &str = "controller:
gateway:
  health: {recheck: 100ms}
  upstream: {try_timeout: 400ms}
listeners: {api: '127.0.0.1:0', link: '127.0.0.1:0', gateway: {http: '127.0.0.1:0'}, compat: {mesh_router: '127.0.0.1:0'}}
";

/// What happens to the direct way.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// SIGKILL, and a new life.
    Killed,
    /// SIGSTOP, and SIGCONT: it accepts connections and says nothing.
    Frozen,
}

impl Fate {
    /// How many requests, unless the environment says otherwise. Each freeze costs the requests on
    /// their way the gateway's patience, so they have fewer.
    fn n_requests(self) -> usize {
        match std::env::var("RUTTER_LOAD_REQUESTS") {
            Ok(text) => text.parse().expect("RUTTER_LOAD_REQUESTS is a number"),
            Err(_) => match self {
                Self::Killed => 100_000,
                Self::Frozen => 20_000,
            },
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_fail_no_repeatable_request() {
    play(Fate::Killed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn freezes_fail_no_repeatable_request() {
    play(Fate::Frozen).await;
}

async fn play(fate: Fate) {
    let n_requests = fate.n_requests();
    let mut scene = Scene::new(Up::run(tempfile::tempdir().unwrap(), QUICK)).await;
    let gateway = scene.up.gateway();
    let n_asked = Arc::new(AtomicUsize::new(0));
    let start = |number| {
        let n_asked = n_asked.clone();
        let more = move || n_asked.fetch_add(1, Ordering::SeqCst) < n_requests;
        tokio::spawn(Person::hasty(number, gateway, &REPEATABLE).ask_while(more))
    };
    let began = Instant::now();
    let people: Vec<_> = (0..PEOPLE).map(start).collect();
    let mut n_times = 0;
    while n_asked.load(Ordering::SeqCst) < n_requests {
        scene.once(fate, || n_asked.load(Ordering::SeqCst) >= n_requests).await;
        n_times += 1;
    }
    let mut answers = Vec::new();
    for person in people {
        answers.extend(tokio::time::timeout(PATIENCE, person).await.unwrap().unwrap());
    }
    let failed: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(failed.is_empty(), "{} of {} failed: {failed:?}", failed.len(), answers.len());
    assert!(answers.len() >= n_requests && n_times > 0, "{} in {n_times}", answers.len());
    let (retries, ejections) = (scene.counter("retries").await, scene.counter("ejections").await);
    assert!(retries > 0, "no request was on its way to the direct way at any time");
    println!(
        "{} requests in {:?}, {fate:?} {n_times} times: 0 failed; {retries} were repeated, \
         {ejections} ejections, an answer came {}",
        answers.len(),
        began.elapsed(),
        told(&answers.iter().map(|Answer { took, .. }| *took).collect::<Vec<_>>()),
    );
}

impl Scene {
    /// Once down and up again, both seen in what reaches the origins, unless it is `over` before.
    async fn once(&mut self, fate: Fate, over: impl Fn() -> bool) {
        let record = self.record.clone();
        let more = |origin, before| record.n_requests(origin) >= before + 100;
        let before = record.n_requests(DIRECT);
        until("requests at the direct way", || more(DIRECT, before) || over()).await;
        let before = record.n_requests(TUNNEL);
        match fate {
            Fate::Killed => {
                let direct = self.direct.take().expect("it lives");
                let port = direct.address.port();
                direct.kill();
                until("requests at the tunnel", || more(TUNNEL, before) || over()).await;
                self.direct = Some(crate::mortal::Mortal::start(DIRECT, port, &self.record));
            }
            Fate::Frozen => {
                let direct = self.direct.as_ref().expect("it lives");
                direct.freeze();
                until("requests at the tunnel", || more(TUNNEL, before) || over()).await;
                direct.thaw();
            }
        }
    }
}
