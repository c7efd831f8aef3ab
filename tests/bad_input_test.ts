import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { functions } from "./bad/functions.ts";
import { runs } from "./bad/runs.ts";
import { specs } from "./bad/specs.ts";
import { tables } from "./bad/tables.ts";

for (const [name, cases] of Object.entries({ functions, tables, specs, runs })) {
  Deno.test(`bad ${name} are refused with their place and advice`, async () => {
    for (const [text, [does, error, ...says]] of Object.entries(cases)) {
      const thrown = await assertRejects(async () => await does(), Error, undefined, text);
      assertEquals(thrown.constructor, error, `${text}: ${thrown}`);
      for (const part of says) assertStringIncludes(thrown.message, part, `${text}: ${thrown.message}`);
      assert(thrown.message.startsWith("Cannot "), `${text}: ${thrown.message}`);
      assert(!/undefined|\[object |\.$|Cannot (read propert|destructure|convert)/.test(thrown.message), thrown.message);
      assert(thrown.message.length < 1000, `${text}: ${thrown.message.length} characters`);
    }
  });
}
