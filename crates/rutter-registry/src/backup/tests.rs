use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rutter_route::Wall;

use super::*;
use crate::{
    CertificateAuthority, Claim, DataDir, Identities, Incarnations, LeaseKey, Leases, NewLease,
    Page, Registry, Routes, SqliteRegistry, UserId,
};

const NOW: Wall = Wall(1_800_000_000_000);
const WRITERS: usize = 32;
const BEFORE: usize = 400;

fn quiet(_: u64, _: u64) {}

fn user(key: &str) -> UserId {
    key.parse().unwrap()
}

async fn registers(registry: &SqliteRegistry, key: &str) {
    let name = Some(key.parse().unwrap());
    registry.claim(NOW, Claim { name, ..Claim::of(user(key)) }).await.unwrap();
    let lease = NewLease {
        key: LeaseKey { user: user(key), source: "agent".parse().unwrap() },
        incarnation: registry.next_incarnation().await.unwrap(),
        lease: Duration::from_secs(600),
        routes: Routes::encode(&[key]).unwrap(),
    };
    registry.put_lease(NOW, lease).await.unwrap();
}

/// A data directory with a registry and a CA, and a place for more.
struct Scene {
    root: tempfile::TempDir,
    dir: Arc<DataDir>,
    registry: Arc<SqliteRegistry>,
    ca: CertificateAuthority,
}

impl Scene {
    async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = Arc::new(DataDir::open(root.path().join("data")).unwrap());
        let ca = CertificateAuthority::open(&dir, NOW).unwrap();
        let registry = Arc::new(SqliteRegistry::open(dir.clone()).await.unwrap());
        Self { root, dir, registry, ca }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    async fn backup(&self, name: &str) -> PathBuf {
        let snapshot = snapshot(&self.dir).await.unwrap();
        let to = self.at(name);
        write(self.dir.path(), &snapshot, NOW, &to, &mut quiet).await.unwrap();
        std::fs::remove_file(snapshot).unwrap();
        to
    }
}

async fn restore(file: &Path, to: &Path, force: bool) -> Result<Restored> {
    Backup::open(file)?.restore(to, RestoreOptions { force }, &mut quiet).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_under_writes_is_of_one_moment_and_whole() {
    let scene = Scene::new().await;
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (registry, stop) = (scene.registry.clone(), stop.clone());
            let acknowledged = acknowledged.clone();
            tokio::spawn(async move {
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let key = format!("w{writer}n{n}");
                    registers(&registry, &key).await;
                    acknowledged.lock().unwrap().insert(key);
                }
            })
        })
        .collect();
    while acknowledged.lock().unwrap().len() < BEFORE {
        tokio::task::yield_now().await;
    }
    let before = acknowledged.lock().unwrap().clone();
    let file = scene.backup("backup").await;
    let during = acknowledged.lock().unwrap().len() - before.len();
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    println!("{} acknowledged before it, {during} while it was taken", before.len());

    let elsewhere = scene.at("elsewhere");
    restore(&file, &elsewhere, false).await.unwrap();
    let dir = Arc::new(DataDir::open(&elsewhere).unwrap());
    let ca = CertificateAuthority::open(&dir, NOW).unwrap();
    assert_eq!(ca.pin(), scene.ca.pin(), "agents trust it still");
    let last = scene.registry.next_incarnation().await.unwrap();
    let restored = SqliteRegistry::open(dir.clone()).await.unwrap();
    assert!(restored.next_incarnation().await.unwrap() > last, "sessions never come twice");
    for key in &before {
        assert!(restored.identity(&user(key)).await.unwrap().is_some(), "{key} is lost");
    }
    let leases = restored.leases(NOW, Page::first(crate::MAX_PAGE)).await.unwrap();
    let leased: BTreeSet<_> = leases.iter().map(|l| l.key.user.to_string()).collect();
    let n_lost = before.iter().filter(|key| !leased.contains(*key)).count();
    assert!(leases.len() == crate::MAX_PAGE || n_lost == 0, "{n_lost} leases are lost");
    // The triggers count in the same transaction: a half one would differ.
    let mut c = crate::sqlite::schema::reading(&dir.file(REGISTRY)).await.unwrap();
    let count =
        "SELECT (SELECT count(*) FROM identities) - n FROM counts WHERE name = 'identities'";
    let differ: i64 = sqlx::query_scalar(count).fetch_one(&mut c).await.unwrap();
    assert_eq!(differ, 0, "no half transaction");
}

#[tokio::test]
async fn every_damaged_byte_is_found_and_nothing_is_left_of_the_attempt() {
    let scene = Scene::new().await;
    registers(&scene.registry, "alice").await;
    let file = scene.backup("backup").await;
    let whole = std::fs::read(&file).unwrap();
    let head = whole.iter().position(|b| *b == b'{').unwrap();
    let places = [0, 14, 20, head + 3, head + 200, whole.len() / 2, whole.len() - 1];
    let to = scene.at("elsewhere");
    for place in places {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        std::fs::write(&file, &damaged).unwrap();
        let error = restore(&file, &to, false).await.unwrap_err();
        assert!(matches!(error, Error::Backup { .. }), "{place}: {error}");
    }
    for cut in [10, head + 10, whole.len() - 1] {
        std::fs::write(&file, &whole[..cut]).unwrap();
        restore(&file, &to, false).await.unwrap_err();
    }
    std::fs::write(&file, [&whole[..], b"x"].concat()).unwrap();
    let error = restore(&file, &to, false).await.unwrap_err().to_string();
    assert!(error.contains("something follows its end"), "{error}");
    let mut left: Vec<_> = std::fs::read_dir(scene.root.path()).unwrap().collect();
    left.retain(|entry| {
        !["data", "backup"].iter().any(|n| entry.as_ref().unwrap().file_name() == *n)
    });
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_directory_in_use_or_not_empty_is_left_alone_and_force_keeps_what_was_there() {
    use std::os::unix::fs::MetadataExt;
    let scene = Scene::new().await;
    registers(&scene.registry, "alice").await;
    let file = scene.backup("backup").await;
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
    let again = snapshot(&scene.dir).await.unwrap();
    let taken = write(scene.dir.path(), &again, NOW, &file, &mut quiet).await.unwrap_err();
    assert!(taken.to_string().contains("such a file already"), "{taken}");

    let used = scene.dir.path();
    let error = restore(&file, used, false).await.unwrap_err().to_string();
    assert!(error.contains("--force"), "{error}");
    let error = restore(&file, used, true).await.unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error}");

    let other = scene.at("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("registry.db"), "mine").unwrap();
    let restored = restore(&file, &other, true).await.unwrap();
    let before = restored.before.unwrap();
    assert_eq!(std::fs::read(before.join("registry.db")).unwrap(), b"mine");
    assert_eq!(restored.manifest.taken, NOW.0);
    let held = DataDir::open(&other).unwrap();
    assert!(SqliteRegistry::check(&held).await.is_ok());
}

#[tokio::test]
async fn the_state_of_a_fabric_is_kept_in_its_folder_for_its_owner_alone() {
    use std::os::unix::fs::MetadataExt;
    let scene = Scene::new().await;
    let folder = scene.dir.path().join("fabric");
    std::fs::create_dir(&folder).unwrap();
    let kept = ["key.pem", "incarnation", "keys.json", "sources.json"];
    for name in kept {
        std::fs::write(folder.join(name), name).unwrap();
    }
    std::fs::write(folder.join("lock"), "").unwrap();
    let (file, elsewhere) = (scene.backup("backup").await, scene.at("elsewhere"));
    restore(&file, &elsewhere, false).await.unwrap();
    let folder = elsewhere.join("fabric");
    assert_eq!(folder.metadata().unwrap().mode() & 0o777, 0o700);
    for name in kept {
        let at = folder.join(name);
        assert_eq!(std::fs::read_to_string(&at).unwrap(), name);
        assert_eq!(at.metadata().unwrap().mode() & 0o777, 0o600, "{name}");
    }
    assert!(!folder.join("lock").exists());
}

#[tokio::test]
async fn a_backup_of_a_newer_program_is_refused_by_its_head() {
    let scene = Scene::new().await;
    let file = scene.backup("backup").await;
    let whole = std::fs::read(&file).unwrap();
    let lines: Vec<_> = whole.splitn(3, |b| *b == b'\n').collect();
    let mut manifest: Manifest = serde_json::from_slice(lines[1]).unwrap();
    (manifest.schema, manifest.rutter) = (9000, "7.0.0".to_owned());
    let line = serde_json::to_string(&manifest).unwrap();
    let sum = hex(Sha256::new_with_prefix(line.as_bytes()));
    let with =
        |format: u32| [format!("{MAGIC} {format} {sum}\n{line}\n").as_bytes(), lines[2]].concat();
    for (format, said) in
        [(1, "newer version of rutter (7.0.0, schema 9000"), (2, "its format is 2")]
    {
        std::fs::write(&file, with(format)).unwrap();
        let error = restore(&file, &scene.at("elsewhere"), false).await.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    assert!(!scene.at("elsewhere").exists());
}

#[tokio::test]
async fn a_registry_that_is_lent_refuses_and_comes_back_with_what_the_other_wrote() {
    let Scene { root, dir, registry, .. } = Scene::new().await;
    registers(&registry, "alice").await;
    let copy = before_upgrade(&dir).await.unwrap();
    registry.lend().await.unwrap();
    let refused = registry.claim(NOW, Claim::of(user("bob"))).await.unwrap_err();
    assert!(matches!(refused, Error::Closed), "{refused}");

    let other = Arc::new(DataDir::adopt(dir.path(), dir.lock().unwrap()).unwrap());
    let theirs = SqliteRegistry::open(other.clone()).await.unwrap();
    registers(&theirs, "carol").await;
    theirs.close().await.unwrap();
    drop((theirs, other));
    assert!(matches!(DataDir::open(dir.path()), Err(Error::Locked { .. })), "the lock stays");

    registry.take_back().await.unwrap();
    assert!(registry.identity(&user("carol")).await.unwrap().is_some());
    registers(&registry, "bob").await;

    // What the other has done can be undone, too.
    registry.lend().await.unwrap();
    put_back(&dir, &copy).unwrap();
    registry.take_back().await.unwrap();
    for (key, there) in [("alice", true), ("carol", false), ("bob", false)] {
        assert_eq!(registry.identity(&user(key)).await.unwrap().is_some(), there, "{key}");
    }
    let another = root.path().join("another");
    let another = DataDir::open(another).unwrap();
    let error = DataDir::adopt(dir.path(), another.lock().unwrap()).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error}");
}
