//! NVIDIA cards on the PCI bus, read from sysfs: no driver, no `lspci` and no root needed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{Gpu, Unknown, reader::Reader};
use crate::{catalog::CatalogMatch, host::Host, i18n::msg, text::printable};

/// The name under which an unreadable bus stands in `Facts::unknown`.
pub(super) const FACT: &str = "gpus";

const DEVICES: &str = "/sys/bus/pci/devices";
const NVIDIA: &str = "10de";

/// Where the distributions keep the list of PCI names.
const PCI_IDS: [&str; 2] = ["/usr/share/hwdata/pci.ids", "/usr/share/misc/pci.ids"];

/// A function of a PCI device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PciDevice {
    /// `domain:bus:device.function`.
    pub address: String,
    /// Vendor, four hex digits.
    pub vendor_id: String,
    /// Device, four hex digits.
    pub device_id: String,
    /// Vendor of the board, four hex digits; empty when unreadable.
    pub subsystem_vendor_id: String,
    /// The board, four hex digits; empty when unreadable.
    pub subsystem_device_id: String,
    /// Class, subclass and programming interface, such as `0x030200`.
    pub class: u32,
    /// The kernel driver bound to it.
    pub kernel_driver: Option<String>,
    /// The address of the card that this is a virtual function of.
    pub physical_function: Option<String>,
}

impl PciDevice {
    /// The lowest device id of an NVSwitch; far below are the bridges and network ports of NVIDIA's nForce boards, of
    /// the same class.
    const FIRST_NVSWITCH: u16 = 0x1a00;

    /// Tells whether this is a GPU: a VGA (0300) or 3D controller (0302) of NVIDIA. Its audio and USB functions and
    /// NVSwitch bridges have other classes.
    pub fn is_nvidia_gpu(&self) -> bool {
        self.vendor_id == NVIDIA && matches!(self.class >> 8, 0x0300 | 0x0302)
    }

    /// Tells whether this is an NVSwitch (class 0680) of an HGX or DGX board.
    pub fn is_nvswitch(&self) -> bool {
        let id = u16::from_str_radix(&self.device_id, 16).unwrap_or(0);
        self.vendor_id == NVIDIA && self.class >> 8 == 0x0680 && id >= Self::FIRST_NVSWITCH
    }
}

/// What the catalog says of a card, from its ids and its name in `pci.ids`.
pub(super) type Identify<'a> = dyn Fn(&PciDevice, Option<&str>) -> Option<Gpu> + Sync + 'a;

/// What the bus has of NVIDIA's.
#[derive(Debug, Default)]
pub(super) struct Bus {
    /// The GPUs, in the order of their addresses.
    pub gpus: Vec<Gpu>,
    /// The addresses of the switches between the GPUs of an HGX or DGX board.
    pub nvswitches: Vec<String>,
}

/// Returns NVIDIA's devices on the PCI bus.
pub(super) fn probe(reader: &mut Reader<'_>, identify: &Identify<'_>) -> Bus {
    let devices = probe_nvidia_devices(reader);
    let is_virtual_function_of = |card: &&PciDevice| {
        let count = devices.iter().filter(|device| device.physical_function.as_ref() == Some(&card.address)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    let cards = devices.iter().filter(|device| device.is_nvidia_gpu() && device.physical_function.is_none());
    // A board has up to sixteen cards of one kind: each kind is looked up once.
    let mut models: BTreeMap<[&str; 3], Gpu> = BTreeMap::new();
    let mut gpus = Vec::new();
    for card in cards {
        let kind = [card.device_id.as_str(), &card.subsystem_vendor_id, &card.subsystem_device_id];
        let model = models.entry(kind).or_insert_with(|| model(reader, card, identify)).clone();
        gpus.push(Gpu { virtual_functions: is_virtual_function_of(&card), ..at(card, model) });
    }
    let nvswitches =
        devices.iter().filter(|device| device.is_nvswitch()).map(|device| device.address.clone()).collect();
    Bus { gpus, nvswitches }
}

fn probe_nvidia_devices(reader: &mut Reader<'_>) -> Vec<PciDevice> {
    let mut names = match reader.host.files.list(Path::new(DEVICES)) {
        Ok(names) => names,
        Err(error) => {
            reader.note(FACT, Unknown::from_io(Path::new(DEVICES), &error));
            return Vec::new();
        }
    };
    names.sort_by_cached_key(|name| address_order(name));
    names.iter().filter_map(|name| probe_device(reader, name)).collect()
}

/// Tells whether a card of NVIDIA's is in this machine: the bus alone answers, at once.
pub fn has_card(host: &Host) -> bool {
    probe_nvidia_devices(&mut Reader::new(host)).iter().any(PciDevice::is_nvidia_gpu)
}

/// Returns each of NVIDIA's devices with the driver that it is bound to.
pub(super) fn bindings(host: &Host) -> Vec<String> {
    let devices = probe_nvidia_devices(&mut Reader::new(host));
    devices
        .into_iter()
        .map(|device| format!("{} {}", device.address, device.kernel_driver.unwrap_or_default()))
        .collect()
}

/// The numbers of an address: as text, domain `10000` would come before `2000`.
fn address_order(address: &str) -> Vec<u32> {
    address.split([':', '.']).map(|part| u32::from_str_radix(part, 16).unwrap_or(u32::MAX)).collect()
}

/// Returns the device if it is NVIDIA's.
fn probe_device(reader: &mut Reader<'_>, address: &str) -> Option<PciDevice> {
    let folder = Path::new(DEVICES).join(address);
    let id = |name: &str| reader.host.files.read_value(folder.join(name)).ok().and_then(|text| parse_id(&text));
    if id("vendor")? != NVIDIA {
        return None;
    }
    let class = reader.host.files.read_value(folder.join("class")).ok().and_then(|text| parse_class(&text));
    let (Some(device_id), Some(class)) = (id("device"), class) else {
        let place = printable(&folder.to_string_lossy());
        reader.note(&format!("{FACT}.{}", printable(address)), Unknown::from(msg::unknown::not_understood(&place)));
        return None;
    };
    Some(PciDevice {
        address: printable(address),
        vendor_id: NVIDIA.to_owned(),
        device_id,
        subsystem_vendor_id: id("subsystem_vendor").unwrap_or_default(),
        subsystem_device_id: id("subsystem_device").unwrap_or_default(),
        class,
        kernel_driver: link_name(reader, &folder.join("driver")),
        physical_function: link_name(reader, &folder.join("physfn")),
    })
}

/// Returns the device files that other drivers make of the cards: those of nouveau and nova for the display (`drm`),
/// that of vfio for a virtual machine (the card's IOMMU group).
pub(super) fn other_devices(reader: &Reader<'_>, gpus: &[Gpu]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for gpu in gpus {
        let folder = Path::new(DEVICES).join(&gpu.pci_address);
        let nodes = reader.host.files.list(&folder.join("drm")).unwrap_or_default();
        found.extend(nodes.iter().map(|node| format!("/dev/dri/{node}")));
        found.extend(link_name(reader, &folder.join("iommu_group")).map(|group| format!("/dev/vfio/{group}")));
    }
    found
}

/// Returns the last part of what a link points at.
fn link_name(reader: &Reader<'_>, path: &Path) -> Option<String> {
    let target: PathBuf = reader.host.files.read_link(path).ok()?;
    Some(printable(&target.file_name()?.to_string_lossy()))
}

/// Returns what the catalog says of a kind of card; `pci.ids` is read only for one that it does not list.
fn model(reader: &Reader<'_>, device: &PciDevice, identify: &Identify<'_>) -> Gpu {
    if let Some(listed) = identify(device, None).filter(|gpu| gpu.catalog != CatalogMatch::Guess) {
        return listed;
    }
    let named = PCI_IDS.iter().find_map(|path| {
        let (line, name) = parse_pci_ids(&reader.host.files.read_text(path).ok()?, &device.device_id)?;
        Some((format!("{path}:{line}"), name))
    });
    let (place, name) = named.unzip();
    let mut gpu = identify(device, name.as_deref()).unwrap_or_else(|| unlisted(name.as_deref()));
    if gpu.name.is_empty() {
        gpu.name = name.unwrap_or_else(|| format!("NVIDIA {}", device.device_id));
    }
    // What the catalog guessed from ids around this one, it says itself.
    gpu.guessed_from = gpu.guessed_from.or(place);
    gpu
}

/// Puts a card of this kind at its place.
fn at(device: &PciDevice, model: Gpu) -> Gpu {
    Gpu {
        pci_address: device.address.clone(),
        vendor_id: device.vendor_id.clone(),
        device_id: device.device_id.clone(),
        subsystem_vendor_id: device.subsystem_vendor_id.clone(),
        subsystem_device_id: device.subsystem_device_id.clone(),
        kernel_driver: device.kernel_driver.clone(),
        ..model
    }
}

/// A card that the catalog cannot place: `pci.ids` writes `GV100GL [Tesla V100 PCIe 32GB]`, chip and product.
fn unlisted(name: Option<&str>) -> Gpu {
    let (chip, product) = match name.and_then(|name| name.split_once('[')) {
        Some((chip, product)) => (chip.trim(), product.trim_end_matches(']').trim()),
        None => ("", name.unwrap_or_default()),
    };
    Gpu { name: product.to_owned(), chip: chip.to_owned(), catalog: CatalogMatch::Guess, ..Gpu::default() }
}

/// Returns the four lower-case hex digits of `0x10de`.
fn parse_id(text: &str) -> Option<String> {
    let digits = text.trim().strip_prefix("0x")?;
    (digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit())).then(|| digits.to_ascii_lowercase())
}

fn parse_class(text: &str) -> Option<u32> {
    u32::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
}

/// Returns NVIDIA's name of one device id in the text of `pci.ids`, and its line, counted from 1: a vendor starts a
/// line, its devices follow with one tab.
pub fn parse_pci_ids(text: &str, device_id: &str) -> Option<(usize, String)> {
    let mut lines = text.lines().enumerate().skip_while(|(_, line)| !line.starts_with("10de  ")).skip(1);
    let mut devices = lines.by_ref().take_while(|(_, line)| line.is_empty() || line.starts_with(['\t', '#']));
    let name =
        |line: &str| Some(printable(line.strip_prefix('\t')?.strip_prefix(device_id)?.strip_prefix("  ")?.trim()));
    devices.find_map(|(index, line)| Some((index + 1, name(line)?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IDS: &str = "# c\n10dd  Other\n\t1db6  Wrong\n10de  NVIDIA Corporation\n\t1db5  GV100GL [Tesla V100 SXM2 32GB]\n\
        \t\t10de 1249  sub\n\t1db6  GV100GL [Tesla V100 PCIe 32GB]\n10df  Emulex\n\t1db7  Wrong\n";

    #[test]
    fn finds_a_name_in_pci_ids() {
        assert_eq!(parse_pci_ids(IDS, "1db6"), Some((7, "GV100GL [Tesla V100 PCIe 32GB]".to_owned())));
        assert_eq!(parse_pci_ids(IDS, "1db7"), None);
    }

    #[test]
    fn an_unlisted_card_keeps_what_pci_ids_says() {
        let gpu = unlisted(Some("GV100GL [Tesla V100 PCIe 32GB]"));
        assert_eq!((gpu.name.as_str(), gpu.chip.as_str()), ("Tesla V100 PCIe 32GB", "GV100GL"));
        assert_eq!(unlisted(None), Gpu { catalog: CatalogMatch::Guess, ..Gpu::default() });
    }

    #[test]
    fn addresses_are_ordered_by_their_numbers() {
        let mut all = ["10000:01:00.0", "0000:3b:00.0", "0000:18:00.0", "2000:01:00.0", "nonsense"];
        all.sort_by_key(|address| address_order(address));
        assert_eq!(all, ["0000:18:00.0", "0000:3b:00.0", "2000:01:00.0", "10000:01:00.0", "nonsense"]);
    }

    #[test]
    fn the_ports_of_an_old_board_are_no_nvswitch() {
        let bridge = |device: &str| PciDevice {
            vendor_id: "10de".into(),
            device_id: device.into(),
            class: 0x06_8000,
            ..PciDevice::default()
        };
        assert!(bridge("22a3").is_nvswitch() && bridge("1af1").is_nvswitch());
        assert!(!bridge("0373").is_nvswitch(), "the network port of MCP55");
    }

    #[test]
    fn only_display_functions_are_gpus() {
        let function = |class| PciDevice { vendor_id: "10de".into(), class, ..PciDevice::default() };
        assert!(function(0x03_0000).is_nvidia_gpu() && function(0x03_0200).is_nvidia_gpu());
        for other in [0x04_0300, 0x0c_0330, 0x0c_8000, 0x06_8000] {
            assert!(!function(other).is_nvidia_gpu(), "{other:06x}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in any::<String>(), id in any::<String>()) {
            let _ = (parse_pci_ids(&text, &id), parse_id(&text), parse_class(&text));
            let _ = parse_pci_ids(&format!("10de  N\n\t{id}  {text}"), &id);
        }
    }
}
