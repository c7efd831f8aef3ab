/**
 * Reads what `deno publish --dry-run --log-level=debug` prints; shows the files of the package, and where the imports
 * of each lead for those who use it. Fails if the dry run did, if a file does not belong to the package, or if an
 * import leads to a stand-in.
 */
const log = await new Response(Deno.stdin.readable).text();
const root = new URL("..", import.meta.url).href;
// deno-lint-ignore no-control-regex
const lines = log.replaceAll(/\x1b\[[\d;]*m/g, "").replaceAll(root, "").split("\n");

const files = lines.flatMap((line) => /^\s+(?:file:\/\/)?(\S+) \([\d.]+ ?[KMG]?B\)$/.exec(line)?.[1] ?? []);
const rewritten = lines.flatMap((line) => /Unfurled specifier: (\S+ from \S+ -> \S+)/.exec(line)?.[1] ?? []);
const imports = [...new Set(rewritten)].map((line) => line.split(/ from | -> /)).filter(([name]) => !/^\./.test(name));

const wrong = [
  ...files.filter((file) => !/^(mod\.ts|README\.md|LICENSE|deno\.json|lib\/.*)$/.test(file)),
  ...imports.filter(([, , target]) => !/^(jsr:@std\/|npm:)/.test(target) || /deno-std/.test(target)).map(String),
];
if (!log.includes("Dry run complete") || files.length === 0) {
  console.error(lines.filter((line) => !/^(DEBUG|TRACE|INFO) RS/.test(line)).join("\n"));
  Deno.exit(1);
}
console.log(["Files of the package", ...files].join("\n  "));
console.log(["Imports of its users", ...imports.map(([name, file, to]) => `${file}: ${name} -> ${to}`)].join("\n  "));
if (wrong.length > 0) {
  console.error(["Cannot publish this", ...wrong].join("\n  "));
  Deno.exit(1);
}
