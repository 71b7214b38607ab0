"""Asks Prometheus, and the server that it writes on to, the same questions about the same past, and compares the answers:
labels exactly, values to a part in 1e9. Ends with 0 if all are the same.

usage: promql.py --base URL --key-file FILE --prometheus URL
"""

import argparse
import json
import math
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

# What the Prometheus of this lane scrapes, once a second; the server has more than that.
JOB = 'job="forwarded"'
# Seconds of samples that must be there before the first question.
SPAN = 24
# Seconds until they must have come.
PATIENCE = 120
# Relative difference that sums in another order may have.
TOLERANCE = 1e-9

QUESTIONS = """
up{J}
node_load1{J}
{__name__=~"node_load.*", J}
node_cpu_seconds_total{J, mode!~"idle|iowait", cpu=~"0"}
node_load1{J} offset 5s
node_load1{J} @ end()
node_memory_MemFree_bytes{J} @ start() offset 2s
rate(node_cpu_seconds_total{J}[10s])
sum by (mode) (rate(node_cpu_seconds_total{J}[10s]))
sum(rate(node_cpu_seconds_total{J, mode!="idle"}[8s])) / scalar(count(count by (cpu) (node_cpu_seconds_total{J})))
100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{J, mode="idle"}[10s])))
rate(node_context_switches_total{J}[7s] offset 4s)
irate(node_cpu_seconds_total{J, mode="system"}[10s])
increase(node_context_switches_total{J}[15s])
increase(node_intr_total{J}[3s])
delta(node_memory_MemFree_bytes{J}[15s])
idelta(node_memory_MemFree_bytes{J}[15s])
deriv(node_memory_MemAvailable_bytes{J}[15s])
predict_linear(node_memory_MemFree_bytes{J}[15s], 3600)
predict_linear(node_memory_MemFree_bytes{J}[10s] offset 3s, 60)
resets(node_memory_MemFree_bytes{J}[15s])
changes(node_memory_MemFree_bytes{J}[15s])
avg_over_time(node_memory_MemFree_bytes{J}[10s])
min_over_time(node_memory_MemFree_bytes{J}[10s])
max_over_time(node_memory_MemFree_bytes{J}[10s])
sum_over_time(node_load1{J}[10s])
count_over_time(node_load1{J}[10s])
last_over_time(node_load1{J}[10s])
quantile_over_time(0.9, node_memory_MemFree_bytes{J}[10s])
stddev_over_time(node_memory_MemFree_bytes{J}[10s])
stdvar_over_time(node_load1{J}[10s])
present_over_time(node_load1{J}[10s])
absent_over_time(not_there{J, a="b"}[10s])
absent(not_there{J, a="b", c=~"d"})
absent(node_load1{J})
(node_memory_MemTotal_bytes{J} - node_memory_MemAvailable_bytes{J}) / node_memory_MemTotal_bytes{J} * 100
100 - node_filesystem_avail_bytes{J, fstype!="tmpfs"} * 100 / node_filesystem_size_bytes{J, fstype!="tmpfs"}
rate(node_disk_read_bytes_total{J}[10s]) + rate(node_disk_written_bytes_total{J}[10s])
sum by (device) (rate(node_network_receive_bytes_total{J}[10s])) * 8
time() - node_boot_time_seconds{J}
node_cpu_seconds_total{J} * on(instance) group_left(nodename) node_uname_info{J}
node_uname_info{J} * on(instance) group_right(nodename) node_load1{J}
sum without (cpu) (node_cpu_seconds_total{J})
avg without (mode) (node_cpu_seconds_total{J})
min by (mode) (node_cpu_seconds_total{J})
max(node_cpu_seconds_total{J})
group by (cpu) (node_cpu_seconds_total{J})
stddev by (cpu) (node_cpu_seconds_total{J})
stdvar(node_cpu_seconds_total{J})
quantile(0.9, node_cpu_seconds_total{J})
topk(3, node_cpu_seconds_total{J})
bottomk by (cpu) (1, node_cpu_seconds_total{J} > 0)
count_values("load", node_load1{J})
sort_desc(node_cpu_seconds_total{J, mode="user"})
node_load1{J} > bool 0.01
node_cpu_seconds_total{J} > 1
0.5 < node_load1{J}
node_load1{J} == node_load1{J}
node_load1{J} > on(instance) node_load5{J}
node_load1{J} and on(instance) node_uname_info{J}
node_load1{J} or node_load5{J}
node_cpu_seconds_total{J} unless on(cpu, mode, instance) node_cpu_seconds_total{J, mode="idle"}
-node_load1{J} % 0.3 ^ 2
abs(delta(node_memory_MemFree_bytes{J}[10s]))
ceil(node_load1{J}) + floor(node_load5{J}) - round(node_load15{J}, 0.1)
clamp(node_load1{J}, 0.1, 0.2)
clamp_min(node_load1{J}, 1) + clamp_max(node_load1{J}, 1)
exp(node_load1{J}) + ln(node_load1{J} + 1) + log2(node_load1{J} + 2) + log10(node_load1{J} + 3)
sqrt(node_memory_MemFree_bytes{J}) * sgn(node_load1{J})
label_replace(node_network_receive_bytes_total{J}, "nic", "$1-x", "device", "(.).*")
label_join(node_uname_info{J}, "all", "/", "sysname", "machine")
timestamp(node_load1{J})
timestamp(node_load1{J} * 2)
hour() + minute() + day_of_week() + day_of_month() + day_of_year() + days_in_month() + month() + year()
hour(node_time_seconds{J})
vector(scalar(node_load1{J}))
1 + 2 * 3
max_over_time(rate(node_context_switches_total{J}[5s])[10s:2s])
avg_over_time(node_load1{J}[10s:3s] offset 2s)
rate(node_context_switches_total{J}[9s:2s])
sum_over_time(sum(up{J})[8s:1s])
histogram_quantile(0.9, prometheus_http_request_duration_seconds_bucket{J})
histogram_quantile(0.5, sum by (le, handler) (rate(prometheus_http_request_duration_seconds_bucket{J}[10s])))
sum by (handler) (rate(prometheus_http_request_duration_seconds_sum{J}[10s])) / sum by (handler) (rate(prometheus_http_request_duration_seconds_count{J}[10s]))
prometheus_http_request_duration_seconds_bucket{J, le="+Inf"}
"""

# Which both refuse.
REFUSED = [
    "sum(",
    "rate(up)",
    '{job=~".*"}',
    "node_load1{J} * on(instance) node_cpu_seconds_total{J}",
    "node_cpu_seconds_total{J} * on(instance) node_load1{J}",
    'label_replace(up{J}, "a b", "", "", "")',
    'rate({__name__=~"node_load.*", J}[10s])',
]


class Server:
    def __init__(self, base, key=None):
        self.base, self.key = base.rstrip("/"), key

    def call(self, path, parameters):
        """The answer as it stands in its envelope."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        url = f"{self.base}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            try:
                return json.loads(text)
            except json.JSONDecodeError:
                sys.exit(f"{url}: {error.code} {text}")


def elements(answer):
    """The answer as values by labels, each a list of times and numbers."""
    if answer["status"] != "success":
        return {"error": answer}
    data = answer["data"]
    if data["resultType"] in ("scalar", "string"):
        return {data["resultType"]: [data["result"]]}
    return {
        json.dumps(one["metric"], sort_keys=True): one.get("values", [one.get("value")]) for one in data["result"]
    }


def same(a, b):
    a, b = float(a), float(b)
    if math.isnan(a) or math.isnan(b) or math.isinf(a) or math.isinf(b):
        return a == b or (math.isnan(a) and math.isnan(b))
    return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def differences(theirs, ours):
    """What differs, in words; empty if nothing does."""
    if theirs.keys() != ours.keys():
        only = {"only Prometheus": theirs.keys() - ours.keys(), "only here": ours.keys() - theirs.keys()}
        return "; ".join(f"{who}: {sorted(map(str, keys))[:3]}" for who, keys in only.items() if keys)
    if "error" in theirs:
        return f"not answered: {theirs['error']}"
    for labels, expected in theirs.items():
        seen = ours[labels]
        if [at for at, _ in expected] != [at for at, _ in seen]:
            return f"{labels}: times {[at for at, _ in expected]} and {[at for at, _ in seen]}"
        for (at, a), (_, b) in zip(expected, seen):
            if not same(a, b):
                return f"{labels} at {at}: {a} and {b}"
    return ""


def wait(servers):
    """The latest whole second for which all have `SPAN` seconds of samples and more."""
    deadline = time.monotonic() + PATIENCE
    at = None
    while time.monotonic() < deadline:
        newest, full = (
            [[float(one["value"][1]) for one in s.call("query", {"query": q})["data"]["result"]] for s in servers]
            for q in (f"timestamp(up{{{JOB}}})", f"up{{{JOB}}} offset {SPAN}s")
        )
        if at is None and all(len(found) == 2 for found in full + newest):
            at = int(min(map(min, newest)))
        # Series are sent side by side: some seconds past `at`, what lies before it has come.
        if at is not None and all(len(found) == 2 and min(found) > at + 4 for found in newest):
            return at
        time.sleep(0.5)
    sys.exit(f"the samples of {SPAN} s did not arrive within {PATIENCE} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", required=True)
    parser.add_argument("--key-file", required=True)
    parser.add_argument("--prometheus", required=True)
    arguments = parser.parse_args()
    with open(arguments.key_file, encoding="ascii") as file:
        here = Server(arguments.base + "/prometheus", file.read().strip())
    there = Server(arguments.prometheus)
    at = wait([there, here])
    asked = wrong = empty = 0

    def compare(words, path, parameters, read):
        nonlocal asked, wrong
        theirs, ours = (read(server.call(path, parameters)) for server in (there, here))
        asked += 1
        found = differences(theirs, ours)
        if found:
            wrong += 1
            print(f"DIFFERS  {words}\n         {found}")
        return theirs

    for question in filter(None, QUESTIONS.replace("J", JOB).splitlines()):
        seen = []
        for moment in (at, at - 3, at - 5.5):
            words = f"{question} at {moment}"
            seen.append(compare(words, "query", {"query": question, "time": moment}, elements))
        window = {"query": question, "start": at - 8, "end": at, "step": 2.5}
        seen.append(compare(f"{question} over time", "query_range", window, elements))
        if not any(seen):
            empty += 1
            print(f"nothing  {question}")
    for question in (text.replace("J", JOB) for text in REFUSED):
        for server, who in ((there, "Prometheus"), (here, "the server")):
            asked += 1
            if server.call("query", {"query": question, "time": at})["status"] != "error":
                wrong += 1
                print(f"DIFFERS  {who} answers {question}")
    lists = {"match[]": f'{{__name__=~"node_.*", {JOB}}}', "start": at - 8, "end": at}
    as_set = lambda answer: {json.dumps(one, sort_keys=True): [] for one in answer["data"]}  # noqa: E731
    for path in ("labels", "label/__name__/values", "label/mode/values", "series"):
        compare(path, path, lists, as_set)
    print(f"{asked} questions, {wrong} answered otherwise than by Prometheus, {empty} about nothing")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
