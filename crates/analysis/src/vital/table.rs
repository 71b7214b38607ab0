//! The table.

use echobase_types::assessment::Vital;

use super::{Condition, Reading, Rule, Scale, Test};

const fn rule(metric: &'static str, vital: Vital, reading: Reading) -> Rule {
    Rule { metric, when: &[], vital, reading, family: "", by: &[], scale: Scale::Unit }
}

impl Rule {
    const fn when(self, when: &'static [Condition]) -> Self {
        Self { when, ..self }
    }
    const fn family(self, family: &'static str) -> Self {
        Self { family, ..self }
    }
    const fn by(self, by: &'static [&'static str]) -> Self {
        Self { by, ..self }
    }
    const fn scale(self, scale: Scale) -> Self {
        Self { scale, ..self }
    }
}

const fn is(keys: &'static [&'static str], values: &'static [&'static str]) -> Condition {
    Condition { keys, test: Test::OneOf(values) }
}

const fn is_not(keys: &'static [&'static str], values: &'static [&'static str]) -> Condition {
    Condition { keys, test: Test::NoneOf(values) }
}

const fn absent(keys: &'static [&'static str]) -> Condition {
    Condition { keys, test: Test::Absent }
}

const CPU_MODE: &[&str] = &["cpu.mode", "system.cpu.state", "state", "mode"];
const MEMORY_STATE: &[&str] = &["system.memory.state", "state"];
const DISK_STATE: &[&str] = &["system.filesystem.state", "state"];
const MOUNT: &[&str] = &["system.filesystem.mountpoint", "mountpoint", "system.device", "device"];
const POOL: &[&str] = &["db.client.connection.pool.name", "pool.name", "pool"];
const POOL_STATE: &[&str] = &["db.client.connection.state", "state"];
const PEER: &[&str] = &["server.address", "peer.service", "net.peer.name", "rpc.service"];
/// File systems that are always full or never matter.
const REAL_DISK: Condition = is_not(
    &["system.filesystem.type", "type", "fstype"],
    &[
        "squashfs",
        "iso9660",
        "tmpfs",
        "devtmpfs",
        "ramfs",
        "autofs",
        "proc",
        "sysfs",
        "cgroup",
        "cgroup2",
        "efivarfs",
        "nsfs",
        "fuse.lxcfs",
    ],
);
const WRITABLE: Condition = is_not(&["system.filesystem.mode", "mode"], &["ro"]);
const QUANTILE: &[&str] = &["quantile"];

use Reading as R;
use Vital as V;

/// The built-in table; the first rule per vital sign and reading wins.
pub const RULES: &[Rule] = &[
    // OpenTelemetry: host.
    rule("system.cpu.utilization", V::CpuUtilization, R::Complement).when(&[is(CPU_MODE, &["idle"])]),
    rule("system.cpu.utilization", V::CpuUtilization, R::Value).when(&[absent(CPU_MODE)]),
    rule("system.cpu.time", V::CpuUtilization, R::OtherState).when(&[is(CPU_MODE, &["idle"])]),
    rule("system.cpu.time", V::CpuUtilization, R::InState).when(&[is_not(CPU_MODE, &["idle"])]),
    rule("system.memory.utilization", V::MemoryUtilization, R::Value).when(&[is(MEMORY_STATE, &["used"])]),
    rule("system.memory.utilization", V::MemoryUtilization, R::Value).when(&[absent(MEMORY_STATE)]),
    rule("system.memory.usage", V::MemoryUtilization, R::InState).when(&[is(MEMORY_STATE, &["used"])]),
    rule("system.memory.usage", V::MemoryUtilization, R::OtherState).when(&[is_not(MEMORY_STATE, &["used"])]),
    rule("system.filesystem.utilization", V::DiskUtilization, R::Value)
        .when(&[REAL_DISK, WRITABLE, is_not(DISK_STATE, &["free", "reserved"])])
        .by(MOUNT),
    rule("system.filesystem.usage", V::DiskUtilization, R::InState)
        .when(&[REAL_DISK, WRITABLE, is(DISK_STATE, &["used"])])
        .by(MOUNT),
    rule("system.filesystem.usage", V::DiskUtilization, R::OtherState)
        .when(&[REAL_DISK, WRITABLE, is_not(DISK_STATE, &["used"])])
        .by(MOUNT),
    rule("system.cpu.load_average.1m", V::LoadPerCpu, R::Used).family("system.load"),
    rule("system.linux.cpu.load_1m", V::LoadPerCpu, R::Used).family("system.load"),
    rule("system.cpu.logical.count", V::LoadPerCpu, R::Limit).family("system.load"),
    rule("system.file_descriptor.count", V::FileDescriptorUtilization, R::Used)
        .family("system.file_descriptor"),
    rule("system.file_descriptor.limit", V::FileDescriptorUtilization, R::Limit)
        .family("system.file_descriptor"),
    rule("system.linux.file_descriptor.count", V::FileDescriptorUtilization, R::Used)
        .family("system.file_descriptor"),
    rule("system.linux.file_descriptor.limit", V::FileDescriptorUtilization, R::Limit)
        .family("system.file_descriptor"),
    rule("system.linux.file_descriptor.utilization", V::FileDescriptorUtilization, R::Value),
    // OpenTelemetry: process, container, runtime.
    rule("process.cpu.utilization", V::CpuUtilization, R::Value).when(&[absent(CPU_MODE)]),
    rule("process.cpu.time", V::CpuUtilization, R::Cores).family("process.cpu"),
    rule("process.cpu.limit", V::CpuUtilization, R::CoreCount).family("process.cpu"),
    rule("process.memory.utilization", V::MemoryUtilization, R::Value),
    rule("process.memory.usage", V::MemoryUtilization, R::Used).family("process.memory"),
    rule("process.memory.limit", V::MemoryUtilization, R::Limit).family("process.memory"),
    rule("process.memory.usage", V::MemoryUsage, R::Value),
    rule("process.open_file_descriptor.count", V::FileDescriptorUtilization, R::Used).family("process.fd"),
    rule("process.open_file_descriptor.limit", V::FileDescriptorUtilization, R::Limit).family("process.fd"),
    rule("process.unix.file_descriptor.count", V::FileDescriptorUtilization, R::Used).family("process.fd"),
    rule("process.unix.file_descriptor.limit", V::FileDescriptorUtilization, R::Limit).family("process.fd"),
    rule("container.cpu.utilization", V::CpuUtilization, R::Value).when(&[absent(CPU_MODE)]),
    rule("container.memory.usage", V::MemoryUtilization, R::Used).family("container.memory"),
    rule("container.memory.limit", V::MemoryUtilization, R::Limit).family("container.memory"),
    rule("container_memory_working_set_bytes", V::MemoryUtilization, R::Used).family("cadvisor.memory"),
    rule("container_spec_memory_limit_bytes", V::MemoryUtilization, R::Limit).family("cadvisor.memory"),
    rule("jvm.memory.used", V::MemoryUtilization, R::Used)
        .when(&[is(&["jvm.memory.type"], &["heap"])])
        .family("jvm.memory"),
    rule("jvm.memory.limit", V::MemoryUtilization, R::Limit)
        .when(&[is(&["jvm.memory.type"], &["heap"])])
        .family("jvm.memory"),
    rule("go.memory.used", V::MemoryUtilization, R::Used).family("go.memory"),
    rule("go.memory.limit", V::MemoryUtilization, R::Limit).family("go.memory"),
    rule("db.client.connection.count", V::PoolUtilization, R::Used)
        .when(&[is_not(POOL_STATE, &["idle"])])
        .family("db.client.connection")
        .by(POOL),
    rule("db.client.connection.max", V::PoolUtilization, R::Limit).family("db.client.connection").by(POOL),
    rule("db.client.connection.pending_requests", V::QueueLength, R::Value).by(POOL),
    rule("thread_pool.active", V::PoolUtilization, R::Used).family("thread_pool").by(POOL),
    rule("thread_pool.size", V::PoolUtilization, R::Limit).family("thread_pool").by(POOL),
    rule("worker.pool.used", V::PoolUtilization, R::Used).family("worker.pool").by(POOL),
    rule("worker.pool.limit", V::PoolUtilization, R::Limit).family("worker.pool").by(POOL),
    rule("worker.pool.utilization", V::PoolUtilization, R::Value).by(POOL),
    rule("messaging.queue.depth", V::QueueLength, R::Value),
    // OpenTelemetry: traffic.
    rule("http.server.request.duration", V::RequestRate, R::Requests).family("http.server"),
    rule("http.server.request.duration", V::LatencyP99, R::Duration).family("http.server"),
    rule("http.server.duration", V::RequestRate, R::Requests)
        .family("http.server")
        .scale(Scale::Milliseconds),
    rule("http.server.duration", V::LatencyP99, R::Duration).family("http.server").scale(Scale::Milliseconds),
    rule("rpc.server.*duration", V::RequestRate, R::Requests).family("rpc.server"),
    rule("rpc.server.*duration", V::LatencyP99, R::Duration).family("rpc.server"),
    rule("gen_ai.server.request.duration", V::RequestRate, R::Requests).family("gen_ai.server"),
    rule("gen_ai.server.request.duration", V::LatencyP99, R::Duration).family("gen_ai.server"),
    rule("http.client.request.duration", V::DependencyErrorRatio, R::Requests).family("http.client").by(PEER),
    rule("http.client.request.duration", V::DependencyLatency, R::Duration).family("http.client").by(PEER),
    rule("rpc.client.*duration", V::DependencyErrorRatio, R::Requests).family("rpc.client").by(PEER),
    rule("rpc.client.*duration", V::DependencyLatency, R::Duration).family("rpc.client").by(PEER),
    rule("db.client.operation.duration", V::DependencyErrorRatio, R::Requests).family("db.client").by(PEER),
    rule("db.client.operation.duration", V::DependencyLatency, R::Duration).family("db.client").by(PEER),
    rule("gen_ai.client.operation.duration", V::DependencyErrorRatio, R::Requests)
        .family("gen_ai.client")
        .by(PEER),
    rule("gen_ai.client.operation.duration", V::DependencyLatency, R::Duration)
        .family("gen_ai.client")
        .by(PEER),
    // node_exporter.
    rule("node_cpu_seconds_total", V::CpuUtilization, R::OtherState).when(&[is(CPU_MODE, &["idle"])]),
    rule("node_cpu_seconds_total", V::CpuUtilization, R::InState).when(&[is_not(CPU_MODE, &["idle"])]),
    rule("node_memory_MemAvailable_bytes", V::MemoryUtilization, R::Free).family("node_memory"),
    rule("node_memory_MemTotal_bytes", V::MemoryUtilization, R::Limit).family("node_memory"),
    rule("node_filesystem_avail_bytes", V::DiskUtilization, R::Free)
        .when(&[REAL_DISK])
        .family("node_filesystem")
        .by(&["mountpoint", "device"]),
    rule("node_filesystem_size_bytes", V::DiskUtilization, R::Limit)
        .when(&[REAL_DISK])
        .family("node_filesystem")
        .by(&["mountpoint", "device"]),
    rule("node_filefd_allocated", V::FileDescriptorUtilization, R::Used).family("node_filefd"),
    rule("node_filefd_maximum", V::FileDescriptorUtilization, R::Limit).family("node_filefd"),
    rule("node_load1", V::LoadPerCpu, R::Used).family("node_load"),
    rule("node_cpu_count", V::LoadPerCpu, R::Limit).family("node_load"),
    // Prometheus client libraries.
    rule("process_cpu_seconds_total", V::CpuUtilization, R::Cores).family("process_cpu"),
    rule("process_cpu_limit", V::CpuUtilization, R::CoreCount).family("process_cpu"),
    rule("process_resident_memory_bytes", V::MemoryUsage, R::Value),
    rule("process_resident_memory_bytes", V::MemoryUtilization, R::Used).family("process_memory"),
    rule("process_memory_limit_bytes", V::MemoryUtilization, R::Limit).family("process_memory"),
    rule("process_open_fds", V::FileDescriptorUtilization, R::Used).family("process_fds"),
    rule("process_max_fds", V::FileDescriptorUtilization, R::Limit).family("process_fds"),
    rule("http_requests_total", V::RequestRate, R::Requests).family("http_requests"),
    rule("http_server_requests_total", V::RequestRate, R::Requests).family("http_requests"),
    rule("requests_total", V::RequestRate, R::Requests).family("http_requests"),
    rule("http_request_errors_total", V::RequestRate, R::Failures).family("http_requests"),
    rule("http_request_duration_seconds", V::RequestRate, R::Requests).family("http_request_duration"),
    rule("http_request_duration_seconds", V::LatencyP99, R::Duration).family("http_request_duration"),
    rule("http_server_requests_seconds", V::RequestRate, R::Requests).family("http_server_requests"),
    rule("http_server_requests_seconds", V::LatencyP99, R::Duration).family("http_server_requests"),
    rule("http_request_duration_seconds", V::LatencyP99, R::Value).when(&[is(QUANTILE, &["0.99"])]),
    rule("http_request_duration_seconds", V::LatencyP50, R::Value).when(&[is(QUANTILE, &["0.5"])]),
    rule("grpc_server_handled_total", V::RequestRate, R::Requests).family("grpc_server"),
    rule("grpc_server_handling_seconds", V::LatencyP99, R::Duration).family("grpc_server"),
    rule("grpc_client_handled_total", V::DependencyErrorRatio, R::Requests).family("grpc_client"),
    rule("grpc_client_handling_seconds", V::DependencyLatency, R::Duration).family("grpc_client"),
    rule("dependency_requests_total", V::DependencyErrorRatio, R::Requests)
        .family("dependency")
        .by(&["dependency"]),
    rule("dependency_request_duration_seconds", V::DependencyLatency, R::Duration)
        .family("dependency")
        .by(&["dependency"]),
    rule("up", V::Up, R::Value),
    // Model servers.
    rule("vllm:num_requests_waiting", V::QueueLength, R::Value).by(&["model_name"]),
    rule("vllm:*cache_usage_perc", V::PoolUtilization, R::Value).by(&["model_name"]),
    rule("vllm:e2e_request_latency_seconds", V::RequestRate, R::Requests).family("vllm"),
    rule("vllm:e2e_request_latency_seconds", V::LatencyP99, R::Duration).family("vllm"),
    rule("llamacpp:requests_deferred", V::QueueLength, R::Value),
    // Plain words.
    rule("rps", V::RequestRate, R::Value),
    rule("request_rate", V::RequestRate, R::Value),
    rule("requests_per_second", V::RequestRate, R::Value),
    rule("throughput", V::RequestRate, R::Value),
    rule("qps", V::RequestRate, R::Value),
    rule("lat_p50", V::LatencyP50, R::Value),
    rule("lat_p50_ms", V::LatencyP50, R::Value),
    rule("latency_p50", V::LatencyP50, R::Value),
    rule("latency_p50_ms", V::LatencyP50, R::Value),
    rule("p50", V::LatencyP50, R::Value),
    rule("latency", V::LatencyP50, R::Value),
    rule("latency_ms", V::LatencyP50, R::Value),
    rule("response_time", V::LatencyP50, R::Value),
    rule("response_time_ms", V::LatencyP50, R::Value),
    rule("lat_p99", V::LatencyP99, R::Value),
    rule("lat_p99_ms", V::LatencyP99, R::Value),
    rule("latency_p99", V::LatencyP99, R::Value),
    rule("latency_p99_ms", V::LatencyP99, R::Value),
    rule("p99", V::LatencyP99, R::Value),
    rule("error_rate", V::ErrorRatio, R::Value).scale(Scale::MaybePercent),
    rule("error_ratio", V::ErrorRatio, R::Value).scale(Scale::MaybePercent),
    rule("cpu", V::CpuUtilization, R::Value).scale(Scale::MaybePercent),
    rule("cpu_utilization", V::CpuUtilization, R::Value).scale(Scale::MaybePercent),
    rule("cpu_usage", V::CpuUtilization, R::Value).scale(Scale::MaybePercent),
    rule("cpu_percent", V::CpuUtilization, R::Value).scale(Scale::Percent),
    rule("mem", V::MemoryUtilization, R::Value).scale(Scale::MaybePercent),
    rule("memory", V::MemoryUtilization, R::Value).scale(Scale::MaybePercent),
    rule("memory_utilization", V::MemoryUtilization, R::Value).scale(Scale::MaybePercent),
    rule("mem_usage", V::MemoryUtilization, R::Value).scale(Scale::MaybePercent),
    rule("memory_percent", V::MemoryUtilization, R::Value).scale(Scale::Percent),
    rule("disk", V::DiskUtilization, R::Value).scale(Scale::MaybePercent),
    rule("disk_utilization", V::DiskUtilization, R::Value).scale(Scale::MaybePercent),
    rule("disk_usage", V::DiskUtilization, R::Value).scale(Scale::MaybePercent),
    rule("disk_percent", V::DiskUtilization, R::Value).scale(Scale::Percent),
    rule("conns", V::PoolUtilization, R::Value).scale(Scale::ShareOnly),
    rule("connections", V::PoolUtilization, R::Value).scale(Scale::ShareOnly),
    rule("pool", V::PoolUtilization, R::Value).scale(Scale::ShareOnly),
    rule("pool_utilization", V::PoolUtilization, R::Value).scale(Scale::MaybePercent),
    rule("fd_utilization", V::FileDescriptorUtilization, R::Value).scale(Scale::MaybePercent),
    rule("load_per_cpu", V::LoadPerCpu, R::Value),
    rule("queue", V::QueueLength, R::Value),
    rule("queue_length", V::QueueLength, R::Value),
    rule("queue_depth", V::QueueLength, R::Value),
    rule("backlog", V::QueueLength, R::Value),
    rule("dep_latency", V::DependencyLatency, R::Value),
    rule("dependency_latency", V::DependencyLatency, R::Value),
    rule("dep_error_rate", V::DependencyErrorRatio, R::Value).scale(Scale::MaybePercent),
    rule("dependency_error_ratio", V::DependencyErrorRatio, R::Value).scale(Scale::MaybePercent),
];
