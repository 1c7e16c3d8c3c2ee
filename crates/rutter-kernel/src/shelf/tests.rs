use super::*;

fn route(prefix: &str, priority: u32) -> (Prefix, Foreign) {
    let again: Arc<[u8]> = [2, 24, 0, 255].into();
    (prefix.parse().unwrap(), Foreign { priority, protocol: 4, again: Some(again) })
}

#[test]
fn what_is_written_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("displaced");
    let (shelf, none) = Shelf::open(&path, 100).unwrap();
    assert!(none.is_empty());
    let routes = [route("172.16.0.0/24", 100), route("fd00::/8", 0)];
    shelf.write(routes.iter().map(|(prefix, other)| (prefix, other))).unwrap();
    assert_eq!(Shelf::open(&path, 100).unwrap().1, routes);
    shelf.write(std::iter::empty()).unwrap();
    assert_eq!(Shelf::open(&path, 100).unwrap().1, []);
}

#[test]
fn another_boots_file_is_let_go_and_another_tables_or_a_broken_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("displaced");
    let (shelf, _) = Shelf::open(&path, 100).unwrap();
    let one = route("172.16.0.0/24", 100);
    shelf.write([(&one.0, &one.1)].into_iter()).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let boot = fs::read_to_string(BOOT_ID).unwrap();
    fs::write(&path, text.replace(boot.trim(), "another")).unwrap();
    assert_eq!(Shelf::open(&path, 100).unwrap().1, []);
    for broken in [text.replace("table 100", "table 200"), format!("{text}10.0.0.0/8 x 4 00\n")] {
        fs::write(&path, broken).unwrap();
        assert!(matches!(Shelf::open(&path, 100), Err(KernelError::Shelf { .. })));
    }
}
