//! The `homeostat` binary.
fn main() -> std::process::ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let files: Vec<std::path::PathBuf> = std::env::args().skip(1).map(Into::into).collect();
    match homeostat::configuration::load(&files, std::env::vars()) {
        Ok(configuration) => homeostat::service::run(configuration),
        Err(faults) => {
            for f in faults { eprintln!("{f}"); }
            std::process::ExitCode::from(2)
        }
    }
}
