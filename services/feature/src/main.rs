//! Process of the feature service.

fn main() -> std::process::ExitCode {
    chassis::run::<feature::service::Feature>()
}
