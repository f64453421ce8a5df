//! The wizard without a terminal: keys in; orders and screens out. No threads, no time, no machine.

mod ask;
mod choice;
mod detect;
mod keys;
mod plan;
mod sample;
mod test_pod;
mod variables;

use gpunode::{
    engine::{Event, Outcome, Progress},
    exit_code::ExitCode,
    i18n::Lang,
    plan::Step,
    session::Status,
    tui::view,
    wizard::{Answer, App, Dialog, Effect, EffectId, Key, Msg, Order, Screen, Signal, Slot, start, update},
};
use proptest::prelude::*;
use ratatui::{Terminal, backend::TestBackend};

/// A wizard with the orders it has given that nobody has answered.
struct Desk {
    app: App,
    open: Vec<Order>,
}

impl Desk {
    fn new(lang: Lang, ascii: bool, size: (u16, u16)) -> Self {
        let mut app = App::new(sample::session(), sample::settings(lang, ascii), size);
        let open = start(&mut app);
        Self { app, open }
    }

    fn english(size: (u16, u16)) -> Self {
        Self::new(Lang::En, false, size)
    }

    fn tell(&mut self, msg: Msg) -> &mut Self {
        let orders = update(&mut self.app, msg);
        self.open.extend(orders);
        self
    }

    fn keys(&mut self, keys: &[Key]) -> &mut Self {
        for key in keys {
            self.tell(Msg::Key(*key));
        }
        self
    }

    fn type_in(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            self.tell(Msg::Key(Key::Char(c)));
        }
        self
    }

    /// Answers the newest open order that `is` picks; it stays open for more.
    fn say(&mut self, is: fn(&Effect) -> bool, answer: Answer) -> &mut Self {
        let id = self.newest(is).expect("such an order is open");
        self.tell(Msg::Answer(id, answer))
    }

    fn newest(&self, is: fn(&Effect) -> bool) -> Option<EffectId> {
        self.open.iter().rev().find(|order| is(&order.effect)).map(|order| order.id)
    }

    fn last(&self) -> &Effect {
        &self.open.last().expect("an order").effect
    }

    fn probed(&mut self) -> &mut Self {
        let facts = Box::new(sample::facts());
        self.say(
            |effect| matches!(effect, Effect::Probe),
            Answer::Probed { facts, changes: Vec::new(), owners: sample::owners() },
        )
    }

    fn choice(&mut self) -> &mut Self {
        self.probed().keys(&[Key::Enter]);
        self.say(|effect| matches!(effect, Effect::LoadTable { .. }), Answer::Table(Ok(sample::table())))
    }

    fn planned(&mut self, step: Step) -> &mut Self {
        self.say(|effect| matches!(effect, Effect::MakePlan { .. }), Answer::Planned(Ok(sample::plan(step))));
        if step == Step::Driver {
            self.say(|effect| matches!(effect, Effect::Preflight { .. }), Answer::Checked(Ok(sample::checks())));
        }
        self
    }

    fn plan(&mut self) -> &mut Self {
        self.choice().keys(&[Key::Enter, Key::Enter, Key::Enter]).planned(Step::Driver)
    }

    fn running(&mut self) -> &mut Self {
        self.plan().keys(&[Key::Enter, Key::Char('y')]);
        let actions = sample::plan(Step::Driver).actions;
        let total = actions.len();
        for (index, action) in actions.into_iter().enumerate().take(4) {
            let id = action.id.clone();
            self.event(Event::Started { index, total, action: Box::new(action) })
                .event(Event::Line(format!("{id}: working")));
            if index < 3 {
                self.event(Event::Ended {
                    id,
                    status: Status::Done,
                    evidence: vec!["proven".to_owned()],
                    failure: None,
                });
            }
        }
        self.event(Event::Progress(Progress {
            done: 700 << 20,
            total: Some(3000 << 20),
            unit: "bytes",
            rate: Some(24 << 20),
        }))
    }

    fn event(&mut self, event: Event) -> &mut Self {
        self.say(is_run, Answer::Engine(event))
    }

    fn ended(&mut self, outcome: Outcome) -> &mut Self {
        self.say(is_run, Answer::RunEnded { outcome, session: Box::new(sample::session()) })
    }

    fn variables(&mut self) -> &mut Self {
        self.running().ended(Outcome::Done).keys(&[Key::Enter]);
        self.say(
            |effect| matches!(effect, Effect::LoadPreview { .. }),
            Answer::Preview(Ok(Box::new(sample::preview()))),
        );
        self.planned(Step::Variables)
    }

    fn verify(&mut self) -> &mut Self {
        self.variables().keys(&[Key::Enter, Key::Char('y')]).ended(Outcome::Done).keys(&[Key::Enter]);
        let lang = self.app.settings.lang;
        self.say(is_tail, sample::rows(sample::chain(false, lang)));
        let title = gpunode::cluster::kubespray::INSTALLER.log_title().text(lang);
        self.say(is_tail, Answer::TailFollows(title));
        self.say(is_tail, Answer::TailState(sample::tail_state(lang)));
        self.say(is_tail, Answer::TailPhases(sample::phases(lang)));
        self.say(is_tail, sample::lines(&sample::log(), &[]));
        self
    }

    /// The test pod's plan is in front.
    fn announced(&mut self) -> &mut Self {
        self.verify().keys(&[Key::Char('t')]).test_planned()
    }

    fn test_planned(&mut self) -> &mut Self {
        self.say(|effect| matches!(effect, Effect::PlanTestPod { .. }), Answer::TestPlanned(Ok(sample::test_plan())))
    }

    fn testing(&mut self) -> &mut Self {
        self.announced().keys(&[Key::Enter])
    }

    fn summary(&mut self) -> &mut Self {
        self.verify().keys(&[Key::Enter]);
        let rows = sample::chain(true, self.app.settings.lang);
        self.say(|effect| matches!(effect, Effect::Verify { .. }), Answer::Verified { rows, ok: true });
        self.say(
            |effect| matches!(effect, Effect::WriteReport),
            Answer::ReportWritten(Ok("/var/lib/gpunode/report.md".into())),
        )
    }

    fn saved(&mut self) -> &mut Self {
        self.say(
            |effect| matches!(effect, Effect::SaveSession(_)),
            Answer::Saved("2026-11-24T14:02:11Z".parse().expect("a time")),
        )
    }

    /// The screen as text.
    fn screen(&self) -> String {
        let mut terminal = Terminal::new(TestBackend::new(self.app.size.0, self.app.size.1)).expect("a test terminal");
        terminal.draw(|frame| view(&self.app, frame)).expect("a picture");
        rows(terminal.backend().buffer())
    }
}

/// A picture as text; the cell after a wide symbol is not there.
pub fn rows(buffer: &ratatui::buffer::Buffer) -> String {
    let mut rows = Vec::new();
    for y in 0..buffer.area.height {
        let (mut row, mut x) = (String::new(), 0);
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            row.push_str(symbol);
            x += u16::try_from(gpunode::text::width(symbol)).unwrap_or(1).max(1);
        }
        rows.push(row.trim_end().to_owned());
    }
    rows.join("\n")
}

fn is_run(effect: &Effect) -> bool {
    matches!(effect, Effect::RunStep { .. })
}

fn is_tail(effect: &Effect) -> bool {
    matches!(effect, Effect::FollowNode { .. })
}

fn shot(name: &str, desk: &Desk) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(format!("screens-{name}"), desk.screen()));
}

const SMALL: (u16, u16) = (80, 24);
const WIDE: (u16, u16) = (160, 50);

/// Keys and answers that lead to a screen.
type Way = fn(&mut Desk) -> &mut Desk;

fn every_pane(name: &str, make: impl Fn() -> Desk) {
    let panes: [(&str, Way); 18] = [
        ("1-loading", |desk| desk),
        ("1-detect", Desk::probed),
        ("2a-choice", Desk::choice),
        ("2b-plan", Desk::plan),
        ("2b-help", |desk| desk.plan().keys(&[Key::Char('?')])),
        ("2b-confirm", |desk| desk.plan().keys(&[Key::Enter])),
        ("2c-running", Desk::running),
        ("2c-reboot", |desk| desk.running().ended(Outcome::RebootNeeded)),
        ("3-variables", Desk::variables),
        ("3-why", |desk| desk.variables().keys(&[Key::Char('w')])),
        ("3-findings", |desk| desk.variables().keys(&[Key::Tab, Key::Down])),
        ("3-diff", |desk| desk.variables().keys(&[Key::Char('d')])),
        ("4-verify", Desk::verify),
        ("4-diagnosis", |desk| {
            let lang = desk.app.settings.lang;
            desk.verify().say(is_tail, Answer::Diagnosed(sample::diagnosis(lang)))
        }),
        ("4-test-plan", Desk::announced),
        ("4-test-pod", |desk| {
            desk.testing();
            desk.say(|effect| matches!(effect, Effect::RunTestPod { .. }), Answer::TestOutput(Ok(sample::nvidia_smi())))
        }),
        ("4-summary", Desk::summary),
        ("quit", |desk| desk.running().saved().keys(&[Key::Char('q')])),
    ];
    for (pane, go) in panes {
        let mut desk = make();
        go(&mut desk);
        shot(&format!("{name}-{pane}"), &desk);
    }
}

#[test]
fn panes_at_80x24() {
    every_pane("80x24", || Desk::english(SMALL));
}

#[test]
fn panes_at_160x50() {
    every_pane("160x50", || Desk::english(WIDE));
}

#[test]
fn panes_in_korean() {
    every_pane("ko", || Desk::new(Lang::Ko, false, SMALL));
}

#[test]
fn ascii_has_nothing_else() {
    for go in [Desk::choice, Desk::running, Desk::verify, Desk::summary] {
        let mut desk = Desk::new(Lang::En, true, SMALL);
        let screen = go(&mut desk).screen();
        assert!(screen.is_ascii(), "{screen}");
    }
    let mut desk = Desk::new(Lang::En, true, SMALL);
    shot("ascii-2a-choice", desk.choice());
    let mut desk = Desk::new(Lang::En, true, SMALL);
    shot("ascii-4-verify", desk.verify());
}

#[test]
fn failures_are_screens_too() {
    let mut desk = Desk::english(SMALL);
    desk.probed().keys(&[Key::Enter]);
    desk.say(
        |effect| matches!(effect, Effect::LoadTable { .. }),
        Answer::Table(Err("The catalog has no driver for this card.".to_owned())),
    );
    shot("80x24-2a-failed", &desk);
    let mut desk = Desk::english(SMALL);
    desk.running().event(Event::Ended {
        id: "fetch-runfile".to_owned(),
        status: Status::Failed,
        evidence: vec!["curl: (6) Could not resolve host".to_owned()],
        failure: None,
    });
    desk.ended(Outcome::Failed { id: "fetch-runfile".to_owned(), exit: Some(gpunode::host::Exit::Code(6)) });
    shot("80x24-2c-failed", &desk);
}

#[test]
fn too_small_keeps_the_state() {
    let mut desk = Desk::english(SMALL);
    let before = desk.plan().screen();
    desk.tell(Msg::Resize(60, 20));
    shot("too-small", &desk);
    desk.keys(&[Key::Enter]).tell(Msg::Resize(80, 24));
    assert_eq!(desk.screen(), before);
}

#[test]
fn a_dialog_survives_a_terminal_without_any_room() {
    for key in ['c', 'd', 'w', '?', 'q'] {
        let mut desk = Desk::english(SMALL);
        desk.variables().keys(&[Key::Char(key)]).tell(Msg::Resize(0, 0)).tell(Msg::Resize(7, 3));
        let before = desk.app.dialog.clone();
        assert!(before.is_some());
        desk.tell(Msg::Resize(80, 24));
        assert_eq!(desk.app.dialog, before);
    }
}

#[test]
fn the_whole_way_ends_with_success() {
    let mut desk = Desk::english(SMALL);
    desk.summary();
    assert_eq!(desk.app.session.done, Step::ALL);
    desk.keys(&[Key::Enter]);
    assert_eq!(desk.last(), &Effect::Quit(ExitCode::Ok));
}

#[test]
fn an_answer_to_an_abandoned_order_is_dropped() {
    let mut desk = Desk::english(SMALL);
    desk.choice();
    let old = desk.newest(|effect| matches!(effect, Effect::LoadTable { .. })).expect("a load");
    desk.keys(&[Key::Down]);
    desk.tell(Msg::Answer(old, Answer::Table(Err("late".to_owned()))));
    assert_eq!(desk.app.driver.error, None);
    assert!(desk.app.waits_for(Slot::Table));
}

#[test]
fn a_run_is_only_stopped_after_a_question() {
    let mut desk = Desk::english(SMALL);
    desk.running();
    let run = desk.newest(is_run).expect("a run");
    desk.keys(&[Key::Char('x'), Key::Esc]);
    assert!(!desk.open.iter().any(|order| order.effect == Effect::Cancel(run)));
    desk.keys(&[Key::Char('x'), Key::Char('y')]);
    assert_eq!(desk.last(), &Effect::Cancel(run));
    desk.ended(Outcome::Cancelled).keys(&[Key::Char('r')]);
    assert!(is_run(desk.last()));
}

#[test]
fn a_reboot_goes_on_with_step_three() {
    let mut desk = Desk::english(SMALL);
    desk.running().ended(Outcome::RebootNeeded).keys(&[Key::Char('y')]);
    desk.say(|effect| matches!(effect, Effect::Reboot), Answer::Rebooted);
    assert_eq!(desk.app.screen, Screen::Variables);
    assert!(desk.app.session.done.contains(&Step::Driver));
}

#[test]
fn a_session_that_waited_for_a_reboot_sees_that_it_happened() {
    let mut session = sample::session();
    session.step = Step::Driver;
    session.answers = Some(sample::answers());
    session.plan = sample::plan(Step::Driver);
    session.reboot = Some(gpunode::session::PendingReboot { why: "reboot".to_owned(), boot_id: "boot-0".to_owned() });
    let mut app = App::new(session, sample::settings(Lang::En, false), SMALL);
    let open = start(&mut app);
    let mut desk = Desk { app, open };
    assert_eq!(desk.app.screen, Screen::Plan);
    desk.probed();
    assert_eq!((desk.app.screen, desk.app.session.reboot.is_none()), (Screen::Variables, true));
}

#[test]
fn search_is_typed_and_q_does_not_quit_in_it() {
    let mut desk = Desk::english(SMALL);
    desk.verify().type_in("/qDONE").keys(&[Key::Backspace]);
    assert_eq!((desk.app.verify.typing.as_deref(), &desk.app.dialog), (Some("qDON"), &None));
    desk.keys(&[Key::Esc]).type_in("/done").keys(&[Key::Enter]);
    let done = sample::log().iter().filter(|line| line.to_lowercase().contains("done")).count();
    assert!(done > 1 && desk.app.verify.log.hit_count() == done, "{done}");
}

#[test]
fn ctrl_c_asks_and_the_second_one_leaves() {
    let mut desk = Desk::english(SMALL);
    desk.plan().keys(&[Key::Interrupt]);
    assert_eq!(desk.app.dialog, Some(Dialog::AskQuit));
    desk.keys(&[Key::Interrupt]);
    assert_eq!(desk.last(), &Effect::Quit(ExitCode::Quit));
    let orders = desk.open.len();
    desk.keys(&[Key::Enter, Key::Char('q')]);
    assert_eq!(desk.open.len(), orders, "nothing happens after the end");
}

#[test]
fn a_signal_saves_and_leaves() {
    let mut desk = Desk::english(SMALL);
    desk.plan().tell(Msg::Shutdown(Signal::HangUp));
    let [.., Order { effect: Effect::SaveSession(_), .. }, Order { effect: Effect::Quit(_), .. }] =
        desk.open.as_slice()
    else {
        panic!("{:?}", desk.open);
    };
}

#[test]
fn refreshed_lists_keep_their_selection() {
    let mut desk = Desk::english(SMALL);
    desk.verify().keys(&[Key::Home, Key::Down, Key::Down]);
    let selected = |desk: &Desk| desk.app.verify.chain[desk.app.verify.selected].id;
    let before = selected(&desk);
    let mut rows = sample::chain(true, Lang::En);
    rows.remove(0);
    for _ in 0..40 {
        desk.tell(Msg::Tick);
    }
    desk.say(is_tail, sample::rows(rows));
    assert_eq!((selected(&desk), desk.app.verify.selected), (before, 1));
}

fn any_key() -> impl Strategy<Value = Key> {
    prop_oneof![
        prop::sample::select("abcdeiknpqrty?/ y한".chars().collect::<Vec<_>>()).prop_map(Key::Char),
        prop::sample::select(vec![
            Key::Enter,
            Key::Enter,
            Key::Esc,
            Key::Tab,
            Key::BackTab,
            Key::Backspace,
            Key::Delete,
            Key::EraseLine,
            Key::EraseWord
        ]),
        prop::sample::select(vec![
            Key::Up,
            Key::Down,
            Key::Left,
            Key::Right,
            Key::PageUp,
            Key::PageDown,
            Key::Home,
            Key::End
        ]),
    ]
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let session = || Box::new(sample::session());
    prop::sample::select(vec![
        Answer::Probed {
            facts: Box::new(sample::facts()),
            changes: vec!["The kernel is another.".to_owned()],
            owners: Vec::new(),
        },
        Answer::Probed { facts: Box::default(), changes: Vec::new(), owners: Vec::new() },
        Answer::Table(Ok(sample::table())),
        Answer::Table(Ok(gpunode::choice::DriverTable { drivers: Vec::new(), cuda: Vec::new() })),
        Answer::Preview(Ok(Box::new(sample::preview()))),
        Answer::Planned(Ok(sample::plan(Step::Driver))),
        Answer::Planned(Ok(sample::plan(Step::Variables))),
        Answer::Planned(Err("no".to_owned())),
        Answer::Engine(Event::Line("한글 line".to_owned())),
        Answer::Engine(Event::Progress(Progress { done: 9, total: Some(3), unit: "bytes", rate: Some(1) })),
        Answer::RunEnded { outcome: Outcome::Done, session: session() },
        Answer::RunEnded { outcome: Outcome::RebootNeeded, session: session() },
        Answer::Rebooted,
        sample::lines(&["x".repeat(300).as_str(), "y"], &[1]),
        Answer::TailPhases(sample::phases(Lang::En)),
        sample::rows(sample::chain(true, Lang::En)),
        Answer::ChainRows {
            rows: sample::chain(true, Lang::En),
            offers: vec![sample::offer()],
            failures: vec![sample::diagnosis(Lang::En)],
        },
        Answer::ChainTrouble("No kubeconfig.".to_owned()),
        Answer::Recovered,
        Answer::Remedied(Err("refused".to_owned())),
        Answer::LogSaved(Ok("/var/lib/gpunode/installer.log".into())),
        Answer::Diagnosed(sample::diagnosis(Lang::En)),
        Answer::TestPlanned(Ok(sample::test_plan())),
        Answer::TestPlanned(Err("no facts".to_owned())),
        Answer::TestOutput(Ok(sample::nvidia_smi())),
        Answer::Verified { rows: sample::chain(true, Lang::En), ok: true },
        Answer::SaveFailed("disk full".to_owned()),
        Answer::Failed("internal error".to_owned()),
    ])
}

fn any_msg() -> impl Strategy<Value = Msg> {
    prop_oneof![
        6 => any_key().prop_map(Msg::Key),
        4 => (0u64..60, any_answer()).prop_map(|(id, answer)| Msg::Answer(EffectId(id), answer)),
        1 => Just(Msg::Tick),
        1 => Just(Msg::Paste("/opt/큐브\n".to_owned())),
        1 => (0u16..200, 0u16..70).prop_map(|(columns, rows)| Msg::Resize(columns, rows)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_order_of_messages_panics(msgs in prop::collection::vec(any_msg(), 1..120), korean in any::<bool>()) {
        let mut desk = Desk::new(if korean { Lang::Ko } else { Lang::En }, !korean, SMALL);
        let mut asked = desk.open.len();
        for msg in msgs {
            // Half of the answers hit an order that is really open.
            let msg = match msg {
                Msg::Answer(EffectId(id), answer) if id % 2 == 0 => Msg::Answer(desk.open[usize::try_from(id).unwrap_or(0) % desk.open.len()].id, answer),
                msg => msg,
            };
            desk.tell(msg);
            if desk.app.size.0 > 0 && desk.app.size.1 > 0 {
                desk.screen();
            }
            prop_assert!(desk.open.len() >= asked);
            asked = desk.open.len();
        }
    }
}
