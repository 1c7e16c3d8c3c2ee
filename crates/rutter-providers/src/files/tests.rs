//! Real files in a real folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::*;
use crate::ProviderKind;

mod served;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

struct Watched {
    folder: TempDir,
    files: Files,
    hear: mpsc::Receiver<Told>,
    stop: CancellationToken,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn route(host: &str) -> String {
    format!("{{host: {host}, port: 80}}")
}

fn config(folder: &Path, names: &[&str]) -> FilesConfig {
    let files = names.iter().zip(0..).map(|(name, order)| {
        let id = ProviderId::new(ProviderKind::File, name).unwrap();
        RouteFile { provider: ProviderInfo { id, order }, path: folder.join(name) }
    });
    FilesConfig {
        files: files.collect(),
        settings: Settings::default(),
        variables: Arc::new(|name| (name == "HOST").then(|| "from-a-variable".to_owned())),
        enriches: None,
    }
}

/// Files of these texts, read once.
async fn watched(texts: &[(&str, &str)]) -> (Watched, BTreeMap<String, Reading>) {
    let folder = TempDir::new().unwrap();
    for (name, text) in texts {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let names: Vec<&str> = texts.iter().map(|(name, _)| *name).collect();
    start(folder, &names, None).await
}

async fn start(
    folder: TempDir,
    names: &[&str],
    enriches: Option<Arc<dyn Enriches>>,
) -> (Watched, BTreeMap<String, Reading>) {
    let config = FilesConfig { enriches, ..config(folder.path(), names) };
    let stop = CancellationToken::new();
    let (files, hear) = Files::read(config, stop.clone());
    let mut watched = Watched { folder, files, hear, stop };
    let mut first = BTreeMap::new();
    loop {
        match watched.next().await {
            Told::Reading { provider, reading } => first.insert(provider.to_string(), reading),
            Told::Lost { .. } | Told::Gone { .. } => continue,
            Told::AllRead => return (watched, first),
        };
    }
}

impl Watched {
    async fn next(&mut self) -> Told {
        timeout(LONG, self.hear.recv()).await.expect("nothing was told").unwrap()
    }

    /// The hosts of what is told next, and of whom.
    async fn next_hosts(&mut self) -> (String, Vec<String>) {
        match self.next().await {
            Told::Reading { provider, reading } => (provider.to_string(), hosts(&reading)),
            other => panic!("{other:?}"),
        }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Why a file is lost, as is told next.
    async fn next_loss(&mut self) -> String {
        match self.next().await {
            Told::Lost { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }
}

fn hosts(reading: &Reading) -> Vec<String> {
    let host = |route: &crate::Route| match &route.target {
        crate::Target::Http { host, .. } => host.to_string(),
        other => panic!("{other:?}"),
    };
    reading.routes.iter().map(host).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_file_among_a_thousand_is_told_alone_and_at_once() {
    let texts: Vec<_> = (0..1000).map(|n| (format!("{n}.yml"), route(&format!("h{n}")))).collect();
    let texts: Vec<_> = texts.iter().map(|(n, route)| (n.clone(), format!("a: {route}"))).collect();
    let texts: Vec<_> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let (mut watched, first) = watched(&texts).await;
    assert_eq!(first.len(), 1000);
    assert!(first.iter().all(|(name, reading)| {
        hosts(reading) == [format!("h{}", name.trim_end_matches(".yml"))]
    }));
    let mut longest = Duration::ZERO;
    for (edit, n) in [0, 999, 500, 500].into_iter().enumerate() {
        let (name, host) = (format!("{n}.yml"), format!("edit{edit}"));
        watched.write(&name, &format!("a: {}", route(&host)));
        let closed = Instant::now();
        assert_eq!(watched.next_hosts().await, (name, vec![host]));
        longest = longest.max(closed.elapsed());
    }
    // The kernel told of it, not the next look. (50 ms are promised of a host without neighbours.)
    assert!(longest < Duration::from_secs(4), "{longest:?}");
}

#[tokio::test]
async fn a_file_that_is_replaced_by_a_rename_is_told_and_its_routes_never_go() {
    let (mut watched, _) = watched(&[("a.yml", &format!("a: {}", route("old")))]).await;
    for n in 0..20 {
        let host = format!("new{n}");
        watched.write("a.yml.tmp", &format!("a: {}", route(&host)));
        match n % 2 {
            // As most do.
            0 => fs::rename(watched.path("a.yml.tmp"), watched.path("a.yml")).unwrap(),
            // As those do who keep the old one: for a moment there is none.
            _ => {
                fs::rename(watched.path("a.yml"), watched.path("a.yml~")).unwrap();
                tokio::task::yield_now().await;
                fs::rename(watched.path("a.yml.tmp"), watched.path("a.yml")).unwrap();
            }
        }
        assert_eq!(watched.next_hosts().await.1, [host]);
    }
}

#[tokio::test]
async fn a_broken_file_keeps_the_last_good_reading_and_says_so() {
    let (mut watched, _) = watched(&[("a.yml", &format!("a: {}", route("old")))]).await;
    for broken in ["a: [", "- list", "a: 1\na: 2"] {
        watched.write("a.yml", broken);
        let why = watched.next_loss().await;
        assert!(why.contains("a.yml: "), "{why}");
        let status = watched.files.statuses().remove(0);
        assert_eq!(status.n_routes, 1);
        assert!(matches!(status.standing, FileStanding::Broken(_)), "{status:?}");
    }
    watched.write("a.yml", &format!("a: {}", route("good")));
    assert_eq!(watched.next_hosts().await.1, ["good"]);
    assert_eq!(watched.files.statuses()[0].standing, FileStanding::Good);
}

#[tokio::test]
async fn a_text_that_is_the_one_before_is_nothing() {
    let text = format!("a: {}", route("same"));
    let (mut watched, _) = watched(&[("a.yml", &text), ("b.yml", "")]).await;
    for _ in 0..5 {
        watched.write("a.yml", &text);
        watched.write("b.yml", &format!("b: {}", route("marker")));
        // The marker came second, and is told first: nothing came before it.
        assert_eq!(watched.next_hosts().await, ("b.yml".to_owned(), vec!["marker".to_owned()]));
        watched.write("b.yml", &format!("b: {}", route("other")));
        assert_eq!(watched.next_hosts().await.1, ["other"]);
    }
}

#[tokio::test]
async fn a_deleted_files_routes_go_and_it_is_waited_for() {
    let text = format!("a: {}", route("x"));
    let (mut watched, _) = watched(&[("a.yml", &text)]).await;
    fs::remove_file(watched.path("a.yml")).unwrap();
    let removed = Instant::now();
    assert!(matches!(watched.next().await, Told::Gone { .. }));
    assert!(removed.elapsed() >= settle::GRACE / 2, "{:?}", removed.elapsed());
    assert_eq!(watched.files.statuses()[0].standing, FileStanding::Missing);
    watched.write("a.yml", &text);
    assert_eq!(watched.next_hosts().await.1, ["x"]);
}

#[tokio::test]
async fn a_file_cut_off_before_it_is_written_anew_keeps_its_routes_meanwhile() {
    let (mut watched, _) = watched(&[("a.yml", &format!("a: {}", route("x")))]).await;
    watched.write("a.yml", "");
    watched.write("a.yml", &format!("a: {}", route("after")));
    assert_eq!(watched.next_hosts().await.1, ["after"]);
}

#[tokio::test]
async fn what_is_not_there_at_the_start_is_waited_for_even_with_its_folder() {
    let folder = TempDir::new().unwrap();
    let later = folder.path().join("later");
    let names = ["missing.yml", "later/deep.yml"];
    let (mut watched, first) = start(folder, &names, None).await;
    assert!(first.is_empty());
    for status in watched.files.statuses() {
        assert_eq!(status.standing, FileStanding::Missing);
    }
    for _ in 0..2 {
        // What another reader may have said goes.
        assert!(matches!(watched.next().await, Told::Gone { .. }));
    }
    watched.write("missing.yml", &format!("a: {}", route("here")));
    assert_eq!(watched.next_hosts().await.1, ["here"]);
    fs::create_dir(&later).unwrap();
    watched.write("later/deep.yml", &format!("a: {}", route("deep")));
    assert_eq!(watched.next_hosts().await.1, ["deep"]);
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_is_read_anew() {
    let folder = TempDir::new().unwrap();
    for version in ["v1", "v2"] {
        fs::create_dir(folder.path().join(version)).unwrap();
        let text = format!("a: {}", route(version));
        fs::write(folder.path().join(version).join("a.yml"), text).unwrap();
    }
    // As a mounted ConfigMap has it.
    std::os::unix::fs::symlink("v1", folder.path().join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/a.yml", folder.path().join("a.yml")).unwrap();
    let (mut watched, first) = start(folder, &["a.yml"], None).await;
    assert_eq!(hosts(&first["a.yml"]), ["v1"]);
    std::os::unix::fs::symlink("v2", watched.path("..data_tmp")).unwrap();
    fs::rename(watched.path("..data_tmp"), watched.path("..data")).unwrap();
    assert_eq!(watched.next_hosts().await.1, ["v2"]);
}

#[tokio::test]
async fn what_is_no_file_is_broken_and_nobody_waits_for_it() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("folder.yml")).unwrap();
    let pipe = folder.path().join("pipe.yml");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    fs::write(folder.path().join("bytes.yml"), b"a: \xff\xfe").unwrap();
    let (watched, first) = start(folder, &["folder.yml", "pipe.yml", "bytes.yml"], None).await;
    assert!(first.is_empty());
    for status in watched.files.statuses() {
        assert!(matches!(status.standing, FileStanding::Broken(_)), "{status:?}");
    }
}

#[tokio::test]
async fn variables_are_looked_up() {
    let (_watched, first) = watched(&[("a.yml", "a: {host: \"${HOST}\", port: 80}")]).await;
    assert_eq!(hosts(&first["a.yml"]), ["from-a-variable"]);
}

#[derive(Debug)]
struct Renames(watch::Sender<u64>);

impl Enriches for Renames {
    fn enrich(&self, reading: &mut Reading) {
        for route in &mut reading.routes {
            route.name = format!("{}{}", route.name, *self.0.borrow());
        }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

#[tokio::test]
async fn what_was_written_is_enriched_and_again_when_that_changes() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.yml"), format!("a: {}", route("x"))).unwrap();
    let renames = Arc::new(Renames(watch::Sender::new(1)));
    let (mut watched, first) = start(folder, &["a.yml"], Some(renames.clone())).await;
    let names = |reading: &Reading| reading.routes[0].name.clone();
    assert_eq!(names(&first["a.yml"]), "a1");
    for n in 2..5 {
        renames.0.send_replace(n);
        let Told::Reading { reading, .. } = watched.next().await else { panic!() };
        assert_eq!(names(&reading), format!("a{n}"), "what was written is what is enriched");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_file_is_never_told() {
    let text = |n: u64| {
        let routes = (0..50).map(|r| format!("r{r}: {}\n", route(&format!("h{n}"))));
        routes.collect::<String>()
    };
    let (mut watched, _) = watched(&[("a.yml", &text(0))]).await;
    let path = watched.path("a.yml");
    let writes = std::thread::spawn(move || {
        use std::io::Write;
        for n in 1..=30 {
            let mut file = fs::File::create(&path).unwrap();
            for part in text(n).as_bytes().chunks(100) {
                file.write_all(part).unwrap();
            }
        }
    });
    loop {
        let (_, hosts) = watched.next_hosts().await;
        assert_eq!(hosts.len(), 50, "{hosts:?}");
        if hosts[0] == "h30" {
            break;
        }
    }
    writes.join().unwrap();
}
