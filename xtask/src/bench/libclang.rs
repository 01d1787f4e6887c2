//! Whether there is a libclang, which one of the rivals needs to be built.

use std::path::Path;
use std::{env, fs};

/// Where distributions keep libraries; those of LLVM lie in a folder a version.
const FOLDERS: [&str; 4] =
    ["/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];

/// Whether whoever builds with libclang will find one.
pub(super) fn is_there() -> bool {
    match env::var_os("LIBCLANG_PATH") {
        Some(path) => is_one(Path::new(&path)) || is_in(Path::new(&path)),
        None => FOLDERS.into_iter().any(|folder| {
            let folder = Path::new(folder);
            is_in(folder) || llvms(folder).any(|llvm| is_in(&llvm.join("lib")))
        }),
    }
}

/// The folders of LLVM's versions in `folder`.
fn llvms(folder: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    entries(folder).filter(|path| name(path).starts_with("llvm"))
}

fn is_in(folder: &Path) -> bool {
    entries(folder).any(|path| is_one(&path))
}

/// Whether that is the shared library: `libclang.so`, `libclang-14.so.1`.
fn is_one(path: &Path) -> bool {
    let name = name(path);
    let is_clang = name.starts_with("libclang.so") || name.starts_with("libclang-");
    is_clang && !name.starts_with("libclang-cpp") && name.contains(".so") && path.exists()
}

fn entries(folder: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_shared_library_will_do() {
        let folder = env::temp_dir().join(format!("xtask-clang-{:?}", std::thread::current().id()));
        fs::create_dir_all(&folder).unwrap();
        for other in ["libclang.a", "libclang-cpp.so.14", "libclangAST.so", "libLLVM.so"] {
            fs::write(folder.join(other), "").unwrap();
        }
        assert!(!is_in(&folder));
        fs::write(folder.join("libclang-14.so.1"), "").unwrap();
        assert!(is_in(&folder));
        fs::remove_dir_all(&folder).unwrap();
        assert!(!is_in(&folder));
    }
}
