//! What is ours is told from what is not.

use super::*;
use crate::{
    plan::action::{
        mark_node::{MarkNode, NodeMark},
        set_paths::SetPaths,
        undo::Undo,
    },
    session::{Place, Status},
};

const HERE: &str = "machine-1";

/// A session of this machine with one plan and one record, signed and read again.
fn signed(seal: &Seal) -> Session {
    let mut session = Session::new(HERE.to_owned(), "node1".to_owned(), jiff::Timestamp::UNIX_EPOCH);
    let action = Action::new(Step::Driver, "set-paths", SetPaths { prefix: "/usr/local/cuda-11.0".into() }, &[]);
    session.replan(Step::Driver, vec![action.clone()]);
    session.journal.push(Record {
        action,
        status: Status::Done,
        done_on: None,
        started: jiff::Timestamp::UNIX_EPOCH,
        ended: None,
        log: Some("/var/lib/gpunode/session.yaml.d/001-set-paths.log".into()),
        job: None,
        exit: None,
        before: [("a".to_owned(), "b: [c]\n\t\u{feff} ".to_owned())].into(),
        evidence: vec!["it's\n\"done\"".to_owned()],
        hits: Vec::new(),
        failure: None,
        undo: Some(Undo::Files(Vec::new())),
        seal: None,
        is_foreign: false,
    });
    seal.sign(&mut session);
    read_again(&session)
}

fn read_again(session: &Session) -> Session {
    serde_yaml::from_str(&serde_yaml::to_string(session).unwrap()).unwrap()
}

fn is_trusted(session: &Session, seal: Option<&Seal>) -> (bool, bool) {
    let mut session = session.clone();
    verify(seal, &mut session, HERE);
    (!session.journal[0].is_foreign, session.has_plan(Step::Driver))
}

#[test]
fn what_was_written_here_is_ours_after_it_was_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let seal = Seal::open(folder.path(), HERE).unwrap();
    let session = signed(&seal);
    assert_eq!(is_trusted(&session, Some(&seal)), (true, true));
    // The key is the same the next time, and for its owner only.
    assert_eq!(is_trusted(&session, Some(&Seal::open(folder.path(), HERE).unwrap())), (true, true));
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(folder.path().join(FILE)).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    // What was ours stays ours, however often it is signed.
    let mut again = session.clone();
    verify(Some(&seal), &mut again, HERE);
    seal.sign(&mut again);
    assert_eq!(is_trusted(&read_again(&again), Some(&seal)), (true, true));
}

#[test]
fn another_key_another_machine_and_no_key_are_not_ours() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let session = signed(&Seal::open(one.path(), HERE).unwrap());
    assert_eq!(is_trusted(&session, Some(&Seal::open(two.path(), HERE).unwrap())), (false, false));
    assert_eq!(is_trusted(&session, None), (false, false));
    // A disk that was cloned with its key.
    assert_eq!(is_trusted(&session, Some(&Seal::open(one.path(), "machine-2").unwrap())), (false, false));
}

#[test]
fn every_edit_of_a_record_or_a_plan_is_seen() {
    type Edit = (&'static str, fn(&mut Session));
    let folder = tempfile::tempdir().unwrap();
    let seal = Seal::open(folder.path(), HERE).unwrap();
    let evil = || SetPaths { prefix: "/tmp/evil".into() }.into();
    let records: [Edit; 8] = [
        ("status", |session| session.journal[0].status = Status::Intent),
        ("place", |session| {
            session.journal[0].done_on = Some(Place { machine: HERE.to_owned(), hostname: String::new() });
        }),
        ("log", |session| session.journal[0].log = Some("/etc/shadow".into())),
        ("undo", |session| session.journal[0].undo = Some(Undo::Parameters)),
        ("before", |session| session.journal[0].before.clear()),
        ("id", |session| session.journal[0].action.id = "edit-file:/etc/passwd".to_owned()),
        ("seal", |session| session.journal[0].seal = Some("0".repeat(64))),
        ("no seal", |session| session.journal[0].seal = None),
    ];
    for (name, edit) in records {
        let mut session = signed(&seal);
        edit(&mut session);
        assert_eq!(is_trusted(&session, Some(&seal)), (false, true), "{name}");
    }
    let mut session = signed(&seal);
    session.plan.actions[0].kind = evil();
    assert_eq!(is_trusted(&session, Some(&seal)), (true, false));
    let mut session = signed(&seal);
    session.journal[0].action.kind = evil();
    assert_eq!(is_trusted(&session, Some(&seal)), (false, true));
    // Taken out of another session of this very machine.
    let mut session = signed(&seal);
    session.created = jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(1);
    assert_eq!(is_trusted(&session, Some(&seal)), (false, false));
}

#[test]
fn a_carried_plan_is_kept_for_its_own_machine_and_what_is_done_here_is_signed_here() {
    let (node, ansible) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (at_node, at_ansible) =
        (Seal::open(node.path(), HERE).unwrap(), Seal::open(ansible.path(), "ansible").unwrap());
    let mut session = signed(&at_node);
    verify(Some(&at_ansible), &mut session, "ansible");
    assert!(
        session.foreign_plans.contains(&Step::Driver)
            && !session.has_plan(Step::Driver)
            && session.plan.actions.len() == 1
    );
    session.journal.push(Record { is_foreign: false, seal: None, ..session.journal[0].clone() });
    at_ansible.sign(&mut session);
    let session = read_again(&session);
    let mut there = session.clone();
    verify(Some(&at_ansible), &mut there, "ansible");
    assert_eq!(there.journal.iter().map(|record| record.is_foreign).collect::<Vec<_>>(), [true, false]);
    let mut back = session;
    verify(Some(&at_node), &mut back, HERE);
    assert_eq!(back.journal.iter().map(|record| record.is_foreign).collect::<Vec<_>>(), [false, true]);
    assert!(back.has_plan(Step::Driver));
}

/// `remove-taint` was an action of its own once; its record says less than one of today, so its seal is of other words.
/// It is read, shown, and as little run or taken back as any other record without a good seal; the records beside it
/// stay this machine's own.
#[test]
fn a_record_of_an_older_version_is_read_and_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let seal = Seal::open(folder.path(), HERE).unwrap();
    let mut session = signed(&seal);
    let node = |mark| MarkNode { kubeconfig: Some("/root/.kube/config".into()), node: "node1".to_owned(), mark };
    let action = Action::new(Step::Verify, "remove-taint", node(NodeMark::NoGpuTaint), &[]);
    session.journal.push(Record { action, seal: None, ..session.journal[0].clone() });
    seal.sign(&mut session);
    let today = serde_yaml::to_string(&session).unwrap();
    let lines: Vec<&str> = today.lines().collect();
    let tag = lines.iter().position(|line| line.contains("!mark-node")).unwrap();
    assert!(lines[tag + 3].trim() == "mark: no-gpu-taint", "{today}");
    let old: String = lines
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != tag + 3)
        .map(|(_, line)| line.replace("!mark-node", "!remove-taint") + "\n")
        .collect();
    let mut read: Session = serde_yaml::from_str(&old).unwrap();
    verify(Some(&seal), &mut read, HERE);
    assert_eq!(read.journal[1].action.kind, node(NodeMark::NoGpuTaint).into());
    // What is read of it today is word for word what was signed: the mark that is left out is the one that is meant.
    assert_eq!(read.journal.iter().map(|record| record.is_foreign).collect::<Vec<_>>(), [false, false]);
    // The record that the old version itself has signed, without the mark in its words.
    read.journal[1].seal = Some("ab".repeat(SEAL_LENGTH));
    verify(Some(&seal), &mut read, HERE);
    assert_eq!(read.journal.iter().map(|record| record.is_foreign).collect::<Vec<_>>(), [false, true]);
}
