//! Real processes that hold a driver: made here, seen through the real `/proc`, on a machine whose other files say that
//! one is loaded.

use std::{
    fs,
    io::{self, BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
};

use super::*;
use crate::host::{FileMeta, Files, files::Checksum, local::LocalFiles};

/// A picture of a machine with this machine's processes.
struct WithProcesses {
    picture: LocalFiles,
    here: LocalFiles,
}

impl WithProcesses {
    fn side(&self, path: &Path) -> &LocalFiles {
        let below = path.strip_prefix("/proc").ok().and_then(|rest| rest.components().next());
        let first = below.map(|part| part.as_os_str().to_string_lossy().into_owned()).unwrap_or_default();
        let is_process = first == "self" || first.parse::<u32>().is_ok();
        if is_process || path == Path::new("/proc") { &self.here } else { &self.picture }
    }
}

impl Files for WithProcesses {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.side(path).read(path)
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.side(path).read_at(path, offset, len)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.side(path).list(path)
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        self.side(path).read_link(path)
    }

    fn meta(&self, path: &Path) -> io::Result<FileMeta> {
        self.side(path).meta(path)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.side(path).canonical(path)
    }

    fn write(&self, _path: &Path, _bytes: &[u8], _mode: u32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn remove(&self, _path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn remove_all(&self, _path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn has_digest(&self, path: &Path, checksum: &Checksum) -> io::Result<bool> {
        self.side(path).has_digest(path, checksum)
    }

    fn copy_private(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<crate::private::Locked>> {
        self.side(path).lock(path)
    }

    fn demand_trusted(&self, path: &Path) -> io::Result<()> {
        self.side(path).demand_trusted(path)
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        self.side(path).free_space(path)
    }
}

/// Builds a library named as the driver's, and a program that has it mapped until its standard input ends.
fn build(folder: &Path) -> (PathBuf, PathBuf) {
    let (library, program) = (folder.join("libcuda.so.1"), folder.join("train"));
    fs::write(folder.join("cuda.c"), "int cuInit(void) { return 0; }\n").unwrap();
    fs::write(
        folder.join("train.c"),
        "#include <stdio.h>\nint cuInit(void);\nint main(void) { cuInit(); return getchar() == 0; }\n",
    )
    .unwrap();
    let cc = |args: &[&str]| assert!(Command::new("cc").current_dir(folder).args(args).status().unwrap().success());
    cc(&["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", "libcuda.so.1", "cuda.c"]);
    cc(&["-Wl,-rpath,$ORIGIN", "-o", "train", "train.c", "./libcuda.so.1"]);
    (library, program)
}

#[test]
fn a_process_that_has_the_driver_mapped_is_found_with_its_command() {
    let folder = tempfile::tempdir().unwrap();
    let (library, program) = build(folder.path());
    // The shell ends at once, so that the program is nobody's child of ours: those that we start ourselves do not
    // count. It reads our pipe through descriptor 3, since a shell gives what runs in the background an empty standard
    // input.
    let script = format!("exec 3<&0; '{}' --epochs 100 <&3 & echo $!", program.display());
    let mut shell =
        Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let _until_dropped = shell.stdin.take();
    let mut line = String::new();
    BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
    shell.wait().unwrap();
    let pid: u32 = line.trim().parse().unwrap();
    let machine = Machine::h200();
    let mut host = Host::local(machine.root());
    host.files =
        Arc::new(WithProcesses { picture: LocalFiles::new(machine.root()), here: LocalFiles::new(Path::new("/")) });
    // It maps the library before its first instruction, but the shell may be asked before it has started it.
    let holder = loop {
        let facts = probe_with(&host, &two_cards);
        match facts.driver.holders.into_iter().find(|holder| holder.pid == pid) {
            Some(holder) => break holder,
            None => assert!(Path::new(&format!("/proc/{pid}")).exists(), "it ended before it was seen"),
        }
    };
    assert_eq!(holder.command, format!("{} --epochs 100", program.display()));
    assert_eq!(holder.holds, [library.canonicalize().unwrap().display().to_string()]);
}
