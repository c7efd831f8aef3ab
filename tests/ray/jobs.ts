/**
 * Writes jobs and the parameters that `train` gives for them, for the Python program to be compared with:
 * `deno run tests/ray/jobs.ts FOLDER`.
 */
import { compile, train } from "../../mod.ts";
import { onnx } from "../../lib/onnx.ts";
import { encodeSafetensors } from "../../lib/formats/safetensors.ts";
import { writeJob } from "../../lib/ray/job.ts";
import { inGroups } from "../coded_rows.ts";
import { laws } from "../ray_laws.ts";

const [folder] = Deno.args;
const engine = await onnx({ threads: 1 });
for (const [name, [spec, data, options]] of Object.entries(laws)) {
  const given = { ...options, steps: 200, batch: 40 };
  const model = await compile(spec, { engine, seed: 5 });
  const losses = [];
  for await (const { loss } of train(model, inGroups(data, 50, 120), given)) losses.push(loss);
  const path = `${folder}/${name.replaceAll(/[^a-z]+/g, "-")}`;
  for (const lanes of [1, 4]) {
    const storage = `${path}/lanes-${lanes}`;
    await writeJob(spec, data, { ...given, seed: 5, lanes, groupRows: 50, window: 120 } as never, {
      job: `${storage}/job`,
      storage,
    });
  }
  await Deno.writeFile(`${path}/expected.safetensors`, encodeSafetensors(await model.parameters()));
  await Deno.writeTextFile(`${path}/expected.json`, JSON.stringify(losses));
  model.dispose();
}
