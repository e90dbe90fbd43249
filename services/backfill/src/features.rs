//! The optional parts of the service.

/// The name of each part, and `true` if this build contains it. `ledger`, `alpaca` and `s3` include `security`.
const PARTS: [(&str, bool); 4] = [
    ("security", !kafka_io::FEATURES.is_empty()),
    ("ledger", cfg!(feature = "ledger")),
    ("parquet", cfg!(feature = "parquet")),
    ("s3", cfg!(feature = "s3")),
];

const COUNT: usize = {
    let (mut part, mut count) = (0, 0);
    while part < PARTS.len() {
        count += PARTS[part].1 as usize;
        part += 1;
    }
    count
};

const NAMES: [&str; COUNT] = {
    let (mut part, mut names, mut count) = (0, [""; COUNT], 0);
    while part < PARTS.len() {
        if PARTS[part].1 {
            names[count] = PARTS[part].0;
            count += 1;
        }
        part += 1;
    }
    names
};

/// The names of the parts that this build contains: those of the connections and of the service.
pub const FEATURES: &[&str] = &NAMES;
