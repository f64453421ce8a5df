//! Make NVIDIA's runtime known to CRI-O or docker, in files that Kubespray never writes: a drop-in of CRI-O's, docker's
//! `daemon.json`. Source: Kubespray's roles container-engine/cri-o and container-engine/docker, v2.18 to v2.31. Neither
//! program was at hand to verify that it takes the file; that docker takes new runtimes by a reload is told by its
//! documentation.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    failure::Failure,
    kind::{ActionContext, ActionKind, Prepared, Traces, Verdict, file_failure, sha256},
    properties::{Preview, Properties, Reversal, RootReason},
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    facts::engines::{CRIO_DROP_INS, DAEMON_JSON},
    host::{Command, Files, Host},
    i18n::msg,
    kubespray::runtime_entry::{BINARY, NAME},
};

/// Its name says when CRI-O reads it: after its own file, and after what others have put there.
const DROP_IN: &str = "99-nvidia.toml";
/// Where flags of docker's stand.
const DOCKER_UNITS: [&str; 4] = [
    "/etc/systemd/system/docker.service",
    "/etc/systemd/system/docker.service.d",
    "/usr/lib/systemd/system/docker.service",
    "/lib/systemd/system/docker.service",
];

/// A container runtime that is no containerd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// CRI-O.
    Crio,
    /// docker.
    Docker,
}

/// Writes one file and lets its program read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetEngineRuntime {
    /// Whose file.
    pub engine: Engine,
    /// The text that it was worked out from; empty where there was none.
    pub before: String,
    /// The new text.
    pub after: String,
}

/// Why the file is not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It is there and cannot be read as what it should be.
    Unreadable(PathBuf),
    /// A flag of docker's sets runtimes too: with both, docker does not start.
    Flag(PathBuf),
}

impl SetEngineRuntime {
    /// Works out the change of an engine's file; nothing where the file has the runtime already.
    pub fn of(files: &dyn Files, engine: Engine) -> Result<Option<Self>, Refused> {
        let path = path(engine);
        let before = match files.read_text(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(_) => return Err(Refused::Unreadable(path)),
        };
        let after = match engine {
            Engine::Crio => drop_in(),
            Engine::Docker => with_runtime(&before).ok_or(Refused::Unreadable(path))?,
        };
        if after == before {
            return Ok(None);
        }
        match flagged(files).filter(|_| engine == Engine::Docker) {
            Some(unit) => Err(Refused::Flag(unit)),
            None => Ok(Some(Self { engine, before, after })),
        }
    }

    /// CRI-O is started anew, which pods live through; docker reads its runtimes again.
    fn command(&self) -> Command {
        match self.engine {
            Engine::Crio => Command::new("systemctl", ["restart", "crio"]),
            Engine::Docker => Command::new("systemctl", ["reload", "docker"]),
        }
    }
}

/// Returns the file of an engine.
pub fn path(engine: Engine) -> PathBuf {
    match engine {
        Engine::Crio => Path::new(CRIO_DROP_INS).join(DROP_IN),
        Engine::Docker => PathBuf::from(DAEMON_JSON),
    }
}

fn drop_in() -> String {
    format!(
        "# Written by gpunode. Kubespray writes crio.conf anew at each run and leaves this folder alone.\n\
         [crio.runtime.runtimes.{NAME}]\nruntime_path = \"{BINARY}\"\nruntime_type = \"oci\"\n"
    )
}

/// Returns docker's settings with the runtime, every other key as it is; nothing where they are no mapping of JSON.
fn with_runtime(text: &str) -> Option<String> {
    let mut settings: Value = if text.trim().is_empty() { json!({}) } else { serde_json::from_str(text).ok()? };
    let runtimes = settings.as_object_mut()?.entry("runtimes").or_insert_with(|| json!({})).as_object_mut()?;
    let entry = runtimes.entry(NAME).or_insert_with(|| json!({}));
    // Whoever named a program of NVIDIA's has said where it is.
    if entry["path"].as_str().is_some_and(|path| path.ends_with("nvidia-container-runtime")) {
        return Some(text.to_owned());
    }
    *entry = json!({"path": BINARY, "runtimeArgs": []});
    serde_json::to_string_pretty(&settings).ok().map(|text| text + "\n")
}

/// Returns the unit whose flags set runtimes.
fn flagged(files: &dyn Files) -> Option<PathBuf> {
    let in_folder = |path: &Path| -> Vec<PathBuf> {
        files.list(path).unwrap_or_default().iter().map(|name| path.join(name)).collect()
    };
    let all = DOCKER_UNITS.iter().flat_map(|path| in_folder(Path::new(path)).into_iter().chain([PathBuf::from(path)]));
    let has_flag = |path: &PathBuf| {
        let text = files.read_text(path).unwrap_or_default();
        text.lines().any(|line| !line.trim_start().starts_with('#') && line.contains("--add-runtime"))
    };
    all.into_iter().find(has_flag)
}

impl ActionKind for SetEngineRuntime {
    fn properties(&self) -> Properties {
        Properties::on_machine(RootReason::Etc, Reversal::Whole)
    }

    fn preview(&self) -> Preview {
        let name = path(self.engine).display().to_string();
        let diff = similar::TextDiff::from_lines(&self.before, &self.after)
            .unified_diff()
            .context_radius(3)
            .header(&name, &name)
            .to_string();
        Preview { diff: Some(diff), ..Preview::of([self.command()]) }
    }

    /// Only what [`Self::of`] makes of the text before may be written.
    fn validate(&self) -> Result<(), Failure> {
        let wanted = match self.engine {
            Engine::Crio => Some(drop_in()),
            Engine::Docker => with_runtime(&self.before),
        };
        valid::demand(wanted.as_ref() == Some(&self.after), msg::failure::wanted::runtime(), &self.after)
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let path = path(self.engine);
        let is_there = host.files.read_text(&path).is_ok_and(|text| text == self.after);
        is_there.then(|| vec![format!("{} names {BINARY}", path.display())])
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        Ok(Undo::Files(vec![context.save_file(&path(self.engine), self.after.as_bytes())?]).into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let path = path(self.engine);
        let found = match context.host.files.read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(|error| file_failure(msg::failure::cannot_read, &path, &error))?,
        };
        if sha256(&found) != sha256(self.before.as_bytes()) && found != self.after.as_bytes() {
            return Err(Failure::new(msg::failure::changed_since_preview(path.display())));
        }
        context.write(&path, self.after.as_bytes())?;
        context.run(&self.command())
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, _host: &Host, undo: &Undo) -> Result<WayBack, Failure> {
        undo.restore(&[&path(self.engine)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::local::LocalFiles;

    fn worked_out(engine: Engine, files: &[(&str, &str)]) -> Result<Option<SetEngineRuntime>, Refused> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        SetEngineRuntime::of(&LocalFiles::new(root.path()), engine)
    }

    #[test]
    fn docker_keeps_every_other_setting() {
        let old = "{\n  \"log-opts\": {\"max-size\": \"10m\"},\n  \"runtimes\": {\"kata\": {\"path\": \"/k\"}}\n}\n";
        let change = worked_out(Engine::Docker, &[(DAEMON_JSON, old)]).unwrap().unwrap();
        let (before, after): (Value, Value) =
            (serde_json::from_str(old).unwrap(), serde_json::from_str(&change.after).unwrap());
        assert_eq!(
            (&after["log-opts"], &after["runtimes"]["kata"]),
            (&before["log-opts"], &before["runtimes"]["kata"])
        );
        assert_eq!(after["runtimes"]["nvidia"]["path"], BINARY);
        assert_eq!(after.get("default-runtime"), None);
        assert!(change.validate().is_ok());
        assert_eq!(worked_out(Engine::Docker, &[(DAEMON_JSON, &change.after)]), Ok(None), "done is done");
        assert!(worked_out(Engine::Docker, &[]).unwrap().unwrap().before.is_empty());
        let forged = SetEngineRuntime { after: change.after.replace(BINARY, "/tmp/x"), ..change };
        assert!(forged.validate().is_err(), "a session's file may come from anywhere");
    }

    #[test]
    fn docker_is_left_where_it_would_not_start() {
        for text in ["{", "[]", "{\"runtimes\": []}"] {
            assert_eq!(
                worked_out(Engine::Docker, &[(DAEMON_JSON, text)]),
                Err(Refused::Unreadable(DAEMON_JSON.into())),
                "{text}"
            );
        }
        let unit = "/etc/systemd/system/docker.service.d/options.conf";
        let flag = "[Service]\nEnvironment=\"DOCKER_OPTS=--add-runtime oci=/usr/sbin/docker-runc\"\n";
        assert_eq!(worked_out(Engine::Docker, &[(unit, flag)]), Err(Refused::Flag(unit.into())));
        assert!(
            worked_out(
                Engine::Docker,
                &[(unit, "# --add-runtime x\nEnvironment=\"--exec-opt native.cgroupdriver=systemd\"\n")]
            )
            .unwrap()
            .is_some()
        );
    }

    #[test]
    fn the_drop_in_of_crio_is_toml_and_names_the_runtime_alone() {
        let change = worked_out(Engine::Crio, &[]).unwrap().unwrap();
        let read: toml::Table = change.after.parse().unwrap();
        let entry = &read["crio"]["runtime"]["runtimes"]["nvidia"];
        assert_eq!((entry["runtime_path"].as_str(), entry["runtime_type"].as_str()), (Some(BINARY), Some("oci")));
        assert!(!change.after.contains("default_runtime") && change.validate().is_ok());
        assert_eq!(worked_out(Engine::Crio, &[("/etc/crio/crio.conf.d/99-nvidia.toml", &change.after)]), Ok(None));
    }
}
