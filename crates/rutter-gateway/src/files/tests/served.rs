use std::fs;
use std::time::{Duration, SystemTime};

use rutter_route::FileOptions;

use super::{files, serving};
use crate::testing::{Origin, TestGateway, get, route, until, with_body};

/// A folder with a page, a text of ten digits and a large file.
fn folder() -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path();
    fs::create_dir_all(root.join("sub/with index")).unwrap();
    fs::write(root.join("digits.txt"), "0123456789").unwrap();
    fs::write(root.join(".hidden"), "seen").unwrap();
    fs::write(root.join("<b>&\".js"), "1").unwrap();
    fs::write(root.join("sub/with index/index.html"), "<p>index</p>").unwrap();
    fs::write(root.join("empty"), "").unwrap();
    let large: Vec<u8> = (0..1_000_000_u32).flat_map(|n| n.to_le_bytes()).collect();
    fs::write(root.join("large.bin"), large).unwrap();
    scratch
}

/// A `GET` with further header lines.
fn get_with(path: &str, lines: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: alice.nsl.sh\r\n{lines}\r\n")
}

#[tokio::test]
async fn a_file_is_served_with_its_type_length_and_validators() {
    let folder = folder();
    let gateway = serving(folder.path(), FileOptions::default()).await;
    let answer = gateway.ask(&get("/digits.txt?v=1")).await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "0123456789"));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("content-length"), Some("10"));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    let (tag, date) = (answer.header("etag").unwrap(), answer.header("last-modified").unwrap());

    let known = get_with("/digits.txt", &format!("If-None-Match: {tag}\r\n"));
    let known = gateway.ask(&known).await;
    assert_eq!((known.status(), known.header("etag")), (304, Some(tag)));
    let since = get_with("/digits.txt", &format!("If-Modified-Since: {date}\r\n"));
    assert_eq!(gateway.ask(&since).await.status(), 304);
    let other = gateway.ask(&get_with("/digits.txt", "If-Match: \"other\"\r\n")).await;
    assert_eq!((other.status(), other.header("x-rutter-error")), (412, Some("FILE_CHANGED")));

    // Another content has another tag, be it as long and as old.
    let path = folder.path().join("digits.txt");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(folder.path().join("new"), "9876543210").unwrap();
    let new = fs::File::options().write(true).open(folder.path().join("new")).unwrap();
    new.set_modified(modified).unwrap();
    fs::rename(folder.path().join("new"), &path).unwrap();
    let changed = get_with("/digits.txt", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!(gateway.ask(&changed).await.text(), "9876543210");

    for (path, kind, text) in [
        ("/.hidden", "application/octet-stream", "seen"),
        ("/%3Cb%3E&%22.js", "text/javascript; charset=utf-8", "1"),
        ("/empty", "application/octet-stream", ""),
        ("/sub/with%20index/", "text/html; charset=utf-8", "<p>index</p>"),
    ] {
        let answer = gateway.ask(&get(path)).await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, text), "{path}");
        assert_eq!(answer.header("content-type"), Some(kind), "{path}");
    }
}

#[tokio::test]
async fn a_head_has_the_length_and_no_body_and_other_methods_are_refused() {
    let folder = folder();
    let gateway = serving(folder.path(), FileOptions::default()).await;
    let mut client = gateway.client().await;
    client.send(get("/digits.txt").replace("GET", "HEAD")).await;
    client.send(get("/digits.txt")).await;
    // Both answers in one go: a body of the first would stand before the second.
    let mut all = Vec::new();
    while !all.ends_with(b"0123456789") {
        use tokio::io::AsyncReadExt;
        client.stream.read_buf(&mut all).await.unwrap();
    }
    let all = String::from_utf8(all).unwrap();
    assert_eq!(all.matches("HTTP/1.1 200 OK").count(), 2, "{all}");
    assert_eq!(all.to_lowercase().matches("content-length: 10").count(), 2, "{all}");
    assert_eq!(all.matches("0123456789").count(), 1, "{all}");

    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let answer = gateway.ask(&with_body(method, "/digits.txt", "body")).await;
        assert_eq!((answer.status(), answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
    assert_eq!(fs::read(folder.path().join("digits.txt")).unwrap(), b"0123456789");
}

#[tokio::test]
async fn ranges_are_served_one_or_several() {
    let folder = folder();
    let gateway = serving(folder.path(), FileOptions::default()).await;
    let ask = async |path: &str, lines: &str| gateway.ask(&get_with(path, lines)).await;
    let answer = ask("/digits.txt", "Range: bytes=2-4\r\n").await;
    assert_eq!((answer.status(), answer.text().as_str()), (206, "234"));
    assert_eq!(answer.header("content-range"), Some("bytes 2-4/10"));
    let answer = ask("/digits.txt", "Range: bytes=-2\r\n").await;
    assert_eq!((answer.status(), answer.text().as_str()), (206, "89"));

    let answer = ask("/digits.txt", "Range: bytes=0-1,5-5\r\n").await;
    assert_eq!(answer.status(), 206);
    let kind = answer.header("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let expected = format!(
        "\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Range: bytes 0-1/10\r\n\r\n01\
         \r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Range: bytes 5-5/10\r\n\r\n5\
         \r\n--{boundary}--\r\n"
    );
    assert_eq!(answer.text(), expected);

    let answer = ask("/digits.txt", "Range: bytes=10-\r\n").await;
    assert_eq!((answer.status(), answer.header("content-range")), (416, Some("bytes */10")));
    assert_eq!(ask("/digits.txt", "Range: bytes=x\r\n").await.text(), "0123456789");
    let other = ask("/digits.txt", "Range: bytes=2-4\r\nIf-Range: \"other\"\r\n").await;
    assert_eq!((other.status(), other.text().as_str()), (200, "0123456789"));
    let tag = other.header("etag").unwrap();
    let same = ask("/digits.txt", &format!("Range: bytes=2-4\r\nIf-Range: {tag}\r\n")).await;
    assert_eq!(same.status(), 206);

    // Over several chunks, from the middle of one to the middle of another.
    let answer = ask("/large.bin", "Range: bytes=130000-2130003\r\n").await;
    assert_eq!(answer.body.len(), 2_000_004);
    let expected: Vec<u8> = (0..1_000_000_u32).flat_map(|n| n.to_le_bytes()).collect();
    assert!(answer.body == expected[130_000..=2_130_003]);
    assert!(ask("/large.bin", "").await.body == expected);
}

#[tokio::test]
async fn a_folder_is_listed_as_a_page_or_as_json() {
    let folder = folder();
    let gateway = serving(folder.path(), FileOptions::default()).await;
    let page = gateway.ask(&get("/")).await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let text = page.text();
    for link in [
        "<a href=\"./digits.txt\">digits.txt</a>",
        "<a href=\"./.hidden\">.hidden</a>",
        "<a href=\"./sub/\">sub/</a>",
        "<a href=\"./%3Cb%3E%26%22.js\">&lt;b&gt;&amp;&quot;.js</a>",
    ] {
        assert!(text.contains(link), "{link}: {text}");
    }
    assert!(!text.contains("\"../\""), "the folder has nothing above it");
    let page = gateway.ask(&get("/sub/")).await;
    assert!(page.text().contains("<a href=\"../\">../</a>"));

    let listed = gateway.ask(&get_with("/", "Accept: application/json\r\n")).await;
    assert_eq!(listed.header("content-type"), Some("application/json"));
    let listed: Vec<serde_json::Value> = serde_json::from_slice(&listed.body).unwrap();
    let digits = listed.iter().find(|entry| entry["name"] == "digits.txt").unwrap();
    assert_eq!((&digits["type"], &digits["size"]), (&"file".into(), &10.into()));
    assert!(listed.iter().any(|e| e["name"] == "sub" && e["type"] == "folder"));

    // Without the slash names would be relative to the folder above.
    let answer = gateway.ask(&get("/sub?a=1")).await;
    assert_eq!((answer.status(), answer.header("location")), (301, Some("./sub/?a=1")));
    // A file isn't a folder.
    assert_eq!(gateway.ask(&get("/digits.txt/")).await.status(), 404);
}

#[tokio::test]
async fn an_app_of_one_page_answers_whatever_is_missing() {
    let folder = folder();
    fs::write(folder.path().join("app.html"), "the app").unwrap();
    let options = FileOptions { index: "/app.html".into(), is_spa: true };
    let gateway = serving(folder.path(), options).await;
    for path in ["/", "/users/12", "/sub", "/sub/"] {
        let answer = gateway.ask(&get(path)).await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, "the app"), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    }
    assert_eq!(gateway.ask(&get("/digits.txt")).await.text(), "0123456789");
}

#[tokio::test]
async fn a_folder_that_is_not_there_gives_way_to_the_next_route() {
    let origin = Origin::named("next").await;
    let scratch = tempfile::tempdir().unwrap();
    let gone = files(&scratch.path().join("gone"), FileOptions::default());
    let gateway =
        TestGateway::alice(vec![gone.clone(), route("agent/alice", origin.address)]).await;
    assert_eq!(gateway.ask(&get("/")).await.text(), "next");
    let alone = TestGateway::alice(vec![gone]).await;
    assert_eq!(alone.ask(&get("/")).await.status(), 502);
    // It comes to be there: no start is needed.
    fs::create_dir(scratch.path().join("gone")).unwrap();
    assert_eq!(alone.ask(&get("/")).await.status(), 200);
}

#[tokio::test]
async fn a_file_that_shrinks_breaks_its_answer_off() {
    let folder = folder();
    let gateway = serving(folder.path(), FileOptions::default()).await;
    let path = folder.path().join("sparse");
    let file = fs::File::create(&path).unwrap();
    // More than the sockets on the way hold.
    file.set_len(256 * 1024 * 1024).unwrap();
    let mut client = gateway.client().await;
    client.send(get("/sparse")).await;
    use tokio::io::AsyncReadExt;
    let mut head = [0; 1024];
    client.stream.read_exact(&mut head).await.unwrap();
    file.set_len(1024).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(10)).unwrap();
    let mut n_read = head.len();
    let mut rest = vec![0; 1 << 20];
    while let Ok(n @ 1..) = client.stream.read(&mut rest).await {
        n_read += n;
    }
    assert!(n_read < 256 * 1024 * 1024, "it ended early: {n_read}");
    let metrics = gateway.metrics();
    until("the connection's end", || metrics.active_connections.get() == 0).await;
}
