import * as gatehouse from "@gatehouse/gatehouse";
import { advice } from "../../lib/errors/nearest.ts";
import { longest, placeIn, type Token, tokensOf } from "./tokens.ts";

/** The functions that a table may call and name, as they are in the library. */
const known: ReadonlyMap<string, unknown> = new Map(Object.entries({
  ...pick("define", "level", "bank", "mix"),
  ...pick("binary", "regression", "huber", "quantile", "focal"),
  ...pick("dense", "pipe", "mlp", "residual", "dropout", "layerNorm", "crossNet", "fm", "squeezeExcite", "embed"),
  ...pick("relu", "leakyRelu", "gelu", "swish", "tanh", "sigmoid", "softplus"),
  ...pick("softmax", "topK", "dselectK", "temperature", "gateDropout", "fixed", "after", "hardConcrete"),
  ...pick("entropy", "zLoss", "loadBalance", "smoothLoad", "importance"),
  ...pick("singleTask", "sharedBottom", "omoe", "mmoe", "cgc", "ple", "adatt", "multiLevelMmoe", "crossStitch", "snr"),
  ...pick("l2Constrained"),
}));

/** Words that stand for themselves. */
const constants: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["true", true],
  ["false", false],
  ["null", null],
  ["undefined", undefined],
]);

/** The deepest that brackets may stand in one another. */
const deepest = 100;

/** The most parts of what a call is given: constants that double would take all memory in a few lines. */
const mostParts = 50_000;

/**
 * The model that a table's code describes: constants, then a table or a call that returns one, in the part of
 * TypeScript that has numbers, texts, lists, records and calls of the library's functions. Nothing is evaluated by the browser.
 *
 * @throws {SyntaxError} with line and column, if the code cannot be read.
 * @throws {TypeError | RangeError} as `define` and the functions that it calls.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const spec = modelOf("mmoe({ input: 4, expert: dense(3), gate: topK(2), tasks: { click: binary() } })");
 * assertEquals(spec.levels[0].experts.shared.count, 8);
 * ```
 */
export function modelOf(code: string): gatehouse.Spec {
  const value = read(code);
  return isSpec(value) ? gatehouse.check(value) : gatehouse.define(value as gatehouse.Table<string>);
}

/** A place in the tokens that moves on. */
interface Cursor {
  readonly code: string;
  readonly tokens: readonly Token[];
  /** The values by name: those of the library, and those that the code names. */
  readonly names: Map<string, unknown>;
  /** The parts of what calls returned: those of what they were given, which functions do not show. */
  readonly parts: WeakMap<object, number>;
  at: number;
  depth: number;
}

/** The value of the code's last expression. */
function read(code: string): unknown {
  if (code.length > longest) {
    const [found, most] = [code.length, longest].map((length) => length.toLocaleString("en"));
    throw new SyntaxError(`Cannot read table: it has ${found} signs, wanted at most ${most}`);
  }
  const tokens = tokensOf(code).filter(({ kind }) => kind !== "space" && kind !== "comment");
  const cursor: Cursor = {
    code,
    tokens,
    names: new Map([...known, ...constants]),
    parts: new WeakMap(),
    at: 0,
    depth: 0,
  };
  while (isNext(cursor, "const")) {
    cursor.at++;
    const name = word(cursor, "the name of a constant");
    take(cursor, "=");
    cursor.names.set(name, expression(cursor));
    if (isNext(cursor, ";")) cursor.at++;
  }
  if (cursor.at === cursor.tokens.length) throw wrong(cursor, "a table, such as mmoe({ ... })");
  const start = cursor.at;
  const value = expression(cursor);
  if (isNext(cursor, ";")) cursor.at++;
  if (cursor.at < cursor.tokens.length) throw wrong(cursor, "the end");
  checkedParts(cursor, cursor.tokens[start], value);
  return value;
}

function expression(cursor: Cursor): unknown {
  if (++cursor.depth > deepest) throw wrong(cursor, `at most ${deepest} brackets in one another`);
  try {
    const token = cursor.tokens[cursor.at];
    switch (token?.kind) {
      case "number":
        cursor.at++;
        return Number(token.text);
      case "text":
        cursor.at++;
        return textOf(token.text);
      case "word":
        return named(cursor);
      case "mark":
        if (token.text === "[") return listed(cursor, "[", "]", () => expression(cursor));
        if (token.text === "{") return Object.fromEntries(listed(cursor, "{", "}", () => entry(cursor)));
    }
    throw wrong(cursor, "a value");
  } finally {
    cursor.depth--;
  }
}

/** A name, or the call of a function of the library. */
function named(cursor: Cursor): unknown {
  const token = cursor.tokens[cursor.at];
  const { text } = token;
  const isKnown = cursor.names.has(text);
  const isCall = cursor.tokens[cursor.at + 1]?.text === "(";
  if (!isKnown) {
    const what = isCall ? "function" : "value";
    throw unreadable(cursor, token, `no ${what} is named "${text}"${advice(text, cursor.names.keys())}`);
  }
  const value = cursor.names.get(text);
  cursor.at++;
  if (!isCall) return value;
  if (!known.has(text)) throw unreadable(cursor, token, `"${text}" cannot be called here`);
  const values = listed(cursor, "(", ")", () => expression(cursor));
  if (typeof value !== "function") throw unreadable(cursor, token, `"${text}" cannot be called`);
  const parts = checkedParts(cursor, token, values);
  const result: unknown = value(...values);
  if (typeof result === "function" || typeof result === "object" && result !== null) cursor.parts.set(result, parts);
  return result;
}

/** Returns the number of parts of a value; throws if a page cannot hold as many. */
function checkedParts(cursor: Cursor, token: Token | undefined, value: unknown): number {
  const parts = partsOf(value, cursor.parts);
  if (parts <= mostParts) return parts;
  const most = mostParts.toLocaleString("en");
  throw unreadable(cursor, token, `a model of more than ${most} parts is described, wanted a smaller one`);
}

/** Returns the number of values in a value, counted no further than one above the most. */
function partsOf(value: unknown, counted: Cursor["parts"]): number {
  if (typeof value !== "object" && typeof value !== "function" || value === null) return 1;
  let parts = counted.get(value) ?? 1;
  if (parts > 1 || typeof value === "function") return parts;
  for (const part of Object.values(value)) {
    parts += partsOf(part, counted);
    if (parts > mostParts) break;
  }
  return parts;
}

/** `name: value`, or a name that is the value's too. */
function entry(cursor: Cursor): readonly [string, unknown] {
  const token = cursor.tokens[cursor.at];
  const isWhole = [",", "}"].includes(cursor.tokens[cursor.at + 1]?.text ?? "");
  if (token?.kind === "word" && isWhole) return [token.text, named(cursor)];
  const isKey = token?.kind === "word" || token?.kind === "text" || token?.kind === "number";
  if (!isKey) throw wrong(cursor, "the name of an entry");
  cursor.at++;
  take(cursor, ":");
  return [token.kind === "text" ? textOf(token.text) : token.text, expression(cursor)];
}

/** The items between two brackets, with commas; one may follow the last. */
function listed<T>(cursor: Cursor, open: string, close: string, item: () => T): T[] {
  take(cursor, open);
  const items: T[] = [];
  while (!isNext(cursor, close)) {
    items.push(item());
    if (isNext(cursor, close)) break;
    if (!isNext(cursor, ",")) throw wrong(cursor, `"," or "${close}"`);
    cursor.at++;
  }
  cursor.at++;
  return items;
}

function isNext({ tokens, at }: Cursor, text: string): boolean {
  return tokens[at]?.text === text;
}

function take(cursor: Cursor, mark: string): void {
  if (!isNext(cursor, mark)) throw wrong(cursor, `"${mark}"`);
  cursor.at++;
}

function word(cursor: Cursor, wanted: string): string {
  const token = cursor.tokens[cursor.at];
  if (token?.kind !== "word") throw wrong(cursor, wanted);
  cursor.at++;
  return token.text;
}

/** The text that a piece in quotes stands for. */
function textOf(quoted: string): string {
  const letters: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };
  return quoted.slice(1, -1).replace(/\\(.)/gs, (_, letter: string) => letters[letter] ?? letter);
}

function wrong(cursor: Cursor, wanted: string): SyntaxError {
  const token = cursor.tokens[cursor.at];
  const found = token === undefined ? "the end" : token.text.length > 40 ? "much else" : JSON.stringify(token.text);
  return unreadable(cursor, token, `found ${found}, wanted ${wanted}`);
}

function unreadable({ code }: Cursor, token: Token | undefined, message: string): SyntaxError {
  return new SyntaxError(`Cannot read table\n  at ${placeIn(code, token?.at ?? code.length)}: ${message}`);
}

/** Returns true if a value is what `define` returns, or looks like it. */
function isSpec(value: unknown): value is gatehouse.Spec {
  return typeof value === "object" && value !== null && "gatehouse" in value;
}

/** Functions of the library by name. */
function pick<const Name extends keyof typeof gatehouse>(...names: readonly Name[]): Pick<typeof gatehouse, Name> {
  return Object.fromEntries(names.map((name) => [name, gatehouse[name]])) as Pick<typeof gatehouse, Name>;
}
