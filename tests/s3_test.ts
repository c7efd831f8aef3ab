import { assertEquals, assertRejects } from "@std/assert";
import { binary, define, fit, numeric } from "../mod.ts";
import { parquetDataset } from "../lib/parquet.ts";
import { s3Files } from "../lib/s3.ts";

const store = { endpoint: "https://store.example", region: "us-east-1" };

/** Calls an action where a store lists some files, and returns the addresses that were asked for. */
async function listing(keys: readonly string[], act: () => Promise<void>): Promise<readonly string[]> {
  const real = globalThis.fetch;
  const asked: string[] = [];
  const contents = keys.map((key) => `<Contents><Key>${key}</Key><Size>4</Size></Contents>`).join("");
  globalThis.fetch = (address) => {
    const { pathname, search } = new URL(String(address));
    asked.push(pathname);
    const status = search === "" ? 206 : 200;
    return Promise.resolve(new Response(search === "" ? "abcd" : `<List>${contents}</List>`, { status }));
  };
  try {
    await act();
  } finally {
    globalThis.fetch = real;
  }
  return asked;
}

Deno.test("s3Files() refuses files whose address would be that of another", async () => {
  const table: readonly [address: string, key: string][] = [
    ["s3://logs/day/*/secret", "day/../secret"],
    ["s3://logs/day/*/part", "day/./part"],
    ["s3://logs/day/*", "day/.."],
    ["s3://logs/*/part", "../part"],
  ];
  for (const [address, key] of table) {
    const asked = await listing([key], async () => {
      const wanted = `Cannot read S3\n  at s3://logs/${key}: a part of the name is "." or ".."`;
      await assertRejects(() => s3Files(address, store), Error, wanted);
    });
    assertEquals(asked, ["/logs/"]);
  }
  const steps = ["s3://../log", "s3://./log/*.csv", "s3://logs/day/../secret", "s3://logs/..", "s3://logs/./*.csv"];
  for (const address of steps) {
    const asked = await listing(["log", "secret"], async () => {
      const wanted = `a bucket, and a part of a file's name, is neither "." nor "..", found "${address}"`;
      await assertRejects(() => s3Files(address, store), TypeError, wanted);
    });
    assertEquals(asked, []);
  }
  const plain = ["%2e%2e/...", "..a/b..", "a//b", "a\\..\\b"];
  for (const key of plain) {
    const asked = await listing([key], async () => {
      const [file] = await s3Files(`s3://logs/${key}`, store);
      await file.read(0, 4);
    });
    assertEquals(asked, ["/logs/", `/logs/${key.split("/").map(encodeURIComponent).join("/")}`]);
  }
});

Deno.test("parquetDataset() names an address in S3 as it was given, and a folder's files by their ending", async () => {
  const spec = define({ input: fit({ age: numeric() }, { age: [1, 2] }), tasks: { click: binary() } });
  for (const address of ["s3://", "s3:///", "s3://logs", "S3://logs/"]) {
    const wanted = `wanted an address such as s3://bucket/log/part-*.parquet, found "${address}"`;
    await assertRejects(() => parquetDataset(spec, address, { s3: store }), TypeError, wanted);
  }
  await listing([], async () => {
    await assertRejects(() => parquetDataset(spec, "s3://logs/", { s3: store }), Error, '"*.parquet"');
    await assertRejects(() => parquetDataset(spec, "s3://logs/day/", { s3: store }), Error, '"day/*.parquet"');
  });
});
