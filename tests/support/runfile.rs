//! Archives in the shape of NVIDIA's runfiles, made by makeself, with an installer that takes cuda-installer's options.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// Makes `cuda_11.0.3_450.51.06_linux.run` in `folder`; `extra` is what its installer does before it installs the
/// toolkit.
pub fn make(folder: &Path, extra: &str) -> PathBuf {
    let installer = format!(
        r#"#!/bin/sh
set -e
for arg in "$@"; do
  case "$arg" in
    --toolkitpath=*|--installpath=*) prefix="${{arg#*=}}" ;;
    --toolkit) toolkit=1 ;;
    --driver) echo "Executing NVIDIA-Linux-x86_64-450.51.06.run"; exit 9 ;;
  esac
done
[ -n "$toolkit" ] && [ -n "$prefix" ] || exit 2
[ "$LANG" = C ] || exit 3
echo "Driver:   Not Selected"
{extra}mkdir -p "$prefix/bin" "$prefix/lib64"
printf '#!/bin/sh\necho "Cuda compilation tools, release 11.0, V11.0.221"\n' > "$prefix/bin/nvcc"
printf '#!/bin/sh\nrm -rf "%s"\n' "$prefix" > "$prefix/bin/cuda-uninstaller"
chmod +x "$prefix/bin/nvcc" "$prefix/bin/cuda-uninstaller"
echo "***WARNING: Incomplete installation! This installation did not install the CUDA Driver."
"#
    );
    let payload = folder.join("payload");
    fs::create_dir_all(&payload).unwrap();
    fs::write(payload.join("cuda-installer"), installer).unwrap();
    fs::set_permissions(payload.join("cuda-installer"), fs::Permissions::from_mode(0o755)).unwrap();
    // NVIDIA's header hands options that it does not know to the installer; makeself's own refuses them.
    let header = fs::read_to_string("/usr/share/makeself/makeself-header.sh")
        .expect("makeself's header: run the tests with tests/run");
    let unknown = header.find("\techo Unrecognized flag").expect("the place where makeself refuses options");
    let start = header[..unknown].rfind("    -*)").unwrap();
    let end = header[unknown..].find(";;").unwrap() + unknown;
    let own_header = folder.join("header.sh");
    fs::write(&own_header, format!("{}    -*)\n\tbreak {}", &header[..start], &header[end..])).unwrap();
    let file = folder.join("cuda_11.0.3_450.51.06_linux.run");
    let mut makeself = Command::new("makeself");
    makeself.arg("--header").arg(&own_header).arg("--nox11").arg(&payload).arg(&file);
    let made = makeself.args(["CUDA", "./cuda-installer"]).output().expect("makeself: run the tests with tests/run");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // Archives of NVIDIA's are not executable either; `sh` runs them.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}
