//! The binaries of the services and of the command line, built with the profile of the test run.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The packages whose binaries are run, each with the name of its package, and `chassis`, which adds a feature to tokio for its tests.
const PACKAGES: [&str; 6] = ["publisher", "scanner-bridge", "feature", "backfill", "tapeline", "chassis"];

/// The folder of the binaries.
#[derive(Debug, Clone)]
pub struct Binaries {
    folder: PathBuf,
    /// The file `cgroup.procs` of the control group that the processes join.
    group: Option<PathBuf>,
}

impl Binaries {
    /// Builds the binaries into the profile folder of this test's executable. Cargo is called in every test process, since it
    /// detects outdated binaries; a test run of the whole workspace builds only those that tests of their own package need.
    ///
    /// # Errors
    /// The build fails; the error contains cargo's output.
    pub fn built() -> io::Result<Self> {
        // Once for all tests of this process: concurrent cargo processes would wait for each other.
        static BUILT: OnceLock<Result<Binaries, String>> = OnceLock::new();
        BUILT
            .get_or_init(|| Self::build().map_err(|error| error.to_string()))
            .clone()
            .map_err(io::Error::other)
    }

    fn build() -> io::Result<Self> {
        let folder = folder_of(&std::env::current_exe()?)
            .ok_or_else(|| io::Error::other("the test executable is not in cargo's target folder"))?;
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--locked"]);
        // Set by `.ci/timed-test` for this process; it would make the compiler build everything again.
        cargo.env_remove("RUSTC_BOOTSTRAP");
        cargo.args(["--profile", folder.profile()]).arg("--target-dir").arg(&folder.target);
        cargo.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
        // Examples activate the features of dev-dependencies. So the features are those of a test run of the workspace, and nothing is
        // compiled a second time.
        cargo.args(["--bins", "--examples"]);
        let output = cargo.output()?;
        if output.status.success() {
            return Ok(Self { folder: folder.target.join(folder.name), group: None });
        }
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(io::Error::other(format!("failed to build the services: {errors}")))
    }

    /// Returns the same binaries, whose processes join a control group before they run.
    #[must_use]
    pub fn joining(&self, processes: PathBuf) -> Self {
        Self { folder: self.folder.clone(), group: Some(processes) }
    }

    /// Returns a command that runs this binary.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        let binary = self.folder.join(name);
        let Some(processes) = &self.group else { return Command::new(binary) };
        let mut command = Command::new("sh");
        command.args(["-c", r#"echo $$ >"$0" && exec "$@""#]).arg(processes).arg(binary);
        command
    }
}

/// A profile's folder in a target folder.
#[derive(Debug, PartialEq, Eq)]
struct Folder {
    target: PathBuf,
    name: String,
}

impl Folder {
    /// Returns the name of the profile. Only `dev` has a folder with another name.
    fn profile(&self) -> &str {
        if self.name == "debug" { "dev" } else { &self.name }
    }
}

/// Returns the folder of a test executable, which is in `<target>/<folder of the profile>/deps`. `None` for other paths.
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
    fn profile_is_that_of_the_test_itself() {
        let folder = folder_of(Path::new("/t/debug/deps/services-0f")).unwrap();
        assert_eq!((folder.target.as_path(), folder.profile()), (Path::new("/t"), "dev"));
        assert_eq!(folder_of(Path::new("/t/release/deps/services-0f")).unwrap().profile(), "release");
        assert_eq!(folder_of(Path::new("/usr/bin/services")), None);
    }
}
