//! Step 3 by keys: values by hand, what is left alone, and files that are refused.

use gpunode::{
    plan::Step,
    wizard::{Dialog, Effect, Key},
};

use super::{Desk, SMALL};

fn plan_answers(desk: &Desk) -> gpunode::answers::Answers {
    let id =
        desk.newest(|effect| matches!(effect, Effect::MakePlan { step: Step::Variables, .. })).expect("a plan is made");
    let order = desk.open.iter().find(|order| order.id == id).expect("the order");
    let Effect::MakePlan { answers, .. } = &order.effect else { panic!() };
    (**answers).clone()
}

#[test]
fn a_value_is_typed_checked_and_planned() {
    let mut desk = Desk::english(SMALL);
    desk.variables().keys(&[Key::Down, Key::Char('e')]);
    assert!(
        matches!(&desk.app.dialog, Some(Dialog::Ask(ask)) if ask.field.text() == "450.51.06"),
        "what would be written is in the field"
    );
    desk.keys(&[Key::EraseLine]).type_in("latest").keys(&[Key::Enter]);
    assert!(desk.screen().contains("Write a driver version"), "{}", desk.screen());
    desk.keys(&[Key::EraseLine]).type_in("450.51").keys(&[Key::Enter]);
    assert_eq!(desk.app.dialog, None);
    assert_eq!(plan_answers(&desk).variables["nvidia_driver_version"], "450.51", "a text, not a number");
    desk.keys(&[Key::Char('e'), Key::EraseLine, Key::Enter]);
    assert!(plan_answers(&desk).variables.is_empty(), "an empty text takes it back");
}

#[test]
fn true_where_an_image_belongs_is_refused_with_the_reason() {
    let mut desk = Desk::english(SMALL);
    desk.variables();
    while !desk.screen().contains("▸ nvidia_driver_install_container") {
        desk.keys(&[Key::Down]);
    }
    desk.keys(&[Key::Char('e'), Key::EraseLine]).type_in("true").keys(&[Key::Enter]);
    assert!(desk.screen().contains("the role would render the image"), "{}", desk.screen());
    desk.keys(&[Key::EraseLine]).type_in("my.reg/x:1").keys(&[Key::Enter]);
    assert_eq!(plan_answers(&desk).variables["nvidia_driver_install_container"], "my.reg/x:1");
}

#[test]
fn a_variable_can_be_left_as_it_is() {
    let mut desk = Desk::english(SMALL);
    desk.variables().keys(&[Key::Down, Key::Char(' ')]);
    assert!(plan_answers(&desk).variables["nvidia_driver_version"].is_null());
    assert!(desk.screen().contains("kept"), "{}", desk.screen());
    desk.keys(&[Key::Char(' ')]);
    assert!(plan_answers(&desk).variables.is_empty());
}

#[test]
fn space_puts_the_old_value_back_after_one_was_typed() {
    let mut desk = Desk::english(SMALL);
    desk.variables().keys(&[Key::Down, Key::Char('e'), Key::EraseLine]).type_in("999.99").keys(&[Key::Enter]);
    assert!(desk.screen().contains("No driver has this version"), "{}", desk.screen());
    // What the card cannot use is refused as in step 2, with the reason.
    desk.keys(&[Key::EraseLine]).type_in("595.58.03").keys(&[Key::Enter]);
    assert!(desk.screen().contains("supported up to branch R580"), "{}", desk.screen());
    desk.keys(&[Key::EraseLine]).type_in("450.80.02").keys(&[Key::Enter, Key::Char(' ')]);
    assert!(plan_answers(&desk).variables["nvidia_driver_version"].is_null(), "as it stands in the file");
    desk.keys(&[Key::Char(' ')]);
    assert!(plan_answers(&desk).variables.is_empty(), "and then what the plan would write");
}

#[test]
fn a_name_that_the_inventory_does_not_know_wants_a_typed_y() {
    let mut desk = Desk::english(SMALL);
    desk.variables();
    let (answers, preview, plan) = super::sample::newcomer("node9");
    desk.app.answers = answers;
    desk.app.variables.preview = Some(preview);
    desk.app.session.plan.actions.retain(|action| action.step != Step::Variables);
    desk.app.session.plan.actions.extend(plan.actions);
    desk.keys(&[Key::Enter]);
    let screen = desk.screen();
    assert!(screen.contains("node9 is not in the inventory") && screen.contains("node1"), "{screen}");
    desk.keys(&[Key::Enter]);
    assert_eq!(desk.app.dialog, Some(Dialog::Confirm), "a careless Enter does nothing");
    desk.keys(&[Key::Char('y')]);
    let id = desk.newest(|effect| matches!(effect, Effect::RunStep { .. })).expect("a run");
    let order = desk.open.iter().find(|order| order.id == id).expect("the order");
    assert!(matches!(&order.effect, Effect::RunStep { answers, .. } if answers.add_node), "{:?}", order.effect);
}

#[test]
fn a_refused_file_is_not_confirmed_and_can_be_accepted_again() {
    let mut desk = Desk::english(SMALL);
    desk.variables();
    let all = desk.app.to_confirm().len();
    desk.keys(&[Key::Char('d'), Key::Char(' ')]);
    assert!(desk.screen().contains("refused: stays as it is"), "{}", desk.screen());
    assert_eq!((desk.app.to_confirm().len(), desk.app.answers.leave_out.len()), (all - 1, 1));
    desk.keys(&[Key::Tab, Key::Char(' ')]);
    assert_eq!(
        (desk.app.to_confirm().len(), desk.app.answers.leave_out.len()),
        (all - 2, 2),
        "the second file as well"
    );
    desk.keys(&[Key::Tab, Key::Char(' '), Key::Tab, Key::Char(' ')]);
    assert_eq!(
        (desk.app.to_confirm().len(), desk.app.answers.leave_out.len()),
        (all, 0),
        "behind the last file comes the first one"
    );
}
