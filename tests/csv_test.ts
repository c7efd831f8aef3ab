import { assert, assertEquals, assertRejects } from "@std/assert";
import { CsvParseStream } from "@std/csv";
import type { Columns } from "../lib/data/columns.ts";
import { take } from "../lib/data/columns.ts";
import { type CsvOptions, readCsv, streamCsv } from "../lib/data/csv.ts";
import type { MalformedRow } from "../lib/data/malformed.ts";
import { random } from "../lib/data/random.ts";
import type { Source } from "../lib/files/source.ts";
import { gzip } from "./archives.ts";
import { withTemp } from "./temp.ts";

Deno.test("readCsv() reads the columns asked for, whatever the line ends, the marks and the pieces", async () => {
  const rows = [["1", "a", "x"], ["-2.5", "", "y"], ["3e2", "ä€😀", "x"]];
  const wanted: Columns = {
    count: 3,
    columns: {
      number: { kind: "number", values: Float64Array.of(1, -2.5, 300) },
      text: { kind: "text", codes: Int32Array.of(0, 1, 2), words: ["a", "", "ä€😀"] },
      word: { kind: "text", codes: Int32Array.of(1, 0, 1), words: ["y", "x"], listed: true },
    },
  };
  const columns = { number: "number", text: "text", word: ["y", "x"] } as const;
  for (const newline of ["\n", "\r\n", "\n\n", "\r\n\n\r\n"]) {
    for (const end of ["", "\n", "\r\n", "\r", "\n\n\r\n"]) {
      for (const mark of ["", "\ufeff"]) {
        for (const quote of ["", '"']) {
          const line = (fields: string[]) => fields.map((field) => `${quote}${field}${quote}`).join(",");
          const text = mark + [["number", "text", "word"], ...rows].map(line).join(newline) + end;
          for (const size of [1, 2, 7, 1000]) assertEquals(await readCsv(pieces(text, size), { columns }), wanted);
        }
      }
    }
  }
});

Deno.test("readCsv() leaves out a byte order mark in front of rows, and only there", async () => {
  const columns = { a: "text", b: "number" } as const;
  const { columns: { a } } = await readCsv(pieces("\ufeffx,1\n\ufeffx,2\n", 2), { header: ["a", "b"], columns });
  assertEquals(a, { kind: "text", codes: Int32Array.of(0, 1), words: ["x", "\ufeffx"] });
});

Deno.test("readCsv() agrees with CsvParseStream on sampled texts, in columns and in what is refused", async () => {
  const source = random("csv");
  const pick = <T>(list: readonly T[]): T => list[Math.floor(source.uniform() * list.length)];
  const plain = ["a", "b", "", "ab", " a", "a ", "\ta", "ä", "\u00a0a", "\u2003b", "\va", "a\rb", "\r", "0", "-"];
  const fine = ['"a"', '""', '" a"', '"a "', '"ä€😀"', '"a\rb"', '"\u00a0a"', '"a\u2003"', '"\ufeff"', '"-1"'];
  const blank = [
    ' "a"',
    '"a" ',
    '"a"\t',
    '\u2003"a"\u00a0 ',
    "a\u00a0",
    "a\u3000 ",
    "€ ",
    '"a"\v',
    '"a" b',
    " ",
    "\ufeffa",
  ];
  const odd = ['"', 'a"b', '"a"b', '"a', '"a""b"', '""""', '"a,b"', '"a\nb"', '"a \r\n b" ', ...fine, ...blank];
  let read = 0, refused = 0;
  for (let trial = 0; trial < 12_000; trial++) {
    const fields = 1 + Math.floor(source.uniform() * 3);
    const oddity = pick([0, 0.05, 0.1, 0.3, 1]);
    const oddities = pick([odd, fine, fine, blank]);
    const stray = pick([0, 0, 0, 0.1]);
    const trim = source.uniform() < 0.5;
    const separator = pick([",", ";", "\t"]);
    let text = "";
    for (let line = Math.floor(source.uniform() * 6); line >= 0; line--) {
      const count = source.uniform() < stray ? fields + 1 : fields;
      const record = Array.from({ length: count }, () => pick(source.uniform() < oddity ? oddities : plain));
      text += record.join(separator).replaceAll(",", separator) + (line > 0 ? pick(["\n", "\r\n"]) : pick(["", "\n"]));
    }
    const header = Array.from({ length: fields }, (_, i) => `c${i}`);
    const options = { header, separator, trim, columns: Object.fromEntries(header.map((name) => [name, "text"])) };
    const size = pick([1, 3, 1000]);
    const unmarked = text.replace(/^\ufeff/, ""); // a byte order mark
    const cut = trim ? withoutTrailing(unmarked, separator) : unmarked;
    const wanted = await settle(oracle(cut, fields, separator, trim));
    const found = await settle(readCsv(pieces(text, size), options as CsvOptions).then(records));
    if (wanted === undefined) refused++;
    else read++;
    assertEquals(found, wanted, JSON.stringify({ text, separator, trim, size }));
  }
  assert(read > 4000 && refused > 2000, `read ${read}, refused ${refused}`);
});

Deno.test("readCsv() reads numbers as Number() does, correctly rounded", async () => {
  const source = random("numbers");
  const texts = ["0", "-0", "+1", "1.", ".5", "-.5", "1e5", "1E-5", "007", "123456789012345", "0.1234567890123456789"];
  for (let i = 0; i < 2000; i++) {
    texts.push(`${source.normal() * 10 ** Math.floor(source.uniform() * 12 - 6)}`);
    texts.push(source.normal().toFixed(Math.floor(source.uniform() * 8)));
    texts.push(`${source.bits() - 2 ** 31}`);
  }
  const { columns: { x } } = await readCsv(pieces(texts.join("\n"), 997), { header: ["x"], columns: { x: "number" } });
  assertEquals(x, { kind: "number", values: Float64Array.from(texts, Number) });
});

Deno.test("readCsv() keeps all digits that float64 has, and refuses whole numbers of more", async () => {
  const texts = [
    "123456789",
    "123456791",
    "9007199254740991",
    "-9007199254740992",
    "9007199254740994",
    "1e39",
    "1e300",
  ];
  const options = { header: ["x"], columns: { x: "number" } } as const;
  const { columns: { x } } = await readCsv(pieces(texts.join("\n")), options);
  assertEquals(x, { kind: "number", values: Float64Array.from(texts, Number) });
  assert(x.kind === "number");
  assertEquals([...x.values].map(String).slice(0, 5), texts.slice(0, 5));
  for await (const chunk of streamCsv(pieces("x\n16777217\n"), { columns: { x: "number" } })) {
    assertEquals(take(chunk, [0]).columns.x, { kind: "number", values: Float64Array.of(16777217) });
  }
});

Deno.test("readCsv() gives each distinct text one code, in order of appearance", async () => {
  const source = random("words");
  const texts = Array.from({ length: 20_000 }, () => `w${Math.floor(source.uniform() ** 3 * 5000)}`);
  const { columns: { x } } = await readCsv(pieces(texts.join("\n"), 4096), { header: ["x"], columns: { x: "text" } });
  assert(x.kind === "text");
  assertEquals(x.words, [...new Set(texts)]);
  assertEquals(Array.from(x.codes, (code) => x.words[code]), texts);
});

Deno.test("readCsv() reads gzip and plain files alike, by what they hold and not by their names", async () => {
  await withTemp(async (dir) => {
    const text = "a,b\n1,x\n2,y\n".repeat(1) + "3,z\n".repeat(20_000);
    const zipped = await new Response(pieces(text).pipeThrough(new CompressionStream("gzip"))).bytes();
    await Deno.writeFile(`${dir}/plain.csv.gz`, new TextEncoder().encode(text));
    await Deno.writeFile(`${dir}/zipped.csv`, zipped);
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))).toHex();
    const columns = { a: "number", b: "text" } as const;
    const plain = await readCsv(`${dir}/plain.csv.gz`, { columns, sha256: hash });
    assertEquals(plain.count, 20_002);
    assertEquals(await readCsv(`${dir}/zipped.csv`, { columns, sha256: hash }), plain);
    assertEquals(await readCsv(new URL(`file://${Deno.cwd()}/${dir}/zipped.csv`), { columns }), plain);

    await Deno.writeFile(`${dir}/short.csv.gz`, zipped.subarray(0, zipped.length - 30));
    await assertRejects(() => readCsv(`${dir}/short.csv.gz`, { columns }), Error, "Cannot read out/");
    const other = await assertRejects(() => readCsv(`${dir}/zipped.csv`, { columns, sha256: "0".repeat(64) }), Error);
    const wanted = `it is another file or was changed: found sha256 ${hash}, wanted ${"0".repeat(64)}`;
    assertEquals(other.message, `Cannot read ${dir}/zipped.csv: ${wanted}`);
    const absent = await assertRejects(() => readCsv(`${dir}/absent.csv`, { columns }), Error);
    assert(absent.message.startsWith(`Cannot read ${dir}/absent.csv: `));
    assert(absent.cause instanceof Deno.errors.NotFound);
  });
});

Deno.test("readCsv() reads a path, a URL, bytes, a Blob, a Response and a stream alike, plain or gzip", () =>
  withTemp(async (dir) => {
    const text = "age,job\n73,clerk\n58,smith\n";
    const columns = { age: "number", job: "text" } as const;
    const wanted = await readCsv(pieces(text), { columns });
    for (const bytes of [new TextEncoder().encode(text), await gzipped(text)]) {
      await Deno.writeFile(`${dir}/a b.csv`, bytes);
      const sources: Record<string, () => Source> = {
        "a path": () => `${dir}/a b.csv`,
        "a file URL": () => new URL(`file://${Deno.cwd()}/${dir}/a%20b.csv`),
        "its text": () => `file://${Deno.cwd()}/${dir}/a%20b.csv`,
        "a data URL": () => new URL(`data:text/csv;base64,${bytes.toBase64()}`),
        "a URL of a Blob": () => new URL(URL.createObjectURL(new Blob([bytes]))),
        "bytes": () => bytes,
        "a part of bytes": () => new Uint8Array([0, ...bytes, 0]).subarray(1, -1),
        "a buffer": () => bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
        "a Blob": () => new Blob([bytes]),
        "a File": () => new File([bytes], "a.csv"),
        "a Response": () => new Response(bytes),
        "a stream": () => new Blob([bytes]).stream(),
      };
      for (const [what, source] of Object.entries(sources)) {
        assertEquals(await readCsv(source(), { columns }), wanted, what);
      }
    }
  }));

Deno.test("readCsv() fetches an address, and names it where that fails", async () => {
  const { fetch } = globalThis;
  const read = (
    response: () => Response | Promise<Response>,
    address = "https://me:pass@example.org/d/a.csv?key=1",
  ) => {
    globalThis.fetch = async () => await response();
    return readCsv(address, { columns: { a: "number" } });
  };
  const refused = async (response: () => Response | Promise<Response>) =>
    (await assertRejects(() => read(response), Error)).message;
  try {
    assertEquals((await read(() => new Response("a\n1\n"))).count, 1);
    const at = "Cannot read https://example.org/d/a.csv";
    const none = () => new Response("none", { status: 404, statusText: "Not Found" });
    assertEquals(await refused(none), `${at}: found status 404 Not Found, wanted 200`);
    const page = () => new Response("\n<!DOCTYPE html>\n<html></html>", { headers: { "content-type": "text/html" } });
    assertEquals(
      await refused(page),
      `${at}\n  at line 1: the file is an HTML page, as servers answer where they have no file: wanted CSV`,
    );
    const down = () => Promise.reject(new TypeError("fetch failed", { cause: new Error("no route") }));
    assertEquals(await refused(down), `${at}: fetch failed: no route`);
    const controller = new AbortController();
    globalThis.fetch = (_, init) => {
      controller.abort(new Error("enough"));
      return Promise.reject(init?.signal?.reason);
    };
    const stopped = () => readCsv("https://example.org/", { columns: { a: "number" }, signal: controller.signal });
    assertEquals((await assertRejects(stopped, Error)).message, "enough");
  } finally {
    globalThis.fetch = fetch;
  }
  const used = new Response("a\n1\n");
  await used.text();
  await assertRejects(() => readCsv(used, { columns: { a: "number" } }), TypeError, "its body was read already");
});

Deno.test("readCsv() reads all members of gzip data, whatever the pieces, and zeros after the last", async () => {
  const columns = { n: "number" } as const;
  const texts = ["n\n", Array.from({ length: 30_000 }, (_, i) => `${i}\n`).join(""), "", "7\n8", "9\n"];
  const members = await Promise.all(texts.map(gzipped));
  const named = Uint8Array.of(0x1f, 0x8b, 8, 0x1e, 0, 0, 0, 0, 0, 3, 2, 0, 7, 7, 0x61, 0, 0x62, 0, 5, 5);
  const cases: Record<string, Uint8Array[]> = {
    members,
    "zero padding": [...members, new Uint8Array(70_000)],
    "fields of the header": [named, members[0].subarray(10), ...members.slice(1)],
  };
  const wanted = await readCsv(pieces(texts.join("")), { columns });
  for (const [name, parts] of Object.entries(cases)) {
    const bytes = await new Blob(parts as BlobPart[]).bytes();
    for (const size of [1, 7, 1000, Infinity]) {
      assertEquals(await readCsv(pieces(bytes, size), { columns }), wanted, `${name}, pieces of ${size}`);
    }
  }
});

Deno.test("readCsv() reads gzip data that are packed twice, and refuses those that are packed more often", async () => {
  const twice = await gzip(await gzip("n\n1\n2\n"));
  assertEquals((await readCsv(twice, { columns: { n: "number" } })).count, 2);
  const more = await gzip(twice);
  const packed = "Cannot read bytes: found gzip data packed more than twice, wanted them unpacked";
  await assertRejects(() => readCsv(more, { columns: { n: "number" } }), Error, packed);
});

Deno.test("readCsv() says what is wrong with gzip data", async () => {
  const member = await gzipped("n\n" + "1\n".repeat(5000));
  const changed = (at: number) =>
    member.map((byte, i) => i === (at + member.length) % member.length ? byte ^ 0x44 : byte);
  const cases: [Uint8Array[], string][] = [
    [[member, Uint8Array.of(7)], "found bytes after the end of the gzip data"],
    [[member, new Uint8Array(9), Uint8Array.of(7)], "found bytes after the end of the gzip data"],
    [[member, Uint8Array.of(0x1f, 0x8a, 8, 0, 0, 0, 0, 0, 0, 3)], "found bytes after the end of the gzip data"],
    [[member, member.subarray(0, 7)], "the gzip data is cut short"],
    [[member.subarray(0, 20)], "the gzip data is cut short"],
    [[member.subarray(0, -4)], "the gzip data is cut short"],
    [[changed(2)], "the gzip data is damaged: a header is invalid"],
    [[changed(-1)], "the gzip data is damaged: its checksum is another"],
    [[changed(-8)], "the gzip data is damaged: its checksum is another"],
    [[member.subarray(0, 10), new Uint8Array(50).fill(255)], "the gzip data is damaged"],
  ];
  for (const [parts, message] of cases) {
    for (const size of [1, 1000]) {
      const bytes = await new Blob(parts as BlobPart[]).bytes();
      const read = () => readCsv(pieces(bytes, size), { columns: { n: "number" }, name: "f" });
      assertEquals((await assertRejects(read, Error)).message, `Cannot read f: ${message}`);
    }
  }
});

Deno.test("readCsv() hands on the error of a source, gzip or plain, and lets go of it", async () => {
  const zipped = await gzipped("n\n" + "1\n".repeat(5000));
  for (const start of [new TextEncoder().encode("n\n1\n"), zipped.subarray(0, 25)]) {
    let pulls = 0;
    const broken = new ReadableStream<Uint8Array>({
      pull: (controller) => pulls++ === 0 ? controller.enqueue(start) : controller.error(new Error("the line is down")),
    });
    await assertRejects(
      () => readCsv(broken, { columns: { n: "number" } }),
      Error,
      "Cannot read stream: the line is down",
    );
  }
  let left = false;
  const source = ReadableStream.from([zipped, zipped]).pipeThrough(
    new TransformStream({ cancel: () => void (left = true) }),
  );
  for await (const _ of streamCsv(source, { columns: { n: "number" }, rows: 3 })) break;
  assert(left);
});

Deno.test("readCsv() names the compression or the encoding that it does not read", async () => {
  const utf16 = [..."a,b\n1,2\n"].flatMap((letter) => [letter.charCodeAt(0), 0]);
  const unread = (what: string) => `f\n  at line 1: ${what}: wanted UTF-8, plain or compressed with gzip`;
  const cases: [readonly number[] | string, string][] = [
    ["PK\x03\x04\x14", unread("the file is a zip archive or a spreadsheet")],
    [[0x28, 0xb5, 0x2f, 0xfd, 0x04], unread("the file is compressed with zstd")],
    ["BZh91AY&SY\x00", unread("the file is compressed with bzip2")],
    [[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], unread("the file is compressed with xz")],
    [[0xff, 0xfe, ...utf16], unread("the text is UTF-16")],
    [[0xfe, 0xff, 0, ...utf16], unread("the text is UTF-16")],
    [utf16, unread("the text is UTF-16")],
    [[0, ...utf16], unread("the text is UTF-16")],
  ];
  for (const [given, message] of cases) {
    const bytes = typeof given === "string" ? new TextEncoder().encode(given) : Uint8Array.from(given);
    for (const size of [1, 1000]) {
      const read = () => readCsv(pieces(bytes, size), { columns: { a: "text" }, name: "f" });
      assertEquals((await assertRejects(read, Error)).message, `Cannot read ${message}`);
    }
  }
  const { count } = await readCsv(pieces("BZh9,PK\n1,2\n"), { columns: { PK: "number" } });
  assertEquals(count, 1);
});

Deno.test("streamCsv() yields chunks of one size that make up what readCsv() reads, and closes files left early", async () => {
  await withTemp(async (dir) => {
    const source = random("chunks");
    const texts = Array.from({ length: 1000 }, (_, i) => `${i},${Math.floor(source.uniform() * 50)}`);
    await Deno.writeTextFile(`${dir}/a.csv`, ["n,t", ...texts].join("\n"));
    const columns = { n: "number", t: "text" } as const;
    const whole = await readCsv(`${dir}/a.csv`, { columns });
    for (const rows of [1, 7, 250, 1000, 5000]) {
      let at = 0;
      for await (const chunk of streamCsv(`${dir}/a.csv`, { columns, rows })) {
        assertEquals(chunk.count, Math.min(rows, 1000 - at));
        const part = take(whole, Array.from({ length: chunk.count }, (_, i) => at + i));
        assertEquals(records(chunk), records(part));
        at += chunk.count;
      }
      assertEquals(at, 1000);
    }
    for await (const chunk of streamCsv(`${dir}/a.csv`, { columns, rows: 3 })) {
      assertEquals(chunk.count, 3);
      break;
    }
  });
});

Deno.test("streamCsv() keeps no more of the text than it needs", async () => {
  let pulled = 0;
  const line = new TextEncoder().encode("1,a\n".repeat(1000));
  const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      pulled += line.length;
      controller.enqueue(line);
    },
  });
  let rows = 0;
  for await (const { count } of streamCsv(endless, { header: ["a", "b"], columns: { a: "number" }, rows: 5000 })) {
    rows += count;
    assert(pulled <= rows * 4 + 10 * line.length, `pulled ${pulled} bytes for ${rows} rows`);
    if (rows >= 1e6) break;
  }
});

Deno.test("readCsv() looks at each byte of a long first line a few times, and gives up at a limit", async () => {
  for (const blank of [false, true]) {
    const text = (blank ? "\n".repeat(1 << 22) : "x".repeat(1 << 22)) + "\n1\n";
    const { indexOf } = Uint8Array.prototype;
    let searched = 0;
    Uint8Array.prototype.indexOf = function (wanted, from = 0) {
      const found = indexOf.call(this, wanted, from);
      searched += (found < 0 ? this.length : found) - from;
      return found;
    };
    try {
      await readCsv(pieces(text, 1 << 12), { columns: {} });
    } finally {
      Uint8Array.prototype.indexOf = indexOf;
    }
    assert(searched < 10 * text.length, `searched ${searched} bytes of ${text.length}`);
  }
  let pulled = 0;
  const piece = new Uint8Array(1 << 16).fill(0x78);
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => (pulled += piece.length) > 48 << 20 ? controller.close() : controller.enqueue(piece),
  });
  const error = await assertRejects(() => readCsv(endless, { columns: {}, name: "f" }), SyntaxError);
  assertEquals(error.message, "Cannot read f\n  at line 1: found no end of the names of columns within 16 MiB");
  assert(pulled < 34 << 20, `pulled ${pulled} bytes`);
});

Deno.test("readCsv() takes time in proportion to the digits of a number and the names of a header", async () => {
  const texts: ((length: number) => string)[] = [
    (length) => `a\n${"0".repeat(3 * length)}x\n`,
    (length) => `${Array.from({ length }, (_, i) => `c${i}`).join(",")}\n`,
  ];
  for (const text of texts) {
    const time = async (length: number) => {
      const start = performance.now();
      await settle(readCsv(pieces(text(length)), { columns: { a: "number" } }));
      return performance.now() - start;
    };
    await time(1000);
    const [short, long] = [await time(10_000), await time(80_000)]; // 64 times as long where time is quadratic
    assert(long < 24 * short + 500, `${short} ms, and ${long} ms for 8 times as much`);
  }
});

Deno.test("readCsv() of no rows gives empty columns", async () => {
  const empty: Columns = { count: 0, columns: { a: { kind: "number", values: new Float64Array(0) } } };
  assertEquals(await readCsv(pieces("a,b\n"), { columns: { a: "number" } }), empty);
  assertEquals(await readCsv(pieces("\n\na,b"), { columns: { a: "number" } }), empty);
  assertEquals(await readCsv(pieces(""), { header: ["a"], columns: { a: "number" } }), empty);
  for (const text of ["", "\n", "\r", "\n\r\n\r"]) {
    const error = await assertRejects(() => readCsv(pieces(text, 1), { columns: {} }), SyntaxError);
    assert(error.message.endsWith("found the end of the file, wanted the names of the columns"), error.message);
  }
});

Deno.test("readCsv() reads listed texts as missing numbers", async () => {
  const options = { columns: { a: "number" }, missing: ["?", ""] } as const;
  const { columns: { a } } = await readCsv(pieces('a,b\n1,x\n?,x\n"",x\n-1,x'), options);
  assertEquals(a, { kind: "number", values: Float64Array.of(1, NaN, NaN, -1) });
});

Deno.test("readCsv() reads texts that stand for nothing wherever they stand, numbers too", async () => {
  const options = { columns: { a: "number", b: ["x", "y"] }, missing: ["-1", "", "x", "1e3"] } as const;
  const { columns: { a, b } } = await readCsv(pieces('a,b\n-1,y\n-1.0,x\n1e3,""\n1000,y\n"-1",y\n2,x\n'), options);
  assertEquals(a, { kind: "number", values: Float64Array.of(NaN, -1, NaN, 1000, NaN, 2) });
  assertEquals(b, { kind: "text", codes: Int32Array.of(1, -1, -1, 1, 1, -1), words: ["x", "y"], listed: true });
});

Deno.test("readCsv() makes no more strings where texts may be missing", async () => {
  const text = "a,b\n" + Array.from({ length: 2000 }, (_, i) => `${i},${["no", "yes"][i % 2]}\n`).join("");
  const columns = { a: "number", b: ["no", "yes"] } as const;
  for (const missing of [undefined, [""], ["?", "-1"]]) {
    const count = await decodings(() => readCsv(pieces(text), { columns, missing }));
    assert(count < 20, `${count} texts decoded with missing: ${JSON.stringify(missing)}`);
  }
});

Deno.test("readCsv() makes no strings of fields in quotes but those of their words", async () => {
  const text = '"a","b"\n' +
    Array.from({ length: 2000 }, (_, i) => `"${i}","${["no, never", "yes"][i % 2]}"\n`).join("");
  const count = await decodings(() => readCsv(pieces(text), { columns: { a: "number", b: "text" } }));
  assert(count < 20, `${count} texts decoded`);
});

Deno.test("readCsv() with trim leaves out white space around fields and their quotes, and keeps it within", async () => {
  const rows = [" 1 ,\ta b\t", "2, c", '3 , " d " ', '4,"e ""f"" "\t', "5,\u00a0\u3000g\u2003", " ,   "];
  const options = { header: ["n", "t"], columns: { n: "number", t: "text" }, trim: true, missing: [""] } as const;
  for (const newline of ["\n", "\r\n", " \n", "\t\r\n"]) {
    const { columns: { n, t } } = await readCsv(pieces(rows.join(newline) + newline, 3), options);
    assertEquals(n, { kind: "number", values: Float64Array.of(1, 2, 3, 4, 5, NaN) });
    assert(t.kind === "text");
    assertEquals(t.words, ["a b", "c", " d ", 'e "f" ', "g"]);
    assertEquals(t.codes, Int32Array.of(0, 1, 2, 3, 4, -1));
  }
});

const people = { age: "number", job: "text", label: ["no", "yes"] } as const;

/** Rows that cannot be read, each of as many lines as are skipped as one row. */
const malformed: Readonly<Record<string, string>> = {
  "1,x": "found 2 fields, wanted 3",
  "1,stray,no,": "found 4 fields, wanted 3",
  '"1","stray"': "found 2 fields, wanted 3",
  '1,"a\nb"': "found 2 fields, wanted 3",
  "old,x,no": 'column "age": found "old", wanted a number',
  "1,stray,maybe": 'column "label": found "maybe": wanted "no" or "yes"',
  '1,"a\n""stray""",nein': 'column "label": found "nein": wanted "no" or "yes"',
  '1,stray"s,no': 'column 8: bare " in non-quoted-field',
  '1,"a"b,no': 'column 5: extraneous or missing " in quoted-field',
};

Deno.test("readCsv() and streamCsv() skip malformed rows as if they were not there, and report each", async () => {
  const source = random("malformed");
  const bad = Object.entries(malformed);
  for (let trial = 0; trial < 400; trial++) {
    const good: string[] = [];
    const all: string[] = [];
    const wanted: MalformedRow[] = [];
    let line = 2;
    for (let rows = source.bits() % 12; rows > 0; rows--) {
      const [text, reason] = bad[source.bits() % bad.length];
      if (source.uniform() < 0.4) {
        wanted.push({ file: "f", line, reason });
        all.push(text);
      } else {
        const job = ["x", `"y"`, `"a ""b"""`, '"a\nb"', `w${trial}`][source.bits() % 5];
        good.push(`${rows},${job},${["no", '"yes"'][source.bits() % 2]}`);
        all.push(good.at(-1)!);
      }
      line += all.at(-1)!.split("\n").length;
    }
    const text = (rows: string[]) => ["age,job,label", ...rows].join("\n") + ["", "\n"][trial % 2];
    const found: MalformedRow[] = [];
    const options = { columns: people, name: "f", malformed: (row: MalformedRow) => void found.push(row) };
    const size = [1, 7, 1000][trial % 3];
    const table = await readCsv(pieces(text(all), size), options);
    assertEquals(table, { ...await readCsv(pieces(text(good)), { columns: people }), skipped: wanted.length });
    assertEquals(found, wanted);
    const chunks = await Array.fromAsync(streamCsv(pieces(text(all), size), { ...options, rows: 1 + trial % 4 }));
    assertEquals(chunks.flatMap(records), records(table));
    assertEquals(chunks.reduce((sum, { skipped }) => sum + skipped!, 0), wanted.length);
  }
});

Deno.test("readCsv() skips the line of a quote that is not closed, and of bytes that are not UTF-8, and no more", async () => {
  const bad = Uint8Array.of(0xff);
  const cases: [BlobPart[], readonly [number, string][]][] = [
    [['1,"x,no\n2,y,no\n3,z,yes\n'], [[
      2,
      'at line 4: column 1: extraneous or missing " in quoted-field, in a record',
    ]]],
    [['1,"x,no\n2,"y",no\n3,"z",yes\n'], [[2, 'at line 3: column 3: extraneous or missing " in quoted-field, in a']]],
    [["1,", bad, ",no\n2,y,no\n3,z,yes\n"], [[2, 'column "job": found bytes that are not UTF-8 text']]],
    [["x", bad, ',x,no\n2,y,no\n"', bad, '",z,no\n3,z,yes\n'], [
      [2, 'column "age": found bytes that are not UTF-8 text, wanted a number'],
      [4, 'column "age": found bytes that are not UTF-8 text, wanted a number'],
    ]],
    [['1,"', bad, '"",\n",no\n2,y,no\n3,z,yes\n'], [[2, "found bytes that are not UTF-8 text"], [
      3,
      "at line 5: column 1",
    ]]],
  ];
  for (const [parts, wanted] of cases) {
    const found: MalformedRow[] = [];
    const file = new Blob(["age,job,label\n", ...parts]).stream();
    const table = await readCsv(file, { columns: people, malformed: (row) => void found.push(row) });
    assertEquals(records(table), [["2", "y", "no"], ["3", "z", "yes"]]);
    assertEquals(found.map(({ line }) => line), wanted.map(([line]) => line));
    found.forEach(({ file, reason }, i) => assert(file === "stream" && reason.startsWith(wanted[i][1]), reason));
  }
});

Deno.test("readCsv() skips no more malformed rows than wanted, and stops when the function throws", async () => {
  const rows = "age,job,label\n1,x\n2,x,no\n3,x\n\nold,x,no\n";
  const read = (options: Partial<CsvOptions>) => readCsv(pieces(rows), { columns: people, name: "f", ...options });
  const skip = () => {};
  assertEquals((await read({ malformed: skip, mostMalformed: 3 })).skipped, 3);
  assertEquals((await readCsv(pieces("age\n1\n"), { columns: { age: "number" }, malformed: skip })).skipped, 0);
  const error = await assertRejects(() => read({ malformed: skip, mostMalformed: 2 }), SyntaxError);
  const many = "3 malformed rows found, wanted at most 2 (mostMalformed)";
  assertEquals(error.message, `Cannot read f\n  at line 6, column "age": found "old", wanted a number; ${many}`);
  const none = await assertRejects(() => read({ malformed: skip, mostMalformed: 0 }), SyntaxError);
  assert(none.message.endsWith("line 2: found 2 fields, wanted 3; 1 malformed row found, wanted none (mostMalformed)"));
  const first = "Cannot read f\n  at line 2: found 2 fields, wanted 3";
  assertEquals((await assertRejects(() => read({}), SyntaxError)).message, first);
  assertEquals((await assertRejects(() => read({ malformed: "fail" }), SyntaxError)).message, first);
  const enough = () => {
    throw new Error("enough");
  };
  await assertRejects(() => read({ malformed: enough }), Error, "enough");
  await assertRejects(() => read({ malformed: "skip" as "fail" }), TypeError, 'malformed must be "fail" or a function');
  await assertRejects(() => read({ malformed: skip, mostMalformed: -1 }), RangeError, "mostMalformed must be a whole");
  const headless = () => readCsv(pieces('a,b"\n'), { columns: {}, malformed: skip });
  await assertRejects(headless, SyntaxError, 'bare " in non-quoted-field'); // the names of columns are no row
});

Deno.test("readCsv() stops when its signal says so, while a stream gives nothing too, and lets go of it", async () => {
  for (const wrapped of [false, true]) {
    let reason: unknown;
    const silent = new ReadableStream<Uint8Array>({
      pull: () => new Promise(() => {}),
      cancel: (of) => void (reason = of),
    });
    const abort = new AbortController();
    const reading = readCsv(wrapped ? new Response(silent) : silent, {
      columns: { a: "number" },
      signal: abort.signal,
    });
    setTimeout(() => abort.abort(new Error("enough")), 10);
    await assertRejects(() => reading, Error, "enough");
    assertEquals((reason as Error).message, "enough");
  }
});

Deno.test("readCsv() reads the text of a data: or blob: URL, and no file of its name", async () => {
  const blob = URL.createObjectURL(new Blob(["a\n1\n"]));
  for (const url of ["data:text/csv,a%0A1", blob]) {
    for (const source of [url, new URL(url)]) {
      const { columns } = await readCsv(source, { columns: { a: "number" } });
      assertEquals(columns.a, { kind: "number", values: Float64Array.of(1) });
    }
  }
  URL.revokeObjectURL(blob);
});

Deno.test("readCsv() stops when its signal says so", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => readCsv(pieces("a\n1"), { columns: { a: "number" }, signal }), Error, "enough");
});

Deno.test("readCsv() names file, line, column and what was found in every error", async () => {
  const columns = { age: "number", job: "text", label: ["no", "yes"] } as const;
  const head = "age,job,label\n";
  const cases: [string, string][] = [
    ["1,x,no\n2,y\n", "line 3: found 2 fields, wanted 3"],
    ["1,x,no,\n", "line 2: found 4 fields, wanted 3"],
    ["\n\r\n1\n", "line 4: found 1 field, wanted 3"],
    ['1,"x\ny",no\n2,"y"\n', "line 4: found 2 fields, wanted 3"],
    ["old,x,no\n", 'line 2, column "age": found "old", wanted a number'],
    [",x,no\n", 'line 2, column "age": found nothing, wanted a number; missing: [""] lets it be missing'],
    ["NaN,x,no\n", 'line 2, column "age": found "NaN", wanted a number; missing: ["NaN"] lets it be missing'],
    ["N/A,x,no\n", 'line 2, column "age": found "N/A", wanted a number; missing: ["N/A"] lets it be missing'],
    ["NAN1,x,no\n", 'line 2, column "age": found "NAN1", wanted a number'],
    ["1,x,no\n-Infinity,x,no\n", 'line 3, column "age": found "-Infinity", wanted a number'],
    ["0x10,x,no\n", 'line 2, column "age": found "0x10", wanted a number'],
    ["1e999,x,no\n", 'line 2, column "age": found "1e999", wanted a number'],
    ...["9007199254740993", '"-9007199254740993"', "00100000000000000000001", "9007199254740993.5"].map((
      text,
    ): [string, string] => [
      `1,x,no\n${text},x,no\n`,
      `line 3, column "age": found "${text.replaceAll('"', "")}", a whole number of more digits than float64 holds: ` +
      'an identifier is read as "text"',
    ]),
    ["1-2,x,no\n", 'line 2, column "age": found "1-2", wanted a number'],
    ["1.2.3,x,no\n", 'line 2, column "age": found "1.2.3", wanted a number'],
    ['"1""",x,no\n', 'line 2, column "age": found "1\\"", wanted a number'],
    ["1,x,ye\n", 'line 2, column "label": found "ye": did you mean "yes"?'],
    ["1,x,no\n1,x,maybe\n", 'line 3, column "label": found "maybe": wanted "no" or "yes"'],
    ['1,x"y,no\n', 'line 2: column 4: bare " in non-quoted-field'],
    ['1,"x\ny"z,no\n', 'line 3: column 2: extraneous or missing " in quoted-field, in a record that begins at line 2'],
    [
      '1,"x,no\n2,y,no\n',
      'line 3: column 1: extraneous or missing " in quoted-field, in a record that begins at line 2',
    ],
  ];
  for (const [text, message] of cases) {
    for (const size of [1, 1000]) {
      const read = () => readCsv(pieces(head + text, size), { columns, name: "people.csv" });
      const error = await assertRejects(read, SyntaxError);
      assertEquals(error.message, `Cannot read people.csv\n  at ${message}`);
    }
  }
});

Deno.test("readCsv() refuses bytes that are not UTF-8, and records without end", async () => {
  const read = (...parts: BlobPart[]) =>
    readCsv(new Blob(parts).stream(), { header: ["a", "b"], columns: { a: "number", b: "text" }, name: "f" });
  const bad = Uint8Array.of(0xff, 0x41);
  const cases: [BlobPart[], string][] = [
    [["1,x\n2,", bad, "\n"], 'line 2, column "b": found bytes that are not UTF-8 text'],
    [[bad, ",x\n"], 'line 1, column "a": found bytes that are not UTF-8 text, wanted a number'],
    [['1,"', bad, '"\n'], 'line 1, column "b": found bytes that are not UTF-8 text'],
    [['1,"a""', bad, '"\n'], "line 1: found bytes that are not UTF-8 text"],
    [
      ['1,x\n2,"', `${"x".repeat(99)}\n`.repeat(2e5)],
      "line 2: found a record of more than 16 MiB: is a quote left open?",
    ],
  ];
  for (const [parts, message] of cases) {
    const error = await assertRejects(() => read(...parts), SyntaxError);
    assertEquals(error.message, `Cannot read f\n  at ${message}`);
  }
});

Deno.test("readCsv() refuses wrong names and options", async () => {
  const text = "age,job\n1,x\n";
  const columns = { age: "number" } as const;
  const cases: [CsvOptions, string][] = [
    [{ columns: { agee: "number" } }, 'line 1: no column is named "agee": did you mean "age"?'],
    [
      { columns: Object.fromEntries([["toString", "text"]]) },
      'line 1: no column is named "toString": wanted "age" or "job"',
    ],
    [
      { columns: { agee: "number", jobb: "text" } },
      'line 1: no column is named "agee": did you mean "age"?\n' +
      '  at line 1: no column is named "jobb": did you mean "job"?',
    ],
    [
      { columns: Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`age ${i}`, "text"])) },
      [0, 1, 2, 3, 4, 5, 6, 7].map((i) => `line 1: no column is named "age ${i}": did you mean "age"?\n  at `).join(
        "",
      ) +
      "line 1: 992 more columns are not there",
    ],
    [{ columns, separator: ",," }, 'separator: found ",,", wanted one ASCII character other than a quote'],
    [{ columns, separator: '"' }, 'separator: found "\\"", wanted one ASCII character other than a quote'],
    [{ columns, header: ["a", "a"] }, 'header: found two columns named "a"'],
    [{ columns, header: ["ages"] }, 'columns["age"]: no column is named "age": did you mean "ages"?'],
    [
      { columns: { age: "numbr" as "number" } },
      'columns["age"]: found "numbr", wanted "number", "text" or a list of words',
    ],
  ];
  for (const [options, message] of cases) {
    const error = await assertRejects(() => readCsv(pieces(text), { ...options, name: "f" }), Error);
    assertEquals(error.message, `Cannot read f\n  at ${message}`);
  }
  for (const other of [";", "\t", "|"]) {
    const one = await assertRejects(() => readCsv(pieces(`age${other}job\n1${other}x\n`), { columns, name: "f" }));
    const hint = `  at line 1: found one column: separator: ${JSON.stringify(other)} reads several`;
    assertEquals((one as Error).message.split("\n").slice(2), [hint]);
  }
  const twice = await assertRejects(() => readCsv(pieces("\na,b,a\n"), { columns: {}, name: "f" }), SyntaxError);
  assertEquals(twice.message, 'Cannot read f\n  at line 2: found two columns named "a"');
  const empty = await assertRejects(() => readCsv(pieces("\n\n"), { columns, name: "f" }), SyntaxError);
  assertEquals(empty.message, "Cannot read f\n  at line 3: found the end of the file, wanted the names of the columns");
});

Deno.test("readCsv() of 1,000 random mutations gives columns or an error that names the line", async () => {
  const source = random("mutations");
  const text = new TextEncoder().encode(
    'age,job,label\n1,x,no\n2,"y, z",yes\n3.5,ä,no\n-4e1,"a ""b""",yes\n'.repeat(3),
  );
  const columns = { age: "number", job: "text", label: ["no", "yes", "label"] } as const;
  for (let trial = 0; trial < 1000; trial++) {
    const bytes = [...text];
    for (let edits = 1 + source.bits() % 3; edits > 0; edits--) {
      const at = source.bits() % bytes.length;
      bytes.splice(
        at,
        source.bits() % 3,
        ...[44, 34, 10, 13, 255, 48, 65].slice(source.bits() % 7, 7 - source.bits() % 3),
      );
    }
    try {
      await readCsv(new Blob([Uint8Array.from(bytes)]).stream(), { columns, name: "f" });
    } catch (error) {
      assert(error instanceof SyntaxError && /^Cannot read f\n {2}at line \d+/.test(error.message), `${error}`);
    }
  }
});

/** A text, or bytes, as a stream of pieces of some bytes each, which may end within a character. */
function pieces(text: string | Uint8Array, size = Infinity): ReadableStream<Uint8Array<ArrayBuffer>> {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text as Uint8Array<ArrayBuffer>;
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + Math.min(size, bytes.length)));
      at += Math.min(size, bytes.length);
    },
  });
}

/** A text as one member of gzip data. */
async function gzipped(text: string): Promise<Uint8Array<ArrayBuffer>> {
  return await new Response(pieces(text).pipeThrough(new CompressionStream("gzip"))).bytes();
}

/** The number of texts that are decoded while something is done. */
async function decodings(does: () => Promise<unknown>): Promise<number> {
  const { decode } = TextDecoder.prototype;
  let count = 0;
  TextDecoder.prototype.decode = function (...given) {
    count++;
    return decode.apply(this, given);
  };
  try {
    await does();
    return count;
  } finally {
    TextDecoder.prototype.decode = decode;
  }
}

/** The records of a text by `@std/csv` alone. */
async function oracle(text: string, fields: number, separator: string, trim: boolean): Promise<string[][]> {
  const options = { separator, trimLeadingSpace: trim, fieldsPerRecord: fields };
  return await Array.fromAsync(ReadableStream.from([text]).pipeThrough(new CsvParseStream(options)));
}

/** A text without the white space that ends a field outside of quotes, letter by letter. */
function withoutTrailing(text: string, separator: string): string {
  let open = false;
  let [kept, spaces, line] = ["", "", ""];
  for (const letter of [...text, ""]) {
    if (letter === '"') open = !open;
    const ends = !open && (letter === separator || letter === "\n" || letter === "");
    if (!open && !ends && /\s/.test(letter)) {
      spaces += letter;
      continue;
    }
    const alone = line === "" && letter !== separator; // a line of white space is one field, not an empty line
    kept += (ends && !alone ? "" : spaces) + letter;
    line = ends && letter !== separator ? "" : line + letter;
    spaces = "";
  }
  return kept;
}

/** The rows of a table as lists of text. */
function records({ count, columns }: Columns): string[][] {
  return Array.from(
    { length: count },
    (_, row) =>
      Object.values(columns).map((column) =>
        column.kind === "text" ? column.words[column.codes[row]] : `${column.values[row]}`
      ),
  );
}

/** Returns what a promise resolves to, or undefined if it is rejected because of the text. */
async function settle<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
