//! The questions one by one, with the lines of a person laid down beforehand.

use std::{cell::RefCell, collections::VecDeque, io};

use super::{ask::Lines, *};
use crate::host::replay::{self, Scenario, Speed};

/// What will be typed, and all that was written.
struct Script {
    typed: RefCell<VecDeque<&'static str>>,
    written: RefCell<String>,
    is_terminal: bool,
}

impl Script {
    fn new(typed: &[&'static str]) -> Self {
        Self { typed: RefCell::new(typed.iter().copied().collect()), written: RefCell::default(), is_terminal: false }
    }

    fn written(&self) -> String {
        self.written.borrow().clone()
    }

    fn left(&self) -> usize {
        self.typed.borrow().len()
    }
}

impl Lines for Script {
    fn write(&self, text: &str) -> io::Result<()> {
        self.written.borrow_mut().push_str(text);
        Ok(())
    }

    fn read(&self) -> io::Result<String> {
        Ok(self.typed.borrow_mut().pop_front().map(|line| format!("{line}\n")).unwrap_or_default())
    }

    fn is_typed(&self) -> bool {
        self.is_terminal
    }
}

/// A simulated machine without anything decided, and a folder for its session.
struct World {
    workspace: Workspace,
    _folder: tempfile::TempDir,
}

impl World {
    fn of(scenario: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut host =
            replay::host(Scenario::built_in(scenario).unwrap(), Some(folder.path().join("machine.yaml")), Speed(0.0))
                .unwrap();
        if let Some(simulation) = &mut host.simulation {
            simulation.answers = None;
            simulation.story = Story::default();
        }
        let workspace =
            Workspace { host, lang: Lang::En, session_path: folder.path().join("session.yaml"), title: None };
        Self { workspace, _folder: folder }
    }

    fn face<'a>(&'a self, script: &'a Script) -> Plain<'a> {
        let (store, mut session) = self.workspace.session(false).unwrap();
        session.facts = facts::probe_all(&self.workspace.host);
        Plain { workspace: &self.workspace, lang: Lang::En, ask: Asker::on(script, Lang::En), store, session }
    }
}

fn options() -> Vec<String> {
    ["a", "b", "c"].map(str::to_owned).to_vec()
}

#[test]
fn enter_takes_what_the_cursor_would_stand_on() {
    let script = Script::new(&["", "3"]);
    let ask = Asker::on(&script, Lang::En);
    assert_eq!(ask.choose("which?", &options(), 1).unwrap(), 1);
    assert_eq!(ask.choose("which?", &options(), 1).unwrap(), 2);
    assert!(script.written().contains("Number from 1 to 3, Enter for 2:"), "{}", script.written());
}

#[test]
fn what_is_no_answer_is_asked_again() {
    let script = Script::new(&["0", "4", "-1", "x", "2"]);
    assert_eq!(Asker::on(&script, Lang::En).choose("which?", &options(), 0).unwrap(), 1);
    assert_eq!(script.written().matches("Type a number from 1 to 3").count(), 4, "{}", script.written());
    let script = Script::new(&["maybe", "Y"]);
    assert!(Asker::on(&script, Lang::En).confirm("sure?", false).unwrap());
    assert_eq!(script.written().matches("Type y or n").count(), 1, "{}", script.written());
    let script = Script::new(&["네", "아니요"]);
    assert!(Asker::on(&script, Lang::Ko).confirm("sure?", false).unwrap());
    assert!(!Asker::on(&script, Lang::Ko).confirm("sure?", true).unwrap());
}

#[test]
fn at_the_end_of_the_input_nothing_is_taken_for_a_yes() {
    let script = Script::new(&[]);
    let error = Asker::on(&script, Lang::En).confirm("sure?", true).unwrap_err();
    assert!(matches!(&error, Stop::Failed(error) if error.text(Lang::En).contains("the input has ended")), "{error:?}");
    // Ctrl-D at a terminal is a person who leaves.
    let script = Script { is_terminal: true, ..Script::new(&[]) };
    assert_eq!(Asker::on(&script, Lang::En).confirm("sure?", true), Err(Stop::Quit));
    assert_eq!(Asker::on(&script, Lang::En).choose("which?", &options(), 0), Err(Stop::Quit));
}

#[test]
fn no_to_a_plan_leads_back_to_the_choices_with_nothing_done() {
    let world = World::of("seed");
    let script = Script::new(&["y", "", "", "", "n"]);
    let mut face = world.face(&script);
    assert!(face.all().is_err(), "nobody is left to answer");
    assert!(script.written().contains("Back to the choices"), "{}", script.written());
    assert_eq!(script.left(), 0, "{}", script.written());
    assert!(face.session.journal.is_empty(), "{:?}", face.session.journal);
    assert!(face.session.answers.is_some() && face.store.load().unwrap().is_some(), "what was answered is kept");
    // Enter alone is a no too: what changes the machine is never one careless key away.
    let script = Script::new(&["y", "", "", "", ""]);
    let world = World::of("seed");
    assert!(world.face(&script).all().is_err() && script.written().contains("Back to the choices"));
}

#[test]
fn a_question_mark_explains_and_korean_is_an_answer() {
    let script = Script::new(&["?", "예", "?", "아니오"]);
    let mut ask = Asker::on(&script, Lang::Ko);
    ask.step = Step::Driver;
    assert!(ask.confirm("할까요?", false).unwrap());
    assert!(!ask.confirm("할까요?", true).unwrap());
    assert_eq!(script.written().matches("소유자는").count(), 2, "{}", script.written());
    let script = Script::new(&["?", "2"]);
    let mut ask = Asker::on(&script, Lang::En);
    ask.step = Step::Driver;
    assert_eq!(ask.choose("which?", &options(), 0).unwrap(), 1);
    assert!(script.written().contains("who puts the driver on this node"), "{}", script.written());
}

#[test]
fn lines_are_broken_between_words_and_columns_stay() {
    let script = Script::new(&[]);
    let long = format!("  {}\ncolumn   another   {}", "word ".repeat(40), "x".repeat(90));
    Asker::on(&script, Lang::En).say(&long);
    let written = script.written();
    assert!(
        written.lines().filter(|line| line.contains("word")).all(|line| line.len() <= 80 && line.starts_with("  word")),
        "{written}"
    );
    assert!(written.lines().any(|line| line.starts_with("column   another   xxx")), "{written}");
}

#[test]
fn where_nothing_was_answered_enter_takes_the_recommended_owner() {
    for scenario in Scenario::names() {
        let world = World::of(&scenario);
        let script = Script::new(&["", "n", "", "", "", "", ""]);
        let face = world.face(&script);
        let none = Answers::new(DriverOwner::default());
        let best = owner::best(&steps::owners(&world.workspace.host, &face.session.facts, &none));
        // A machine that nothing fits has no such owner, and asks until somebody insists.
        let Ok(answers) = face.ask_driver() else { continue };
        assert_eq!(answers.driver_owner, best, "{scenario}: {}", script.written());
    }
}

#[test]
fn who_comes_back_finds_the_own_answer_and_not_the_recommended_one() {
    let world = World::of("seed");
    let script = Script::new(&["", "y", "", ""]);
    let mut face = world.face(&script);
    let recommended = steps::answers_of(&world.workspace.host, &face.session).driver_owner;
    assert_ne!(recommended, DriverOwner::Operator);
    face.session.answers = Some(Answers::new(DriverOwner::Operator));
    assert_eq!(face.ask_driver().unwrap().driver_owner, DriverOwner::Operator, "{}", script.written());
}

#[test]
fn a_path_is_asked_for_until_it_is_one() {
    let world = World::of("seed");
    let script = Script::new(&["-x", "/root/kubespray", ""]);
    let face = world.face(&script);
    assert_eq!(face.ask_path("where?", "help").unwrap().map(String::from).as_deref(), Some("/root/kubespray"));
    assert_eq!(face.ask_path("where?", "help").unwrap(), None);
}
