use std::os::unix::fs::PermissionsExt;

use super::*;

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_new_directory_and_its_files_are_the_owners_alone() {
    let parent = tempfile::tempdir().unwrap();
    let dir = DataDir::open(parent.path().join("a/b")).unwrap();
    dir.write_private("secret", b"first").unwrap();
    dir.write_private("secret", b"second").unwrap();
    assert_eq!(mode(dir.path()), 0o700);
    assert_eq!(mode(&dir.file("secret")), 0o600);
    assert_eq!(mode(&dir.file("lock")), 0o600);
    assert_eq!(read_private(&dir.file("secret")).unwrap().as_deref(), Some(&b"second"[..]));
    assert_eq!(read_private(&dir.file("none")).unwrap(), None);
}

#[test]
fn a_second_open_is_refused_and_names_the_holder() {
    let parent = tempfile::tempdir().unwrap();
    let first = DataDir::open(parent.path()).unwrap();
    let error = DataDir::open(parent.path()).unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, Error::Locked { holder: Some(pid), .. } if pid == std::process::id()),
        "{text}"
    );
    assert!(text.contains("stop that one first"), "{text}");
    drop(first);
    DataDir::open(parent.path()).unwrap();
}

#[test]
fn what_others_may_write_or_read_is_refused_with_the_command_that_helps() {
    let parent = tempfile::tempdir().unwrap();
    chmod(parent.path(), 0o777);
    let text = DataDir::open(parent.path()).unwrap_err().to_string();
    assert!(text.contains("mode 777") && text.contains("chmod 700"), "{text}");

    chmod(parent.path(), 0o755);
    let dir = DataDir::open(parent.path()).unwrap();
    dir.write_private("secret", b"text").unwrap();
    chmod(&dir.file("secret"), 0o640);
    let text = read_private(&dir.file("secret")).unwrap_err().to_string();
    assert!(text.contains("mode 640") && text.contains("chmod 600"), "{text}");
}

#[test]
fn a_path_that_is_a_file_is_an_error_with_the_path() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let error = DataDir::open(&file).unwrap_err();
    assert_eq!(error.fault(), crate::Fault::Operator);
    assert!(error.to_string().contains(&file.display().to_string()), "{error}");
}

#[test]
fn what_the_system_refuses_says_on_which_file() {
    // As root no mode keeps one out, so the refusal itself is what is tested.
    for (kind, permission) in [
        (ErrorKind::PermissionDenied, true),
        (ErrorKind::ReadOnlyFilesystem, true),
        (ErrorKind::StorageFull, false),
    ] {
        let error = io("write", Path::new("/var/lib/rutter/lock"), kind.into());
        assert_eq!(matches!(error, Error::NoPermission { .. }), permission, "{error}");
        assert!(error.to_string().contains("write /var/lib/rutter/lock"), "{error}");
    }
}
