/** Prints what `deno task bench` may run: this Deno, the Pythons of the peers, and the one that GATEHOUSE_PYTHON names. */
import { own } from "./python.ts";

const named = Deno.env.get("GATEHOUSE_PYTHON");
console.log([Deno.execPath(), ...Object.values(own), ...named ? [named] : []].join());
