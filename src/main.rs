//! Arguments in, exit code out.

use std::process::ExitCode;

use kubectl_milvus::target::Environment;

fn main() -> ExitCode {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    kubectl_milvus::run(std::env::args_os(), &Environment(environment)).code().into()
}
