//! The download of a runfile from servers that stall, cut, forget and lie. Real curl, real engine, a server of our own.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::support::{
    engine::{self, Done, machine},
    fileserver::{Answer, FileServer},
};
use gpunode::{
    engine::Event,
    plan::{ActionSpec, action::checksum::Checksum, action::fetch_runfile::FetchRunfile, action::kind::sha256},
    session::Status,
};

/// Bytes that no two places of are alike.
fn file() -> Vec<u8> {
    (0u32..75_000).flat_map(u32::to_le_bytes).collect()
}

struct Scratch {
    folder: tempfile::TempDir,
    fetch: FetchRunfile,
}

impl Scratch {
    fn new(url: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("downloads/cuda.run");
        let fetch = FetchRunfile::new(url, target, Some(file().len() as u64), Checksum::Sha256(sha256(&file())));
        Self { folder, fetch: FetchRunfile { stall_seconds: 1, ..fetch } }
    }

    fn run(&self) -> Done {
        engine::run(&machine(), self.folder.path(), ActionSpec::FetchRunfile(self.fetch.clone()), &mut |_, _| {})
    }

    fn target(&self) -> &Path {
        &self.fetch.file
    }
}

fn demand(done: &Done, status: Status) {
    assert_eq!(done.record.status, status, "{:?}\n{}", done.record.evidence, done.lines());
}

#[test]
fn a_good_server_is_believed_only_by_the_checksum() {
    let server = FileServer::new(&file(), &[Answer::Well]);
    let scratch = Scratch::new(server.url());
    let done = scratch.run();
    demand(&done, Status::Done);
    assert_eq!(fs::read(scratch.target()).unwrap(), file());
    assert_eq!(fs::metadata(scratch.target()).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(done.record.evidence[0].contains("expected checksum"));
    // A second run downloads nothing.
    demand(&scratch.run(), Status::Done);
    assert_eq!(server.asked(), [None]);
}

#[test]
fn a_cut_connection_goes_on_where_it_stopped() {
    let server = FileServer::new(&file(), &[Answer::Cut(100_000), Answer::Cut(50_000), Answer::Well]);
    let scratch = Scratch::new(server.url());
    demand(&scratch.run(), Status::Done);
    assert_eq!(server.asked(), [None, Some(100_000), Some(150_000)]);
}

#[test]
fn a_silent_server_is_left_and_asked_again() {
    let server = FileServer::new(&file(), &[Answer::Stall(200_000), Answer::Well]);
    let scratch = Scratch::new(server.url());
    demand(&scratch.run(), Status::Done);
    assert_eq!(server.asked(), [None, Some(200_000)]);
}

#[test]
fn a_server_without_ranges_sends_all_of_it_again() {
    let server = FileServer::new(&file(), &[Answer::Cut(100_000), Answer::Everything, Answer::Everything]);
    let scratch = Scratch::new(server.url());
    let done = scratch.run();
    demand(&done, Status::Done);
    assert!(done.lines().contains("begins anew"), "{}", done.lines());
    assert_eq!(server.asked(), [None, Some(100_000), None]);
}

#[test]
fn an_error_page_is_never_kept_as_the_file() {
    let server = FileServer::new(&file(), &[Answer::Page(404)]);
    let scratch = Scratch::new(server.url());
    let done = scratch.run();
    demand(&done, Status::Failed);
    assert!(done.record.evidence[0].contains("answers 404"), "{:?}", done.record.evidence);
    assert_eq!(done.hits(), ["runfile-404"]);
    assert!(done.events.iter().any(|event| matches!(event, Event::Hit(hit) if hit.signature == "runfile-404")));
    assert_eq!(fs::metadata(scratch.target()).map_or(0, |meta| meta.len()), 0);
}

#[test]
fn a_busy_server_is_asked_again_and_given_up_at_last() {
    let server = FileServer::new(&file(), &[Answer::Page(503), Answer::Well]);
    demand(&Scratch::new(server.url()).run(), Status::Done);
    let server = FileServer::new(&file(), &[Answer::Page(503)]);
    demand(&Scratch::new(server.url()).run(), Status::Failed);
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn what_has_arrived_stays_when_the_network_fails_and_is_used_by_the_next_try() {
    let mut answers = vec![Answer::Cut(100_000)];
    answers.extend([Answer::Cut(0), Answer::Cut(0), Answer::Cut(0), Answer::Well]);
    let server = FileServer::new(&file(), &answers);
    let scratch = Scratch::new(server.url());
    let done = scratch.run();
    demand(&done, Status::Failed);
    assert!(done.record.evidence[0].contains("100000 bytes have arrived and are kept"), "{:?}", done.record.evidence);
    assert_eq!(fs::read(scratch.target()).unwrap(), file()[..100_000]);
    demand(&scratch.run(), Status::Done);
    assert_eq!(server.asked().last(), Some(&Some(100_000)));
}

#[test]
fn a_wrong_file_is_discarded() {
    let wrong = vec![7; file().len()];
    let server = FileServer::new(&file(), &[Answer::Other(wrong)]);
    let scratch = Scratch::new(server.url());
    let done = scratch.run();
    demand(&done, Status::Failed);
    assert!(done.record.evidence[0].ends_with("it was deleted"), "{:?}", done.record.evidence);
    assert!(!scratch.target().exists());
}

#[test]
fn a_short_page_with_status_200_is_discarded_too() {
    let server = FileServer::new(&file(), &[Answer::Other(b"<html>log in to the hotel's network</html>".to_vec())]);
    let scratch = Scratch::new(server.url());
    let done = scratch.run();
    demand(&done, Status::Failed);
    assert!(done.record.evidence[0].contains("300000 were expected"), "{:?}", done.record.evidence);
    assert!(!scratch.target().exists());
}

#[test]
fn what_is_too_long_to_be_the_file_is_not_gone_on_with() {
    let server = FileServer::new(&file(), &[Answer::Well]);
    let scratch = Scratch::new(server.url());
    fs::create_dir_all(scratch.target().parent().unwrap()).unwrap();
    fs::write(scratch.target(), [file(), vec![1]].concat()).unwrap();
    demand(&scratch.run(), Status::Done);
    assert_eq!(server.asked(), [None]);
}

#[test]
fn a_stop_ends_the_download_and_keeps_the_part() {
    let server = FileServer::new(&file(), &[Answer::Stall(150_000)]);
    let scratch = Scratch::new(server.url());
    let fetch = FetchRunfile { stall_seconds: 60, ..scratch.fetch.clone() };
    let target = scratch.target();
    let done = engine::run(&machine(), scratch.folder.path(), ActionSpec::FetchRunfile(fetch), &mut |event, cancel| {
        if matches!(event, Event::Progress(progress) if progress.done > 0) {
            cancel.cancel();
        }
    });
    demand(&done, Status::Cancelled);
    assert!(target.exists());
}

#[test]
fn a_proxy_is_used_and_its_address_is_on_no_command_line() {
    let proxy = FileServer::new(&file(), &[Answer::Well]);
    let scratch = Scratch::new("http://developer.download.nvidia.invalid/cuda.run".to_owned());
    let address = proxy.url().parse().expect("an address");
    let fetch = FetchRunfile { proxy: Some(address), ..scratch.fetch.clone() };
    let done = engine::run(&machine(), scratch.folder.path(), ActionSpec::FetchRunfile(fetch), &mut |_, _| {});
    demand(&done, Status::Done);
    assert!(!done.lines().contains("--proxy"), "{}", done.lines());
}
