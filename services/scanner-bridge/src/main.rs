//! Process of the scanner bridge.

fn main() -> std::process::ExitCode {
    chassis::run::<scanner_bridge::service::Bridge>()
}
