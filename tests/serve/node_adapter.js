/**
 * A bundled handler behind node:http, asked through a socket: the whole adapter that Node.js needs. Argument: the bundle.
 * Prints the answer of the socket and that of the handler itself, as JSON.
 */
import http from "node:http";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";

const { answer } = await import(pathToFileURL(process.argv[2]));

const server = http.createServer(async (incoming, outgoing) => {
  const { method, headers, url } = incoming;
  const hasBody = method !== "GET" && method !== "HEAD";
  const body = hasBody ? { body: Readable.toWeb(incoming), duplex: "half" } : {};
  const response = await answer(new Request(`http://${headers.host}${url}`, { method, headers, ...body }));
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(new Uint8Array(await response.arrayBuffer()));
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const request = { method: "POST", body: JSON.stringify({ instances: [{ age: 31, job: "smith" }, { age: 60 }] }) };
const path = "/v1/models/shop:predict";
const [there, here] = await Promise.all([
  fetch(`http://127.0.0.1:${server.address().port}${path}`, request),
  answer(new Request(`http://a${path}`, request)),
]);
console.log(JSON.stringify({ there: await there.json(), here: await here.json() }));
server.closeAllConnections();
server.close();
