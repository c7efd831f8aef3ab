/** The result of a program: its output, or the last lines of what it said when it failed. */
export type Ran = { readonly out: string } | { readonly failed: string };

/** Runs a program to its end. */
export async function ran(program: string, args: readonly string[]): Promise<Ran> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(program, { args: [...args] }).output();
    const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trim());
    return success ? { out } : { failed: (error || out).split("\n").slice(-3).join("\n") };
  } catch (error) {
    return { failed: (error as Error).message };
  }
}

/**
 * Installs Python packages in a virtual environment of their own, where that was not done before. Returns its Python;
 * undefined where they cannot be installed, after a line that says so.
 *
 * @param packages Packages, or options of pip; what a file of them lists is part of what was done before.
 */
export async function pythonOf(environment: string, packages: readonly string[]): Promise<string | undefined> {
  const python = `${environment}/bin/python`;
  const isFile = (word: string) => word.endsWith(".txt");
  const list = (await Promise.all(packages.map((word) => isFile(word) ? Deno.readTextFile(word) : word))).join("\n");
  if (await Deno.readTextFile(`${environment}/installed`).catch(() => "") === list) return python;
  const commands: [string, string[]][] = [
    ["python3", ["-m", "venv", environment]],
    [python, ["-m", "pip", "install", "--quiet", ...packages]],
  ];
  for (const [program, args] of commands) {
    const found = await ran(program, args);
    if ("out" in found) continue;
    const named = packages.filter((word) => !word.startsWith("--")).join(" and ");
    console.log(`${found.failed}\nSKIPPED: ${named} cannot be installed here`);
    return undefined;
  }
  await Deno.writeTextFile(`${environment}/installed`, list);
  return python;
}

/** Returns the memory of a process in MiB, where Linux says it: by `cat`, for Deno reads nothing there itself. */
export async function mebibytesOf(pid: number): Promise<number> {
  const found = await ran("cat", [`/proc/${pid}/status`]);
  return "out" in found ? Number(/^VmRSS:\s+(\d+)/m.exec(found.out)?.[1] ?? 0) / 1024 : 0;
}

/**
 * Returns the seconds of processor's time that a process and each of its children have taken, where Linux says it: its own
 * first. A hundredth of a second is the least that is counted.
 */
export async function processorSeconds(pid: number): Promise<readonly number[]> {
  const children = await ran("cat", [`/proc/${pid}/task/${pid}/children`]);
  const pids = "out" in children && children.out !== "" ? children.out.split(" ") : [];
  const all = await ran("cat", [pid, ...pids].map((one) => `/proc/${one}/stat`));
  if ("failed" in all) throw new Error(`Cannot read what a process has taken: ${all.failed}`);
  return all.out.split("\n").map((line) => {
    const [user, system] = line.slice(line.lastIndexOf(")") + 1).trim().split(" ").slice(11, 13).map(Number);
    return (user + system) / 100;
  });
}
