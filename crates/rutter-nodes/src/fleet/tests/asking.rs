//! Routers that are asked whether they are there.

use tokio::sync::mpsc;

use super::*;
use crate::prober::Prober;

const P: &str = "10.0.0.0/24";
const PROBING: Probing =
    Probing { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) };

/// The prober of a fleet, driven step by step.
struct Asks {
    prober: Prober,
    say: mpsc::Sender<(NodeId, u64)>,
    answers: mpsc::Receiver<(NodeId, u64)>,
}

impl Asks {
    fn new() -> Self {
        let (say, answers) = mpsc::channel(64);
        Self { prober: Prober::default(), say, answers }
    }

    /// A cycle in which those of the sessions that are named answer.
    async fn cycle(&mut self, world: &World, answer: &mut [&mut Live], silent: &mut [&mut Live]) {
        world.fleet.0.begin_cycle(&mut self.prober, PROBING, &self.say).await;
        for live in answer.iter_mut() {
            live.pings.recv().await.unwrap().answer.send(()).unwrap();
            let answer = self.answers.recv().await.unwrap();
            world.fleet.0.hear(&mut self.prober, answer).await;
        }
        world.clock.0.fetch_add(5_000, Ordering::SeqCst);
        world.fleet.0.end_cycle(&mut self.prober, Some(PROBING)).await;
        for live in silent.iter_mut() {
            drop(live.pings.try_recv());
        }
        world.pass(5).await;
    }
}

#[tokio::test]
async fn a_router_that_hangs_gives_way_and_takes_nothing_back_when_it_answers() {
    let world = World::with_users(config()).await;
    let (_, mut one) = world.router(1, &[P, "10.1.0.0/24"]).await;
    let (_, mut two) = world.router(2, &[P]).await;
    // Its routes are its own, so nobody asks it.
    let (_, mut alone) = world.router(3, &["10.3.0.0/24"]).await;
    world.settle().await;
    let mut asks = Asks::new();
    asks.cycle(&world, &mut [&mut one, &mut two], &mut []).await;
    assert!(alone.pings.try_recv().is_err());
    assert_eq!(world.primary(P).await, Some(1));
    asks.cycle(&world, &mut [&mut two], &mut [&mut one]).await;
    assert_eq!(world.primary(P).await, Some(2));
    assert_eq!(world.primary("10.1.0.0/24").await, Some(1), "nobody else has it");
    world.settle().await;
    let moved = &world.fleet.moves(Some(&prefix(P)), 1)[0];
    assert!(moved.why.contains("no answer within 5000 ms"), "{moved:?}");
    asks.cycle(&world, &mut [&mut one, &mut two], &mut []).await;
    assert_eq!(world.primary(P).await, Some(2));
    // Both silent at once: whoever has it keeps it.
    asks.cycle(&world, &mut [], &mut [&mut one, &mut two]).await;
    assert_eq!(world.primary(P).await, Some(2));
}

#[tokio::test]
async fn a_session_that_is_new_is_asked_twice_before_it_is_judged() {
    let world = World::with_users(config()).await;
    let (_, mut one) = world.router(1, &[P]).await;
    let (_, mut two) = world.router(2, &[P]).await;
    world.settle().await;
    let mut asks = Asks::new();
    asks.cycle(&world, &mut [&mut one, &mut two], &mut []).await;
    let mut again = world.connect(1, &[P]).await;
    asks.cycle(&world, &mut [&mut two], &mut [&mut again]).await;
    assert_eq!(world.primary(P).await, Some(1));
    asks.cycle(&world, &mut [&mut two], &mut [&mut again]).await;
    assert_eq!(world.primary(P).await, Some(2));
    // A new session begins well.
    let mut third = world.connect(1, &[P]).await;
    assert_eq!(world.row(NodeId(1), P).await.standing, Some(Standing::Eligible));
    asks.cycle(&world, &mut [&mut two, &mut third], &mut []).await;
    drop((one, again));
}
