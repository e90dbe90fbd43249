//! One set of pins for the real parts: those that the tests fetch are those that `docker-compose.yml` starts.

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
