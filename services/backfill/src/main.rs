//! Process of the backfill service.

fn main() -> std::process::ExitCode {
    chassis::run::<backfill::service::Backfill>()
}
