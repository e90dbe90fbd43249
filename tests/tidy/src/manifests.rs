//! One place for versions: the root manifest.

use crate::tree::SourceFile;

/// The dependencies of a member's manifest that don't take their version from the workspace.
#[must_use]
pub fn offences(manifest: &SourceFile) -> Vec<String> {
    let mut offences = Vec::new();
    let mut in_dependencies = false;
    for (index, line) in manifest.text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            in_dependencies = section.ends_with("dependencies");
            if section.contains("dependencies.") {
                let at = index + 1;
                offences
                    .push(format!("{}:{at} a table for one dependency: write it in a line", manifest.path));
            }
        } else if in_dependencies && !line.is_empty() && !line.replace(' ', "").contains("workspace=true") {
            offences.push(format!("{}:{} not from the workspace: {line}", manifest.path, index + 1));
        }
    }
    offences
}
