//! The kernels of this machine: which one boots next, and whether each has a module of the driver.

use std::{
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use object::{Object, ObjectSection, ReadCache};
use serde::{Deserialize, Serialize};

use super::{
    LedgerEntry, ModuleKind, Origin, Unknown,
    ledger::kernel_of,
    reader::{Reader, has_end},
};
use crate::{
    host::{Command, Files, Host},
    i18n::msg,
    text::printable,
    version::Version,
};

/// The name under which an unknown default kernel stands in `Facts::unknown`.
pub(super) const NEXT: &str = "host.next_kernel";
const KERNELS: &str = "driver.kernels";
/// Where the kernels have their modules, a folder each.
const MODULES: &str = "/lib/modules";
/// The boot loader's settings.
const GRUB: &str = "/etc/default/grub";
/// Where the boot loader finds the kernels.
const BOOT: &str = "/boot";

/// The kernel that boots next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextKernel {
    /// Its release, as `uname -r` will say.
    pub release: String,
    /// Where that is written.
    pub source: String,
}

/// A kernel that is installed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct InstalledKernel {
    /// Its release.
    pub release: String,
    /// The file of the driver's main module for it; absent where it has none.
    pub module: Option<String>,
    /// The module's version.
    pub version: Option<String>,
    /// Open or proprietary.
    pub kind: Option<ModuleKind>,
}

/// Returns the kernels with the driver's module of each, oldest first. A folder that a removed kernel has left counts
/// for nothing.
pub(super) fn probe_kernels(reader: &mut Reader<'_>, ledger: &[LedgerEntry]) -> Vec<InstalledKernel> {
    let mut releases: Vec<String> = reader.list_if_there(KERNELS, MODULES);
    releases.retain(|release| is_installed(reader, release));
    releases.sort_by_key(|release| numbers(release));
    releases.iter().map(|release| kernel(reader, ledger, release)).collect()
}

fn is_installed(reader: &Reader<'_>, release: &str) -> bool {
    let places = [
        format!("{BOOT}/vmlinuz-{release}"),
        format!("{MODULES}/{release}/vmlinuz"),
        format!("{MODULES}/{release}/modules.builtin"),
    ];
    places.iter().any(|path| reader.host.files.exists(path))
}

fn kernel(reader: &Reader<'_>, ledger: &[LedgerEntry], release: &str) -> InstalledKernel {
    let is_main = |entry: &&LedgerEntry| {
        let stem = entry.name.split(".ko").next().unwrap_or_default().replace('_', "-");
        let is_part =
            ["-uvm", "-modeset", "-drm", "-peermem", "-fs", "-vgpu-vfio"].iter().any(|part| stem.ends_with(part));
        entry.origin == Origin::ModuleFile && !is_part && kernel_of(&entry.source) == Some(release)
    };
    let module = ledger.iter().find(is_main).map(|entry| entry.source.clone());
    let info = module.as_deref().map(|path| module_info(reader, path)).unwrap_or_default();
    let version = info.version.or_else(|| module.as_ref().and_then(|_| dkms_version(reader, ledger, release)));
    InstalledKernel { release: printable(release), module, version, kind: info.kind }
}

/// Returns the version that dkms has built for a kernel: it keeps a folder a kernel.
fn dkms_version(reader: &Reader<'_>, ledger: &[LedgerEntry], release: &str) -> Option<String> {
    let trees = ledger.iter().filter(|entry| entry.origin == Origin::Dkms);
    let mut built = trees.filter(|entry| reader.host.files.exists(Path::new(&entry.source).join(release)));
    let version = built.find_map(|entry| entry.name.rsplit(' ').next())?;
    version.parse::<Version>().is_ok().then(|| version.to_owned())
}

/// What a module says of itself.
#[derive(Debug, Default, PartialEq)]
struct ModuleInfo {
    version: Option<String>,
    kind: Option<ModuleKind>,
}

/// Reads the section `.modinfo`. A compressed module is not unpacked here; [`ask`] lets `modinfo` do it.
fn module_info(reader: &Reader<'_>, path: &str) -> ModuleInfo {
    let path = Path::new(path);
    if path.extension().is_none_or(|end| end != "ko") {
        return ModuleInfo::default();
    }
    let Ok(meta) = reader.host.files.meta(path) else { return ModuleInfo::default() };
    let cache = ReadCache::new(Pieces { files: &*reader.host.files, path: path.to_owned(), offset: 0, len: meta.len });
    let section = object::File::parse(&cache)
        .ok()
        .and_then(|file| file.section_by_name(".modinfo")?.data().ok().map(<[u8]>::to_vec));
    section.map(|bytes| parse_modinfo(&bytes)).unwrap_or_default()
}

/// Reads `key=value` texts with a zero behind each. Source: Linux, include/linux/moduleparam.h; NVIDIA's open module is
/// licensed "Dual MIT/GPL", the other "NVIDIA".
fn parse_modinfo(bytes: &[u8]) -> ModuleInfo {
    let texts: Vec<String> =
        bytes.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    let value = |key: &str| texts.iter().find_map(|text| text.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned);
    info(value("version"), value("license").as_deref())
}

/// Reads what `modinfo` prints: `version:        580.65.06`, a line an entry.
fn parse_printed_modinfo(text: &str) -> ModuleInfo {
    let value = |key: &str| {
        text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(|value| value.trim().to_owned())
    };
    info(value("version"), value("license").as_deref())
}

fn info(version: Option<String>, license: Option<&str>) -> ModuleInfo {
    let kind = match license {
        Some("NVIDIA") => Some(ModuleKind::Proprietary),
        Some("Dual MIT/GPL") => Some(ModuleKind::Open),
        _ => None,
    };
    ModuleInfo { version: version.filter(|version| version.parse::<Version>().is_ok()), kind }
}

/// A file that is read in pieces through the seam: a module has fifty megabytes, and what it says of itself is a page.
struct Pieces<'a> {
    files: &'a dyn Files,
    path: PathBuf,
    offset: u64,
    len: u64,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.files.read_at(&self.path, self.offset, buffer.len())?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.offset += bytes.len() as u64;
        Ok(bytes.len())
    }
}

impl Seek for Pieces<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.offset.checked_add_signed(by),
        };
        self.offset = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.offset)
    }
}

/// Asks `modinfo` of modules that could not be read, which are compressed.
pub(super) fn ask(reader: &mut Reader<'_>, kernels: &mut [InstalledKernel]) {
    for kernel in kernels.iter_mut().filter(|kernel| kernel.version.is_none() || kernel.kind.is_none()) {
        let Some(module) = &kernel.module else { continue };
        let Some(text) = reader.command(KERNELS, &Command::new("modinfo", []).operand(module)) else { continue };
        let told = parse_printed_modinfo(&text);
        kernel.version = kernel.version.take().or(told.version);
        kernel.kind = kernel.kind.or(told.kind);
    }
}

/// Returns the kernel that boots next, as the boot loader's settings say.
pub(super) fn probe_next(reader: &mut Reader<'_>, kernels: &[InstalledKernel]) -> Option<NextKernel> {
    const ENVIRONMENTS: [&str; 3] = ["/boot/grub2/grubenv", "/boot/grub/grubenv", "/boot/efi/EFI/redhat/grubenv"];
    let files = &reader.host.files;
    let environment = ENVIRONMENTS.iter().find(|path| files.exists(path)).copied();
    let text = environment.and_then(|path| reader.text_if_there(NEXT, path));
    let settings = grub_default(reader);
    if reader.unknown.contains_key(NEXT) {
        return None;
    }
    let value = |key: &str| text.as_deref().and_then(|text| parse_grubenv(text, key));
    // `next_entry` is for one boot; `saved_entry` counts where the settings say so, which they do on systems with BLS.
    let is_saved = settings.as_ref().is_none_or(|default| default == "saved");
    let chosen = value("next_entry").or_else(|| value("saved_entry").filter(|_| is_saved)).zip(environment);
    let chosen =
        chosen.or_else(|| settings.clone().filter(|default| default != "saved").map(|default| (default, GRUB)));
    let next = match chosen {
        Some((entry, source)) => {
            named(kernels, &entry).map(|release| (release, source)).or_else(|| first(reader.host, kernels, &entry))
        }
        None => first(reader.host, kernels, "0"),
    };
    // A machine that is booted from outside has no say in it.
    if next.is_none() && !kernels.is_empty() && reader.host.files.exists(BOOT) {
        reader.note(NEXT, Unknown::from(msg::unknown::boot_entry(BOOT)));
    }
    next.map(|(release, source)| NextKernel { release, source: source.to_owned() })
}

/// Returns `GRUB_DEFAULT`: files beside the settings are read after them, so that the last one counts. Nothing where
/// there is no GRUB.
fn grub_default(reader: &mut Reader<'_>) -> Option<String> {
    const MORE: &str = "/etc/default/grub.d";
    let mut text = reader.text_if_there(NEXT, GRUB)?;
    for name in reader.list_if_there(NEXT, MORE).iter().filter(|name| has_end(name, "cfg")) {
        text += "\n";
        text += &reader.text_if_there(NEXT, Path::new(MORE).join(name)).unwrap_or_default();
    }
    Some(parse_grub_default(&text))
}

/// Returns the kernel whose release an entry's name holds: `gnulinux-6.8.0-45-generic-advanced-…`,
/// `<machine id>-5.14.0-427.el9.x86_64`. Of two that fit, one begins the other: the longer one is meant.
fn named(kernels: &[InstalledKernel], entry: &str) -> Option<String> {
    let fits = kernels.iter().filter(|kernel| entry.contains(&kernel.release));
    fits.max_by_key(|kernel| kernel.release.len()).map(|kernel| kernel.release.clone())
}

/// The entry with the number 0 is the newest kernel that has a file in `/boot`: so grub-mkconfig and BLS sort them.
/// Another number, or a name without a release, says nothing here.
fn first(host: &Host, kernels: &[InstalledKernel], entry: &str) -> Option<(String, &'static str)> {
    let bootable = |kernel: &&InstalledKernel| host.files.exists(format!("{BOOT}/vmlinuz-{}", kernel.release));
    (entry == "0").then(|| kernels.iter().rev().find(bootable))?.map(|kernel| (kernel.release.clone(), BOOT))
}

/// Returns the value of a variable in GRUB's environment block. Source: GRUB manual, "The GRUB environment block".
pub(super) fn parse_grubenv(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    (!value.is_empty()).then(|| printable(value))
}

/// Returns `GRUB_DEFAULT` of `/etc/default/grub`, `0` where it is not set. Source: GRUB manual, "Simple configuration
/// handling".
pub(super) fn parse_grub_default(text: &str) -> String {
    let value = text.lines().rev().find_map(|line| line.trim().strip_prefix("GRUB_DEFAULT="));
    value
        .map(|value| printable(value.trim_matches(['"', '\''])))
        .filter(|value| !value.is_empty())
        .unwrap_or_else(|| "0".to_owned())
}

/// The numbers of a release, for an order in which 6.8.0-100 comes after 6.8.0-45.
fn numbers(release: &str) -> Vec<u64> {
    release.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kernels(releases: &[&str]) -> Vec<InstalledKernel> {
        releases
            .iter()
            .map(|release| InstalledKernel { release: (*release).into(), ..InstalledKernel::default() })
            .collect()
    }

    #[test]
    fn reads_the_boot_loaders_settings() {
        let environment = "# GRUB Environment Block\nsaved_entry=ffffffffffffffffffffffffffffffff-5.14.0-427.13.1.el9_4.x86_64\nboot_success=0\n####";
        let saved = parse_grubenv(environment, "saved_entry").unwrap();
        assert_eq!(
            named(&kernels(&["5.14.0-427.13.1.el9_4.x86_64", "5.14.0-427"]), &saved).as_deref(),
            Some("5.14.0-427.13.1.el9_4.x86_64")
        );
        assert_eq!(parse_grubenv(environment, "next_entry"), None);
        assert_eq!(parse_grub_default("# x\nGRUB_DEFAULT=\"saved\"\n"), "saved");
        assert_eq!(parse_grub_default(""), "0");
    }

    #[test]
    fn a_module_says_what_it_is() {
        let open = parse_modinfo(b"license=Dual MIT/GPL\0supported=external\0version=580.65.06\0");
        assert_eq!(open, ModuleInfo { version: Some("580.65.06".into()), kind: Some(ModuleKind::Open) });
        assert_eq!(parse_modinfo(b"version=535.183.01\0license=NVIDIA\0").kind, Some(ModuleKind::Proprietary));
        assert_eq!(parse_modinfo(b"\xff\0"), ModuleInfo::default());
        assert_eq!(
            parse_printed_modinfo(
                "filename:       /x.ko.zst\nversion:        580.65.06\nlicense:        Dual MIT/GPL\n"
            ),
            open
        );
    }

    #[test]
    fn releases_are_sorted_by_their_numbers() {
        let mut releases = vec!["6.8.0-100-generic", "6.8.0-45-generic", "6.11.0-9-generic"];
        releases.sort_by_key(|release| numbers(release));
        assert_eq!(releases, ["6.8.0-45-generic", "6.8.0-100-generic", "6.11.0-9-generic"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in any::<String>()) {
            let _ = (parse_grubenv(&text, "saved_entry"), parse_grub_default(&text), parse_modinfo(text.as_bytes()));
            let _ = parse_grub_default(&format!("GRUB_DEFAULT={text}"));
        }
    }
}
