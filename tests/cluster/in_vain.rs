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
    let end = installer_log::follow(&host, &kubectl, ("node1", &kubespray::STACK), &Cancel::default(), &mut |heard| match heard {
        Heard::Lines(..) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    assert_eq!(end, End::Tail(Outcome::Cancelled));
}
