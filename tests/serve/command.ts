import { assert, assertEquals } from "@std/assert";
import { finished, start } from "../programs.ts";

/** Runs `deno task serve` as people do: until it is asked to end, by each of both signals, and with mistakes. */
export async function commandRuns(): Promise<number> {
  for (const [signal, wanted] of [["SIGTERM", 0], ["SIGINT", 130]] as const) {
    const process = start("serve", ["--port", "0", "--json", "--engine", "cpu"]);
    const lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value = "" } = await lines.read();
    const { url } = JSON.parse(value);
    const body = JSON.stringify({ instances: [{ age: 31, job: "smith" }] });
    const response = await fetch(`${url}/v1/models/visitors:predict`, { method: "POST", body });
    const { predictions: [{ click, like }] } = await response.json();
    assert(click > 0 && click < 1 && like > 0 && like < 1, `${click}, ${like}`);
    const taken = await finished(start("serve", ["--port", new URL(url).port, "--engine", "cpu"]));
    assertEquals(taken.code, 1, taken.error);
    assert(taken.error.includes("another program listens there"), taken.error);
    process.kill(signal);
    const error = new Response(process.stderr).text();
    assertEquals((await process.status).code, wanted, await error);
    await lines.cancel();
  }
  for (
    const [args, code, text] of [
      [["--model", "out/no such folder"], 1, "found nothing, wanted a folder"],
      [["--modle", "out"], 2, "--model"],
      [["--port", "99999"], 2, "--port"],
      [["--help"], 0, ""],
    ] as const
  ) {
    const ended = await finished(start("serve", args));
    assertEquals(ended.code, code, ended.error);
    assert(`${ended.error}${ended.out}`.includes(text), ended.error);
    assert(!/\.ts:\d/.test(ended.error), ended.error);
  }
  return 6;
}
