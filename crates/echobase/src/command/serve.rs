//! `echobase serve`.

use std::process::ExitCode;

use anyhow::Context as _;
use echobase_server::Start;

use crate::cli::Serve;

pub(super) fn run(args: Serve) -> anyhow::Result<ExitCode> {
    let mut config = super::config::load(args.config.as_deref())?;
    if let Some(listen) = args.listen {
        config.server.listen = listen;
    }
    if let Some(http) = args.otlp_http {
        config.otlp.http = http;
    }
    if let Some(grpc) = args.otlp_grpc {
        config.otlp.grpc = grpc;
    }
    config.server.allow_remote_plaintext |= args.allow_remote_plaintext;
    echobase_server::log::start();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(echobase_server::serve(Start {
        config,
        data: args.data,
        print_addresses: args.print_addresses,
        bootstrap_key_file: args.bootstrap_key_file,
        accept_damage: args.accept_damage,
    }))?;
    Ok(ExitCode::SUCCESS)
}
