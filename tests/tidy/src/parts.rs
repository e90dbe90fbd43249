//! One set of pins for the real parts: those that the tests fetch are those that `docker-compose.yml` starts. And one version of ours.

use crate::tree::SourceFile;

/// The images whose tag must be the pinned version of a part.
const IMAGES: &[(&str, &str)] = &[("kafka", "apache/kafka"), ("registry", "apicurio/apicurio-registry")];

/// The offences of a compose file against the pins.
#[must_use]
pub fn offences(pins: &SourceFile, compose: &SourceFile) -> Vec<String> {
    let mut offences = Vec::new();
    for (part, image) in IMAGES {
        let pin = pins.text.lines().find_map(|line| line.strip_prefix(&format!("{part}=")));
        let Some(pin) = pin else {
            offences.push(format!("{} does not pin {part}", pins.path));
            continue;
        };
        let wanted = format!("image: {image}:{pin}");
        if !compose.text.lines().any(|line| line.trim() == wanted) {
            offences.push(format!("{} does not say {wanted:?}", compose.path));
        }
    }
    offences
}

/// Images of ours that carry another tag than the workspace's version.
#[must_use]
pub fn stale_tags(manifest: &SourceFile, compose: &SourceFile) -> Vec<String> {
    let version = manifest.text.lines().find_map(|line| line.strip_prefix("version = "));
    let version = version.unwrap_or_default().trim_matches('"');
    let images = compose.text.lines().filter_map(|line| line.trim().strip_prefix("image: tapeline/"));
    let stale = images.filter(|image| image.split_once(':').is_none_or(|(_, tag)| tag != version));
    stale.map(|image| format!("{}: tapeline/{image} is not of version {version}", compose.path)).collect()
}
