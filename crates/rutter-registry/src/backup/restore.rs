//! Reading a backup, and making a data directory of it.
//!
//! ```text
//!  head checked ─▶ files beside the directory, checksums ─▶ integrity, CA ─▶ one rename
//! ```
//!
//! Everything is made and checked in a directory of its own beside the one that is meant, and takes
//! its place by one `rename` (an exchange, where something is there already): whoever looks sees
//! the old directory or the new one, whole, also after a power cut. That asks for the right to
//! write in the directory above. Rejected: replacing file by file, which can stop half-way with the
//! registry of one controller and the CA of another.

use std::fs::{DirBuilder, File, Metadata};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::write::{copy, private};
use super::{
    FORMAT, JUMP, KEPT, Kept, MAGIC, MAX_LINE, Manifest, Progress, REGISTRY, hex, io, is_empty,
    refused,
};
use crate::sqlite::schema::{known_schema, schema_known};
use crate::{CertificateAuthority, DataDir, Error, Result};

/// A backup whose head was read and is good.
#[derive(Debug)]
pub struct Backup {
    path: PathBuf,
    manifest: Manifest,
    rest: BufReader<File>,
}

/// What a restore may do.
#[derive(Debug, Clone, Copy, Default)]
pub struct RestoreOptions {
    /// Replace a directory that isn't empty, which is kept under another name.
    pub force: bool,
}

/// What a restore did.
#[derive(Debug, Clone, Serialize)]
pub struct Restored {
    /// The data directory.
    pub data: PathBuf,
    /// Where what was there before lies now.
    pub before: Option<PathBuf>,
    /// What the backup says of itself.
    #[serde(flatten)]
    pub manifest: Manifest,
}

impl Backup {
    /// Reads the head of a backup.
    ///
    /// # Errors
    /// [`Backup`](Error::Backup): it is none, it is damaged, or of a format that isn't known.
    /// [`Newer`](Error::Newer): of a schema that isn't.
    pub fn open(path: &Path) -> Result<Self> {
        let mut rest = BufReader::new(File::open(path).map_err(io("read", path))?);
        let first = line(&mut rest, path)?;
        let words: Vec<_> = first.split(' ').collect();
        let [MAGIC, format, sum] = words[..] else {
            return Err(refused(path, "it isn't a backup of rutter"));
        };
        if format.parse() != Ok(FORMAT) {
            let why = format!(
                "its format is {format}, this program knows {FORMAT}: a newer version made it"
            );
            return Err(refused(path, why));
        }
        let second = line(&mut rest, path)?;
        if hex(Sha256::new_with_prefix(second.as_bytes())) != sum {
            return Err(refused(path, "it is damaged: the checksum of its head is wrong"));
        }
        let manifest: Manifest =
            serde_json::from_str(&second).map_err(|e| refused(path, e.to_string()))?;
        let known = schema_known();
        if manifest.schema > known {
            let (found, by) = (manifest.schema, Some(manifest.rutter));
            return Err(Error::Newer { path: path.to_owned(), found, known, by });
        }
        check_names(path, &manifest)?;
        Ok(Self { path: path.to_owned(), manifest, rest })
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Makes a data directory of it.
    ///
    /// # Errors
    /// [`Backup`](Error::Backup): the directory isn't empty and nothing forces it, the backup is
    /// damaged or its registry isn't sound. [`Locked`](Error::Locked): a process uses the
    /// directory. Nothing has changed then.
    pub async fn restore(
        mut self,
        data: &Path,
        options: RestoreOptions,
        progress: Progress<'_>,
    ) -> Result<Restored> {
        let occupied = !is_empty(data)?;
        if occupied && !options.force {
            let why = "it isn't empty: name another with --data, or say --force, which keeps what \
                       is there under another name";
            return Err(refused(data, why));
        }
        // Held until the end, so that nobody starts on what is about to go.
        let held = occupied.then(|| DataDir::open(data)).transpose()?;
        let stage = Stage::new(data)?;
        self.extract(&stage.path, progress)?;
        self.check(&stage.path).await?;
        own_as(&stage.path, data)?;
        sync_all(&stage.path)?;
        let before = stage.take_place(data, self.manifest.taken, occupied)?;
        drop(held);
        Ok(Restored { data: data.to_owned(), before, manifest: self.manifest })
    }

    fn extract(&mut self, to: &Path, progress: Progress<'_>) -> Result<()> {
        let (mut done, total) = (0, self.manifest.total());
        for Kept { name, bytes, sha256 } in &self.manifest.files {
            let path = to.join(name);
            folder(&path)?;
            let mut out = private(&path)?;
            let mut hash = Sha256::new();
            let mut from = Hashing { from: (&mut self.rest).take(*bytes), hash: &mut hash };
            let copied = copy(&mut from, &mut out, |n| {
                done += n;
                progress(done, total);
            });
            let copied = copied.map_err(io("write", &path))?;
            if copied != *bytes {
                return Err(refused(&self.path, format!("it is cut off within {name}")));
            }
            if hex(hash) != *sha256 {
                let why = format!("it is damaged: the checksum of {name} is wrong");
                return Err(refused(&self.path, why));
            }
            out.sync_all().map_err(io("write", &path))?;
        }
        match self.rest.read(&mut [0]).map_err(io("read", &self.path))? {
            0 => Ok(()),
            _ => Err(refused(&self.path, "it is damaged: something follows its end")),
        }
    }

    async fn check(&self, stage: &Path) -> Result<()> {
        let path = stage.join(REGISTRY);
        let ca = stage.join("ca.pem");
        if ca.exists() {
            let pem = std::fs::read(&ca).map_err(io("read", &ca))?;
            CertificateAuthority::parse(&pem).map_err(|why| refused(&self.path, why))?;
        }
        let options = SqliteConnectOptions::new().filename(&path).disable_statement_logging();
        let mut c = options.connect().await?;
        let schema = known_schema(&mut c, &path).await?;
        if schema != self.manifest.schema {
            return Err(refused(&self.path, "its registry's schema isn't the one that it names"));
        }
        self.is_sound(&mut c).await?;
        sqlx::query("UPDATE counters SET reserved = reserved + ? WHERE name = 'incarnation'")
            .bind(JUMP)
            .execute(&mut c)
            .await?;
        Ok(c.close().await?)
    }

    async fn is_sound(&self, c: &mut SqliteConnection) -> Result<()> {
        let unsound = |why: String| refused(&self.path, format!("its registry isn't sound: {why}"));
        let said: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check")
            .fetch_all(&mut *c)
            .await
            .map_err(|e| unsound(e.to_string()))?;
        if said != ["ok"] {
            return Err(unsound(said.join("; ")));
        }
        let loose = sqlx::query("PRAGMA foreign_key_check").fetch_all(c).await?;
        if !loose.is_empty() {
            return Err(unsound(format!("{} rows point at nothing", loose.len())));
        }
        Ok(())
    }
}

/// Only files that this program keeps, each once, the registry among them.
fn check_names(path: &Path, manifest: &Manifest) -> Result<()> {
    let names: Vec<_> = manifest.files.iter().map(|f| f.name.as_str()).collect();
    let mut once = names.clone();
    once.sort_unstable();
    once.dedup();
    if once.len() != names.len() || !names.contains(&REGISTRY) {
        return Err(refused(path, "it is damaged: its list of files makes no sense"));
    }
    match names.iter().find(|name| !KEPT.contains(name)) {
        Some(name) => Err(refused(path, format!("it holds `{name}`, which isn't known here"))),
        None => Ok(()),
    }
}

fn line(from: &mut impl BufRead, path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    from.take(MAX_LINE).read_until(b'\n', &mut bytes).map_err(io("read", path))?;
    let text = bytes.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
    text.map(str::to_owned).ok_or_else(|| refused(path, "it isn't a backup of rutter"))
}

struct Hashing<'a, R> {
    from: R,
    hash: &'a mut Sha256,
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = self.from.read(into)?;
        self.hash.update(into.get(..n).unwrap_or_default());
        Ok(n)
    }
}

/// The directory in which a restore is prepared; it goes with the value.
struct Stage {
    path: PathBuf,
}

impl Stage {
    fn new(data: &Path) -> Result<Self> {
        let path = beside(data, &format!("restoring-{}", std::process::id()));
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).create(parent).map_err(io("create", parent))?;
        }
        DirBuilder::new().mode(0o700).create(&path).map_err(io("create", &path))?;
        Ok(Self { path })
    }

    /// Puts it in the place of `data`; where what was there lies now.
    fn take_place(self, data: &Path, taken: u64, occupied: bool) -> Result<Option<PathBuf>> {
        if !occupied {
            // Over an empty directory, or none.
            std::fs::rename(&self.path, data).map_err(io("replace", data))?;
            sync(above(data))?;
            return Ok(None);
        }
        renameat_with(CWD, &self.path, CWD, data, RenameFlags::EXCHANGE)
            .map_err(|e| io("replace", data)(e.into()))?;
        sync(above(data))?;
        let before = free_name(data, taken);
        std::fs::rename(&self.path, &before).map_err(io("rename", &self.path))?;
        Ok(Some(before))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        match std::fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, path = %self.path.display(), "what is left of a restore");
            }
            _ => {}
        }
    }
}

/// `DATA.before-restore`, with a number behind it where there is one already.
fn free_name(data: &Path, taken: u64) -> PathBuf {
    let first = beside(data, "before-restore");
    if !first.exists() {
        return first;
    }
    (0..)
        .map(|n| beside(data, &format!("before-restore-{taken}-{n}")))
        .find(|p| !p.exists())
        .unwrap_or(first)
}

fn beside(data: &Path, end: &str) -> PathBuf {
    let mut name = data.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{end}"));
    data.with_file_name(name)
}

fn above(data: &Path) -> &Path {
    match data.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the folder that a kept file lies in, for its owner alone.
fn folder(file: &Path) -> Result<()> {
    let Some(folder) = file.parent() else { return Ok(()) };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io("create", folder))
}

/// Gives the new directory to whom the old one belongs: a restore by root is for the service.
fn own_as(stage: &Path, data: &Path) -> Result<()> {
    let Ok(there) = data.metadata() else { return Ok(()) };
    let mine = stage.metadata().map_err(io("read", stage))?;
    if (there.uid(), there.gid()) == (mine.uid(), mine.gid()) {
        return Ok(());
    }
    give(stage, &there)
}

fn give(path: &Path, to: &Metadata) -> Result<()> {
    for below in below(path)? {
        give(&below, to)?;
    }
    let given = std::os::unix::fs::chown(path, Some(to.uid()), Some(to.gid()));
    given.map_err(io("change the owner of", path))
}

/// What lies in a directory; nothing in a file.
fn below(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(path).map_err(io("read", path))?;
    entries.map(|entry| Ok(entry.map_err(io("read", path))?.path())).collect()
}

/// Writes a directory, and those in it, to the disk.
fn sync_all(directory: &Path) -> Result<()> {
    for below in below(directory)?.into_iter().filter(|path| path.is_dir()) {
        sync_all(&below)?;
    }
    sync(directory)
}

fn sync(directory: &Path) -> Result<()> {
    let opened = File::open(directory).map_err(io("open", directory))?;
    opened.sync_all().map_err(io("write", directory))
}
