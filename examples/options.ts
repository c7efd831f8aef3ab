import { parseArgs } from "node:util";
import { nearest } from "../lib/errors/nearest.ts";

/** An option of a command: its kind, its help, and its limits. */
export type Option =
  | { kind: "flag"; help: string }
  | { kind: "number"; help: string; default?: number; from?: number; to?: number; whole?: boolean }
  | { kind: "choice"; help: string; of: readonly string[]; default?: string; bare?: true }
  | { kind: "choices"; help: string; of: readonly string[]; default?: readonly string[] }
  | { kind: "path"; help: string; default?: string; word?: string };

/** Options by name; `learningRate` is written `--learning-rate`, the value of a bare one without its name. */
export type Options = Readonly<Record<string, Readonly<Option>>>;

/** The value that an option has in the end: undefined only where it is neither given nor has a default. */
export type ValueOf<O extends Option> = O extends { kind: "flag" } ? boolean
  : (
    | (O extends { kind: "number" } ? number : never)
    | (O extends { kind: "path" } ? string : never)
    | (O extends { kind: "choice"; of: readonly (infer Name)[] } ? Name : never)
    | (O extends { kind: "choices"; of: readonly (infer Name)[] } ? readonly Name[] : never)
    | (O extends { default: unknown } ? never : undefined)
  );

/** The values of a table of options. */
export type ValuesOf<O extends Options> = { readonly [Name in keyof O]: ValueOf<O[Name]> };

/** Thrown for a command line that cannot be understood. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** Reads the words of a command line as the values of a table of options. */
export function readOptions(name: string, options: Options, args: readonly string[]): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(options)) {
    values[key] = option.kind === "flag" ? false : option.default;
  }
  const named = Object.keys(options).filter((key) => !isBare(options[key]));
  const keys = new Map(named.map((key) => [flagOf(key), key]));
  for (const token of tokensOf(options, args)) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") {
      const [key, option] = Object.entries(options).find(([key, option]) =>
        isBare(option) && values[key] === undefined
      ) ?? [];
      if (key === undefined) throw wrong(name, `nothing is to be done with ${JSON.stringify(token.value)}`);
      values[key] = readValue(name, key, option!, token.value);
      continue;
    }
    const key = keys.get(token.rawName === "-h" ? "--help" : token.rawName);
    if (key === undefined) throw wrong(name, unknownOption(token.rawName, [...keys.keys()]));
    values[key] = readValue(name, token.rawName, options[key], token.value);
  }
  return values;
}

/** The text that `--help` shows. */
export function helpText(name: string, description: string, options: Options, example: string): string {
  const heads = Object.entries(options).map(([key, option]) =>
    isBare(option) ? `<${key}>` : `${flagOf(key)}${wordOf(option)}`
  );
  const width = Math.max(...heads.map((head) => head.length));
  const lines = Object.values(options).map((option, i) =>
    `  ${heads[i].padEnd(width)}  ${option.help}${noteOf(option)}`
  );
  const usage = `deno task ${name}`;
  const end = example === "" ? [] : ["", "Example:", `  ${usage} ${example}`];
  const bare = Object.keys(options).filter((key) => isBare(options[key])).map((key) => ` <${key}>`).join("");
  return [description, "", `Usage: ${usage}${bare} [options]`, "", "Options:", ...lines, ...end, ""].join("\n");
}

/** The words of a command line, as the platform's own parser splits them. */
function tokensOf(options: Options, args: readonly string[]) {
  const types = Object.entries(options).map(([key, option]) => {
    const type = option.kind === "flag" ? "boolean" as const : "string" as const;
    return [flagOf(key).slice(2), { type }];
  });
  return parseArgs({ args: [...args], options: Object.fromEntries(types), strict: false, tokens: true }).tokens;
}

/** The value of an option from its word. */
function readValue(name: string, flag: string, option: Option, word: string | undefined): unknown {
  if (option.kind === "flag") {
    if (word !== undefined) throw wrong(name, `${flag} takes no value, found ${JSON.stringify(word)}`);
    return true;
  }
  if (word === undefined || word === "" || word.startsWith("--")) throw wrong(name, `${flag} needs a value`);
  switch (option.kind) {
    case "path":
      return word;
    case "number":
      return readNumber(name, flag, option, word);
    case "choice":
      return readChoice(name, flag, option.of, word);
    case "choices":
      return [...new Set(word.split(",").map((part) => readChoice(name, flag, option.of, part)))];
  }
}

/** A number of an option's range. */
function readNumber(name: string, flag: string, option: Option & { kind: "number" }, word: string): number {
  const { from = -Infinity, to = Infinity, whole = false } = option;
  const value = word.trim() === "" ? NaN : Number(word);
  if (!Number.isFinite(value) || value < from || value > to || (whole && !Number.isSafeInteger(value))) {
    const range = rangeOf(option).replace(/^at/, "of at").replace(/^(?=.* to )/, "from ");
    const wanted = `a ${whole ? "whole " : ""}number ${range}`.trimEnd();
    throw wrong(name, `${flag} is ${JSON.stringify(word)}, wanted ${wanted}`);
  }
  return value;
}

/** One of an option's names. */
function readChoice(name: string, flag: string, of: readonly string[], word: string): string {
  if (of.includes(word)) return word;
  const near = nearest(word, of);
  const wanted = near === undefined ? `wanted ${listOf(of)}` : `did you mean ${JSON.stringify(near)}?`;
  throw wrong(name, `${flag} is ${JSON.stringify(word)}: ${wanted}`);
}

/** The words on an option that does not exist. */
function unknownOption(flag: string, flags: readonly string[]): string {
  const near = nearest(flag.replace(/^-*/, "--"), flags);
  return `no option is named ${flag}${near === undefined ? "" : `: did you mean ${near}?`}`;
}

/** Returns true if an option is a word without a flag. */
function isBare(option: Option): boolean {
  return option.kind === "choice" && option.bare === true;
}

function wrong(name: string, message: string): UsageError {
  return new UsageError(`Cannot run ${name}: ${message}`);
}

/** `learningRate` to `--learning-rate` */
function flagOf(key: string): string {
  return "--" + key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The word for an option's value in the help text. */
function wordOf(option: Option): string {
  const words = { flag: "", number: " <number>", choice: " <name>", choices: " <names>", path: " <path>" };
  return option.kind === "path" && option.word !== undefined ? ` <${option.word}>` : words[option.kind];
}

/** The end of an option's help: its range or names, and its default. */
function noteOf(option: Option): string {
  if (option.kind === "flag") return "";
  const notes: string[] = [];
  if (option.kind === "number" && rangeOf(option) !== "") notes.push(rangeOf(option));
  if (option.kind === "choice") notes.push(listOf(option.of));
  if (option.kind === "choices") notes.push(`any of ${option.of.join(",")}`);
  if (option.default !== undefined) notes.push(`default ${option.default}`);
  return notes.length === 0 ? "" : ` (${notes.join("; ")})`;
}

/** `at least 1`, `at most 9`, `1 to 9` */
function rangeOf({ from, to }: Option & { kind: "number" }): string {
  if (from !== undefined && to !== undefined) return `${from} to ${to}`;
  if (from !== undefined) return `at least ${from}`;
  return to === undefined ? "" : `at most ${to}`;
}

/** `a, b or c` */
function listOf(words: readonly string[]): string {
  return words.length === 1 ? words[0] : `${words.slice(0, -1).join(", ")} or ${words[words.length - 1]}`;
}
