//! Rules.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, Parseable};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleHeader, RuleMessage};
use rutter_route::Prefix;

use super::{Batch, kind};
use crate::rules::{Family, FoundRule, Mark, Rule, Verdict};

fn message(protocol: u8, rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = family(rule.family);
    message.attributes.push(RuleAttribute::Protocol(protocol.into()));
    message.attributes.push(RuleAttribute::Priority(rule.priority));
    let table = match rule.verdict {
        Verdict::Table(table) => {
            message.header.action = RuleAction::ToTable;
            table
        }
        Verdict::Unreachable => {
            message.header.action = RuleAction::Unreachable;
            0
        }
        Verdict::Prohibit => {
            message.header.action = RuleAction::Prohibit;
            0
        }
        Verdict::Blackhole => {
            message.header.action = RuleAction::Blackhole;
            0
        }
    };
    if table != 0 {
        message.header.table = u8::try_from(table).unwrap_or(0);
        message.attributes.push(RuleAttribute::Table(table));
    }
    if let Some(name) = &rule.input {
        message.attributes.push(RuleAttribute::Iifname(name.to_string()));
    }
    if let Some(name) = &rule.output {
        message.attributes.push(RuleAttribute::Oifname(name.to_string()));
    }
    if let Some(from) = &rule.from {
        message.header.src_len = from.length();
        message.attributes.push(RuleAttribute::Source(from.address()));
    }
    if let Some(to) = &rule.to {
        message.header.dst_len = to.length();
        message.attributes.push(RuleAttribute::Destination(to.address()));
    }
    if let Some(mark) = rule.mark {
        message.attributes.push(RuleAttribute::FwMark(mark.value));
        message.attributes.push(RuleAttribute::FwMask(mark.mask));
    }
    message
}

fn family(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

/// Adds a rule; one that says the same, whoever's it is, refuses it.
pub(crate) fn put_rule(batch: &mut Batch, protocol: u8, rule: &Rule) {
    batch.push(kind::NEW_RULE, NLM_F_CREATE | NLM_F_EXCL, &message(protocol, rule));
}

/// Removes the first rule with our protocol number that says all this, and perhaps more.
pub(crate) fn delete_rule(batch: &mut Batch, protocol: u8, rule: &Rule) {
    batch.push(kind::DEL_RULE, 0, &message(protocol, rule));
}

/// Lists the rules of a family.
pub(crate) fn list_rules(batch: &mut Batch, of: Family) {
    let mut message = RuleMessage::default();
    message.header = RuleHeader { family: family(of), ..RuleHeader::default() };
    batch.push(kind::GET_RULE, NLM_F_DUMP, &message);
}

/// Reads one of a listing. `None`: it can't be read, so it isn't ours.
pub(crate) fn rule_row(payload: &[u8]) -> Option<FoundRule> {
    let message = RuleMessage::parse(payload).ok()?;
    let header = &message.header;
    let of = match header.family {
        AddressFamily::Inet => Family::V4,
        AddressFamily::Inet6 => Family::V6,
        _ => return None,
    };
    let mut table = u32::from(header.table);
    let mut rule = Rule::new(of, 0, Verdict::Prohibit);
    let mut protocol = 0;
    let (mut value, mut mask) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Table(t) => table = *t,
            RuleAttribute::Priority(p) => rule.priority = *p,
            RuleAttribute::Protocol(p) => protocol = (*p).into(),
            RuleAttribute::Iifname(name) => rule.input = Some(name.parse().ok()?),
            RuleAttribute::Oifname(name) => rule.output = Some(name.parse().ok()?),
            RuleAttribute::Source(from) => {
                rule.from = Some(Prefix::new(*from, header.src_len).ok()?);
            }
            RuleAttribute::Destination(to) => {
                rule.to = Some(Prefix::new(*to, header.dst_len).ok()?);
            }
            RuleAttribute::FwMark(v) => value = Some(*v),
            RuleAttribute::FwMask(m) => mask = Some(*m),
            _ => {}
        }
    }
    rule.mark = value.map(|value| Mark { value, mask: mask.unwrap_or(u32::MAX) });
    rule.verdict = match header.action {
        RuleAction::ToTable => Verdict::Table(table),
        RuleAction::Unreachable => Verdict::Unreachable,
        RuleAction::Prohibit => Verdict::Prohibit,
        RuleAction::Blackhole => Verdict::Blackhole,
        _ => return None,
    };
    Some(FoundRule { rule, protocol })
}
