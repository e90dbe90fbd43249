//! The ordinal of an instance, derived from its host's name.

/// The host's name as Linux reports it for this process's namespace: a container has its own.
const NAME_FILE: &str = "/proc/sys/kernel/hostname";

/// Returns the host's name. `None` if the system has none.
pub(crate) fn name() -> Option<String> {
    let name = std::fs::read_to_string(NAME_FILE).ok()?.trim().to_owned();
    (!name.is_empty()).then_some(name)
}

/// Returns the number at the end of a name after a dash, as in `feature-2`; otherwise the FNV-1a hash of the name, as of a container id.
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
    fn name_without_number_has_an_ordinal_of_its_hash() {
        assert_eq!(ordinal("feature-2"), 2);
        assert_eq!(ordinal("a"), 0xe40c_292c);
        assert_ne!(ordinal("4f1c2b7d90aa"), ordinal("4f1c2b7d90ab"));
        assert_ne!(ordinal("feature-x"), ordinal("feature-y"));
    }
}
