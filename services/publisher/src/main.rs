//! The publisher as a process.

fn main() -> std::process::ExitCode {
    chassis::run::<publisher::service::Publisher>()
}
