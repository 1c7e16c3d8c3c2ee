//! The form is canonical: what is read is written as the same bytes, and nothing else is read.

use bytes::Bytes;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::samples;
use crate::wire::{Frame, Malformed, Message, Signed};

/// Reads a frame and all its messages; whatever is read has to be written as the same bytes.
fn read_and_written(bytes: &Bytes) -> Result<(), Malformed> {
    let frame = Frame::decode(bytes.clone())?;
    assert_eq!(frame.encode(), bytes, "{frame:?} is written in another way than it was read");
    if let Frame::Batch(batch) = &frame {
        for bytes in &batch.messages {
            if let Ok(message) = Message::decode(bytes) {
                assert_eq!(message.to_bytes(), bytes, "{message:?} is written in another way");
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_message_is_read_as_it_was_written(message in samples::message()) {
        prop_assert_eq!(Message::decode(&message.to_bytes()), Ok(message));
    }

    #[test]
    fn a_frame_is_read_as_it_was_written(frame in samples::frame()) {
        prop_assert_eq!(Frame::decode(frame.encode()), Ok(frame));
    }

    #[test]
    fn random_bytes_never_panic_and_have_one_form(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_and_written(&Bytes::from(bytes.clone()));
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert_eq!(message.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_frame_that_is_cut_or_goes_on_is_refused(frame in samples::frame(), at in any::<prop::sample::Index>()) {
        let whole = frame.encode();
        prop_assert!(Frame::decode(whole.slice(..at.index(whole.len()))).is_err());
        prop_assert!(Frame::decode([&whole[..], &[0]].concat().into()).is_err());
    }
}

/// So a signature over bytes is a signature over a value: no two byte strings say the same.
#[test]
fn every_flipped_bit_of_a_thousand_frames_is_refused_or_says_something_else() {
    let config = Config { rng_seed: RngSeed::Fixed(1), ..Config::default() };
    let mut runner = TestRunner::new(config);
    let mut n_read = 0_u64;
    for _ in 0..1000 {
        let frame = samples::frame().new_tree(&mut runner).unwrap().current();
        let whole = frame.encode();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // What is read is written as these bytes, so it isn't what the whole frame says.
            n_read += u64::from(read_and_written(&flipped.into()).is_ok());
        }
    }
    // Signatures and numbers take any bits: a test that reads nothing would show nothing.
    assert!(n_read > 100_000, "only {n_read} were read");
}

#[test]
fn bounds_are_refused_by_name() {
    let read = |bytes: &[u8]| Frame::decode(Bytes::copy_from_slice(bytes)).unwrap_err().to_string();
    assert_eq!(Frame::decode(samples::too_long()).unwrap_err().expected, "at most a MiB");
    assert_eq!(read(&[]), "byte 0: expected another byte");
    assert_eq!(read(&[9]), "byte 0: expected a kind of frame");
    assert_eq!(read(&[3, 7]), "byte 1: expected a kind of close");
    assert_eq!(read(&[2, 0x80, 0]), "byte 1: expected a varint of 64 bits in its shortest form");
    assert_eq!(read(&[2, 0, 0, 0, 0]), "byte 4: expected 1 to 256 messages");
    // 257 messages of no bytes; 2 where there is room for one.
    let many = [&[2, 0, 0, 0, 0x81, 0x02][..], &[0; 257]].concat();
    assert_eq!(read(&many), "byte 4: expected 1 to 256 messages");
    // The count of routes says more than could follow: nothing is reserved for them.
    let message = [1, 1, b'f', 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0x07];
    let refused = Message::decode(&message).unwrap_err();
    assert_eq!(refused.to_string(), "byte 11: expected at most 1024 routes");
}

#[test]
fn what_may_be_left_out_has_to_be() {
    // A withdrawal of `b` in `f`; the claim says its originator `a`, and then once more.
    let claim = |originator: &[u8]| {
        let flags = if originator.is_empty() { 0b0000_1011 } else { 0b0010_1011 };
        [&[flags, 1, b'b'], originator, &[1, 1, 1], &[0; 72]].concat()
    };
    let both = |second: &[u8]| {
        Message::decode(&[&[2, 1, b'f', 2][..], &claim(&[1, b'a']), &claim(second)].concat())
    };
    both(&[]).unwrap();
    both(&[1, b'c']).unwrap();
    let twice = both(&[1, b'a']).unwrap_err();
    assert_eq!(twice.expected, "another originator than the one before");
}

#[test]
fn signatures_of_messages_stand_with_their_messages() {
    let mut runner = TestRunner::new(Config { rng_seed: RngSeed::Fixed(2), ..Config::default() });
    let mut n_each = 0;
    for _ in 0..100 {
        let frame = samples::frame().new_tree(&mut runner).unwrap().current();
        let Ok(Frame::Batch(batch)) = Frame::decode(frame.encode()) else { continue };
        if let Signed::Each(_, signatures) = &batch.signed {
            assert_eq!(signatures.len(), batch.messages.len());
            n_each += 1;
        }
    }
    assert!(n_each > 5);
}
