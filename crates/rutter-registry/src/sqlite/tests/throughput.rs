//! That batching does what it is for; and its figures, printed by `--nocapture`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::*;
use crate::Identities;

/// Makes `n_writers` claim names one after the other, `n_each` each; writes a second.
async fn writes_a_second(n_writers: u64, n_each: u64) -> f64 {
    let fixture = Fixture::new().await;
    let n_done = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..n_writers)
        .map(|writer| {
            let (registry, n_done) = (Arc::clone(&fixture.registry), Arc::clone(&n_done));
            tokio::spawn(async move {
                for i in 0..n_each {
                    let key = format!("w{writer}i{i}");
                    registry.claim(NOW, claim_of(&key, &key)).await.unwrap();
                    n_done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    n_done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_wait_together_share_their_commit() {
    let alone = writes_a_second(1, 200).await;
    let together = writes_a_second(256, 20).await;
    println!("claims a second: {alone:.0} by one caller, {together:.0} by 256");
    assert!(together > alone, "{together:.0} a second together, {alone:.0} alone");
}
