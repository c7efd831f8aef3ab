/** Prints what `deno task bench` may run: this Deno, the Pythons of the peers and of Parquet, and the one that GATEHOUSE_PYTHON names. */
import { writer } from "./parquet.ts";
import { own } from "./python.ts";

const named = Deno.env.get("GATEHOUSE_PYTHON");
console.log([Deno.execPath(), ...Object.values(own), writer, ...named ? [named] : []].join());
