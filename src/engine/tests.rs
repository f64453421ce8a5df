//! What the engine does with an action, whatever the action is: on a machine whose files are in a folder and whose
//! programs are a table.

mod host_actions;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use super::{
    Outcome, Runner,
    undo::{UndoResult, undo_all},
};
use crate::{
    host::{
        Cancel, Command, CommandError, Commands, Exit, Host, Line,
        command::{Job, Liveness, Note, Stream},
    },
    i18n::Lang,
    plan::{
        Action, ActionSpec, Step,
        action::{
            blacklist_nouveau::BlacklistNouveau, edit_file::EditFile, fetch_runfile::FetchRunfile, kind::sha256,
            remove_runfile_driver::RemoveRunfileDriver, stop_unit::StopUnit, undo::Undo,
        },
    },
    session::{Session, Status, seal, seal::Seal, store::Store},
};

/// What happens on the machine while a command runs.
type During = Box<dyn FnMut(&str) + Send>;

/// The programs of the machine: each command is kept, and ends as the table says; one that is not in it ends well.
#[derive(Default)]
struct Table {
    ran: Mutex<Vec<String>>,
    ends: Mutex<BTreeMap<String, (Exit, String)>>,
    /// What is known of every job; nothing means that it has ended.
    alive: Mutex<Option<Liveness>>,
    /// Run while a command runs, with its line.
    during: Mutex<Option<During>>,
}

impl Table {
    fn end(&self, command: &Command) -> (Exit, String) {
        let line = command.argv().join(" ");
        self.ran.lock().unwrap().push(line.clone());
        if let Some(during) = &mut *self.during.lock().unwrap() {
            during(&line);
        }
        let ends = self.ends.lock().unwrap();
        ends.iter()
            .find(|(start, _)| line.starts_with(start.as_str()))
            .map_or((Exit::Code(0), String::new()), |(_, end)| end.clone())
    }
}

impl Commands for Table {
    fn locate(&self, program: &str) -> Option<PathBuf> {
        Some(Path::new("/usr/bin").join(program))
    }

    fn run(&self, command: &Command, _cancel: &Cancel, on_line: &mut dyn FnMut(Line)) -> Result<Exit, CommandError> {
        command.demand_plain()?;
        let (exit, text) = self.end(command);
        text.lines().for_each(|line| on_line(Line { stream: Stream::Stdout, bytes: line.as_bytes().to_owned() }));
        Ok(exit)
    }

    fn start(&self, command: &Command, log: &Path, note: &mut Note<'_>) -> Result<Job, CommandError> {
        command.demand_plain()?;
        let job = Job { pid: 4001, started: 1, log: log.to_owned() };
        note(&job).map_err(|reason| CommandError::Unnoted { program: command.program.clone(), reason })?;
        let (_, text) = self.end(command);
        crate::private::write(log, format!("{text}\n").as_bytes()).unwrap();
        Ok(job)
    }

    fn liveness(&self, _log: &Path) -> Liveness {
        self.alive.lock().unwrap().clone().unwrap_or(Liveness::Ended)
    }

    fn find(&self, _log: &Path) -> Option<Job> {
        None
    }

    fn follow(&self, _job: &Job, _offset: u64, cancel: &Cancel, _on_line: &mut dyn FnMut(Line)) -> Exit {
        let last = self.ran.lock().unwrap().last().cloned().unwrap_or_default();
        let ends = self.ends.lock().unwrap();
        if cancel.is_cancelled() {
            return Exit::Cancelled;
        }
        ends.iter().find(|(start, _)| last.starts_with(start.as_str())).map_or(Exit::Code(0), |(_, end)| end.0)
    }
}

struct World {
    folder: tempfile::TempDir,
    table: Arc<Table>,
    host: Host,
    store: Store,
    session: Session,
    cancel: Cancel,
}

impl World {
    fn new(actions: Vec<Action>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("etc/machine-id"), "machine-1\n").unwrap();
        let table = Arc::new(Table::default());
        let host = Host { commands: table.clone(), ..Host::local(&root) };
        let store = Store::open(&folder.path().join("state/session.yaml")).unwrap();
        let mut session = Session::new(host.identity(), "node1".to_owned(), host.clock.now());
        session.replan(Step::Driver, actions);
        Self { folder, table, host, store, session, cancel: Cancel::default() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }

    fn end(&self, command: &str, exit: Exit, text: &str) {
        self.table.ends.lock().unwrap().insert(command.to_owned(), (exit, text.to_owned()));
    }

    /// Does something while commands run.
    fn during(&self, act: impl FnMut(&str) + Send + 'static) {
        *self.table.during.lock().unwrap() = Some(Box::new(act));
    }

    fn run(&mut self) -> Outcome {
        let (host, store, session, cancel) = (&self.host, &self.store, &mut self.session, &self.cancel);
        Runner { host, store, session, cancel, secret: None }.run(Step::Driver, &mut |_| {}).unwrap()
    }

    fn undo(&mut self) -> Vec<(String, UndoResult)> {
        let results = undo_all(&self.host, &self.store, &mut self.session, &self.cancel, &mut |_| {}).unwrap();
        results.into_iter().map(|(action, result)| (action.id, result)).collect()
    }

    fn statuses(&self) -> Vec<(&str, Status)> {
        self.session.journal.iter().map(|record| (record.action.id.as_str(), record.status)).collect()
    }

    fn ran(&self, start: &str) -> usize {
        self.table.ran.lock().unwrap().iter().filter(|line| line.starts_with(start)).count()
    }
}

fn action(id: &str, kind: impl Into<ActionSpec>) -> Action {
    Action::new(Step::Driver, id, kind, &[])
}

fn edit(path: &str, before: &str, after: &str) -> Action {
    action(
        &format!("edit-file:{path}"),
        EditFile {
            path: path.into(),
            before_sha256: sha256(before.as_bytes()),
            after: after.to_owned(),
            changes: Vec::new(),
        },
    )
}

fn removal() -> Action {
    action(
        "remove-runfile-driver",
        RemoveRunfileDriver { uninstaller: "/usr/bin/nvidia-uninstall".into(), version: "1".to_owned() },
    )
}

#[test]
fn what_is_done_already_is_found_and_not_done() {
    let mut world = World::new(vec![removal()]);
    assert_eq!(world.run(), Outcome::Done);
    assert_eq!(world.statuses(), [("remove-runfile-driver", Status::AlreadyDone)]);
    assert_eq!(world.ran("/usr/bin/nvidia-uninstall"), 0);
    assert!(world.undo().is_empty(), "what was found is nobody's to take back");
}

#[test]
fn the_intent_is_on_disk_before_anything_happens_and_the_result_after() {
    let mut world = World::new(vec![removal()]);
    world.write("/usr/bin/nvidia-uninstall", "");
    let (file, uninstaller) = (world.folder.path().join("state/session.yaml"), world.path("/usr/bin/nvidia-uninstall"));
    let seen = Arc::new(Mutex::new(String::new()));
    let kept = seen.clone();
    world.during(move |_| {
        *kept.lock().unwrap() = fs::read_to_string(&file).unwrap();
        fs::remove_file(&uninstaller).unwrap_or_default();
    });
    assert_eq!(world.run(), Outcome::Done);
    assert!(seen.lock().unwrap().contains("status: intent"), "{}", seen.lock().unwrap());
    assert_eq!(world.store.load().unwrap().unwrap().journal[0].status, Status::Done);
    assert_eq!(world.session.done, [Step::Driver]);
}

#[test]
fn a_command_that_ends_well_and_changes_nothing_is_a_failure() {
    let mut world = World::new(vec![removal()]);
    world.write("/usr/bin/nvidia-uninstall", "");
    assert!(matches!(world.run(), Outcome::Failed { .. }));
    assert_eq!(world.session.journal[0].evidence, ["the wanted state did not come about"]);
    let told = world.session.journal[0].failure.as_ref().map(|failure| failure.text(Lang::Ko));
    assert_eq!(told.as_deref(), Some("원하는 상태가 되지 않았습니다"));
}

#[test]
fn a_failure_stops_the_run_unless_it_may_fail() {
    for may_fail in [false, true] {
        let stop = Action { may_fail, ..action("stop-unit:a.service", StopUnit { unit: "a.service".to_owned() }) };
        let mut world = World::new(vec![stop, edit("/etc/x", "", "x")]);
        world.end("systemctl is-active", Exit::Code(0), "active");
        world.end("systemctl stop", Exit::Code(1), "");
        let outcome = world.run();
        assert_eq!(outcome == Outcome::Done, may_fail, "{outcome:?}");
        assert_eq!(world.path("/etc/x").exists(), may_fail);
        assert_eq!(world.session.journal[0].status, Status::Failed);
    }
}

#[test]
fn a_cancelled_run_stops_there_and_the_next_one_goes_on() {
    let mut world = World::new(vec![removal(), edit("/etc/x", "", "x")]);
    world.write("/usr/bin/nvidia-uninstall", "");
    world.cancel.cancel();
    assert_eq!(world.run(), Outcome::Cancelled);
    assert_eq!(world.statuses(), [("remove-runfile-driver", Status::Cancelled)]);
    world.cancel = Cancel::default();
    let uninstaller = world.path("/usr/bin/nvidia-uninstall");
    world.during(move |_| fs::remove_file(&uninstaller).unwrap_or_default());
    assert_eq!(world.run(), Outcome::Done);
    assert!(world.path("/etc/x").exists());
}

#[test]
fn what_only_the_journal_knows_is_done_once_and_again_after_an_interruption() {
    let blacklist = || action("blacklist-nouveau", BlacklistNouveau { family: "debian".to_owned() });
    let mut world = World::new(vec![blacklist()]);
    assert_eq!(world.run(), Outcome::Done);
    assert_eq!(world.run(), Outcome::Done);
    assert_eq!(world.ran("update-initramfs"), 1);
    // The file is in place; whether the initramfs was rebuilt nobody saw.
    world.session.journal[0].status = Status::Intent;
    world.session.journal[0].job = None;
    assert_eq!(world.run(), Outcome::Done);
    assert_eq!(world.ran("update-initramfs"), 2);
}

#[test]
fn an_interrupted_action_gets_the_verdict_of_a_watched_one() {
    // Killed after its command ended well: what is left of the work is done, and the same judge decides.
    for uninstalls in [true, false] {
        let mut watched = World::new(vec![removal()]);
        let mut killed = World::new(vec![removal()]);
        for world in [&mut watched, &mut killed] {
            world.write("/usr/bin/nvidia-uninstall", "");
            let uninstaller = world.path("/usr/bin/nvidia-uninstall");
            world.during(move |_| {
                if uninstalls {
                    fs::remove_file(&uninstaller).unwrap_or_default();
                }
            });
            world.run();
        }
        let record = killed.session.journal.last_mut().unwrap();
        (record.status, record.evidence) = (Status::Intent, Vec::new());
        killed.run();
        assert_eq!(
            killed.session.journal.last().unwrap().status,
            watched.session.journal[0].status,
            "uninstalls: {uninstalls}"
        );
        assert_eq!(killed.session.journal.last().unwrap().evidence, watched.session.journal[0].evidence);
    }
}

#[test]
fn the_walk_back_goes_from_the_newest_to_the_oldest_and_leaves_what_others_changed() {
    let mut world = World::new(vec![edit("/etc/a", "", "a"), edit("/etc/b", "old b", "b"), edit("/etc/c", "", "c")]);
    world.write("/etc/b", "old b");
    assert_eq!(world.run(), Outcome::Done);
    world.write("/etc/a", "somebody's");
    let results = world.undo();
    assert_eq!(
        results.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(),
        ["edit-file:/etc/c", "edit-file:/etc/b", "edit-file:/etc/a"]
    );
    assert!(
        matches!(&results[2].1, UndoResult::Kept(why) if why.text(Lang::En).contains("changed since")),
        "{results:?}"
    );
    assert_eq!(fs::read_to_string(world.path("/etc/b")).unwrap(), "old b");
    assert!(!world.path("/etc/c").exists());
    assert_eq!(fs::read_to_string(world.path("/etc/a")).unwrap(), "somebody's");
}

#[test]
fn a_backup_that_is_not_what_was_saved_is_not_put_back() {
    let mut world = World::new(vec![edit("/etc/b", "old b", "b")]);
    world.write("/etc/b", "old b");
    assert_eq!(world.run(), Outcome::Done);
    let backup = world.store.folder().unwrap().join(format!("backup-{}", sha256(b"old b")));
    crate::private::write(&backup, b"evil").unwrap();
    assert!(matches!(&world.undo()[0].1, UndoResult::Kept(why) if why.text(Lang::En).contains("not what was saved")));
    assert_eq!(fs::read_to_string(world.path("/etc/b")).unwrap(), "b");
}

// A session that somebody else has written: nothing of it is run.

/// Values that would be something else to a program, a path or a file.
const HOSTILE: [&str; 9] = ["", "--all", "-o=x", "a\nb", "../../etc/shadow", "a/../b", "a;b", "$(id)", "\u{0}"];

#[test]
fn while_a_job_is_not_known_to_have_ended_nothing_is_taken_back() {
    let left = [Liveness::Running, Liveness::Unknown("no locks here".to_owned())];
    for (status, alive) in [Status::Intent, Status::Failed, Status::Undoing, Status::Done]
        .into_iter()
        .flat_map(|s| left.clone().map(|a| (s, a)))
    {
        let mut world = World::new(vec![
            action("x", StopUnit { unit: "nvidia-persistenced.service".to_owned() }),
            edit("/etc/a", "", "a"),
        ]);
        world.run();
        world.session.journal.iter_mut().for_each(|record| {
            (record.status, record.log) = (status, Some("/some/log".into()));
            record.undo.get_or_insert(Undo::Parameters);
        });
        let before = (world.table.ran.lock().unwrap().len(), fs::read(world.path("/etc/a")).ok());
        *world.table.alive.lock().unwrap() = Some(alive.clone());
        let results = world.undo();
        assert!(
            !results.is_empty() && results.iter().all(|(_, result)| matches!(result, UndoResult::Kept(_))),
            "{status:?} {alive:?}: {results:?}"
        );
        assert_eq!(
            (world.table.ran.lock().unwrap().len(), fs::read(world.path("/etc/a")).ok()),
            before,
            "{status:?} {alive:?}"
        );
    }
}

#[test]
fn hostile_parameters_run_nothing_and_take_nothing_back() {
    for value in HOSTILE {
        let kinds: [ActionSpec; 4] = [
            StopUnit { unit: value.to_owned() }.into(),
            RemoveRunfileDriver { uninstaller: value.into(), version: "1".to_owned() }.into(),
            EditFile { path: value.into(), before_sha256: sha256(b""), after: "x".to_owned(), changes: Vec::new() }
                .into(),
            crate::plan::action::mark_node::MarkNode {
                kubeconfig: None,
                node: value.to_owned(),
                mark: crate::plan::action::mark_node::NodeMark::GpuTaint,
            }
            .into(),
        ];
        for kind in kinds {
            let mut world = World::new(vec![action("x", kind)]);
            assert!(matches!(world.run(), Outcome::Failed { .. }), "{value:?}");
            let record = &mut world.session.journal[0];
            (record.status, record.undo) = (Status::Done, Some(Undo::Parameters));
            assert!(world.undo().iter().all(|(_, result)| matches!(result, UndoResult::Kept(_))), "{value:?}");
            assert_eq!(*world.table.ran.lock().unwrap(), Vec::<String>::new(), "{value:?}");
        }
    }
}

#[test]
fn an_undo_that_was_edited_touches_no_file_of_others() {
    let mut world = World::new(vec![edit("/etc/a", "", "a")]);
    world.write("/etc/shadow", "root");
    assert_eq!(world.run(), Outcome::Done);
    let edits: [fn(&mut crate::plan::action::undo::SavedFile); 3] = [
        |file| file.path = "/etc/shadow".into(),
        |file| file.before_sha256 = Some("../../../etc/passwd".to_owned()),
        |file| file.written_sha256 = "-".to_owned(),
    ];
    for edit in edits {
        let record = world.session.journal[0].clone();
        let Some(Undo::Files(files)) = &mut world.session.journal[0].undo else { panic!("another undo") };
        edit(&mut files[0]);
        assert!(matches!(world.undo()[0].1, UndoResult::Kept(_)));
        world.session.journal[0] = record;
    }
    assert_eq!(fs::read_to_string(world.path("/etc/shadow")).unwrap(), "root");
}

#[test]
fn a_forged_session_is_shown_and_neither_run_nor_taken_back() {
    let mut world = World::new(vec![
        edit("/etc/a", "", "a"),
        action("fetch", {
            let sum = crate::plan::action::checksum::Checksum::Sha256("0".repeat(64));
            FetchRunfile::new("https://evil/x", "/etc/cron.d/x", None, sum)
        }),
    ]);
    world.write("/etc/a", "a");
    let mut forged = world.session.clone();
    let mut runner =
        Runner { host: &world.host, store: &world.store, session: &mut forged, cancel: &world.cancel, secret: None };
    runner.run(Step::Driver, &mut |_| {}).unwrap();
    for record in &mut forged.journal {
        (record.status, record.undo) = (Status::Done, Some(Undo::Parameters));
    }
    world.table.ran.lock().unwrap().clear();
    let _ = fs::remove_file(world.path("/etc/cron.d/x"));
    // It claims to be of this machine: the plan is made anew.
    let key = Seal::open(&world.folder.path().join("key"), "machine-1").unwrap();
    for machine in ["machine-1", "machine-2"] {
        forged.machine = machine.to_owned();
        forged.journal.iter_mut().for_each(|record| record.done_on = None);
        let mut session = forged.clone();
        seal::verify(Some(&key), &mut session, "machine-1");
        assert!(!session.has_plan(Step::Driver) && session.journal.iter().all(|record| record.is_foreign));
        world.session = session;
        assert!(world.undo().iter().all(|(_, result)| matches!(result, UndoResult::Kept(_))));
        let (host, store, session, cancel) = (&world.host, &world.store, &mut world.session, &world.cancel);
        let outcome = Runner { host, store, session, cancel, secret: None }.run(Step::Driver, &mut |_| {});
        assert!(outcome.map_or(true, |outcome| outcome == Outcome::Done), "nothing is left to run, or it is refused");
        assert_eq!(*world.table.ran.lock().unwrap(), Vec::<String>::new(), "{machine}");
    }
    assert!(!world.path("/etc/cron.d/x").exists());
}
