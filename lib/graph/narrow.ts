import { add, broadcast, concat, constant, neg, pad, reshape, slice } from "../ops/functions.ts";
import type { Dim, Shape } from "../ops/shape.ts";
import { apply, ops } from "../ops/table.ts";
import type { Op, Value } from "../ops/value.ts";
import type { Values } from "./values.ts";
import { rewritten } from "./walk.ts";

/**
 * Returns values in which ops on arrays that are 0 outside of some parts run on these parts alone. The gradient of one
 * task, which flows back through towers that were fused with those of all others, is such an array: without this, a pass
 * back for each task takes time with the square of their number.
 *
 * The numbers are the same. Zeros begin with `pad`, the gradient of `slice`, and go as far as ops leave them zeros.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { concat, constant, matmul, pad } from "@gatehouse/gatehouse/ops";
 * import { narrow } from "./narrow.ts";
 *
 * const product = matmul(pad(constant([2, 3], [1, 2]), 4, 6), constant(Array(12).fill(1), [12, 1]));
 * assertEquals(product.of[0].shape, [1, 12]);
 * assertEquals(narrow({ product }).product.of[0].shape, [1, 2]);
 * ```
 */
export function narrow<V extends Values>(values: V): V {
  const known: Known = new Map();
  return rewritten(values, (value, of) => {
    if (value.op !== "pad" && !of.some((argument) => known.has(argument))) return undefined;
    const found = (rules[value.op] ?? inPlace)(value, of, known);
    if (found === undefined || !("blocks" in found)) return found;
    const whole = wholeOf(found);
    if (whole !== found.value) known.set(whole, found);
    return whole;
  });
}

/** A stretch along an axis. */
interface Block {
  readonly start: number;
  readonly size: number;
}

/** The place of the parts of an array outside of which it is 0. */
interface Place {
  /** The axis, which is not the batch. */
  readonly axis: number;
  /** The stretches along it that are parts: in order, and apart from one another. */
  readonly blocks: readonly Block[];
  /** The length of the whole array along it. */
  readonly length: number;
}

/** The parts of an array outside of which it is 0. */
interface Parts extends Place {
  /** The parts, side by side along the axis. */
  readonly value: Value;
}

/** The arrays that are known to be 0 outside of parts. */
type Known = Map<Value, Parts>;

/**
 * The rule of an op for arguments of which some are known to be 0 outside of parts: returns the parts of its result, or
 * its result, made of parts alone; undefined if it must run on whole arrays.
 *
 * @param value The op as it was.
 * @param of Its arguments as they are.
 */
type Narrowing = (value: Value, of: readonly Value[], known: Known) => Parts | Value | undefined;

const rules: Readonly<Partial<Record<Op, Narrowing>>> = {
  pad: ({ attrs }, [x], known) => {
    const { axis, before, after } = attrs as { readonly axis: number; readonly before: number; readonly after: number };
    const length = before + after + (x.shape[axis] as number);
    const parts = known.get(x);
    if (parts === undefined) {
      return { value: x, axis, blocks: [{ start: before, size: x.shape[axis] as number }], length };
    }
    if (parts.axis !== axis) return { ...parts, value: pad(parts.value, before, after, axis) };
    return { ...parts, blocks: parts.blocks.map(({ start, size }) => ({ start: start + before, size })), length };
  },
  add: (value, of, known) => inPlace(value, of, known) ?? joined(of[0], of[1], known),
  sub: (value, of, known) => {
    const parts = known.get(of[1]);
    return inPlace(value, of, known) ?? (parts && joined(of[0], { ...parts, value: neg(parts.value) }, known));
  },
  sum: ({ op, attrs }, [x], known) => {
    const { value, ...place } = known.get(x)!;
    const sum = apply(op, [value], attrs);
    const axes = attrs.axes as number[];
    if (axes.includes(place.axis)) return sum;
    return {
      ...place,
      value: sum,
      axis: place.axis - (attrs.keep ? 0 : axes.filter((axis) => axis < place.axis).length),
    };
  },
  transpose: ({ op, attrs }, [x], known) => {
    const { value, ...place } = known.get(x)!;
    return { ...place, value: apply(op, [value], attrs), axis: (attrs.order as number[]).indexOf(place.axis) };
  },
  broadcast: ({ shape }, [x], known) => {
    const { value, ...place } = known.get(x)!;
    const axis = place.axis + shape.length - x.shape.length;
    if (shape[axis] !== place.length) return undefined;
    return { ...place, axis, value: broadcast(value, withLength(shape, axis, value.shape[place.axis])) };
  },
  slice: ({ op, attrs }, [x], known) => {
    const parts = known.get(x)!;
    if (attrs.axis !== parts.axis) return { ...parts, value: apply(op, [parts.value], attrs) };
    return within(parts, { start: attrs.start as number, size: attrs.size as number });
  },
  reshape: ({ shape }, [x], known) => reshaped(known.get(x)!, x.shape, shape),
  matmul: (_, of, known) => {
    const at = known.has(of[0]) ? 0 : 1;
    const { value, ...place } = known.get(of[at])!;
    const rank = value.shape.length;
    const [inner, outer] = at === 0 ? [rank - 1, rank - 2] : [rank - 2, rank - 1];
    const product = (other: Value) => apply("matmul", at === 0 ? [value, other] : [other, value]);
    if (place.axis === outer) return { ...place, value: product(of[1 - at]) };
    const axis = place.axis === inner ? (at === 0 ? rank - 2 : rank - 1) : 0;
    const result = product(taken(of[1 - at], { ...place, axis }, known));
    return place.axis === inner ? result : { ...place, value: result };
  },
  scatterAdd: ({ op, attrs }, [codes, x], known) => {
    const { value, ...place } = known.get(x)!;
    return place.axis === 1 ? { ...place, value: apply(op, [codes, value], attrs) } : undefined;
  },
  weightedScatter: ({ op, attrs }, [codes, weights, x], known) => {
    const parts = known.get(x);
    if (parts === undefined || parts.axis !== 1) return undefined;
    return { ...parts, value: apply(op, [codes, weights, parts.value], attrs) };
  },
};

/** The rule of ops of which each place of the result depends on the same place of every argument alone. */
const inPlace: Narrowing = (value, of, known) => {
  const { zeros, inPlace, along, kind } = ops[value.op];
  if (!inPlace) return undefined;
  const rank = value.shape.length;
  const deciding = zeros ?? (kind === "arithmetic" ? [of.map((_, at) => at)] : []); // 0 + 0 and 0 - 0 are 0
  for (const positions of deciding) {
    const first = known.get(of[positions[0]]) ?? known.get(of[positions[positions.length - 1]]);
    if (first === undefined) continue;
    const axis = first.axis + rank - first.value.shape.length;
    const place = { ...first, axis };
    const zero = (at: number) => isZero(of[at]) || samePlace(known.get(of[at]), place, rank);
    if (first.length !== value.shape[axis] || along(value).includes(axis) || !positions.every(zero)) continue;
    const parts = of.map((argument) => {
      const own = axis - rank + argument.shape.length;
      return own < 0 || argument.shape[own] === 1 ? argument : taken(argument, { ...place, axis: own }, known);
    });
    return { ...place, value: apply(value.op, parts, value.attrs) };
  }
  return undefined;
};

/** Returns true if parts lie in a place, whose axis is one of a result of some rank. */
function samePlace(parts: Parts | undefined, { axis, blocks, length }: Place, rank: number): boolean {
  return parts !== undefined && parts.axis + rank - parts.value.shape.length === axis && parts.length === length &&
    sameBlocks(parts.blocks, blocks);
}

function sameBlocks(a: readonly Block[], b: readonly Block[]): boolean {
  return a.length === b.length && a.every(({ start, size }, i) => start === b[i].start && size === b[i].size);
}

function isZero({ op, of, attrs }: Value): boolean {
  return op === "broadcast" ? isZero(of[0]) : op === "constant" && (attrs.data as number[]).every((x) => x === 0);
}

/** The sum of arrays that are 0 outside of parts; undefined if one is not, or if these lie along different axes. */
function joined(left: Value, right: Value | Parts, known: Known): Parts | undefined {
  const [a, b] = [known.get(left), "blocks" in right ? right : known.get(right)];
  if (a === undefined || b === undefined || a.axis !== b.axis || a.length !== b.length) return undefined;
  if (String(shapeOf(a)) !== String(shapeOf(b))) return undefined;
  const ends = [a, b].flatMap(({ blocks }) => blocks.flatMap(({ start, size }) => [start, start + size]));
  const cuts = [...new Set(ends)].sort((one, other) => one - other);
  const pieces: Value[] = [];
  const blocks: Block[] = [];
  for (let i = 0; i + 1 < cuts.length; i++) {
    const block = { start: cuts[i], size: cuts[i + 1] - cuts[i] };
    const found = [a, b].flatMap((parts) => within(parts, block) ?? []);
    if (found.length === 0) continue;
    pieces.push(found.length === 1 ? found[0] : add(found[0], found[1]));
    const last = blocks[blocks.length - 1];
    if (last !== undefined && last.start + last.size === block.start) {
      blocks[blocks.length - 1] = { start: last.start, size: last.size + block.size };
    } else {
      blocks.push(block);
    }
  }
  return { ...a, value: concat(pieces, a.axis), blocks };
}

/** The shape of the whole array. */
function shapeOf({ value, axis, length }: Parts): Shape {
  return withLength(value.shape, axis, length);
}

/** A block that lies within one of the parts; undefined if it does not. */
function within({ value, axis, blocks }: Parts, wanted: Block): Value | undefined {
  let before = 0;
  for (const { start, size } of blocks) {
    if (start <= wanted.start && wanted.start + wanted.size <= start + size) {
      return cut(value, { start: before + wanted.start - start, size: wanted.size }, axis);
    }
    before += size;
  }
  return undefined;
}

/** The places of an array where parts lie, side by side. */
function taken(value: Value, { axis, blocks }: Place, known: Known): Value {
  const parts = known.get(value);
  if (parts !== undefined && parts.axis === axis && sameBlocks(parts.blocks, blocks)) return parts.value;
  return concat(blocks.map((block) => cut(value, block, axis)), axis);
}

function cut(value: Value, { start, size }: Block, axis: number): Value {
  return size === value.shape[axis] ? value : slice(value, start, size, axis);
}

/** The whole array: the parts with zeros between them. */
function wholeOf({ value, axis, blocks, length }: Parts): Value {
  const [{ start, size }] = blocks;
  if (size === length) return value;
  if (blocks.length === 1) return pad(value, start, length - start - size, axis);
  const pieces: Value[] = [];
  let [at, before] = [0, 0];
  for (const block of [...blocks, { start: length, size: 0 }]) {
    if (block.start > at) pieces.push(broadcast(constant(0), withLength(value.shape, axis, block.start - at)));
    if (block.size > 0) pieces.push(cut(value, { start: before, size: block.size }, axis));
    at = block.start + block.size;
    before += block.size;
  }
  return concat(pieces, axis);
}

/** Parts in another shape, where one axis of that has their places; undefined if none has. */
function reshaped({ value, axis, blocks, length }: Parts, from: Shape, to: Shape): Parts | undefined {
  const inner = volume(from.slice(axis + 1));
  for (let at = 0; at < to.length; at++) {
    const own = volume(to.slice(at + 1));
    const ratio = inner.size / own.size; // the places along this axis for one along that
    const fits = to[at] !== "batch" && volume(to.slice(0, at)).text === volume(from.slice(0, axis)).text &&
      own.batches === inner.batches && to[at] === length * ratio;
    const scaled = blocks.map(({ start, size }) => ({ start: start * ratio, size: size * ratio }));
    if (!fits || !scaled.every(({ start, size }) => Number.isInteger(start) && Number.isInteger(size))) continue;
    const count = scaled.reduce((sum, { size }) => sum + size, 0);
    return { value: reshape(value, withLength(to, at, count)), axis: at, blocks: scaled, length: to[at] as number };
  }
  return undefined;
}

/** The number of places of some axes, batches apart. */
function volume(shape: Shape): { readonly size: number; readonly batches: number; readonly text: string } {
  const lengths = shape.filter((dim) => dim !== "batch");
  const size = lengths.reduce((product, length) => product * length, 1);
  const batches = shape.length - lengths.length;
  return { size, batches, text: `${size} ${batches}` };
}

function withLength(shape: Shape, axis: number, length: Dim): Shape {
  return shape.map((dim, at) => at === axis ? length : dim);
}
