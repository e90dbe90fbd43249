//! Check of the output files before a run, which may take hours.

use std::fs;

use super::args::MarketArgs;
use crate::exit::Failure;
use crate::output::check_writable;

/// Name of the file by which a folder is checked.
const PROBE: &str = ".tapeline-check";

/// Creates the folder of `--topics`, and checks that all output files can be written. Existing files keep their content.
///
/// # Errors
/// [`Failure::Usage`] with the first path that cannot be written.
pub fn check_outputs(args: &MarketArgs) -> Result<(), Failure> {
    for file in [&args.report, &args.vectors].into_iter().flatten() {
        check_writable(file).map_err(|error| Failure::file("write", file, error))?;
    }
    if let Some(folder) = &args.topics {
        fs::create_dir_all(folder).map_err(|error| Failure::file("create", folder, error))?;
        check_writable(&folder.join(PROBE)).map_err(|error| Failure::file("write", folder, error))?;
    }
    Ok(())
}
