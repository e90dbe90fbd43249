//! The feature service as a process.

fn main() -> std::process::ExitCode {
    chassis::run::<feature::service::Feature>()
}
