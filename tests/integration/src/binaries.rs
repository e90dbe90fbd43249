//! Our own binaries, as the profile of this test run builds them.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The packages whose binaries are run; each binary has its package's name.
const PACKAGES: [&str; 5] = ["publisher", "scanner-bridge", "feature", "backfill", "tapeline"];

/// Where the binaries are.
#[derive(Debug, Clone)]
pub struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Builds them beside this test's executable. Always asked of cargo, which knows whether one is older than its sources; a
    /// test run of the whole workspace builds only those that a test of their own package needs.
    ///
    /// # Errors
    /// When they don't build, with what cargo says.
    pub fn built() -> io::Result<Self> {
        // Once for all tests of this process: those that wait for each other's cargo would do so for nothing.
        static BUILT: OnceLock<Result<Binaries, String>> = OnceLock::new();
        BUILT
            .get_or_init(|| Self::build().map_err(|error| error.to_string()))
            .clone()
            .map_err(io::Error::other)
    }

    fn build() -> io::Result<Self> {
        let folder = folder_of(&std::env::current_exe()?)
            .ok_or_else(|| io::Error::other("this test does not run from cargo's target folder"))?;
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--locked"]);
        // Set by `.ci/timed-test` for this process; a compiler that sees it builds everything again.
        cargo.env_remove("RUSTC_BOOTSTRAP");
        cargo.args(["--profile", folder.profile()]).arg("--target-dir").arg(&folder.target);
        cargo.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
        let output = cargo.output()?;
        if output.status.success() {
            return Ok(Self { folder: folder.target.join(folder.name) });
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(io::Error::other(format!("the services do not build: {said}")))
    }

    /// The command of this binary.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        Command::new(self.folder.join(name))
    }
}

/// A profile's folder in a target folder.
#[derive(Debug, PartialEq, Eq)]
struct Folder {
    target: PathBuf,
    name: String,
}

impl Folder {
    /// The one profile whose folder has another name.
    fn profile(&self) -> &str {
        if self.name == "debug" { "dev" } else { &self.name }
    }
}

/// Test executables lie in `<target>/<profile's folder>/deps`.
fn folder_of(executable: &Path) -> Option<Folder> {
    let profile =
        executable.parent().filter(|deps| deps.file_name() == Some(OsStr::new("deps")))?.parent()?;
    let name = profile.file_name()?.to_str()?.to_owned();
    Some(Folder { target: profile.parent()?.to_owned(), name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_is_that_of_the_test_itself() {
        let folder = folder_of(Path::new("/t/debug/deps/services-0f")).unwrap();
        assert_eq!((folder.target.as_path(), folder.profile()), (Path::new("/t"), "dev"));
        assert_eq!(folder_of(Path::new("/t/release/deps/services-0f")).unwrap().profile(), "release");
        assert_eq!(folder_of(Path::new("/usr/bin/services")), None);
    }
}
