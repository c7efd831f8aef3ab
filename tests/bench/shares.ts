import { adam, type Columns, compile, csvParts, type CsvPartsOptions, type Data, dataset, encode } from "../../mod.ts";
import { type Engine, type Features, labels, readCsv, rows, rowwiseAdagrad, type Spec, train } from "../../mod.ts";
import { random } from "../../lib/datasets.ts";
import { parquetParts } from "../../lib/parquet.ts";
import { cases, specOf } from "./cases.ts";
import { inventedCensus } from "./census.ts";
import { idFeatures, zipf } from "./ids.ts";
import { type Bench, own } from "./lines.ts";
import { parquetOf } from "./parquet.ts";

/**
 * The rows of an epoch, which are four windows, and of a window: the default would take a minute of W6 on wasm. The first
 * window of a training is the warm-up's alone, that of each later epoch is measured.
 */
const sizes = { W4: { rows: 2 ** 18, buffer: 2 ** 16 }, W6: { rows: 2 ** 15, buffer: 2 ** 13 } };

/** The epochs of a training; the first one warms up. */
const epochs = 3;

/**
 * The share of a training in which the engine waits for the rows of the next step, over rows in memory, CSV and Parquet;
 * and the share in which it does not run at all: then vectors are moved beside it, which W6 has, and records made.
 */
export async function shares(
  name: keyof typeof sizes,
  engines: Readonly<Record<string, Engine>>,
  bench: Bench,
): Promise<void> {
  const of = { name, ...cases[name] };
  const features = typeof of.input === "object" ? idFeatures(of.input) : inventedCensus(1).features;
  const tasks = of.input === "census" ? ["income", "marital"] : ["task0", "task1"];
  bench.note(`reading: writing the files of ${name}`);
  const path = `out/bench-${name}.csv`;
  const { rows: count } = sizes[name];
  const { file, columns } = csvOf(features, tasks, count);
  await Deno.writeFile(path, file.stream());
  const forms = await formsOf(name, { path, features, tasks, columns }, bench);
  const spec = specOf(of, features);
  for (const [key, engine] of Object.entries(engines)) {
    for (const [form, data] of Object.entries(forms)) {
      bench.note(`reading: epochs of ${name} over ${form} on ${key}`);
      const found = await timesOf(engine, { spec, data, batch: of.batch, count }, bench);
      const whole = `${name} epoch over ${form}`;
      bench.write(own(whole, key, "waiting_share", found.map(({ waiting, all }) => waiting / all)));
      bench.write(own(whole, key, "beside_engine_share", found.map(({ engine, all }) => 1 - engine / all)));
      bench.write(own(whole, key, "rows_per_s", found.map(({ all }) => count / all * 1000)));
    }
  }
  await Deno.remove(path);
}

/** A file of CSV, and what is read of it. */
interface Source {
  readonly path: string;
  readonly features: Features;
  readonly tasks: readonly string[];
  readonly columns: CsvPartsOptions["columns"];
}

/** Returns the data to train on in each form. */
async function formsOf(
  name: keyof typeof sizes,
  { path, features, tasks, columns }: Source,
  bench: Bench,
): Promise<Readonly<Record<string, Data>>> {
  const { buffer } = sizes[name];
  const ofTasks = Object.fromEntries(tasks.map((task) => [task, task]));
  const made = (table: Columns) => rows(encode(features, table), { labels: labels(table, ofTasks) });
  const parquet = (await parquetOf(path, name, bench))?.snappy;
  return {
    "rows in memory": made(await readCsv(path, { columns })),
    csv: dataset(await csvParts(path, { columns }), made, { buffer }),
    ...parquet !== undefined && { parquet: dataset(await parquetParts(parquet, { columns }), made, { buffer }) },
  };
}

/** The milliseconds of an epoch: in the engine, for vectors beside it, waiting for rows, and all. */
interface Times {
  readonly engine: number;
  readonly vectors: number;
  readonly waiting: number;
  readonly all: number;
}

/** Trains on so many rows an epoch, and returns where the time of each epoch but the first one goes. */
async function timesOf(
  given: Engine,
  { spec, data, batch, count }: {
    readonly spec: Spec;
    readonly data: Data;
    readonly batch: number;
    readonly count: number;
  },
  { seed, signal }: Bench,
): Promise<Times[]> {
  const account = accountOf();
  const model = await compile(spec, { engine: accounted(given, account), seed });
  const { vectors: rule, ...rest } = rowwiseAdagrad();
  const update: typeof rule.update = (of) => {
    rule.update(of);
    account.add("vectors");
  };
  const vectors = { ...rest, vectors: { ...rule, update } };
  const found: Times[] = [];
  for await (const at of train(model, data, { epochs, batch, optimiser: adam(1e-3), vectors, signal })) {
    account.add("waiting"); // for the next step's rows, which were there before this record was given
    if (at.rows % count === 0) found.push(account.take());
  }
  signal.throwIfAborted();
  model.dispose();
  return found.slice(1);
}

/** An account of time: each moment is of what it is added to at its end. */
interface Account {
  readonly add: (what: "engine" | "vectors" | "waiting") => void;
  /** Adds the time before a run: that of vectors which are read, or of rows where it is the first of an epoch. */
  readonly begin: () => void;
  /** Returns the times of an epoch at its end. */
  readonly take: () => Times;
}

function accountOf(): Account {
  let times = { engine: 0, vectors: 0, waiting: 0 };
  let last = performance.now();
  let isFirst = true;
  const add = (what: keyof typeof times) => {
    const now = performance.now();
    times[what] += now - last;
    last = now;
  };
  return {
    add,
    begin: () => {
      add(isFirst ? "waiting" : "vectors");
      isFirst = false;
    },
    take: () => {
      const { engine, vectors, waiting } = times;
      times = { engine: 0, vectors: 0, waiting: 0 };
      isFirst = true;
      return { engine, vectors, waiting, all: engine + vectors + waiting };
    },
  };
}

/**
 * An engine that runs as another one, and keeps account of it. Those that are measured here have computed when the call of
 * a run returns: what is ready of the next step's rows is chosen then, before this gives its outputs.
 */
function accounted(engine: Engine, { add, begin }: Account): Engine {
  return {
    ...engine,
    load: (graph, store) => {
      const program = engine.load(graph, store);
      return {
        ...program,
        run: async (inputs) => {
          begin();
          const outputs = program.run(inputs);
          add("engine");
          for (let turn = 0; turn < turns; turn++) await undefined;
          add("waiting");
          return await outputs;
        },
      };
    },
  };
}

/** The turns in which a batch goes through the generators between the data and a step, and some more. */
const turns = 30;

/** A file of invented values of features, and of labels, with the columns to read of it. */
function csvOf(features: Features, tasks: readonly string[], count: number) {
  const source = random("bench:csv");
  const names = [...Object.keys(features), ...tasks];
  const cell = Object.values(features).map((feature) => () => {
    if (feature.kind === "category") return feature.words[Math.floor(source.uniform() * feature.words.length)];
    if (feature.kind === "hashed") return `${zipf(feature.buckets, source)}`;
    return `${Math.floor(90 * source.uniform())}`;
  });
  const lines = Array.from({ length: count }, () => {
    return `${[...cell.map((value) => value()), ...tasks.map(() => source.uniform() < 0.5 ? 1 : 0)].join()}\n`;
  });
  const kinds = Object.entries(features).map(([name, { kind }]) =>
    [name, kind === "numeric" ? "number" : "text"] as const
  );
  const labelled = tasks.map((task) => [task, "number"] as const);
  return { file: new Blob([`${names.join()}\n`, ...lines]), columns: Object.fromEntries([...kinds, ...labelled]) };
}
