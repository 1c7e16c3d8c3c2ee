//! A kernel table made as it is wanted: the [`Fib`], the rules, and the socket between them and
//! the kernel. It blocks as long as the kernel works, some 3 to 10 µs a route.
//!
//! Whoever has no use for a task of its own, such as a command that looks once, uses this;
//! [`crate::task`] drives it by an outlet and by the kernel's events.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use rutter_route::Prefix;

use crate::error::KernelError;
use crate::fib::{Drift, Fib, Foreign, ObjectIds, Request, Wanted};
use crate::hop::Hop;
use crate::links::Links;
use crate::rules::{MAX_RULES, Rule, RuleKeeper, Verdict};
use crate::shelf::{MAX_DISPLACED, Shelf};
use crate::socket::Socket;
use crate::sysctl::Settings;
use crate::wire::{self, Batch, How};

/// The most requests in one send.
pub const ROOM: usize = 1000;

/// How often one call looks again for what the kernel said and nothing known explains.
const LOOKS: u32 = 3;

/// The protocol numbers below are the kernel's and the operator's own (`RTPROT_STATIC` is 4).
const FIRST_PROTOCOL: u8 = 5;

/// Rutter's own protocol number, unless configured: no routing daemon of `rt_protos` has it.
pub const DEFAULT_PROTOCOL: u8 = 82;

/// The number of plain rules (`RTPROT_KERNEL`): the one of which `ip rule` says nothing, beside the 0
/// of what people put by hand.
const PLAIN: u8 = 2;

/// Whom the kernel's own rules look up: `default`, `main` and `local`.
const KERNEL_TABLES: RangeInclusive<u32> = 253..=255;

/// Where the kernel's own rules stand, that of VRFs among them.
const KERNEL_PRIORITIES: [u32; 4] = [0, 1000, 32_766, 32_767];

/// Which part of the kernel's state is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkSpec {
    /// The table; one sink has it alone.
    pub table: u32,
    /// The protocol number that our routes and objects bear, and rules unless they are plain.
    pub protocol: u8,
    /// `ip rule` shows our rules as if they had no protocol number: they bear the kernel's.
    pub plain_rules: bool,
    /// The numbers of next-hop objects; `None`: routes are plain.
    pub objects: Option<ObjectIds>,
    /// The rules that are wanted; [`MAX_RULES`] at most.
    pub rules: BTreeSet<Rule>,
    /// Rules with our protocol number are ours if they look up our table, or if their priority is
    /// one of these.
    pub rule_priorities: RangeInclusive<u32>,
    /// Where ours is wanted and another's route of the same prefix and priority stands, ours takes
    /// its place; the other's is kept in this file and put back when ours goes. `None`: it is left
    /// alone, and ours is refused. One file a sink.
    pub replace_existing: Option<PathBuf>,
    /// Routes that a predecessor left and nobody wants are left where they are.
    pub keep_left_over: bool,
}

impl SinkSpec {
    /// A table without rules, with Rutter's own protocol number.
    pub fn new(table: u32, objects: Option<ObjectIds>) -> Self {
        Self {
            table,
            protocol: DEFAULT_PROTOCOL,
            plain_rules: false,
            objects,
            rules: BTreeSet::new(),
            rule_priorities: RangeInclusive::new(1, 0),
            replace_existing: None,
            keep_left_over: false,
        }
    }

    fn check(&self) -> Result<(), KernelError> {
        if self.rules.len() > MAX_RULES {
            return Err(KernelError::Spec { mistake: "there are more rules than a sink takes" });
        }
        if self.plain_rules && self.may_be_the_kernels() {
            let mistake =
                "plain rules can't be told from the kernel's own by this table or priority";
            return Err(KernelError::Spec { mistake });
        }
        check(self.table, self.protocol, self.objects)
    }

    fn may_be_the_kernels(&self) -> bool {
        let mut priorities = KERNEL_PRIORITIES.iter();
        KERNEL_TABLES.contains(&self.table)
            || priorities.any(|priority| self.rule_priorities.contains(priority))
    }

    fn is_ours(&self, rule: &Rule) -> bool {
        rule.verdict == Verdict::Table(self.table) || self.rule_priorities.contains(&rule.priority)
    }
}

/// Whether that can be ours.
pub(crate) fn check(
    table: u32,
    protocol: u8,
    objects: Option<ObjectIds>,
) -> Result<(), KernelError> {
    let mistake = if table == 0 {
        "table 0 is no table"
    } else if protocol < FIRST_PROTOCOL {
        "protocol numbers below 5 are the kernel's and the operator's own"
    } else if objects.is_some_and(|ids| !ids.is_valid()) {
        "the numbers of next-hop objects begin at 1 and end below 2^32"
    } else {
        return Ok(());
    };
    Err(KernelError::Spec { mistake })
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Looked {
    /// Routes and rules of ours that someone else removed or changed.
    pub drift: usize,
    /// Routes with our number that weren't known: a predecessor's.
    pub adopted: usize,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settled {
    /// Prefixes that can't be as they are wanted, and why.
    pub refused: Vec<(Prefix, String)>,
    /// Prefixes that were refused before and now are as they are wanted.
    pub accepted: Vec<Prefix>,
    /// Next hops that can't be used, each once for all its prefixes, and why; `None`: it can again.
    pub hops: Vec<(Hop, Option<String>)>,
    /// How many requests the kernel got.
    pub n_requests: usize,
    /// Routes of ours that someone else removed or changed, found on the way.
    pub n_drift: usize,
}

/// See the module's head.
#[derive(Debug)]
pub struct Sink {
    spec: SinkSpec,
    socket: Socket,
    fib: Fib,
    shelf: Option<Shelf>,
    rules: RuleKeeper,
}

impl Sink {
    /// Opens a socket in the network namespace of the calling thread. Nothing is changed yet.
    ///
    /// # Errors
    /// The spec makes no sense, or there is no socket.
    pub fn open(spec: SinkSpec) -> Result<Self, KernelError> {
        spec.check()?;
        let socket = Socket::open()?;
        let replaces = spec.replace_existing.is_some();
        let mut fib = Fib::new(spec.objects, spec.keep_left_over, replaces);
        let mut shelf = None;
        if let Some(path) = &spec.replace_existing {
            let (opened, displaced) = Shelf::open(path, spec.table)?;
            fib.has_displaced(displaced);
            shelf = Some(opened);
        }
        Ok(Self { spec, socket, fib, shelf, rules: RuleKeeper::default() })
    }

    /// Which part of the kernel's state is ours.
    pub fn spec(&self) -> &SinkSpec {
        &self.spec
    }

    /// By which the kernel names us in the events that we cause.
    pub fn port(&self) -> u32 {
        self.socket.port()
    }

    /// How many routes of ours are in the table, as far as is known.
    pub fn n_routes(&self) -> usize {
        self.fib.n_held()
    }

    /// How many next-hop objects of ours there are, as far as is known.
    pub fn n_objects(&self) -> usize {
        self.fib.n_objects()
    }

    /// How many prefixes are refused.
    pub fn n_refused(&self) -> usize {
        self.fib.n_refused()
    }

    /// Whether routes name next-hop objects: not if that is switched off, or the kernel has none.
    pub fn uses_objects(&self) -> bool {
        self.fib.uses_objects()
    }

    /// The rules that the kernel refused when it was last told, and why.
    pub fn refused_rules(&self) -> &[(Rule, String)] {
        self.rules.refused()
    }

    /// The next hops that were said to be unusable, and not yet to be usable again.
    pub fn unusable_hops(&self) -> impl Iterator<Item = &Hop> {
        self.fib.unusable_hops()
    }

    /// What is wanted of a prefix from now on. [`Sink::settle`] makes it so.
    pub fn want(&mut self, prefix: Prefix, wanted: Option<Wanted>) {
        self.fib.want(prefix, wanted);
    }

    /// The prefixes that are wanted.
    pub fn wanted(&self) -> impl Iterator<Item = &Prefix> {
        self.fib.wanted()
    }

    /// All that is wanted is known: what a predecessor left and isn't wanted goes from now on.
    pub fn sweep(&mut self) {
        self.fib.sweep();
    }

    /// Reads what is there. [`Sink::settle`] then makes it what is wanted.
    ///
    /// # Errors
    /// The kernel can't be asked.
    pub fn look(&mut self) -> Result<Looked, KernelError> {
        let drift = self.look_at_routes()?;
        let rules = self.settle_rules()?;
        Ok(Looked { drift: drift.n() + rules, adopted: drift.unknown })
    }

    fn look_at_routes(&mut self) -> Result<Drift, KernelError> {
        let links = self.socket.list("links", wire::list_links, Vec::new, |links, row| {
            links.extend(wire::link_row(row));
        })?;
        let addresses =
            self.socket.list("addresses", wire::list_addresses, Vec::new, |addresses, row| {
                addresses.extend(wire::address_row(row));
            })?;
        let objects = list_objects(&mut self.socket, self.fib.uses_objects())?;
        let mut routes = Vec::new();
        let (protocol, replaces) = (self.spec.protocol, self.shelf.is_some());
        for v4 in [true, false] {
            let table = self.spec.table;
            let list = |batch: &mut Batch| wire::list_routes(batch, table, v4, None);
            routes.extend(self.socket.list("routes", list, Vec::new, |routes, row| {
                routes.extend(wire::route_row(row).map(|route| {
                    let keeps = replaces && route.protocol != protocol;
                    let again = if keeps { wire::again(row) } else { None };
                    wire::RouteRow { again, ..route }
                }));
            })?);
        }
        let drift = self.fib.found(self.spec.protocol, routes, &objects);
        self.fib.set_links(Links::new(&links, &addresses));
        Ok(drift)
    }

    /// Makes the kernel's table what is wanted, as far as it isn't refused.
    ///
    /// # Errors
    /// The kernel can't be asked. What it did isn't known then: look before going on.
    pub fn settle(&mut self) -> Result<Settled, KernelError> {
        // The operator may switch it at any time.
        match Settings::default().nexthop_compat() {
            Ok(on) => self.fib.tells_of_each_route(on == Some(true)),
            Err(error) => tracing::debug!(%error, "next-hop objects are changed as before"),
        }
        let mut settled = Settled::default();
        let mut n_looks = 0;
        loop {
            let requests = self.fib.next(ROOM);
            if requests.is_empty() {
                if !self.fib.wants_a_look() || n_looks >= LOOKS {
                    break;
                }
                n_looks += 1;
                settled.n_drift += self.look_at_routes()?.n();
                continue;
            }
            let requests = self.keep_displaced(requests);
            if requests.is_empty() {
                continue;
            }
            settled.n_requests += requests.len();
            let mut batch = self.encode(&requests);
            match self.socket.ask(&mut batch) {
                Ok(refused) => {
                    let gives_back = |r: &Request| matches!(r, Request::GiveBack { .. });
                    let changes_shelf = requests.iter().any(gives_back);
                    self.fib.answered(requests, refused);
                    if changes_shelf {
                        self.write_shelf();
                    }
                }
                // Some of the answers are lost: what there is tells what came of it.
                Err(KernelError::Overrun) if n_looks < LOOKS => {
                    n_looks += 1;
                    self.look_at_routes()?;
                }
                Err(error) => return Err(error),
            }
        }
        (settled.refused, settled.accepted) = self.fib.verdicts();
        settled.hops = self.fib.hop_verdicts();
        Ok(settled)
    }

    fn encode(&self, requests: &[Request]) -> Batch {
        let ours = (self.spec.table, self.spec.protocol);
        let mut batch = Batch::default();
        for request in requests {
            match request {
                Request::PutObject { id, object, replace } => {
                    wire::put_object(&mut batch, self.spec.protocol, *id, object, *replace);
                }
                Request::DeleteObject { id } => wire::delete_object(&mut batch, *id),
                Request::PutRoute { prefix, priority, to, how } => {
                    wire::put_route(&mut batch, ours, prefix, *priority, to, *how);
                }
                Request::TakeOver { prefix, to, other } => {
                    let how = How::Replace;
                    wire::put_route(&mut batch, ours, prefix, other.priority, to, how);
                }
                Request::GiveBack { other, how, .. } => {
                    let message = other.again.as_deref().unwrap_or_default();
                    wire::put_again(&mut batch, message, *how);
                }
                Request::DeleteRoute { prefix, priority } => {
                    wire::delete_route(&mut batch, ours, prefix, *priority);
                }
            }
        }
        batch
    }

    /// Others' routes that are to be displaced are on disk before the kernel is asked; those that
    /// can't be aren't displaced.
    fn keep_displaced(&mut self, requests: Vec<Request>) -> Vec<Request> {
        let Some(shelf) = &self.shelf else { return requests };
        let taken: Vec<(Prefix, Foreign)> = requests
            .iter()
            .filter_map(|request| match request {
                Request::TakeOver { prefix, other, .. } => Some((*prefix, other.clone())),
                _ => None,
            })
            .collect();
        if taken.is_empty() {
            return requests;
        }
        let kept = if self.fib.displaced().count() + taken.len() > MAX_DISPLACED {
            Err("there are more than are kept".to_owned())
        } else {
            let taken = taken.iter().map(|(prefix, other)| (prefix, other));
            shelf.write(self.fib.displaced().chain(taken)).map_err(|error| error.to_string())
        };
        let Err(why) = kept else { return requests };
        for (prefix, _) in &taken {
            self.fib.is_not_kept(*prefix, &why);
        }
        let takes = |request: &Request| matches!(request, Request::TakeOver { .. });
        requests.into_iter().filter(|r| !takes(r)).collect()
    }

    /// What was put back needn't be kept. If that can't be written, it is found to be there at the
    /// next start, and forgotten then.
    fn write_shelf(&self) {
        if let Some(shelf) = &self.shelf
            && let Err(error) = shelf.write(self.fib.displaced())
        {
            tracing::warn!(%error, "the file of displaced routes can't be written");
        }
    }

    /// Makes the rules as they are wanted. Says how many someone else had removed.
    fn settle_rules(&mut self) -> Result<usize, KernelError> {
        let Self { spec, socket, rules, .. } = self;
        let protocol = if spec.plain_rules { PLAIN } else { spec.protocol };
        rules.settle(socket, protocol, &spec.rules, |rule| spec.is_ours(rule))
    }

    /// Removes all that is ours: rules first, so that nothing is looked up in a table that empties.
    ///
    /// # Errors
    /// The kernel can't be asked, or didn't remove everything.
    pub fn flush(&mut self) -> Result<(), KernelError> {
        self.spec.rules.clear();
        self.settle_rules()?;
        let wanted: Vec<Prefix> = self.fib.wanted().copied().collect();
        for prefix in wanted {
            self.fib.want(prefix, None);
        }
        self.fib.sweep();
        self.look_at_routes()?;
        let settled = self.settle()?;
        for (prefix, why) in settled.refused {
            tracing::warn!(%prefix, why, "a route stays in the kernel");
        }
        Ok(())
    }
}

/// All next-hop objects of the namespace; none where the kernel has no such thing.
pub(crate) fn list_objects(
    socket: &mut Socket,
    wanted: bool,
) -> Result<Vec<wire::ObjectRow>, KernelError> {
    if !wanted {
        return Ok(Vec::new());
    }
    let listed = socket.list("next-hop objects", wire::list_objects, Vec::new, |objects, row| {
        objects.extend(wire::object_row(row));
    });
    match listed {
        Err(KernelError::Dump { said, .. }) if said.errno == rustix::io::Errno::OPNOTSUPP => {
            Ok(Vec::new())
        }
        listed => listed,
    }
}
