/** Code of WebAssembly, as the bytes of its instructions. */
export type Code = readonly number[];

/** The types of values: whole numbers and vectors of four float32. */
const types = { i32: 0x7f, f32x4: 0x7b } as const;

/** Instructions that take their values from the stack. */
export const code = {
  add: [0x6a],
  sub: [0x6b],
  mul: [0x6c],
  div: [0x6e],
  rest: [0x70],
  /** 1 of 0, and 0 of any other number. */
  isZero: [0x45],
  /** 1 where the first number is less than the second, both taken as numbers of at least 0. */
  isLessUnsigned: [0x49],
  and: [0x71],
  shiftRight: [0x76],
  /** `a * b + c`, rounded once or twice as the processor does it faster. */
  multiplyAdd: [0xfd, ...unsigned(0x105)],
  multiplyVectors: [0xfd, ...unsigned(0xe6)],
  addVectors: [0xfd, ...unsigned(0xe4)],
  subVectors: [0xfd, ...unsigned(0xe5)],
  divideVectors: [0xfd, ...unsigned(0xe7)],
  negateVector: [0xfd, ...unsigned(0xe1)],
  rootsOfVector: [0xfd, ...unsigned(0xe3)],
  /** Of two vectors the greater numbers, NaN where one is. */
  greaterOfVectors: [0xfd, ...unsigned(0xe9)],
  /** All bits where the first vector's numbers are greater, else none. */
  isGreater: [0xfd, 0x44],
  andVectors: [0xfd, 0x4e],
  /** The bits of the first vector that the second one does not have. */
  andNotVectors: [0xfd, 0x4f],
  /** All bits where the first vector's numbers are less, else none. */
  isLess: [0xfd, 0x43],
  /** The second vector's numbers where they are greater, else the first one's. */
  secondIfGreater: [0xfd, ...unsigned(0xeb)],
  addWholeVectors: [0xfd, ...unsigned(0xae)],
  /** Takes a vector of whole numbers and by how many bits they are moved to the left. */
  shiftVectorLeft: [0xfd, ...unsigned(0xab)],
  /** Takes where to, from where, and how many bytes are copied. */
  copyBytes: [0xfc, 0x0a, 0, 0],
  zeros: [0xfd, 0x0c, ...Array(16).fill(0)],
} as const satisfies Record<string, Code>;

/** Reads a local. */
export const get = (local: number): Code => [0x20, ...unsigned(local)];
/** Takes a value for a local. */
export const set = (local: number): Code => [0x21, ...unsigned(local)];
/** A constant. */
export const constant = (number: number): Code => [0x41, ...signed(number)];
/** The whole number at an address and some bytes. */
export const wholeNumber = (bytes: number): Code => [0x28, 2, ...unsigned(bytes)];
/** The vector at an address and some bytes. */
export const load = (bytes: number): Code => [0xfd, 0x00, 2, ...unsigned(bytes)];
/** The one float at an address and some bytes, four times. */
export const spread = (bytes: number): Code => [0xfd, 0x09, 2, ...unsigned(bytes)];
/** Takes an address and a vector, and puts the vector there and some bytes on. */
export const store = (bytes: number): Code => [0xfd, 0x0b, 2, ...unsigned(bytes)];

/** The one float at an address and some bytes, and three zeros. */
export const loadOne = (bytes: number): Code => [0xfd, 0x5c, 2, ...unsigned(bytes)];
/** Takes an address and a whole number, and puts the number there. */
export const storeWhole: Code = [0x36, 2, 0];
/** Takes an address and a vector, and puts the vector's first float there. */
export const storeFirst: Code = [0xfd, 0x5a, 2, 0, 0];

/** A vector of four times a float. */
export function four(number: number): Code {
  return [0xfd, 0x0c, ...new Uint8Array(Float32Array.of(number, number, number, number).buffer)];
}

/** Of two vectors on the stack, a vector of some of their eight floats, by their places. */
export function pick(places: readonly [number, number, number, number]): Code {
  return [0xfd, 0x0d, ...places.flatMap((place) => [0, 1, 2, 3].map((byte) => 4 * place + byte))];
}

/** Calls a function of the same module by its place among them. */
export const callOf = (index: number): Code => [0x10, ...unsigned(index)];

/** Adds to a local. */
export function increase(local: number, by: Code): Code {
  return [...get(local), ...by, ...code.add, ...set(local)];
}

/** Counts a local down to 0, and does something each time. */
export function repeat(count: number, what: Code): Code {
  const down = [...get(count), ...constant(1), ...code.sub, ...set(count)];
  const [block, loop, end] = [[0x02, 0x40], [0x03, 0x40], [0x0b]];
  const [leaveIfZero, again] = [[...get(count), 0x45, 0x0d, 1], [0x0c, 0]];
  return [...block, ...loop, ...leaveIfZero, ...what, ...down, ...again, ...end, ...end];
}

/** Something for each whole number below a limit, one after the other. */
export function each(limit: number, what: (index: number) => Code): Code {
  return Array.from({ length: limit }, (_, index) => what(index)).flat();
}

/** A function that takes whole numbers and returns nothing. */
export interface Definition {
  /** The number of whole numbers that it takes: its first locals. */
  readonly parameters: number;
  /** The number of its further locals: whole numbers first, then vectors. */
  readonly locals: readonly [numbers: number, vectors: number];
  /** Its instructions. */
  readonly body: Code;
}

/**
 * A module of functions that work on a memory, which it imports as `memory` of `from`.
 *
 * @param shared True if threads share the memory.
 */
export function moduleOf(functions: Readonly<Record<string, Definition>>, shared = false): Uint8Array<ArrayBuffer> {
  // Pages: one at least, 4 GiB at most. With none, V8 would also check each address's added bytes: half the speed.
  const limits = shared ? [3, 1, ...unsigned(2 ** 16)] : [0, 1];
  const all = Object.entries(functions);
  const locals = ([numbers, vectors]: Definition["locals"]) =>
    list([[...unsigned(numbers), types.i32], [...unsigned(vectors), types.f32x4]]);
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, all.map(([, { parameters }]) => [0x60, ...list(Array(parameters).fill([types.i32])), 0])),
    ...section(2, [[...text("from"), ...text("memory"), 2, ...limits]]),
    ...section(3, all.map((_, index) => unsigned(index))),
    ...section(7, all.map(([name], index) => [...text(name), 0, ...unsigned(index)])),
    ...section(10, all.map(([, { locals: some, body }]) => sized([...locals(some), ...body, 0x0b]))),
  ]);
}

function section(id: number, items: readonly Code[]): Code {
  return [id, ...sized(list(items))];
}

function list(items: readonly Code[]): Code {
  return [...unsigned(items.length), ...items.flat()];
}

function sized(bytes: Code): Code {
  return [...unsigned(bytes.length), ...bytes];
}

function text(characters: string): Code {
  return sized([...new TextEncoder().encode(characters)]);
}

/** A number of at least 0 in groups of seven bits, as WebAssembly has it (LEB128). */
function unsigned(number: number): Code {
  return number < 128 ? [number] : [number % 128 + 128, ...unsigned(Math.floor(number / 128))];
}

/** Any whole number in such groups, the last of which says the sign. */
function signed(number: number): Code {
  return number >= -64 && number < 64 ? [number & 127] : [number & 127 | 128, ...signed(number >> 7)];
}
