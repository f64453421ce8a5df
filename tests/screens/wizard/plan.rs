//! The plan of step 2: what is shown, left out, confirmed, and done.

use gpunode::{
    engine::Outcome,
    plan::Step,
    prediction::{Forecast, Prediction},
    wizard::{
        Answer, Dialog, Effect, Key, Screen,
        chain::{Diagnosis, RemedyAction},
    },
};

use super::{Desk, Lang, SMALL, WIDE, is_run, is_tail, sample, shot};

/// A session whose step 2 is done: what was removed is no longer planned, the toolkit still is.
pub fn after_step_two(reboot: bool) -> Desk {
    let mut desk = Desk::english(SMALL);
    let mut session = sample::session();
    session.journal = sample::plan(Step::Driver).actions.into_iter().take(5).map(sample::done).collect();
    session.reboot =
        reboot.then(|| gpunode::session::PendingReboot { why: "reboot".to_owned(), boot_id: "boot-1".to_owned() });
    let outcome = if reboot { Outcome::RebootNeeded } else { Outcome::Done };
    desk.running().say(is_run, Answer::RunEnded { outcome, session: Box::new(session) });
    if reboot {
        desk.keys(&[Key::Esc]);
    }
    desk.keys(&[Key::Char('b')]);
    let mut plan = sample::plan(Step::Driver);
    plan.actions.drain(..2);
    if !reboot {
        plan.actions.truncate(3);
    }
    desk.say(|effect| matches!(effect, Effect::MakePlan { .. }), Answer::Planned(Ok(plan)));
    desk.say(|effect| matches!(effect, Effect::Preflight { .. }), Answer::Checked(Ok(sample::checks())));
    desk
}

#[test]
fn what_was_done_stays_in_the_plan_as_done() {
    let mut desk = after_step_two(false);
    shot("80x24-2b-done", &desk);
    assert!(desk.screen().contains("What was done · 5 done"), "{}", desk.screen());
    desk.keys(&[Key::Enter]);
    assert_eq!((desk.app.screen, &desk.app.dialog), (Screen::Variables, &None), "nothing is left to run");
}

#[test]
fn a_pending_reboot_is_shown_and_is_all_that_is_left() {
    let mut desk = after_step_two(true);
    shot("80x24-2b-reboot-pending", &desk);
    let screen = desk.screen();
    assert!(screen.contains("REBOOT PENDING") && screen.contains("5 done") && screen.contains("1 to do"), "{screen}");
    desk.keys(&[Key::Enter]);
    assert_eq!(desk.app.dialog, Some(Dialog::AskReboot));
    desk.keys(&[Key::Char('y')]);
    assert_eq!(desk.last(), &Effect::Reboot);
}

#[test]
fn who_is_not_root_is_told_whole_that_root_begins_anew() {
    for (lang, end) in [(Lang::En, "root has a session of its own."), (Lang::Ko, "`sudo gpunode`로 새로 시작하세요.")]
    {
        let mut desk = Desk::new(lang, false, SMALL);
        desk.plan();
        desk.app.settings.simulated = None;
        desk.app.session.facts.host.root = false;
        desk.keys(&[Key::Enter]);
        assert_eq!(desk.app.dialog, None);
        assert!(desk.screen().contains(end), "{}", desk.screen());
    }
}

#[test]
fn the_reboot_question_names_the_step_that_goes_on() {
    let asked = |desk: &mut Desk| desk.screen().split_whitespace().collect::<Vec<_>>().join(" ");
    let mut desk = Desk::english(WIDE);
    desk.running().ended(Outcome::RebootNeeded);
    assert!(asked(&mut desk).contains("goes on with step 3."), "{}", desk.screen());
    // The second pass through step 2: nothing has called the variables into question.
    let mut desk = Desk::english(WIDE);
    desk.verify()
        .say(is_tail, Answer::Diagnosed(sample::diagnosis(Lang::En)))
        .keys(&[Key::Char('y')])
        .planned(Step::Driver);
    desk.keys(&[Key::Enter, Key::Char('y')]).ended(Outcome::RebootNeeded);
    assert!(asked(&mut desk).contains("goes on with step 4."), "{}", desk.screen());
    desk.keys(&[Key::Char('y')]).say(|effect| matches!(effect, Effect::Reboot), Answer::Rebooted);
    assert_eq!(desk.app.screen, Screen::Verify);
}

#[test]
fn a_reboot_that_step_four_asks_for_comes_back_to_step_four() {
    let mut desk = Desk::english(WIDE);
    let diagnosis = Diagnosis { action: Some(RemedyAction::Reboot), ..sample::diagnosis(Lang::En) };
    desk.verify().say(is_tail, Answer::Diagnosed(diagnosis)).keys(&[Key::Char('y')]);
    assert!(desk.screen().contains("with step 4."), "{}", desk.screen());
    desk.keys(&[Key::Char('y')]).say(|effect| matches!(effect, Effect::Reboot), Answer::Rebooted);
    assert_eq!(desk.app.screen, Screen::Verify);
}

#[test]
fn the_plan_shows_all_rows_that_have_room_and_says_what_is_below() {
    let long = |count: usize| {
        let mut desk = Desk::english(SMALL);
        let action = sample::plan(Step::Driver).actions.remove(2);
        let actions =
            (0..count).map(|n| gpunode::plan::Action { id: format!("fetch-runfile:{n}"), ..action.clone() }).collect();
        desk.choice().keys(&[Key::Enter, Key::Enter, Key::Enter]);
        desk.say(
            |effect| matches!(effect, Effect::MakePlan { .. }),
            Answer::Planned(Ok(gpunode::plan::Plan { actions })),
        );
        desk.say(|effect| matches!(effect, Effect::Preflight { .. }), Answer::Checked(Ok(sample::checks())));
        desk.screen()
    };
    let seven = long(7);
    assert_eq!(seven.matches("[•] Download cuda_11.0.3").count(), 7, "{seven}");
    assert!(seven.contains("7 to do ━"), "{seven}");
    let nine = long(9);
    assert!(
        nine.matches("[•] Download cuda_11.0.3").count() == 7 && nine.contains("9 to do · more below: 2"),
        "{nine}"
    );
}

#[test]
fn a_left_out_action_is_not_confirmed_and_comes_back_with_the_remedy() {
    let mut desk = Desk::english(SMALL);
    desk.plan().keys(&[Key::Down, Key::Char(' ')]);
    assert_eq!(desk.app.to_confirm().len(), 5);
    assert!(desk.screen().contains("Left out, this driver stays"), "{}", desk.screen());
    let mut left_out = sample::plan(Step::Driver);
    left_out.actions[1].skipped = true;
    desk.say(|effect| matches!(effect, Effect::MakePlan { .. }), Answer::Planned(Ok(left_out)));
    // Accepted while the pre-flight is still running: it is confirmed as soon as that has ended.
    desk.keys(&[Key::Enter]);
    assert_eq!(desk.app.dialog, None);
    desk.say(|effect| matches!(effect, Effect::Preflight { .. }), Answer::Checked(Ok(sample::checks())));
    assert_eq!(desk.app.dialog, Some(Dialog::Confirm));
    desk.keys(&[Key::Enter]);
    let Effect::RunStep { actions, .. } = desk.last() else { panic!("{:?}", desk.last()) };
    assert!(actions[1].skipped);
    desk.ended(Outcome::Done).keys(&[Key::Enter]);
    desk.say(|effect| matches!(effect, Effect::LoadPreview { .. }), Answer::Preview(Ok(Box::new(sample::preview()))));
    desk.planned(Step::Variables).keys(&[Key::Enter, Key::Char('y')]).ended(Outcome::Done).keys(&[Key::Enter]);
    desk.say(is_tail, Answer::Diagnosed(sample::diagnosis(Lang::En)));
    assert_eq!(desk.app.dialog, Some(Dialog::Diagnosis));
    desk.keys(&[Key::Char('y')]).planned(Step::Driver);
    assert_eq!((desk.app.screen, desk.app.to_confirm().len()), (Screen::Plan, 6));
}

#[test]
fn what_a_check_says_will_fail_wants_a_typed_y() {
    let mut desk = Desk::english(SMALL);
    desk.plan().keys(&[Key::Down, Key::Char(' ')]);
    let mut left_out = sample::plan(Step::Driver);
    left_out.actions[1].skipped = true;
    desk.say(|effect| matches!(effect, Effect::MakePlan { .. }), Answer::Planned(Ok(left_out)));
    let full = Prediction::new("space:/var", Forecast::WillFail, "/var: 1.0 GiB free, 9.6 GiB needed");
    desk.say(|effect| matches!(effect, Effect::Preflight { .. }), Answer::Checked(Ok(vec![full])));
    desk.keys(&[Key::Enter, Key::Enter]);
    let screen = desk.screen();
    assert!(
        desk.app.dialog == Some(Dialog::Confirm) && screen.contains("Checks that say it will fail: 1."),
        "{screen}"
    );
    desk.keys(&[Key::Char('y')]);
    assert!(is_run(desk.last()), "{:?}", desk.last());
}

#[test]
fn what_cannot_be_taken_back_wants_a_typed_y() {
    let mut desk = Desk::english(SMALL);
    desk.plan().keys(&[Key::Enter]);
    let screen = desk.screen();
    assert!(screen.contains("1 of them cannot be taken back") && screen.contains("y run it"), "{screen}");
    assert!(screen.contains("Cannot be taken back: install driver 418.87.00"), "{screen}");
    desk.keys(&[Key::Enter]);
    assert_eq!(desk.app.dialog, Some(Dialog::Confirm), "Enter alone runs nothing");
    assert!(desk.screen().contains("Enter alone does nothing here"), "{}", desk.screen());
    desk.keys(&[Key::Char('y')]);
    assert!(is_run(desk.last()));
    // A reboot, and a remedy that comes up by itself, just the same.
    desk.ended(Outcome::RebootNeeded).keys(&[Key::Enter]);
    assert_eq!(desk.app.dialog, Some(Dialog::AskReboot));
    let mut desk = Desk::english(SMALL);
    desk.verify().say(is_tail, Answer::Diagnosed(sample::diagnosis(Lang::En))).keys(&[Key::Enter]);
    assert_eq!((desk.app.screen, &desk.app.dialog), (Screen::Verify, &Some(Dialog::Diagnosis)));
    // Without the removal all can be taken back, and Enter is enough.
    let mut desk = Desk::english(SMALL);
    desk.plan().keys(&[Key::Down, Key::Char(' ')]).planned(Step::Driver).keys(&[Key::Char(' ')]);
    let mut left_out = sample::plan(Step::Driver);
    left_out.actions[1].skipped = true;
    desk.say(|effect| matches!(effect, Effect::MakePlan { .. }), Answer::Planned(Ok(left_out)));
    desk.say(|effect| matches!(effect, Effect::Preflight { .. }), Answer::Checked(Ok(sample::checks())));
    desk.keys(&[Key::Enter, Key::Enter]);
    assert!(is_run(desk.last()), "{:?}", desk.last());
}
