import { assertEquals } from "@std/assert";
import { programFiles } from "../lib/ray/program.ts";

Deno.test("programFiles are the Python files that are tested", async () => {
  const names = ["program.py"];
  for await (const { name } of Deno.readDir("lib/ray/gatehouse_job")) {
    if (name.endsWith(".py")) names.push(`gatehouse_job/${name}`);
  }
  assertEquals(Object.keys(programFiles).sort(), names.sort(), "run tools/ray_program.ts");
  for (const [name, text] of Object.entries(programFiles)) {
    assertEquals(text, await Deno.readTextFile(`lib/ray/${name}`), `${name}: run tools/ray_program.ts`);
  }
});
