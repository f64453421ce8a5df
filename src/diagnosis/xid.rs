//! Xids: the numbers by which NVIDIA's kernel module reports what went wrong with a card. `assets/xids.yaml` holds
//! NVIDIA's public list.

use std::sync::LazyLock;

use serde::Deserialize;

const XIDS: &str = include_str!("../../assets/xids.yaml");

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    xids: Vec<Xid>,
}

/// One number of NVIDIA's list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Xid {
    pub number: u32,
    /// What NVIDIA calls it.
    pub name: String,
    pub class: Class,
}

/// What an Xid means for the node, and what NVIDIA recommends first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Class {
    /// The program's fault: restart it.
    Application,
    /// The card's memory: reset, and replace the card if it comes back.
    Memory,
    /// The card no longer answers on the bus.
    Bus,
    /// The card's system processor does not answer.
    Gsp,
    /// A link to another card or to an NVSwitch.
    Nvlink,
    /// The card has to be reset.
    Reset,
    /// Power or its cables.
    Power,
    /// Follows another one, or is for information.
    Note,
}

impl Class {
    /// Returns the signature that tells it.
    pub(super) fn signature(self) -> &'static str {
        match self {
            Self::Application => "xid-application",
            Self::Memory => "xid-memory",
            Self::Bus => "xid-bus",
            Self::Gsp => "xid-gsp",
            Self::Nvlink => "xid-nvlink",
            Self::Reset => "xid-reset",
            Self::Power => "xid-power",
            Self::Note => "xid-note",
        }
    }
}

/// Returns what NVIDIA's list says of a number.
pub(super) fn lookup(number: &str) -> Option<&'static Xid> {
    static LIST: LazyLock<File> = LazyLock::new(|| serde_yaml::from_str(XIDS).unwrap_or_default());
    let number: u32 = number.parse().ok()?;
    LIST.xids.iter().find(|xid| xid.number == number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::table::table;

    #[test]
    fn the_list_is_sound_and_each_class_has_a_signature() {
        let file: File = serde_yaml::from_str(XIDS).unwrap();
        assert!(file.xids.len() > 100);
        assert!(file.xids.is_sorted_by(|a, b| a.number < b.number));
        for xid in &file.xids {
            assert!(table().signature(&xid.class.signature().into()).is_some(), "{xid:?}");
        }
        assert_eq!(lookup("79").unwrap().class, Class::Bus);
        assert!(lookup("9999").is_none());
    }
}
