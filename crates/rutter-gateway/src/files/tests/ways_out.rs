//! Ways out of a folder: none is served.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rutter_route::FileOptions;

use super::serving;

/// What must never be seen: it stands in every file outside.
const SECRET: &str = "the secret outside";

/// A folder `root` beside a secret, with links of every kind that lead out.
fn scene(at: &Path) {
    let root = at.join("root");
    fs::create_dir_all(root.join("inside/deep")).unwrap();
    fs::create_dir(at.join("outside")).unwrap();
    // A neighbour whose name begins as the folder's does.
    fs::create_dir(at.join("root-2")).unwrap();
    for secret in ["secret.txt", "outside/secret.txt", "outside/index.html", "root-2/secret.txt"] {
        fs::write(at.join(secret), SECRET).unwrap();
    }
    fs::write(root.join("ok.txt"), "inside").unwrap();
    fs::write(root.join("inside/ok.txt"), "inside").unwrap();
    let outside = at.join("outside");
    let links: [(&Path, &str); 12] = [
        (Path::new("../secret.txt"), "relative"),
        (&at.join("secret.txt"), "absolute"),
        (&root.join("ok.txt"), "absolute-inside"),
        (Path::new("../outside"), "folder"),
        (&outside, "folder-absolute"),
        (Path::new("relative"), "chain"),
        (Path::new("inside/../../secret.txt"), "winding"),
        (Path::new("../../../../../../../../../../etc/passwd"), "far"),
        (Path::new("/proc/self/root"), "proc"),
        (Path::new("/proc/self/cwd"), "cwd"),
        (Path::new("loop"), "loop"),
        (Path::new("../root-2"), "neighbour"),
    ];
    for (to, name) in links {
        symlink(to, root.join(name)).unwrap();
    }
    symlink("../../../secret.txt", root.join("inside/deep/up")).unwrap();
    symlink("../../outside", root.join("inside/out")).unwrap();
    symlink("../ok.txt", root.join("inside/good")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, root.join("fifo"), 0o666.into()).unwrap();
    symlink("/dev/zero", root.join("zero")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    drop(socket);
}

/// Fifty ways out.
const WAYS: [&str; 50] = [
    "/../secret.txt",
    "/../../secret.txt",
    "/inside/../../secret.txt",
    "/inside/../../outside/secret.txt",
    "/./../secret.txt",
    "/.%2e/secret.txt",
    "/%2e./secret.txt",
    "/%2e%2e/secret.txt",
    "/%2E%2E/secret.txt",
    "/%2e%2e%2fsecret.txt",
    "/..%2fsecret.txt",
    "/..%2Fsecret.txt",
    "/..%5csecret.txt",
    "/..\\secret.txt",
    "/%2e%2e%5csecret.txt",
    "/%252e%252e/secret.txt",
    "/%252e%252e%252fsecret.txt",
    "/..%252fsecret.txt",
    "/%c0%ae%c0%ae/secret.txt",
    "/%c0%ae%c0%ae%c0%afsecret.txt",
    "/%e0%80%ae%e0%80%ae/secret.txt",
    "/..%c0%afsecret.txt",
    "/%uff0e%uff0e/secret.txt",
    "/..;/secret.txt",
    "/..%00/secret.txt",
    "/ok.txt%00/../../secret.txt",
    "/secret.txt%00.html",
    "/....//secret.txt",
    "/..././secret.txt",
    "//../secret.txt",
    "///../../secret.txt",
    "/inside/deep/../../../secret.txt",
    "/inside/%2e%2e/%2e%2e/secret.txt",
    "/../root-2/secret.txt",
    "/%2e%2e/root-2/secret.txt",
    "//etc/passwd",
    "/%2fetc%2fpasswd",
    "/relative",
    "/absolute",
    "/chain",
    "/winding",
    "/far",
    "/folder/secret.txt",
    "/folder-absolute/secret.txt",
    "/neighbour/secret.txt",
    "/proc/etc/passwd",
    "/inside/deep/up",
    "/inside/out/secret.txt",
    "/inside/out/",
    "/folder/",
];

/// What is inside, and isn't served all the same.
const NOT_FILES: [&str; 7] =
    ["/fifo", "/zero", "/socket", "/loop", "/absolute-inside", "/cwd", "/nothing"];

#[tokio::test]
async fn of_fifty_ways_out_of_a_folder_none_is_served() {
    let scratch = tempfile::tempdir().unwrap();
    scene(scratch.path());
    let root = scratch.path().join("root");
    let gateway = serving(&root, FileOptions::default()).await;
    for way in WAYS.iter().chain(&NOT_FILES) {
        for method in ["GET", "HEAD"] {
            let request = format!("{method} {way} HTTP/1.1\r\nHost: alice.nsl.sh\r\n\r\n");
            let mut client = gateway.client().await;
            client.send(&request).await;
            // Of a HEAD the length alone comes.
            if method == "HEAD" {
                use tokio::io::AsyncReadExt;
                let mut line = [0; 12];
                client.stream.read_exact(&mut line).await.unwrap();
                let status = &line[9..];
                assert!(matches!(status, b"404" | b"400"), "{method} {way}: {status:?}");
                continue;
            }
            let answer = client.answer().await.expect("an answer");
            assert!(matches!(answer.status(), 404 | 400), "{way}: {}", answer.status());
            assert!(!answer.text().contains(SECRET) && !answer.text().contains("root:"), "{way}");
        }
    }
    // Served: plain files, and links that stay inside.
    for way in ["/ok.txt", "/inside/ok.txt", "/inside/good"] {
        assert_eq!(gateway.ask(&crate::testing::get(way)).await.text(), "inside", "{way}");
    }
}

#[tokio::test]
async fn a_page_for_whatever_is_missing_never_is_one_from_outside() {
    let scratch = tempfile::tempdir().unwrap();
    scene(scratch.path());
    let root = scratch.path().join("root");
    fs::write(root.join("index.html"), "the app").unwrap();
    let app = FileOptions { is_spa: true, ..FileOptions::default() };
    let gateway = serving(&root, app).await;
    for way in WAYS.iter().chain(&NOT_FILES) {
        let answer = gateway.ask(&crate::testing::get(way)).await;
        let text = answer.text();
        assert!(text == "the app" || matches!(answer.status(), 400 | 404), "{way}: {text}");
    }
    // An index that leads out is no index.
    let out = FileOptions { is_spa: true, index: "/../secret.txt".into() };
    let gateway = serving(&root, out).await;
    assert_eq!(gateway.ask(&crate::testing::get("/any")).await.status(), 404);
}

#[tokio::test]
async fn a_name_that_changes_between_file_and_link_never_leads_out() {
    let scratch = tempfile::tempdir().unwrap();
    scene(scratch.path());
    let root = scratch.path().join("root");
    let gateway = serving(&root, FileOptions::default()).await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (swaps, at, until) = (root.clone(), root.join("swapped"), stop.clone());
    let swapping = std::thread::spawn(move || {
        while !until.load(std::sync::atomic::Ordering::Relaxed) {
            fs::write(swaps.join("new"), "inside").unwrap();
            fs::rename(swaps.join("new"), &at).unwrap();
            symlink("../secret.txt", swaps.join("new")).unwrap();
            fs::rename(swaps.join("new"), &at).unwrap();
        }
    });
    let mut client = gateway.client().await;
    let mut n_inside = 0;
    for _ in 0..500 {
        let answer = client.ask(&crate::testing::get("/swapped")).await;
        assert!(matches!(answer.status(), 200 | 404), "{}", answer.status());
        assert!(!answer.text().contains(SECRET));
        n_inside += usize::from(answer.status() == 200 && answer.text() == "inside");
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    swapping.join().unwrap();
    assert!(n_inside > 0, "it was served while it was a file");
}
