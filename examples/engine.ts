import { cpu, type Engine, reference, wasm } from "@gatehouse/gatehouse";

/** The engine of an option's name. */
export async function engineOf(name: "wasm" | "cpu" | "reference"): Promise<Engine> {
  return name === "reference" ? reference() : name === "cpu" ? await cpu() : await wasm();
}
