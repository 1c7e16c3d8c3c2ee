//! What batches promise.

use tokio::sync::oneshot;

use super::*;
use crate::{Audit, Fault, Identities, Page};

type Task<T> = tokio::task::JoinHandle<Result<T>>;

/// Keeps the writer busy until the returned sender is used or dropped, and has seen to it that
/// the job runs: whatever is written meanwhile waits, and goes into one batch.
async fn hold(registry: &Arc<SqliteRegistry>) -> (oneshot::Sender<()>, Task<()>) {
    let (started, running) = oneshot::channel();
    let (release, released) = oneshot::channel::<()>();
    let registry = Arc::clone(registry);
    let held = tokio::spawn(async move {
        registry
            .writer
            .write(move |_| {
                Box::pin(async move {
                    started.send(()).unwrap();
                    released.await.map_err(|_| Error::Closed)
                })
            })
            .await
    });
    running.await.unwrap();
    (release, held)
}

/// A job that writes one name for `id`, and then gives `then`.
fn write_then(registry: &Arc<SqliteRegistry>, id: &str, then: Result<()>) -> Task<()> {
    let (registry, claim) = (Arc::clone(registry), claim_of(id, id));
    tokio::spawn(async move {
        registry
            .writer
            .write(move |c| {
                Box::pin(async move {
                    super::super::identities::grant(c, NOW, claim).await?;
                    then
                })
            })
            .await
    })
}

async fn there(registry: &SqliteRegistry) -> Vec<String> {
    let found = registry.identities(Page::first(1000)).await.unwrap();
    found.into_iter().map(|i| i.user.to_string()).collect()
}

/// Lets spawned writers reach the channel: each is polled once before this returns.
async fn all_are_waiting(registry: &SqliteRegistry, n_jobs: usize) {
    while registry.writer.n_waiting() < n_jobs {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_write_that_is_refused_fails_alone() {
    let fixture = Fixture::new().await;
    let (release, held) = hold(&fixture.registry).await;
    let refusal = Error::NotFound { what: "test", key: "b".to_owned() };
    let a = write_then(&fixture.registry, "a", Ok(()));
    let b = write_then(&fixture.registry, "b", Err(refusal));
    let c = write_then(&fixture.registry, "c", Ok(()));
    all_are_waiting(&fixture, 3).await;
    release.send(()).unwrap();
    held.await.unwrap().unwrap();
    a.await.unwrap().unwrap();
    assert!(matches!(b.await.unwrap(), Err(Error::NotFound { what: "test", .. })));
    c.await.unwrap().unwrap();
    assert_eq!(there(&fixture).await, ["a", "c"]);
}

#[tokio::test]
async fn a_storage_that_fails_refuses_the_whole_batch_and_is_tried_again() {
    let fixture = Fixture::new().await;
    let (release, held) = hold(&fixture.registry).await;
    let failure = Error::Unavailable { why: "the disk is gone".to_owned() };
    let a = write_then(&fixture.registry, "a", Ok(()));
    let b = write_then(&fixture.registry, "b", Err(failure));
    let c = write_then(&fixture.registry, "c", Ok(()));
    all_are_waiting(&fixture, 3).await;
    release.send(()).unwrap();
    held.await.unwrap().unwrap();
    for job in [a, b, c] {
        let error = job.await.unwrap().unwrap_err();
        assert!(error.to_string().contains("the disk is gone"), "{error}");
    }
    assert_eq!(there(&fixture).await, Vec::<String>::new());
    fixture.claim(NOW, claim_of("d", "d")).await.unwrap();
    assert_eq!(there(&fixture).await, ["d"]);
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_answers_reads() {
    let fixture = Fixture::new().await;
    fixture.claim(NOW, claim_of("a", "a")).await.unwrap();
    // The same result code that a full disk gives: the database may not grow any more.
    fixture
        .writer
        .write(|c| {
            Box::pin(async move {
                let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *c).await?;
                let most = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
                sqlx::query(most).execute(c).await?;
                Ok(())
            })
        })
        .await
        .unwrap();
    let mut acknowledged = 1;
    let error = loop {
        let event = crate::AuditEvent {
            at: NOW,
            who: "x".repeat(1000).into(),
            what: "x".repeat(1000).into(),
            subject: "x".repeat(1000).into(),
            detail: "x".repeat(1000).into(),
        };
        match fixture.audit(event).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 1000, "the disk never fills");
    };
    assert_eq!(error.fault(), Fault::Storage);
    assert!(error.to_string().contains("database or disk is full"), "{error}");
    assert_eq!(there(&fixture).await, ["a"]);
    let events = fixture.audit_events(Page::first(1000)).await.unwrap();
    assert_eq!(events.len(), acknowledged - 1);
    // The connection was made anew, without the bound: as when there is room again.
    fixture.claim(NOW, claim_of("b", "b")).await.unwrap();
}

#[tokio::test]
async fn closing_finishes_what_waits_and_refuses_what_comes() {
    let fixture = Fixture::new().await;
    let (release, held) = hold(&fixture.registry).await;
    let waiting: Vec<_> =
        (0..100).map(|i| write_then(&fixture.registry, &format!("u{i:02}"), Ok(()))).collect();
    all_are_waiting(&fixture, 100).await;
    let registry = Arc::clone(&fixture.registry);
    let closing = tokio::spawn(async move { registry.close().await });
    release.send(()).unwrap();
    held.await.unwrap().unwrap();
    for job in waiting {
        job.await.unwrap().unwrap();
    }
    closing.await.unwrap().unwrap();
    let late = fixture.claim(NOW, claim_of("late", "late")).await.unwrap_err();
    assert!(matches!(late, Error::Closed), "{late}");
    assert!(matches!(fixture.identity(&user("late")).await, Err(Error::Closed)));
    fixture.close().await.unwrap();

    let Fixture { registry, dir } = fixture;
    drop(registry);
    let log = dir.path().join(format!("{FILE}-wal"));
    assert!(!log.exists(), "the database isn't whole without its log");
    let registry = open(dir.path()).await;
    assert_eq!(there(&registry).await.len(), 100);
}

#[tokio::test]
async fn a_caller_that_stops_waiting_harms_nobody() {
    let fixture = Fixture::new().await;
    let (release, held) = hold(&fixture.registry).await;
    let gone = write_then(&fixture.registry, "a", Ok(()));
    let stays = write_then(&fixture.registry, "b", Ok(()));
    all_are_waiting(&fixture, 2).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    release.send(()).unwrap();
    held.await.unwrap().unwrap();
    stays.await.unwrap().unwrap();
    assert!(there(&fixture).await.contains(&"b".to_owned()));
}
