import { assert, assertEquals } from "@std/assert";
import { builtin } from "../lib/files/builtin.ts";
import { denoSystem } from "../lib/files/deno_system.ts";
import { lock, type Locker } from "../lib/files/node_lock.ts";
import { nodeSystem } from "../lib/files/node_system.ts";
import { plainSha256, sha256 } from "../lib/files/sha256.ts";
import type { System } from "../lib/files/system.ts";
import { gunzip } from "../lib/data/gzip.ts";
import { random } from "../lib/data/random.ts";
import { code, filesUnder } from "./sources.ts";
import { withTemp } from "./temp.ts";

const fs = builtin("node:fs/promises")!;
const zlib = builtin("node:zlib")!;
/** A process on whose host none but it runs. */
const locker: Locker = { host: "a", id: 7, runs: (id) => id === 7 };
const windows = Deno.build.os === "windows";

/** Does everything that can be done with files, and returns what was seen. */
async function exercise(on: System, dir: string): Promise<unknown[]> {
  const seen: unknown[] = [];
  const kinds = async () => (await on.entries(dir)).toSorted((a, b) => a.name < b.name ? -1 : 1);
  const refused = async (work: () => Promise<unknown>) =>
    seen.push(await work().then(() => "no error", ({ code }) => code));
  await on.mkdir(`${dir}/a/b`, { recursive: true });
  await on.mkdir(`${dir}/c`, { mode: 0o700 });
  const file = await on.create(`${dir}/a/one`, 0o640);
  assertEquals(await file.write(new TextEncoder().encode("12345")), 5);
  await file.sync();
  await file.close();
  await on.link(`${dir}/a/one`, `${dir}/two`);
  await on.chmod(`${dir}/two`, 0o600);
  await on.rename(`${dir}/a/b`, `${dir}/d`);
  seen.push(await kinds(), (await on.stat(`${dir}/c`)).mode, (await on.stat(`${dir}/a/one`)).mode);
  const open = await on.open(`${dir}/two`);
  const bytes = new Uint8Array(4);
  seen.push(await open.size(), await open.read(bytes), [...bytes], await open.read(bytes), await open.read(bytes));
  seen.push(await open.readAt(bytes, 3), bytes[0], await open.readAt(bytes, 9), await open.readAt(bytes, 0), [
    ...bytes,
  ]);
  await open.close();
  await refused(() => on.create(`${dir}/two`));
  await refused(() => on.stat(`${dir}/none`));
  await refused(() => on.open(`${dir}/none`));
  await refused(() => on.stat(`${dir}/two/none`));
  await refused(() => on.mkdir(`${dir}/c`));
  seen.push((await on.lstat(`${dir}/two`)).kind, (await on.realPath(`${dir}/a/../two`)).endsWith("/two"));
  const { version, changed } = await on.stat(`${dir}/two`);
  seen.push(version === (await on.stat(`${dir}/two`)).version, Math.abs(Date.now() - changed!.getTime()) < 60_000);
  const unlock = await on.lock(`${dir}/c`);
  seen.push(await on.lock(`${dir}/c`));
  await on.rename(`${dir}/c`, `${dir}/e`);
  seen.push(await on.lock(`${dir}/e`));
  await unlock!(`${dir}/e`);
  seen.push((await on.entries(`${dir}/e`)).length);
  const again = await on.lock(`${dir}/e`);
  await again!(`${dir}/e`);
  seen.push(await kinds());
  await on.remove(`${dir}/a`);
  await refused(() => on.remove(`${dir}/a`));
  return [...seen, await kinds()];
}

Deno.test({
  name: "Deno's files and Node.js's do the same",
  ignore: windows,
  fn: async () => {
    const systems: readonly System[] = [denoSystem, nodeSystem(fs, () => locker)];
    const found = await Promise.all(systems.map((on) => withTemp((dir) => exercise(on, dir))));
    assertEquals(found[1], found[0]);
    assertEquals(systems.map((on) => on.windows), [windows, windows]);
  },
});

Deno.test("a folder is locked once by a file in it, and the lock of a process that has ended is broken", () =>
  withTemp(async (dir) => {
    const names = () => [...Deno.readDirSync(dir)].map(({ name }) => name);
    const unlock = await lock(fs, dir, locker);
    assertEquals(names(), [".gatehouse-new-00000000"]);
    assertEquals(await lock(fs, dir, locker), undefined);
    assertEquals(await lock(fs, dir, { ...locker, id: 8 }), undefined);
    assertEquals(await lock(fs, dir, { ...locker, host: "b", runs: () => false }), undefined); // another machine's
    const other = await lock(fs, dir, { ...locker, id: 8, runs: (id) => id === 8 });
    assert(other !== undefined);
    await unlock!(dir); // no longer its own
    assertEquals(names().length, 1);
    await other(dir);
    assertEquals(names(), []);
  }));

Deno.test("a lock without a sign for long is broken, by one alone", () =>
  withTemp(async (dir) => {
    for (let round = 0; round < 20; round++) {
      const path = `${dir}/.gatehouse-new-00000000`;
      await Deno.writeTextFile(path, "b 7 x");
      assertEquals(await lock(fs, dir, locker), undefined);
      const long = new Date(Date.now() - 31_000);
      await Deno.utime(path, long, long);
      const locks = await Promise.all(Array.from({ length: 8 }, () => lock(fs, dir, locker)));
      const held = locks.filter((unlock) => unlock !== undefined);
      assertEquals(held.length, 1);
      await held[0](dir);
      assertEquals([...Deno.readDirSync(dir)], []);
    }
  }));

Deno.test("a folder that cannot be written is not locked", async () => {
  const unlock = await lock(fs, "out/none", locker);
  await unlock!("out/none");
});

Deno.test("SHA-256 by loops is the platform's, whatever the pieces", async () => {
  const source = random("sha256");
  for (const length of [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000, 70_000]) {
    const bytes = Uint8Array.from({ length }, () => source.bits());
    const hash = plainSha256();
    for (let at = 0; at < length;) {
      const next = at + 1 + source.bits() % 150;
      hash.update(bytes.subarray(at, next));
      at = next;
    }
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
    assertEquals([hash.digest(), sha256(bytes)], [digest, digest]);
  }
});

Deno.test("gunzip() by loops and by the platform read the same, and refuse the same", async () => {
  const source = random("gunzip");
  const text = (length: number) => Array.from({ length }, () => String.fromCharCode(97 + source.bits() % 7)).join("");
  const member = (length: number) => new Uint8Array(zlib.gzipSync(text(length), { level: 1 + source.bits() % 9 }));
  const join = (...parts: readonly Uint8Array[]) => new Uint8Array(parts.flatMap((part) => [...part]));
  const whole = join(member(70_000), member(0), member(300), new Uint8Array(600));
  const cases = [whole, join(member(5), Uint8Array.of(7)), member(1000).subarray(0, -9), member(20).subarray(0, 5)];
  for (let round = 0; round < 200; round++) {
    const bytes = member(1 + source.bits() % 400);
    bytes[source.bits() % bytes.length] ^= 1 << source.bits() % 8;
    cases.push(bytes);
  }
  const read = async (bytes: Uint8Array, size: number, by: typeof zlib | null): Promise<string> => {
    const [found, parts]: [number[], AsyncIterable<Uint8Array>] = [[], pieces(bytes, size)];
    try {
      for await (const piece of gunzip(parts, by)) for (const byte of piece) found.push(byte);
      return sha256(Uint8Array.from(found));
    } catch (error) {
      return String(error);
    }
  };
  for (const bytes of cases) {
    const wanted = await read(bytes, 100_000, zlib);
    for (const size of [1, 7, 100_000]) {
      if (size < 100_000 && bytes.length > 5000) continue;
      assertEquals(await read(bytes, size, null), wanted);
    }
  }
});

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}

Deno.test("lib uses no syntax and no function that Node.js 20 or a browser of today lacks", () => {
  const missing: readonly RegExp[] = [
    /\b(?:await )?using \w+ =/,
    /\bArray\.fromAsync\b/,
    /\bReadableStream\.from\b/,
    /\bPromise\.(?:withResolvers|try)\b/,
    /\.(?:to|from)(?:Hex|Base64)\(/,
    /\.transfer\(/,
    /\.bytes\(\)/,
    /\b(?:Map|Object)\.groupBy\b/,
    /\bSymbol\.(?:asyncD|d)ispose\b/,
    /\bimport\(\s*"node:|^import (?!type)[^;]*"node:/m,
    /(?<!globalThis\.)\bnavigator\./,
  ];
  const wrong = ["mod.ts", ...filesUnder("lib").filter((path) => path.endsWith(".ts"))].flatMap((path) => {
    const source = code(Deno.readTextFileSync(path));
    return missing.flatMap((pattern) => pattern.exec(source)?.[0] ?? []).map((found) => `${path} has ${found}`);
  });
  assertEquals(wrong, []);
});

Deno.test("Deno is named only where files, the terminal and native libraries are reached", () => {
  const allowed =
    /^lib\/(?:files\/(?:deno_system|runtime)|engines\/onnx\/library|engines\/tfjs\/\w+|report\/progress_bar|datasets\/find|serve\/serve)\.ts$/;
  const found = filesUnder("lib").filter((path) =>
    path.endsWith(".ts") && !allowed.test(path) && /\bDeno\.(?!errors)/.test(code(Deno.readTextFileSync(path)))
  );
  assertEquals(found, []);
});
