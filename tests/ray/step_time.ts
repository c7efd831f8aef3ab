/**
 * A model of the time of a step on W workers, as a table and a picture of W up to 256:
 * `deno run -R -W=tests/ray tests/ray/step_time.ts`. Its constants were measured on one machine of two cores; what a network
 * adds is assumed.
 */
import { page } from "../../lib/svg.ts";
import { growthChart } from "../bench/growth_chart.ts";

/** A case: rows a second of one worker; bytes of the gradients that are summed, and of a row's vectors. */
interface Case {
  readonly batch: number;
  readonly rate: number;
  readonly gradients: number;
  readonly vectors: number;
}

/** Rates are of `tests/ray/scaling.ts W3 W6`, one worker and the case's batch. */
const cases: Readonly<Record<string, Case>> = {
  W3: { batch: 1024, rate: 8556, gradients: 4 * 2_183_682, vectors: 0 },
  W6: { batch: 2048, rate: 21_882, gradients: 4 * 517_458, vectors: 9 * 16 * 4 }, // 9 of the 26 ids of a row are in none before it
};

/** Of `tests/ray/transports.py 2 1000 3000000`: seconds of a message between two workers, and of a byte of it. */
const transports: Readonly<Record<string, { readonly message: number; readonly byte: number }>> = {
  gloo: { message: 0.34e-3, byte: 0.8e-9 },
  objects: { message: 1.13e-3, byte: 1.2e-9 },
};

/** Assumed, for there was one machine: seconds that a network of 10 Gbit/s adds to a message, and to a byte. */
const network = { message: 50e-6, byte: 0.8e-9 };

/**
 * Returns the seconds of a step. A worker sends each other one two messages with a slice of its gradients, a ring of gloo
 * passes as many to its neighbour; and two with vectors, which go over objects. Those that say what is read are sent while
 * the step before is computed.
 */
function timeOf({ batch, rate, gradients, vectors }: Case, workers: number, transport: string): number {
  const others = workers - 1;
  const passed = ({ message, byte }: typeof network, bytes: number) =>
    2 * others * (message + network.message) + bytes * others / workers * (byte + network.byte);
  const sums = passed(transports[transport], 2 * gradients);
  const swapped = vectors > 0 ? passed(transports.objects, 2 * vectors * batch / workers) : 0;
  return batch / rate / workers + sums + swapped;
}

const workers = Array.from({ length: 9 }, (_, power) => 2 ** power);
const panels = Object.keys(transports).map((transport) => ({
  axis: `W, ${transport}`,
  curves: Object.entries(cases).flatMap(([name, of]) =>
    [1, 16].map((times) => {
      const sized = { ...of, batch: times * of.batch };
      const points = workers.map((size) => ({ size, cost: 1e3 * timeOf(sized, size, transport) }));
      return { name: times === 1 ? name : `${name}, ${times} batches`, points };
    })
  ),
}));
console.log(`| milliseconds of a step | ${workers.join(" | ")} |\n| :-- | ${workers.map(() => "--:").join(" | ")} |`);
for (const { axis, curves } of panels) {
  for (const { name, points } of curves) {
    const cells = points.map(({ cost }) => cost < 10 ? cost.toFixed(1) : cost.toFixed(0));
    console.log(`| ${name}, ${axis.slice(3)} | ${cells.join(" | ")} |`);
  }
}
const chart = growthChart("Steps by workers, modelled", "milliseconds", panels);
Deno.writeTextFileSync("tests/ray/step_time.svg", page([chart], "The time of a step on many machines"));
