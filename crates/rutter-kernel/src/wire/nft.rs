//! nftables (`linux/netfilter/nf_tables.h`): tables of ours, each of one part, and the few kinds of
//! rules that are in them. Encoded and parsed by `netlink-packet-netfilter`.
//!
//! A table is always put whole, in a transaction: what was there and what is to be are never
//! mixed, and there is no moment without either.
//!
//! A network is asked for by its first and its last address, which needs no mask and reads as it
//! was written.

mod found;

use std::net::IpAddr;

use netlink_packet_core::{
    Emitable, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NetlinkSerializable, Parseable,
};
use netlink_packet_netfilter::nftables::{
    ChainAttribute, ChainMessage, Cmp, DataAttribute, ExpressionAttribute, Expressions, Hook,
    HookNumber, Immediate, InetHookNumber, ListAttribute, Meta, MetaKey, NfTablesMessage, Operator,
    Payload, Register, RuleAttribute, RuleMessage, TableAttribute, TableMessage, Verdict,
    VerdictAttribute,
};
use netlink_packet_netfilter::none::ControlMessage;
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
};
use rutter_route::Prefix;

use super::{Answer, Batch, attributes};
use found::Found;

/// A table of ours, of the family `inet`. Each is kept by a part of its own, which puts and removes
/// it whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NftTable {
    /// What keeps packets from transit.
    Transit,
    /// Who asks behind a router appears as the router.
    Snat,
}

impl NftTable {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Transit => "rutter",
            Self::Snat => "rutter-snat",
        }
    }

    fn chains(self) -> &'static [NftChain] {
        match self {
            Self::Transit => &[NftChain::Forward, NftChain::FromOverlay],
            Self::Snat => &[NftChain::PostRouting],
        }
    }
}

/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;

const HEADER: usize = 4;
/// The table's name in every event of a table, chain or rule.
const EVENT_TABLE: u16 = 1;

/// `NF_DROP` and `NF_ACCEPT`.
const DROP: Verdict = Verdict::Other(0);
const ACCEPT: Verdict = Verdict::Other(1);

/// The places of filters at the forward hook, and of source translation behind routing.
const FILTER: u32 = 0;
const SOURCE_NAT: u32 = 100;

/// `NFT_PAYLOAD_LL_HEADER`: an Ethernet header, which begins with where it goes.
const ETHERNET: u32 = 0;
const MAC: u32 = 6;

/// `NFT_PAYLOAD_NETWORK_HEADER`, and where addresses stand in it: of whom, to whom, how long.
const NETWORK: u32 = 1;
const AT_V4: (u32, u32, u32) = (12, 16, 4);
const AT_V6: (u32, u32, u32) = (8, 24, 16);

/// `NFPROTO_IPV4` and `NFPROTO_IPV6`.
const IS_V4: u8 = 2;
const IS_V6: u8 = 10;

/// A link's name as it is compared, filled up with zeroes.
const NAME: usize = 16;

const COUNTER: &str = "counter";
const COUNTER_BYTES: u16 = 1;
const COUNTER_PACKETS: u16 = 2;
const MASQUERADE: &str = "masq";

/// Our chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NftChain {
    /// Where packets come by that are forwarded.
    Forward,
    /// Those of them that came from an overlay.
    FromOverlay,
    /// Where packets come by when it is known by which link they go.
    PostRouting,
}

impl NftChain {
    fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::FromOverlay => "from_overlay",
            Self::PostRouting => "postrouting",
        }
    }

    /// Hook, place there and type of a chain that packets come by; of the others `None`.
    fn hook(self) -> Option<(InetHookNumber, u32, &'static str)> {
        match self {
            Self::Forward => Some((InetHookNumber::Forward, FILTER, "filter")),
            Self::FromOverlay => None,
            Self::PostRouting => Some((InetHookNumber::PostRouting, SOURCE_NAT, "nat")),
        }
    }
}

/// What becomes of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NftVerdict {
    /// Other tables decide.
    Accept,
    /// They are counted and dropped.
    CountAndDrop,
    /// [`NftChain::FromOverlay`] decides.
    AskFromOverlay,
    /// They go on as this host's own, and answers to them are theirs.
    Masquerade,
}

/// A rule; what isn't said isn't asked of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NftRule {
    pub(crate) chain: NftChain,
    /// The link that it came by.
    pub(crate) input: Option<String>,
    /// The link that it goes by.
    pub(crate) output: Option<String>,
    /// Its frame isn't for this address.
    pub(crate) not_to: Option<[u8; 6]>,
    /// It came by some link, and isn't this host's own.
    pub(crate) forwarded: bool,
    /// Its source is in this network.
    pub(crate) from: Option<Prefix>,
    /// Its destination is in this network.
    pub(crate) to: Option<Prefix>,
    pub(crate) verdict: NftVerdict,
}

impl NftRule {
    /// A rule for all packets of a chain.
    pub(crate) fn new(chain: NftChain, verdict: NftVerdict) -> Self {
        Self {
            chain,
            input: None,
            output: None,
            not_to: None,
            forwarded: false,
            from: None,
            to: None,
            verdict,
        }
    }
}

/// A rule of our table as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct NftRow {
    /// `None`: it is none of those that are made here.
    pub(crate) rule: Option<NftRule>,
    /// What it has counted.
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

/// Puts a table with these rules in the place of the one that is there, if it is.
pub(crate) fn put_nft_table(batch: &mut Batch, of: NftTable, rules: &[NftRule]) {
    begin(batch);
    remove(batch, of);
    push(batch, NLM_F_CREATE, NfTablesMessage::NewTable(table(of)));
    for chain in of.chains() {
        push(batch, NLM_F_CREATE, NfTablesMessage::NewChain(new_chain(of, *chain)));
    }
    for rule in rules {
        push(batch, NLM_F_CREATE | NLM_F_APPEND, NfTablesMessage::NewRule(new_rule(of, rule)));
    }
    end(batch);
}

/// Removes a table, if it is there.
pub(crate) fn delete_nft_table(batch: &mut Batch, of: NftTable) {
    begin(batch);
    remove(batch, of);
    end(batch);
}

/// Lists the rules of a table.
pub(crate) fn list_nft_rules(batch: &mut Batch, of: NftTable) {
    let attributes = vec![RuleAttribute::Table(of.name().into())];
    push(batch, NLM_F_DUMP, NfTablesMessage::GetRule(RuleMessage { attributes }));
}

/// Reads one of a listing. `None`: it isn't of that table.
pub(crate) fn nft_row(of: NftTable, payload: &[u8]) -> Option<NftRow> {
    let message = RuleMessage::parse(payload.get(HEADER..)?).ok()?;
    let mut found = Found::default();
    let mut chain = None;
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Table(table) if table != of.name() => return None,
            RuleAttribute::Chain(name) => {
                chain = of.chains().iter().copied().find(|chain| chain.name() == name);
            }
            RuleAttribute::Expressions(list) => list.iter().for_each(|one| found.take(one)),
            _ => {}
        }
    }
    let (packets, bytes) = found.counted.unwrap_or_default();
    Some(NftRow { rule: chain.and_then(|chain| found.rule(chain)), packets, bytes })
}

/// Whether an event is of that table.
pub(crate) fn nft_event_is_of(of: NftTable, event: &Answer<'_>) -> bool {
    let mut all = attributes(event.payload, HEADER);
    let table = all.find(|(kind, _)| *kind == EVENT_TABLE);
    event.message_type >> 8 == SUBSYSTEM
        && table.is_some_and(|(_, name)| name.strip_suffix(b"\0") == Some(of.name().as_bytes()))
}

fn begin(batch: &mut Batch) {
    let message = control(ControlMessage::BatchBegin);
    batch.push(message.message_type(), 0, &Body(message));
}

fn end(batch: &mut Batch) {
    let message = control(ControlMessage::BatchEnd);
    batch.end(message.message_type(), &Body(message));
}

/// A transaction names its subsystem where a request has a resource.
fn control(message: ControlMessage) -> NetfilterMessage {
    let header = NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, SUBSYSTEM);
    NetfilterMessage::new(header, message)
}

fn push(batch: &mut Batch, flags: u16, message: impl Into<NetfilterMessageInner>) {
    let header = NetfilterHeader::new(NetfilterProtoFamily::Inet, 0, 0);
    let message = NetfilterMessage::new(header, message);
    batch.push(message.message_type(), flags, &Body(message));
}

/// A message to be emitted: two traits of the libraries give the same names.
struct Body(NetfilterMessage);

impl Emitable for Body {
    fn buffer_len(&self) -> usize {
        Emitable::buffer_len(&self.0)
    }

    fn emit(&self, buffer: &mut [u8]) {
        Emitable::emit(&self.0, buffer);
    }
}

/// A table that isn't there can't be removed: so it is made first.
fn remove(batch: &mut Batch, of: NftTable) {
    push(batch, NLM_F_CREATE, NfTablesMessage::NewTable(table(of)));
    push(batch, 0, NfTablesMessage::DeleteTable(table(of)));
}

fn table(of: NftTable) -> TableMessage {
    TableMessage { attributes: vec![TableAttribute::Name(of.name().into())] }
}

fn new_chain(of: NftTable, chain: NftChain) -> ChainMessage {
    let mut attributes =
        vec![ChainAttribute::Table(of.name().into()), ChainAttribute::Name(chain.name().into())];
    if let Some((number, priority, kind)) = chain.hook() {
        let number = HookNumber::Inet(number);
        attributes.push(ChainAttribute::Hook(vec![Hook::Number(number), Hook::Priority(priority)]));
        attributes.push(ChainAttribute::Policy(ACCEPT.into()));
        attributes.push(ChainAttribute::Type(kind.into()));
    }
    ChainMessage { attributes }
}

type Listed = Vec<ListAttribute<ExpressionAttribute>>;

fn new_rule(of: NftTable, rule: &NftRule) -> RuleMessage {
    let mut list = Listed::new();
    if let Some(name) = &rule.input {
        compare(&mut list, meta(MetaKey::Iifname), &[(Operator::Equal, padded(name))]);
    }
    if let Some(name) = &rule.output {
        compare(&mut list, meta(MetaKey::Oifname), &[(Operator::Equal, padded(name))]);
    }
    if let Some(mac) = &rule.not_to {
        let load = payload(ETHERNET, 0, MAC);
        compare(&mut list, load, &[(Operator::NotEqual, mac.to_vec())]);
    }
    if rule.forwarded {
        // A packet of this host itself came by none.
        compare(&mut list, meta(MetaKey::Iif), &[(Operator::NotEqual, vec![0; 4])]);
    }
    if let Some(network) = rule.from.or(rule.to) {
        let family = if network.is_v4() { IS_V4 } else { IS_V6 };
        compare(&mut list, meta(MetaKey::Nfproto), &[(Operator::Equal, vec![family])]);
    }
    if let Some(network) = &rule.from {
        in_network(&mut list, network, |(from, _)| from);
    }
    if let Some(network) = &rule.to {
        in_network(&mut list, network, |(_, to)| to);
    }
    list.extend(verdict(rule.verdict));
    let attributes = vec![
        RuleAttribute::Table(of.name().into()),
        RuleAttribute::Chain(rule.chain.name().into()),
        RuleAttribute::Expressions(list),
    ];
    RuleMessage { attributes }
}

/// Goes on with packets of which what is loaded compares so.
fn compare(list: &mut Listed, load: Expressions, to: &[(Operator, Vec<u8>)]) {
    list.push(load.into());
    for (operator, value) in to {
        let register = Cmp::SourceRegister(Register::Reg1);
        let value = Cmp::Data(DataAttribute::Value(value.clone()));
        list.push(Expressions::Cmp(vec![register, Cmp::Op(*operator), value]).into());
    }
}

fn meta(key: MetaKey) -> Expressions {
    Expressions::Meta(vec![Meta::Key(key), Meta::DestinationRegister(Register::Reg1)])
}

fn payload(base: u32, offset: u32, length: u32) -> Expressions {
    Expressions::Payload(vec![
        Payload::DestinationRegister(Register::Reg1),
        Payload::Base(base),
        Payload::Offset(offset),
        Payload::Len(length),
    ])
}

/// Goes on with packets of which one of the two addresses is in a network. Whose all addresses are
/// is told by the family alone.
fn in_network(list: &mut Listed, network: &Prefix, which: fn((u32, u32)) -> u32) {
    if network.is_default() {
        return;
    }
    let (from, to, length) = if network.is_v4() { AT_V4 } else { AT_V6 };
    let first = (Operator::GreatherThanEqual, octets(network.address()));
    let last = (Operator::LessThanEqual, octets(network.last_address()));
    compare(list, payload(NETWORK, which((from, to)), length), &[first, last]);
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn verdict(of: NftVerdict) -> Listed {
    let bare = |expression_type: &str| Expressions::Other {
        expression_type: expression_type.to_owned(),
        attributes: Vec::new(),
    };
    let mut list = Listed::new();
    let code = match of {
        NftVerdict::Masquerade => return vec![bare(MASQUERADE).into()],
        NftVerdict::Accept => vec![VerdictAttribute::Code(ACCEPT)],
        NftVerdict::CountAndDrop => {
            list.push(bare(COUNTER).into());
            vec![VerdictAttribute::Code(DROP)]
        }
        NftVerdict::AskFromOverlay => {
            let chain = NftChain::FromOverlay.name().to_owned();
            vec![VerdictAttribute::Code(Verdict::Jump), VerdictAttribute::Chain(chain)]
        }
    };
    let to = Immediate::DestinationRegister(Register::Verdict);
    let code = Immediate::Data(DataAttribute::Verdict(code));
    list.push(Expressions::Immediate(vec![to, code]).into());
    list
}

fn padded(name: &str) -> Vec<u8> {
    let mut value = name.as_bytes().to_vec();
    value.resize(NAME, 0);
    value
}
