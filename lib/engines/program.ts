import type { Tensor } from "../ops/tensor.ts";
import type { Program } from "./engine.ts";

/** A run of a graph: what it is fed by name, and its outputs by name, at once or later. */
export type Run = (
  inputs: Readonly<Record<string, Tensor>>,
) => Readonly<Record<string, Tensor>> | Promise<Readonly<Record<string, Tensor>>>;

/**
 * A program that runs until it is disposed.
 *
 * @param run Begins before `Program.run` returns; what it throws rejects the promise.
 * @param free Frees what the program holds, once.
 */
export function programFrom(run: Run, free: () => void = () => {}): Program {
  let disposed = false;
  return {
    run: async (inputs) => {
      if (disposed) throw new TypeError("Cannot run graph: the program is disposed");
      return await run(inputs);
    },
    dispose: () => {
      if (disposed) return;
      disposed = true;
      free();
    },
  };
}
