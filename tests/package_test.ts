import { assert, assertEquals } from "@std/assert";
import { code, filesUnder, importsOf } from "./sources.ts";

interface Settings {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly imports: Readonly<Record<string, string>>;
  readonly workspace: readonly string[];
  readonly tasks: Readonly<Record<string, string | { readonly command: string; readonly description: string }>>;
  readonly publish: { readonly include: readonly string[]; readonly exclude: readonly string[] };
}

const settings: Settings = JSON.parse(Deno.readTextFileSync("deno.json"));
const sources: Readonly<Record<string, string>> = Object.fromEntries(
  filesUnder("lib").filter((path) => path.endsWith(".ts")).map((path) => [path, Deno.readTextFileSync(path)]),
);

/** The packages that each folder or file may import; nothing else imports any. */
const packages: Readonly<Record<string, readonly string[]>> = {
  "lib/engines/tfjs/": ["@tensorflow/tfjs", "@tensorflow/tfjs-backend-wasm"],
  "lib/engines/onnx/binding": ["npm:onnxruntime-node@1.30.0/dist/binding.js"],
  "lib/engines/onnx/library": ["npm:onnxruntime-node@1.30.0/dist/binding.js"],
  "lib/data/csv": ["@std/csv"],
  "lib/data/gzip": ["pako"],
  "lib/data/parquet/": ["hyparquet", "hyparquet-compressors"],
  "lib/data/parquet/pages": ["column", "encoding", "plain"].map((name) => `npm:hyparquet@1.33.0/src/${name}.js`),
  "lib/files/s3": ["aws4fetch"],
  "lib/ray/coded_file": ["hyparquet-writer"],
  // The types alone of what a runtime is asked for.
  "lib/files/builtin": [
    "node:crypto",
    "node:fs/promises",
    "node:os",
    "node:process",
    "node:worker_threads",
    "node:zlib",
  ],
  "lib/files/node_system": ["node:fs", "node:fs/promises"],
  "lib/report/": ["d3-scale", "d3-shape", "@types/d3-scale", "@types/d3-shape"],
};

Deno.test("mod.ts does not lead to the native engine, nor to Parquet, S3 or Ray", () => {
  const reached = new Set<string>(["mod.ts"]);
  for (const path of reached) {
    for (const { from } of importsOf(sources[path] ?? Deno.readTextFileSync(path))) {
      if (from.startsWith(".")) reached.add(new URL(from, `file:///${path}`).pathname.slice(1));
    }
  }
  assert(reached.has("lib/engines/tfjs/tfjs.ts"));
  assertEquals([...reached].filter((path) => /onnx|parquet|s3|lib\/ray/.test(path)), []);
});

Deno.test("lib imports packages only where the design allows them", () => {
  const wrong = Object.entries(sources).flatMap(([path, source]) => {
    const allowed = Object.entries(packages).flatMap(([start, names]) => path.startsWith(start) ? names : []);
    return importsOf(source).map(({ from }) => from).filter((from) => !from.startsWith(".") && !allowed.includes(from))
      .map((from) => `${path} imports ${from}`);
  });
  assertEquals(wrong, []);
});

Deno.test("lib has no default export, any, printing or absolute path", () => {
  const banned: readonly RegExp[] = [
    /\bexport default\b/,
    /(?::|<|\bas|\|)\s*any\b/,
    /\bno-explicit-any\b/,
    /\bconsole\.(?!error\b)/,
    /\b(?:globalThis|window)\.\w+ =/,
    /(?<![\w.<])["'`]\/(?:home|root|usr|tmp|var|etc|work|Users)\b/,
    /["'`][A-Z]:\\/,
    /--allow-all|(?<![\w-])-A\b/,
  ];
  const wrong = Object.entries(sources).flatMap(([path, source]) =>
    banned.map((pattern) => pattern.exec(code(source))?.[0] ?? pattern.exec(directives(source))?.[0])
      .flatMap((found) => found === undefined ? [] : `${path} has ${found}`)
  );
  assertEquals(wrong, []);
});

Deno.test("lib takes nothing that Node.js 20.16 lacks", () => {
  const newer: readonly RegExp[] = [
    /\b(?:Map|Object)\.groupBy\b/,
    /\bArray\.fromAsync\b/,
    /\bPromise\.(?:withResolvers|try)\b/,
    /\.(?:union|intersection|difference|symmetricDifference|isSubsetOf|isSupersetOf|isDisjointFrom)\(/,
    /\.(?:(?:keys|values|entries)\(\)|matchAll\([^()]*\))\s*\.(?:map|filter|take|drop|flatMap|reduce|toArray|some|find)\(/,
    /\bIterator\.(?:from|prototype)\b/,
    /\b(?:RegExp\.escape|Error\.isError|Math\.(?:f16round|sumPrecise)|Float16Array)\b/,
    /\b(?:to|from|setFrom)(?:Hex|Base64)\(/,
    /\busing \w+ =/,
  ];
  const found = (source: string) => newer.flatMap((pattern) => pattern.exec(code(source))?.[0] ?? []);
  assertEquals(found("[...Map.groupBy(a, b)]; map.values().map(f); using file = open();").length, 3);
  assertEquals(
    Object.entries(sources).flatMap(([path, source]) => found(source).map((what) => `${path}: ${what}`)),
    [],
  );
});

Deno.test("no function of lib is longer than 60 lines", () => {
  const wrong = Object.entries(sources).flatMap(([path, source]) => {
    const lines = source.split("\n");
    return lines.flatMap((line, start) => {
      if (!/^(?:export )?(?:async )?function\b/.test(line)) return [];
      const length = lines.indexOf("}", start) - start + 1;
      return length > 60 ? [`${path}:${start + 1} has ${length} lines`] : [];
    });
  });
  assertEquals(wrong, []);
});

Deno.test("the doors of the package have export lines alone, and a module's documentation", () => {
  for (const path of Object.values(settings.exports)) {
    const source = Deno.readTextFileSync(path);
    const statements = code(source).split(";").map((statement) => statement.trim());
    const wrong = statements.filter((statement) =>
      statement !== "" && !/^export (?:type )?(?:\{[^{}]*\}|\*) from "\.\/[\w/]+\.ts"$/.test(statement)
    );
    assertEquals(wrong, [], path);
    assert(/^\/\*\*[^]*? \* @module\n \*\//.test(source), path);
  }
});

Deno.test("deno.json exports files that exist and are published", () => {
  for (const path of Object.values(settings.exports)) {
    const name = path.replace(/^\.\//, "");
    assert(Deno.statSync(name).isFile, path);
    assert(settings.publish.include.some((start) => name === start || name.startsWith(`${start}/`)), path);
  }
});

Deno.test("a server says the version of the package", () => {
  assert(sources["lib/serve/routes.ts"].includes(`version: "${settings.version}"`));
});

Deno.test("deno.json publishes the library and what describes it, and no more", () => {
  assertEquals(settings.publish.include.toSorted(), ["LICENSE", "README.md", "deno.json", "lib", "mod.ts"]);
  assertEquals(settings.publish.exclude, ["lib/ray/**/*.py"]); // its text is in lib/ray/program.ts
  const others = filesUnder("lib").filter((path) => !/\.ts$|\/README\.md$/.test(path));
  assertEquals(others.filter((path) => !/^lib\/ray\/.*\.py$/.test(path)), []);
});

Deno.test("deno.json gives each task the permissions that it needs, by name", () => {
  const needless = /(?:^|\s)-[a-zA-Z]*[A-Z]|--allow-(?:all|net|run|sys|write|env|import)(?![\w=-])/;
  for (const [name, task] of Object.entries(settings.tasks)) {
    const command = typeof task === "string" ? task : task.command;
    assertEquals(needless.exec(command)?.[0], undefined, `task ${name}`);
    // The native library lies in Deno's cache, at a place that differs from machine to machine.
    const native = command.split("&&").filter((part) => part.includes("--allow-ffi"));
    const loads =
      / (?:tests|tests\/bench\/bench\.ts|examples\/(?:kuairand|paper)\.ts|examples\/serve\.ts --engine onnx) ?$/;
    assert(native.every((part) => loads.test(part)), `task ${name} loads native libraries`);
    assert(!/(?:^|&&|\|)\s*(?:deno eval|npx|npm|node|sh|bash)\b/.test(command), `task ${name} runs more than deno`);
  }
});

Deno.test("deno.json takes the real std packages, for which the stand-ins stand in", () => {
  for (const member of settings.workspace) {
    const { name, version, publish } = JSON.parse(Deno.readTextFileSync(`${member}/deno.json`));
    assertEquals(settings.imports[name], `jsr:${name}@^${version}`);
    assertEquals(publish, false, name);
  }
  const lock = JSON.parse(Deno.readTextFileSync("deno.lock"));
  const locked = Object.keys(lock.specifiers);
  const wanted = Object.values(settings.imports).filter((specifier) => specifier.startsWith("npm:"));
  assertEquals(wanted.filter((specifier) => !locked.includes(specifier)), []);
});

Deno.test("deno.json fixes the version of every npm package", () => {
  const loose = Object.values(settings.imports).filter((specifier) =>
    !/^(?:jsr:|npm:.+@\d+\.\d+\.\d+$)/.test(specifier)
  );
  assertEquals(loose, []);
});

/** The comments that are directives to tools. */
function directives(source: string): string {
  return (source.match(/^\s*\/\/ (?:deno|@ts)-.*$/gm) ?? []).join("\n");
}
