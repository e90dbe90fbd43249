//! Command-line arguments of a service. All other settings are configuration.

use std::path::PathBuf;

use crate::config;
use crate::run::service::Service;

/// The action that the arguments request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Run {
        file: Option<PathBuf>,
    },
    /// Loads and prints the configuration.
    Check {
        file: Option<PathBuf>,
    },
    /// Reports whether the service that runs with this configuration is ready.
    Probe {
        file: Option<PathBuf>,
    },
    Version,
    Help,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArgsError {
    #[error("unknown argument {0}")]
    Unknown(String),
    #[error("--config requires a file")]
    MissingFile,
    #[error("--check-config and --probe exclude each other")]
    CheckAndProbe,
}

// === impl Command ===

impl Command {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, ArgsError> {
        let (mut file, mut check, mut probe) = (None, false, false);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--config" => file = Some(args.next().ok_or(ArgsError::MissingFile)?.into()),
                "--check-config" => check = true,
                "--probe" => probe = true,
                "--version" => return Ok(Self::Version),
                "--help" | "-h" => return Ok(Self::Help),
                other => match other.strip_prefix("--config=") {
                    Some(path) => file = Some(path.into()),
                    None => return Err(ArgsError::Unknown(arg)),
                },
            }
        }
        match (check, probe) {
            (false, false) => Ok(Self::Run { file }),
            (true, false) => Ok(Self::Check { file }),
            (false, true) => Ok(Self::Probe { file }),
            (true, true) => Err(ArgsError::CheckAndProbe),
        }
    }
}

pub(crate) fn usage<S: Service>() -> String {
    let (name, prefix) = (S::NAME, config::prefix(S::NAME));
    format!(
        "usage: {name} [--config FILE] [--check-config | --probe] [--version]\n\
         \n\
         --config FILE    TOML file that overrides the defaults\n\
         --check-config   load the configuration, print it without secrets, and exit\n\
         --probe          query the readiness of the {name} that runs on this machine with this configuration;\n\
         \x20                exit code 0 if it is ready, 1 if not\n\
         \n\
         Environment variables override the file: {prefix}__SECTION__KEY=value sets section.key.\n\
         Example: {name} --config {name}.toml --check-config"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Command, ArgsError> {
        Command::parse(args.iter().map(|arg| (*arg).to_owned()))
    }

    #[test]
    fn arguments_select_the_command() {
        assert_eq!(parse(&[]), Ok(Command::Run { file: None }));
        assert_eq!(parse(&["--config", "a.toml"]), Ok(Command::Run { file: Some("a.toml".into()) }));
        assert_eq!(
            parse(&["--check-config", "--config=a.toml"]),
            Ok(Command::Check { file: Some("a.toml".into()) })
        );
        assert_eq!(parse(&["--probe"]), Ok(Command::Probe { file: None }));
        assert_eq!(parse(&["--probe", "--check-config"]), Err(ArgsError::CheckAndProbe));
        assert_eq!(parse(&["--version"]), Ok(Command::Version));
    }

    #[test]
    fn invalid_arguments_are_named() {
        assert_eq!(parse(&["--confg"]), Err(ArgsError::Unknown("--confg".to_owned())));
        assert_eq!(parse(&["--config"]).unwrap_err().to_string(), "--config requires a file");
    }
}
