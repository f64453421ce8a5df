//! The second boot: what was proved on one boot, proved again on a later one.

use serde::{Deserialize, Serialize};

use crate::{
    cluster::check::{Verdict, VerifyReport},
    i18n::{Lang, msg},
    text::printable,
};

/// What is known of the two boots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondBoot {
    /// The boot before.
    pub noted: BootNote,
    /// The boot after it on which the whole chain was judged again; absent until that was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven: Option<BootNote>,
}

/// One judgement of the whole chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootNote {
    /// The kernel's random id of that boot.
    pub boot_id: String,
    /// When.
    pub at: jiff::Timestamp,
    /// What came out.
    pub verdict: Verdict,
    /// The command that judged.
    pub command: String,
}

/// Why a reboot is pending that is to prove the chain: `reboot.<name>` of the locale files.
pub const WHY: &str = "second-boot";

impl BootNote {
    /// Notes what this program has judged.
    pub fn now(boot_id: &str, at: jiff::Timestamp, verdict: Verdict) -> Self {
        let command = std::env::args().map(|word| printable(&word)).collect::<Vec<_>>().join(" ");
        Self { boot_id: boot_id.to_owned(), at, verdict, command }
    }

    /// Tells whether what came out is worth to be proved again.
    pub fn holds(&self) -> bool {
        matches!(self.verdict, Verdict::Ok | Verdict::Temporary)
    }
}

impl SecondBoot {
    /// Returns what a judgement on this boot is held against: on a later boot than the noted one, the link passes if
    /// all others do.
    pub fn judging(known: Option<&Self>, boot_id: &str) -> Option<Self> {
        let known = known.filter(|known| known.has_booted(boot_id))?;
        let now = BootNote { boot_id: boot_id.to_owned(), ..known.noted.clone() };
        Some(Self { noted: known.noted.clone(), proven: Some(now) })
    }

    /// Takes in a judgement that holds: the first one, or the one after a boot.
    #[must_use]
    pub fn with(known: Option<Self>, now: BootNote) -> Self {
        match known.filter(|known| known.has_booted(&now.boot_id)) {
            Some(known) => Self { proven: Some(now), ..known },
            None => Self { noted: now, proven: None },
        }
    }

    /// Returns the note of the judgement that holds on this boot.
    pub fn on(&self, boot_id: &str) -> Option<&BootNote> {
        self.proven.as_ref().filter(|note| note.boot_id == boot_id && self.noted.boot_id != boot_id)
    }

    /// Tells whether the machine has booted since the first judgement.
    pub fn has_booted(&self, boot_id: &str) -> bool {
        !boot_id.is_empty() && self.noted.boot_id != boot_id
    }

    /// Writes what was proved, when, on which boots and by which command; nothing until both are there.
    pub fn certificate(&self, report: &VerifyReport, lang: Lang) -> Option<String> {
        self.proven.as_ref()?;
        let lines: String =
            self.lines(lang).iter().enumerate().map(|(index, line)| format!("  {}. {line}\n", index + 1)).collect();
        let passed = report.checks.iter().filter(|check| check.state == crate::cluster::check::State::Pass);
        let proved: String = passed.map(|check| format!("  - {}: {}\n", check.title(lang), check.evidence)).collect();
        let head = msg::second_boot::head().text(lang);
        Some(format!("{head}\n{lines}{}\n{proved}", msg::second_boot::proved().text(lang)))
    }

    /// Returns what was judged on each boot: when, by which command, and what came out.
    pub fn lines(&self, lang: Lang) -> Vec<String> {
        let time = |note: &BootNote| note.at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
        let line = |note: &BootNote| {
            msg::second_boot::line(&note.boot_id, &note.command, time(note), verdict(note.verdict, lang)).text(lang)
        };
        std::iter::once(&self.noted).chain(&self.proven).map(line).collect()
    }
}

fn verdict(verdict: Verdict, lang: Lang) -> String {
    let text = match verdict {
        Verdict::Ok => msg::second_boot::ok(),
        Verdict::Temporary => msg::second_boot::temporary(),
        Verdict::Failed => msg::second_boot::failed(),
        Verdict::Unknown => msg::second_boot::unknown(),
    };
    text.text(lang)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_boot_is_a_second_one() {
        let note = |boot: &str| BootNote {
            boot_id: boot.into(),
            at: jiff::Timestamp::UNIX_EPOCH,
            verdict: Verdict::Ok,
            command: "x".into(),
        };
        let mut boots = SecondBoot { noted: note("a"), proven: None };
        assert!(boots.has_booted("b") && !boots.has_booted("a") && !boots.has_booted(""));
        assert_eq!(boots.on("b"), None);
        assert_eq!(SecondBoot::judging(Some(&boots), "a"), None);
        assert!(SecondBoot::judging(Some(&boots), "b").unwrap().on("b").is_some());
        assert_eq!(SecondBoot::with(Some(boots.clone()), note("a")), boots, "the same boot proves nothing new");
        assert_eq!(SecondBoot::with(None, note("a")), boots);
        boots = SecondBoot::with(Some(boots), note("b"));
        assert!(boots.on("b").is_some() && boots.on("c").is_none(), "a later boot has not been judged");
        let report = VerifyReport::over(Vec::new());
        let text = boots.certificate(&report, Lang::En).unwrap();
        assert!(text.contains('a') && text.contains("1970-01-01"), "{text}");
    }
}
