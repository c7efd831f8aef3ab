/// <reference lib="deno.worker" />
import { save } from "../mod.ts";
import { numbered } from "./numbered.ts";

/** A worker that saves two models in turn, so many times, and posts the message of every error. */
self.onmessage = async ({ data: { path, times } }: MessageEvent<{ path: string; times: number }>) => {
  const models = [await numbered(1), await numbered(2)];
  const errors: string[] = [];
  for (let i = 0; i < times; i++) await save(models[i % 2], path).catch((error) => errors.push(String(error)));
  self.postMessage(errors);
};
