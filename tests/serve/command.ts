import { assert, assertEquals } from "@std/assert";
import { finished, start } from "../programs.ts";

/**
 * Runs `deno task serve` as people do: on every engine, until it is asked to end, by each of both signals, in the middle of
 * a request too, and with mistakes. Returns the number of runs.
 */
export async function commandRuns(): Promise<number> {
  const model = ["--model", "out/serve"]; // which the first run trains
  const runs = [
    ["SIGTERM", 0, ["--engine", "wasm"]],
    ["SIGINT", 130, [...model, "--engine", "cpu"]],
    ["SIGTERM", 0, [...model, "--engine", "reference"]],
    ["SIGTERM", 0, model, "serve:onnx"],
    ["SIGTERM", 0, [...model, "--workers", "2"]],
  ] as const;
  const clicks: number[] = [];
  for (const [signal, wanted, args, task = "serve"] of runs) {
    const process = start(task, ["--port", "0", "--json", ...args]);
    const lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const error = new Response(process.stderr).text();
    const { value } = await lines.read();
    if (value === undefined) throw new Error(await error);
    const { url } = JSON.parse(value);
    const body = JSON.stringify({ instances: [{ age: 31, job: "smith" }] });
    const response = await fetch(`${url}/v1/models/visitors:predict`, { method: "POST", body });
    const { predictions: [{ click, like }] } = await response.json();
    assert(click > 0 && click < 1 && like > 0 && like < 1, `${click}, ${like}`);
    clicks.push(click);
    const { port } = new URL(url);
    const counts = await (await fetch(`${url}/metrics`, { headers: { connection: "close" } })).text(); // of any worker
    assert(counts.includes('gatehouse_requests_total{model="visitors",version="1",status="200"} 1\n'), counts);
    const taken = await finished(start("serve", [...model, "--port", port, "--engine", "cpu"]));
    assertEquals(taken.code, 1, taken.error);
    assert(taken.error.includes("another program listens there"), taken.error);
    const answer = await halfway(Number(port), body, () => process.kill(signal));
    assert(answer.startsWith("HTTP/1.1 200 ") && answer.includes(`"click":${click}`), answer);
    const { code } = await process.status;
    assertEquals(code, wanted, await error);
    await lines.cancel();
  }
  for (const click of clicks) assert(Math.abs(click - clicks[0]) < 1e-5, `${clicks}`);
  await readmeRuns();
  const mistakes = [
    [["--model", "out/no such folder"], 1, "found nothing, wanted a folder"],
    [["--model", "out/no such folder", "--workers", "2"], 1, "found nothing, wanted a folder"],
    [["--modle", "out"], 2, "--model"],
    [["--port", "99999"], 2, "--port"],
    [
      ["--token", "out/no such file"],
      1,
      'at --token "out/no such file": found nothing there, wanted the path of a file',
    ],
    [[...model, "--host", "0.0.0.0", "--engine", "onnx"], 1, "run with --allow-ffi"],
    [["--port", "0", "--engine", "onnx"], 1, "run with --allow-ffi"],
    [["--port", "0", "--host", "203.0.113.9"], 1, "run with --allow-net=203.0.113.9"],
    [["--help"], 0, ""],
  ] as const;
  for (const [args, code, text] of mistakes) {
    const ended = await finished(start("serve", args));
    assertEquals(ended.code, code, ended.error);
    assert(`${ended.error}${ended.out}`.includes(text), ended.error);
    assert(!/\.ts:\d/.test(ended.error), ended.error);
    assert(!`${ended.error}${ended.out}`.includes("Trained:"), "a mistake is found before a model is trained");
  }
  return runs.length + 1 + mistakes.length;
}

/** Runs the README's server, and calls it as the README does, but for its port and its folder. */
async function readmeRuns(): Promise<void> {
  const [, code, path, body] = /```ts ignore\n([^`]*serve\([^`]*?)\/\/ curl http:\S+?(\/v1\S+) -d '(.*)'\n```/
    .exec(await Deno.readTextFile("README.md"))!;
  assertEquals(code.trimEnd().split("\n").length + 1, 10);
  const folder = await Deno.makeTempDir({ dir: "out", prefix: "readme-" });
  const file = `${folder}/server.ts`;
  await Deno.writeTextFile(file, code.replace("port: 8000", "port: 0").replaceAll("out/models", `${folder}/models`));
  const args = ["run", "--no-prompt", "--allow-read", "--allow-write=out", "--allow-net=127.0.0.1", file];
  const process = new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "inherit" }).spawn();
  try {
    const lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value } = await lines.read();
    const response = await fetch(`${value!.trim()}${path}`, { method: "POST", body });
    const { predictions: [{ click, like }] } = await response.json();
    assert(click > 0.5 && like > 0 && like < 1, `${click}, ${like}`);
    await lines.cancel();
  } finally {
    process.kill("SIGTERM");
    await process.status;
    await Deno.remove(folder, { recursive: true });
  }
}

/** Sends half of a request, does something, sends the other half, and returns the answer. */
async function halfway(port: number, body: string, then: () => void): Promise<string> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const encoder = new TextEncoder();
  const head = [
    "POST /v1/models/visitors:predict HTTP/1.1",
    "Host: a",
    "Connection: close",
    `Content-Length: ${body.length}`,
  ];
  await connection.write(encoder.encode(`${head.join("\r\n")}\r\n\r\n${body.slice(0, 9)}`));
  await new Promise((resolve) => setTimeout(resolve, 100)); // it is being read
  then();
  await new Promise((resolve) => setTimeout(resolve, 300));
  await connection.write(encoder.encode(body.slice(9)));
  return await new Response(connection.readable).text(); // to its end
}
