import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { downloadKuairand, pureArchive, pureFiles } from "../examples/kuairand/download.ts";
import { readCsv } from "../mod.ts";
import { gzip, tar } from "./archives.ts";
import { kuairandPure } from "./kuairand_sample.ts";
import { withTemp } from "./temp.ts";

const files = kuairandPure();
const archive = await gzip(await tar(files));

Deno.test("downloadKuairand() writes the files that are read, whole, and nothing else", async () => {
  await withTemp(async (dir) => {
    const folder = `${dir}/data/kuairand`;
    const paths = await downloadKuairand({ folder, md5: md5(archive), fetch: serve(archive) });
    assertEquals(paths.toSorted(), Object.values(pureFiles).map((name) => `${folder}/${name}.gz`).sort());
    assertEquals(listed(folder), Object.values(pureFiles).map((name) => `${name}.gz`).sort());
    for (const name of Object.values(pureFiles)) {
      const bytes = (await Deno.readFile(`${folder}/${name}.gz`)) as Uint8Array<ArrayBuffer>;
      const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      assertEquals(await new Response(plain).text(), files[`KuaiRand-Pure/data/${name}`]);
    }
    const { count } = await readCsv(`${folder}/${pureFiles.random}.gz`, { columns: { is_rand: ["0", "1"] } });
    assertEquals(count, 150);
  });
});

Deno.test("downloadKuairand() leaves nothing behind and the old files alone, whatever goes wrong", async () => {
  const { [`KuaiRand-Pure/data/${pureFiles.random}`]: _, ...some } = files;
  const lacking = await gzip(await tar(some));
  const [long, short] = [await tar(files), (await tar(files)).subarray(0, 9000)];
  const cut = await gzip(short as Uint8Array<ArrayBuffer>);
  const half = archive.subarray(0, archive.length / 2);
  const cases: [() => Promise<Response>, string, string][] = [
    [() => Promise.resolve(new Response("gone", { status: 404, statusText: "Not Found" })), "", "found status 404 Not"],
    [() => Promise.reject(new TypeError("no network")), "", "no network"],
    [serve(half), md5(archive), `found md5 ${md5(half)}, wanted ${md5(archive)}`],
    [serve(archive), pureArchive.md5, `found md5 ${md5(archive)}, wanted ${pureArchive.md5}`],
    [serve(half), md5(half), "Cannot read KuaiRand-Pure.tar.gz: "],
    [serve(cut), md5(cut), "tar archive is cut short"],
    [serve(long.fill(0x39, 148, 154)), md5(long), "tar archive has no valid header"],
    [serve(lacking), md5(lacking), `found no ${pureFiles.random} in KuaiRand-Pure.tar.gz`],
    [serve(archive, new Error("connection lost")), md5(archive), "connection lost"],
  ];
  await withTemp(async (dir) => {
    await Deno.writeTextFile(`${dir}/${pureFiles.users}.gz`, "old");
    for (const [fetch, md5, reason] of cases) {
      const { message } = await assertRejects(() => downloadKuairand({ folder: dir, md5, fetch }), Error);
      assert(message.startsWith(`Cannot download KuaiRand-Pure\n  at ${pureArchive.address}: `), message);
      assert(message.includes(reason), message);
      assertEquals(listed(dir), [`${pureFiles.users}.gz`]);
    }
    assertEquals(await Deno.readTextFile(`${dir}/${pureFiles.users}.gz`), "old");
  });
});

Deno.test("downloadKuairand() stopped leaves nothing behind", async () => {
  await withTemp(async (dir) => {
    for (let checks = 0, done = false; !done; checks++) {
      let left = checks;
      const signal = {
        throwIfAborted() {
          if (left-- <= 0) throw new Error("stopped");
        },
        addEventListener() {},
        removeEventListener() {},
      } as unknown as AbortSignal;
      try {
        await downloadKuairand({ folder: dir, md5: md5(archive), fetch: serve(archive), signal });
        done = true;
      } catch (error) {
        assert(error instanceof Error && error.message.endsWith("stopped"), `${error}`);
        assertEquals(listed(dir), []);
      }
    }
    assertEquals(listed(dir).length, 5);
  });
});

function listed(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

function md5(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}

/** A fetch that answers with bytes in pieces, and may fail after the half of them. */
function serve(bytes: Uint8Array, failure?: Error): () => Promise<Response> {
  const size = 5000;
  return () => {
    let at = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (failure !== undefined && at > bytes.length / 2) return controller.error(failure);
        if (at >= bytes.length) return controller.close();
        controller.enqueue(bytes.slice(at, at += size));
      },
    });
    return Promise.resolve(new Response(body as ReadableStream<Uint8Array<ArrayBuffer>>));
  };
}
