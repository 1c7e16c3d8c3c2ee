use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;

use rutter_protocol::speaker::{Check, Ticket};
use rutter_protocol::wire::Signature;

use super::*;
use crate::crypto;

type Answers = mpsc::Receiver<(Ticket, Result<Signature, String>)>;

fn start(spec: &SignerSpec) -> (Signer, Answers) {
    let (told, answers) = mpsc::channel();
    let signer = Signer::start(spec, move |ticket, signature| {
        let _ = told.send((ticket, signature));
    });
    (signer.unwrap(), answers)
}

fn is_good(key: PublicKey, bytes: &[u8], signature: Signature) -> bool {
    crypto::verify(&Check { key, bytes: bytes.to_vec(), signature })
}

#[tokio::test]
async fn a_key_file_is_made_for_its_owner_alone_and_signs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made/key.pem");
    let (signer, answers) = start(&SignerSpec::File(path.clone()));
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let key = signer.primary();
    for n in 0..3 {
        signer.submit(Ticket(n), key.id(), vec![n as u8; 10]);
    }
    signer.submit(Ticket(3), super::key(7).id(), vec![]);
    for n in 0..3 {
        let (ticket, signature) = answers.recv_timeout(LONG).unwrap();
        assert_eq!(ticket, Ticket(n));
        assert!(is_good(key, &[n as u8; 10], signature.unwrap()));
    }
    assert!(answers.recv_timeout(LONG).unwrap().1.unwrap_err().contains("to sign by"));
    let (again, _) = start(&SignerSpec::File(path));
    assert_eq!(again.primary(), key);
}

#[tokio::test]
async fn a_rotation_that_a_crash_cut_is_finished_under_the_key_before() {
    let dir = tempfile::tempdir().unwrap();
    let spec = SignerSpec::File(dir.path().join("key.pem"));
    let (now, own) = (Now::new(5, 5_000), cluster("own"));
    let (signer, _answers) = start(&spec);
    let before = signer.primary();
    let mut registry = KeyRegistry::default();
    assert_eq!(begin_own(&mut registry, now, &own, &signer), None);
    assert_eq!(registry.primary(now, &own).unwrap().1, before);
    let kept = registry.to_kept();

    let after = signer.rotate().unwrap();
    assert_ne!(after, before);
    drop(signer);
    // The process dies here: nobody was told, and the registry knows the key before.
    let (signer, answers) = start(&spec);
    let mut registry = KeyRegistry::from_kept(now, &kept).unwrap();
    assert_eq!(begin_own(&mut registry, now, &own, &signer), Some(after));
    registry.rotate(now, &own, after, LONG);
    let set = registry.set_to_sign(now, &own, (1, 1), before.id()).unwrap();
    let bytes = rutter_protocol::wire::sign::keys_bytes(&set);
    signer.submit(Ticket(1), before.id(), bytes.clone());
    let signature = answers.recv_timeout(LONG).unwrap().1.unwrap();
    assert!(is_good(before, &bytes, signature), "the key before vouches for the new one");
    assert_eq!(begin_own(&mut registry, now, &own, &signer), None, "and that was that");
}

#[tokio::test]
async fn a_key_that_was_put_in_by_hand_takes_the_place_of_one_that_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    let (now, own) = (Now::new(5, 5_000), cluster("own"));
    let mut registry = KeyRegistry::default();
    let (signer, _answers) = start(&SignerSpec::File(path.clone()));
    begin_own(&mut registry, now, &own, &signer);
    fs::remove_file(&path).unwrap();
    let (signer, _answers) = start(&SignerSpec::File(path));
    assert_eq!(begin_own(&mut registry, now, &own, &signer), None);
    let active: Vec<_> = registry.active(now, &own).into_iter().map(|r| r.key).collect();
    assert_eq!(active, [signer.primary()]);
}

/// A command that signs as an HSM's tool would: here by openssl, if it is there, from a file.
fn by_openssl(path: &Path) -> Vec<String> {
    let script = "t=$(mktemp); cat >$t; openssl pkeyutl -sign -rawin -inkey \"$0\" -in $t | \
                  od -An -v -tx1 | tr -d ' \\n'; rm $t";
    vec!["sh".into(), "-c".into(), script.into(), path.display().to_string()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_command_signs_and_its_signature_is_verified_before_it_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    let key = SigningKey::from_seed([5; 32]);
    fs::write(&path, key.to_pem().unwrap()).unwrap();
    let command = by_openssl(&path);
    let (signer, answers) =
        start(&SignerSpec::Command { command: command.clone(), key: key.public() });
    assert!(signer.key().is_none());
    signer.submit(Ticket(1), key.id(), b"to be signed".to_vec());
    let signature = answers.recv_timeout(LONG).unwrap().1.unwrap();
    assert_eq!(signature, key.sign(b"to be signed"));
    assert!(signer.rotate().unwrap_err().to_string().contains("a command signs"));

    let other = SigningKey::from_seed([6; 32]).public();
    let (signer, answers) = start(&SignerSpec::Command { command, key: other });
    signer.submit(Ticket(1), other.id(), b"to be signed".to_vec());
    let why = answers.recv_timeout(LONG).unwrap().1.unwrap_err();
    assert!(why.contains("doesn't sign by"), "{why}");
}

#[tokio::test]
async fn another_file_signs_after_a_reload_and_the_key_before_can_be_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let (signer, answers) = start(&SignerSpec::File(dir.path().join("a.pem")));
    let before = signer.primary();
    let after = signer.replace(&SignerSpec::File(dir.path().join("b.pem"))).unwrap();
    assert_eq!(signer.primary(), after);
    fs::write(dir.path().join("c.pem"), "no key").unwrap();
    assert!(signer.replace(&SignerSpec::File(dir.path().join("c.pem"))).is_err());
    assert_eq!(signer.primary(), after, "nothing changed");
    for (n, key) in [before, after].into_iter().enumerate() {
        signer.submit(Ticket(n as u64), key.id(), b"x".to_vec());
        let signature = answers.recv_timeout(LONG).unwrap().1.unwrap();
        assert!(is_good(key, b"x", signature));
    }
}
