/**
 * Checks and tests the Python program that runs on Ray: `deno task test:ray`. Installs Ray and what the program needs in
 * `out/ray/venv`, at the versions and hashes of requirements.txt, and says so where that cannot be done. Parts of it:
 * names of test files, such as `test_laws`.
 */
import { pythonOf, ran } from "../environment.ts";

const wanted = Deno.args.length > 0 ? Deno.args : ["test_pieces", "test_jobs", "test_laws", "test_failures"];
const python = await pythonOf("out/ray/venv", ["--require-hashes", "--requirement", "tests/ray/requirements.txt"]);
if (python === undefined) Deno.exit(0);

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

const env = { PYTHONPATH: "lib/ray:tests/ray", GATEHOUSE_JOBS: jobs, RAY_USAGE_STATS_ENABLED: "0" };
const { code, stderr } = await new Deno.Command(python, {
  args: ["-B", "-m", "unittest", "--verbose", ...wanted], // -B: no caches beside what is published
  env,
  stdout: "inherit",
  stderr: "piped",
}).output();
const text = new TextDecoder().decode(stderr);
console.log(text);
const [, count] = text.match(/Ran (\d+) tests?/) ?? [];
if (code === 0) console.log(`ok | ${count} passed | 0 failed`);
Deno.exit(code);
