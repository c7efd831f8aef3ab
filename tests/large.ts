/**
 * Trains on generated CSV that is small, many times, and on CSV that is a hundred times as large, and compares the memory of
 * the process. `--full`: 5 GB against 50 MB; otherwise 300 MB against 30 MB, which takes a minute.
 */
import {
  binary,
  compile,
  csvParts,
  dataset,
  define,
  encode,
  fit,
  hashed,
  labels,
  numeric,
  rows,
  train,
} from "../mod.ts";
import { random } from "../lib/datasets.ts";

const full = Deno.args.includes("--full");
const [megabytes, times, epochs] = full ? [50, 100, 20] : [30, 10, 5];
/** The bytes by which memory may grow. */
const most = { large: 100e6, epochs: 50e6 };

const path = "out/large.csv";
await Deno.mkdir("out", { recursive: true });
try {
  await write(megabytes * 1e6);
  const columns = { id: "text", age: "number", price: "number", click: ["no", "yes"] } as const;
  const unfitted = { id: hashed(2 ** 16), age: numeric(), price: numeric() };
  const once = await csvParts(path, { columns });
  const many = await csvParts(Array<string>(times).fill(path), { columns });
  const features = await fit(unfitted, once);
  const model = await compile(define({ input: features, tasks: { click: binary() } }), { seed: 7 });

  const over = async (parts: typeof once) => {
    const data = dataset(
      parts,
      (table) => rows(encode(features, table), { labels: labels(table, { click: "click" }) }),
      { buffer: 2 ** 14 },
    );
    let highest = 0;
    let seen = 0;
    for await (const at of train(model, data, { batch: 1024 })) {
      if (at.step % 8 === 0) highest = Math.max(highest, Deno.memoryUsage().rss);
      seen = at.rows;
    }
    return { highest, seen };
  };
  const small = [];
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const { highest, seen } = await over(once);
    small.push(highest);
    console.log(`epoch ${epoch} of ${megabytes} MB, ${seen} rows: at most ${shown(highest)}`);
  }
  const start = performance.now();
  const large = await over(many);
  const seconds = (performance.now() - start) / 1000;
  const gigabytes = megabytes * times / 1000;
  const speed = Math.round(large.seen / seconds);
  console.log(`${gigabytes} GB, ${large.seen} rows, ${speed} rows/s: at most ${shown(large.highest)}`);
  const half = Math.ceil(epochs / 2); // the heap finds its size in the first epochs
  const [first, second] = [small.slice(0, half), small.slice(half)].map((some) => Math.max(...some));
  const grown = { large: large.highest - Math.max(first, second), epochs: second - first };
  console.log(
    `grown by ${shown(grown.large)} on ${times} times the data, by ${
      shown(grown.epochs)
    } from one half of ${epochs} epochs to the other`,
  );
  if (grown.large > most.large || grown.epochs > most.epochs) {
    console.error(`wanted at most ${shown(most.large)} and ${shown(most.epochs)}`);
    Deno.exitCode = 1;
  } else console.log("ok | 1 passed | 0 failed");
  model.dispose();
} finally {
  await Deno.remove(path);
}

/** Writes a file of so many bytes: ids that are all different, numbers, and a long text that is not read. */
async function write(bytes: number): Promise<void> {
  const source = random("large");
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  const encoder = new TextEncoder();
  const filler = "not read ".repeat(30);
  let written = 0;
  let id = 0;
  for (let text = "id,age,price,note,click\n"; written < bytes; text = "") {
    for (let row = 0; row < 1000; row++) {
      const [age, price] = [20 + Math.floor(50 * source.uniform()), (100 * source.uniform()).toFixed(2)];
      text += `user ${id++},${age},${price},${filler},${age + 50 * source.uniform() > 70 ? "yes" : "no"}\n`;
    }
    const block = encoder.encode(text);
    for (let at = 0; at < block.length;) at += await file.write(block.subarray(at));
    written += block.length;
  }
}

function shown(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
