// Writes lib/ray/program.ts, which holds the Python program in lib/ray as text: run `deno fmt` after it.
const names = ["program.py"];
for await (const { name } of Deno.readDir("lib/ray/gatehouse_job")) {
  if (name.endsWith(".py")) names.push(`gatehouse_job/${name}`);
}
const files = names.sort().map((name) => {
  const text = Deno.readTextFileSync(`lib/ray/${name}`);
  return `  "${name}": \`${text.replaceAll("\\", "\\\\").replaceAll("`", "\\`").replaceAll("${", "\\${")}\`,\n`;
});
Deno.writeTextFileSync(
  "lib/ray/program.ts",
  `/**
 * The Python program that a cluster runs: its files, by their paths in the package of a job. This file is written by
 * \`deno run --allow-read --allow-write=lib/ray tools/ray_program.ts\` from those that are tested.
 */
export const programFiles: Readonly<Record<string, string>> = {
${files.join("")}};
`,
);
