/**
 * What runs in a page, or in a worker of it: the cases of ops with their gradients, and the models of the tests, on an
 * engine beside the reference. `run.ts` bundles it and calls it.
 */
import "npm:@tensorflow/tfjs-backend-webgpu@4.22.0";
import * as tf from "@tensorflow/tfjs";
import { cpu, type Engine, reference, type Spec, tfjs, wasm } from "../../mod.ts";
import { start } from "../../lib/engines/tfjs/backend.ts";
import { engineOf } from "../../lib/engines/tfjs/tfjs.ts";
import { cases } from "../cases.ts";
import { architectures, everyHead } from "../models.ts";
import { numbersOf, once, withGradients } from "../on_engines.ts";
import type { Asked, Outcome, Report } from "./report.ts";
import { medians } from "./timing.ts";

/** The models of the tests by name. */
const models: Readonly<Record<string, Spec>> = { ...architectures, everyHead };

/** Runs what is asked. */
export async function agreement({ engine: name, threads, models: some, bench, seed }: Asked): Promise<Report> {
  const began = performance.now();
  // Small arrays, which backends compute on the processor if they may, go where large ones go.
  tf.env().set("WEBGPU_CPU_FORWARD", false);
  tf.env().set("WEBGL_CPU_FORWARD", false);
  const { engine, note } = await started(name, threads);
  const report = { isolated: isIsolated(), note, cases: [], models: [], times: {} };
  const seconds = () => (performance.now() - began) / 1000;
  if (bench) return { ...report, device: deviceOf(name), times: await medians(engine, seed), seconds: seconds() };
  const found = { cases: [] as Outcome[], models: [] as Outcome[] };
  for (const { name, build, inputs, store } of cases) {
    const run = async (on: Engine) => {
      const outputs = Object.values(await once(on, withGradients(build()), inputs(), store));
      return outputs.map(({ data }) => [...data]);
    };
    found.cases.push(await outcome(name, () => run(engine), () => run(reference())));
  }
  for (const name of some ?? Object.keys(models)) {
    const run = async (on: Engine) => [[...await numbersOf(models[name], on, seed)]];
    found.models.push(await outcome(name, () => run(engine), () => run(reference())));
  }
  return { ...report, ...found, device: deviceOf(name), seconds: seconds() };
}

/** The engine of a backend, whatever its trial says, which is the note. */
async function started(name: string, threads: number | undefined): Promise<Pick<Engine, "note"> & { engine: Engine }> {
  if (name === "wasm") {
    const engine = await wasm({ path: "/wasm/", ...threads === undefined ? {} : { threads } });
    return { engine, note: engine.note };
  }
  if (name === "cpu") return { engine: await cpu() };
  const { note } = await tfjs(name);
  return { engine: engineOf(await start(name)), note };
}

/** The numbers of an engine beside the right ones, array by array. */
async function outcome(
  name: string,
  run: () => Promise<readonly (readonly number[])[]>,
  right: () => Promise<readonly (readonly number[])[]>,
): Promise<Outcome> {
  const wanted = await right();
  try {
    const found = await run();
    const offs = wanted.map((list, at) => difference(list, found[at]));
    const off = Math.max(...offs);
    return { name, off: Number.isFinite(off) ? off : null };
  } catch (error) {
    return { name, off: null, error: (error as Error).message };
  }
}

function difference(wanted: readonly number[], found: readonly number[]): number {
  if (wanted.length !== found.length) return Infinity;
  const scale = wanted.reduce((most, number) => Math.max(most, Math.abs(number)), 1);
  return wanted.reduce((most, number, at) => {
    if (Object.is(number, found[at]) || number === found[at]) return most;
    const off = Math.abs(number - found[at]) / scale;
    return Number.isNaN(off) ? Infinity : Math.max(most, off);
  }, 0);
}

/** The name of a GPU in WebGL's WEBGL_debug_renderer_info. */
const unmaskedRenderer = 0x9246;

/** The device of a backend. */
function deviceOf(name: string): string {
  const backend = tf.engine().registry[name] as unknown as {
    readonly adapterInfo?: { readonly vendor: string; readonly architecture: string };
    readonly gpgpu?: { readonly gl: { getExtension(name: string): void; getParameter(name: number): string } };
  };
  if (backend.adapterInfo !== undefined) return `${backend.adapterInfo.vendor} ${backend.adapterInfo.architecture}`;
  const gl = backend.gpgpu?.gl;
  gl?.getExtension("WEBGL_debug_renderer_info");
  return gl?.getParameter(unmaskedRenderer) ?? "";
}

/** Returns true if the place may share memory with threads. */
function isIsolated(): boolean {
  return (globalThis as { readonly crossOriginIsolated?: boolean }).crossOriginIsolated === true;
}
