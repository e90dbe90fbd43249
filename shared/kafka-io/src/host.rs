//! A number for this host, the same as long as it keeps its name.

/// Linux's own, of this process's namespace: a container's is its own.
const NAME_FILE: &str = "/proc/sys/kernel/hostname";

/// The host's name; none where the system doesn't say.
pub(crate) fn name() -> Option<String> {
    let name = std::fs::read_to_string(NAME_FILE).ok()?.trim().to_owned();
    (!name.is_empty()).then_some(name)
}

/// The number that a name ends in after a dash, as `feature-2`; else one made of the name (FNV-1a), as of a container's id.
pub(crate) fn ordinal(name: &str) -> u32 {
    let numbered = name.rsplit_once('-').and_then(|(_, number)| number.parse().ok());
    numbered.unwrap_or_else(|| {
        name.bytes().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_number_gives_that_and_any_other_one_of_its_own() {
        assert_eq!(ordinal("feature-2"), 2);
        assert_eq!(ordinal("a"), 0xe40c_292c);
        assert_ne!(ordinal("4f1c2b7d90aa"), ordinal("4f1c2b7d90ab"));
        assert_ne!(ordinal("feature-x"), ordinal("feature-y"));
    }
}
