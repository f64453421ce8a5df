//! NVIDIA cards on the PCI bus, read from sysfs: no driver, no `lspci` and no root needed.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{CatalogMatch, Gpu, Unknown, reader::Reader};
use crate::text::printable;

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
}

impl PciDevice {
    /// Tells whether this is a GPU: a VGA (0300) or 3D controller (0302) of NVIDIA. Its audio and USB functions and NVSwitch bridges
    /// have other classes.
    pub fn is_nvidia_gpu(&self) -> bool {
        self.vendor_id == NVIDIA && matches!(self.class >> 8, 0x0300 | 0x0302)
    }
}

/// What the catalog says of a card, from its ids and its name in `pci.ids`.
pub(super) type Identify<'a> = dyn Fn(&PciDevice, Option<&str>) -> Option<Gpu> + Sync + 'a;

/// Returns the NVIDIA GPUs in the order of their addresses.
pub(super) fn probe_gpus(reader: &mut Reader<'_>, identify: &Identify<'_>) -> Vec<Gpu> {
    let devices = probe_nvidia_devices(reader);
    devices.iter().filter(|device| device.is_nvidia_gpu()).map(|device| describe(reader, device, identify)).collect()
}

fn probe_nvidia_devices(reader: &mut Reader<'_>) -> Vec<PciDevice> {
    let names = match reader.host.files.list(Path::new(DEVICES)) {
        Ok(names) => names,
        Err(error) => {
            reader.note(FACT, Unknown::from_io(Path::new(DEVICES), &error));
            return Vec::new();
        }
    };
    names.iter().filter_map(|name| probe_device(reader, name)).collect()
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
        reader.note(&format!("{FACT}.{address}"), Unknown::new("not-understood", &[("path", &folder.to_string_lossy())]));
        return None;
    };
    Some(PciDevice {
        address: address.to_owned(),
        vendor_id: NVIDIA.to_owned(),
        device_id,
        subsystem_vendor_id: id("subsystem_vendor").unwrap_or_default(),
        subsystem_device_id: id("subsystem_device").unwrap_or_default(),
        class,
        kernel_driver: link_name(reader, &folder.join("driver")),
    })
}

/// Returns the device files that other drivers make of the cards: those of nouveau and nova for the display (`drm`), that of vfio for a
/// virtual machine (the card's IOMMU group).
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

/// Joins the device with what the catalog says; `pci.ids` is read only for a card that the catalog does not list.
fn describe(reader: &Reader<'_>, device: &PciDevice, identify: &Identify<'_>) -> Gpu {
    let listed = identify(device, None).filter(|gpu| gpu.catalog != CatalogMatch::Guess);
    let model = listed.unwrap_or_else(|| {
        let name = PCI_IDS.iter().find_map(|path| parse_pci_ids(&reader.host.files.read_text(path).ok()?, &device.device_id));
        identify(device, name.as_deref()).unwrap_or_else(|| unlisted(device, name.as_deref()))
    });
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
fn unlisted(device: &PciDevice, name: Option<&str>) -> Gpu {
    let (chip, product) = match name.and_then(|name| name.split_once('[')) {
        Some((chip, product)) => (chip.trim(), product.trim_end_matches(']').trim()),
        None => ("", name.unwrap_or_default()),
    };
    let name = if product.is_empty() { format!("NVIDIA {}", device.device_id) } else { product.to_owned() };
    Gpu { name, chip: chip.to_owned(), catalog: CatalogMatch::Guess, ..Gpu::default() }
}

/// Returns the four lower-case hex digits of `0x10de`.
fn parse_id(text: &str) -> Option<String> {
    let digits = text.trim().strip_prefix("0x")?;
    (digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit())).then(|| digits.to_ascii_lowercase())
}

fn parse_class(text: &str) -> Option<u32> {
    u32::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
}

/// Returns NVIDIA's name of one device id from the text of `pci.ids`: a vendor starts a line, its devices follow with one tab.
fn parse_pci_ids(text: &str, device_id: &str) -> Option<String> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("10de  ")).skip(1);
    let devices = lines.by_ref().take_while(|line| line.is_empty() || line.starts_with(['\t', '#']));
    let mut names = devices.filter_map(|line| line.strip_prefix('\t')?.strip_prefix(device_id)?.strip_prefix("  "));
    names.next().map(|name| printable(name.trim()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IDS: &str = "# c\n10dd  Other\n\t1db6  Wrong\n10de  NVIDIA Corporation\n\t1db5  GV100GL [Tesla V100 SXM2 32GB]\n\
        \t\t10de 1249  sub\n\t1db6  GV100GL [Tesla V100 PCIe 32GB]\n10df  Emulex\n\t1db7  Wrong\n";

    #[test]
    fn finds_a_name_in_pci_ids() {
        assert_eq!(parse_pci_ids(IDS, "1db6").as_deref(), Some("GV100GL [Tesla V100 PCIe 32GB]"));
        assert_eq!(parse_pci_ids(IDS, "1db7"), None);
    }

    #[test]
    fn an_unlisted_card_keeps_what_pci_ids_says() {
        let device = PciDevice { device_id: "1db6".into(), ..PciDevice::default() };
        let gpu = unlisted(&device, parse_pci_ids(IDS, "1db6").as_deref());
        assert_eq!((gpu.name.as_str(), gpu.chip.as_str()), ("Tesla V100 PCIe 32GB", "GV100GL"));
        assert_eq!(unlisted(&device, None).name, "NVIDIA 1db6");
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
