import { assert, assertEquals } from "@std/assert";
import { serve } from "../../lib/serve.ts";
import { binary, compile, define, fit, numeric, reference } from "../../mod.ts";

/**
 * Makes sure that a body which comes too late is answered 408 over a socket, whether it is read at once or by a stream, and
 * that its caller is asked once to close the connection; where the body was read at once, the runtime closes it after the
 * rest.
 */
export async function lateBodies(): Promise<void> {
  const input = fit({ age: numeric() }, { age: [20, 30] });
  const model = await compile(define({ input, tasks: { click: binary() } }), { engine: reference() });
  const server = serve({ shop: model }, { port: 0, deadline: 200 });
  const address = { hostname: "127.0.0.1", port: Number(new URL(server.url).port) };
  for (const size of [300, 300_000]) {
    const connection = await Deno.connect(address);
    const head = ["POST /v1/models/shop:predict HTTP/1.1", "Host: a", `Content-Length: ${size}`, "", "{"].join("\r\n");
    await connection.write(new TextEncoder().encode(head));
    const answer = await nextOf(connection);
    assert(answer.startsWith("HTTP/1.1 408 ") && answer.includes("did not come before its deadline"), answer);
    assertEquals(answer.match(/^connection: .*$/gim), ["connection: close"], `${size} bytes`);
    const rest = new Uint8Array(size - 1).fill(32);
    for (let at = 0; at < rest.length;) at += await connection.write(rest.subarray(at));
    if (size === 300) assertEquals(await nextOf(connection), "");
    connection.close();
  }
  assertEquals((await (await fetch(`${server.url}/v2/health/ready`)).json()).ready, true);
  await server.close();
  model.dispose();
  console.log("Late bodies are answered, and their connections closed: ok | 1 passed | 0 failed");
}

/** Returns the next answer of a connection, a JSON object behind its headers; empty where it ends, within five seconds. */
async function nextOf(connection: Deno.Conn): Promise<string> {
  const late = setTimeout(() => connection.close(), 5000);
  const bytes = new Uint8Array(4096);
  let text = "";
  while (!text.endsWith("}")) {
    const count = await connection.read(bytes);
    if (count === null) break;
    text += new TextDecoder().decode(bytes.subarray(0, count));
  }
  clearTimeout(late);
  return text;
}
