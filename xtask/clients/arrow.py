"""Judges tables of pandas through a pipe with the built program, and reads what it answers. Ends with 0 if all is well.

usage: arrow.py PROGRAM
"""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather


def judge(program, table, *arguments):
    """Sends a table of Arrow through a pipe; the answer comes back as one."""
    sent = io.BytesIO()
    with pa.ipc.new_stream(sent, table.schema) as out:
        out.write_table(table, max_chunksize=500)
    answer = subprocess.run([program, *arguments], input=sent.getvalue(), stdout=subprocess.PIPE, check=True)
    return pa.ipc.open_stream(answer.stdout).read_all()


def through_csv(program, frame, *arguments):
    answer = subprocess.run(
        [program, *arguments], input=frame.to_csv(index=False).encode(), stdout=subprocess.PIPE, check=True
    )
    return pd.read_csv(io.BytesIO(answer.stdout))


def refusal(program, bytes_, *arguments):
    answer = subprocess.run([program, *arguments], input=bytes_, capture_output=True, check=False)
    return answer.returncode, answer.stderr.decode()


def expect(holds, what):
    if not holds:
        sys.exit(f"arrow: {what}")


def main():
    program = sys.argv[1]
    random = np.random.default_rng(1)
    rows = 2000
    times = pd.date_range("2026-01-06", periods=rows, freq="5min", tz="UTC")
    value = 100 + 30 * np.sin(2 * np.pi * np.arange(rows) / 288) + 3 * random.normal(size=rows)
    value[1500:1505] += 200
    value[100] = np.nan
    frame = pd.DataFrame({"timestamp": times, "value": value.astype("float32")})
    table = pa.Table.from_pandas(frame, preserve_index=False)

    # The verdicts are those of the same table in CSV, and the times come back as they went.
    found = judge(program, table, "detect", "-", "-")
    expect(found.column_names == ["timestamp", "score", "is_anomaly", "alert"], found.column_names)
    expect(found.schema.field("timestamp").type == table.schema.field("timestamp").type, found.schema)
    expect(found["timestamp"].to_pylist() == table["timestamp"].to_pylist(), "times differ")
    found = found.to_pandas()
    expect(found.is_anomaly.dtype == bool and found.is_anomaly[1500:1506].any(), "the spike was not found")
    by_csv = through_csv(program, frame, "detect", "-", "-")
    expect(np.allclose(found.score, by_csv.score, atol=1e-6), "Arrow and CSV are judged differently")
    expect((found.is_anomaly == by_csv.is_anomaly.astype(bool)).all(), "Arrow and CSV are judged differently")

    shifted = frame.assign(value=np.where(np.arange(rows) < 1200, 0.0, 8.0) + random.normal(size=rows))
    changes = judge(program, pa.Table.from_pandas(shifted, preserve_index=False), "drift", "-", "-").to_pandas()
    expect(abs(changes[changes.drift].location - 1200).min() <= 2, "the shift was not found")

    load = pd.DataFrame({"timestamp": times.astype("int64") // 10**9, "cpu": 0.3, "mem": np.linspace(0.2, 0.9, rows)})
    risk = judge(program, pa.Table.from_pandas(load, preserve_index=False), "risk", "-", "-", "--horizon", "60")
    expect(risk.column_names == ["timestamp", "risk", "stability"] and risk.num_rows == rows, risk.schema)
    expect(all(0 <= share <= 1 for share in risk["risk"].to_pylist()), "a risk is no share")

    # Days of two shops, as a category and dates; the answer goes on with the dates.
    days = pd.date_range("2026-01-01", periods=120, freq="D")
    shops = pd.concat(
        pd.DataFrame({"id": shop, "t": days, "y": level + np.arange(120) % 7}) for shop, level in [("a", 10), ("b", 50)]
    ).astype({"id": "category"})
    ahead = judge(
        program, pa.Table.from_pandas(shops, preserve_index=False), "forecast", "-", "-", "--horizon", "7", "--season", "7"
    ).to_pandas()
    expect(list(ahead.columns) == ["id", "t", "yhat", "lo95", "hi95"] and len(ahead) == 14, ahead)
    expect(ahead.t[0] == days[-1] + pd.Timedelta(days=1) and abs(ahead.yhat[0] - (10 + 120 % 7)) < 1, ahead)

    # Feather files in and out, packed as pyarrow packs them; a file by its name, a stream where it is asked for.
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "in.feather"), Path(folder, "out.feather")
        pa.feather.write_feather(frame, before)
        subprocess.run([program, "detect", before, after], check=True)
        expect(len(pd.read_feather(after)) == rows, "the Feather file has other rows")
        frame.to_csv(Path(folder, "in.csv"), index=False)
        answer = subprocess.run(
            [program, "detect", Path(folder, "in.csv"), "-", "--format", "arrow"], stdout=subprocess.PIPE, check=True
        )
        expect(pa.ipc.open_stream(answer.stdout).read_all().num_rows == rows, "CSV to Arrow lost rows")

    # What cannot be judged is refused in words.
    sent = io.BytesIO()
    with pa.ipc.new_stream(sent, table.schema) as out:
        out.write_table(table)
    for bytes_, words in [
        (sent.getvalue()[:3000], "the table ends within its columns"),
        (b"ARROW1\0\0" + b"x" * 100, "damaged at message 0"),
    ]:
        code, said = refusal(program, bytes_, "detect", "-", "-")
        expect(code == 2 and words in said, f"{code}: {said}")
    texts = pa.table({"timestamp": [1, 2], "value": ["many", "few"]})
    sent = io.BytesIO()
    with pa.ipc.new_stream(sent, texts.schema) as out:
        out.write_table(texts)
    code, said = refusal(program, sent.getvalue(), "detect", "-", "-")
    expect(code == 2 and "column `value` does not hold numbers" in said, f"{code}: {said}")
    print("arrow: tables of pandas and pyarrow are judged through pipes and files")


if __name__ == "__main__":
    main()
