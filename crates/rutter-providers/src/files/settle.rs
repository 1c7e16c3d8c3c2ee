//! When a file is read, and what is believed of what is found. Pure: time is an argument.
//!
//! - A file that was closed after writing, or renamed to its name, is read at once; what follows
//!   within [`PAUSE`] is read once, at its end.
//! - One that is being written isn't read until it is closed, or until it stood still from one
//!   look to the next: a part of a file is a good file of fewer routes.
//! - One that is gone, or empty, had its routes until [`GRACE`] is over: editors move a file away
//!   or cut it off before they write it anew.
//! - One that can't be read, or isn't what it should be, changes nothing of what was told.

#[cfg(test)]
mod tests;

use std::time::Duration;

use rutter_route::Mono;

use crate::Reading;

use super::read::{Found, Print, Read};

/// How long after a reading the next one waits.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// How long a file may be gone or empty before its routes go.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// How a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileStanding {
    /// It wasn't read yet.
    Unread,
    /// What was told is what is in it.
    Good,
    /// It isn't there. What was in it stands for a moment, and goes then.
    Missing,
    /// It can't be read, or isn't a file of routes: its last good reading stands, if it had one.
    Broken(String),
}

/// What is to be told of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tell {
    /// All that is in it.
    Reading(Reading),
    /// It can't be read, and why: what was in it stands.
    Lost(String),
    /// It isn't there: what was in it goes.
    Gone,
}

/// One file's state.
#[derive(Debug)]
pub(super) struct Settling {
    wanted: Option<Mono>,
    is_being_read: bool,
    is_being_written: bool,
    /// Whether somebody wrote since it began to be read.
    was_written: bool,
    last_read: Option<Mono>,
    /// What the file's text was when it was read last, whether good or not.
    digest: Option<u64>,
    print: Option<Print>,
    /// What a look saw that isn't what was read.
    print_seen: Option<Option<Print>>,
    absent_since: Option<Mono>,
    /// Whether routes may stand that it said, or that were in it before this reader began.
    may_stand: bool,
    standing: FileStanding,
}

impl Settling {
    /// A file that is to be read at once.
    pub(super) fn new(now: Mono) -> Self {
        Self {
            wanted: Some(now),
            is_being_read: false,
            is_being_written: false,
            was_written: false,
            last_read: None,
            digest: None,
            print: None,
            print_seen: None,
            absent_since: None,
            may_stand: true,
            standing: FileStanding::Unread,
        }
    }

    /// How it is.
    pub(super) fn standing(&self) -> &FileStanding {
        &self.standing
    }

    /// When it is to be read next. Nothing while it is being read: what happens meanwhile counts
    /// after that.
    pub(super) fn wanted(&self) -> Option<Mono> {
        self.wanted.filter(|_| !self.is_being_read)
    }

    /// It was closed after writing, came under its name, or went.
    pub(super) fn touched(&mut self, now: Mono) {
        self.is_being_written = false;
        self.want(now);
    }

    /// Somebody writes into it.
    pub(super) fn is_written(&mut self) {
        self.is_being_written = true;
        self.was_written = true;
        self.wanted = None;
    }

    /// Something may have happened to it that makes it readable, or that nobody told of.
    pub(super) fn may_have_changed(&mut self, now: Mono) {
        if !self.is_being_written {
            self.want(now);
        }
    }

    /// What a look at the file saw. `is_link`: whoever changes it does so in one step.
    pub(super) fn looked(&mut self, print: Option<Print>, is_link: bool, now: Mono) {
        if self.is_being_read || self.wanted.is_some() {
            return;
        }
        if print == self.print {
            self.print_seen = None;
            return;
        }
        let stood_still = self.print_seen == Some(print);
        if stood_still || (is_link && !self.is_being_written) {
            self.is_being_written = false;
            self.want(now);
        }
        self.print_seen = Some(print);
    }

    /// It is being read from now on. The answer is what its text was, which needn't be read again.
    pub(super) fn begin(&mut self, now: Mono) -> Option<u64> {
        self.wanted = None;
        self.is_being_read = true;
        self.was_written = false;
        self.last_read = Some(now);
        self.digest
    }

    /// What came of reading it; the answer is what is to be told.
    pub(super) fn took(&mut self, read: Read, now: Mono) -> Option<Tell> {
        self.is_being_read = false;
        self.print_seen = None;
        if self.was_written {
            // It may be a part of what is written: it is read when that is closed, which it may
            // be by now.
            return None;
        }
        if let Found::Torn = read.found {
            self.want(now);
            return None;
        }
        self.print = read.print;
        match read.found {
            Found::Missing => self.is_missing(now),
            Found::Empty if self.is_cut_off(now) => None,
            found => {
                self.absent_since = None;
                self.has_text(found, read.digest)
            }
        }
    }

    fn is_missing(&mut self, now: Mono) -> Option<Tell> {
        self.digest = None;
        let is_first = self.standing == FileStanding::Unread;
        if is_first {
            self.standing = FileStanding::Missing;
        }
        if self.may_stand && self.is_for_a_moment(now) {
            return is_first.then(|| Tell::Lost("it isn't there; it is waited for".to_owned()));
        }
        self.standing = FileStanding::Missing;
        std::mem::take(&mut self.may_stand).then_some(Tell::Gone)
    }

    /// An empty file is one without routes, but for a moment after it had some.
    fn is_cut_off(&mut self, now: Mono) -> bool {
        let had_routes = self.may_stand && self.standing != FileStanding::Unread;
        had_routes && self.is_for_a_moment(now)
    }

    /// Whether it is too early to believe what is seen; it is looked at again then.
    fn is_for_a_moment(&mut self, now: Mono) -> bool {
        let since = *self.absent_since.get_or_insert(now);
        let is = now.since(since) < GRACE;
        if is {
            self.wanted = Some(since.after(GRACE));
        }
        is
    }

    fn has_text(&mut self, found: Found, digest: Option<u64>) -> Option<Tell> {
        let (standing, told) = match found {
            Found::Good(reading) => (FileStanding::Good, Tell::Reading(reading)),
            Found::Empty => (FileStanding::Good, Tell::Reading(Reading::default())),
            Found::Broken(why) => (FileStanding::Broken(why.clone()), Tell::Lost(why)),
            Found::Same | Found::Torn | Found::Missing => return None,
        };
        self.digest = digest;
        if let Tell::Reading(reading) = &told {
            self.may_stand = *reading != Reading::default();
        }
        let was = std::mem::replace(&mut self.standing, standing);
        // That it is broken in the same way is told once.
        (was != self.standing || matches!(told, Tell::Reading(_))).then_some(told)
    }

    fn want(&mut self, now: Mono) {
        let earliest = self.last_read.map_or(now, |last| last.after(PAUSE).max(now));
        self.wanted = Some(self.wanted.map_or(earliest, |wanted| wanted.min(earliest)));
    }
}
