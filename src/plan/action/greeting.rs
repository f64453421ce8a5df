//! A greeting at the first login after the reboot: it says how to go on, and removes itself.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    properties::{Preview, Properties, Reversal, RootReason},
    undo::{Undo, WayBack},
    valid,
};
use crate::{host::Host, i18n::msg};

/// Every login shell reads the files of this folder.
const FILE: &str = "/etc/profile.d/zz-gpunode-greeting.sh";

/// Writes the greeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// The boot in which it is written: only another one is greeted.
    pub boot_id: String,
    /// The session to go on with.
    pub session: PathBuf,
}

impl Greeting {
    /// Returns the file's text. Root is greeted, because root goes on; the last line removes the file for good.
    fn text(&self) -> String {
        let (boot_id, session) = (quoted(&self.boot_id), quoted(&self.session.display().to_string()));
        format!(
            "# Written by gpunode. Greets root once after the reboot and removes itself; `gpunode undo` removes it too.\n\
            if [ \"$(id -u)\" = 0 ] && [ -t 1 ] && [ \"$(cat /proc/sys/kernel/random/boot_id)\" != {boot_id} ]; then\n\
            \x20 echo 'gpunode: the reboot of step 2 is done. Go on with:'\n\
            \x20 printf '  gpunode --session %s\\n' {session}\n\
            \x20 rm -f {FILE}\n\
            fi\n"
        )
    }

    /// Returns the new file as a diff.
    pub fn diff(&self) -> String {
        let added: String = self.text().lines().fold(String::new(), |diff, line| diff + "+" + line + "\n");
        format!("--- /dev/null\n+++ {FILE}\n{added}")
    }
}

/// Puts a value into single quotes for a shell: this text is a file that a shell reads later.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

impl ActionKind for Greeting {
    fn properties(&self) -> Properties {
        Properties::on_machine(RootReason::Etc, Reversal::Whole)
    }

    fn preview(&self) -> Preview {
        Preview { diff: Some(self.diff()), ..Preview::default() }
    }

    fn validate(&self) -> Result<(), Failure> {
        valid::word(msg::failure::wanted::boot_id(), &self.boot_id, "-")?;
        valid::path(&self.session)
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        host.files.read_text(FILE).is_ok_and(|text| text == self.text()).then(|| vec![format!("{FILE} is in place")])
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Files(vec![context.save_file(Path::new(FILE), self.text().as_bytes())?]).into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        context.write(Path::new(FILE), self.text().as_bytes())
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, _host: &Host, undo: &Undo) -> Result<WayBack, Failure> {
        undo.restore(&[Path::new(FILE)])
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Runs the greeting as a login shell would, with the folder's names in place of the system's, and returns what it
    /// says.
    fn greeted(folder: &Path, boot_id: &str) -> String {
        let greeting = Greeting { boot_id: "old".to_owned(), session: "/var/lib/it's here/session.yaml".into() };
        std::fs::write(folder.join("boot_id"), boot_id).unwrap();
        let file = folder.join("greeting.sh");
        let text = greeting.text().replace(FILE, &file.display().to_string());
        let text = text.replace("/proc/sys/kernel/random/boot_id", &folder.join("boot_id").display().to_string());
        // A test has no terminal, and need not be root.
        std::fs::write(&file, text.replace("[ -t 1 ]", "true").replace("$(id -u)", "0")).unwrap();
        let output = Command::new("sh").arg("-c").arg(". ./greeting.sh").current_dir(folder).output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn it_greets_once_after_the_reboot_and_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(greeted(folder.path(), "old"), "");
        assert!(folder.path().join("greeting.sh").exists());
        assert!(greeted(folder.path(), "new").contains("gpunode --session /var/lib/it's here/session.yaml"));
        assert!(!folder.path().join("greeting.sh").exists());
    }
}
