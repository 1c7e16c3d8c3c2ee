use super::*;

fn activity() -> Arc<Activity> {
    Arc::new(Activity::new(Arc::new(Admitted::alone())))
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// How long after `ended` the connection was found quiet for ten seconds.
async fn quiet_after(quiet: tokio::task::JoinHandle<()>, ended: Instant) -> Duration {
    quiet.await.unwrap();
    ended.elapsed()
}

fn watch(activity: &Arc<Activity>) -> tokio::task::JoinHandle<()> {
    let activity = activity.clone();
    tokio::spawn(async move { activity.quiet_for(s(10)).await })
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_quiet_when_nothing_is_under_way_and_not_before() {
    let activity = activity();
    let request = activity.begin(false);
    let quiet = watch(&activity);
    tokio::time::sleep(s(100)).await;
    assert!(!quiet.is_finished());
    drop(request);
    let after = quiet_after(quiet, Instant::now()).await;
    assert!((s(10)..=s(13)).contains(&after), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_between_two_looks_is_seen() {
    let activity = activity();
    let quiet = watch(&activity);
    for _ in 0..20 {
        tokio::time::sleep(s(9)).await;
        drop(activity.begin(true));
        assert!(!quiet.is_finished());
    }
    let after = quiet_after(quiet, Instant::now()).await;
    assert!((s(10)..=s(13)).contains(&after), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_nothing_was_ever_asked_is_quiet_in_time() {
    let begun = Instant::now();
    let after = quiet_after(watch(&activity()), begun).await;
    assert!((s(10)..=s(13)).contains(&after), "{after:?}");
}
