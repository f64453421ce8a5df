//! The operating system around the GPUs: distribution, name, architecture, compiler, C library, package manager, free
//! space.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use regex::bytes::Regex;

use super::{HeadersOffer, HostFacts, Unknown, kernel, reader::Reader, runtime};
use crate::{
    host::{Command, FileKind},
    i18n::msg,
    text::printable,
    version::Version,
};

/// Where the free space is looked at: runfiles are unpacked in `/tmp`, images and logs live in `/var`.
const SPACE_PATHS: [&str; 3] = ["/", "/tmp", "/var"];

/// The loader of each architecture: what tells it in a folder that is not running.
const LOADERS: [(&str, &str); 4] = [
    ("/lib64/ld-linux-x86-64.so.2", "x86_64"),
    ("/lib/ld-linux-aarch64.so.1", "aarch64"),
    ("/lib64/ld64.so.2", "ppc64le"),
    ("/lib/ld-linux-riscv64-lp64d.so.1", "riscv64"),
];

/// Places of the C library.
const LIBC: [&str; 6] = [
    "/lib64/libc.so.6",
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib/aarch64-linux-gnu/libc.so.6",
    "/usr/lib64/libc.so.6",
    "/usr/lib/x86_64-linux-gnu/libc.so.6",
    "/usr/lib/libc.so.6",
];

/// Returns all host facts.
pub(super) fn probe(reader: &mut Reader<'_>) -> HostFacts {
    let release = probe_release(reader);
    let kernel = kernel::probe_release(reader);
    let container_runtime = runtime::probe_runtime(reader);
    HostFacts {
        hostname: probe_hostname(reader),
        os_id: release.id,
        os_version: release.version,
        os_name: release.name,
        os_like: release.like,
        architecture: probe_architecture(reader),
        gcc_version: probe_gcc(reader),
        glibc_version: probe_glibc(reader),
        kernel_headers: kernel::probe_headers(reader, &kernel),
        secure_boot: kernel::probe_secure_boot(reader),
        boot_id: kernel::probe_boot_id(reader),
        storage_driver: container_runtime.as_deref().and_then(|runtime| runtime::probe_storage_driver(reader, runtime)),
        container_runtime,
        container: runtime::probe_container(reader).map(str::to_owned),
        package_manager: probe_package_manager(reader),
        tegra: probe_tegra(reader).map(str::to_owned),
        root: probe_root(reader),
        free_space: probe_free_space(reader),
        headers_offer: HeadersOffer::default(),
        // With the kernels, of which the ledger tells.
        next_kernel: None,
        kernel,
    }
}

/// Returns the sign that this is a Tegra, whose GPU is a part of the chip: what `JetPack` (L4T) leaves, or the chip's
/// own name. Source: L4T's `/etc/nv_tegra_release`; the kernel's drivers/soc/tegra (`family`); the device trees of
/// arch/arm64/boot/dts/nvidia.
fn probe_tegra(reader: &Reader<'_>) -> Option<&'static str> {
    const RELEASE: &str = "/etc/nv_tegra_release";
    const FAMILY: &str = "/sys/devices/soc0/family";
    const COMPATIBLE: &str = "/proc/device-tree/compatible";
    let files = &reader.host.files;
    let is_tegra = |path: &str, word: &str| {
        files.read_text(path).is_ok_and(|text| text.split(['\0', '\n']).any(|line| line.starts_with(word)))
    };
    if files.exists(RELEASE) {
        Some(RELEASE)
    } else if is_tegra(FAMILY, "Tegra") {
        Some(FAMILY)
    } else {
        is_tegra(COMPATIBLE, "nvidia,tegra").then_some(COMPATIBLE)
    }
}

/// What a distribution says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// `ID`.
    pub id: String,
    /// `VERSION_ID`.
    pub version: String,
    /// `PRETTY_NAME`.
    pub name: String,
    /// `ID_LIKE`, split.
    pub like: Vec<String>,
}

fn probe_release(reader: &mut Reader<'_>) -> Release {
    let text = reader.host.files.read_text("/etc/os-release").ok();
    let text = text.or_else(|| reader.text("host.os_id", "/usr/lib/os-release")).unwrap_or_default();
    let release = parse_os_release(&text);
    // CentOS 7 calls itself `7` in os-release; which 7 decides about kernels and repositories.
    match reader.host.files.read_text("/etc/centos-release").ok().and_then(|text| parse_centos_release(&text)) {
        Some((name, version)) if release.id == "centos" => Release { version, name, ..release },
        _ => release,
    }
}

/// Reads lines of `KEY=value`, quoted as in a shell.
pub fn parse_os_release(text: &str) -> Release {
    let fields: BTreeMap<&str, String> =
        text.lines().filter_map(|line| line.trim().split_once('=')).map(|(key, value)| (key, unquote(value))).collect();
    let field = |key: &str| fields.get(key).cloned().unwrap_or_default();
    Release {
        id: field("ID"),
        version: field("VERSION_ID"),
        name: name_of(&fields),
        like: field("ID_LIKE").split_whitespace().map(str::to_owned).collect(),
    }
}

/// A name for people: the distribution's own, or what can be made of its id and version.
fn name_of(fields: &BTreeMap<&str, String>) -> String {
    let field = |key: &str| fields.get(key).map(String::as_str).unwrap_or_default();
    let given = ["PRETTY_NAME", "NAME"].into_iter().map(field).find(|name| !name.is_empty());
    given.map_or_else(|| format!("{} {}", field("ID"), field("VERSION_ID")).trim().to_owned(), str::to_owned)
}

fn unquote(value: &str) -> String {
    let value = value.trim();
    let inner = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(value);
    let mut chars = inner.chars();
    let mut out = String::with_capacity(inner.len());
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    printable(&out)
}

/// Returns name and version of `CentOS Linux release 7.8.2003 (Core)`: `CentOS Linux 7.8` and `7.8.2003`.
pub fn parse_centos_release(text: &str) -> Option<(String, String)> {
    let (name, rest) = text.lines().next()?.split_once(" release ")?;
    let version: Version = rest.split_whitespace().next()?.parse().ok()?;
    let short = version.as_str().split('.').take(2).collect::<Vec<_>>().join(".");
    Some((printable(&format!("{name} {short}")), version.as_str().to_owned()))
}

fn probe_hostname(reader: &mut Reader<'_>) -> String {
    let running = reader.host.files.read_value("/proc/sys/kernel/hostname").ok();
    let name = running.or_else(|| reader.text("host.hostname", "/etc/hostname")).unwrap_or_default();
    printable(name.trim())
}

/// Linux 6.1 and newer tell the architecture in a file; else `uname` is asked.
fn probe_architecture(reader: &mut Reader<'_>) -> String {
    if let Ok(name) = reader.host.files.read_value("/proc/sys/kernel/arch") {
        return printable(&name);
    }
    if let Some((_, name)) = LOADERS
        .iter()
        .find(|(path, _)| reader.host.commands.locate("uname").is_none() && reader.host.files.exists(path))
    {
        return (*name).to_owned();
    }
    reader
        .command("host.architecture", &Command::new("uname", ["-m"]))
        .map(|name| printable(name.trim()))
        .unwrap_or_default()
}

/// Returns the version of the compiler; in a folder that is not running, the newest that has its files there.
fn probe_gcc(reader: &mut Reader<'_>) -> Option<String> {
    const FACT: &str = "host.gcc_version";
    if reader.host.commands.locate("gcc").is_none() {
        return reader.host.files.exists("/usr/bin/gcc").then(|| newest_gcc(reader)).flatten();
    }
    let query = Command::new("gcc", ["-dumpfullversion", "-dumpversion"]);
    let printed = reader.command(FACT, &query)?;
    let version = printed.lines().next().and_then(|line| line.trim().parse::<Version>().ok());
    if version.is_none() {
        reader.note(FACT, Unknown::from(msg::unknown::no_answer(query, printed.trim())));
    }
    version.map(String::from)
}

fn newest_gcc(reader: &Reader<'_>) -> Option<String> {
    let root = Path::new("/usr/lib/gcc");
    let targets = reader.host.files.list(root).unwrap_or_default();
    let versions = targets.iter().flat_map(|target| reader.host.files.list(&root.join(target)).unwrap_or_default());
    versions.filter_map(|name| name.parse::<Version>().ok()).max().map(String::from)
}

/// Returns the version of the C library from its file's name (`libc-2.17.so`, before 2.34) or from the banner inside.
fn probe_glibc(reader: &mut Reader<'_>) -> Option<String> {
    const FACT: &str = "host.glibc_version";
    let path = reader.first_there(&LIBC)?;
    let target: Option<PathBuf> = reader.host.files.read_link(Path::new(path)).ok();
    if let Some(version) = target.and_then(|target| parse_libc_name(target.file_name()?.to_str()?)) {
        return Some(version);
    }
    match read_libc_banner(reader, Path::new(path)) {
        Ok(Some(version)) => return Some(version),
        Ok(None) => reader.note(FACT, Unknown::from(msg::unknown::not_understood(path))),
        Err(error) => reader.note(FACT, Unknown::from_io(Path::new(path), &error)),
    }
    None
}

/// Looks for the banner piece by piece: the library is two megabytes, and only these bytes are wanted. The pieces
/// overlap, so that a banner across two of them is whole in one.
fn read_libc_banner(reader: &Reader<'_>, path: &Path) -> io::Result<Option<String>> {
    const PIECE: usize = 64 << 10;
    const OVERLAP: u64 = 256;
    const LONGEST: u64 = 16 << 20;
    if reader.host.files.meta(path)?.kind != FileKind::File {
        return Ok(None);
    }
    let mut offset = 0;
    while offset < LONGEST {
        let bytes = reader.host.files.read_at(path, offset, PIECE)?;
        if let Some(version) = parse_libc_banner(&bytes) {
            return Ok(Some(version));
        }
        if bytes.len() < PIECE {
            break;
        }
        offset += PIECE as u64 - OVERLAP;
    }
    Ok(None)
}

fn parse_libc_name(name: &str) -> Option<String> {
    name.strip_prefix("libc-")?.strip_suffix(".so")?.parse::<Version>().ok().map(String::from)
}

/// Finds `GNU C Library (…) stable release version 2.36.` in the library.
pub fn parse_libc_banner(bytes: &[u8]) -> Option<String> {
    static BANNER: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?-u) release version ([0-9]+(?:\.[0-9]+)+)\.?[^0-9.]").ok());
    let found = BANNER.as_ref()?.captures(bytes)?;
    let text = std::str::from_utf8(found.get(1)?.as_bytes()).ok()?;
    text.parse::<Version>().ok().map(String::from)
}

/// The package manager that owns the machine's package database; Debian may have `dnf` installed too.
fn probe_package_manager(reader: &Reader<'_>) -> Option<String> {
    let programs = [
        ("/var/lib/dpkg/status", "apt"),
        ("/usr/bin/zypper", "zypper"),
        ("/usr/bin/tdnf", "tdnf"),
        ("/usr/bin/dnf", "dnf"),
        ("/usr/bin/yum", "yum"),
    ];
    programs.iter().find(|(path, _)| reader.host.files.exists(path)).map(|(_, name)| (*name).to_owned())
}

/// A simulated machine always lets itself be changed, a folder never; on a real one the effective user decides.
fn probe_root(reader: &Reader<'_>) -> bool {
    let status = || reader.host.files.read_text("/proc/self/status").unwrap_or_default();
    reader.host.simulation.is_some() || parse_effective_user(&status()) == Some(0)
}

/// Returns the second number of `Uid: real effective saved file-system`.
pub fn parse_effective_user(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()
}

fn probe_free_space(reader: &mut Reader<'_>) -> BTreeMap<String, u64> {
    let mut space = BTreeMap::new();
    for path in SPACE_PATHS {
        match reader.host.files.free_space(Path::new(path)) {
            Ok(bytes) => {
                space.insert(path.to_owned(), bytes);
            }
            Err(error) => reader.note(&format!("host.free_space.{path}"), Unknown::from_io(Path::new(path), &error)),
        }
    }
    space
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_os_release() {
        let release = parse_os_release(
            "NAME=\"Ubuntu\"\nPRETTY_NAME=\"Ubuntu 24.04.3 LTS\"\nID=ubuntu\nVERSION_ID='24.04'\nID_LIKE=debian\n# c\n",
        );
        let expected = Release {
            id: "ubuntu".into(),
            version: "24.04".into(),
            name: "Ubuntu 24.04.3 LTS".into(),
            like: vec!["debian".into()],
        };
        assert_eq!(release, expected);
    }

    #[test]
    fn centos_says_more_in_its_own_file() {
        let expected = Some(("CentOS Linux 7.8".to_owned(), "7.8.2003".to_owned()));
        assert_eq!(parse_centos_release("CentOS Linux release 7.8.2003 (Core)\n"), expected);
        assert_eq!(parse_centos_release("CentOS Stream\n"), None);
    }

    #[test]
    fn finds_the_version_of_the_c_library() {
        assert_eq!(parse_libc_name("libc-2.17.so").as_deref(), Some("2.17"));
        let banner = b"\0\x01GNU C Library (Ubuntu GLIBC 2.35-0ubuntu3.8) stable release version 2.35.\nCopyright";
        assert_eq!(parse_libc_banner(banner).as_deref(), Some("2.35"));
        assert_eq!(parse_libc_banner(b"GNU C Library stable release version "), None);
        assert_eq!(parse_libc_banner(b"GNU C Library stable release version 2.3"), None, "cut off: there may be more");
    }

    #[test]
    fn the_effective_user_counts() {
        assert_eq!(parse_effective_user("Name:\tx\nUid:\t1000\t0\t0\t0\n"), Some(0));
        assert_eq!(parse_effective_user("Uid:\t1000\n"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parsers_panic(bytes in any::<Vec<u8>>()) {
            let text = String::from_utf8_lossy(&bytes);
            let _ = (parse_os_release(&text), parse_centos_release(&text), parse_libc_name(&text), parse_effective_user(&text));
            let _ = parse_libc_banner(&bytes);
            let _ = parse_os_release(&format!("ID=\"{text}\""));
            let _ = parse_libc_banner(&[b" release version ".as_slice(), &bytes].concat());
        }
    }
}
