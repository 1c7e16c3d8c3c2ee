//! What a name below the folder is, and opening it.
//!
//! **No way out.** Names are resolved by the kernel with `openat2` and `RESOLVE_BENEATH`: a `..`, an
//! absolute link, or a link that leads out fails, and nothing that changes between a look and the
//! opening can make it succeed. Links that stay inside are followed; they must be relative. Where the
//! kernel doesn't know the call (before 5.6, or forbidden to this process) nothing is served: to
//! check a path and then open it is a race that a link wins.
//!
//! **Plain files only.** A name is first opened without being opened (`O_PATH`), which has no effect
//! on what it names: to open a FIFO or a device has. Only a file is then opened to read, again beneath
//! the folder, and it must still be the same one.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rutter_route::{FileOptions, Folder};

use super::listing::{Entry, Kind, MAX_ENTRIES};
use super::path::Wanted;
use super::reads::CHUNK;

/// How often a name is looked up whose resolution met a rename.
const TRIES: usize = 8;

/// How to look.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) options: FileOptions,
    /// Whether a small file is read at once.
    pub(super) eager: bool,
}

/// What there is.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing that is served.
    Missing,
    /// A folder, asked for as a file.
    NoSlash,
    /// A folder without an index.
    Folder { entries: Vec<Entry>, cut: bool },
    /// A file.
    File(Opened),
    /// It is there and can't be read, or the kernel can't keep names beneath the folder.
    Failed(io::Error),
}

/// A file to be read.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    /// Its name, for its type.
    pub(super) path: PathBuf,
    /// In bytes.
    pub(super) len: u64,
    pub(super) modified: SystemTime,
    /// Tells this content from what the file held before.
    pub(super) tag: String,
    /// All of it, if it is small and wanted.
    pub(super) content: Option<Bytes>,
}

/// What a name is.
enum Named {
    Missing,
    Folder,
    File(Opened),
}

/// Looks a name up. It blocks.
///
/// # Errors
/// The folder isn't there or can't be opened.
pub(super) fn look_up(folder: &Folder, wanted: &Wanted, look: &Look) -> io::Result<Found> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, folder.as_str(), flags, Mode::empty())?;
    Ok(below(&root, wanted, look).unwrap_or_else(Found::Failed))
}

fn below(root: &OwnedFd, wanted: &Wanted, look: &Look) -> io::Result<Found> {
    let index = Path::new(look.options.index.trim_start_matches('/'));
    let named = named(root, &wanted.path, look)?;
    if look.options.is_spa {
        return match named {
            Named::File(opened) if !wanted.is_folder => Ok(Found::File(opened)),
            _ => file_or_nothing(root, index, look),
        };
    }
    match named {
        Named::File(opened) if !wanted.is_folder => Ok(Found::File(opened)),
        Named::File(_) | Named::Missing => Ok(Found::Missing),
        Named::Folder if !wanted.is_folder => Ok(Found::NoSlash),
        Named::Folder => match file_or_nothing(root, &wanted.path.join(index), look)? {
            Found::Missing => list(root, &wanted.path),
            found => Ok(found),
        },
    }
}

fn file_or_nothing(root: &OwnedFd, path: &Path, look: &Look) -> io::Result<Found> {
    match named(root, path, look)? {
        Named::File(opened) => Ok(Found::File(opened)),
        Named::Folder | Named::Missing => Ok(Found::Missing),
    }
}

fn named(root: &OwnedFd, path: &Path, look: &Look) -> io::Result<Named> {
    let Some(seen) = beneath(root, path, OFlags::PATH)? else { return Ok(Named::Missing) };
    let seen = rustix::fs::fstat(&seen)?;
    match FileType::from_raw_mode(seen.st_mode) {
        FileType::Directory => return Ok(Named::Folder),
        FileType::RegularFile => {}
        _ => return Ok(Named::Missing),
    }
    // Not waiting, and no terminal of ours, should another thing have taken its place meanwhile.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let Some(opened) = beneath(root, path, flags)? else { return Ok(Named::Missing) };
    let file = File::from(opened);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Named::Missing);
    }
    let (len, modified) = (metadata.len(), metadata.modified()?);
    let content = match usize::try_from(len) {
        Ok(n_bytes) if look.eager && n_bytes <= CHUNK => {
            let mut content = vec![0; n_bytes];
            file.read_exact_at(&mut content, 0)?;
            Some(content.into())
        }
        _ => None,
    };
    let (seconds, nanos) = (metadata.mtime(), metadata.mtime_nsec());
    let tag = format!("\"{seconds:x}.{nanos:x}-{len:x}-{:x}\"", metadata.ino());
    Ok(Named::File(Opened { file, path: path.to_owned(), len, modified, tag, content }))
}

/// Opens a name beneath the folder; `None`: there is nothing of that name that may be served.
fn beneath(root: &OwnedFd, path: &Path, flags: OFlags) -> io::Result<Option<OwnedFd>> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..TRIES {
        match rustix::fs::openat2(root.as_fd(), path, flags | OFlags::CLOEXEC, Mode::empty(), how) {
            Ok(opened) => return Ok(Some(opened)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(
                Errno::NOENT
                | Errno::NOTDIR
                | Errno::ACCESS
                | Errno::LOOP
                | Errno::XDEV
                | Errno::NAMETOOLONG
                | Errno::NXIO
                | Errno::INVAL,
            ) => return Ok(None),
            Err(error) => {
                return Err(io::Error::other(format!("openat2 of `{}`: {error}", path.display())));
            }
        }
    }
    // Names in the folder change faster than they can be looked up.
    Ok(None)
}

fn list(root: &OwnedFd, path: &Path) -> io::Result<Found> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let Some(folder) = beneath(root, path, flags)? else { return Ok(Found::Missing) };
    let (mut entries, mut cut) = (Vec::new(), false);
    for entry in rustix::fs::Dir::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entries.len() == MAX_ENTRIES {
            cut = true;
            break;
        }
        // Of a link itself: what it leads to may lie outside.
        let Ok(stat) = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Kind::Folder,
            FileType::RegularFile => Kind::File,
            FileType::Symlink => Kind::Link,
            _ => continue,
        };
        let name = std::ffi::OsStr::from_bytes(name.to_bytes()).to_owned();
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        entries.push(Entry { name, kind, size, modified: stat.st_mtime });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Found::Folder { entries, cut })
}
