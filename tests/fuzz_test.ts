import { assert, assertEquals } from "@std/assert";
import { reference } from "../mod.ts";
import { kindsOfData } from "./fuzz/kinds.ts";
import { fuzz } from "./fuzz/run.ts";

Deno.test("random files, tables and rows give a result or an error of the library that names the place", async () => {
  const faults: string[] = [];
  const options = { seed: "test", from: 0, cases: 1500, engine: reference() };
  const { byKind } = await fuzz(await kindsOfData(), options, (_, fault) => {
    if (fault !== undefined) faults.push(`${fault.kind} ${fault.at}: ${fault.error}`);
    return true;
  });
  assertEquals(faults, []);
  for (const [kind, { valid, refused }] of Object.entries(byKind)) {
    assert(valid > 0 && refused > 0, `${kind}: ${valid} valid, ${refused} refused`);
  }
});

Deno.test("a case of the same seed and number has the same input, whatever runs before", async () => {
  const { csv } = await kindsOfData();
  const engine = reference();
  const ends = async (from: number, cases: number) => {
    const found: string[] = [];
    const kinds = {
      csv: {
        share: 1,
        run: (...given: Parameters<typeof csv.run>) => {
          found.push(`${given[0].bits()}`);
          return csv.run(...given);
        },
      },
    };
    await fuzz(kinds, { seed: 1, from, cases, engine }, () => true);
    return found;
  };
  const all = await ends(0, 8);
  assertEquals(await ends(5, 1), [all[5]]);
});
