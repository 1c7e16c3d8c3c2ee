//! What the kernel lists of a rule, read back as a rule that is made here.

use netlink_packet_core::Nla;
use netlink_packet_netfilter::nftables::{
    Cmp, DataAttribute, ExpressionAttribute, Expressions, Immediate, ListAttribute, Meta, MetaKey,
    Operator, Payload, Verdict, VerdictAttribute,
};
use rutter_route::Prefix;

use super::super::bytes;
use super::{
    ACCEPT, AT_V4, AT_V6, COUNTER, COUNTER_BYTES, COUNTER_PACKETS, DROP, ETHERNET, IS_V4, IS_V6,
    MAC, MASQUERADE, NETWORK, NftChain, NftRule, NftVerdict,
};

/// What a rule's expressions say, as far as they are of the kinds that are made here.
#[derive(Default)]
pub(super) struct Found {
    loaded: Option<Loaded>,
    input: Option<String>,
    output: Option<String>,
    not_to: Option<[u8; 6]>,
    forwarded: bool,
    v4: Option<bool>,
    from: Ends,
    to: Ends,
    masquerades: bool,
    pub(super) counted: Option<(u64, u64)>,
    verdict: Option<(Verdict, Option<String>)>,
    /// There is something else.
    other: bool,
}

/// The first and the last address of a network, as far as they were read.
#[derive(Default)]
struct Ends {
    first: Option<Vec<u8>>,
    last: Option<Vec<u8>>,
}

/// What is compared next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loaded {
    Input,
    Output,
    FrameTo,
    InputIndex,
    Family,
    Source,
    Destination,
}

impl Found {
    pub(super) fn take(&mut self, one: &ListAttribute<ExpressionAttribute>) {
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
            Expressions::Payload(payload) => self.loaded = loaded_payload(payload),
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
            Expressions::Other { expression_type, .. } if expression_type == MASQUERADE => {
                self.masquerades = true;
            }
            _ => self.other = true,
        }
    }

    fn take_comparison(&mut self, compared: &[Cmp]) {
        let value = compared.iter().find_map(|part| match part {
            Cmp::Data(DataAttribute::Value(value)) => Some(value.as_slice()),
            _ => None,
        });
        let is = |operator| compared.contains(&Cmp::Op(operator));
        let (equal, not_equal) = (is(Operator::Equal), is(Operator::NotEqual));
        let (from, until) = (is(Operator::GreatherThanEqual), is(Operator::LessThanEqual));
        let name = |value: &[u8]| {
            let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
            String::from_utf8_lossy(name).into_owned()
        };
        let loaded = self.loaded;
        // A network is one address compared twice.
        self.loaded = loaded.filter(|_| from);
        match (loaded, value) {
            (Some(Loaded::Input), Some(value)) if equal => self.input = Some(name(value)),
            (Some(Loaded::Output), Some(value)) if equal => self.output = Some(name(value)),
            (Some(Loaded::FrameTo), Some(value)) if not_equal => {
                self.not_to = value.try_into().ok();
            }
            (Some(Loaded::InputIndex), Some([0, 0, 0, 0])) if not_equal => self.forwarded = true,
            (Some(Loaded::Family), Some([IS_V4])) if equal => self.v4 = Some(true),
            (Some(Loaded::Family), Some([IS_V6])) if equal => self.v4 = Some(false),
            (Some(Loaded::Source), Some(value)) if from => self.from.first = Some(value.to_vec()),
            (Some(Loaded::Source), Some(value)) if until => self.from.last = Some(value.to_vec()),
            (Some(Loaded::Destination), Some(value)) if from => {
                self.to.first = Some(value.to_vec());
            }
            (Some(Loaded::Destination), Some(value)) if until => {
                self.to.last = Some(value.to_vec());
            }
            _ => self.other = true,
        }
    }

    pub(super) fn rule(self, chain: NftChain) -> Option<NftRule> {
        let verdict = match (&self.verdict, self.counted, self.masquerades) {
            (Some((ACCEPT, None)), None, false) => NftVerdict::Accept,
            (Some((DROP, None)), Some(_), false) => NftVerdict::CountAndDrop,
            (Some((Verdict::Jump, Some(to))), None, false)
                if to == NftChain::FromOverlay.name() =>
            {
                NftVerdict::AskFromOverlay
            }
            (None, None, true) => NftVerdict::Masquerade,
            _ => return None,
        };
        let (from, to) = (self.from.network()?, self.to.network()?);
        // A family without addresses is all of it.
        let all = self.v4.map(|v4| if v4 { Prefix::DEFAULT_V4 } else { Prefix::DEFAULT_V6 });
        let to = to.or(all.filter(|_| from.is_none()));
        let of_family = |network: Prefix| self.v4 == Some(network.is_v4());
        let is_whole = [from, to].into_iter().flatten().all(of_family);
        let Self { input, output, not_to, forwarded, other, .. } = self;
        let rule = NftRule { chain, input, output, not_to, forwarded, from, to, verdict };
        (is_whole && !other).then_some(rule)
    }
}

impl Ends {
    /// The network, if there is one. The outer `None`: they are no network's.
    #[allow(clippy::option_option, reason = "none, one, and one that isn't ours")]
    fn network(&self) -> Option<Option<Prefix>> {
        let (Some(first), Some(last)) = (&self.first, &self.last) else {
            return (self.first.is_none() && self.last.is_none()).then_some(None);
        };
        let (first, last) = (super::super::address(first)?, super::super::address(last)?);
        let total = if first.is_ipv4() { 32 } else { 128 };
        let mut lengths = (0..=total).filter_map(|length| Prefix::new(first, length).ok());
        lengths.find(|network| network.last_address() == last).map(Some)
    }
}

fn loaded(meta: &[Meta]) -> Option<Loaded> {
    meta.iter().find_map(|part| match part {
        Meta::Key(MetaKey::Iifname) => Some(Loaded::Input),
        Meta::Key(MetaKey::Oifname) => Some(Loaded::Output),
        Meta::Key(MetaKey::Iif) => Some(Loaded::InputIndex),
        Meta::Key(MetaKey::Nfproto) => Some(Loaded::Family),
        _ => None,
    })
}

fn loaded_payload(payload: &[Payload]) -> Option<Loaded> {
    let (v4, v6) = (AT_V4, AT_V6);
    let known = [
        ((ETHERNET, 0, MAC), Loaded::FrameTo),
        ((NETWORK, v4.0, v4.2), Loaded::Source),
        ((NETWORK, v4.1, v4.2), Loaded::Destination),
        ((NETWORK, v6.0, v6.2), Loaded::Source),
        ((NETWORK, v6.1, v6.2), Loaded::Destination),
    ];
    known.into_iter().find_map(|((base, offset, length), loaded)| {
        let parts = [Payload::Base(base), Payload::Offset(offset), Payload::Len(length)];
        parts.iter().all(|part| payload.contains(part)).then_some(loaded)
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
