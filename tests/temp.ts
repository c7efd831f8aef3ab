/**
 * Runs a test in a new empty folder under the ignored `out`, the one place where tests may write, and removes the
 * folder whatever happens.
 */
export async function withTemp<T>(test: (dir: string) => T | Promise<T>): Promise<T> {
  await Deno.mkdir("out", { recursive: true });
  const dir = await Deno.makeTempDir({ dir: "out", prefix: "test-" });
  try {
    return await test(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
