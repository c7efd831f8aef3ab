import { draw } from "../lib/data/draw.ts";
import { decodeSafetensors } from "../lib/formats/safetensors.ts";
import type { FileTensor, JobTable } from "../lib/ray/form.ts";

/** Returns the vectors with which a table of a job begins. */
export async function firstVectorsIn(folder: string, { first, rows, units }: JobTable): Promise<Float32Array> {
  const tensorIn = async ({ file, tensor }: FileTensor) =>
    decodeSafetensors(await Deno.readFile(`${folder}/${file}`)).tensors[tensor].data;
  const data = new Float32Array(rows * units);
  if ("constant" in first) return data.fill(first.constant);
  if ("file" in first) return Float32Array.from(await tensorIn(first));
  const { drawn, zeros } = first;
  const words = new Int32Array(1024);
  if ("key" in drawn) draw({ data, from: 0, to: data.length }, drawn.key, drawn, words);
  else {
    const keys = await tensorIn(drawn.keys);
    for (let row = 0; row < rows; row++) {
      draw({ data, from: row * units, to: (row + 1) * units }, [keys[2 * row], keys[2 * row + 1]], drawn, words);
    }
  }
  for (const row of zeros) data.fill(0, row * units, (row + 1) * units);
  return data;
}
