/** What a place is asked to run. */
export interface Asked {
  /** The engine: a tfjs backend. */
  readonly engine: string;
  /** The threads of `wasm`. Default: the engine's own. */
  readonly threads?: number;
  /** The models that run, by name; the cases always do. Default: all. */
  readonly models?: readonly string[];
  /** True if training steps are timed, and nothing else. */
  readonly bench?: boolean;
  /** The seed of models. */
  readonly seed: number;
}

/** How far an engine is off in a case. */
export interface Outcome {
  readonly name: string;
  /** The largest difference, as a part of the largest right number or of 1; null if a number is missing. */
  readonly off: number | null;
  /** The error with which it failed. */
  readonly error?: string;
}

/** What an engine does in a place. */
export interface Report {
  /** The device, as far as a browser names it. */
  readonly device: string;
  /** True if the place is isolated, so that threads may share memory. */
  readonly isolated: boolean;
  /** The reason why `tfjs` or `wasm` gives another engine than was asked for. */
  readonly note?: string;
  readonly cases: readonly Outcome[];
  readonly models: readonly Outcome[];
  /** Medians of training steps in milliseconds. */
  readonly times: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** What a place answers. */
export type Answer = { readonly report: Report } | { readonly error: string };
