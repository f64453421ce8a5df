//! What is said of the keys, and to who presses one too early.

use gpunode::{
    engine::Outcome,
    wizard::{Answer, Effect, Key, Msg, Screen},
};

use super::{Desk, Lang, SMALL, WIDE, Way, is_tail, plan::after_step_two, sample};

#[test]
fn an_enter_that_has_to_wait_is_told_and_the_notice_goes_with_the_wait() {
    let mut desk = Desk::english(SMALL);
    desk.keys(&[Key::Enter]);
    assert!(desk.screen().contains("The machine is still being read."), "{}", desk.screen());
    desk.probed();
    assert_eq!(desk.app.notice, None);
    desk.keys(&[Key::Char('r')]);
    assert!(desk.screen().contains("i The machine is still being read."), "{}", desk.screen());
    desk.probed();
    desk.keys(&[Key::Enter, Key::Enter, Key::Enter, Key::Enter]);
    assert_eq!(desk.app.screen, Screen::Choice);
    assert!(desk.screen().contains("Drivers are still being matched."), "{}", desk.screen());
    desk.say(|effect| matches!(effect, Effect::LoadTable { .. }), Answer::Table(Ok(sample::table())));
    assert_eq!(desk.app.notice, None);
    desk.keys(&[Key::Enter]);
    assert_eq!(desk.app.screen, Screen::Plan);
}

#[test]
fn no_footer_is_cut_and_what_has_no_room_is_in_the_help() {
    for (lang, quit, arrows) in [(Lang::En, "q quit", "↑↓ choose"), (Lang::Ko, "q 종료", "↑↓ 고르기")] {
        let choice = Desk::new(lang, false, SMALL).choice().screen();
        assert!(choice.lines().last().is_some_and(|footer| footer.contains(arrows)), "{choice}");
        for go in [Desk::probed, Desk::choice, Desk::plan, Desk::running, Desk::variables, Desk::verify, Desk::summary]
            as [Way; 7]
        {
            let mut desk = Desk::new(lang, false, SMALL);
            let screen = go(&mut desk).screen();
            assert!(screen.lines().last().is_some_and(|footer| footer.contains(quit)), "{screen}");
        }
    }
    let mut desk = Desk::english(SMALL);
    let screen = desk.verify().screen();
    assert!(screen.contains("? more") && !screen.contains("kubeconfig"), "{screen}");
    let help = desk.keys(&[Key::Char('?'), Key::PageDown]).screen();
    assert!(help.contains("u      kubeconfig") && help.contains("l      save log"), "{help}");
    desk.tell(Msg::Resize(160, 50));
    assert!(desk.keys(&[Key::Esc]).screen().contains("u kubeconfig"), "{}", desk.screen());
}

#[test]
fn the_help_opens_over_a_question_and_the_question_comes_back() {
    let ways: [Way; 6] = [
        |desk| desk.plan().keys(&[Key::Enter, Key::Down, Key::Down]),
        |desk| desk.running().keys(&[Key::Char('x')]),
        |desk| desk.running().ended(Outcome::RebootNeeded),
        |desk| desk.verify().say(is_tail, Answer::Diagnosed(sample::diagnosis(Lang::En))),
        |desk| desk.variables().keys(&[Key::Char('d')]),
        |desk| desk.verify().say(is_tail, offered()).keys(&[Key::Char('o')]),
    ];
    for (go, end) in ways.into_iter().zip([Key::Char('?'), Key::Esc, Key::Enter].into_iter().cycle()) {
        let mut desk = Desk::english(SMALL);
        let before = go(&mut desk).app.clone();
        assert!(before.dialog.is_some());
        desk.keys(&[Key::Char('?')]);
        assert!(desk.screen().contains("What happens here"), "{}", desk.screen());
        desk.keys(&[Key::Down, end]);
        assert_eq!(desk.app, before);
    }
    let mut desk = Desk::english(SMALL);
    assert!(desk.summary().screen().contains("? help"), "{}", desk.screen());
}

#[test]
fn a_question_that_has_passed_while_the_help_was_read_does_not_come_back() {
    let mut desk = Desk::english(SMALL);
    desk.running().keys(&[Key::Char('x'), Key::Char('?')]).ended(Outcome::Done).keys(&[Key::Esc]);
    assert_eq!(desk.app.dialog, None);
    let mut desk = Desk::english(SMALL);
    desk.verify().say(is_tail, offered()).keys(&[Key::Char('o'), Key::Char('?')]);
    desk.say(is_tail, sample::rows(sample::chain(true, Lang::En))).keys(&[Key::Esc]);
    assert_eq!(desk.app.dialog, None);
}

fn offered() -> Answer {
    Answer::ChainRows { rows: sample::chain(true, Lang::En), offers: vec![sample::offer()], failures: Vec::new() }
}

#[test]
fn the_time_of_the_save_is_never_told_without_its_word() {
    let mut desk = Desk::english(SMALL);
    desk.verify().saved();
    for columns in 80..140 {
        let screen = desk.tell(Msg::Resize(columns, 24)).screen();
        let footer = screen.lines().last().unwrap_or_default();
        assert_eq!(footer.contains("14:02:11"), footer.contains("saved 14:02:11"), "{columns}: {footer}");
    }
    assert!(desk.screen().contains("saved 14:02:11"));
}

#[test]
fn a_cut_line_of_the_test_pod_says_that_it_is_cut() {
    let mut desk = Desk::english(SMALL);
    desk.testing();
    let output = vec!["pod/gpunode-test: ".repeat(8), "-".repeat(79)];
    desk.say(|effect| matches!(effect, Effect::RunTestPod { .. }), Answer::TestOutput(Ok(output)));
    let screen = desk.screen();
    assert!(screen.lines().any(|line| line.starts_with(" pod/gpunode-test") && line.ends_with('…')), "{screen}");
    assert!(screen.contains(&"-".repeat(79)), "the 79 columns of nvidia-smi are whole: {screen}");
}

#[test]
fn the_footer_says_what_a_key_does_now() {
    let footer = |desk: &Desk| desk.screen().lines().last().unwrap_or_default().to_owned();
    let mut desk = Desk::english(WIDE);
    desk.choice();
    assert!(
        footer(&desk).contains("Enter go on") && footer(&desk).contains("s sort") && !footer(&desk).contains("Esc")
    );
    desk.type_in("/470").keys(&[Key::Enter]);
    assert!(
        footer(&desk).contains("Enter to the plan") && footer(&desk).contains("Esc no filter"),
        "{}",
        footer(&desk)
    );
    desk.tell(Msg::Resize(80, 24));
    assert!(footer(&desk).contains("Esc no filter  b back  q quit"), "{}", footer(&desk));
    let mut desk = Desk::english(WIDE);
    desk.verify();
    assert!(footer(&desk).contains("Space pause"), "{}", footer(&desk));
    desk.type_in(" ");
    assert!(footer(&desk).contains("Space resume"), "{}", footer(&desk));
    desk.say(is_tail, sample::rows(sample::chain(true, Lang::En)));
    assert!(footer(&desk).contains("Enter finish"), "{}", footer(&desk));
    desk.say(is_tail, offered());
    assert!(footer(&desk).contains("Enter go on"), "the taint is asked about first: {}", footer(&desk));
    assert!(
        footer(&after_step_two(true)).contains("Enter reboot")
            && footer(&after_step_two(false)).contains("Enter go on")
    );
}
