//! OTLP over HTTP (4318, where other pushed formats arrive too) and gRPC (4317). Answers follow what clients do with them: a permanent fault is 400, a
//! full disk or a shutdown 503 with `Retry-After`, never 500; what was refused of a batch is told as partial success.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use echobase_ingest::otlp::{self, Form};
use echobase_ingest::{Admission, Decoded, Malformed};
use echobase_policy::Action;
use echobase_types::ErrorKind;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use serde::Serialize;
use tonic::codec::CompressionEncoding;
use tonic::{Request, Status};

use crate::app::App;
use crate::extract::Whole;
use crate::guard::{self, Caller};
use crate::intake::inflated;
use crate::problem::{Answer, Failure};
use crate::push;
use crate::route::{self, Access, Route, post};

const LOCAL: Access = Access::Local(Action::Ingest);

/// The routes of the HTTP listener.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        post("/v1/metrics", "otlp_metrics", LOCAL, metrics).says("otlp", "OTLP metrics").repeatable(),
        post("/v1/traces", "otlp_traces", LOCAL, traces).says("otlp", "OTLP traces").repeatable(),
        post("/v1/logs", "otlp_logs", LOCAL, logs).says("otlp", "OTLP logs").repeatable(),
    ]
}

/// The HTTP listener's router.
pub(crate) fn http(app: &App) -> Router {
    let lost = async |uri: Uri| {
        let words = format!(
            "there is nothing at `{}`; send OTLP to /v1/metrics, /v1/traces, /v1/logs, Prometheus remote write to \
                 /api/v1/write, line protocol to /write",
            uri.path()
        );
        Failure::new(ErrorKind::NotFound, words)
    };
    let table = routes().into_iter().chain(push::routes()).collect();
    route::router(table, app).fallback(lost).with_state(app.clone())
}

async fn metrics(State(app): State<App>, caller: Caller, headers: HeaderMap, Whole(body): Whole) -> Response {
    let answer = |partial: Option<(i64, String)>| ExportMetricsServiceResponse {
        partial_success: partial.map(|(rejected_data_points, error_message)| ExportMetricsPartialSuccess {
            rejected_data_points,
            error_message,
        }),
    };
    export(&app, &caller, &headers, body, otlp::metrics_body, answer).await
}

async fn traces(State(app): State<App>, caller: Caller, headers: HeaderMap, Whole(body): Whole) -> Response {
    let answer = |partial: Option<(i64, String)>| ExportTraceServiceResponse {
        partial_success: partial.map(|(rejected_spans, error_message)| ExportTracePartialSuccess {
            rejected_spans,
            error_message,
        }),
    };
    export(&app, &caller, &headers, body, otlp::traces_body, answer).await
}

async fn logs(State(app): State<App>, caller: Caller, headers: HeaderMap, Whole(body): Whole) -> Response {
    let answer = |partial: Option<(i64, String)>| ExportLogsServiceResponse {
        partial_success: partial.map(|(rejected_log_records, error_message)| ExportLogsPartialSuccess {
            rejected_log_records,
            error_message,
        }),
    };
    export(&app, &caller, &headers, body, otlp::logs_body, answer).await
}

/// Decodes one kind of OTLP body.
type Decode = fn(Form, &[u8], &Admission<'_>) -> Result<Decoded, Malformed>;

async fn export<M: Message + Serialize>(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    body: Bytes,
    decode: Decode,
    answer: impl FnOnce(Option<(i64, String)>) -> M,
) -> Response {
    let media = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let Some(form) = Form::of_content_type(media) else {
        let words = format!("send application/x-protobuf or application/json, not `{media}`");
        let failure = Failure::new(ErrorKind::Invalid, words).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        return failure.into_response();
    };
    let kept = async {
        let body = inflated(app, headers, body)?;
        let now = app.now();
        let mut decoded = decode(form, &body, &app.intake.admission(caller.tenant(), now))?;
        app.intake.keep(caller.tenant(), &mut decoded).await?;
        Ok::<_, Failure>(decoded.partial_success())
    };
    match kept.await {
        Ok(partial) => written(form, StatusCode::OK, &answer(partial)),
        Err(failure) => refused(form, failure),
    }
}

fn written<M: Message + Serialize>(form: Form, status: StatusCode, message: &M) -> Response {
    let (media, body) = match form {
        Form::Protobuf => ("application/x-protobuf", message.encode_to_vec()),
        Form::Json => ("application/json", serde_json::to_vec(message).unwrap_or_default()),
    };
    (status, [(header::CONTENT_TYPE, media)], body).into_response()
}

/// `google.rpc.Status`, the body of OTLP/HTTP failures.
#[derive(Clone, PartialEq, Message, Serialize)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

fn refused(form: Form, failure: Failure) -> Response {
    if form == Form::Json {
        return failure.into_response();
    }
    let problem = &failure.0;
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let body = RpcStatus { code: grpc_code(problem.status) as i32, message: problem.detail.clone() };
    let mut response = written(form, status, &body);
    if let Some(after) = problem.retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after));
    }
    response
}

fn grpc_code(status: u16) -> tonic::Code {
    match status {
        400 | 413 | 415 | 422 => tonic::Code::InvalidArgument,
        401 => tonic::Code::Unauthenticated,
        403 => tonic::Code::PermissionDenied,
        429 => tonic::Code::ResourceExhausted,
        _ => tonic::Code::Unavailable,
    }
}

/// The gRPC listener's router.
pub(crate) fn grpc(app: &App) -> Router {
    let service = Grpc { app: app.clone() };
    let limit = app.intake.max_request_bytes;
    macro_rules! server {
        ($server:ident) => {
            $server::new(service.clone())
                .accept_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Zstd)
                .send_compressed(CompressionEncoding::Gzip)
                .max_decoding_message_size(limit)
        };
    }
    tonic::service::Routes::new(server!(MetricsServiceServer))
        .add_service(server!(TraceServiceServer))
        .add_service(server!(LogsServiceServer))
        .into_axum_router()
}

#[derive(Clone)]
struct Grpc {
    app: App,
}

impl Grpc {
    async fn export<R>(
        &self,
        request: Request<R>,
        decode: fn(R, &Admission<'_>) -> Decoded,
    ) -> Result<Option<(i64, String)>, Status> {
        let kept = async {
            let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip());
            let headers = request.metadata().clone().into_headers();
            let caller = guard::ingest_caller(&self.app, &headers, peer).await?;
            let now = self.app.now();
            let mut decoded = decode(request.into_inner(), &self.app.intake.admission(caller.tenant(), now));
            self.app.intake.keep(caller.tenant(), &mut decoded).await?;
            Answer::Ok(decoded.partial_success())
        };
        kept.await.map_err(|failure| Status::new(grpc_code(failure.0.status), failure.0.detail))
    }
}

#[tonic::async_trait]
impl MetricsService for Grpc {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, Status> {
        let partial = Self::export(self, request, otlp::metrics).await?;
        let partial_success = partial.map(|(rejected_data_points, error_message)| {
            ExportMetricsPartialSuccess { rejected_data_points, error_message }
        });
        Ok(tonic::Response::new(ExportMetricsServiceResponse { partial_success }))
    }
}

#[tonic::async_trait]
impl TraceService for Grpc {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, Status> {
        let partial = Self::export(self, request, otlp::traces).await?;
        let partial_success = partial.map(|(rejected_spans, error_message)| ExportTracePartialSuccess {
            rejected_spans,
            error_message,
        });
        Ok(tonic::Response::new(ExportTraceServiceResponse { partial_success }))
    }
}

#[tonic::async_trait]
impl LogsService for Grpc {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<tonic::Response<ExportLogsServiceResponse>, Status> {
        let partial = Self::export(self, request, otlp::logs).await?;
        let partial_success = partial.map(|(rejected_log_records, error_message)| ExportLogsPartialSuccess {
            rejected_log_records,
            error_message,
        });
        Ok(tonic::Response::new(ExportLogsServiceResponse { partial_success }))
    }
}
