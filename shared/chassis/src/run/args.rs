//! The arguments of a service. Everything else is configuration.

use std::path::PathBuf;

use crate::config;
use crate::run::Service;

/// What the caller asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Run the service.
    Run { file: Option<PathBuf> },
    /// Load the configuration, show it, and end.
    Check { file: Option<PathBuf> },
    /// Ask the service that runs with this configuration whether it is ready.
    Probe { file: Option<PathBuf> },
    /// Show the version.
    Version,
    /// Show the usage.
    Help,
}

// === impl Ask ===

impl Ask {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut file, mut check, mut probe) = (None, false, false);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--config" => file = Some(args.next().ok_or("--config needs a file")?.into()),
                "--check-config" => check = true,
                "--probe" => probe = true,
                "--version" => return Ok(Self::Version),
                "--help" | "-h" => return Ok(Self::Help),
                other => match other.strip_prefix("--config=") {
                    Some(path) => file = Some(path.into()),
                    None => return Err(format!("unknown argument {other}")),
                },
            }
        }
        match (check, probe) {
            (false, false) => Ok(Self::Run { file }),
            (true, false) => Ok(Self::Check { file }),
            (false, true) => Ok(Self::Probe { file }),
            (true, true) => Err("--check-config and --probe are two questions".to_owned()),
        }
    }
}

pub(crate) fn usage<S: Service>() -> String {
    let (name, prefix) = (S::NAME, config::prefix(S::NAME));
    format!(
        "usage: {name} [--config FILE] [--check-config | --probe] [--version]\n\
         \n\
         --config FILE    a TOML file above the defaults\n\
         --check-config   loads the configuration, shows it without secrets, and ends\n\
         --probe          asks the {name} that runs here with this configuration: 0 when it is ready, 1 when not\n\
         \n\
         The environment is above both: {prefix}__SECTION__KEY=value sets section.key.\n\
         For example: {name} --config {name}.toml --check-config"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Ask, String> {
        Ask::parse(args.iter().map(|arg| (*arg).to_owned()))
    }

    #[test]
    fn arguments_say_what_is_asked() {
        assert_eq!(parse(&[]), Ok(Ask::Run { file: None }));
        assert_eq!(parse(&["--config", "a.toml"]), Ok(Ask::Run { file: Some("a.toml".into()) }));
        assert_eq!(
            parse(&["--check-config", "--config=a.toml"]),
            Ok(Ask::Check { file: Some("a.toml".into()) })
        );
        assert_eq!(parse(&["--probe"]), Ok(Ask::Probe { file: None }));
        assert!(parse(&["--probe", "--check-config"]).is_err());
        assert_eq!(parse(&["--version"]), Ok(Ask::Version));
    }

    #[test]
    fn an_unknown_argument_is_named() {
        assert_eq!(parse(&["--confg"]), Err("unknown argument --confg".to_owned()));
        assert_eq!(parse(&["--config"]), Err("--config needs a file".to_owned()));
    }
}
