import { assert, assertEquals } from "@std/assert";
import { random } from "../lib/datasets.ts";
import { plainRows } from "../lib/serve/plain_rows.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const read = (names: readonly string[], text: string) => plainRows(names)(bytesOf(text));

/** The columns of rows as `JSON.parse` has them; undefined where a row has other names, or the text is no such request. */
function columnsOf(names: readonly string[], bytes: Uint8Array): unknown[][] | undefined {
  const { instances, ...rest } = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  if (!Array.isArray(instances) || Object.keys(rest).length > 0) return undefined;
  if (instances.some((row) => Object.keys(row).some((name) => !names.includes(name)))) return undefined;
  return names.map((name) => instances.map((row) => row[name] ?? null));
}

Deno.test("rows that programs write become columns, null where all rows lack a name", () => {
  const rows = [{ job: "smith", age: 30, city: null }, { job: "clerk", age: -0.5, city: "Zürich" }];
  const wanted = [[30, -0.5], ["smith", "clerk"], [null, null], [null, "Zürich"]];
  const names = ["age", "job", "pay", "city"];
  const compact = JSON.stringify({ instances: rows });
  const spaced = compact.replaceAll('":', '": ').replaceAll(',"', ', "').replace("},{", "}, {"); // as Python has it
  for (const text of [compact, spaced]) assertEquals(read(names, text), wanted);
});

Deno.test("numbers are those of JSON.parse, to the bit", () => {
  const source = random("numbers");
  const written = ["0", "-0", "-0.0", "0.1", "1e3", "1E-7", "-2.5e+10", "123456789012345", "1234567890.12345", "1e999"];
  const long = ["1234567890123456789", "0.30000000000000004", "9007199254740993", "0.000000000000001", "-1e-400"];
  const drawn = Array.from({ length: 2000 }, () => {
    const digits = Math.floor(18 * source.uniform());
    return `${source.uniform() < 0.5 ? "-" : ""}${
      (10 ** Math.floor(9 * source.uniform()) * source.uniform()).toFixed(digits)
    }`;
  });
  long.push("1".repeat(300), `0.${"0".repeat(300)}123`, "9".repeat(310));
  for (const number of [...written, ...long, ...drawn]) {
    const [[found]] = read(["x"], `{"instances":[{"x":${number}}]}`)!;
    assert(Object.is(found, JSON.parse(number)), `${number} became ${found}`);
  }
});

Deno.test("long numbers among others have their places, and one that JSON lacks leaves the request to JSON.parse", () => {
  const rows = Array.from(
    { length: 50 },
    (_, at) => ({ x: Math.sin(at), y: at % 3 === 0 ? null : at / 4, z: 1e-9 * at }),
  );
  const wanted = [rows.map(({ x }) => x), rows.map(({ y }) => y), rows.map(({ z }) => z)];
  assertEquals(read(["x", "y", "z"], JSON.stringify({ instances: rows })), wanted);
  for (const number of ["0.12345678901234567.8", "1e5e5", "-", "1234567890123456.", "", "-01e5"]) {
    const text = `{"instances":[{"x":1e5,"y":${number}},{"x":0.12345678901234567,"y":1}]}`;
    assertEquals(read(["x", "y"], text), undefined, text);
  }
});

Deno.test("what is not plain is left to JSON.parse", () => {
  const rows = [
    ...['{"x":01}', '{"x":1.}', '{"x":.5}', '{"x":+1}', '{"x":-}', '{"x":1e}', '{"x":1.5.5}', '{"x":--1}', '{"x":1-1}'],
    ...['{"x":NaN}', '{"x":nul}', '{"x":true}', '{"x":[1]}', '{"x":{}}', '{"x":}', '{"x"}', '{"x":"a}', '{"x":a"}'],
    ...['{"x":"\\n"}', '{"x":"\n"}', '{"x":"\u0000"}', '{"x":"\\"}', '{"y":1}', '{"x":1,"x":2}', "{}", "", "1", "[1]"],
    ...['{"x":1},{"x":1,"z":2}', '{"x":1,"z":2},{"x":1}', '{"x":1,"z":2},{"z":2,"x":1}', '{"x":1,}', '{"x":1},'],
    ...['{"x":1}{"x":1}', '{"x":1,"z":2},{"x":1,"z":2,"x":3}', '{"x" :1}', '{"x":1 }', '{"x":1}]'],
  ];
  const bodies = [
    ...rows.map((row) => `{"instances":[${row}]}`),
    ...[
      '{"instances":[{"x":1}]',
      '{"instances":[{"x":1}]}}',
      '{"instances":[{"x":1}',
      '{"instances":{"x":1}}]}',
      "}]}",
      "",
    ],
    ...[
      '{"signature_name":"x","instances":[{"x":1}]}',
      '\uFEFF{"instances":[{"x":1}]}',
      '{"inputs":[{"x":1}]}',
      "[{}]}",
    ],
  ];
  for (const body of bodies) assertEquals(read(["x", "z"], body), undefined, body);
  const notText = bytesOf('{"instances":[{"x":"??"}]}').map((byte) => byte === 0x3f ? 0xff : byte);
  assertEquals(plainRows(["x"])(notText), undefined);
});

Deno.test("what it reads, however it is written or broken, is what JSON.parse reads", () => {
  const source = random("bodies");
  const draw = (count: number) => Math.floor(count * source.uniform());
  const names = ["a", "b}]}", 'c"d', "é", "", "__proto__x"];
  const values = ["smith", "", "é😀", 'a"b', "tab\t", "x".repeat(100), 0, -1.5, 1e300, 12345678901234567, null];
  const marks = bytesOf('{}[]",:.-+e0 9n\\\n');
  const reader = plainRows(names); // one for all, as a server has
  let plain = 0;
  for (let nth = 0; nth < 20_000; nth++) {
    const keys = names.filter(() => source.uniform() < 0.7).sort(() => source.uniform() - 0.5);
    const row = () => Object.fromEntries(keys.map((name) => [name, values[draw(values.length)]]));
    const text = JSON.stringify({ instances: Array.from({ length: 1 + draw(4) }, row) });
    const bytes = bytesOf(source.uniform() < 0.5 ? text : text.replaceAll(":", ": "));
    const changes = draw(3);
    for (let change = 0; change < changes; change++) bytes[draw(bytes.length)] = marks[draw(marks.length)];
    const given = source.uniform() < 0.1 ? bytes.subarray(0, draw(bytes.length)) : bytes;
    const found = reader(given);
    if (found === undefined) continue;
    plain++;
    assertEquals(found, columnsOf(names, given), new TextDecoder().decode(given));
  }
  assert(plain > 1500, `${plain} of the bodies were plain`);
});

Deno.test("words of any length and letters are those that came, new and known", () => {
  const reader = plainRows(["word"]);
  const ends = ["", "a", "\u007f", "é", "\ufeff", "\ufffd", "😀"];
  const words = [0, 1, 12, 13, 61, 62, 63, 64, 65, 200].flatMap((length) =>
    ends.flatMap((end) => ["w".repeat(length) + end, end + "w".repeat(length)])
  );
  const body = bytesOf(JSON.stringify({ instances: words.map((word) => ({ word })) }));
  for (let pass = 0; pass < 3; pass++) assertEquals(reader(body), [words]);
});

Deno.test("of more words than it keeps, and longer ones, each is its own", () => {
  const reader = plainRows(["word"]);
  for (let pass = 0; pass < 2; pass++) {
    for (let nth = 0; nth < 100_000; nth += 100) {
      const words = Array.from({ length: 100 }, (_, at) => `${"w".repeat(at)}${nth + at}`);
      const body = JSON.stringify({ instances: words.map((word) => ({ word })) });
      assertEquals(reader(bytesOf(body)), [words]);
    }
  }
});
