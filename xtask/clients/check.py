"""Asks a server over its API whether what real clients sent has arrived. Ends with 0 if all of it has.

usage: check.py --base URL --key-file FILE [--node-exporter] [--prometheus]
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request

# A row that was acknowledged is there at once; a scraped one only after its interval.
PATIENCE_SECONDS = 30


class Server:
    def __init__(self, base, key):
        self.base, self.key = base.rstrip("/"), key

    def call(self, path, body=None):
        request = urllib.request.Request(
            self.base + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            sys.exit(f"{path}: {error.code} {error.read().decode(errors='replace')}")

    def number(self, sql):
        """The one number that a question has as its answer."""
        return self.call("/api/v1/query", {"sql": sql})["rows"][0][0]

    def resources(self):
        return {resource["id"] for resource in self.call("/api/v1/resources?limit=500")["items"]}


def checks(node_exporter, prometheus):
    """Pairs of words and a test."""
    agent = "resource_id = 'service:agent-a'"
    for protocol in ("http", "grpc"):
        over = f"%{protocol}%"
        yield f"spans over {protocol}", lambda s, o=over: s.number(
            f"SELECT count(*) FROM spans WHERE {agent} AND name LIKE '{o}'") == 2
        yield f"a child span knows its parent over {protocol}", lambda s, o=over: s.number(
            "SELECT count(*) FROM spans child JOIN spans parent ON child.parent_span_id = parent.span_id "
            f"WHERE child.name LIKE 'tool {o}' AND parent.name LIKE 'step {o}'") == 1
        yield f"a log record within its span over {protocol}", lambda s, o=over: s.number(
            "SELECT count(*) FROM logs JOIN spans ON logs.span_id = spans.span_id "
            f"WHERE logs.body LIKE '{o}' AND spans.name LIKE 'step {o}'") == 1
        yield f"a counter over {protocol}", lambda s, o=over: s.number(
            f"SELECT max(value) FROM metrics WHERE {agent} AND metric = 'agent.tokens' AND attributes LIKE '{o}'") == 5
        yield f"a histogram over {protocol}", lambda s, o=over: s.number(
            "SELECT max(histograms.count) FROM histograms JOIN series ON histograms.series_id = series.series_id "
            f"WHERE series.metric = 'agent.step.duration' AND series.attributes LIKE '{o}'") == 1
    yield "resource service:agent-a", lambda s: "service:agent-a" in s.resources()
    if node_exporter:
        host = f"host:{os.uname().nodename}"
        yield "metrics of the node exporter", lambda s: s.number(
            "SELECT count(DISTINCT metric) FROM metrics WHERE metric LIKE 'node_%'") > 50
        yield "the node exporter is up", lambda s: s.number("SELECT max(value) FROM metrics WHERE metric = 'up'") == 1
        yield f"resource {host}", lambda s: host in s.resources()
    if prometheus:
        written = "attributes LIKE '%forwarded%'"
        yield "what Prometheus wrote on", lambda s: s.number(
            f"SELECT count(DISTINCT metric) FROM metrics WHERE metric LIKE 'node_%' AND {written}") > 50
        yield "Prometheus says that the exporter is up", lambda s: s.number(
            f"SELECT max(value) FROM metrics WHERE metric = 'up' AND {written}") == 1
        yield "a counter is known as one", lambda s: s.number(
            "SELECT count(*) FROM series WHERE metric = 'node_cpu_seconds_total' AND kind <> 'counter'") == 0
        yield "resources that Prometheus told of", lambda s: {"service:forwarded", "host:127.0.0.1"} <= s.resources()


def holds(server, test, deadline):
    """Looks until it holds or time is up."""
    while not test(server):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.25)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", required=True)
    parser.add_argument("--key-file", required=True)
    parser.add_argument("--node-exporter", action="store_true")
    parser.add_argument("--prometheus", action="store_true")
    arguments = parser.parse_args()
    with open(arguments.key_file, encoding="ascii") as file:
        server = Server(arguments.base, file.read().strip())
    deadline = time.monotonic() + PATIENCE_SECONDS
    missing = 0
    for words, test in checks(arguments.node_exporter, arguments.prometheus):
        arrived = holds(server, test, deadline)
        print(f"{'arrived' if arrived else 'MISSING'}  {words}")
        missing += not arrived
    sys.exit(f"{missing} of the checks failed" if missing else 0)


if __name__ == "__main__":
    main()
