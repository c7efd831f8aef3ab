import { assert, assertEquals } from "@std/assert";
import { filesUnder, importsOf } from "./sources.ts";

const sources: Readonly<Record<string, string>> = Object.fromEntries(
  filesUnder("lib").filter((path) => path.endsWith(".ts")).map((path) => [path, Deno.readTextFileSync(path)]),
);

/** The folders of the library from the ground up, as their one list has them. */
const floors = [...Deno.readTextFileSync("lib/README.md").matchAll(/^- `([\w/]+)`: (.+)$/gm)];

/** The files that a file imports, types included. */
const imported = (path: string): string[] =>
  importsOf(sources[path]).filter(({ from }) => from.startsWith(".")).map(({ from }) => {
    return new URL(from, `file:///${path}`).pathname.slice(1);
  });

const folderOf = (path: string): string => path.split("/").slice(1, -1).join("/");

Deno.test("lib/README.md lists every folder of lib once, with a sentence", () => {
  const folders = new Set(Object.keys(sources).map(folderOf).filter((folder) => folder !== ""));
  assertEquals(floors.map(([, folder]) => folder).sort(), [...folders].sort());
  for (const [, folder, sentence] of floors) assert(sentence.length > 20, folder);
});

Deno.test("every folder of lib imports only folders that its list has before it", () => {
  const floorOf = new Map(floors.map(([, folder], at) => [folder, at]));
  const wrong = Object.keys(sources).filter((path) => folderOf(path) !== "").flatMap((path) =>
    imported(path).flatMap((target) => {
      if (!(target in sources)) return `${path} imports ${target}, which is missing`;
      const [from, to] = [path, target].map((file) => floorOf.get(folderOf(file)) ?? Infinity);
      return to <= from ? [] : `${path} imports ${target}`;
    })
  );
  assertEquals(wrong, []);
});

Deno.test("no file of lib imports itself by way of others, types included", () => {
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    assert(!way.includes(path), `${[...way, path].join(" -> ")}`);
    if (done.has(path)) return;
    for (const target of imported(path)) visit(target, [...way, path]);
    done.add(path);
  };
  Object.keys(sources).forEach((path) => visit(path, []));
});
