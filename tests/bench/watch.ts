import type { Engine } from "../../mod.ts";
import type { Graph } from "../../lib/graph.ts";

/** An engine that keeps account of what it runs. */
export interface Watched {
  /** The engine. */
  readonly engine: Engine;
  /** Milliseconds that its programs have run so far. */
  running(): number;
  /** The graphs that were loaded so far. */
  readonly graphs: readonly Graph[];
}

/**
 * An engine that runs as another one, and keeps account of it. The engines that are measured here have computed when
 * the call of a run returns; what comes after it until its promise is awaited is not theirs.
 */
export function watched(engine: Engine): Watched {
  let running = 0;
  const graphs: Graph[] = [];
  return {
    engine: {
      ...engine,
      load: (graph, store) => {
        graphs.push(graph);
        const program = engine.load(graph, store);
        return {
          ...program,
          run: (inputs) => {
            const start = performance.now();
            const outputs = program.run(inputs);
            running += performance.now() - start;
            return outputs;
          },
        };
      },
    },
    running: () => running,
    graphs,
  };
}
