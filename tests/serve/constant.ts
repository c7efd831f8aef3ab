/** A server of Deno's that reads requests and answers each with one word: what its memory does is the runtime's. */
const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
  await request.arrayBuffer().catch(() => {});
  return Response.json({ answer: "yes" });
});
console.log(JSON.stringify({ url: `http://127.0.0.1:${server.addr.port}` }));
