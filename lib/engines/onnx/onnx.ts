import { kindOf, optionsOf } from "../../errors/kinds.ts";
import { machineThreads } from "../../files/runtime.ts";
import { checkGraph } from "../check_graph.ts";
import type { Engine } from "../engine.ts";
import { sumsRows } from "../row_sums.ts";
import { storesOf } from "../held.ts";
import { isTranslated } from "../../formats/onnx_ops.ts";
import { programOf } from "./program.ts";
import { keeping, pairing } from "./regions.ts";
import { start } from "./runtime.ts";
import type { Open } from "./session.ts";

/** The options of {@linkcode onnx}. */
export interface OnnxOptions {
  /** The threads that share the work of one op. Default: as many as the machine runs at once. */
  readonly threads?: number;
}

/**
 * The engine on ONNX Runtime's native library, float32.
 *
 * Needs the package `onnxruntime-node` and, in Deno, `--allow-ffi`. All models share the memory of what a run computes on
 * the way, which is kept until the program ends. Batches that grow from run to run each add to it: begin with the
 * largest.
 *
 * @throws {RangeError} if `threads` is not a whole number of at least 1.
 * @throws {Error} if the package is missing, may not be loaded, or has no library for this machine.
 *
 * @example
 * ```ts ignore
 * import { onnx } from "@gatehouse/gatehouse/onnx";
 *
 * const model = await compile(spec, { engine: onnx() });
 * ```
 */
export async function onnx(options: OnnxOptions = {}): Promise<Engine> {
  const { threads } = optionsOf("start the onnx engine", options, ["threads"]);
  if (threads !== undefined && !(Number.isSafeInteger(threads) && threads >= 1)) {
    throw new RangeError(
      `Cannot start the onnx engine: threads must be a whole number of at least 1, found ${kindOf(threads)}`,
    );
  }
  return engineOf(await start(threads ?? machineThreads()));
}

/** The engine on an ONNX Runtime that has been started. */
export function engineOf(open: Open): Engine {
  const { store, heldBy } = storesOf(keeping);
  const otherOf = pairing();
  return {
    name: "onnx",
    rules: { gatherFrom: sumsRows ? 4 : 32, routeFrom: { ratio: 1, saved: 50_000 } },
    store,
    load: (graph, store) => {
      const held = heldBy(store);
      checkGraph(graph, held, { name: "onnx", computes: isTranslated });
      return programOf(graph, held, otherOf, open);
    },
  };
}
