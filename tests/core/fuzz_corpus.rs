//! The fuzzers' targets over their committed corpora: what a fuzzer has once found stays mended.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use targets::journey::{self, BREAK};

#[test]
fn every_target_holds_over_its_corpus() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for (name, target) in targets::ALL {
        let files: Vec<_> = fs::read_dir(corpora.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!files.is_empty(), "the corpus of {name} is empty");
        for file in files {
            let bytes = fs::read(&file).unwrap();
            let held = std::panic::catch_unwind(|| target(&bytes)).is_ok();
            assert!(held, "{name} does not hold for {}", file.display());
        }
    }
}

/// What a mutation puts in: pieces that mean something to one of the readers, and depth.
const PIECES: [&str; 26] = [
    "\0",
    "\u{1b}[2J",
    "\u{202e}",
    "- ",
    ": ",
    "{",
    "[",
    "}",
    "]",
    "\"",
    "'",
    "&a ",
    "*a",
    "!!binary x",
    "{{ x }}",
    "{% x %}",
    "|\n ",
    "\t",
    "#",
    "[x:children]\n",
    "[all:vars]\n",
    "99999999999999999999",
    "-1",
    "1e999",
    "true",
    "~",
];

/// One change of an input: where, how much, and what.
#[derive(Debug, Clone)]
enum Change {
    Cut(prop::sample::Index, usize),
    Double(prop::sample::Index, usize),
    Put(prop::sample::Index, prop::sample::Index),
    Flip(prop::sample::Index, u8),
    Deep(prop::sample::Index, prop::sample::Index, usize),
    Swap(prop::sample::Index, prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 1..200usize).prop_map(|(at, len)| Change::Cut(at, len)),
        (at(), 1..200usize).prop_map(|(at, len)| Change::Double(at, len)),
        (at(), at()).prop_map(|(at, piece)| Change::Put(at, piece)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Flip(at, byte)),
        (at(), at(), 2..20_000usize).prop_map(|(at, piece, times)| Change::Deep(at, piece, times)),
        (at(), at()).prop_map(|(one, other)| Change::Swap(one, other)),
    ]
}

fn changed(mut bytes: Vec<u8>, change: &Change) -> Vec<u8> {
    let place = |at: &prop::sample::Index, bytes: &[u8]| at.index(bytes.len() + 1);
    let end = |from: usize, len: usize, bytes: &[u8]| (from + len).min(bytes.len());
    match change {
        Change::Cut(at, len) => {
            let from = place(at, &bytes);
            bytes.drain(from..end(from, *len, &bytes));
        }
        Change::Double(at, len) => {
            let from = place(at, &bytes);
            let piece = bytes[from..end(from, *len, &bytes)].to_vec();
            bytes.splice(from..from, piece);
        }
        Change::Put(at, piece) => {
            let from = place(at, &bytes);
            bytes.splice(from..from, piece.get(&PIECES).bytes());
        }
        Change::Flip(at, byte) => {
            let from = at.index(bytes.len().max(1));
            bytes.iter_mut().skip(from).take(1).for_each(|old| *old ^= byte);
        }
        Change::Deep(at, piece, times) => {
            let from = place(at, &bytes);
            bytes.splice(from..from, piece.get(&PIECES).repeat(*times).into_bytes());
        }
        Change::Swap(one, other) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let mut lines: Vec<&str> = text.split('\n').collect();
            let (one, other) = (one.index(lines.len()), other.index(lines.len()));
            lines.swap(one, other);
            bytes = lines.join("\n").into_bytes();
        }
    }
    bytes
}

#[test]
fn every_owner_goes_the_whole_way_on_every_machine() {
    for seed in journey::seeds() {
        journey::journey(seed.as_bytes());
    }
}

/// From valid files of every owner on every machine on, changed in a few places, the whole way from reading to taking back: `GPUNODE_JOURNEYS` says how
/// many inputs.
#[test]
fn no_changed_file_breaks_a_journey() {
    let wanted: u32 = std::env::var("GPUNODE_JOURNEYS").ok().and_then(|text| text.parse().ok()).unwrap_or(24);
    let seeds = journey::seeds();
    assert!(seeds.iter().all(|seed| seed.split(BREAK).count() == journey::DOCUMENTS.len()));
    let done = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(2, |count| u32::try_from(count.get()).unwrap_or(2));
    let work = || {
        let mut runner =
            TestRunner::new(Config { cases: wanted.div_ceil(threads), failure_persistence: None, ..Config::default() });
        let strategy = (any::<prop::sample::Index>(), prop::collection::vec(change(), 1..6));
        runner.run(&strategy, |(seed, changes)| {
            let input = changes.iter().fold(seed.get(seeds).as_bytes().to_vec(), changed);
            done.fetch_add(1, Ordering::Relaxed);
            journey::journey(&input);
            Ok(())
        })
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for thread in running {
            thread.join().unwrap().unwrap();
        }
    });
    println!("journeys: {} inputs went the whole way", done.load(Ordering::Relaxed));
    assert!(done.load(Ordering::Relaxed) >= wanted as usize);
}
