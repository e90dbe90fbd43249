//! Pinned versions: the tests and `docker-compose.yml` run the same versions of Kafka and the registry, and the images of
//! the project carry the version of the workspace.

use crate::tree::SourceFile;

/// A name in the list of pins, and the image whose tag must be its version.
const IMAGES: &[(&str, &str)] =
    &[("kafka", "apache/kafka"), ("registry", "apicurio/apicurio-registry"), ("postgres", "postgres")];

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
            offences.push(format!("{} lacks {wanted:?}", compose.path));
        }
    }
    offences
}

/// Images of the project whose tag is not the version of the workspace.
#[must_use]
pub fn stale_tags(manifest: &SourceFile, compose: &SourceFile) -> Vec<String> {
    let version = manifest.text.lines().find_map(|line| line.strip_prefix("version = "));
    let version = version.unwrap_or_default().trim_matches('"');
    let images = compose.text.lines().filter_map(|line| line.trim().strip_prefix("image: tapeline/"));
    let stale = images.filter(|image| image.split_once(':').is_none_or(|(_, tag)| tag != version));
    stale.map(|image| format!("{}: tapeline/{image} is not of version {version}", compose.path)).collect()
}
