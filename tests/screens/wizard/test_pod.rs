//! The test pod: what is shown before it runs, and what is asked afterwards.

use gpunode::wizard::{Answer, Dialog, Effect, Key};

use super::{Desk, Lang, SMALL, is_tail, sample};

fn runs(desk: &Desk) -> usize {
    desk.open.iter().filter(|order| matches!(order.effect, Effect::RunTestPod { .. })).count()
}

fn is_run(effect: &Effect) -> bool {
    matches!(effect, Effect::RunTestPod { .. })
}

#[test]
fn nothing_runs_before_the_plan_was_confirmed_and_the_same_plan_is_asked_about_once() {
    let mut desk = Desk::english(SMALL);
    desk.verify().keys(&[Key::Char('t'), Key::Char('t'), Key::Enter]);
    assert_eq!(runs(&desk), 0, "the plan is not there yet");
    desk.test_planned();
    let Some(Dialog::TestPod(shown)) = desk.app.dialog.clone() else { panic!("{:?}", desk.app.dialog) };
    desk.keys(&[Key::Esc]);
    assert_eq!((runs(&desk), &desk.app.dialog), (0, &None));
    desk.keys(&[Key::Char('t')]).test_planned().keys(&[Key::Enter]);
    assert_eq!(desk.last(), &Effect::RunTestPod { actions: shown });
    desk.say(is_run, Answer::TestOutput(Ok(sample::nvidia_smi()))).keys(&[Key::Char('t')]).test_planned();
    assert_eq!((runs(&desk), &desk.app.dialog), (2, &None));
}

#[test]
fn another_plan_is_asked_about_again() {
    let mut desk = Desk::english(SMALL);
    desk.testing().say(is_run, Answer::TestOutput(Ok(sample::nvidia_smi()))).keys(&[Key::Char('t')]);
    let mut other = sample::test_plan();
    let gpunode::plan::ActionSpec::TestPod(pod) = &mut other[0].kind else { panic!("{other:?}") };
    pod.images = vec!["registry.example/other:1".to_owned()];
    desk.say(|effect| matches!(effect, Effect::PlanTestPod { .. }), Answer::TestPlanned(Ok(other)));
    assert!(matches!(desk.app.dialog, Some(Dialog::TestPod(_))) && runs(&desk) == 1);
}

#[test]
fn the_plan_tells_node_images_namespace_commands_and_manifest() {
    let mut desk = Desk::english((100, 120));
    let screen = desk.announced().screen();
    let gpunode::plan::ActionSpec::TestPod(pod) = &sample::test_plan()[0].kind.clone() else { panic!() };
    for image in &pod.images {
        assert!(screen.contains(image.as_str()), "{image}: {screen}");
    }
    let wanted = [
        "node node1, namespace default",
        "delete pod gpunode-test-TIME",
        "apply --validate=false -f -",
        "nvidia.com/gpu: 1",
    ];
    for text in wanted.into_iter().chain(["runAsNonRoot: true", "deleted"]) {
        assert!(screen.contains(text), "{text}: {screen}");
    }
}

#[test]
fn a_plan_that_cannot_be_made_is_told_where_the_output_would_be() {
    let mut desk = Desk::english(SMALL);
    desk.verify().keys(&[Key::Char('t')]);
    desk.say(
        |effect| matches!(effect, Effect::PlanTestPod { .. }),
        Answer::TestPlanned(Err("No such checkout.".to_owned())),
    );
    assert!(desk.screen().contains("No such checkout.") && runs(&desk) == 0, "{}", desk.screen());
}

#[test]
fn nothing_asks_about_the_taint_before_the_test_pod_has_passed() {
    let offers = |passed| {
        let rows = sample::chain(passed, Lang::En);
        Answer::ChainRows { rows, offers: vec![sample::offer()], failures: Vec::new() }
    };
    let footer = |desk: &Desk| desk.screen().lines().last().unwrap_or_default().to_owned();
    let mut desk = Desk::english(super::WIDE);
    desk.verify().say(is_tail, offers(false)).keys(&[Key::Char('o')]);
    assert!(desk.app.dialog.is_none() && !footer(&desk).contains("node actions"), "{}", footer(&desk));
    desk.say(is_tail, offers(true));
    assert!(footer(&desk).contains("node actions"), "{}", footer(&desk));
    desk.keys(&[Key::Char('t')]).test_planned().keys(&[Key::Enter, Key::Char('o')]);
    assert_eq!(desk.app.dialog, Some(Dialog::Offer(sample::offer().id)));
    desk.say(is_run, Answer::TestOutput(Err("No devices were found".to_owned())));
    assert_eq!(desk.app.dialog, None, "the test has failed under the question");
    desk.keys(&[Key::Char('o')]);
    assert_eq!(desk.app.dialog, None);
}
