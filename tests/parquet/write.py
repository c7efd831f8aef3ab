"""Writes Parquet files by pyarrow and DuckDB, and the CSV of their rows.

    python write.py FOLDER          the small files that are kept beside this one
    python write.py FOLDER ROWS     those of every compression, page version and encoding, of so many rows
    python write.py FOLDER FILE.csv NAME
                                    a file of CSV, plain or gzip, as NAME-snappy.parquet and NAME-zstd.parquet, for
                                    deno task bench --only reading
"""

import csv
import datetime
import decimal
import json
import random
import struct
import sys

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

decimal.getcontext().prec = 60
epoch = datetime.datetime(1970, 1, 1)
words = ["clerk", "smith", "baker", "", "größer", "ten|x"]


def narrowed(form, value):
    return struct.unpack(form, struct.pack(form, value))[0]


def decimal_of(source, digits, scale):
    return decimal.Decimal(source.randrange(-(10**digits) + 1, 10**digits)).scaleb(-scale)


def between(low, high):
    return lambda source: source.choice([low, high, source.randint(low, high), 0])


def stamp(source):
    return epoch + datetime.timedelta(microseconds=source.randint(-(10**14), 2 * 10**15))


def milliseconds(value):
    return (value - epoch) / datetime.timedelta(milliseconds=1)


def of_day(source):
    return datetime.time(source.randrange(24), source.randrange(60), source.randrange(60), source.randrange(10**6))


def part_of_day(value):
    seconds = 3600 * value.hour + 60 * value.minute + value.second
    return 1000 * seconds + value.microsecond / 1000


def whole_milliseconds(value):
    return value.replace(microsecond=value.microsecond // 1000 * 1000)


def some(item, most=4):
    def items(source, missing):
        return [None if source.random() < missing else item(source) for _ in range(source.randrange(most))]

    return items


def number(value):
    return repr(float(value)) if isinstance(value, float) else str(value)


# Name, type, kind to be read as, a value, and its text in CSV.
columns = [
    ("i8", pa.int8(), "number", between(-(2**7), 2**7 - 1), number),
    ("i16", pa.int16(), "number", between(-(2**15), 2**15 - 1), number),
    ("i32", pa.int32(), "number", between(-(2**31), 2**31 - 1), number),
    ("i64", pa.int64(), "number", between(-(2**53), 2**53), number),
    ("u8", pa.uint8(), "number", between(0, 2**8 - 1), number),
    ("u16", pa.uint16(), "number", between(0, 2**16 - 1), number),
    ("u32", pa.uint32(), "number", between(0, 2**32 - 1), number),
    ("u64", pa.uint64(), "number", between(0, 2**53), number),
    ("id", pa.int64(), "text", between(-(2**63), 2**63 - 1), str),
    ("uid", pa.uint64(), "text", between(0, 2**64 - 1), str),
    ("small", pa.int32(), "text", between(0, 20), str),
    ("f16", pa.float16(), "number", lambda s: narrowed("<e", s.gauss(0, 100)), number),
    ("f32", pa.float32(), "number", lambda s: narrowed("<f", s.gauss(0, 1)), number),
    ("f64", pa.float64(), "number", lambda s: s.gauss(0, 1), number),
    ("d7", pa.decimal128(7, 2), "number", lambda s: decimal_of(s, 7, 2), str),
    ("d16", pa.decimal128(16, 3), "number", lambda s: decimal_of(s, 15, 3), str),
    ("d38", pa.decimal128(38, 10), "text", lambda s: decimal_of(s, 38, 10), lambda v: format(v, "f")),
    ("flag", pa.bool_(), "number", lambda s: s.random() < 0.5, lambda v: str(int(v))),
    ("word", pa.string(), "text", lambda s: s.choice(words), str),
    ("listed", pa.string(), words, lambda s: s.choice(words), str),
    ("text", pa.string(), "text", lambda s: f"{s.choice(words)} {s.randrange(10**9)}", str),
    ("coded", pa.dictionary(pa.int32(), pa.string()), "text", lambda s: s.choice(words), str),
    ("day", pa.date32(), "number", lambda s: stamp(s).date(), lambda v: str((v - epoch.date()).days * 86400000)),
    ("ms", pa.timestamp("ms"), "number", lambda s: whole_milliseconds(stamp(s)), lambda v: number(milliseconds(v))),
    ("us", pa.timestamp("us", "UTC"), "number", stamp, lambda v: number(milliseconds(v))),
    ("ns", pa.timestamp("ns"), "number", stamp, lambda v: number(milliseconds(v))),
    ("at_ms", pa.time32("ms"), "number", lambda s: whole_milliseconds(of_day(s)), lambda v: number(part_of_day(v))),
    ("at_us", pa.time64("us"), "number", of_day, lambda v: number(part_of_day(v))),
    ("ids", pa.list_(pa.int64()), "texts", some(between(-(2**63), 2**63 - 1)), str),
    ("scores", pa.list_(pa.float32()), "numbers", some(lambda s: narrowed("<f", s.gauss(0, 1))), number),
    ("counts", pa.list_(pa.uint32()), "numbers", some(between(0, 2**32 - 1), 40), number),
    ("tags", pa.list_(pa.string()), "texts", some(lambda s: s.choice(words[:3])), str),
]


def rows_of(count, seed, missing=0.1):
    """Returns a list of values for each column, of which a share is missing."""
    source = random.Random(seed)

    def draw(value, type):
        if source.random() < missing:
            return None
        return value(source, missing) if pa.types.is_list(type) else value(source)

    return {name: [draw(value, type) for _ in range(count)] for name, type, _, value, _ in columns}


def table_of(rows, leave_out=(), required=False):
    """Returns the rows as a table of pyarrow."""

    def field(name, type):
        if required and pa.types.is_list(type):
            type = pa.list_(pa.field("element", type.value_type, False))
        return pa.field(name, type, not required)

    schema = pa.schema([field(name, type) for name, type, *_ in columns if name not in leave_out])
    return pa.Table.from_arrays([pa.array(rows[name], type) for name, type in zip(schema.names, schema.types)], schema=schema)


def write_csv(path, rows):
    def cell(value, text):
        if value is None:
            return "NULL"
        if not isinstance(value, list):
            return text(value)
        return json.dumps([None if item is None else text(item) for item in value])

    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([name for name, *_ in columns])
        texts = [[cell(value, text) for value in rows[name]] for name, _, _, _, text in columns]
        writer.writerows(zip(*texts))


def duck(table, path, **options):
    """Writes a table by DuckDB, on one thread, so that the order of rows stays."""
    settings = ", ".join(f"{name} {value}" for name, value in options.items())
    connection = duckdb.connect(config={"threads": 1})
    connection.register("rows", table)
    connection.execute(f"COPY rows TO '{path}' (FORMAT parquet{', ' if settings else ''}{settings})")


def small(folder):
    """Writes the files that are kept."""
    rows = rows_of(60, 1)
    write_csv(f"{folder}/types.csv", rows)
    table = table_of(rows)
    pq.write_table(table, f"{folder}/types.parquet", row_group_size=40, write_page_checksum=True)
    duck(table_of(rows, ["f16"]), f"{folder}/duckdb.parquet")
    clicks = pa.table({
        "user": pa.array([2**60 + 1, 7, 7, 2**60 + 1, 8], pa.int64()),
        "age": pa.array([73, 58, 18, None, 31], pa.int32()),
        "click": ["yes", "no", "no", "yes", "no"],
        "tags": pa.array([["a", "b"], [], ["b"], None, ["c", "a"]], pa.list_(pa.string())),
    })
    pq.write_table(clicks, f"{folder}/clicks.parquet", row_group_size=3)
    pq.write_table(clicks.slice(0, 0), f"{folder}/empty.parquet")
    pq.ParquetWriter(f"{folder}/no_groups.parquet", clicks.schema).close()
    point = pa.struct([("x", pa.int32()), ("y", pa.int32())])
    refused = pa.table({
        "struct": pa.array([{"x": 1, "y": 2}], point),
        "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int32())),
        "lists": pa.array([[[1]]], pa.list_(pa.list_(pa.int32()))),
        "structs": pa.array([[{"x": 1, "y": 2}]], pa.list_(point)),
        "bytes": pa.array([b"a"], pa.binary()),
        "fixed": pa.array([b"ab"], pa.binary(2)),
        "fine": pa.array([1], pa.int32()),
    })
    pq.write_table(refused, f"{folder}/refused.parquet")
    wrong = pa.table({"text": pa.array([b"fine", b"\xff"], pa.binary()).view(pa.string())})
    pq.write_table(wrong, f"{folder}/not_utf8.parquet")


def large(folder, count):
    """Writes files of every compression, page version and encoding; returns what was written."""
    rows = rows_of(count, 2)
    write_csv(f"{folder}/types.csv", rows)
    table = table_of(rows)
    files = []

    def put(name, **options):
        sums = {"write_page_checksum": True, "row_group_size": count // 3 + 1, "data_page_size": 4096}
        options = {**sums, **options}
        pq.write_table(table, f"{folder}/{name}", **options)
        files.append({"file": name, "csv": "types.csv", "without": []})

    for compression in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]:
        for version in ["1.0", "2.0"]:
            for dictionary in [True, False]:
                name = f"pyarrow-{compression}-v{version[0]}-{'dictionary' if dictionary else 'plain'}.parquet"
                put(name, compression=compression, data_page_version=version, use_dictionary=dictionary)
    put("pyarrow-no-checksums.parquet", write_page_checksum=False)
    put("pyarrow-small-dictionary.parquet", dictionary_pagesize_limit=512)
    put("pyarrow-decimals.parquet", store_decimal_as_integer=True)
    put("pyarrow-int96.parquet", use_deprecated_int96_timestamps=True)
    put("pyarrow-old-lists.parquet", use_compliant_nested_type=False)
    put("pyarrow-groups.parquet", row_group_size=97)
    whole = ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "id", "uid", "small"]
    texts = ["word", "listed", "text"]
    deltas = {name: "DELTA_BINARY_PACKED" for name in whole}
    lengths = {**deltas, **{name: "DELTA_LENGTH_BYTE_ARRAY" for name in texts}}
    splits = {**{name: "BYTE_STREAM_SPLIT" for name in ["f32", "f64", "i32", "i64", "f16"]},
              **{name: "DELTA_BYTE_ARRAY" for name in texts}}
    put("pyarrow-deltas.parquet", use_dictionary=False, column_encoding=lengths)
    put("pyarrow-splits.parquet", use_dictionary=False, column_encoding=splits)
    put("pyarrow-deltas-v2.parquet", use_dictionary=False, column_encoding=lengths, data_page_version="2.0")
    put("pyarrow-splits-v2.parquet", use_dictionary=False, column_encoding=splits, data_page_version="2.0")

    known = table_of(rows, ["f16"])
    for compression in ["uncompressed", "snappy", "gzip", "zstd", "brotli", "lz4_raw"]:
        for version in ["V1", "V2"]:
            name = f"duckdb-{compression}-{version}.parquet"
            duck(known, f"{folder}/{name}", compression=compression, parquet_version=version, row_group_size=2048)
            files.append({"file": name, "csv": "types.csv", "without": ["f16"]})

    there = rows_of(count, 3, missing=0)
    write_csv(f"{folder}/required.csv", there)
    for version in ["1.0", "2.0"]:
        name = f"pyarrow-required-v{version[0]}.parquet"
        pq.write_table(table_of(there, required=True), f"{folder}/{name}", data_page_version=version, write_page_checksum=True)
        files.append({"file": name, "csv": "required.csv", "without": []})
    with open(f"{folder}/files.json", "w") as file:
        json.dump(files, file)


def converted(folder, path, name):
    table = pyarrow.csv.read_csv(path)
    for codec in ["snappy", "zstd"]:
        pq.write_table(table, f"{folder}/{name}-{codec}.parquet", compression=codec, row_group_size=100_000)


if __name__ == "__main__":
    folder, *rest = sys.argv[1:]
    if rest and not rest[0].isdigit():
        sys.exit(converted(folder, *rest))
    with open(f"{folder}/kinds.json", "w", encoding="utf-8") as file:
        json.dump({name: kind for name, _, kind, _, _ in columns}, file, ensure_ascii=False)
        file.write("\n")
    large(folder, int(rest[0])) if rest else small(folder)
