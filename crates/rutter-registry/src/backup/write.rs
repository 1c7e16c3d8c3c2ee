//! Taking a backup.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rutter_route::Wall;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{FORMAT, KEPT, Kept, MAGIC, Manifest, Progress, REGISTRY, hex, io, refused};
use crate::sqlite::schema::{VERSION, known_schema, reading};
use crate::{DataDir, Error, Result};

/// What snapshots are called, so that a start can remove those that a crash has left.
const SNAPSHOT: &str = ".snapshot-";
/// What the registry was before a successor with a newer schema got it.
const BEFORE_UPGRADE: &str = ".before-upgrade.db";

/// What a backup holds, once it is there.
#[derive(Debug, Clone, Serialize)]
pub struct Copied {
    /// Where it lies.
    pub file: PathBuf,
    /// How long it is.
    pub bytes: u64,
    /// What it says of itself.
    #[serde(flatten)]
    pub manifest: Manifest,
}

/// Copies the registry of a data directory that this process holds, as it is at one moment, into a
/// file beside it, which is the caller's to remove. Others may write meanwhile.
///
/// # Errors
/// [`Newer`](Error::Newer), [`Backup`](Error::Backup) when there is no registry,
/// [`Unavailable`](Error::Unavailable) as when the disk is full. Nothing is left then.
pub async fn snapshot(dir: &DataDir) -> Result<PathBuf> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let registry = dir.file(REGISTRY);
    if !registry.exists() {
        return Err(refused(dir.path(), "there is no registry in it"));
    }
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = dir.file(&format!("{SNAPSHOT}{}-{number}.db", std::process::id()));
    let mut c = reading(&registry).await?;
    known_schema(&mut c, &registry).await?;
    // SQLite writes into an empty file, whose mode is ours to choose.
    private(&path)?;
    let text = path.to_str().ok_or_else(|| refused(&path, "its name must be UTF-8"))?;
    let done = sqlx::query("VACUUM INTO ?").bind(text).execute(&mut c).await;
    if let Err(error) = done {
        remove(&path);
        return Err(error.into());
    }
    Ok(path)
}

/// As [`snapshot`], in one place that a start leaves alone: what [`put_back`] is for. There is one,
/// the last.
///
/// # Errors
/// As there.
pub async fn before_upgrade(dir: &DataDir) -> Result<PathBuf> {
    let copy = snapshot(dir).await?;
    let path = dir.file(BEFORE_UPGRADE);
    std::fs::rename(&copy, &path).map_err(io("write", &path))?;
    Ok(path)
}

/// Removes the snapshots that a crash has left. For who holds the directory.
pub(crate) fn remove_snapshots(dir: &DataDir) {
    let Ok(entries) = std::fs::read_dir(dir.path()) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(SNAPSHOT) {
            remove(&entry.path());
        }
    }
}

/// Makes a backup of a snapshot and of what lies beside the registry in `data`, with mode 0600.
/// The file appears when it is whole.
///
/// # Errors
/// [`Backup`](Error::Backup) when there is such a file already, [`Newer`](Error::Newer),
/// [`Damaged`](Error::Damaged), those of the file system. Nothing is left then.
pub async fn write(
    data: &Path,
    snapshot: &Path,
    now: Wall,
    to: &Path,
    progress: Progress<'_>,
) -> Result<Copied> {
    if to.exists() {
        return Err(refused(to, "there is such a file already: name another, or remove it"));
    }
    let mut c = reading(snapshot).await?;
    let schema = known_schema(&mut c, snapshot).await?;
    drop(c);
    let mut sources = Vec::new();
    for name in KEPT {
        let path = if name == REGISTRY { snapshot.to_owned() } else { data.join(name) };
        match File::open(&path) {
            Ok(file) => sources.push((name, path, file)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && name != REGISTRY => {}
            Err(e) => return Err(io("read", &path)(e)),
        }
    }
    let mut files = Vec::new();
    for (name, path, file) in &mut sources {
        let (bytes, sha256) = digest(file).map_err(io("read", path))?;
        files.push(Kept { name: (*name).to_owned(), bytes, sha256 });
    }
    let manifest = Manifest { rutter: VERSION.to_owned(), schema, taken: now.0, files };
    let draft = draft_of(to);
    let written = (|| {
        let mut out = private(&draft)?;
        head(&mut out, &manifest).map_err(io("write", &draft))?;
        let (mut done, total) = (0, manifest.total());
        for (_, path, file) in &mut sources {
            file.rewind().map_err(io("read", path))?;
            copy(file, &mut out, |n| {
                done += n;
                progress(done, total);
            })
            .map_err(io("write", &draft))?;
        }
        out.sync_all().map_err(io("write", &draft))?;
        let bytes = out.metadata().map_err(io("read", &draft))?.len();
        std::fs::rename(&draft, to).map_err(io("write", to))?;
        Ok(bytes)
    })();
    match written {
        Ok(bytes) => Ok(Copied { file: to.to_owned(), bytes, manifest }),
        Err(error) => {
            remove(&draft);
            Err(error)
        }
    }
}

fn head(out: &mut File, manifest: &Manifest) -> std::io::Result<()> {
    let line = serde_json::to_string(manifest)?;
    let sum = hex(Sha256::new_with_prefix(line.as_bytes()));
    write!(out, "{MAGIC} {FORMAT} {sum}\n{line}\n")
}

/// A new file that only its owner may read.
pub(super) fn private(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path).map_err(io("write", path))
}

fn draft_of(to: &Path) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    to.with_file_name(name)
}

fn digest(file: &mut File) -> std::io::Result<(u64, String)> {
    let mut hash = Sha256::new();
    let bytes = copy(file, &mut Hasher(&mut hash), |_| ())?;
    Ok((bytes, hex(hash)))
}

struct Hasher<'a>(&'a mut Sha256);

impl Write for Hasher<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Copies to the end, in pieces of which `each` hears.
pub(super) fn copy(
    from: &mut impl Read,
    to: &mut impl Write,
    mut each: impl FnMut(u64),
) -> std::io::Result<u64> {
    let mut buffer = vec![0; 256 * 1024];
    let mut copied = 0;
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        // `read` returns at most the buffer's length.
        to.write_all(buffer.get(..n).unwrap_or_default())?;
        copied += n as u64;
        each(n as u64);
    }
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::debug!(%error, path = %path.display(), "what is left of a copy");
    }
}

/// Puts a snapshot in the place of the registry, which nobody has open: what a successor has done
/// to it is undone.
///
/// # Errors
/// Those of the file system.
pub fn put_back(dir: &DataDir, snapshot: &Path) -> Result<()> {
    for log in ["registry.db-wal", "registry.db-shm"] {
        match std::fs::remove_file(dir.file(log)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(io("write", &dir.file(log))(e));
            }
            _ => {}
        }
    }
    std::fs::rename(snapshot, dir.file(REGISTRY))
        .map_err(|e| -> Error { io("write", &dir.file(REGISTRY))(e) })
}
