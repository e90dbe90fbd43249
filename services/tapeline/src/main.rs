//! The `tapeline` binary.

fn main() -> std::process::ExitCode {
    tapeline::run()
}
