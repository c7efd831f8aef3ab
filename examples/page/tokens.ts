/** A piece of a table's code. */
export interface Token {
  /** A word, a number, a text in quotes, a mark such as `{`, a comment, white space, or what belongs to none of these. */
  readonly kind: "word" | "number" | "text" | "mark" | "comment" | "space" | "other";
  /** The piece as it is written. */
  readonly text: string;
  /** The place of its first character. */
  readonly at: number;
}

/** The most signs of a table's code: to look for the ends of texts that have none takes as long as their square. */
export const longest = 20_000;

const patterns: readonly (readonly [Token["kind"], RegExp])[] = [
  ["space", /\s+/y],
  ["comment", /\/\/[^\n]*|\/\*[\s\S]*?\*\//y],
  ["word", /[\p{ID_Start}$_][\p{ID_Continue}$]*/uy],
  ["number", /-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y],
  ["text", /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/y],
  ["mark", /[{}[\](),:;=]/y],
  ["other", /./suy],
];

/**
 * The pieces of a table's code, white space and comments among them: joined they are the code.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(tokensOf("topK(2)").map(({ kind }) => kind), ["word", "mark", "number", "mark"]);
 * ```
 */
export function tokensOf(code: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < code.length; at += tokens[tokens.length - 1].text.length) {
    for (const [kind, pattern] of patterns) {
      pattern.lastIndex = at;
      const found = pattern.exec(code);
      if (found === null) continue;
      tokens.push({ kind, text: found[0], at });
      break;
    }
  }
  return tokens;
}

/**
 * The place of a character, as errors name it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(placeIn("a\nbc", 3), "line 2, column 2");
 * ```
 */
export function placeIn(code: string, at: number): string {
  const lines = code.slice(0, at).split("\n");
  return `line ${lines.length}, column ${[...lines[lines.length - 1]].length + 1}`;
}
