//! The direct way is killed and comes back, again and again, under a mix of requests.
//!
//! Each kill is a SIGKILL of the direct origin, sent only after requests were seen there again and
//! while one is unanswered there. What may be repeated must not fail; what may not be repeated must
//! not reach origins twice, and gets one 502 if it was on its way.
//!
//! The gateway's numbers are the product's but for one, the time after which a way that failed is
//! asked again: 100 ms instead of 5 s, since twenty returns would take two minutes. That the
//! default does it too, with nothing but `rutter up`, is shown with two kills.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::mortal::{Mortal, Record};
use crate::person::{Answer, Person};
use crate::scene::{DIRECT, Scene, TUNNEL};
use crate::support::{PATIENCE, Up};
use crate::talker::{BROKEN_OFF, Talker};
use crate::{told, until};

const PEOPLE: usize = 4;
/// What is left unanswered, kill by kill.
const UNANSWERED: [&str; 3] = ["POST", "PUT", "GET"];
/// How soon a WebSocket has to end, and another to be open.
const AT_ONCE: Duration = Duration::from_secs(1);
const GOING_AWAY: u16 = 1001;

const QUICK: &str = "controller:
gateway: {health: {recheck: 100ms}}
listeners: {api: '127.0.0.1:0', link: '127.0.0.1:0', gateway: {http: '127.0.0.1:0'}, compat: {mesh_router: '127.0.0.1:0'}}
";

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_of_the_direct_way() {
    let up = Up::run(tempfile::tempdir().unwrap(), QUICK);
    Scene::new(up).await.play(20, 2000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_kills_with_what_is_usual() {
    Scene::new(Up::start()).await.play(2, 200).await;
}

/// A request that was left unanswered at a kill.
struct Held {
    id: String,
    method: &'static str,
    killed: Instant,
}

/// How long things took.
#[derive(Default)]
struct Times {
    /// From a kill to the end of the WebSocket.
    ends: Vec<Duration>,
    /// From there to the first word over another.
    opens: Vec<Duration>,
    /// From a new life to its first request.
    returns: Vec<Duration>,
}

impl Scene {
    async fn play(mut self, n_kills: usize, n_requests: usize) {
        let gateway = self.up.gateway();
        let (n_asked, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let start = |number| {
            let (n_asked, stop) = (n_asked.clone(), stop.clone());
            let more = move || {
                let asked_before = n_asked.fetch_add(1, Ordering::SeqCst);
                !stop.load(Ordering::SeqCst) || asked_before < n_requests
            };
            tokio::spawn(Person::new(number, gateway, None).ask_while(more))
        };
        let people: Vec<_> = (0..PEOPLE).map(start).collect();
        let talker = Talker::start(gateway);
        let (mut held, mut times) = (Vec::new(), Times::default());
        for kill in 0..n_kills {
            held.push(self.one_kill(kill, &talker, &mut times).await);
        }
        stop.store(true, Ordering::SeqCst);
        let mut answers = Vec::new();
        for person in people {
            answers.extend(tokio::time::timeout(PATIENCE, person).await.unwrap().unwrap());
        }
        let n_failovers = self.n_failovers().await;
        let conversation = talker.stop();
        // Its end empties the pipe: all that arrived is in the record.
        self.direct.take().expect("it lives").kill();
        self.tunnel.kill();
        assert!(answers.len() >= n_requests, "{} requests", answers.len());
        assert_eq!(times.returns.len(), n_kills);
        println!("{} kills, {} returns, {n_failovers} requests that went on", held.len(), n_kills);
        judge_requests(&answers, &held, &self.record);
        judge_messages(&conversation, &self.record);
        println!("a WebSocket ended {} after the kill", told(&times.ends));
        println!("another was open {} after that", told(&times.opens));
        println!("a new life had its first request after {}", told(&times.returns));
    }

    /// Kills the direct origin with a request unanswered there, sees the failover, gives it a new
    /// life, and sees the return.
    async fn one_kill(&mut self, kill: usize, talker: &Talker, times: &mut Times) -> Held {
        let record = self.record.clone();
        let before = record.n_requests(DIRECT);
        until("requests at the direct way again", || record.n_requests(DIRECT) >= before + 5).await;
        let open = talker.comes_to(DIRECT).await;
        let method = UNANSWERED[kill % UNANSWERED.len()];
        let mut direct = self.direct.take().expect("it lives");
        direct.hold(method);
        let held = std::cell::RefCell::new(None);
        until("a request that isn't answered", || {
            *held.borrow_mut() = record.take_held();
            held.borrow().is_some()
        })
        .await;
        let id = held.into_inner().expect("one is held");
        let (port, n_failovers) = (direct.address.port(), self.n_failovers().await);

        let killed = Instant::now();
        direct.kill();
        let before = record.n_requests(TUNNEL);
        until(&format!("failover {kill}"), || record.n_requests(TUNNEL) >= before + 5).await;
        assert!(self.n_failovers().await > n_failovers, "no request went on at kill {kill}");
        let (ended, next) = talker.end_of(open).await;
        let (end, code) = ended.ended.expect("it has ended");
        assert!([GOING_AWAY, BROKEN_OFF].contains(&code), "it ended with {code}");
        assert_eq!(next.origin, TUNNEL);
        times.ends.push(end.duration_since(killed));
        times.opens.push(next.opened.duration_since(end));
        assert!(end.duration_since(killed) <= AT_ONCE, "kill {kill}: {}", told(&times.ends));
        assert!(next.opened.duration_since(end) <= AT_ONCE, "kill {kill}: {}", told(&times.opens));

        let (before, since) = (record.n_requests(DIRECT), Instant::now());
        self.direct = Some(Mortal::start(DIRECT, port, &record));
        until(&format!("return {kill}"), || record.n_requests(DIRECT) > before).await;
        times.returns.push(since.elapsed());
        Held { id, method, killed }
    }

    /// How many requests went on to another way, as the gateway counts them.
    async fn n_failovers(&self) -> u64 {
        self.counter("failovers").await
    }
}

fn judge_requests(answers: &[Answer], held: &[Held], record: &Record) {
    let (mut n_refused, mut n_unseen, mut n_repeated, mut n_posts) = (0, 0, 0, 0);
    for Answer { id, method, status, .. } in answers {
        let n_reached = record.reached(id).len();
        match (*method, *status) {
            (_, 200) => assert!(n_reached >= 1, "{method} {id} was answered by nobody"),
            // It was on its way, so nobody knows whether it was done: one 502.
            ("POST", 502) => {
                n_refused += 1;
                n_unseen += usize::from(n_reached == 0);
            }
            (_, status) => panic!("{method} {id} could have been repeated, but got {status}"),
        }
        if *method == "POST" {
            n_posts += 1;
            assert!(n_reached <= 1, "POST {id} reached origins {n_reached} times");
        }
        n_repeated += usize::from(n_reached > 1);
    }
    let mut failovers = Vec::new();
    for Held { id, method, killed } in held {
        let answer = answers.iter().find(|answer| answer.id == *id).expect("an answer");
        let mut reached = record.reached(id);
        reached.sort_unstable();
        if *method == "POST" {
            assert_eq!((answer.status, &*reached), (502, &[DIRECT][..]), "POST {id}");
        } else {
            assert_eq!((answer.status, &*reached), (200, &[DIRECT, TUNNEL][..]), "{method} {id}");
            failovers.push(answer.at.duration_since(*killed));
        }
    }
    // At a kill one request of each person can be on its way, and no more.
    assert!(n_refused <= held.len() * PEOPLE, "{n_refused}");
    println!(
        "{} requests, {n_posts} of them POST; {n_repeated} repeated, {n_refused} POST with one 502 \
         ({n_unseen} of them died before they were seen), 0 failed that could be repeated, 0 POST at \
         origins twice",
        answers.len()
    );
    println!("a request that was unanswered at the kill was answered {}", told(&failovers));
}

fn judge_messages((n_sent, echoes): &(u64, Vec<u64>), record: &Record) {
    let arrived = record.messages();
    for (what, numbers) in [("arrived", &arrived), ("came back", echoes)] {
        let mut once = numbers.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), numbers.len(), "a message {what} twice");
    }
    assert!(echoes.len() as u64 > n_sent / 2, "{} of {n_sent} came back", echoes.len());
    println!(
        "{n_sent} messages, {} arrived, {} came back, none twice",
        arrived.len(),
        echoes.len()
    );
}
