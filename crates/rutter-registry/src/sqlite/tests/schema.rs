//! What opening promises.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;
use crate::Fault;

async fn error_at(path: &Path) -> Error {
    let dir = DataDir::open(path).unwrap();
    match SqliteRegistry::open(Arc::new(dir)).await {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_is() {
    let fixture = Fixture::new().await;
    fixture
        .writer
        .write(|c| {
            Box::pin(async move {
                let newer = "INSERT INTO _sqlx_migrations \
                             (version, description, success, checksum, execution_time) \
                             VALUES (9000, 'from the future', 1, x'00', 0)";
                sqlx::query(newer).execute(&mut *c).await?;
                sqlx::query("UPDATE written_by SET version = '7.0.0'").execute(c).await?;
                Ok(())
            })
        })
        .await
        .unwrap();
    fixture.close().await.unwrap();
    let Fixture { registry, dir } = fixture;
    drop(registry);
    let before = std::fs::read(dir.path().join(FILE)).unwrap();
    let held = DataDir::open(dir.path()).unwrap();
    let checked = SqliteRegistry::check(&held).await.unwrap_err();
    let copied = crate::backup::snapshot(&held).await.unwrap_err();
    drop(held);
    for error in [checked, copied] {
        assert!(matches!(error, Error::Newer { found: 9000, .. }), "{error}");
    }
    let error = error_at(dir.path()).await;
    assert!(matches!(error, Error::Newer { found: 9000, .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains("newer version of rutter (7.0.0, schema 9000; this is"), "{said}");
    assert_eq!(std::fs::read(dir.path().join(FILE)).unwrap(), before);
}

#[tokio::test]
async fn a_second_open_is_refused_while_the_first_lives() {
    let fixture = Fixture::new().await;
    let error = DataDir::open(fixture.dir.path()).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    fixture.restarted().await;
}

#[tokio::test]
async fn what_others_could_read_is_refused() {
    let fixture = Fixture::new().await;
    let file = fixture.dir.path().join(FILE);
    for name in [FILE.to_owned(), format!("{FILE}-wal"), format!("{FILE}-shm")] {
        let mode = fixture.dir.path().join(&name).metadata().unwrap().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    fixture.close().await.unwrap();
    let Fixture { registry, dir } = fixture;
    drop(registry);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = error_at(dir.path()).await;
    assert!(matches!(error, Error::Exposed { mode: 0o644, .. }), "{error}");
    assert_eq!(error.fault(), Fault::Operator);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named_as_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(FILE);
    std::fs::write(&file, "hello, I am not a database. ".repeat(100)).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let error = error_at(dir.path()).await;
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(error.to_string().contains(FILE), "{error}");
}
