import { sameShape, sizeOf } from "../../ops/shape.ts";
import type { Call } from "../board.ts";
import { functionsIn, type Heap } from "../heap.ts";
import {
  type Code,
  constant,
  type Definition,
  each,
  get,
  increase,
  load,
  repeat,
  set,
  spread,
  store,
} from "../wasm_code.ts";
import type { Computed, Loop, Place } from "./loop.ts";
import { merge, stretched, walker } from "./walk.ts";
import { isPointwise, isSingle, type Pointwise, vectorOf } from "./wasm_points.ts";

/** An op of a chain at its place. */
export interface Link {
  readonly op: Computed;
  readonly place: Place;
  /** The argument that is the result of the link before; undefined for the first link. */
  readonly joint?: number;
}

/** Chains of ops on each number of arrays: the result of a link is an argument of the next one, and of nothing else. */
export interface Chains {
  /** Returns true if one loop can compute all links, and is faster than a loop for each. */
  readonly fits: (links: readonly Link[]) => boolean;
  /** Returns the loop, whose arguments are those of all links in order, but for joints. */
  readonly loop: (links: readonly Link[]) => Loop;
}

/** The numbers from which on threads that share each link are faster than one thread that computes the chain. */
const mostAlone = 2 ** 17;
/** The least numbers of a call. */
const leastAtOnce = 64;
/** The most arrays that a chain reads: two of the numbers of each call, by name, are of each. */
const mostRead = 6;

/**
 * Chains by functions that are written for them: what comes between two links is never in memory. Each link is rounded by
 * itself, as where it is no part of a chain.
 *
 * @returns Undefined where WebAssembly has no SIMD.
 */
export function chainLoops({ crew, ...alone }: Heap): Chains | undefined {
  const known = new Map<string, Call>();
  const callOf = (form: Form): Call | undefined => {
    const key = JSON.stringify(form);
    const call = known.get(key) ?? functionsIn(alone, { chain: chainOf(form) })?.chain;
    if (call !== undefined) known.set(key, call);
    return call;
  };
  if (callOf({ steps: [{ op: "neg", of: [0] }], along: [1] }) === undefined) return undefined;
  return {
    fits: (links) => {
      const [{ place: { shape } }] = links;
      const size = sizeOf(shape);
      if (size < 4 || crew !== undefined && size >= mostAlone) return false;
      if (!links.every(({ op, place }) => isPointwise(op, place) && sameShape(place.shape, shape))) return false;
      const { rows, width, read } = layoutOf(links);
      return read.length <= mostRead && (size === width || width % 4 === 0 && rows * width >= leastAtOnce);
    },
    loop: (links) => {
      const { form, outer, rows, width, read } = layoutOf(links);
      const call = callOf(form)!;
      const walk = walker(outer, read.map(({ outer }) => outer));
      const given = new Array<number>(2 * mostRead).fill(0);
      return (out, of) => {
        const pass = (to: number, vectors: number, placeOf: (nth: number) => number) => {
          for (let nth = 0; nth < read.length; nth++) {
            given[2 * nth] = of[read[nth].argument].byteOffset + 4 * placeOf(nth);
            given[2 * nth + 1] = 4 * read[nth].back;
          }
          const [a, b, c, d, e, f, g, h, i, j, k, l] = given; // by name, which is faster; a function takes those it has
          call(out.byteOffset + 4 * to, rows, vectors >> 2, vectors & 3, a, b, c, d, e, f, g, h, i, j, k, l);
        };
        walk((at, count, places, next) => {
          for (let nth = 0; nth < count; nth++) {
            pass((at + nth) * rows * width, width >> 2, (array) => places[array] + nth * next[array]);
          }
        });
        if (width % 4 > 0) pass(width - 4, 1, (nth) => form.along[nth] * (width - 4)); // some once more
      };
    },
  };
}

/** The form of a chain, for which a function is written. */
interface Form {
  /** The ops, each with the arrays that its arguments are; -1 is the result of the step before. */
  readonly steps: readonly { readonly op: Pointwise; readonly of: readonly number[] }[];
  /** For each array, 1 if a row of it goes along with a row of the result, 0 if it is a single number. */
  readonly along: readonly number[];
}

/** An array that is read: its argument, its steps along the outer axes, and from the end of a row to the next one. */
interface Read {
  readonly argument: number;
  readonly outer: readonly number[];
  readonly back: number;
}

/** The way of a chain through arrays: so many rows of a width for each place of the outer axes. */
interface Layout {
  readonly form: Form;
  readonly outer: readonly number[];
  readonly rows: number;
  readonly width: number;
  readonly read: readonly Read[];
}

function layoutOf(links: readonly Link[]): Layout {
  const [{ place: { shape } }] = links;
  const from: (readonly number[])[] = [];
  const taken: number[] = [];
  let argument = 0;
  const steps = links.map(({ op, place: { of }, joint }) => ({
    op: op as Pointwise,
    of: of.flatMap((own, nth) => {
      if (nth === joint) return [-1];
      const given = argument++;
      if (nth > 0 && isSingle(op as Pointwise)) return []; // the zeros that numbers are compared with
      taken.push(given);
      return [from.push(stretched(own, shape)) - 1];
    }),
  }));
  const merged = merge(shape, from);
  const lengths = [1, 1, ...merged.lengths];
  const own = merged.steps.map((steps) => [0, 0, ...steps]);
  const [rows, width] = lengths.slice(-2);
  const along = own.map((steps) => steps[steps.length - 1]);
  const read = own.map((steps, nth): Read => ({
    argument: taken[nth],
    outer: steps.slice(0, -2),
    back: steps[steps.length - 2] - along[nth] * width,
  }));
  return { form: { steps, along }, outer: lengths.slice(0, -2), rows, width, read };
}

/**
 * The function of a chain. Parameters: where to; the rows, a row's vectors by 4, and what is left of them; for each array,
 * where it is, and the bytes from the end of a row to the next one.
 */
function chainOf({ steps, along }: Form): Definition {
  const [to, rows, wide, narrow, first] = [0, 1, 2, 3, 4];
  const parameters = first + 2 * along.length;
  const [left, at] = [parameters, (array: number) => first + 2 * array];
  const result = (v: number): Code =>
    steps.reduce((before: Code, { op, of }) => {
      const [a, b] = of.map((array): Code => {
        if (array < 0) return before;
        return [...get(at(array)), ...along[array] === 1 ? load(16 * v) : spread(0)];
      });
      return vectorOf[op](a, b);
    }, []);
  const part = (vectors: number): Code => [
    ...each(vectors, (v) => [...get(to), ...result(v), ...store(16 * v)]),
    ...increase(to, constant(16 * vectors)),
    ...along.flatMap((step, array) => step === 1 ? increase(at(array), constant(16 * vectors)) : []),
  ];
  const body = repeat(rows, [
    ...[...get(wide), ...set(left), ...repeat(left, part(4))],
    ...[...get(narrow), ...set(left), ...repeat(left, part(1))],
    ...along.flatMap((_, array) => increase(at(array), get(at(array) + 1))),
  ]);
  return { parameters, locals: [1, 0], body };
}
