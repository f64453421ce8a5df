//! The choice of step 2: toolkit and driver.

use gpunode::wizard::{Answer, Effect, Key, Screen};

use super::{Desk, SMALL, WIDE, sample};

#[test]
fn the_toolkit_that_pairs_with_the_recommended_driver_is_the_default() {
    let mut desk = Desk::english(SMALL);
    desk.choice();
    assert_eq!(desk.app.answers.driver_version.as_ref().map(gpunode::version::Version::as_str), Some("450.51.06"));
    assert_eq!(desk.app.answers.cuda().map(gpunode::version::Version::as_str), Some("11.0.3"));
}

#[test]
fn an_unfit_driver_cannot_be_taken() {
    let mut desk = Desk::english(SMALL);
    desk.choice().keys(&[Key::Enter, Key::Enter, Key::Char('a'), Key::End, Key::Enter]);
    assert_eq!(desk.app.screen, Screen::Choice);
    assert!(desk.app.notice.is_some());
}

#[test]
fn drivers_are_filtered_and_sorted_and_the_choice_stays() {
    let mut desk = Desk::english(WIDE);
    desk.choice().type_in("a");
    let all = desk.app.driver.rows().len();
    let chosen = desk.app.answers.driver_version.clone();
    desk.type_in("/");
    desk.type_in("450 lts").keys(&[Key::Enter]);
    let found: Vec<String> = desk.app.driver.rows().iter().map(|row| row.branch.clone()).collect();
    assert!(!found.is_empty() && found.len() < all && found.iter().all(|branch| branch == "R450"), "{found:?}");
    assert!(desk.screen().contains("/ 450 lts"), "{}", desk.screen());
    desk.type_in("sss");
    let sizes: Vec<_> = desk.app.driver.rows().iter().filter_map(|row| row.size_bytes).collect();
    assert!(sizes.is_sorted(), "{sizes:?}");
    assert_eq!(desk.app.answers.driver_version, chosen);
    desk.type_in("/").keys(&[Key::EraseLine]).type_in("no such thing").keys(&[Key::Enter]);
    assert!(desk.screen().contains("No driver has these words"), "{}", desk.screen());
}

#[test]
fn a_driver_that_the_filter_hides_cannot_be_taken() {
    let chosen = |desk: &Desk| desk.app.answers.driver_version.as_ref().map(ToString::to_string);
    let mut desk = Desk::english(SMALL);
    desk.choice().type_in("/470").keys(&[Key::Enter]);
    assert_eq!(chosen(&desk).as_deref(), Some("470.256.02"), "the cursor is on the first row in view");
    desk.say(|effect| matches!(effect, Effect::LoadTable { .. }), Answer::Table(Ok(sample::table())));
    let screen = desk.screen();
    assert!(screen.contains("▸ 470.256.02") && screen.contains("NVIDIA-Linux-x86_64-470.256.02.run"), "{screen}");
    assert!(!screen.contains(" 450.51.06 "), "{screen}");
    desk.type_in("/").keys(&[Key::EraseLine]).type_in("nothing").keys(&[Key::Enter, Key::Enter]);
    assert_eq!(desk.app.screen, Screen::Choice);
    let screen = desk.screen();
    assert!(screen.contains("! No driver has these words") && !screen.contains("470.256.02.run"), "{screen}");
    desk.keys(&[Key::Esc]);
    assert_eq!((desk.app.screen, desk.app.driver.filter.as_str()), (Screen::Choice, ""), "Esc drops the filter first");
    desk.keys(&[Key::Esc]);
    assert_eq!(desk.app.screen, Screen::Choice, "where nothing is open, Esc does nothing");
    desk.keys(&[Key::Char('b')]);
    assert_eq!(desk.app.screen, Screen::Detect);
}

#[test]
fn every_toolkit_is_reached_from_every_other_and_the_driver_follows() {
    let mut desk = Desk::english(SMALL);
    desk.choice().keys(&[Key::Tab]);
    let table = |desk: &mut Desk| {
        let wanted = desk.app.answers.cuda().cloned();
        let table = sample::table_for(wanted.as_ref());
        desk.say(|effect| matches!(effect, Effect::LoadTable { .. }), Answer::Table(Ok(table)));
    };
    let cuda = |desk: &Desk| desk.app.answers.cuda().map(ToString::to_string).unwrap_or_default();
    let driver = |desk: &Desk| desk.app.answers.driver_version.clone().expect("a driver");
    let (first, first_driver) = (cuda(&desk), driver(&desk));
    let mut seen = vec![first.clone()];
    for _ in 0..3 {
        desk.keys(&[Key::Right]);
        table(&mut desk);
        seen.push(cuda(&desk));
    }
    assert!(driver(&desk) < first_driver, "an older toolkit has an older driver: {}", desk.screen());
    for expected in seen.iter().rev().skip(1) {
        desk.keys(&[Key::Left]);
        table(&mut desk);
        assert_eq!(cuda(&desk), *expected, "{}", desk.screen());
    }
    assert_eq!(driver(&desk), first_driver);
    assert!(desk.screen().contains("←→ choose"), "a row is walked sideways: {}", desk.screen());
    desk.keys(&[Key::Left]);
    table(&mut desk);
    assert!(cuda(&desk) != first && driver(&desk) > first_driver, "a newer toolkit leads to a newer driver");
}

#[test]
fn a_star_on_a_branch_without_support_has_its_word() {
    let mut desk = Desk::english(WIDE);
    let screen = desk.choice().screen();
    assert!(screen.contains("★ Recommended.") && screen.contains("! Its branch gets no security fixes"), "{screen}");
    let mut supported = sample::table();
    supported.drivers.iter_mut().filter(|row| row.recommended).for_each(|row| row.ended = false);
    let mut desk = Desk::english(WIDE);
    desk.probed().keys(&[Key::Enter]);
    desk.say(|effect| matches!(effect, Effect::LoadTable { .. }), Answer::Table(Ok(supported)));
    assert!(!desk.screen().contains("no security fixes"), "{}", desk.screen());
}

#[test]
fn what_has_no_room_below_the_drivers_says_so_and_is_in_the_help() {
    let mut table = sample::table();
    let note = sample::reason("gcc-too-old", &[("there", "4.8.5"), ("limit", "5")]);
    table.cuda.iter_mut().filter(|row| row.version.as_str() == "11.0.3").for_each(|row| row.notes = vec![note.clone()]);
    let mut desk = Desk::english(SMALL);
    desk.probed().keys(&[Key::Enter]);
    desk.say(|effect| matches!(effect, Effect::LoadTable { .. }), Answer::Table(Ok(table)));
    assert!(desk.screen().contains("… ? shows all of it"), "{}", desk.screen());
    // The owners with their reasons stand before it.
    let help = desk.keys(&[Key::Char('?')]).screen() + &desk.keys(&[Key::PageDown]).screen();
    assert!(
        help.contains("Selected driver: 450.51.06") && help.contains("gcc 4.8.5 is older than nvcc takes"),
        "{help}"
    );
}

/// The owner to take has a star and its reason; one that cannot work has a cross, and its reason as soon as the cursor
/// is on it.
#[test]
fn owners_are_marked_and_say_why() {
    let mut desk = Desk::english(SMALL);
    let screen = desk.choice().screen();
    assert!(screen.contains("▸ ● installer pod   ★ recommended"), "{screen}");
    assert!(screen.contains("Kubespray's GPU role has an installer for this cluster."), "{screen}");
    desk.keys(&[Key::End]);
    let screen = desk.screen();
    assert!(screen.contains("▸ ● GPU Operator    ! with limits"), "{screen}");
    assert!(
        screen.replace("\n     ", " ").contains("older than the charts of GPU Operator that NVIDIA supports."),
        "{screen}"
    );
    let help = Desk::english(SMALL).choice().keys(&[Key::Char('?')]).screen();
    assert!(help.contains("Who owns the driver?"), "{help}");
}

/// One cursor: where another part has it, the chosen driver keeps only a dot.
#[test]
fn a_screen_has_one_cursor() {
    let mut desk = Desk::english(WIDE);
    desk.choice();
    for _ in 0..3 {
        let screen = desk.screen();
        assert_eq!(screen.lines().skip(2).collect::<String>().matches('▸').count(), 1, "{screen}");
        desk.keys(&[Key::Tab]);
    }
}
