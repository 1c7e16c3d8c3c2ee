//! One table of nftables, kept as it is wanted: listed, compared, put whole where it differs.

use netlink_sys::protocols::NETLINK_NETFILTER;
use rustix::io::Errno;

use crate::error::KernelError;
use crate::socket::Socket;
use crate::watch::{Hearing, group};
use crate::wire::{self, Answer, Batch, NftRow, NftRule, NftTable, nft_event_is_of};

/// See the module's head.
pub(crate) struct Nft {
    table: NftTable,
    socket: Socket,
    /// What was put, and should be there: a difference then is drift.
    put: Option<Vec<NftRule>>,
    /// Packets and bytes that counters had counted which are gone.
    before: (u64, u64),
    /// What the counters said last.
    last: (u64, u64),
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct SettledNft {
    /// Packets and bytes that rules have counted.
    pub(crate) counted: (u64, u64),
    /// 1: someone else had changed or removed it.
    pub(crate) drift: usize,
    /// Why the kernel doesn't take it.
    pub(crate) refused: Option<String>,
}

impl Nft {
    /// `None`: the kernel has no nftables.
    pub(crate) fn open(table: NftTable) -> Result<Option<Self>, KernelError> {
        let socket = match Socket::open_for(NETLINK_NETFILTER) {
            Err(error) if is_lack(&error) => return Ok(None),
            opened => opened?,
        };
        let mut nft = Self { table, socket, put: None, before: (0, 0), last: (0, 0) };
        let lacks = nft.list().is_err_and(|error| is_lack(&error));
        Ok((!lacks).then_some(nft))
    }

    /// By which the kernel names us in the events that we cause.
    pub(crate) fn port(&self) -> u32 {
        self.socket.port()
    }

    /// What others do to the table.
    pub(crate) fn hearing(table: NftTable) -> Hearing {
        let concerns = move |event: &Answer<'_>| nft_event_is_of(table, event);
        let groups: &[_] = &[group::NFTABLES];
        Hearing { protocol: NETLINK_NETFILTER, groups, concerns: Box::new(concerns) }
    }

    fn list(&mut self) -> Result<Vec<NftRow>, KernelError> {
        let table = self.table;
        let list = |batch: &mut Batch| wire::list_nft_rules(batch, table);
        self.socket.list("nftables' rules", list, Vec::new, |rows, row| {
            rows.extend(wire::nft_row(table, row));
        })
    }

    /// Counters only rise; those that fell are of a table that was put anew.
    fn count(&mut self, rows: &[NftRow]) -> (u64, u64) {
        let now = rows.iter().fold((0, 0), |sum, row| (sum.0 + row.packets, sum.1 + row.bytes));
        if now.0 < self.last.0 {
            self.forget_counters();
        }
        self.last = now;
        (self.before.0 + now.0, self.before.1 + now.1)
    }

    fn forget_counters(&mut self) {
        self.before = (self.before.0 + self.last.0, self.before.1 + self.last.1);
        self.last = (0, 0);
    }

    /// Makes the table what is wanted; no rules are no table.
    ///
    /// # Errors
    /// The kernel can't be asked, or has no such thing ([`is_lack`]).
    pub(crate) fn settle(&mut self, wanted: Vec<NftRule>) -> Result<SettledNft, KernelError> {
        let rows = self.list()?;
        let mut settled = SettledNft { counted: self.count(&rows), ..SettledNft::default() };
        let there: Vec<Option<&NftRule>> = rows.iter().map(|row| row.rule.as_ref()).collect();
        if there == wanted.iter().map(Some).collect::<Vec<_>>() {
            self.put = Some(wanted);
            return Ok(settled);
        }
        settled.drift = usize::from(self.put.as_ref() == Some(&wanted));
        let mut batch = Batch::default();
        if wanted.is_empty() {
            wire::delete_nft_table(&mut batch, self.table);
        } else {
            wire::put_nft_table(&mut batch, self.table, &wanted);
        }
        match self.socket.ask_whole(&mut batch)? {
            Some((_, said)) if lacks(said.errno) && self.put.is_none() => {
                return Err(KernelError::Dump { what: "nftables' table", said });
            }
            Some((_, said)) => {
                self.put = None;
                let why = format!("nftables' table `inet {}`: {said}", self.table.name());
                settled.refused = Some(why);
            }
            None => {
                // What was counted between the listing and now is lost with the old counters.
                self.forget_counters();
                self.put = Some(wanted);
            }
        }
        Ok(settled)
    }
}

/// Whether the kernel has nftables.
pub(crate) fn has_nftables() -> Result<bool, KernelError> {
    Nft::open(NftTable::Transit).map(|nft| nft.is_some())
}

/// Whether the kernel has no such thing, and not just an objection.
pub(crate) fn is_lack(error: &KernelError) -> bool {
    match error {
        KernelError::Dump { said, .. } => lacks(said.errno),
        KernelError::Open { source, .. } => {
            let errno = source.raw_os_error().map(Errno::from_raw_os_error);
            errno.is_some_and(lacks)
        }
        _ => false,
    }
}

/// `nfnetlink` says of a subsystem that isn't there: not supported, in a transaction, or invalid.
fn lacks(errno: Errno) -> bool {
    matches!(errno, Errno::OPNOTSUPP | Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT | Errno::INVAL)
}
