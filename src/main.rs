//! The `homeostat` binary.

fn main() -> std::process::ExitCode {
    homeostat_actors::fail_point::arm();
    homeostat::command::main(&homeostat::service::Service)
}
