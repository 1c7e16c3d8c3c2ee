//! What is known of each name, and for how long: a state machine with the time as an argument.
//!
//! ```text
//!   asked ─▶ Asking ──known──▶ Live, fresh ──cache_ttl, in use──▶ asked again ─▶ …
//!               │                 │   ▲              └─not in use─▶ Parked ──stale_for──▶ gone
//!               │                 │   └──known──┐                    │ asked
//!               ├─unknown─▶ Unknown   no answer─▶ Live, stale ◀──────┘ and no answer
//!               │           negative_ttl          │ `stale_for` over, or not in use
//!               └─no answer─▶ Silent, 1 s         └─▶ gone, or Parked
//! ```
//!
//! *Live* is what the table was told. *Parked* is remembered and not told, so that a request asks
//! the backend first, and is answered from memory only when that is silent.
//!
//! Invariants: one question a name is out; what isn't live isn't in the table; nothing is live for
//! longer than `cache_ttl` and `stale_for` after the backend said it last (and one question's time);
//! never more than `max_names` entries.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use rutter_rib::ToldRoute;
use rutter_route::Mono;

use super::config::MeshRouterConfig;
use super::map::Name;

/// How soon a backend that gave no answer is asked again.
const RETRY: Duration = Duration::from_secs(5);

/// How long a name isn't asked for after the backend gave no answer.
const SILENT: Duration = Duration::from_secs(1);

/// What the backend said of a name.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// These are its routes; there may be none.
    Known(Vec<ToldRoute>),
    /// There is no such name.
    Unknown,
    /// Nothing.
    Silence,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Do {
    /// Ask the backend, and hand in its answer.
    Ask(Name),
    /// Tell the table that these are the routes.
    Tell { name: Name, routes: Vec<ToldRoute>, stale: bool },
    /// Tell the table that there are none and no such name.
    Withdraw(Name),
    /// Answer the requests that wait for the name.
    Reply { name: Name, reply: Reply },
}

/// What a request for a name is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// The table knows, or will in a moment.
    Told,
    /// There is no such name.
    Unknown,
    /// Nobody can say.
    Unavailable,
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    Asking,
    Live { routes: Vec<ToldRoute>, said: Mono, stale: bool },
    Parked { routes: Vec<ToldRoute>, said: Mono },
    Unknown,
    Silent,
}

#[derive(Debug)]
struct Entry {
    state: State,
    /// Whether a question is out.
    asking: bool,
    due: Option<Mono>,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Cache {
    config: MeshRouterConfig,
    names: HashMap<Name, Entry>,
    queue: BTreeSet<(Mono, Name)>,
}

impl Cache {
    pub(super) fn new(config: MeshRouterConfig) -> Self {
        Self { config, names: HashMap::new(), queue: BTreeSet::new() }
    }

    /// When [`Cache::tick`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.queue.first().map(|(at, _)| *at)
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// A request wants the name, and the index doesn't have it.
    pub(super) fn asked(&mut self, name: &Name, out: &mut Vec<Do>) {
        let reply = match self.names.get(name).map(|entry| &entry.state) {
            None => return self.ask_anew(name, out),
            // Its question is out.
            Some(State::Asking) => return,
            Some(State::Parked { .. }) => return self.ask(name, out),
            Some(State::Live { .. }) => Reply::Told,
            Some(State::Unknown) => Reply::Unknown,
            Some(State::Silent) => Reply::Unavailable,
        };
        out.push(Do::Reply { name: name.clone(), reply });
    }

    /// Asks for a name of which nothing is remembered, if there is room to remember the answer.
    fn ask_anew(&mut self, name: &Name, out: &mut Vec<Do>) {
        if !self.make_room() {
            return out.push(Do::Reply { name: name.clone(), reply: Reply::Unavailable });
        }
        let entry = Entry { state: State::Asking, asking: true, due: None };
        self.names.insert(name.clone(), entry);
        out.push(Do::Ask(name.clone()));
    }

    /// The backend's answer to a question.
    pub(super) fn answered(&mut self, now: Mono, name: &Name, answer: Answer, out: &mut Vec<Do>) {
        let Some(entry) = self.names.get_mut(name) else { return };
        entry.asking = false;
        let before = std::mem::replace(&mut entry.state, State::Asking);
        let was_live = matches!(before, State::Live { .. });
        let name = name.clone();
        let (state, after, reply) = match answer {
            Answer::Known(routes) => {
                out.push(Do::Tell { name: name.clone(), routes: routes.clone(), stale: false });
                let live = State::Live { routes, said: now, stale: false };
                (live, self.config.cache_ttl, Reply::Told)
            }
            Answer::Unknown => {
                if was_live {
                    out.push(Do::Withdraw(name.clone()));
                }
                (State::Unknown, self.config.negative_ttl, Reply::Unknown)
            }
            Answer::Silence => match before {
                State::Live { routes, said, stale } => {
                    if !stale {
                        let routes = routes.clone();
                        out.push(Do::Tell { name: name.clone(), routes, stale: true });
                    }
                    (State::Live { routes, said, stale: true }, RETRY, Reply::Told)
                }
                State::Parked { routes, said } => {
                    let told = routes.clone();
                    out.push(Do::Tell { name: name.clone(), routes: told, stale: true });
                    (State::Live { routes, said, stale: true }, RETRY, Reply::Told)
                }
                State::Asking | State::Unknown | State::Silent => {
                    (State::Silent, SILENT, Reply::Unavailable)
                }
            },
        };
        entry.state = state;
        out.push(Do::Reply { name: name.clone(), reply });
        self.set_due(&name, Some(now.after(after)));
    }

    /// Does what is due. `in_use` says whether requests used a live name lately.
    pub(super) fn tick(&mut self, now: Mono, in_use: impl Fn(&Name) -> bool, out: &mut Vec<Do>) {
        while let Some((_, name)) = self.queue.first().filter(|(at, _)| *at <= now).cloned() {
            self.set_due(&name, None);
            let Some(entry) = self.names.get_mut(&name) else { continue };
            match &entry.state {
                // Its question is out; the answer decides.
                State::Asking => {}
                State::Unknown | State::Silent => self.forget(&name),
                State::Parked { .. } if entry.asking => {}
                State::Parked { .. } => self.forget(&name),
                State::Live { routes, said, .. } => {
                    let end = said.after(self.config.cache_ttl).after(self.config.stale_for);
                    if end <= now {
                        out.push(Do::Withdraw(name.clone()));
                        // The question that is out, if one is, finds nothing known.
                        entry.state = State::Asking;
                        if !entry.asking {
                            self.forget(&name);
                        }
                    } else if in_use(&name) {
                        self.ask(&name, out);
                        // An answer comes sooner; if not, the bound holds all the same.
                        self.set_due(&name, Some(end));
                    } else {
                        let (routes, said) = (routes.clone(), *said);
                        entry.state = State::Parked { routes, said };
                        out.push(Do::Withdraw(name.clone()));
                        self.set_due(&name, Some(end));
                    }
                }
            }
        }
    }

    fn ask(&mut self, name: &Name, out: &mut Vec<Do>) {
        if let Some(entry) = self.names.get_mut(name)
            && !std::mem::replace(&mut entry.asking, true)
        {
            out.push(Do::Ask(name.clone()));
        }
    }

    /// Whether there is room for one more; what isn't in use makes it.
    fn make_room(&mut self) -> bool {
        if self.names.len() < self.config.max_names {
            return true;
        }
        let idle = self.queue.iter().find(|(_, name)| {
            self.names.get(name).is_some_and(|entry| {
                !entry.asking && !matches!(entry.state, State::Live { .. } | State::Asking)
            })
        });
        let Some((_, name)) = idle.cloned() else { return false };
        self.forget(&name);
        true
    }

    fn forget(&mut self, name: &Name) {
        self.set_due(name, None);
        self.names.remove(name);
    }

    fn set_due(&mut self, name: &Name, due: Option<Mono>) {
        let Some(entry) = self.names.get_mut(name) else { return };
        if let Some(at) = std::mem::replace(&mut entry.due, due) {
            self.queue.remove(&(at, name.clone()));
        }
        if let Some(at) = due {
            self.queue.insert((at, name.clone()));
        }
    }
}
