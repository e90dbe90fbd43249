//! The operator's command as a process.

fn main() -> std::process::ExitCode {
    tapeline::command()
}
