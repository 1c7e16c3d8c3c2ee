//! The directory in which a controller keeps what must last.
//!
//! One process holds it at a time, by a lock (`flock`) on the file `lock` in it. The kernel drops
//! the lock with the process, however it ends, so there is nothing to clean up after a crash, as
//! there is with a file whose mere existence is the lock. The file holds the process id only so
//! that the one who finds it locked can be told by whom.
//!
//! The directory is made with mode 0700 and files with 0600. A directory that others may write
//! to is refused: they could put their own key in the place of ours.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

const LOCK_FILE: &str = "lock";
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const OTHERS_WRITE: u32 = 0o022;
const OTHERS_ANY: u32 = 0o077;

/// A data directory that this process holds until the value is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    lock: File,
}

impl DataDir {
    /// Opens the directory, which is made if it isn't there, and locks it.
    ///
    /// # Errors
    /// [`Locked`](Error::Locked) when another process holds it,
    /// [`NoPermission`](Error::NoPermission), [`Exposed`](Error::Exposed) when others may write
    /// to it, [`Io`](Error::Io).
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(&path)
            .map_err(|e| io("create", &path, e))?;
        let mode = path.metadata().map_err(|e| io("read", &path, e))?.mode();
        if mode & OTHERS_WRITE != 0 {
            return Err(Error::Exposed { path, mode: mode & 0o777, wanted: DIRECTORY_MODE });
        }
        let lock = lock(&path)?;
        Ok(Self { path, lock })
    }

    /// The lock, once more: whoever has it keeps the directory locked, also when this process has
    /// ended, so that a successor needn't compete for it (`flock` is a property of the open file,
    /// which a descriptor that is passed on shares).
    ///
    /// # Errors
    /// [`Io`](Error::Io): the process may have no more files open.
    pub fn lock(&self) -> Result<OwnedFd> {
        let again = self.lock.as_fd().try_clone_to_owned();
        again.map_err(|e| io("lock", &self.file(LOCK_FILE), e))
    }

    /// Takes over a directory from the process that holds it, by its [`DataDir::lock`].
    ///
    /// # Errors
    /// [`Locked`](Error::Locked) when the lock isn't this directory's, [`Io`](Error::Io).
    pub fn adopt(path: impl Into<PathBuf>, lock: OwnedFd) -> Result<Self> {
        let path = path.into();
        let file = path.join(LOCK_FILE);
        let lock = File::from(lock);
        let there = file.metadata().map_err(|e| io("read", &file, e))?;
        let ours = lock.metadata().map_err(|e| io("read", &file, e))?;
        if (there.dev(), there.ino()) != (ours.dev(), ours.ino()) {
            return Err(Error::Locked { path, holder: None });
        }
        let dir = Self { path, lock };
        dir.note_holder()?;
        Ok(dir)
    }

    /// Writes into the lock whose it is, for those who find it locked.
    ///
    /// # Errors
    /// [`NoPermission`](Error::NoPermission), [`Io`](Error::Io).
    pub fn note_holder(&self) -> Result<()> {
        note_holder(&mut &self.lock).map_err(|e| io("write", &self.file(LOCK_FILE), e))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file of that name is in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file of its own with mode 0600, in the place of the one before: after a crash at
    /// any moment, there is the old one or the new one, whole.
    ///
    /// # Errors
    /// [`NoPermission`](Error::NoPermission), [`Io`](Error::Io).
    pub fn write_private(&self, name: &str, contents: &[u8]) -> Result<()> {
        let path = self.file(name);
        let draft = self.file(&format!(".{name}.new"));
        write_synced(&draft, contents).map_err(|e| io("write", &draft, e))?;
        std::fs::rename(&draft, &path).map_err(|e| io("write", &path, e))?;
        let directory = File::open(&self.path).map_err(|e| io("open", &self.path, e))?;
        directory.sync_all().map_err(|e| io("write", &self.path, e))
    }

    /// Makes an empty file of mode 0600 unless there is one, which then must not be readable by
    /// others.
    pub(crate) fn ensure_private(&self, name: &str) -> Result<PathBuf> {
        let path = self.file(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(&path)
            .map_err(|e| io("write", &path, e))?;
        check_private(&file, &path)?;
        Ok(path)
    }
}

/// Reads a file that nobody but its owner may read, such as one of
/// [`DataDir::write_private`]; the directory needn't be held. `None` if there is no such file.
///
/// # Errors
/// [`Exposed`](Error::Exposed) when others may read it, [`NoPermission`](Error::NoPermission),
/// [`Io`](Error::Io).
pub fn read_private(path: &Path) -> Result<Option<Vec<u8>>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io("read", path, e)),
    };
    check_private(&file, path)?;
    let mut contents = Vec::new();
    file.read_to_end(&mut contents).map_err(|e| io("read", path, e))?;
    Ok(Some(contents))
}

fn lock(directory: &Path) -> Result<File> {
    let path = directory.join(LOCK_FILE);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .open(&path)
        .map_err(|e| io("write", &path, e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // The holder's id only makes the message better, so failing to read it is no error.
            let read = file.read_to_string(&mut text);
            let holder = read.ok().and_then(|_| text.trim().parse().ok());
            return Err(Error::Locked { path: directory.to_owned(), holder });
        }
        Err(TryLockError::Error(e)) => return Err(io("lock", &path, e)),
    }
    note_holder(&mut &file).map_err(|e| io("write", &path, e))?;
    Ok(file)
}

fn note_holder(file: &mut &File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn write_synced(path: &Path, contents: &[u8]) -> std::io::Result<()> {
    // A draft left over from a crash may have been made with another mode: begin anew.
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

fn check_private(file: &File, path: &Path) -> Result<()> {
    let mode = file.metadata().map_err(|e| io("read", path, e))?.mode();
    if mode & OTHERS_ANY == 0 {
        return Ok(());
    }
    Err(Error::Exposed { path: path.to_owned(), mode: mode & 0o777, wanted: FILE_MODE })
}

pub(crate) fn io(doing: &'static str, path: &Path, source: std::io::Error) -> Error {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            Error::NoPermission { doing, path }
        }
        _ => Error::Io { doing, path, source },
    }
}

#[cfg(test)]
mod tests;
