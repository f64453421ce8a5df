//! The one-line prompt, by keys.

use gpunode::{
    engine::{Event, Outcome},
    wizard::{
        Answer, Dialog, Effect, Key, Msg, Screen,
        ask::{Source, Subject},
    },
};

use super::{Desk, Lang, SMALL, sample, shot};

fn field(desk: &Desk) -> &str {
    match &desk.app.dialog {
        Some(Dialog::Ask(ask)) => ask.field.text(),
        other => panic!("no question: {other:?}"),
    }
}

#[test]
fn another_checkout_is_typed_and_read() {
    let mut desk = Desk::english(SMALL);
    desk.variables().keys(&[Key::Char('c')]);
    assert_eq!(field(&desk), "/root/kubespray-2.14.2", "what is read now stands in the field");
    desk.keys(&[Key::EraseLine]).type_in("/opt/kubespray").keys(&[Key::EraseWord]).type_in("q?");
    assert_eq!(field(&desk), "/opt/q?", "letters are text here, not keys");
    desk.keys(&[Key::Backspace, Key::Home, Key::Delete, Key::End]);
    assert_eq!(field(&desk), "opt/q");
    desk.keys(&[Key::Enter]);
    assert_eq!(field(&desk), "opt/q", "a path that is not whole stays where it is");
    assert!(desk.screen().contains("Write the full path"), "{}", desk.screen());
    desk.keys(&[Key::EraseLine]).tell(Msg::Paste("/home/user/큐브스프레이\r\nrm -rf /\r\n".to_owned()));
    assert_eq!(field(&desk), "/home/user/큐브스프레이");
    desk.keys(&[Key::Enter]);
    assert_eq!((desk.app.screen, &desk.app.dialog, &desk.app.variables.preview), (Screen::Variables, &None, &None));
    let id = desk.newest(|effect| matches!(effect, Effect::LoadPreview { .. })).expect("the new place is read");
    let Some(Effect::LoadPreview { answers }) =
        desk.open.iter().find(|order| order.id == id).map(|order| &order.effect)
    else {
        panic!()
    };
    assert_eq!(answers.kubespray.as_deref(), Some(std::path::Path::new("/home/user/큐브스프레이")));
    desk.say(
        |effect| matches!(effect, Effect::LoadPreview { .. }),
        Answer::Preview(Err("that is not a checkout".to_owned())),
    );
    assert!(desk.screen().contains("that is not a checkout"), "{}", desk.screen());
    assert!(desk.screen().contains("c checkout"), "the way out is in the footer: {}", desk.screen());
}

#[test]
fn escape_changes_nothing() {
    let mut desk = Desk::english(SMALL);
    let before = desk.variables().app.clone();
    desk.keys(&[Key::Char('m')]).type_in("x").keys(&[Key::Esc]);
    assert_eq!(desk.app, before);
    desk.keys(&[Key::Char('m'), Key::Enter]);
    assert_eq!(desk.app.answers.node.as_deref(), Some("node1"));
}

#[test]
fn an_empty_inventory_means_to_look_for_it_again() {
    let mut desk = Desk::english(SMALL);
    desk.variables();
    desk.app.answers.inventory = "inventory/other/hosts.yaml".parse().ok();
    desk.keys(&[Key::Char('i'), Key::EraseLine, Key::Enter]);
    assert_eq!(desk.app.answers.inventory, None);
}

#[test]
fn text_pasted_where_keys_are_read_is_no_key() {
    let mut desk = Desk::english(SMALL);
    let before = desk.variables().app.clone();
    desk.tell(Msg::Paste("yq\n".to_owned()));
    assert_eq!(desk.app, before);
    desk.verify().type_in("/").tell(Msg::Paste("DONE".to_owned()));
    assert_eq!(desk.app.verify.typing.as_deref(), Some("DONE"));
}

#[test]
fn the_question_is_a_screen() {
    let ask = |desk: &mut Desk| {
        desk.variables().keys(&[Key::Char('i')]);
        desk.type_in("/그룹");
    };
    let mut desk = Desk::english(SMALL);
    ask(&mut desk);
    shot("80x24-3-ask", &desk);
    let mut desk = Desk::new(Lang::Ko, false, SMALL);
    ask(&mut desk);
    shot("ko-3-ask", &desk);
    assert_eq!(sample::preview().inventory_host.as_deref(), Some("node1"));
    assert!(matches!(&desk.app.dialog, Some(Dialog::Ask(ask)) if ask.subject == Subject::Source(Source::Inventory)));
}

#[test]
fn the_terminals_cursor_stands_in_the_field() {
    let mut desk = Desk::english(SMALL);
    desk.variables().keys(&[Key::Char('c')]);
    let mut terminal = ratatui::Terminal::new(ratatui::backend::TestBackend::new(80, 24)).expect("a test terminal");
    let mut cursor = |desk: &Desk| {
        terminal.draw(|frame| gpunode::tui::view(&desk.app, frame)).expect("a picture");
        let at = ratatui::backend::Backend::get_cursor_position(terminal.backend_mut()).expect("a cursor");
        let row: String = (0..80).map(|x| terminal.backend().buffer()[(x, at.y)].symbol()).collect();
        (at, row)
    };
    let (at, row) = cursor(&desk);
    let text_end = row.find("kubespray-2.14.2").expect("the field is on the cursor's row") + "kubespray-2.14.2".len();
    // The border in front takes more than one byte.
    let before = row[..text_end].chars().count();
    assert_eq!(usize::from(at.x), before);
    desk.type_in("한");
    assert_eq!(cursor(&desk).0.x, at.x + 2);
    desk.keys(&[Key::Left]);
    assert_eq!(cursor(&desk).0.x, at.x);
}

#[test]
fn sudos_password_is_asked_for_and_not_shown() {
    let mut desk = Desk::english(SMALL);
    desk.running().event(Event::PasswordNeeded).ended(Outcome::Failed { id: "run-playbook".to_owned(), exit: None });
    desk.type_in("s3cret");
    assert!(!desk.screen().contains("s3cret"), "{}", desk.screen());
    shot("80x24-3-password", &desk);
    desk.keys(&[Key::Enter]);
    let Effect::RunStep { secret: Some(secret), .. } = desk.last() else { panic!("{:?}", desk.last()) };
    assert_eq!(secret.reveal(), "s3cret\n");
    assert!(!format!("{:?}{:?}", desk.app, desk.open).contains("s3cret"));
    desk.event(Event::PasswordNeeded).ended(Outcome::Failed { id: "run-playbook".to_owned(), exit: None });
    assert!(
        matches!(&desk.app.dialog, Some(Dialog::Ask(ask)) if ask.field.text().is_empty()),
        "a wrong one is asked for again"
    );
    desk.keys(&[Key::Enter]);
    assert!(desk.screen().contains("Type the password"), "{}", desk.screen());
    desk.keys(&[Key::Esc]);
    assert_eq!(desk.app.secret, None);
}
