/** The names of engines that a visitor may choose; `auto` is the best that runs here. */
export const engineNames = ["auto", "webgpu", "wasm", "cpu"] as const;

/** The name of an engine, or `auto`. */
export type EngineName = typeof engineNames[number];
