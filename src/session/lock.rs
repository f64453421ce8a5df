//! Locks: of each thing that actions change, only one gpunode at a time changes it, whatever session file it has.
//!
//! The kernel's lock on a file decides; it goes with the process that has it, however that dies. What the process has
//! started may live on: so the claim, which stands in the locked file, names the log of the job that was begun, and a
//! job that runs has its own log locked.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{lock_owner::LockOwner, store::Store};
use crate::{
    cluster::Kubectl,
    error::{Expected, reason},
    host::{FileKind, Host, command::Liveness},
    i18n::{Message, msg},
    plan::action::{kind::sha256, target::Target},
    private::{self, Locked},
    text::printable,
};

/// The lock of an inventory lies beside it, so that other hosts see it too. Ansible reads no hidden file.
/// Source: ansible-core, `inventory/manager.py`, `IGNORED_ALWAYS`; `DataLoader._get_dir_vars_files`.
const IN_INVENTORY: &str = ".gpunode.lock";
/// The folders whose files belong to the inventory above them.
const VARIABLES: [&str; 2] = ["group_vars", "host_vars"];
/// Longest claim that is read.
const CLAIM_MOST: u64 = 8 << 10;

/// What this process has locked, until the value is dropped.
pub struct Locks {
    held: Vec<Lock>,
}

/// One locked thing.
struct Lock {
    file: File,
    path: PathBuf,
    claim: Claim,
    host: Host,
    /// It lies among the files of others, and does not stay there.
    is_removed: bool,
}

/// What stands in a locked file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    holder: LockOwner,
    /// As [`super::Session::machine`], of the machine where the holder runs.
    machine: String,
    hostname: String,
    session: PathBuf,
    /// The log of the job that was begun last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job: Option<PathBuf>,
}

impl Claim {
    fn me(host: &Host, store: &Store) -> Self {
        let session = std::path::absolute(store.path()).unwrap_or_else(|_| store.path().to_owned());
        Self { holder: LockOwner::me(), machine: host.identity(), hostname: host.name(), session, job: None }
    }

    /// Reads what a holder wrote, or had written when it was killed.
    fn read(mut file: &File) -> Option<Self> {
        let mut text = String::new();
        file.rewind().ok()?;
        file.take(CLAIM_MOST).read_to_string(&mut text).ok()?;
        let claim: Self = serde_json::from_str(&text).ok()?;
        let path = |path: &Path| PathBuf::from(printable(&path.display().to_string()));
        Some(Self {
            holder: claim.holder.printable(),
            hostname: printable(&claim.hostname),
            session: path(&claim.session),
            job: claim.job.as_deref().map(path),
            machine: claim.machine,
        })
    }

    /// One line, for it is read by people who look for the file's meaning too.
    fn write(&self, mut file: &File) -> io::Result<()> {
        let text = serde_json::to_string(self).map_err(io::Error::other)?;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all((text + "\n").as_bytes())
    }
}

impl Locks {
    /// Locks these things, or says who has one of them. Nobody is waited for.
    pub fn take(host: &Host, store: &Store, targets: impl IntoIterator<Item = Target>) -> Result<Self, Expected> {
        // In one order, and each once.
        let targets: BTreeSet<Target> = targets.into_iter().collect();
        let mut places = BTreeSet::new();
        let mut held = Vec::new();
        for target in targets {
            let Some(place) = Place::of(host, store, &target)? else { continue };
            if places.insert(place.path.clone()) {
                held.extend(place.lock(host, store)?);
            }
        }
        Ok(Self { held })
    }

    /// Notes a job that is about to begin: whoever finds the locks free must not begin another beside it.
    pub fn note(&mut self, log: &Path) -> io::Result<()> {
        self.held.iter_mut().try_for_each(|lock| {
            lock.claim.job = Some(log.to_owned());
            lock.claim.write(&lock.file)
        })
    }
}

/// The file that a thing is locked by.
struct Place {
    path: PathBuf,
    thing: Message,
    is_inventory: bool,
}

impl Place {
    /// Returns the place of a thing's lock; nothing where nobody else can be.
    fn of(host: &Host, store: &Store, target: &Target) -> Result<Option<Self>, Expected> {
        let own = |name: String, thing: Message| {
            let folder = store.locks().map_err(|error| failed(&thing, store.path(), &error))?;
            Ok(folder.map(|folder| Self { path: folder.join(name), thing, is_inventory: false }))
        };
        match target {
            Target::Nothing => Ok(None),
            Target::Machine => own(format!("machine-{}.lock", short(&host.identity())), msg::lock::machine()),
            Target::Node { kubeconfig, name } => {
                let kubectl = Kubectl { kubeconfig: kubeconfig.clone() };
                let cluster = if host.simulation.is_some() { String::new() } else { kubectl.cluster(host) };
                own(format!("node-{}.lock", short(&format!("{cluster} {name}"))), msg::lock::node(name))
            }
            Target::Inventory(path) => {
                let folder = inventory_folder(host, path);
                let thing = msg::lock::inventory(folder.display());
                Ok(Some(Self { path: folder.join(IN_INVENTORY), thing, is_inventory: true }))
            }
        }
    }

    fn lock(self, host: &Host, store: &Store) -> Result<Option<Lock>, Expected> {
        let tried = if self.is_inventory { host.files.lock(&self.path) } else { private::lock(&self.path).map(Some) };
        let file = match tried.map_err(|error| failed(&self.thing, &self.path, &error))? {
            None => return Ok(None),
            Some(Locked::Theirs(file)) => return Err(self.held(Claim::read(&file).as_ref())),
            Some(Locked::Ours(file)) => file,
        };
        let mut claim = Claim::me(host, store);
        if let Some(before) = Claim::read(&file) {
            claim.job = self.demand_ended(host, before, &claim)?;
        }
        let lock = Lock { file, path: self.path.clone(), claim, host: host.clone(), is_removed: self.is_inventory };
        lock.claim.write(&lock.file).map_err(|error| failed(&self.thing, &self.path, &error))?;
        Ok(Some(lock))
    }

    /// Demands that nothing runs that a holder of the past has begun, but for this session's own, which it goes on
    /// with.
    fn demand_ended(&self, host: &Host, before: Claim, me: &Claim) -> Result<Option<PathBuf>, Expected> {
        let Some(log) = before.job else { return Ok(None) };
        // Cloned machines may have one identity.
        if (&before.machine, &before.hostname) != (&me.machine, &me.hostname) {
            let (name, log, file) = (&before.hostname, log.display(), self.path.display());
            let what = msg::error::lock::elsewhere(before.holder, name, self.thing.clone());
            return Err(Expected::new(what, msg::error::lock::elsewhere::hint(file, name, log)));
        }
        match host.commands.liveness(&log) {
            Liveness::Ended => Ok(None),
            _ if before.session == me.session => Ok(Some(log)),
            Liveness::Running | Liveness::Unknown(_) => {
                let what = msg::error::lock::job(before.holder, log.display(), self.thing.clone());
                Err(Expected::new(what, msg::error::lock::job::hint(log.display(), before.session.display())))
            }
        }
    }

    fn held(&self, claim: Option<&Claim>) -> Expected {
        let thing = self.thing.clone();
        match claim {
            Some(claim) => Expected::new(
                msg::error::lock::held(format!("{}, {}", claim.hostname, claim.holder), thing),
                msg::error::lock::held::hint(claim.session.display()),
            ),
            None => {
                Expected::new(msg::error::lock::unnamed(thing), msg::error::lock::unnamed::hint(self.path.display()))
            }
        }
    }
}

fn failed(thing: &Message, file: &Path, error: &io::Error) -> Expected {
    Expected::new(
        msg::error::lock::failed(file.display(), reason(error), thing.clone()),
        msg::error::lock::failed::hint(),
    )
}

/// Returns the folder of the inventory that a path belongs to; of one that is not there yet, the nearest folder above.
fn inventory_folder(host: &Host, path: &Path) -> PathBuf {
    let of_variables =
        path.ancestors().find(|folder| folder.file_name().is_some_and(|name| VARIABLES.iter().any(|own| name == *own)));
    let start = of_variables.and_then(Path::parent).unwrap_or(path);
    let is_folder = |path: &&Path| host.files.meta(path).is_ok_and(|meta| meta.kind == FileKind::Folder);
    start.ancestors().find(is_folder).unwrap_or(Path::new("/")).to_owned()
}

/// Makes a file's name of a value that may hold anything.
fn short(value: &str) -> String {
    sha256(value.as_bytes())[..16].to_owned()
}

/// Lets go. While a job runs that was begun under the lock, its claim stays and says so.
impl Drop for Lock {
    fn drop(&mut self) {
        let runs = |log: &PathBuf| self.host.commands.liveness(log) != Liveness::Ended;
        if self.claim.job.as_ref().is_some_and(runs) {
            return;
        }
        // A claim that stays by mistake is looked at again by whoever comes next: its job has ended.
        let _ = self.file.set_len(0);
        if self.is_removed {
            let _ = self.host.files.remove(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::replay::{self, Scenario, Speed};

    fn node(name: &str) -> Target {
        Target::Node { kubeconfig: Some("/k/admin.conf".into()), name: name.to_owned() }
    }

    #[test]
    fn a_node_is_one_thing_whatever_the_session() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::local(Path::new("/"));
        let store =
            |name: &str| Store::open(&folder.path().join(name)).unwrap().locking_in(Some(folder.path().join("state")));
        let (first, second) = (store("a.yaml"), store("b.yaml"));
        let held = Locks::take(&host, &first, [node("node1"), node("node1"), Target::Nothing]).unwrap();
        let error = Locks::take(&host, &second, [node("node1")]).err().unwrap().to_string();
        assert!(error.contains("is changing node node1 of the cluster"), "{error}");
        drop(Locks::take(&host, &second, [node("node2"), Target::Machine]).unwrap());
        drop(held);
        drop(Locks::take(&host, &second, [node("node1")]).unwrap());
    }

    #[test]
    fn the_folder_of_an_inventory_is_found_from_each_of_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::local(Path::new("/"));
        std::fs::create_dir_all(folder.path().join("mycluster/group_vars/all")).unwrap();
        std::fs::write(folder.path().join("mycluster/hosts.ini"), "").unwrap();
        for path in [
            "mycluster",
            "mycluster/hosts.ini",
            "mycluster/group_vars/all/new.yml",
            "mycluster/host_vars/node1.yml",
            "mycluster/not/there.yml",
        ] {
            assert_eq!(inventory_folder(&host, &folder.path().join(path)), folder.path().join("mycluster"), "{path}");
        }
    }

    #[test]
    fn a_simulated_machine_has_nothing_to_lock() {
        let folder = tempfile::tempdir().unwrap();
        let host = replay::host(Scenario::built_in("seed").unwrap(), None, Speed(0.0)).unwrap();
        let store = Store::open(&folder.path().join("a.yaml")).unwrap();
        let targets = || [node("node1"), Target::Machine, Target::Inventory("/opt/x/hosts.ini".into())];
        let held = Locks::take(&host, &store, targets()).unwrap();
        assert!(held.held.is_empty() && Locks::take(&host, &store, targets()).is_ok());
    }
}
