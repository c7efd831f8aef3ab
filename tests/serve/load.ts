/**
 * Measures a server of W4, the census model, under load, and peers in the same run: FastAPI with ONNX Runtime (uvicorn on
 * uvloop, a worker for each core), a GraphModel of TensorFlow.js behind a plain `Deno.serve`, and such a server around our
 * `encode` and `predict`. `wrk` sends requests of one row, of 100, and of 100 by columns. Nothing is measured before each
 * server has answered what the model predicts.
 *
 * All servers run, and are measured in turn, round by round. Each measurement opens its connections anew, and is made again
 * if a process was idle: uvicorn's share one socket, from which one of them may take all connections, by chance. Threads of
 * ours that get few or none are not looked at.
 *
 * Each measurement is a line of JSON on standard output, the medians of all rounds are a table on standard error. The
 * processor's time of a request is what other programs disturb least. `--rate N` asks for so many answers a second, where
 * else each connection asks again as soon as it is answered. `--help` lists the options. Needs Linux, and python3 for
 * FastAPI.
 *
 * `--soak SECONDS` sends requests of one row to ours alone, at 80 % of the peak, while its model is swapped 20 times.
 */
import { assert, assertEquals } from "@std/assert";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { textTable } from "../../mod.ts";
import { mebibytesOf, processorSeconds } from "../environment.ts";
import { folder, type Kind, prepared } from "./load_requests.ts";
import { begun, fastApi, ours, peers, post, type Running } from "./load_servers.ts";
import { foundWrk, type Load, posted } from "./wrk.ts";

const given = options();
if (given.help) {
  const options =
    "[--seconds 2] [--rounds 5] [--rate N] [--only PART-OF-A-NAME]... [--workers N] [--engine wasm] [--soak SECONDS]";
  console.log(`Usage: deno task bench:serving ${options}`);
  Deno.exit(0);
}

/** What was measured of a server by a kind of request in a round. */
interface Measured extends Load {
  readonly server: string;
  readonly kind: string;
  readonly requests_per_s: number;
  /** The processor's time of the server, in microseconds for each request. */
  readonly processor_us: number;
}

const connections = 8;
const [seconds, rounds, workers] = (["seconds", "rounds", "workers"] as const).map((name) => count(name, given[name]));
const rate = given.rate === undefined ? undefined : count("rate", given.rate);
const soak = given.soak === undefined ? undefined : count("soak", given.soak);
const own = ours(given.engine, workers);
const wrk = await foundWrk() ?? Deno.exit(1);
const kinds = await prepared();
const running: Running[] = [];
try {
  await (soak === undefined ? compared() : soaked(soak));
} finally {
  await Promise.all(running.map(({ end }) => end()));
}
Deno.exit(0);

/** Measures all servers in turn. */
async function compared(): Promise<void> {
  const isWanted = (name: string) => given.only.length === 0 || given.only.some((part) => name.includes(part));
  const all = [...isWanted(own.name) ? [own] : [], ...await peers(isWanted)];
  if (all.length === 0) wrong(`--only is ${given.only.join(" and ")}, which is a part of no server's name here`);
  for (const one of all) running.push(await begun(one, kinds[0].body));
  for (const server of running) {
    for (const kind of kinds) {
      await answersRight(server, kind);
      await measured(server, kind, 3); // until hot functions are compiled
    }
  }
  const found: Measured[][] = [];
  for (let round = 1; round <= rounds; round++) {
    const lines: Measured[] = [];
    for (const server of running) {
      for (const kind of kinds) {
        const line = await measured(server, kind, seconds);
        console.log(JSON.stringify({ round, connections, ...line }));
        lines.push(line);
      }
    }
    found.push(lines);
  }
  console.error(`${cpus()[0].model}, ${navigator.hardwareConcurrency} cores; medians of ${rounds} rounds`);
  console.error(textTable(kinds.flatMap(({ name }) => all.map((server) => row(found, name, server.name)))));
}

/** Returns the medians of a server and a kind of request; how fast it is beside FastAPI, round by round. */
function row(rounds: readonly (readonly Measured[])[], kind: string, server: string): Record<string, string | number> {
  const of = (lines: readonly Measured[], name: string) => {
    return lines.find((line) => line.server === name && line.kind === kind);
  };
  const found = rounds.map((lines) => of(lines, server)!);
  const ratios = rounds.flatMap((lines, at) => {
    const peer = of(lines, fastApi);
    return peer === undefined ? [] : [found[at].requests_per_s / peer.requests_per_s];
  });
  return {
    request: kind,
    server,
    "requests/s": Math.round(median(found.map(({ requests_per_s }) => requests_per_s))),
    "FastAPI = 1": ratios.length === 0 ? "" : median(ratios).toFixed(2),
    "p50 ms": median(found.map(({ p50_ms }) => p50_ms)).toFixed(1),
    "p99 ms": median(found.map(({ p99_ms }) => p99_ms)).toFixed(1),
    "processor us": Math.round(median(found.map(({ processor_us }) => processor_us))),
  };
}

/** Puts a server under load, again where one of its processes was idle. */
async function measured(server: Running, { name, file }: Kind, length: number): Promise<Measured> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const before = await processorSeconds(server.pid);
    const load = await posted(wrk, server.url, file, { connections, seconds: length, rate });
    const taken = (await processorSeconds(server.pid)).map((after, at) => after - (before[at] ?? 0));
    assertEquals(load.failed, 0, `${server.name}, ${name}: requests failed`);
    const [most, ...others] = taken.toSorted((a, b) => b - a).slice(0, server.processes);
    if (others.some((one) => one < most / 10)) continue;
    const all = taken.reduce((sum, one) => sum + one, 0);
    return {
      server: server.name,
      kind: name,
      requests_per_s: load.requests / load.seconds,
      processor_us: 1e6 * all / load.requests,
      ...load,
    };
  }
  throw new Error(`${server.name}: one of its processes got no connection, ten times in turn`);
}

/** Makes sure that a server answers what the model predicts. */
async function answersRight({ name, url }: Running, { name: kind, body, wanted }: Kind): Promise<void> {
  const response = await post(url, body);
  const { predictions, outputs } = await response.json();
  for (const [task, numbers] of Object.entries(wanted)) {
    const found: number[] = outputs?.[task] ?? predictions.map((row: Record<string, number>) => row[task]);
    assertEquals(found.length, numbers.length, `${name}, ${kind}, ${task}`);
    for (let row = 0; row < found.length; row++) {
      const message = `${name}, ${kind}, ${task}, row ${row}: found ${found[row]}, wanted ${numbers[row]}`;
      assert(Math.abs(found[row] - numbers[row]) < 1e-6, message);
    }
  }
}

/** Sends requests at 80 % of the peak while the model is swapped, and prints how many failed, and the memory meanwhile. */
async function soaked(length: number): Promise<void> {
  const server = await begun(own, kinds[0].body);
  running.push(server);
  const [{ file }] = kinds;
  const peak = await posted(wrk, server.url, file, { connections, seconds: 10 });
  const rate = Math.floor(0.8 * peak.requests / peak.seconds);
  const [swaps, looks] = [20, 5]; // of the memory, from one swap to the next
  const memories: number[] = [];
  const swapping = async () => {
    for (let look = 1; look <= swaps * looks; look++) {
      await new Promise((resolve) => setTimeout(resolve, 1000 * length / (swaps * looks + 1)));
      memories.push(await mebibytesOf(server.pid));
      if (look % looks !== 0) continue;
      const version = look / looks + 1; // version 1 stays, of which the others are copies
      await copied(`${folder}/models/census/1`, `${folder}/models/census/${version}`);
      if (version > 2) await Deno.remove(`${folder}/models/census/${version - 1}`, { recursive: true });
    }
  };
  const [load] = await Promise.all([posted(wrk, server.url, file, { connections, seconds: length, rate }), swapping()]);
  const status = await (await fetch(server.url.replace(":predict", ""))).json();
  const quarter = memories.length / 4;
  console.log(JSON.stringify({
    server: own.name,
    soak: length,
    peak: peak.requests / peak.seconds,
    rate,
    ...load,
    requests_per_s: load.requests / load.seconds,
    swaps,
    version: status.model_version_status[0].version,
    mebibytes: [0, 1, 2, 3].map((at) => Math.round(median(memories.slice(at * quarter, (at + 1) * quarter)))),
  }));
}

/** Copies a model so that its version is whole at once. */
async function copied(from: string, to: string): Promise<void> {
  const place = `${folder}/coming`;
  await Deno.mkdir(place, { recursive: true });
  for await (const { name } of Deno.readDir(from)) await Deno.copyFile(`${from}/${name}`, `${place}/${name}`);
  await Deno.rename(place, to);
}

/** Returns the words of the command line by option. */
function options() {
  try {
    return parseArgs({
      options: {
        seconds: { type: "string", default: "2" },
        rounds: { type: "string", default: "5" },
        only: { type: "string", multiple: true, default: [] },
        workers: { type: "string", default: `${navigator.hardwareConcurrency}` },
        engine: { type: "string", default: "wasm" },
        rate: { type: "string" },
        soak: { type: "string" },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    return wrong((error as Error).message);
  }
}

/** Returns the number that an option has. */
function count(name: string, text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  return wrong(`--${name} is ${text}, wanted a whole number of 1 or more`);
}

/** Ends the program, whose options are wrong. */
function wrong(what: string): never {
  console.error(`Cannot measure servers: ${what} (see --help)`);
  Deno.exit(2);
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}
