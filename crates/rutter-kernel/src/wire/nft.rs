//! nftables (`linux/netfilter/nf_tables.h`): one table of ours with two chains, and the few kinds of
//! rules that are in them. Encoded and parsed by `netlink-packet-netfilter`.
//!
//! The table is always put whole, in a transaction: what was there and what is to be are never
//! mixed, and there is no moment without either.

use netlink_packet_core::{
    Emitable, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NetlinkSerializable, Nla, Parseable,
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

use super::{Answer, Batch, attributes, bytes};

/// Our table, of the family `inet`.
pub(crate) const NFT_TABLE: &str = "rutter";

/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;

const HEADER: usize = 4;
/// The table's name in every event of a table, chain or rule.
const EVENT_TABLE: u16 = 1;

/// `NF_DROP` and `NF_ACCEPT`.
const DROP: Verdict = Verdict::Other(0);
const ACCEPT: Verdict = Verdict::Other(1);

/// The forward hook's place for filters.
const FILTER: u32 = 0;

/// `NFT_PAYLOAD_LL_HEADER`: an Ethernet header, which begins with where it goes.
const ETHERNET: u32 = 0;
const MAC: u32 = 6;

/// A link's name as it is compared, filled up with zeroes.
const NAME: usize = 16;

const COUNTER: &str = "counter";
const COUNTER_BYTES: u16 = 1;
const COUNTER_PACKETS: u16 = 2;

/// Our chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NftChain {
    /// Where packets come by that are forwarded.
    Forward,
    /// Those of them that came from an overlay.
    FromOverlay,
}

impl NftChain {
    const ALL: [Self; 2] = [Self::Forward, Self::FromOverlay];

    fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::FromOverlay => "from_overlay",
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
    pub(crate) verdict: NftVerdict,
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

/// Puts our table with these rules in the place of the one that is there, if it is.
pub(crate) fn put_nft_table(batch: &mut Batch, rules: &[NftRule]) {
    begin(batch);
    remove(batch);
    push(batch, NLM_F_CREATE, NfTablesMessage::NewTable(table()));
    for chain in NftChain::ALL {
        push(batch, NLM_F_CREATE, NfTablesMessage::NewChain(new_chain(chain)));
    }
    for rule in rules {
        push(batch, NLM_F_CREATE | NLM_F_APPEND, NfTablesMessage::NewRule(new_rule(rule)));
    }
    end(batch);
}

/// Removes our table, if it is there.
pub(crate) fn delete_nft_table(batch: &mut Batch) {
    begin(batch);
    remove(batch);
    end(batch);
}

/// Lists the rules of our table.
pub(crate) fn list_nft_rules(batch: &mut Batch) {
    let attributes = vec![RuleAttribute::Table(NFT_TABLE.into())];
    push(batch, NLM_F_DUMP, NfTablesMessage::GetRule(RuleMessage { attributes }));
}

/// Reads one of a listing. `None`: it isn't of our table.
pub(crate) fn nft_row(payload: &[u8]) -> Option<NftRow> {
    let message = RuleMessage::parse(payload.get(HEADER..)?).ok()?;
    let mut found = Found::default();
    let mut chain = None;
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Table(table) if table != NFT_TABLE => return None,
            RuleAttribute::Chain(name) => {
                chain = NftChain::ALL.into_iter().find(|chain| chain.name() == name);
            }
            RuleAttribute::Expressions(list) => list.iter().for_each(|one| found.take(one)),
            _ => {}
        }
    }
    let (packets, bytes) = found.counted.unwrap_or_default();
    Some(NftRow { rule: chain.and_then(|chain| found.rule(chain)), packets, bytes })
}

/// Whether an event is of our table.
pub(crate) fn nft_event_is_ours(event: &Answer<'_>) -> bool {
    let mut all = attributes(event.payload, HEADER);
    let table = all.find(|(kind, _)| *kind == EVENT_TABLE);
    event.message_type >> 8 == SUBSYSTEM
        && table.is_some_and(|(_, name)| name.strip_suffix(b"\0") == Some(NFT_TABLE.as_bytes()))
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
fn remove(batch: &mut Batch) {
    push(batch, NLM_F_CREATE, NfTablesMessage::NewTable(table()));
    push(batch, 0, NfTablesMessage::DeleteTable(table()));
}

fn table() -> TableMessage {
    TableMessage { attributes: vec![TableAttribute::Name(NFT_TABLE.into())] }
}

fn new_chain(chain: NftChain) -> ChainMessage {
    let mut attributes =
        vec![ChainAttribute::Table(NFT_TABLE.into()), ChainAttribute::Name(chain.name().into())];
    if chain == NftChain::Forward {
        let number = HookNumber::Inet(InetHookNumber::Forward);
        attributes.push(ChainAttribute::Hook(vec![Hook::Number(number), Hook::Priority(FILTER)]));
        attributes.push(ChainAttribute::Policy(ACCEPT.into()));
        attributes.push(ChainAttribute::Type("filter".into()));
    }
    ChainMessage { attributes }
}

fn new_rule(rule: &NftRule) -> RuleMessage {
    let mut list: Vec<ListAttribute<ExpressionAttribute>> = Vec::new();
    let mut compare = |load: Expressions, operator, value| {
        let register = Cmp::SourceRegister(Register::Reg1);
        let value = Cmp::Data(DataAttribute::Value(value));
        list.push(load.into());
        list.push(Expressions::Cmp(vec![register, Cmp::Op(operator), value]).into());
    };
    let meta =
        |key| Expressions::Meta(vec![Meta::Key(key), Meta::DestinationRegister(Register::Reg1)]);
    if let Some(name) = &rule.input {
        compare(meta(MetaKey::Iifname), Operator::Equal, padded(name));
    }
    if let Some(name) = &rule.output {
        compare(meta(MetaKey::Oifname), Operator::Equal, padded(name));
    }
    if let Some(mac) = &rule.not_to {
        let load = Expressions::Payload(vec![
            Payload::DestinationRegister(Register::Reg1),
            Payload::Base(ETHERNET),
            Payload::Offset(0),
            Payload::Len(MAC),
        ]);
        compare(load, Operator::NotEqual, mac.to_vec());
    }
    let verdict = match rule.verdict {
        NftVerdict::Accept => vec![VerdictAttribute::Code(ACCEPT)],
        NftVerdict::CountAndDrop => {
            let (expression_type, attributes) = (COUNTER.to_owned(), Vec::new());
            list.push(Expressions::Other { expression_type, attributes }.into());
            vec![VerdictAttribute::Code(DROP)]
        }
        NftVerdict::AskFromOverlay => {
            let chain = NftChain::FromOverlay.name().to_owned();
            vec![VerdictAttribute::Code(Verdict::Jump), VerdictAttribute::Chain(chain)]
        }
    };
    let to = Immediate::DestinationRegister(Register::Verdict);
    let verdict = Immediate::Data(DataAttribute::Verdict(verdict));
    list.push(Expressions::Immediate(vec![to, verdict]).into());
    let attributes = vec![
        RuleAttribute::Table(NFT_TABLE.into()),
        RuleAttribute::Chain(rule.chain.name().into()),
        RuleAttribute::Expressions(list),
    ];
    RuleMessage { attributes }
}

fn padded(name: &str) -> Vec<u8> {
    let mut value = name.as_bytes().to_vec();
    value.resize(NAME, 0);
    value
}

/// What a rule's expressions say, as far as they are of the kinds that are made here.
#[derive(Default)]
struct Found {
    loaded: Option<Loaded>,
    input: Option<String>,
    output: Option<String>,
    not_to: Option<[u8; 6]>,
    counted: Option<(u64, u64)>,
    verdict: Option<(Verdict, Option<String>)>,
    /// There is something else.
    other: bool,
}

/// What is compared next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loaded {
    Input,
    Output,
    To,
}

impl Found {
    fn take(&mut self, one: &ListAttribute<ExpressionAttribute>) {
        let ListAttribute::Element(attributes) = one else { return };
        for attribute in attributes {
            if let ExpressionAttribute::Data(expression) = attribute {
                self.take_expression(expression);
            }
        }
    }

    fn take_expression(&mut self, expression: &Expressions) {
        match expression {
            Expressions::Meta(meta) => self.loaded = loaded(meta),
            Expressions::Payload(payload) => {
                let whole = [Payload::Base(ETHERNET), Payload::Offset(0), Payload::Len(MAC)];
                let is_mac = whole.iter().all(|part| payload.contains(part));
                self.loaded = is_mac.then_some(Loaded::To);
            }
            Expressions::Cmp(compared) => self.take_comparison(compared),
            Expressions::Immediate(immediate) => {
                for part in immediate {
                    if let Immediate::Data(DataAttribute::Verdict(verdict)) = part {
                        self.verdict = verdict_of(verdict);
                    }
                }
            }
            Expressions::Other { expression_type, attributes } if expression_type == COUNTER => {
                let of = |kind| {
                    let mut all = attributes.iter();
                    all.find(|nla| nla.kind() == kind).map_or(0, |nla| {
                        let mut value = vec![0; nla.value_len()];
                        nla.emit_value(&mut value);
                        u64::from_be_bytes(bytes(&value, 0))
                    })
                };
                self.counted = Some((of(COUNTER_PACKETS), of(COUNTER_BYTES)));
            }
            _ => self.other = true,
        }
    }

    fn take_comparison(&mut self, compared: &[Cmp]) {
        let value = compared.iter().find_map(|part| match part {
            Cmp::Data(DataAttribute::Value(value)) => Some(value.as_slice()),
            _ => None,
        });
        let equal = compared.contains(&Cmp::Op(Operator::Equal));
        let not_equal = compared.contains(&Cmp::Op(Operator::NotEqual));
        let name = |value: &[u8]| {
            let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
            String::from_utf8_lossy(name).into_owned()
        };
        match (self.loaded.take(), value) {
            (Some(Loaded::Input), Some(value)) if equal => self.input = Some(name(value)),
            (Some(Loaded::Output), Some(value)) if equal => self.output = Some(name(value)),
            (Some(Loaded::To), Some(value)) if not_equal => self.not_to = value.try_into().ok(),
            _ => self.other = true,
        }
    }

    fn rule(self, chain: NftChain) -> Option<NftRule> {
        let verdict = match (self.verdict?, self.counted) {
            ((ACCEPT, None), None) => NftVerdict::Accept,
            ((DROP, None), Some(_)) => NftVerdict::CountAndDrop,
            ((Verdict::Jump, Some(to)), None) if to == NftChain::FromOverlay.name() => {
                NftVerdict::AskFromOverlay
            }
            _ => return None,
        };
        let Self { input, output, not_to, .. } = self;
        (!self.other).then_some(NftRule { chain, input, output, not_to, verdict })
    }
}

fn loaded(meta: &[Meta]) -> Option<Loaded> {
    meta.iter().find_map(|part| match part {
        Meta::Key(MetaKey::Iifname) => Some(Loaded::Input),
        Meta::Key(MetaKey::Oifname) => Some(Loaded::Output),
        _ => None,
    })
}

fn verdict_of(attributes: &[VerdictAttribute]) -> Option<(Verdict, Option<String>)> {
    let mut chain = None;
    let mut code = None;
    for attribute in attributes {
        match attribute {
            VerdictAttribute::Code(verdict) => code = Some(*verdict),
            VerdictAttribute::Chain(name) => chain = Some(name.clone()),
            _ => {}
        }
    }
    code.map(|code| (code, chain))
}
