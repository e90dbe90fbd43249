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
    /// Show the version.
    Version,
    /// Show the usage.
    Help,
}

// === impl Ask ===

impl Ask {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut file, mut check) = (None, false);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--config" => file = Some(args.next().ok_or("--config needs a file")?.into()),
                "--check-config" => check = true,
                "--version" => return Ok(Self::Version),
                "--help" | "-h" => return Ok(Self::Help),
                other => match other.strip_prefix("--config=") {
                    Some(path) => file = Some(path.into()),
                    None => return Err(format!("unknown argument {other}")),
                },
            }
        }
        Ok(if check { Self::Check { file } } else { Self::Run { file } })
    }
}

pub(crate) fn usage<S: Service>() -> String {
    let (name, prefix) = (S::NAME, config::prefix(S::NAME));
    format!(
        "usage: {name} [--config FILE] [--check-config] [--version]\n\
         \n\
         --config FILE    a TOML file above the defaults\n\
         --check-config   loads the configuration, shows it without secrets, and ends\n\
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
        assert_eq!(parse(&["--version"]), Ok(Ask::Version));
    }

    #[test]
    fn an_unknown_argument_is_named() {
        assert_eq!(parse(&["--confg"]), Err("unknown argument --confg".to_owned()));
        assert_eq!(parse(&["--config"]), Err("--config needs a file".to_owned()));
    }
}
