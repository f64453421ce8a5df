//! Step 2 on a real archive: makeself makes one in the shape of a CUDA runfile, `apply` runs it toolkit only, `undo` removes it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "support/program.rs"]
mod program;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
};

use program::{Place, Ran, tool};

/// One at a time: the cheating runfile changes what the honest one's proof looks at.
static MACHINE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the archive's installer does besides the toolkit.
const HONEST: &str = "";
const CHEATING: &str = "echo driver > /usr/lib/nvidia-gpunode-test.ko\n";
const FAILING: &str = "echo '[ERROR]: Install of toolkit failed, quitting' >&2; exit 1\n";
/// The file that the cheating installer leaves.
const DRIVER_FILE: &str = "/usr/lib/nvidia-gpunode-test.ko";

/// Makes a runfile whose installer takes cuda-installer's options, and returns its path.
fn runfile(place: &Place, extra: &str) -> PathBuf {
    let installer = format!(
        r#"#!/bin/sh
set -e
for arg in "$@"; do
  case "$arg" in
    --toolkitpath=*) prefix="${{arg#*=}}" ;;
    --toolkit) toolkit=1 ;;
    --driver) echo "Executing NVIDIA-Linux-x86_64-450.51.06.run"; exit 9 ;;
  esac
done
[ -n "$toolkit" ] && [ -n "$prefix" ] || exit 2
echo "Driver:   Not Selected"
{extra}mkdir -p "$prefix/bin"
printf '#!/bin/sh\necho "Cuda compilation tools, release 11.0, V11.0.221"\n' > "$prefix/bin/nvcc"
printf '#!/bin/sh\nrm -rf "%s"\n' "$prefix" > "$prefix/bin/cuda-uninstaller"
chmod +x "$prefix/bin/nvcc" "$prefix/bin/cuda-uninstaller"
echo "***WARNING: Incomplete installation! This installation did not install the CUDA Driver."
"#
    );
    let payload = place.write("payload/cuda-installer", &installer);
    fs::set_permissions(&payload, fs::Permissions::from_mode(0o755)).unwrap();
    // NVIDIA's header hands options that it does not know to the installer; makeself's own refuses them.
    let header = fs::read_to_string("/usr/share/makeself/makeself-header.sh").expect("makeself's header");
    let unknown = header.find("\techo Unrecognized flag").expect("the place where makeself refuses options");
    let start = header[..unknown].rfind("    -*)").unwrap();
    let end = header[unknown..].find(";;").unwrap() + unknown;
    let header = place.write("header.sh", &format!("{}    -*)\n\tbreak {}", &header[..start], &header[end..]));
    let file = place.path("cuda_11.0.3_450.51.06_linux.run");
    let made = Command::new(tool("makeself"))
        .args(["--header", header.to_str().unwrap(), "--nox11"])
        .args([place.path("payload").to_str().unwrap(), file.to_str().unwrap(), "CUDA", "./cuda-installer"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    file
}

fn sha256(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
}

fn answers(place: &Place, file: &Path, checksum: &str) -> PathBuf {
    let text = format!(
        "driver_owner: installer-pod\ncuda_version: \"11.0.3\"\ngpus: [\"10de:1db6\"]\ncuda_runfile: {}\ncuda_runfile_sha256: \"{checksum}\"\ncuda_prefix: {}\n",
        file.display(),
        place.path("prefix").display(),
    );
    place.write("answers.yaml", &text)
}

fn apply(place: &Place, answers: &Path) -> Ran {
    place.run(["apply", "--steps", "2", "--yes", "--answers", answers.to_str().unwrap()])
}

#[test]
fn a_toolkit_is_installed_proven_and_removed() {
    let _alone = alone();
    let place = Place::new();
    let file = runfile(&place, HONEST);
    let answers = answers(&place, &file, &sha256(&file));
    let ran = apply(&place, &answers).demand(0);
    assert!(ran.stdout.contains("did not install the CUDA Driver"), "{}", ran.stdout);
    assert!(ran.stdout.contains("driver not touched"), "{}", ran.stdout);
    assert!(place.path("prefix/bin/nvcc").exists());
    // A second run finds it done.
    assert!(!apply(&place, &answers).demand(0).stdout.contains("Incomplete installation"));
    let undone = place.run(["undo", "--yes"]).demand(0);
    assert!(undone.stdout.contains("-- undone: install-toolkit"), "{}", undone.stdout);
    assert!(!place.path("prefix").exists());
}

#[test]
fn a_runfile_that_touches_the_driver_is_caught() {
    struct Cleaner;
    impl Drop for Cleaner {
        fn drop(&mut self) {
            let _ = fs::remove_file(DRIVER_FILE);
        }
    }
    let _cleaner = Cleaner;
    let _alone = alone();
    let place = Place::new();
    let file = runfile(&place, CHEATING);
    let ran = apply(&place, &answers(&place, &file, &sha256(&file))).demand(1);
    assert!(ran.stdout.contains("-- failed: install-toolkit"), "{}", ran.stdout);
    assert!(ran.stdout.contains(&format!("{DRIVER_FILE} appeared")), "{}", ran.stdout);
    place.run(["undo", "--yes"]).demand(0);
    assert!(!place.path("prefix").exists());
}

#[test]
fn a_failing_runfile_fails_the_step() {
    let _alone = alone();
    let place = Place::new();
    let file = runfile(&place, FAILING);
    let ran = apply(&place, &answers(&place, &file, &sha256(&file))).demand(1);
    assert!(ran.stdout.contains("ended with exit status 1"), "{}", ran.stdout);
    assert!(ran.stdout.contains("Install of toolkit failed"), "{}", ran.stdout);
}

#[test]
fn a_wrong_checksum_never_runs() {
    let _alone = alone();
    let place = Place::new();
    let file = runfile(&place, HONEST);
    let ran = apply(&place, &answers(&place, &file, &"0".repeat(64))).demand(1);
    assert!(ran.stdout.contains("is not the file with checksum"), "{}", ran.stdout);
    assert!(!place.path("prefix").exists());
}
