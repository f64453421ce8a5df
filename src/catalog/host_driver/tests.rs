use super::*;

fn host<'a>(id: &'a str, version: &'a str, kernel: &'a str) -> System<'a> {
    System { id, like: &[], version, kernel }
}

#[test]
fn the_catalog_is_read_whole_and_every_name_in_it_is_defined() {
    let all: Catalog = serde_yaml::from_str(HOST_DRIVER).unwrap();
    for row in &all.repositories {
        assert!(key(&row.key).is_some(), "{row:?}");
    }
    assert!(all.container_toolkit.deb.key().is_some() && all.container_toolkit.rpm.key().is_some());
    for key in &all.keys {
        let is_whole =
            |text: &String| text.len() == 40 && text.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b));
        assert!(key.fingerprint.as_ref().is_none_or(is_whole), "{key:?}");
        assert_eq!(key.fingerprint.is_some(), key.verified, "{key:?}");
    }
    for source in &all.sources {
        assert!(source.branches.iter().all(|branch| packaged_branch(*branch).is_some()), "{source:?}");
        assert_eq!(source.pin == PinKind::Package, source.pin_package.is_some(), "{source:?}");
        assert_eq!(source.pin == PinKind::ModuleStream, !source.stream.is_empty(), "{source:?}");
    }
    // Kind and end of support have one place.
    for row in &all.branches {
        assert!(row.kind.is_none() || !drivers::branches().contains_key(&row.branch), "{row:?}");
    }
}

#[test]
fn names_follow_the_kernels_flavour() {
    for (version, kernel, expected) in [
        ("24.04", "6.8.0-45-generic", "generic"),
        ("24.04", "6.11.0-17-generic", "generic-hwe-24.04"),
        ("22.04", "6.8.0-45-generic", "generic-hwe-22.04"),
        ("24.04", "6.8.0-1015-aws", "aws"),
        ("22.04", "5.15.0-1073-azure-fde", "azure-fde"),
        ("24.04", "6.8.0-1013-nvidia", "nvidia"),
    ] {
        assert_eq!(flavour(host("ubuntu", version, kernel)), expected, "{kernel}");
    }
}

#[test]
fn names_in_nvidias_repository_lose_their_branch_from_590_on() {
    let host = host("ubuntu", "24.04", "6.8.0-45-generic");
    let nvidia = sources(host).find(|source| source.id == DriverSource::Nvidia).unwrap();
    assert_eq!(
        nvidia.packages(580, ModuleKind::Open, host).unwrap(),
        ["libnvidia-compute-580", "nvidia-dkms-580-open"]
    );
    assert_eq!(nvidia.packages(595, ModuleKind::Proprietary, host).unwrap(), ["libnvidia-compute", "nvidia-dkms"]);
    assert_eq!(nvidia.packages(620, ModuleKind::Proprietary, host), None);
    assert_eq!(
        nvidia.fabric_manager.as_ref().unwrap().packages(580),
        ["nvidia-fabricmanager-580", "libnvidia-nscq-580"]
    );
    assert_eq!(nvidia.fabric_manager.as_ref().unwrap().packages(595), ["nvidia-fabricmanager", "libnvidia-nscq"]);
    assert_eq!(nvidia.pin_package(595).as_deref(), Some("nvidia-driver-pinning-595"));
}

#[test]
fn each_system_has_its_sources_and_branches() {
    let offered = |id: &str, version: &str| {
        let host = host(id, version, "6.8.0-1-generic");
        sources(host).map(|source| (source.id.name(), source.branches(host))).collect::<Vec<_>>()
    };
    assert_eq!(offered("debian", "12")[0], ("debian", vec![535]));
    assert_eq!(offered("debian", "13")[0], ("debian", vec![550]));
    assert_eq!(offered("ubuntu", "24.04")[0], ("ubuntu-precompiled", vec![580, 595]));
    assert_eq!(offered("ubuntu", "26.04")[0], ("ubuntu-precompiled", vec![580, 595, 615]));
    assert_eq!(offered("rocky", "9.4"), offered("rhel", "9"));
    assert_eq!(offered("rocky", "9.4").len(), 2);
    assert_eq!(offered("opensuse-leap", "15.6")[0].0, "nvidia");
    assert!(offered("arch", "rolling").is_empty() && offered("ubuntu", "20.04").is_empty());
}

#[test]
fn the_repository_of_a_machine_has_a_key_and_a_mirror_takes_its_place() {
    let noble = cuda_repository(host("ubuntu", "24.04", ""), "x86_64", None).unwrap();
    assert_eq!(noble.address, "https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2404/x86_64");
    assert_eq!(noble.key.fingerprint.as_deref(), Some("EB693B3035CD5710E231E123A4B469963BF863CC"));
    let mirrored = cuda_repository(host("rocky", "10.0", ""), "x86_64", Some("http://mirror.local/nvidia/")).unwrap();
    assert_eq!(mirrored.address, "http://mirror.local/nvidia/rhel10/x86_64");
    assert_eq!(mirrored.key.fingerprint, None);
}
