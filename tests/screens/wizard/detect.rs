//! Step 1 on machines larger than the seed's, and while they change.

use gpunode::{
    catalog::{CatalogMatch, KernelModule},
    facts::{Facts, Gpu, GpuNvml, Module, Unknown},
    finding::Severity,
    host::NvmlAnswer,
    wizard::{Answer, Dialog, Effect, Key, detect::Part},
};

use super::{Desk, Lang, SMALL, WIDE, sample, shot};

/// A board with this many H100s. The second one says nothing.
fn board(cards: usize) -> Facts {
    let mut facts = sample::facts();
    let gpu = |index: usize| Gpu {
        pci_address: format!("0000:{:02x}:00.0", 0x0f + index * 9),
        vendor_id: "10de".to_owned(),
        device_id: "2330".to_owned(),
        subsystem_vendor_id: "10de".to_owned(),
        subsystem_device_id: "16c1".to_owned(),
        name: "NVIDIA H100 80GB HBM3".to_owned(),
        chip: "GH100".to_owned(),
        architecture: "hopper".to_owned(),
        compute_capability: "9.0".to_owned(),
        kernel_driver: Some("nvidia".to_owned()),
        catalog: CatalogMatch::Exact,
        first_branch: Some(525),
        kernel_module: KernelModule::Either,
        nvml: (index != 1).then(|| GpuNvml {
            uuid: format!("GPU-5eed0000-0000-4000-8000-{index:012}"),
            memory_mib: Some(81_559),
            cuda_version: Some("12.4".to_owned()),
            temperature_c: Some(31),
            ecc: Some(true),
            mig: Some(false),
            pcie_generation: Some(5),
            pcie_width: Some(16),
            ..GpuNvml::default()
        }),
        ..Gpu::default()
    };
    facts.gpus = (0..cards).map(gpu).collect();
    facts.driver.nvml = Some(NvmlAnswer::Answer {
        driver_version: "550.90.07".into(),
        cuda_version: None,
        gpus: vec![],
        silent: vec![],
    });
    let unknown = serde_json::json!({"id": "not-allowed", "args": {"path": "/sys/firmware/efi/efivars"}});
    facts.unknown.insert("host.secure_boot".to_owned(), serde_json::from_value::<Unknown>(unknown).expect("a reason"));
    facts
}

fn probed(desk: &mut Desk, facts: Facts, changes: &[&str]) {
    let changes = changes.iter().map(|change| (*change).to_owned()).collect();
    desk.say(
        |effect| matches!(effect, Effect::Probe),
        Answer::Probed { facts: Box::new(facts), changes, owners: Vec::new() },
    );
    desk.say(|effect| matches!(effect, Effect::AskPackages), Answer::PackagesAsked(Box::new(sample::facts())));
}

fn desk(facts: Facts) -> Desk {
    let mut desk = Desk::english(SMALL);
    probed(&mut desk, facts, &[]);
    desk
}

#[test]
fn sixteen_cards_can_be_looked_through() {
    let mut desk = desk(board(16));
    shot("80x24-1-sixteen", &desk);
    for gpu in board(16).gpus {
        assert!(desk.screen().contains(&format!("▸ {}", gpu.pci_address)), "{}", desk.screen());
        desk.keys(&[Key::Down]);
    }
    desk.keys(&[Key::Home, Key::Down]);
    assert!(desk.screen().contains("no answer"), "{}", desk.screen());
    let mut wide = Desk::new(Lang::En, false, WIDE);
    probed(&mut wide, board(16), &[]);
    shot("160x50-1-sixteen", &wide);
}

#[test]
fn every_finding_can_be_read_to_its_end() {
    let mut facts = board(2);
    facts.findings =
        ["driver-loaded", "two-origins", "no-fabric-manager", "count-mismatch", "secure-boot-on", "facts-not-known"]
            .iter()
            .map(|id| {
                sample::finding(id, Severity::Warning, format!("{} is the evidence of {id}", "/a/long/path".repeat(9)))
            })
            .collect();
    let count = facts.findings.len();
    let mut desk = desk(facts);
    desk.keys(&[Key::Tab, Key::Tab]);
    assert_eq!(desk.app.detect.part, Part::Findings);
    for index in 0..count {
        let id = desk.app.session.facts.findings[index].id.clone();
        assert!(desk.screen().contains(&format!("evidence of {id}")), "{}", desk.screen());
        desk.keys(&[Key::Down]);
    }
}

#[test]
fn nothing_jumps_when_the_next_part_is_looked_at() {
    for cards in [1, 4] {
        let mut desk = desk(board(cards));
        // All but the mark of what is selected, down to the last part, which belongs to the selection.
        let lists = |desk: &Desk| -> Vec<String> {
            let screen = desk.screen().replace(['▸', '●'], " ").replace('━', "─");
            let lines: Vec<&str> = screen.lines().collect();
            let last = lines.iter().rposition(|line| line.starts_with(" ── ")).expect("a heading");
            lines[1..=last]
                .iter()
                .map(|line| if line.starts_with(" ── ") { line[..20].to_owned() } else { (*line).to_owned() })
                .collect()
        };
        let first = lists(&desk);
        let count = first.len();
        for _ in 0..4 {
            desk.keys(&[Key::Tab]);
            let now = lists(&desk);
            assert_eq!(now.len(), count, "{}", desk.screen());
            assert_eq!(now[..count - 1], first[..count - 1], "{}", desk.screen());
        }
    }
}

#[test]
fn each_part_tells_its_details_below() {
    let mut desk = desk(board(8));
    desk.keys(&[Key::Tab]);
    shot("80x24-1-ledger", &desk);
    desk.keys(&[Key::Tab]);
    shot("80x24-1-findings", &desk);
    desk.keys(&[Key::Tab, Key::End]);
    let screen = desk.screen();
    assert!(screen.contains("host.secure_boot: reading"), "what is not known is told with its reason: {screen}");
    desk.keys(&[Key::Tab]);
    assert_eq!(desk.app.detect.part, Part::Cards);
    desk.keys(&[Key::BackTab]);
    assert_eq!(desk.app.detect.part, Part::Host);
}

#[test]
fn what_was_selected_stays_selected_when_the_machine_changes() {
    let mut desk = desk(board(8));
    desk.keys(&[Key::Down, Key::Down, Key::Down]);
    let selected = desk.app.session.facts.gpus[3].pci_address.clone();
    desk.say(|effect| matches!(effect, Effect::Fingerprint), Answer::MachineChanged);
    let mut fewer = board(8);
    fewer.gpus.remove(0);
    fewer.driver.modules = vec![Module { name: "nouveau".into(), ..Module::default() }];
    probed(
        &mut desk,
        fewer,
        &["NVIDIA H100 80GB HBM3 at 0000:0f:00.0 is gone.", "Driver 418.87.00 is no longer loaded."],
    );
    assert_eq!(desk.app.session.facts.gpus[desk.app.detect.card].pci_address, selected);
    let screen = desk.screen();
    assert!(screen.contains("0000:0f:00.0 is gone. +1 more (r)"), "{screen}");
    assert_eq!(desk.app.dialog, None, "nothing opens over what the user reads");
    desk.keys(&[Key::Char('r')]);
    probed(&mut desk, board(8), &[]);
    assert!(matches!(&desk.app.dialog, Some(Dialog::Changes(all)) if all.len() == 2), "{:?}", desk.app.dialog);
}

#[test]
fn who_asks_is_told_even_if_nothing_has_changed() {
    let mut desk = desk(board(1));
    desk.keys(&[Key::Char('r'), Key::Char('r')]);
    let probes = desk.open.iter().filter(|order| order.effect == Effect::Probe).count();
    assert_eq!(probes, 2, "the second key waits for the first");
    probed(&mut desk, board(1), &[]);
    assert!(desk.screen().contains("nothing has changed"), "{}", desk.screen());
}

#[test]
fn the_machine_is_watched_only_while_it_is_looked_at() {
    let mut desk = desk(board(1));
    let watch = desk.newest(|effect| matches!(effect, Effect::Fingerprint)).expect("a watch");
    desk.keys(&[Key::Enter]);
    assert!(desk.open.iter().any(|order| order.effect == Effect::Cancel(watch)));
    desk.say(|effect| matches!(effect, Effect::Fingerprint), Answer::MachineChanged);
    assert!(!matches!(desk.last(), Effect::Probe), "a late word of it changes nothing");
}
