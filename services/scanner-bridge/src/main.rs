//! The scanner bridge as a process.

fn main() -> std::process::ExitCode {
    chassis::run::<scanner_bridge::service::Bridge>()
}
