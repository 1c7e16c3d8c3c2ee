//! Bytes as iproute2 sends them and the kernel reads them, and what becomes of malformed ones.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_ACK, NLM_F_REPLACE, NLM_F_REQUEST};
use proptest::prelude::*;
use rustix::io::Errno;
use rutter_route::Prefix;

use super::*;
use crate::error::Said;
use crate::fib::To;
use crate::hop::KernelHop;

const OURS: (u32, u8) = (1000, 82);

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn hop(via: Option<&str>, link: u32, weight: u16) -> KernelHop {
    let via: Option<IpAddr> = via.map(|via| via.parse().unwrap());
    let v6 = via.is_some_and(|via| via.is_ipv6());
    KernelHop { via, link: Some(link), onlink: false, v6, weight }
}

fn hex(bytes: &[u8]) -> String {
    let words = bytes.chunks(4).map(|w| w.iter().map(|b| format!("{b:02x}")).collect::<String>());
    words.collect::<Vec<_>>().join(" ")
}

/// The payloads of a sealed batch.
fn payloads(batch: &mut Batch) -> Vec<(u16, u16, u32, Vec<u8>)> {
    let bytes = batch.seal(7).to_vec();
    let mut rest = bytes.as_slice();
    let mut payloads = Vec::new();
    while let Some((one, more)) = answer(rest) {
        payloads.push((one.message_type, one.flags, one.sequence, one.payload.to_vec()));
        rest = more;
    }
    assert!(rest.is_empty());
    payloads
}

#[test]
#[cfg(target_endian = "little")]
fn a_route_and_an_object_are_these_bytes() {
    let mut batch = Batch::default();
    let p = prefix("172.16.9.0/24");
    put_route(&mut batch, OURS, &p, 100, &To::Object(70_000), How::Add);
    let object = Object::Hop(hop(Some("10.0.0.2"), 3, 1));
    put_object(&mut batch, 82, 70_000, &object, false);
    let group = Object::Group(vec![(70_000, 1), (70_001, 256)]);
    put_object(&mut batch, 82, 70_002, &group, true);
    let payloads = payloads(&mut batch);
    let shown: Vec<String> = payloads.iter().map(|(.., payload)| hex(payload)).collect();
    let expected = [
        // rtmsg; RTA_TABLE 1000, RTA_DST, RTA_PRIORITY, RTA_NH_ID.
        "02180000 00520001 00000000 08000f00 e8030000 08000100 ac100900 08000600 64000000 \
         08001e00 70110100",
        // nhmsg; NHA_ID, NHA_OIF, NHA_GATEWAY.
        "02005200 00000000 08000100 70110100 08000500 03000000 08000600 0a000002",
        // nhmsg; NHA_ID, NHA_GROUP with weights less one.
        "00005200 00000000 08000100 72110100 14000200 70110100 00000000 71110100 ff000000",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn a_batch_is_numbered_and_only_its_last_asks_for_an_acknowledgement() {
    let mut batch = Batch::default();
    let p = prefix("172.16.9.0/24");
    put_route(&mut batch, OURS, &p, 0, &To::Unreachable, How::Replace);
    delete_route(&mut batch, OURS, &p, 100);
    delete_object(&mut batch, 9);
    let heads: Vec<_> = payloads(&mut batch).into_iter().map(|(t, f, s, _)| (t, f, s)).collect();
    let expected = [
        (kind::NEW_ROUTE, NLM_F_REQUEST | NLM_F_REPLACE, 7),
        (kind::DEL_ROUTE, NLM_F_REQUEST, 8),
        (kind::DEL_OBJECT, NLM_F_REQUEST | NLM_F_ACK, 9),
    ];
    assert_eq!(heads, expected);
}

#[test]
fn what_is_written_is_read_as_it_was_meant() {
    let v4 = prefix("172.16.9.0/24");
    let v6 = prefix("fd00:9::/64");
    let cases = [
        (v4, To::Object(5)),
        (v4, To::Hops([hop(Some("10.0.0.2"), 3, 1)].into())),
        (v4, To::Hops([hop(Some("2001:db8::2"), 3, 1)].into())),
        (v4, To::Hops([hop(None, 3, 1)].into())),
        (v4, To::Hops([hop(Some("10.0.0.2"), 3, 1), hop(Some("2001:db8::2"), 4, 9)].into())),
        (v6, To::Hops([hop(Some("2001:db8::2"), 3, 2), hop(Some("fe80::2"), 4, 256)].into())),
        (v6, To::Blackhole),
        (v6, To::Prohibit),
        (prefix("::/0"), To::Unreachable),
        (prefix("0.0.0.0/0"), To::Object(9)),
    ];
    for (prefix, to) in cases {
        let mut batch = Batch::default();
        put_route(&mut batch, OURS, &prefix, 100, &to, How::Add);
        let (_, _, _, payload) = payloads(&mut batch).remove(0);
        assert_eq!(route_event_table(&payload), 1000);
        let expected =
            RouteRow { prefix, priority: 100, protocol: 82, special: false, to, again: None };
        assert_eq!(route_row(&payload), Some(expected));
    }
    for object in [
        Object::Hop(KernelHop { onlink: true, ..hop(Some("10.0.0.2"), 3, 1) }),
        Object::Hop(hop(Some("fe80::2"), 3, 1)),
        Object::Group(vec![(1, 1), (2, 256)]),
    ] {
        let mut batch = Batch::default();
        put_object(&mut batch, 82, 9, &object, false);
        let (_, _, _, payload) = payloads(&mut batch).remove(0);
        let expected = ObjectRow { id: 9, protocol: 82, object: Some(object) };
        assert_eq!(object_row(&payload), Some(expected));
    }
}

#[test]
fn the_kernels_words_are_read_from_an_error() {
    // As the kernel answers with NETLINK_CAP_ACK and NETLINK_EXT_ACK.
    let mut payload = (-113i32).to_ne_bytes().to_vec();
    payload.extend([0; 16]);
    let words = b"Nexthop is not up\0";
    payload.extend(u16::try_from(4 + words.len()).unwrap().to_ne_bytes());
    payload.extend(1u16.to_ne_bytes());
    payload.extend(words);
    let of = |flags, payload| Answer { message_type: 2, flags, sequence: 1, payload };
    let said = Said { errno: Errno::HOSTUNREACH, words: "Nexthop is not up".into() };
    assert_eq!(error(&of(0x300, &payload)), Some(said));
    let bare = Said { errno: Errno::HOSTUNREACH, words: String::new() };
    assert_eq!(error(&of(0x100, &payload)), Some(bare.clone()));
    assert_eq!(error(&of(0x300, &payload[..20])), Some(bare));
    assert_eq!(error(&of(0x100, &[0; 20])), None, "an acknowledgement");
    assert_eq!(error(&of(0x100, &[])), None);
}

proptest! {
    /// Whatever comes is read or left, and nothing is read beyond its end.
    #[test]
    fn nothing_that_is_malformed_does_harm(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        flags in any::<u16>(),
    ) {
        let mut rest = bytes.as_slice();
        while let Some((_, more)) = answer(rest) {
            prop_assert!(more.len() < rest.len());
            rest = more;
        }
        let whole = Answer { message_type: 2, flags, sequence: 0, payload: &bytes };
        let _ = (error(&whole), dump_end(&whole));
        let _ = (route_row(&bytes), route_event_table(&bytes), rule_row(&bytes));
        let _ = (object_row(&bytes), link_row(&bytes), address_row(&bytes));
        let _ = (device_row(&bytes), flood_row(&bytes));
        let _ = (nft_row(NftTable::Snat, &bytes), nft_event_is_of(NftTable::Snat, &whole));
    }
}
