/** Reads the code of tables, away from the thread that draws: short code may describe what takes years. Runs in a worker. */
import { boundedModelOf } from "./bounded.ts";
import { messageOf } from "./failed.ts";
import type { Reading } from "./reader.ts";

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<string>) => void) | null;
  postMessage(answer: Reading | "begun"): void;
};

scope.onmessage = ({ data: code }) => {
  scope.postMessage("begun");
  scope.postMessage(readingOf(code));
};

function readingOf(code: string): Reading {
  try {
    return boundedModelOf(code);
  } catch (error) {
    return { wrong: messageOf(error) };
  }
}
