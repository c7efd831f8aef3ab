import {
  bag,
  binary,
  category,
  compile,
  define,
  dense,
  embed,
  encode,
  type Engine,
  fit,
  numeric,
  pipe,
} from "../../mod.ts";
import { handler } from "../../lib/serve.ts";
import type { Random } from "../../lib/data/random.ts";
import { edited } from "./bytes.ts";
import { type End, ensure, type Kind, pick } from "./kind.ts";

/**
 * Requests to a server of models, whose path, headers or bytes are damaged: the answer has a status of HTTP and is JSON, and
 * a right request beside it gets its own answer.
 */
export const requests: Kind = { share: 60, run };

const table = { user: ["ann", "bob", "eve"], age: [20, 30.5, 40], tags: [["a"], ["b", "a"], []] };
const features = fit({ user: category(), age: numeric(), tags: bag() }, table);
const spec = define({ input: features, tasks: { click: binary(pipe(embed(2), dense(2))), like: binary() } });
const instances = table.user.map((user, row) => ({ user, age: table.age[row], tags: table.tags[row] }));
const user = Uint8Array.from(table.user.flatMap((word) => [word.length, 0, 0, 0, ...new TextEncoder().encode(word)]));

const tensors = [
  { name: "user", shape: [3], datatype: "BYTES", data: table.user },
  { name: "age", shape: [3], datatype: "FP64", data: table.age },
  { name: "tags", shape: [3, 2], datatype: "BYTES", data: ["a", null, "b", "a", null, null] },
];

/** A request as it should be. */
interface Sent {
  readonly path: string;
  readonly body?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

const bytes = (body: unknown) => new TextEncoder().encode(JSON.stringify(body));
const right: readonly Sent[] = [
  { path: "/v2" },
  { path: "/v2/models/m" },
  { path: "/v2/models/m/ready" },
  { path: "/v1/models/m" },
  { path: "/metrics" },
  { path: "/v1/models/m:predict", body: bytes({ instances }) },
  { path: "/v1/models/m/versions/1:predict", body: bytes({ inputs: table }) },
  { path: "/v2/models/m/infer", body: bytes({ id: "1", inputs: tensors, outputs: [{ name: "click" }] }) },
  withBytes(),
];

/** Returns a request whose first tensor is bytes behind the JSON. */
function withBytes(): Sent {
  const { data: _, ...first } = tensors[0];
  const parameters = { binary_data_size: user.length };
  const head = bytes({
    inputs: [{ ...first, parameters }, ...tensors.slice(1)],
    parameters: { binary_data_output: true },
  });
  const headers = { "inference-header-content-length": `${head.length}` };
  return { path: "/v2/models/m/infer", body: Uint8Array.from([...head, ...user]), headers };
}

async function run(source: Random, engine: Engine): Promise<End> {
  const model = await compile(spec, { engine, seed: 1 });
  try {
    const answer = handler({ m: model }, { maxBody: 4096, maxQueue: 8 });
    const [sent, isDamaged] = damaged(pick(source, right), source);
    const own = source.bits() % 3;
    const [response, beside] = await Promise.all([
      answer(requestOf(sent)),
      answer(requestOf({ path: "/v1/models/m:predict", body: bytes({ instances: [instances[own]] }) })),
    ]);
    const input = `${sent.path} ${JSON.stringify(sent.headers)} ${new TextDecoder().decode(sent.body)}`;
    const wanted = await model.predict(encode(features, table));
    const { predictions: [{ click, like }] } = await beside.json();
    ensure(click === wanted.click[own] && like === wanted.like[own], "a right request got another's answer", input);
    const { status } = response;
    ensure(
      isDamaged || status === 200,
      `what is right was answered ${status}: ${await response.clone().text()}`,
      input,
    );
    if (status === 200) {
      await response.arrayBuffer();
      return "valid";
    }
    ensure(status >= 400 && status < 505 && status !== 500, `the status is ${status}`, input);
    const { error } = await response.json();
    ensure(
      typeof error === "string" && error.startsWith("Cannot ") && !/\.ts:\d/.test(error),
      `the error is ${error}`,
      input,
    );
    return "refused";
  } finally {
    model.dispose();
  }
}

function requestOf({ path, body, headers }: Sent): Request {
  return new Request(`http://h${path}`, {
    method: body === undefined ? "GET" : "POST",
    body: body as BodyInit,
    headers,
  });
}

/** Returns a request with damage to one part of it, most often, and whether there is any. */
function damaged(sent: Sent, source: Random): [Sent, boolean] {
  if (source.uniform() < 0.1) return [sent, false];
  const text = (of: string) => new TextDecoder("latin1").decode(edited(new TextEncoder().encode(of), source));
  const header = (of: string) => text(of).replace(/[^\x20-\x7e]/g, "?").trim();
  switch (source.bits() % (sent.body === undefined ? 2 : 6)) {
    case 0:
      return [{ ...sent, path: `/${text(sent.path.slice(1)).replace(/[\s\\]/g, "_")}` }, true];
    case 1: {
      const name = pick(source, [
        "inference-header-content-length",
        "content-type",
        "content-encoding",
        "authorization",
      ]);
      const given = sent.headers?.[name] ??
        pick(source, ["application/json; charset=utf-8", "gzip", "12", "-1", "1e3", "Bearer x"]);
      return [{ ...sent, headers: { ...sent.headers, [name]: header(given) } }, true];
    }
    default:
      return [{ ...sent, body: edited(sent.body!, source) }, true];
  }
}
