//! The driver's packages installed by the real dnf and zypper, from a made repository with the real names.

use std::{fs, process};

use super::rpm::{ROCKY, SLES, World};
use crate::support::engine;
use gpunode::{
    i18n::Lang,
    plan::action::{
        install_set::{InstallSet, Purpose},
        undo::WayBack,
    },
    session::Status,
};

/// The names of RHEL's packages of two branches, and those of SUSE's.
const RHEL: [&str; 2] = ["nvidia-driver-cuda", "kmod-nvidia-open-dkms"];
const SUSE: [&str; 2] = ["nvidia-open-driver-G06-signed-cuda-kmp-default", "nvidia-compute-utils-G06"];

/// Builds packages in both versions into the world's repository; a field is put into each package of the newer branch.
fn offer(world: &World, names: &[&str], version: &str, fields: &str) {
    let made = world.path("made");
    fs::create_dir_all(&made).unwrap();
    let part = |name: &&str| {
        format!("%package -n {name}\nSummary: a dummy\n{fields}%description -n {name}\nA dummy.\n%files -n {name}\n")
    };
    let head = format!(
        "Name: dummies{version}\nVersion: {version}\nRelease: 1\nSummary: dummies\nLicense: none\nBuildArch: noarch\n%description\nDummies.\n"
    );
    let spec = world.path("dummies.spec");
    fs::write(&spec, head + &names.iter().map(part).collect::<String>()).unwrap();
    let (top, out) = (format!("_topdir {}", world.path("top").display()), format!("_rpmdir {}", made.display()));
    let built = process::Command::new("rpmbuild")
        .args(["-bb", "--quiet", "--define", &top, "--define", &out])
        .arg(&spec)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let index = process::Command::new("createrepo_c").arg("--quiet").arg(&made).output().unwrap();
    assert!(index.status.success(), "{}", String::from_utf8_lossy(&index.stderr));
}

/// A system without a driver, with a repository that has one branch, and the next.
fn world(os: &str, names: &[&str]) -> World {
    let world = World::with(os, &["barracuda"]);
    offer(&world, names, "580.95.05", "");
    offer(&world, names, "595.58.03", "");
    let repo = world.path("etc/zypp/repos.d/made.repo");
    fs::write(
        repo,
        format!(
            "[made]\nname=made\nenabled=1\nautorefresh=1\nbaseurl=file://{}\ngpgcheck=0\n",
            world.path("made").display()
        ),
    )
    .unwrap();
    world
}

fn set(family: &str, names: &[&str], version: Option<&str>) -> InstallSet {
    InstallSet {
        family: family.to_owned(),
        purpose: Purpose::Driver,
        packages: names.iter().map(|name| (*name).to_owned()).collect(),
        version: version.map(str::to_owned),
        branch: Some(580),
        replaces_driver: false,
    }
}

fn run(world: &World, set: InstallSet) -> engine::Done {
    let scratch = tempfile::tempdir().unwrap();
    engine::run(&world.host(), scratch.path(), set.into(), &mut |_, _| {})
}

#[test]
fn another_branch_is_refused_and_the_wanted_one_is_installed_and_taken_back() {
    for (os, family, names) in [(ROCKY, "rhel-9", RHEL), (SLES, "suse", SUSE)] {
        let world = world(os, &names);
        let before = world.installed();
        // Without a version the newest comes, which is another branch.
        let done = run(&world, set(family, &names, None));
        let said = done.record.failure.as_ref().map(|message| message.text(Lang::En)).unwrap_or_default();
        assert_eq!(done.record.status, Status::Failed, "{family}: {}", done.lines());
        assert!(said.contains("595.58.03") && said.contains("not of R580"), "{family}: {said}");
        assert_eq!(world.installed(), before);
        let done = run(&world, set(family, &names, Some("580.95.05")));
        assert_eq!(done.record.status, Status::Done, "{family}: {:?}\n{}", done.record.evidence, done.lines());
        assert!(names.iter().all(|name| world.installed().contains(*name)), "{:?}", world.installed());
        assert!(
            done.record.evidence.iter().any(|line| line.contains("are of version 580.95.05")),
            "{:?}",
            done.record.evidence
        );
        let back = done.record.action.kind.way_back(&world.host(), done.record.undo.as_ref().unwrap()).unwrap();
        let WayBack::Reinstall(back) = back else { panic!("another way back: {back:?}") };
        assert_eq!(back.install, None);
        let remove = gpunode::host::Command { kind: gpunode::host::Kind::Query, ..back.remove.unwrap() };
        let output = world.commands().capture(&remove).unwrap();
        assert!(output.exit.is_success(), "{remove}: {}{}", output.stdout, output.stderr);
        assert_eq!(world.installed(), before, "{family}");
    }
}

#[test]
fn a_package_that_takes_the_place_of_another_is_refused() {
    let world = world(ROCKY, &RHEL);
    offer(&world, &["render-farm"], "1.0", "");
    let farm = InstallSet { packages: vec!["render-farm".to_owned()], branch: None, ..set("rhel-9", &RHEL, None) };
    assert_eq!(run(&world, farm).record.status, Status::Done);
    offer(&world, &["nvidia-driver-cuda"], "580.99.01", "Obsoletes: render-farm\n");
    // What dnf knows of the repository is older than this package.
    world.commands().capture(&gpunode::host::Command::new("dnf", ["clean", "all"])).unwrap();
    let wanted =
        InstallSet { packages: vec!["nvidia-driver-cuda".to_owned()], ..set("rhel-9", &RHEL, Some("580.99.01")) };
    let done = run(&world, wanted);
    let said = done.record.failure.as_ref().map(|message| message.text(Lang::En)).unwrap_or_default();
    assert!(said.contains("would remove render-farm"), "said: {said}; evidence: {:?}", done.record.evidence);
    assert!(world.installed().contains("render-farm"));
}
