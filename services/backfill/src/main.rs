//! The backfill service as a process.

fn main() -> std::process::ExitCode {
    chassis::run::<backfill::service::Backfill>()
}
