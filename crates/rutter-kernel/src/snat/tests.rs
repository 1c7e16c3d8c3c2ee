use super::ruleset;
use super::*;
use crate::rules::Family;
use crate::wire::{Answer, Batch, NftRow, NftRule, answer, nft_row, put_nft_table};

fn spec(networks: &[&str]) -> SnatSpec {
    let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
    SnatSpec { networks, masquerade: true }
}

fn router() -> SnatSpec {
    spec(&["10.1.0.0/24", "10.1.2.128/25", "fd00:1::/64", "0.0.0.0/0", "::/0", "10.9.9.9/32"])
}

fn shown(rule: &NftRule) -> String {
    let mut line = if rule.forwarded { "forwarded".to_owned() } else { String::new() };
    for (word, network) in [("from", rule.from), ("to", rule.to)] {
        line.extend(network.iter().map(|network| format!(" {word} {network}")));
    }
    format!("{line}: {:?}", rule.verdict).trim_start().to_owned()
}

#[test]
fn who_is_behind_is_left_alone_and_who_comes_from_elsewhere_appears_as_the_router() {
    let expected = [
        "from 10.1.0.0/24: Accept",
        "from fd00:1::/64: Accept",
        "to 10.1.0.0/24: Masquerade",
        "to fd00:1::/64: Masquerade",
        "forwarded to 0.0.0.0/0: Masquerade",
    ];
    let rules = ruleset::nft(&spec(&["10.1.0.0/24", "fd00:1::/64", "0.0.0.0/0"]));
    assert_eq!(rules.iter().map(shown).collect::<Vec<_>>(), expected);
    assert_eq!(ruleset::nft(&SnatSpec { masquerade: false, ..router() }), []);
    assert_eq!(ruleset::nft(&SnatSpec::default()), []);
}

#[test]
fn only_families_of_its_networks_are_forwarded() {
    assert_eq!(ruleset::families(&spec(&["10.1.0.0/24"])), [Family::V4]);
    assert_eq!(ruleset::families(&spec(&["::/0"])), [Family::V6]);
    assert_eq!(ruleset::families(&router()), [Family::V4, Family::V6]);
    assert_eq!(ruleset::families(&SnatSpec::default()), []);
}

#[test]
fn a_spec_beyond_its_bounds_is_refused() {
    assert_eq!(ruleset::mistake(&router()), None);
    let networks: Vec<String> = (0..=MAX_NETWORKS).map(|n| format!("fd00::{n:x}/128")).collect();
    let many = spec(&networks.iter().map(String::as_str).collect::<Vec<_>>());
    let why = "there are 1025 networks, and 1024 at most";
    assert_eq!(ruleset::mistake(&many).as_deref(), Some(why));
}

#[test]
fn rules_are_read_as_they_were_meant() {
    let meant = ruleset::nft(&router());
    let mut batch = Batch::default();
    put_nft_table(&mut batch, NftTable::Snat, &meant);
    let bytes = batch.seal(1).to_vec();
    let (mut rest, mut read) = (bytes.as_slice(), Vec::new());
    while let Some((Answer { message_type, payload, .. }, more)) = answer(rest) {
        const NEW_RULE: u16 = 0xa06;
        if message_type == NEW_RULE {
            read.push(nft_row(NftTable::Snat, payload).unwrap());
            assert_eq!(nft_row(NftTable::Transit, payload), None, "it is of another table");
        }
        rest = more;
    }
    let meant = meant.into_iter().map(|rule| NftRow { rule: Some(rule), ..NftRow::default() });
    assert_eq!(read, meant.collect::<Vec<_>>());
}
