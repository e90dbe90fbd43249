//! Process of the publisher.

fn main() -> std::process::ExitCode {
    chassis::run::<publisher::service::Publisher>()
}
