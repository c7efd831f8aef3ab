/** The Python program that runs on Ray: its style and types, and its own tests, on clusters that they start and end. */
import { ran } from "../environment.ts";

/** The modules of all its tests. */
export const modules: readonly string[] = ["test_pieces", "test_jobs", "test_laws", "test_failures"];

/**
 * Checks the program by ruff and mypy, and runs some of its tests: modules, classes of them or methods of these. Returns
 * how many passed.
 *
 * @throws {Error} if a check or a test fails.
 */
export async function programTested(python: string, wanted: readonly string[]): Promise<number> {
  const config = ["--quiet", "--no-cache", "--config", "tests/ray/pyproject.toml"];
  const typed = ["--cache-dir", "out/ray/mypy", "--config-file", "tests/ray/pyproject.toml"];
  const jobs = "out/ray/jobs";
  await Deno.remove(jobs, { recursive: true }).catch(() => {});
  for (
    const [program, ...args] of [
      [python, "-m", "ruff", "check", ...config, "lib/ray", "tests/ray"],
      [python, "-m", "ruff", "format", "--check", ...config, "lib/ray", "tests/ray"],
      [python, "-m", "mypy", ...typed, "lib/ray/program.py", "lib/ray/gatehouse_job"],
      [Deno.execPath(), "run", "--quiet", "--no-prompt", "-R", `-W=out`, "--allow-ffi", "tests/ray/jobs.ts", jobs],
    ]
  ) {
    const found = await ran(program, args);
    if ("failed" in found) throw new Error(`${args.join(" ")} failed:\n${found.failed}`);
  }
  const child = new Deno.Command(python, {
    args: ["-B", "-m", "unittest", "--verbose", ...wanted], // -B: no caches beside what is published
    env: { PYTHONPATH: "lib/ray:tests/ray", GATEHOUSE_JOBS: jobs, RAY_USAGE_STATS_ENABLED: "0" },
    stdout: "inherit",
    stderr: "piped",
  }).spawn();
  let text = "";
  for await (const part of child.stderr.pipeThrough(new TextDecoderStream())) {
    text += part;
    Deno.stdout.writeSync(new TextEncoder().encode(part));
  }
  if (!(await child.status).success) throw new Error("A test of the Python program failed");
  const [, count, skipped = "0"] = text.match(/Ran (\d+) tests?[^]*?OK(?: \(skipped=(\d+)\))?/) ?? [];
  return Number(count) - Number(skipped);
}
