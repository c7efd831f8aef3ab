import process from "node:process";
import { assertEquals } from "@std/assert";
import { wasm } from "../mod.ts";

Deno.test("wasm() leaves errors that nobody caught to the program: no handler of its own stays", async () => {
  const events = ["uncaughtException", "unhandledRejection"];
  const listeners = () => events.map((event) => [...process.listeners(event as "uncaughtException")]);
  const before = listeners();
  const starting = wasm({ threads: 1 });
  const own = (error: unknown) => console.error(error);
  process.on("uncaughtException", own); // while it starts
  try {
    await starting;
    assertEquals(listeners(), [[...before[0], own], before[1]]);
  } finally {
    process.removeListener("uncaughtException", own);
  }
});
