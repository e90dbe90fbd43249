//! Check of the output files before a run, which may take hours.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use contracts::Topic;

use super::args::MarketArgs;
use super::topic_dump::file_of;
use crate::exit::Failure;
use crate::output::{check_name, check_writable};

/// Creates the folder of `--topics`, and checks that all output files can be written, and that none is an input or written twice.
/// Existing files keep their content.
///
/// # Errors
/// [`Failure::Usage`] with the first path that cannot be written.
pub fn check_outputs(args: &MarketArgs) -> Result<(), Failure> {
    for file in [&args.report, &args.vectors].into_iter().flatten() {
        check_file(file)?;
    }
    if let Some(folder) = &args.topics {
        check_name(folder).map_err(|error| Failure::file("create", folder, error))?;
        fs::create_dir_all(folder).map_err(|error| Failure::file("create", folder, error))?;
        Topic::ALL.iter().try_for_each(|topic| check_file(&file_of(folder, *topic)))?;
    }
    check_distinct(args)
}

fn check_file(file: &Path) -> Result<(), Failure> {
    check_writable(file).map_err(|error| Failure::file("write", file, error))
}

/// Checks that no output would overwrite an input or another output.
fn check_distinct(args: &MarketArgs) -> Result<(), Failure> {
    let findings = args.findings.as_deref().and_then(identity);
    let bars = args.bars.as_deref().and_then(identity);
    let mut known: BTreeMap<PathBuf, &str> = BTreeMap::new();
    for (flag, file) in outputs(args) {
        let Some(path) = identity(&file) else { continue };
        let is_bar_file = path.exists() && path.extension() == Some(OsStr::new("csv"));
        let other = if Some(&path) == findings.as_ref() {
            Some("--findings")
        } else if is_bar_file && bars.is_some() && path.parent() == bars.as_deref() {
            Some("--bars")
        } else {
            known.insert(path, flag)
        };
        if let Some(other) = other {
            let file = file.display();
            return Err(Failure::usage(format!(
                "failed to write {file}: {flag} and {other} are the same file"
            )));
        }
    }
    Ok(())
}

/// Returns the files that a run writes, each with its flag.
fn outputs(args: &MarketArgs) -> Vec<(&'static str, PathBuf)> {
    let named = [("--report", &args.report), ("--vectors", &args.vectors)];
    let named = named.into_iter().filter_map(|(flag, file)| Some((flag, file.clone()?)));
    let topics =
        args.topics.iter().flat_map(|folder| Topic::ALL.iter().map(move |topic| file_of(folder, *topic)));
    named.chain(topics.map(|file| ("--topics", file))).collect()
}

/// Returns the path without links. `None` for a device or a pipe, to which several may write.
fn identity(path: &Path) -> Option<PathBuf> {
    match fs::canonicalize(path) {
        Ok(path) => (path.is_file() || path.is_dir()).then_some(path),
        Err(_) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            Some(fs::canonicalize(folder.unwrap_or(Path::new("."))).ok()?.join(path.file_name()?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Speed;

    fn args(folder: &Path) -> MarketArgs {
        MarketArgs {
            bars: Some(folder.join("bars")),
            from: None,
            to: None,
            speed: Speed::Max,
            findings: Some(folder.join("findings.ndjson")),
            topics: None,
            vectors: None,
            report: None,
            seed: 1,
        }
    }

    #[test]
    fn output_that_is_an_input_or_another_output_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| Some(folder.path().join(name));
        fs::create_dir(folder.path().join("bars")).unwrap();
        for name in ["bars/AAPL.csv", "findings.ndjson", "scanner.alert.raised.v1.ndjson"] {
            fs::write(folder.path().join(name), "kept").unwrap();
        }
        std::os::unix::fs::symlink(folder.path().join("findings.ndjson"), folder.path().join("link"))
            .unwrap();
        let given = args(folder.path());
        let cases = [
            (MarketArgs { report: at("bars/AAPL.csv"), ..given.clone() }, "--report and --bars"),
            (MarketArgs { vectors: at("link"), ..given.clone() }, "--vectors and --findings"),
            (
                MarketArgs { report: at("new"), vectors: at("bars/../new"), ..given.clone() },
                "--vectors and --report",
            ),
            (
                MarketArgs {
                    findings: at("scanner.alert.raised.v1.ndjson"),
                    topics: at(""),
                    ..given.clone()
                },
                "--topics and --findings",
            ),
        ];
        for (args, flags) in cases {
            let text = check_outputs(&args).unwrap_err().to_string();
            assert!(text.ends_with(&format!("{flags} are the same file")), "{text}");
        }
        assert_eq!(fs::read_to_string(folder.path().join("bars/AAPL.csv")).unwrap(), "kept");
    }

    #[test]
    fn unwritable_file_of_a_topic_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = file_of(folder.path(), Topic::BarClosed);
        let args = MarketArgs { topics: Some(folder.path().to_path_buf()), ..args(folder.path()) };
        check_outputs(&args).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the check leaves no file");
        std::os::unix::fs::symlink("/dev/full", &file).unwrap();
        let text = check_outputs(&args).unwrap_err().chain();
        assert!(text.starts_with(&format!("failed to write {}: No space left", file.display())), "{text}");
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        let text = check_outputs(&args).unwrap_err().chain();
        assert!(text.starts_with(&format!("failed to write {}: Is a directory", file.display())), "{text}");
    }

    #[test]
    fn dash_is_no_output_file() {
        let dash = || Some(PathBuf::from("-"));
        let given = args(Path::new("/nonexistent"));
        for args in [
            MarketArgs { report: dash(), ..given.clone() },
            MarketArgs { vectors: dash(), ..given.clone() },
            MarketArgs { topics: dash(), ..given.clone() },
        ] {
            let failure = check_outputs(&args).unwrap_err();
            assert_eq!(failure.exit(), chassis::Exit::Usage);
            let text = failure.chain();
            assert!(text.contains(" -: it is not standard output here"), "{text}");
            assert!(!Path::new("-").exists());
        }
    }

    #[test]
    fn files_next_to_inputs_and_devices_are_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| Some(folder.path().join(name));
        fs::create_dir(folder.path().join("bars")).unwrap();
        let given = MarketArgs { report: at("bars/report.json"), topics: at("bars"), ..args(folder.path()) };
        check_outputs(&given).unwrap();
        let null = Some(PathBuf::from("/dev/null"));
        check_outputs(&MarketArgs { report: null.clone(), vectors: null, ..given }).unwrap();
    }
}
