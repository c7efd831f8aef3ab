import { assertEquals } from "@std/assert";
import { filesUnder } from "./sources.ts";

/** Words and phrases that plain English replaces, each as it would be found in a text. */
const banned: readonly RegExp[] = [
  /\btell(?:s|ing)?\b/i, // reports, lists, shows, distinguishes
  /\btold\b/i, // reported, listed, shown
  /\bfor what (?:is|are) (?:no|not)\b/i, // if an input is not a list
  /\bwhat (?:is|are) no\b/i, // rows that do not come from rows()
  /\bif it is none\b/i, // if it is missing
  /\bone's own\b/i, // your own
];

/** The texts that a reader meets: the library, the examples, and the pages of both. */
const files: readonly string[] = ["mod.ts", "README.md", ...filesUnder("lib"), ...filesUnder("examples")];

Deno.test("the library, its examples and pages are in plain English", () => {
  const found = files.filter((path) => /\.(?:ts|md)$/.test(path)).flatMap((path) => {
    return Deno.readTextFileSync(path).split("\n").flatMap((line, at) => {
      const words = banned.flatMap((pattern) => pattern.exec(line)?.[0] ?? []);
      return words.map((word) => `${path}:${at + 1}: ${word}`);
    });
  });
  assertEquals(found, []);
});

Deno.test("first sentences of docs state: none of them asks what, whether or how", () => {
  const asking = /^[ \t]*\/\*\*(?:\s|\*)+(?:What|Whether|How|Where|Why|When|Which|Who|Returns (?:whether|how))\b/gm;
  const found = files.filter((path) => path.endsWith(".ts")).flatMap((path) => {
    const text = Deno.readTextFileSync(path);
    return [...text.matchAll(asking)].map(({ index }) => `${path}:${text.slice(0, index).split("\n").length}`);
  });
  assertEquals(found, []);
});

Deno.test("the doors of the package title the examples of their module docs", () => {
  const { exports }: { readonly exports: Readonly<Record<string, string>> } = JSON.parse(
    Deno.readTextFileSync("deno.json"),
  );
  const untitled = Object.values(exports).filter((path) => {
    const [doc] = /^\/\*\*[\s\S]*?\*\//.exec(Deno.readTextFileSync(path)) ?? [""];
    const titles = [...doc.matchAll(/@example(.*)/g)].map(([, title]) => title.trim());
    return !doc.includes("@module") || titles.length === 0 || titles.includes("");
  });
  assertEquals(untitled, []);
});
