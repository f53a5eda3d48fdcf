//! The `homeostat` binary.

fn main() -> std::process::ExitCode {
    homeostat::command::main(&homeostat::service::Service)
}
