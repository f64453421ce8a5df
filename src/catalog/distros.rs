//! The distributions: how each family installs kernel headers and a compiler, removes packages and rebuilds its
//! initramfs.

use std::sync::OnceLock;

use serde::Deserialize;

const DISTROS: &str = include_str!("../../assets/catalog/distros.yaml");

/// The ways of one host: names with its kernel filled in, commands as argument lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// Name of the family, such as `rhel-7`.
    pub name: String,
    /// The package manager: `apt`, `dnf`, `yum`, `tdnf`, `zypper`.
    pub package_manager: String,
    /// The start of a command that installs the packages after it.
    pub install: Vec<String>,
    /// The start of a command that removes the packages after it.
    pub remove: Vec<String>,
    /// The start of a command that tells what removing the packages after it would take with it.
    pub rehearse: Vec<String>,
    /// The start of a command that installs the packages after it and nothing that they only recommend.
    pub restore: Vec<String>,
    /// How a package with its version is written: `{name}={version}`.
    pub pin: String,
    /// The package with the library that the runfile's installer needs.
    pub libxml2: Vec<String>,
    /// The packages with the headers of the running kernel.
    pub headers: Vec<String>,
    /// The packages with a compiler and `make`.
    pub compiler: Vec<String>,
    /// The command that rebuilds the initramfs.
    pub initramfs: Vec<String>,
}

/// What tells which family a system is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct System<'a> {
    /// `ID` of os-release.
    pub id: &'a str,
    /// `ID_LIKE`, word by word.
    pub like: &'a [String],
    /// `VERSION_ID`.
    pub version: &'a str,
    /// The running kernel's release.
    pub kernel: &'a str,
}

/// One family of the catalog.
#[derive(Debug, Clone, Deserialize)]
struct FamilyRow {
    name: String,
    ids: Vec<String>,
    #[serde(default)]
    major_min: u32,
    #[serde(default = "any_major")]
    major_max: u32,
    kernel_contains: Option<String>,
    package_manager: String,
    install: Vec<String>,
    remove: Vec<String>,
    rehearse: Vec<String>,
    restore: Vec<String>,
    pin: String,
    libxml2: Vec<String>,
    headers: Vec<String>,
    compiler: Vec<String>,
    initramfs: Vec<String>,
}

#[derive(Deserialize)]
struct Catalog {
    families: Vec<FamilyRow>,
}

fn any_major() -> u32 {
    u32::MAX
}

/// Returns the family of a system: the first that has its id, else the first that has one of its `ID_LIKE`, in their
/// order.
pub fn family(system: System<'_>) -> Option<Family> {
    let like = system.like.iter().map(String::as_str);
    std::iter::once(system.id)
        .chain(like)
        .find_map(|id| families().iter().find(|row| row.is_of(id, system)))
        .map(|row| row.of(system.kernel))
}

/// Returns the family with this name in the catalog, for its package manager's commands: the names that depend on a
/// kernel are not filled.
pub fn named(name: &str) -> Option<Family> {
    families().iter().find(|row| row.name == name).map(|row| row.of(""))
}

impl FamilyRow {
    fn is_of(&self, id: &str, system: System<'_>) -> bool {
        let major = system.version.split('.').next().and_then(|text| text.parse().ok());
        let in_range = major.is_none_or(|major: u32| (self.major_min..=self.major_max).contains(&major));
        let kernel_matches = self.kernel_contains.as_deref().is_none_or(|part| system.kernel.contains(part));
        self.ids.iter().any(|own| own.eq_ignore_ascii_case(id)) && in_range && kernel_matches
    }

    fn of(&self, kernel: &str) -> Family {
        let release =
            kernel.rsplit_once('-').filter(|(_, flavour)| flavour.bytes().all(|byte| byte.is_ascii_alphabetic()));
        let release = release.map_or(kernel, |(release, _)| release);
        let fill = |name: &String| name.replace("{kernel}", kernel).replace("{kernel_release}", release);
        Family {
            name: self.name.clone(),
            package_manager: self.package_manager.clone(),
            install: self.install.clone(),
            remove: self.remove.clone(),
            rehearse: self.rehearse.clone(),
            restore: self.restore.clone(),
            pin: self.pin.clone(),
            libxml2: self.libxml2.clone(),
            headers: self.headers.iter().map(fill).collect(),
            compiler: self.compiler.clone(),
            initramfs: self.initramfs.clone(),
        }
    }
}

fn families() -> &'static [FamilyRow] {
    static ALL: OnceLock<Vec<FamilyRow>> = OnceLock::new();
    ALL.get_or_init(|| serde_yaml::from_str(DISTROS).map_or_else(|_| Vec::new(), |catalog: Catalog| catalog.families))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family_of(id: &str, like: &str, version: &str, kernel: &str) -> Option<Family> {
        let like: Vec<String> = like.split_whitespace().map(str::to_owned).collect();
        family(System { id, like: &like, version, kernel })
    }

    fn headers(id: &str, like: &str, version: &str, kernel: &str) -> (String, String) {
        let family = family_of(id, like, version, kernel).unwrap();
        (family.name, family.headers.join(" "))
    }

    #[test]
    fn every_family_parses_and_has_commands() {
        let catalog: Catalog = serde_yaml::from_str(DISTROS).unwrap();
        for row in catalog.families {
            assert!(
                [
                    &row.install,
                    &row.remove,
                    &row.rehearse,
                    &row.restore,
                    &row.libxml2,
                    &row.headers,
                    &row.compiler,
                    &row.initramfs
                ]
                .iter()
                .all(|list| !list.is_empty()),
                "{}",
                row.name
            );
            assert!(row.ids.iter().all(|id| *id == id.to_ascii_lowercase()), "{}", row.name);
        }
    }

    #[test]
    fn the_seeds_host_installs_what_the_seed_installs() {
        let family = family_of("centos", "rhel fedora", "7.8.2003", "3.10.0-1160.2.2.el7.x86_64").unwrap();
        assert_eq!(
            family.headers,
            ["kernel-devel-3.10.0-1160.2.2.el7.x86_64", "kernel-headers-3.10.0-1160.2.2.el7.x86_64"]
        );
        assert_eq!(family.install, ["yum", "install", "-y"]);
        assert_eq!(family.initramfs, ["dracut", "--force"]);
    }

    #[test]
    fn each_system_has_its_own_packages() {
        assert_eq!(
            headers("ubuntu", "debian", "22.04", "5.15.0-91-generic"),
            ("debian".into(), "linux-headers-5.15.0-91-generic".into())
        );
        assert_eq!(headers("debian", "", "12", "6.1.0-18-amd64").1, "linux-headers-6.1.0-18-amd64");
        assert_eq!(headers("rocky", "rhel centos fedora", "8.9", "4.18.0").0, "rhel-8");
        assert_eq!(headers("rocky", "rhel centos fedora", "9.4", "5.14.0").0, "rhel-9");
        assert_eq!(headers("rhel", "fedora", "10.0", "6.12.0").0, "rhel-9");
        assert_eq!(headers("fedora", "", "42", "6.14").1, "kernel-devel-matched-6.14 kernel-headers");
        assert_eq!(
            headers("ol", "fedora", "8.9", "5.15.0-3.el8uek.x86_64").1,
            "kernel-uek-devel-5.15.0-3.el8uek.x86_64 kernel-headers"
        );
        assert_eq!(headers("openEuler", "", "22.03", "5.10.0").0, "openeuler");
        assert_eq!(
            headers("sles", "suse", "15.6", "6.4.0-150600.21-default").1,
            "kernel-default-devel=6.4.0-150600.21"
        );
    }

    #[test]
    fn a_derivative_goes_by_what_it_is_like() {
        assert_eq!(headers("linuxmint", "ubuntu debian", "21.3", "5.15.0-91-generic").0, "debian");
        assert_eq!(headers("eurolinux", "rhel fedora centos", "9.2", "5.14.0").0, "rhel-9");
        assert_eq!(family_of("alpine", "", "3.20", "6.6"), None);
        assert_eq!(family(System::default()), None);
    }
}
