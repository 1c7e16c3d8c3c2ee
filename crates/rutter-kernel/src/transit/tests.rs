use std::collections::{BTreeMap, BTreeSet};

use super::ruleset;
use super::*;
use crate::rules::Rule;
use crate::wire::{Answer, NftRow, NftRule, NftTable, answer, nft_row, put_nft_table};

fn link(name: &str) -> LinkName {
    name.parse().unwrap()
}

fn spec() -> TransitSpec {
    TransitSpec {
        bridges: BTreeSet::from([link("br100"), link("br200")]),
        allowed: BTreeSet::from([(link("br100"), link("br200"))]),
        own: BTreeSet::from(["172.16.0.0/24".parse().unwrap(), "fd00:9::/64".parse().unwrap()]),
    }
}

fn nft() -> Vec<NftRule> {
    // One of the bridges isn't there yet.
    ruleset::nft(&spec(), &BTreeMap::from([("br100".to_owned(), [2, 0, 0, 0, 0, 7])]))
}

fn shown(rule: &NftRule) -> String {
    let mut line = format!("{:?}:", rule.chain);
    let mac = rule.not_to.map(|mac| format!("{mac:02x?}"));
    let parts = [("iif", &rule.input), ("oif", &rule.output), ("not to", &mac)];
    for (word, value) in parts {
        line.extend(value.iter().map(|value| format!(" {word} {value}")));
    }
    line + &format!(" {:?}", rule.verdict)
}

#[test]
fn what_came_from_an_overlay_goes_into_none_but_for_pairs_and_frames_that_cross() {
    let expected = [
        "Forward: iif br100 AskFromOverlay",
        "Forward: iif br200 AskFromOverlay",
        "FromOverlay: iif br100 oif br200 Accept",
        "FromOverlay: iif br100 oif br100 not to [02, 00, 00, 00, 00, 07] Accept",
        "FromOverlay: oif br100 CountAndDrop",
        "FromOverlay: oif br200 CountAndDrop",
    ];
    assert_eq!(nft().iter().map(shown).collect::<Vec<_>>(), expected);
    assert_eq!(ruleset::nft(&TransitSpec::default(), &BTreeMap::new()), []);
}

#[test]
fn without_nftables_own_networks_come_first_and_all_else_is_prohibited() {
    let rules = ruleset::rules(&spec(), 90);
    let expected = [
        "rule 90 to 172.16.0.0/24 iif br100 lookup 254",
        "rule 90 to 172.16.0.0/24 iif br200 lookup 254",
        "rule 91 iif br100 prohibit",
        "rule 91 iif br200 prohibit",
        "rule 90 to fd00:9::/64 iif br100 lookup 254",
        "rule 90 to fd00:9::/64 iif br200 lookup 254",
        "rule 91 iif br100 prohibit",
        "rule 91 iif br200 prohibit",
    ];
    assert_eq!(rules.iter().map(Rule::to_string).collect::<Vec<_>>(), expected);
}

#[test]
fn a_spec_beyond_its_bounds_is_refused() {
    assert_eq!(ruleset::mistake(&spec()), None);
    let bridges = (0..=MAX_BRIDGES).map(|n| link(&format!("br{n}"))).collect();
    let many = TransitSpec { bridges, ..TransitSpec::default() };
    let why = "there are 257 bridges of overlays, and 256 at most";
    assert_eq!(ruleset::mistake(&many).as_deref(), Some(why));
}

/// The messages of a batch.
fn messages(batch: &mut crate::wire::Batch) -> Vec<(u16, u16, Vec<u8>)> {
    let bytes = batch.seal(1).to_vec();
    let mut rest = bytes.as_slice();
    let mut messages = Vec::new();
    while let Some((Answer { message_type, flags, payload, .. }, more)) = answer(rest) {
        messages.push((message_type, flags, payload.to_vec()));
        rest = more;
    }
    messages
}

#[test]
fn a_table_is_put_in_one_transaction_and_its_rules_are_read_as_they_were_meant() {
    let mut batch = crate::wire::Batch::default();
    put_nft_table(&mut batch, NftTable::Transit, &nft());
    let messages = messages(&mut batch);
    let kinds: Vec<u16> = messages.iter().map(|(kind, ..)| *kind).collect();
    // Begin; table, no table, table; two chains; six rules; end.
    let (table, no_table, chain, rule) = (0xa00, 0xa02, 0xa03, 0xa06);
    let expected =
        [16, table, no_table, table, chain, chain, rule, rule, rule, rule, rule, rule, 17];
    assert_eq!(kinds, expected);
    // The last rule is acknowledged, and the end, which is no request, is not.
    const ACK: u16 = 4;
    let acknowledged: Vec<usize> =
        (0..messages.len()).filter(|n| messages[*n].1 & ACK != 0).collect();
    assert_eq!(acknowledged, [11]);
    let read: Vec<NftRow> = messages
        .iter()
        .filter(|(kind, ..)| *kind == rule)
        .map(|(.., payload)| nft_row(NftTable::Transit, payload).unwrap())
        .collect();
    let meant: Vec<NftRow> =
        nft().into_iter().map(|rule| NftRow { rule: Some(rule), ..NftRow::default() }).collect();
    assert_eq!(read, meant);
}
