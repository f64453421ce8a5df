//! Where waiting cannot help, the reading ends and says why.

use std::{ops::ControlFlow, time::Instant};

use gpunode::{
    cluster::{kubespray, tail::Outcome},
    host::Cancel,
    i18n::Lang,
    installer_log::{self, End, Heard},
};
use serde_json::json;

use crate::support::apiserver::{ApiServer, running};

/// Follows until the end; returns it with all that was said on the way.
fn follow(server: &ApiServer, node: &str) -> (End, Vec<String>) {
    let (host, kubectl) = server.kubectl();
    let mut said = Vec::new();
    let end = installer_log::follow(&host, &kubectl, (node, &kubespray::STACK), &Cancel::default(), &mut |heard| {
        match heard {
            Heard::Because(finding) => said.push(finding.message(Lang::En)),
            Heard::Known(hit) => said.push(hit.cause(Lang::En)),
            Heard::Waiting(why) => said.push(why.text(Lang::En)),
            _ => {}
        }
        ControlFlow::Continue(())
    });
    (end, said)
}

#[test]
fn waiting_ends_where_only_a_person_can_help() {
    for (moment, node, says) in [
        ("30-node-not-labelled", "node1", "label"),
        ("1.36/53-invalid-image-name", "node1", "image"),
        // The kubelet tries for ever; after half a minute of it the reading ends.
        ("1.36/54-image-pull-backoff", "node1", "cannot be pulled"),
        ("1.36/56-unknown-taint", "node1", "dedicated=ml:NoSchedule"),
        ("1.36/50-controller-manager-broken", "node1", "kube-controller-manager"),
        ("1.36/70-all-good", "no-such-node", "no-such-node"),
    ] {
        let server = ApiServer::start(moment);
        let begun = Instant::now();
        let (end, said) = follow(&server, node);
        let End::InVain(cause) = &end else { panic!("{moment}: {end:?} after {said:?}") };
        assert!(cause.message(Lang::En).contains(says), "{moment}: {cause:?}");
        assert!(!cause.remedy(Lang::En).is_empty());
        assert!(said.iter().any(|text| *text == cause.message(Lang::En)), "{moment}: told on the way: {said:?}");
        assert!(begun.elapsed().as_secs() < 60, "{moment}");
    }
}

/// Whoever reads along goes away: the reading ends at once.
#[test]
fn a_reader_that_goes_away_ends_the_reading() {
    let server = ApiServer::start("02-init-running");
    let pod = server.state().installer_name();
    server.change(|state| state.container(0, running(), json!({})));
    server.write(&pod, 0, "2026-11-23T21:00:00Z", "one");
    let (host, kubectl) = server.kubectl();
    let end = installer_log::follow(&host, &kubectl, ("node1", &kubespray::STACK), &Cancel::default(), &mut |heard| {
        match heard {
            Heard::Lines(..) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    });
    assert_eq!(end, End::Tail(Outcome::Cancelled));
}

/// Every reason of an image that does not come ends the waiting, whichever of the two the kubelet says when it is
/// looked.
#[test]
fn an_image_that_is_tried_again_and_again_ends_the_waiting() {
    let server = ApiServer::start("02-init-running");
    let waiting = |reason: &str, message: &str| json!({"waiting": {"reason": reason, "message": message}});
    server.change(|state| {
        state.container(0, waiting("ErrImagePull", "failed to pull and unpack image: not found"), json!({}));
    });
    let turns = std::thread::spawn({
        let (host, kubectl) = server.kubectl();
        move || {
            let mut said = Vec::new();
            let end = installer_log::follow(
                &host,
                &kubectl,
                ("node1", &kubespray::STACK),
                &Cancel::default(),
                &mut |heard| {
                    if let Heard::Known(hit) = heard {
                        said.push(hit.signature.to_string());
                    }
                    ControlFlow::Continue(())
                },
            );
            (end, said)
        }
    });
    for turn in 0..12 {
        std::thread::sleep(std::time::Duration::from_secs(3));
        let (reason, message) =
            [("ImagePullBackOff", "Back-off pulling image \"x\""), ("ErrImagePull", "failed to pull image: not found")]
                [turn % 2];
        server.change(|state| state.container(0, waiting(reason, message), json!({})));
    }
    let (end, said) = turns.join().unwrap();
    assert!(
        matches!(&end, End::InVain(cause) if cause.message(Lang::En).contains("cannot be pulled")),
        "{end:?} {said:?}"
    );
    assert_eq!(said, ["image-pull"], "told once");
}

/// What the status of a dead node's pods says is what its kubelet said last: no success.
#[test]
fn a_dead_node_is_told_at_once() {
    let server = ApiServer::start("1.36/58-node-notready");
    let begun = Instant::now();
    let (end, said) = follow(&server, "node1");
    let End::InVain(cause) = &end else { panic!("{end:?} after {said:?}") };
    assert!(cause.message(Lang::En).contains("stopped posting node status"), "{cause:?}");
    assert!(begun.elapsed().as_secs() < 15, "{:?}", begun.elapsed());
}
