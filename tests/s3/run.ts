/**
 * Reads from stores that speak S3: moto, which holds signatures, and one that answers as AWS does in trouble: `deno task
 * test:s3`. Installs moto in `out/s3/venv`, and says so where that cannot be done.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { binary, compile, csvParts, define, evaluate, fit, numeric, reference } from "../../mod.ts";
import { parquetDataset, parquetParts } from "../../lib/parquet.ts";
import { trainOnRay } from "../../lib/ray.ts";
import { s3Files, type S3Options } from "../../lib/s3.ts";
import { pythonOf } from "../environment.ts";
import { fakeRay } from "../ray_fake.ts";
import { withTemp } from "../temp.ts";

const python = await pythonOf("out/s3/venv", ["moto[server,s3,iam]==5.2.5", "boto3==1.44.8"]);
const ignore = python === undefined;

/** A store in which a bucket `logs` lies: who may read it, and a key that may not. */
interface Moto {
  readonly reader: S3Options;
  readonly stranger: S3Options;
}

/** Calls an action with a store that holds some files. */
async function stored(act: (moto: Moto) => Promise<void>): Promise<void> {
  await withTemp(async (folder) => {
    await Deno.mkdir(`${folder}/clicks`);
    for (const part of [2, 10]) {
      await Deno.copyFile("tests/parquet/clicks.parquet", `${folder}/clicks/part-${part}.parquet`);
    }
    const packed = new Blob(["age\n1\n2\n"]).stream().pipeThrough(new CompressionStream("gzip"));
    await Deno.writeFile(`${folder}/a b+c#?&<é>.csv.gz`, packed);
    const child = new Deno.Command(python!, {
      args: ["-B", "tests/s3/store.py", folder],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    try {
      let text = "";
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        text += next.value;
        if (text.includes("}}}\n")) break;
      }
      const { address: endpoint, keys } = JSON.parse(text.slice(text.indexOf("{")));
      const store = { endpoint, region: "eu-central-1" };
      await act({ reader: { ...store, ...keys.reader }, stranger: { ...store, ...keys.stranger } });
    } finally {
      await reader.cancel();
      await child.stdin.close();
      await child.status;
    }
  });
}

/** Calls an action with a store whose answers to GET requests a function has, by path and their number. */
async function answering(
  answer: (path: string, count: number) => Response,
  act: (options: S3Options, count: () => number) => Promise<void>,
): Promise<void> {
  let count = 0;
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ({ url }) => answer(new URL(url).pathname, count++),
  );
  try {
    await act({ endpoint: `http://127.0.0.1:${server.addr.port}`, region: "us-east-1" }, () => count);
  } finally {
    await server.shutdown();
  }
}

const list = (...keys: readonly string[]) =>
  new Response(
    `<ListBucketResult>${
      keys.map((key) => `<Contents><Key>${key}</Key><Size>4</Size><ETag>&quot;1&quot;</ETag></Contents>`).join("")
    }<IsTruncated>false</IsTruncated></ListBucketResult>`,
  );
const error = (code: string, status: number, more = "") =>
  new Response(`<Error><Code>${code}</Code><Message>No.</Message>${more}</Error>`, { status });

Deno.test(
  "a store that holds signatures is read: patterns, more files than a list has, signs in names",
  { ignore },
  async () => {
    await stored(async ({ reader, stranger }) => {
      const ages = async (source: Parameters<typeof parquetParts>[0]) => {
        const tables = await Array.fromAsync(await parquetParts(source, { columns: ["age"] }));
        return tables.flatMap(({ columns: { age } }) => age.kind === "number" ? [...age.values] : []);
      };
      const files = await s3Files("s3://logs/clicks/part-*.parquet", reader);
      assertEquals(files.map(({ name }) => name), [2, 10].map((part) => `s3://logs/clicks/part-${part}.parquet`));
      const once = await ages("tests/parquet/clicks.parquet");
      assertEquals(await ages(files), [...once, ...once]);
      const many = await s3Files("s3://logs/many/*", reader);
      assertEquals(many.map(({ name }) => name), Array.from({ length: 1050 }, (_, at) => `s3://logs/many/${at}`));
      const packed = await s3Files("s3://logs/a b+c#?&<é>.csv.gz", reader);
      const [{ columns }] = await Array.fromAsync(await csvParts(packed, { columns: { age: "number" } }));
      assertEquals(columns.age, { kind: "number", values: Float64Array.of(1, 2) });
      const variables = {
        AWS_ENDPOINT_URL_S3: "endpoint",
        AWS_REGION: "region",
        AWS_ACCESS_KEY_ID: "accessKeyId",
      } as const;
      const all = { ...variables, AWS_SECRET_ACCESS_KEY: "secretAccessKey" } as const;
      for (const [name, option] of Object.entries(all)) Deno.env.set(name, String(reader[option]));
      assertEquals((await s3Files("s3://logs/clicks/*")).length, 2);
      for (const name of Object.keys(all)) Deno.env.delete(name);
      const wrong: readonly [string, S3Options, string][] = [
        [
          "s3://logs/c*",
          { ...reader, secretAccessKey: "x" },
          "at s3://logs: the key is refused (status 403, SignatureDoesNotMatch)",
        ],
        [
          "s3://logs/c*",
          { ...reader, accessKeyId: "x" },
          "InvalidAccessKeyId): wanted an accessKeyId that the store knows",
        ],
        ["s3://logs/c*", stranger, "AccessDenied): wanted a key that may read it, by s3:ListBucket and s3:GetObject"],
        ["s3://nobody/c*", reader, 'at s3://nobody: there is no bucket "nobody" at 127.0.0.1'],
        ["s3://logs/clicks", reader, 'no file fits "clicks": wanted a file, or a pattern such as clicks/*.parquet'],
      ];
      for (const [address, options, text] of wrong) await assertRejects(() => s3Files(address, options), Error, text);
    });
  },
);

Deno.test("a model is trained and judged on files of a store, as on those of a folder", { ignore }, async () => {
  await stored(async ({ reader: s3 }) => {
    const local = "tests/parquet/clicks.parquet";
    const age = numeric({ missing: "mean" });
    const features = await fit({ age }, await parquetParts(local, { columns: ["age"] }));
    const spec = define({ input: features, tasks: { click: binary() } });
    const columns = { click: ["no", "yes"] } as const;
    const far = await parquetDataset(spec, "s3://logs/clicks/", { columns, s3 });
    const near = await parquetDataset(spec, [local, local], { columns });
    const model = await compile(spec, { engine: reference() });
    assertEquals(await evaluate(model, far), await evaluate(model, near));
    model.dispose();
    const looked = define({ input: features, tasks: { age: binary() } }); // a label that the files have as a number
    await withTemp(async (storage) => {
      const { cluster } = fakeRay({ looks: [{ status: "SUCCEEDED", log: '{"checked": {}}' }] });
      const given = { cluster, storage, s3, every: 5 };
      const missing = define({ input: features, tasks: { clik: binary() } });
      const none = await assertRejects(() =>
        trainOnRay(missing, { ...given, data: "s3://logs/clicks/part-*.parquet" })
      );
      assertStringIncludes(
        String(none),
        'there is no column "clik", which is of the labels "clik": did you mean "click"?',
      );
      const text = await assertRejects(() => trainOnRay(spec, { ...given, data: "s3://logs/clicks/" }), TypeError);
      assertStringIncludes(text.message, 'column "click": found text, which cannot be read as "number"');
      await assertRejects(() => trainOnRay(looked, { ...given, data: "s3://logs/clicks/" }), RangeError, "73");
      assertEquals([...Deno.readDirSync(storage)], []);
    });
  });
});

Deno.test("a busy store is asked again, a file that changed is an error, and one elsewhere names its region", async () => {
  await answering((path, count) => {
    if (path !== "/logs/") return count < 5 ? new Response("abcd", { status: 206 }) : error("PreconditionFailed", 412);
    return count < 2 ? error("SlowDown", 503) : list("part-1");
  }, async (options, count) => {
    const [file] = await s3Files("s3://logs/part-*", options);
    assertEquals(count(), 3);
    assertEquals(await file.read(0, 4), new TextEncoder().encode("abcd"));
    await assertRejects(() => file.read(0, 3), Error, "at s3://logs/part-1: the store answers with 4 bytes, wanted 3");
    await assertRejects(() => file.read(0, 4), Error, "at s3://logs/part-1: the file changed while it was in use");
  });
  const troubles: readonly [() => Response, string][] = [
    [
      () => new Response("", { status: 301, headers: { "x-amz-bucket-region": "eu-west-1" } }),
      'the bucket is in another region: wanted region: "eu-west-1", found "us-east-1"',
    ],
    [() => error("AuthorizationHeaderMalformed", 400, "<Region>eu-west-1</Region>"), 'wanted region: "eu-west-1"'],
    [() => error("AccessDenied", 403), "the store wants a key (status 403, AccessDenied): wanted accessKeyId and"],
    [() => new Response(null, { status: 302, headers: { location: "http://127.0.0.1:1/" } }), "the store redirects"],
    [() => list(), 'at s3://logs: no file fits "part-*"'],
    [() => error("TooOld", 400), "the store answers with status 400, TooOld: No."],
  ];
  for (const [answer, text] of troubles) {
    await answering(answer, async (options, count) => {
      const found = await assertRejects(() => s3Files("s3://logs/part-*", options), Error, text);
      assert(found.message.startsWith("Cannot read S3\n  at s3://logs: "), found.message);
      assertEquals(count(), 1);
    });
  }
  await answering((_, count) => error("InternalError", count < 9 ? 500 : 200), async (options, count) => {
    await assertRejects(
      () => s3Files("s3://logs/*", options),
      Error,
      "the store answers with status 500, InternalError",
    );
    assertEquals(count(), 5);
  });
  const stop = AbortSignal.timeout(300);
  await answering(() => error("SlowDown", 503), async (options) => {
    await assertRejects(() => s3Files("s3://logs/*", { ...options, signal: stop }), DOMException, "timeout");
  });
});
