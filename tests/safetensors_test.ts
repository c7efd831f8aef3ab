import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import type { Tensor } from "../lib/ops/tensor.ts";
import { decodeSafetensors, encodeSafetensors } from "../lib/formats/safetensors.ts";

const some: Record<string, Tensor> = {
  b: { shape: [2], data: Int32Array.of(1, -2) },
  "a/kernel": { shape: [2, 3], data: Float32Array.of(0.5, -1, 2, 3, 4, 1e-3) },
  z: { shape: [1], data: Float32Array.of(7) },
};

/** The bytes that the public writer (Python, safetensors 0.8.0) makes of the same tensors. */
const golden = "d000000000000000" +
  hex('{"__metadata__":{"format":"1"},"a/kernel":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},') +
  hex('"z":{"dtype":"F32","shape":[1],"data_offsets":[24,28]},') +
  hex('"b":{"dtype":"I32","shape":[2],"data_offsets":[28,36]}}    ') +
  "0000003f000080bf0000004000004040000080406f12833a0000e04001000000feffffff";

Deno.test("encodeSafetensors() writes the bytes that the public tools write", () => {
  assertEquals(encodeSafetensors(some, { format: "1" }).toHex(), golden);
  assertEquals(decodeSafetensors(Uint8Array.fromHex(golden)), { tensors: some, metadata: { format: "1" } });
});

Deno.test("encodeSafetensors() gives equal bytes for equal contents in any order", () => {
  const names = ["\u{1f600}", "\uff5e", "é", "10", "9", "a/b", "a", ""];
  const tensor = { shape: [], data: Float32Array.of(1) };
  const bytes = (order: string[]) =>
    encodeSafetensors(
      Object.fromEntries(order.map((name) => [name, tensor])),
      Object.fromEntries(order.map((name) => [name, name])),
    );
  assertEquals(bytes(names), bytes(names.toReversed()));
  const { tensors, metadata } = decodeSafetensors(bytes(names));
  assertEquals(Object.keys(tensors).sort(), names.toSorted());
  assertEquals(metadata["\u{1f600}"], "\u{1f600}");
});

Deno.test("decodeSafetensors() returns what encodeSafetensors() was given, data at a multiple of 8 bytes", () => {
  for (const shape of [[], [1], [0], [3, 0, 2], [7], [2, 3, 4], [1, 1, 1, 1, 1]]) {
    const size = shape.reduce((product, length) => product * length, 1);
    const floats = { shape, data: Float32Array.from({ length: size }, (_, i) => 1 / (i - 2.5)) };
    const codes = { shape, data: Int32Array.from({ length: size }, (_, i) => i % 2 ? -(2 ** 31) : 2 ** 31 - 1 - i) };
    const bytes = encodeSafetensors({ floats, codes });
    assertEquals(decodeSafetensors(bytes).tensors, { floats, codes });
    assertEquals(Number(new DataView(bytes.buffer).getBigUint64(0, true)) % 8, 0);
    const inside = new Uint8Array(bytes.length + 5);
    inside.set(bytes, 3);
    assertEquals(decodeSafetensors(inside.subarray(3, 3 + bytes.length)).tensors, { floats, codes });
  }
  assertEquals(decodeSafetensors(encodeSafetensors({})), { tensors: {}, metadata: {} });
});

Deno.test("decodeSafetensors() reads every type of real number as the nearest float32", () => {
  const third = Math.fround(1 / 3);
  const cases: [dtype: string, bytes: string, numbers: number[]][] = [
    ["F64", "555555555555d53f000000000000f0bf", [third, -1]],
    ["F32", "abaaaa3e000080bf", [third, -1]],
    ["F16", "003c0080ff7b0100000455b5", [1, -0, 65504, 2 ** -24, 2 ** -14, -(1 + 0x155 / 1024) / 4]],
    ["BF16", "803f00807f7f01008000abbe", [1, -0, 255 * 2 ** 120, 2 ** -133, 2 ** -126, -171 / 512]],
    ["I32", "ffffffff00000080ffffff7f", [-1, -(2 ** 31), 2 ** 31 - 1]],
  ];
  for (const [dtype, hex, numbers] of cases) {
    const data = Uint8Array.fromHex(hex);
    const header = `{"x":{"dtype":"${dtype}","shape":[${numbers.length}],"data_offsets":[0,${data.length}]}}`;
    const { x } = decodeSafetensors(file(header, data)).tensors;
    assertEquals([...x.data].map((number, i) => Object.is(number, numbers[i])), numbers.map(() => true), dtype);
  }
});

Deno.test("decodeSafetensors() reads every file that the public reader (Python, safetensors 0.8.0) reads", () => {
  const half = w("[1]", "[0,2]", '"F16"').replace("w", "v");
  const data = Uint8Array.fromHex("003c0000003f");
  const one = { shape: [1], data: Float32Array.of(1) };
  const unaligned = { v: one, w: { shape: [1], data: Float32Array.of(0.5) } };
  for (const pad of ["", " ", "       ", "\n\t"]) {
    assertEquals(decodeSafetensors(file(`{${half},${w("[1]", "[2,6]")}}${pad}`, data)), {
      tensors: unaligned,
      metadata: {},
    });
  }
  const plain = Uint8Array.fromHex("0000803f");
  const read = { tensors: { w: one }, metadata: {} };
  assertEquals(decodeSafetensors(file(`{"__metadata__":null,${w("[1]", "[0,4]")}}`, plain)), read);
  assertEquals(decodeSafetensors(file(`{${w("[1]", "[0,4]")}, "__metadata__" : null }`, plain)), read);
});

Deno.test("decodeSafetensors() lists the tensors of every other type of the format, which the public reader knows", () => {
  const types: Record<string, [shape: number[], bytes: number]> = {
    ...Object.fromEntries(["BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"].map((type) => [type, [[3], 3]])),
    ...Object.fromEntries(["F8_E4M3FNUZ", "F8_E5M2FNUZ"].map((type) => [type, [[], 1]])),
    ...Object.fromEntries(["U16", "I16"].map((type) => [type, [[1, 2], 4]])),
    ...Object.fromEntries(["U64", "I64", "C64"].map((type) => [type, [[], 8]])),
    U32: [[1], 4],
    F4: [[2], 1],
    F6_E2M3: [[4], 3],
    F6_E3M2: [[0, 3], 0],
  };
  for (const [dtype, [shape, length]] of Object.entries(types)) {
    const other = w(JSON.stringify(shape), `[0,${length}]`, `"${dtype}"`).replace("w", "v");
    const data = Uint8Array.of(...new Uint8Array(length).fill(0xff), 0, 0, 0x80, 0x3f);
    assertEquals(decodeSafetensors(file(`{${other},${w("[1]", `[${length},${length + 4}]`)}}`, data)), {
      tensors: { w: { shape: [1], data: Float32Array.of(1) } },
      metadata: {},
      others: { v: { dtype, shape } },
    }, dtype);
  }
});

Deno.test("encodeSafetensors() refuses what it could not read again", () => {
  const one = { shape: [1], data: Float32Array.of(1) };
  const cases: [tensors: Record<string, Tensor>, metadata: object, error: new () => Error, found: string][] = [
    [{ w: { shape: [2], data: Float32Array.of(1) } }, {}, RangeError, '"w": shape [2] does not fit 1 elements'],
    [{ w: { shape: [-1, -1], data: Float32Array.of(1) } }, {}, RangeError, '"w": shape [-1, -1] does not fit 1'],
    [{ w: { shape: [1], data: Float32Array.of(NaN) } }, {}, RangeError, '"w": found NaN at [0], wanted a finite'],
    [{ w: { shape: [1], data: Float64Array.of(1e39) } }, {}, RangeError, '"w": found 1e+39 at [0], wanted a finite'],
    [{ ["__proto__"]: one }, {}, TypeError, '"__proto__": this name is not allowed'],
    [{ __metadata__: one }, {}, TypeError, '"__metadata__": this name is not allowed'],
    [{ "\ud800": one }, {}, TypeError, "this name is not allowed"],
    [
      { w: { shape: Array(65).fill(1), data: Float32Array.of(1) } },
      {},
      RangeError,
      '"w": found 65 axes, wanted at most',
    ],
    [{}, { note: "x".repeat(1e8) }, RangeError, "names and texts take 100000032 bytes, wanted at most 100000000"],
    [{}, { seed: 7 }, TypeError, '"seed": the metadata is no text: found number'],
  ];
  for (const [tensors, metadata, error, found] of cases) {
    const { message } = assertThrows(() => encodeSafetensors(tensors, metadata as Record<string, string>), error);
    assertStringIncludes(message, "Cannot write safetensors\n  at ");
    assertStringIncludes(message, found);
  }
});

const w = (shape: string, offsets: string, dtype = '"F32"') =>
  `"w":{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}`;
const most = Number.MAX_SAFE_INTEGER;

/** Header, number of bytes of data, and the error that must follow. */
const bad: readonly (readonly [header: string, data: number, error: new () => Error, found: string])[] = [
  ["", 8, SyntaxError, 'at byte 8: found the header\'s end, wanted "{"'],
  ["hello", 0, SyntaxError, 'at byte 8: found "hello", wanted "{"'],
  ["[1, 2]", 0, SyntaxError, 'at byte 8: found "[1, 2]", wanted "{"'],
  ["null", 0, SyntaxError, 'at byte 8: found "null", wanted "{"'],
  [" {}", 0, SyntaxError, 'at byte 8: found " {}", wanted "{"'],
  ["\ufeff{}", 0, SyntaxError, 'at byte 8: found "\ufeff{}", wanted "{"'],
  ["{", 0, SyntaxError, "at byte 9: found the header's end, wanted a text"],
  ["{}x", 0, SyntaxError, 'at byte 10: found "x" after the header\'s end'],
  ["{,}", 0, SyntaxError, 'at byte 9: found ",}", wanted a text'],
  ['{"w"}', 0, SyntaxError, 'at byte 12: found "}", wanted ":"'],
  ['{"w\\q":1}', 0, SyntaxError, "at byte 9: found"],
  ['{"\\ud800":{}}', 0, SyntaxError, "at byte 9: found"],
  ['{"w', 0, SyntaxError, "at byte 9: found"],
  ['{"ä":1}', 0, SyntaxError, 'at byte 14, "ä": found "1}", wanted "{"'],
  ['{"w":[]}', 0, SyntaxError, 'at byte 13, "w": found "[]}", wanted "{"'],
  ['{"w":{}}', 0, TypeError, 'at byte 13, "w": no dtype and no shape and no data_offsets'],
  ['{"w":{"dtype":"F32","shape":[1]}}', 4, TypeError, 'at byte 13, "w": no data_offsets'],
  [`{${w("[1]", "[0,4]", "3")}}`, 4, SyntaxError, '"w": found "3,'],
  [`{${w("[1]", "[0,8]", '"I65"')}}`, 8, TypeError, '"w": found dtype "I65", wanted one of F64, F32, F16, BF16, I32'],
  [`{${w("[1]", "[0,4]", '"I64"')}}`, 4, RangeError, "hold 4 bytes, but shape [1] of I64 wants 8"],
  [`{${w("[1]", "[0,1]", '"F4"')}}`, 1, RangeError, "hold 1 bytes, but shape [1] of F4 wants 0.5"],
  [`{${w("[1]", "[0,8]", '"toString"')}}`, 8, TypeError, '"w": found dtype "toString", wanted one of'],
  [`{${w('"1"', "[0,4]")}}`, 4, SyntaxError, '"w": found "\\"1\\",'],
  [`{${w("[-1]", "[0,4]")}}`, 4, SyntaxError, '"w": found "-1],'],
  [`{${w("[1.5]", "[0,6]")}}`, 6, SyntaxError, '"w": found "1.5],'],
  [`{${w("[1e0]", "[0,4]")}}`, 4, SyntaxError, '"w": found "1e0],'],
  [`{${w("[01]", "[0,4]")}}`, 4, SyntaxError, '"w": found "01],'],
  [`{${w("[null]", "[0,4]")}}`, 4, SyntaxError, '"w": found "null],'],
  [`{${w("[99999999999999999999]", "[0,4]")}}`, 4, SyntaxError, '"w": found "99999999999'],
  [`{${w("[[[[[[", "[0,4]")}}`, 4, SyntaxError, '"w": found "[[[[[,'],
  [`{${w(`[${Array(65).fill(1)}]`, "[0,4]")}}`, 4, SyntaxError, '"w": found more than 64 numbers in a list'],
  [`{${w(`[${most},2]`, "[0,4]")}}`, 4, RangeError, `"w": shape [${most}, 2] is too large`],
  [`{${w("[4294967296,4294967296]", "[0,0]")}}`, 0, RangeError, '"w": shape [4294967296, 4294967296] is too large'],
  [`{${w("[2]", "[0,4]")}}`, 4, RangeError, '"w": data_offsets [0, 4] hold 4 bytes, but shape [2] of F32 wants 8'],
  [`{${w("[]", "[0,0]")}}`, 0, RangeError, '"w": data_offsets [0, 0] hold 0 bytes, but shape [] of F32 wants 4'],
  [`{${w("[1]", "[0,5]")}}`, 5, RangeError, '"w": data_offsets [0, 5] hold 5 bytes, but shape [1] of F32 wants 4'],
  [`{${w("[1]", "[0]")}}`, 4, RangeError, '"w": found data_offsets [0], wanted [begin, end] in order'],
  [`{${w("[1]", "[0,4,8]")}}`, 4, SyntaxError, '"w": found more than 2 numbers in a list'],
  [`{${w("[1]", "[4,0]")}}`, 4, RangeError, '"w": found data_offsets [4, 0], wanted [begin, end] in order'],
  [`{${w("[1]", "[-4,0]")}}`, 4, SyntaxError, '"w": found "-4,0]'],
  [`{${w("[250000000000]", "[0,1000000000000]")}}`, 4, RangeError, "and within 4 bytes"],
  [`{${w("[1]", `[${most - 4},${most}]`)}}`, 4, RangeError, "and within 4 bytes"],
  [`{${w("[1]", "[0,4]")},${w("[1]", "[4,8]")}}`, 8, SyntaxError, 'the name "w" stands there twice'],
  [`{"w":{"dtype":"F32","dtype":"F32","shape":[],"data_offsets":[0,4]}}`, 4, SyntaxError, '"dtype" stands there twice'],
  [`{"w":{"dtype":"F32","shape":[],"offsets":[0,4]}}`, 4, SyntaxError, '"w": found field "offsets", wanted dtype'],
  [`{${w("[2]", "[0,8]")},${w("[2]", "[4,12]").replace("w", "v")}}`, 12, RangeError, '"v" overlaps "w"'],
  [`{${w("[1]", "[0,4]")},${w("[1]", "[0,4]").replace("w", "v")}}`, 4, RangeError, '"v" overlaps "w"'],
  [`{${w("[1]", "[4,8]")}}`, 8, RangeError, '4 bytes in front of "w" belong to no tensor'],
  [`{${w("[1]", "[0,4]")}}`, 6, RangeError, "2 bytes at the end belong to no tensor"],
  ["{}", 1, RangeError, "1 bytes at the end belong to no tensor"],
  [`{${w("[1]", "[0,4]").replace("w", "__proto__")}}`, 4, TypeError, 'at byte 9: the name "__proto__" is not allowed'],
  [`{"__metadata__":{"__proto__":"x"}}`, 0, TypeError, 'the name "__proto__" is not allowed'],
  [`{"__metadata__":{"a":1}}`, 0, SyntaxError, '"__metadata__": found "1}}", wanted a text'],
  [`{"__metadata__":nil}`, 0, SyntaxError, '"__metadata__": found "nil}", wanted "{"'],
  [`{"__metadata__":{"a":null}}`, 0, SyntaxError, '"__metadata__": found "null}}", wanted a text'],
  [`{"__metadata__":{},"__metadata__":{}}`, 0, SyntaxError, 'the name "__metadata__" stands there twice'],
];

Deno.test("decodeSafetensors() says where a header is wrong and what was wanted", () => {
  for (const [header, length, error, found] of bad) {
    const { message } = assertThrows(() => decodeSafetensors(file(header, new Uint8Array(length))), error, "", header);
    assertStringIncludes(message, found, header);
    assertMatch(message, /^Cannot read safetensors\n {2}at byte \d+/);
  }
});

Deno.test("decodeSafetensors() compares the header's length with the file before anything else", () => {
  const cases: [bytes: Uint8Array, error: new () => Error, found: string][] = [
    [new Uint8Array(), SyntaxError, "the file holds 0 bytes, wanted at least 8"],
    [new Uint8Array(7), SyntaxError, "the file holds 7 bytes, wanted at least 8"],
    [lengthened(3n), RangeError, "the header's length is 3, but only 2 bytes follow"],
    [lengthened(100_000_001n), RangeError, "the header's length is 100000001, wanted at most 100000000"],
    [lengthened(2n ** 64n - 1n), RangeError, "the header's length is 18446744073709551615, wanted at most"],
    [file("", Uint8Array.of(0xff, 0xfe)).fill(2, 0, 1), SyntaxError, "at byte 8: the header is not UTF-8 text"],
  ];
  for (const [bytes, error, found] of cases) {
    const { message } = assertThrows(() => decodeSafetensors(bytes, "./m/params.safetensors"), error);
    assertStringIncludes(message, "Cannot read ./m/params.safetensors\n  at byte ");
    assertStringIncludes(message, found);
  }
});

Deno.test("decodeSafetensors() names the parameter and the place of a number that is not finite", () => {
  const cases: [dtype: string, bytes: string, found: string][] = [
    ["F32", "0000803f0000c07f", 'at byte 68: found NaN in "w" at [1]'],
    ["F32", "000080ff0000803f", 'at byte 64: found -Infinity in "w" at [0]'],
    ["F16", "003c007c", 'found Infinity in "w" at [1]'],
    ["BF16", "803fc07f", 'found NaN in "w" at [1]'],
    ["F64", "000000000000f03f9c7500883ce4377e", 'found 1e+300 in "w" at [1]'],
  ];
  for (const [dtype, hex, found] of cases) {
    const data = Uint8Array.fromHex(hex);
    const bytes = file(`{${w("[2]", `[0,${data.length}]`, `"${dtype}"`)}}`.padEnd(56), data);
    const { message } = assertThrows(() => decodeSafetensors(bytes), RangeError);
    assertStringIncludes(message, found);
    assertStringIncludes(message, ", wanted a finite float32");
  }
});

Deno.test("decodeSafetensors() refuses headers made to be slow", () => {
  const slow: Record<string, string> = {
    spaces: "{" + " ".repeat(1e6),
    lists: '{"w":{"shape":' + "[".repeat(1e6),
    objects: '{"w":'.repeat(2e5),
    numbers: '{"w":{"shape":[' + "0,".repeat(5e5),
    digits: '{"w":{"shape":[' + "9".repeat(1e6),
    escapes: '{"' + "\\\\".repeat(5e5),
    names: "{" + Array.from({ length: 3e4 }, (_, i) => w("[0]", "[0,0]").replace("w", `w${i}`)).join() + ",",
  };
  for (const [name, header] of Object.entries(slow)) {
    const { message } = assertThrows(() => decodeSafetensors(file(header)), SyntaxError);
    assertLess(message.length, 300, name);
  }
});

Deno.test("decodeSafetensors() either reads a damaged file or says what is wrong with it", () => {
  const kernel = { shape: [8, 8], data: new Float32Array(64).map((_, i) => 1 / (i + 1)) };
  const bytes = encodeSafetensors({ ...some, kernel }, { format: "1", seed: "7" });
  const random = numbers(11);
  let read = 0;
  for (let i = 0; i < 1000; i++) {
    const damaged = damage(bytes, random);
    try {
      const { tensors, metadata } = decodeSafetensors(damaged);
      for (const { shape, data } of Object.values(tensors)) {
        assertEquals(data.length, shape.reduce((product, length) => product * length, 1));
        assertLess(data.length, damaged.length);
        assert(data.every(Number.isFinite));
      }
      assertEquals(decodeSafetensors(encodeSafetensors(tensors, metadata)), { tensors, metadata });
      read++;
    } catch (error) {
      assertInstanceOf(error, Error);
      assert([SyntaxError, TypeError, RangeError].some((kind) => error.constructor === kind), String(error.stack));
      assertMatch(error.message, /^Cannot read safetensors\n {2}at byte \d+[^\n]{4,400}$/);
    }
  }
  assert(read > 50 && read < 900, `${read} of 1000 read`);
});

/** A copy with one to three bytes changed, or a stretch of bytes cut out, doubled, or cut off. */
function damage(bytes: Uint8Array, random: (below: number) => number): Uint8Array {
  const at = random(bytes.length);
  const end = Math.min(bytes.length, at + 1 + random(12));
  const [before, stretch, after] = [bytes.subarray(0, at), bytes.subarray(at, end), bytes.subarray(end)];
  const kind = random(8);
  if (kind === 0) return joined(before, after);
  if (kind === 1) return joined(before, stretch, stretch, after);
  if (kind === 2) return bytes.slice(0, at);
  const copy = bytes.slice();
  const likely = new TextEncoder().encode('0123456789-.,:[]{}" \\eF');
  for (let changes = 1 + random(3); changes > 0; changes--) {
    const place = random(bytes.length);
    copy[place] = [random(256), copy[place] ^ 1 << random(8), likely[random(likely.length)]][random(3)];
  }
  return copy;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** Whole numbers below a bound, the same for the same seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = Math.imul(state, 1664525) + 1013904223 >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

/** A file with a header as it stands. */
function file(header: string, data: Uint8Array = new Uint8Array()): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

function lengthened(length: bigint): Uint8Array {
  const bytes = file("{}");
  new DataView(bytes.buffer).setBigUint64(0, length, true);
  return bytes;
}

function hex(text: string): string {
  return new TextEncoder().encode(text).toHex();
}
