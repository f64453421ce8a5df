//! The cards: `assets/catalog/gpus.yaml` by PCI id, and a guess from the chip's name for a card that is not in it.

use std::sync::LazyLock;

use serde::Deserialize;

use super::{CatalogMatch, KernelModule, rows};
use crate::{error::Expected, i18n::msg, packed::packed, text::printable, version::Version};

pub(crate) static GPUS: LazyLock<String> = packed!("gpus.yaml");

/// What the catalog knows about a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuModel {
    /// Product name.
    pub name: String,
    /// Chip code name, such as `GV100`.
    pub chip: String,
    /// Architecture, such as `volta`.
    pub architecture: String,
    /// CUDA compute capability, such as `7.0`; empty when it cannot be told.
    pub compute_capability: String,
    /// First driver branch that knows the card.
    pub first_branch: Option<u32>,
    /// Last driver branch that supports the card; absent while current branches do.
    pub last_branch: Option<u32>,
    /// Which kind of kernel module the card takes.
    pub kernel_module: KernelModule,
    /// How sure this is.
    pub catalog: CatalogMatch,
    /// For a guess from its neighbours: the listed device id whose chip it is thought to have.
    pub neighbour: Option<String>,
}

/// One line of the list `gpus`.
#[derive(Debug, Clone, Deserialize)]
struct GpuRow {
    device_id: String,
    name: String,
    chip: String,
    arch: String,
    cc: String,
    subvendor_id: Option<String>,
    subdevice_id: Option<String>,
    first_branch: Option<u32>,
    last_branch: Option<u32>,
    kernel_module: KernelModule,
}

/// One line of the list `architectures`.
#[derive(Debug, Deserialize)]
struct ArchitectureRow {
    architecture: String,
    chip_prefix: String,
    cc: Vec<String>,
    driver_first: u32,
    driver_last: Option<u32>,
    kernel_module: KernelModule,
}

/// One line of the list `compute_capabilities`: the toolkits (`major.minor`) that build for it.
#[derive(Debug, Deserialize)]
pub(crate) struct CapabilityRow {
    pub cuda_first: Version,
    pub cuda_last: Option<Version>,
}

/// Returns the toolkits that can build for a compute capability; absent where the catalog has no row for it.
pub(crate) fn capability(cc: &str) -> Option<CapabilityRow> {
    rows::with(&GPUS, "compute_capabilities", &format!("cc: \"{cc}\"")).next()
}

/// Returns the first and the last toolkit (`major.minor`) that build for a compute capability; no last one while
/// current toolkits do.
pub fn toolkits(cc: &str) -> Option<(Version, Option<Version>)> {
    capability(cc).map(|row| (row.cuda_first, row.cuda_last))
}

/// Finds a card by its PCI ids: by device and subsystem, else by device alone, else by the chip in `pci_ids_name`, the
/// text of pci.ids (`GH100 [H200 NVL]`), else by the chip of the ids around it. Returns nothing when not even the chip
/// can be told.
pub fn identify(
    device_id: &str,
    subsystem_vendor: &str,
    subsystem_device: &str,
    pci_ids_name: Option<&str>,
) -> Option<GpuModel> {
    let device = hex(device_id);
    by_id(&device, &hex(subsystem_vendor), &hex(subsystem_device))
        .or_else(|| guess(&printable(pci_ids_name?)))
        .or_else(|| guess_from_neighbours(&device))
}

/// Finds the card of `gpunode drivers --gpu`: `10de:1db6`, or with its subsystem `10de:20b5:10de:1533`.
pub fn lookup(id: &str) -> Result<GpuModel, Expected> {
    let parts: Vec<String> = id.split(':').map(hex).collect();
    let is_hex = |part: &String| part.len() == 4 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !parts.iter().all(is_hex) || !matches!(parts.len(), 2 | 4) {
        return Err(Expected::new(msg::error::card::form(printable(id)), msg::error::card::form::hint()));
    }
    if parts[0] != "10de" {
        return Err(Expected::new(msg::error::card::vendor(id), msg::error::card::form::hint()));
    }
    let subsystem = |index: usize| parts.get(index).map_or("", String::as_str);
    by_id(&parts[1], subsystem(2), subsystem(3))
        .ok_or_else(|| Expected::new(msg::error::card::unknown(id), msg::error::card::unknown::hint()))
}

fn by_id(device: &str, subvendor: &str, subdevice: &str) -> Option<GpuModel> {
    // With the brace of the row's start: `subdevice_id` ends in the same words.
    let rows: Vec<GpuRow> = rows::with(&GPUS, "gpus", &format!("{{device_id: \"{device}\", ")).collect();
    let exact = |row: &&GpuRow| {
        row.subvendor_id.as_deref() == Some(subvendor) && row.subdevice_id.as_deref() == Some(subdevice)
    };
    let own = rows.iter().find(|row| row.subvendor_id.is_none());
    if let Some(row) = rows.iter().find(exact) {
        return Some(GpuModel { first_branch: first_branch_of(row, &rows), ..model(row, CatalogMatch::Exact) });
    }
    if let Some(row) = own {
        return Some(model(row, CatalogMatch::Device));
    }
    // An unknown board of a known device: no older driver than the newest of its sisters needs is promised.
    let newest = rows.iter().filter_map(|row| row.first_branch).max();
    rows.first().map(|row| GpuModel { first_branch: newest, ..model(row, CatalogMatch::Device) })
}

/// Returns the first branch that drives a board: the earliest that names its product on this device, with or without a
/// board. A driver takes a card by its device id, and its lists name further boards of a product only later (the Tesla
/// T4's one board from R575 on). Another product on the same device keeps its own. Source: supported-gpus.json of
/// 470.256.02, which names 1e91, 1e93, 1ed1, 1ed3 and 1eb8 without their boards.
fn first_branch_of(board: &GpuRow, device: &[GpuRow]) -> Option<u32> {
    let same = device.iter().filter(|row| product(&row.name) == product(&board.name));
    same.filter_map(|row| row.first_branch).min()
}

/// Returns what tells a product from others: its name without the maker, spaces, and the Max-Q build of the same part
/// for thin laptops.
fn product(name: &str) -> String {
    let name = name.trim_start_matches("NVIDIA ").trim_end_matches(" with Max-Q Design");
    name.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase()
}

fn model(row: &GpuRow, catalog: CatalogMatch) -> GpuModel {
    GpuModel {
        name: row.name.clone(),
        chip: row.chip.clone(),
        architecture: row.arch.clone(),
        compute_capability: row.cc.clone(),
        first_branch: row.first_branch,
        last_branch: row.last_branch,
        kernel_module: row.kernel_module,
        catalog,
        neighbour: None,
    }
}

/// Guesses from `GV100GL [Tesla V100 PCIe 32GB]`: the chip's other cards if the catalog has any, else the rules of its
/// architecture.
fn guess(pci_ids_name: &str) -> Option<GpuModel> {
    let word = pci_ids_name.split([' ', '[', '/']).next()?;
    let name = match (pci_ids_name.find('['), pci_ids_name.rfind(']')) {
        (Some(open), Some(close)) if open < close => &pci_ids_name[open + 1..close],
        _ => pci_ids_name,
    };
    let prefix = word.get(..2)?;
    let rules = rows::with(&GPUS, "architectures", &format!("chip_prefix: {prefix},"))
        .find(|row: &ArchitectureRow| names_a_chip(word, &row.chip_prefix))?;
    let chip = chip_of(word);
    let sister = [chip.0, chip.1]
        .into_iter()
        .find_map(|chip| rows::with::<GpuRow>(&GPUS, "gpus", &format!("chip: {chip}, ")).next());
    let only_capability = (rules.cc.len() == 1).then(|| rules.cc[0].clone());
    Some(GpuModel {
        chip: sister.as_ref().map_or(chip.0, |row| &row.chip).to_owned(),
        compute_capability: sister.map(|row| row.cc).or(only_capability).unwrap_or_default(),
        ..by_the_rules(rules, name)
    })
}

/// Guesses from the ids around an unlisted one: NVIDIA gives each chip its ids in blocks of 64, four lines of 16 as the
/// catalog is read.
fn guess_from_neighbours(device: &str) -> Option<GpuModel> {
    let id = u16::from_str_radix(device, 16).ok()?;
    let sixteens = (0..4).map(|part| format!("{{device_id: \"{:03x}", (id >> 6 << 2) + part));
    let rows: Vec<GpuRow> = sixteens.flat_map(|start| rows::with(&GPUS, "gpus", &start).collect::<Vec<_>>()).collect();
    let sister = of_one_chip(rows.iter(), id)?;
    let rules = rows::with(&GPUS, "architectures", &format!("architecture: {},", sister.arch)).next()?;
    Some(GpuModel {
        chip: sister.chip.clone(),
        compute_capability: sister.cc.clone(),
        neighbour: Some(sister.device_id.clone()),
        ..by_the_rules(rules, "")
    })
}

/// Returns a card of the id's block of 64, if all that are listed there, but for the id itself, are of one chip. Of the
/// 725 listed ids, each taken away in turn, this finds the chip of 662 and is wrong about none; a test does it.
fn of_one_chip<'a>(rows: impl Iterator<Item = &'a GpuRow>, id: u16) -> Option<&'a GpuRow> {
    let number = |row: &GpuRow| u16::from_str_radix(&row.device_id, 16).ok();
    let near: Vec<_> =
        rows.filter(|row| number(row).is_some_and(|other| other >> 6 == id >> 6 && other != id)).collect();
    near.first().filter(|first| near.iter().all(|row| row.chip == first.chip)).copied()
}

/// What the rules of an architecture say of a card that is not listed.
fn by_the_rules(rules: ArchitectureRow, name: &str) -> GpuModel {
    GpuModel {
        name: name.to_owned(),
        chip: String::new(),
        compute_capability: String::new(),
        architecture: rules.architecture,
        first_branch: Some(rules.driver_first),
        last_branch: rules.driver_last,
        kernel_module: rules.kernel_module,
        catalog: CatalogMatch::Guess,
        neighbour: None,
    }
}

/// A chip name is the two letters of its architecture and at least two digits.
fn names_a_chip(word: &str, prefix: &str) -> bool {
    word.strip_prefix(prefix).is_some_and(|rest| rest.bytes().take(2).filter(u8::is_ascii_digit).count() == 2)
}

/// Splits the segment letters off a chip name: `GV100GL` is (`GV100`, `GV100`), `GK110BGL` is (`GK110B`, `GK110`).
fn chip_of(word: &str) -> (&str, &str) {
    let rest =
        word.trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = word.len() - rest.len();
    let revision = rest.bytes().next().is_some_and(|letter| matches!(letter, b'A'..=b'F'));
    (word.get(..digits + usize::from(revision)).unwrap_or(word), word.get(..digits).unwrap_or(word))
}

/// Ids are compared in the catalog's form: lower case, without a `0x`.
fn hex(id: &str) -> String {
    let id = id.trim().to_ascii_lowercase();
    id.strip_prefix("0x").unwrap_or(&id).to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{super::rows::tests::strict, *};

    #[derive(Deserialize)]
    struct Ids {
        #[serde(rename = "device_id")]
        device: String,
        #[serde(rename = "subvendor_id")]
        subvendor: Option<String>,
        #[serde(rename = "subdevice_id")]
        subdevice: Option<String>,
    }

    #[test]
    fn every_row_parses_and_none_comes_twice() {
        assert!(strict::<GpuRow>(&GPUS, "gpus").len() > 1400);
        assert_eq!(strict::<ArchitectureRow>(&GPUS, "architectures").len(), 10);
        assert_eq!(strict::<CapabilityRow>(&GPUS, "compute_capabilities").len(), 23);
        let mut seen = BTreeSet::new();
        for ids in strict::<Ids>(&GPUS, "gpus") {
            assert!(seen.insert((ids.device.clone(), ids.subvendor, ids.subdevice)), "{} twice", ids.device);
        }
    }

    #[test]
    fn every_id_of_the_catalog_is_found_exactly_or_by_device() {
        for ids in strict::<Ids>(&GPUS, "gpus") {
            let (vendor, device) =
                (ids.subvendor.clone().unwrap_or_default(), ids.subdevice.clone().unwrap_or_default());
            let expected = if ids.subvendor.is_some() { CatalogMatch::Exact } else { CatalogMatch::Device };
            assert_eq!(identify(&ids.device, &vendor, &device, None).unwrap().catalog, expected, "{}", ids.device);
            assert!(
                identify(&ids.device, "ffff", "ffff", None).is_some_and(|model| model.catalog == CatalogMatch::Device)
            );
        }
    }

    #[test]
    fn the_seeds_card_is_known() {
        let card = lookup("10de:1db6").unwrap();
        assert_eq!(
            (card.name.as_str(), card.chip.as_str(), card.architecture.as_str()),
            ("Tesla V100-PCIE-32GB", "GV100", "volta")
        );
        assert_eq!(
            (card.first_branch, card.last_branch, card.kernel_module),
            (Some(384), Some(580), KernelModule::ProprietaryOnly)
        );
        assert_eq!(lookup("10DE:1DB6").unwrap(), card);
    }

    #[test]
    fn a_board_is_told_apart_by_its_subsystem() {
        assert_eq!(identify("0x20f6", "0x10de", "0x17a3", None).unwrap().name, "NVIDIA A800 40GB PCIe");
        assert_eq!(identify("20f6", "1028", "180a", None).unwrap().name, "NVIDIA A800 40GB Active");
        let unknown_board = identify("20f6", "1111", "2222", None).unwrap();
        assert_eq!(unknown_board.first_branch, Some(535), "the newest of its sisters");
    }

    #[test]
    fn a_board_does_not_start_later_than_its_device_unless_it_is_another_product() {
        assert_eq!(
            identify("1eb8", "10de", "12a2", None).unwrap().first_branch,
            Some(410),
            "the only board of the Tesla T4"
        );
        assert_eq!(
            identify("1e93", "1028", "09d2", None).unwrap().first_branch,
            Some(440),
            "Max-Q of the RTX 2080 Super"
        );
        assert_eq!(identify("25a0", "103c", "8928", None).unwrap().first_branch, Some(460), "written `3050Ti` there");
        assert_eq!(identify("20b7", "10de", "1852", None).unwrap().first_branch, Some(460), "a later board of the A30");
        let rows = strict::<GpuRow>(&GPUS, "gpus");
        let mut devices: BTreeMap<&str, Vec<GpuRow>> = BTreeMap::new();
        for row in &rows {
            devices.entry(&row.device_id).or_default().push(row.clone());
        }
        let own =
            |row: &GpuRow| devices[row.device_id.as_str()].iter().find(|row| row.subvendor_id.is_none())?.first_branch;
        let is_later = |row: &&GpuRow| {
            own(row).is_some_and(|own| first_branch_of(row, &devices[row.device_id.as_str()]) > Some(own))
        };
        let later: BTreeSet<&str> = rows.iter().filter(is_later).map(|row| row.name.as_str()).collect();
        let others = [
            "EIZO Quadro MED-XN92",
            "Matrox D-Series D2450",
            "Matrox D-Series D2480",
            "NVIDIA GeForce RTX 3050 Ti Laptop GPU",
            "NVIDIA GeForce RTX 3060 Laptop GPU",
        ];
        assert_eq!(later, BTreeSet::from(others), "products of their own on another's device id");
    }

    #[test]
    fn the_id_of_a_board_is_no_device() {
        assert!(GPUS.contains("subdevice_id: \"0771\""));
        assert_eq!(by_id("0771", "", ""), None);
    }

    #[test]
    fn an_unknown_card_is_guessed_from_its_chip() {
        let card = identify("ffff", "10de", "0001", Some("GH100 [H300 NVL]")).unwrap();
        assert_eq!(
            (card.name.as_str(), card.chip.as_str(), card.compute_capability.as_str()),
            ("H300 NVL", "GH100", "9.0")
        );
        assert_eq!((card.catalog, card.first_branch), (CatalogMatch::Guess, Some(520)));
        let chip = |name| identify("ffff", "", "", Some(name)).map(|card| (card.chip, card.architecture));
        assert_eq!(chip("GV100GL [Tesla V100 PCIe 32GB]"), Some(("GV100".into(), "volta".into())));
        assert_eq!(chip("GK110BGL [Tesla K40x]"), Some(("GK110B".into(), "kepler".into())));
        assert_eq!(chip("TU104BM [GeForce]"), Some(("TU104".into(), "turing".into())));
        assert_eq!(chip("GB999 [B999]"), Some(("GB999".into(), "blackwell".into())));
        for nothing in ["", "G80 [GeForce 8800]", "GT200 [GeForce GTX 280]", "GH", "가나", "\u{1b}[31m"] {
            assert_eq!(chip(nothing), None, "{nothing:?}");
        }
        assert_eq!(identify("ffff", "", "", None), None);
    }

    #[test]
    fn an_id_between_those_of_one_chip_is_of_that_chip() {
        let rows = strict::<GpuRow>(&GPUS, "gpus");
        let chips: BTreeMap<_, _> =
            rows.iter().map(|row| (u16::from_str_radix(&row.device_id, 16).unwrap(), &row.chip)).collect();
        let told: Vec<_> =
            chips.iter().filter_map(|(id, chip)| Some((*chip, &of_one_chip(rows.iter(), *id)?.chip))).collect();
        assert!(told.iter().all(|(chip, guess)| chip == guess));
        assert_eq!((told.len(), chips.len()), (662, 725), "the numbers in the documentation of the function");
        let card = identify("233e", "", "", Some("[unnamed]")).unwrap();
        assert_eq!(
            (card.chip.as_str(), card.compute_capability.as_str(), card.catalog),
            ("GH100", "9.0", CatalogMatch::Guess)
        );
        assert!(card.neighbour.is_some() && card.name.is_empty());
    }

    #[test]
    fn an_id_that_cannot_be_read_says_so() {
        for wrong in ["1db6", "10de:1db", "10de:xyzw", "10de:1db6:10de", "1002:1db6", "10de:ffff", ""] {
            assert!(!lookup(wrong).unwrap_err().hint(crate::i18n::Lang::En).is_empty(), "{wrong}");
        }
    }
}
