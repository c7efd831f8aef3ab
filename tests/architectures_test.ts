import { assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { random } from "../lib/data/random.ts";
import { graphOf } from "../lib/graph/graph.ts";
import { trace } from "../lib/trace/trace.ts";
import { gather } from "../lib/graph/gather.ts";
import { columnsIn } from "../lib/features/columns.ts";
import { inputTensors } from "../lib/model/feed.ts";
import {
  adatt,
  bank,
  cgc,
  compile,
  crossStitch,
  define,
  dense,
  describe,
  encode,
  evaluate,
  featuresOf,
  hardConcrete,
  home,
  l2Constrained,
  level,
  mix,
  mmoe,
  multiLevelMmoe,
  omoe,
  pipe,
  ple,
  reference,
  relu,
  rows,
  sgd,
  sharedBottom,
  singleTask,
  snr,
  type Spec,
  type Table,
  tensorFactorisation,
  train,
  youtube,
} from "../mod.ts";
import { initialise, parametersOf, type Tensor } from "../lib/graph.ts";
import { architectures, base, predictions, sample, tasks } from "./models.ts";

const names = ["income", "marital"];
const data = sample(7);

/** The parameters of a model by path, none of them 0 or alike. */
type Parameters = Readonly<Record<string, Tensor>>;

/** The input of a task's tower, from one row, written with plain loops from the formulas of the paper. */
type Oracle = (x: readonly number[], parameters: Parameters, task: string) => readonly number[];

const oracles: Readonly<Record<string, Oracle>> = {
  cgc: (x, p, task) => {
    const experts = [`${task}/0`, "shared/0", "shared/1"].map((name) => expertOf(x, p, `levels/0/experts/${name}`));
    return mixed(softmaxOf(product(x, p[`levels/0/gates/${task}/0/kernel`])), experts);
  },

  ple: (x, p, task) => {
    const own = (name: string, x: readonly number[], level: number) =>
      [0, 1].map((at) => expertOf(x, p, `levels/${level}/experts/${name}/${at}`));
    const gate = (name: string, x: readonly number[], level: number) =>
      softmaxOf(product(x, p[`levels/${level}/gates/${name}/0/kernel`]));
    const shared = expertOf(x, p, "levels/0/experts/shared/0");
    const all = [...own("income", x, 0), ...own("marital", x, 0), shared];
    const [g, s] = [
      mixed(gate(task, x, 0), [...own(task, x, 0), shared]),
      mixed(gate("shared", x, 0), all),
    ];
    return mixed(gate(task, g, 1), [...own(task, g, 1), expertOf(s, p, "levels/1/experts/shared/0")]);
  },

  "multi-level mmoe": (x, p, task) => {
    const below = [0, 1].map((at) => expertOf(x, p, `levels/0/experts/shared/${at}`));
    const above = [0, 1].map((at) => {
      const read = mixed(softmaxOf(product(x, p[`levels/0/gates/${at}/0/kernel`])), below);
      return expertOf(read, p, `levels/1/experts/${at}/0`);
    });
    return mixed(softmaxOf(product(x, p[`levels/1/gates/${task}/0/kernel`])), above);
  },

  "cross-stitch": (x, p, task) => {
    const [income, marital] = names.map((name) => expertOf(x, p, `levels/0/experts/${name}/0`));
    const stitched = (at: number, name: string, units: readonly (readonly number[])[]) => {
      const [a, b] = p[`levels/${at}/gates/${name}/0/weights`].data;
      return units[0].map((unit, i) => a * unit + b * units[1][i]);
    };
    const above = names.map((name) => expertOf(stitched(0, name, [income, marital]), p, `levels/1/experts/${name}/0`));
    return stitched(1, task, above);
  },

  adatt: (x, p, task) => {
    let streams: Record<string, readonly number[]> = { income: x, marital: x, shared: x };
    for (const level of [0, 1]) {
      const experts = [["income", 0], ["income", 1], ["marital", 0], ["marital", 1], ["shared", 0]].map(([of, at]) =>
        expertOf(streams[of], p, `levels/${level}/experts/${of}/${at}`)
      );
      const fused = (name: string, first: number) => {
        const gate = softmaxOf(product(streams[name], p[`levels/${level}/gates/${name}/0/kernel`]));
        const residual = p[`levels/${level}/gates/${name}/1/residual`].data;
        return experts[0].map((_, unit) => {
          let total = 0;
          for (let e = 0; e < 5; e++) total += gate[e] * experts[e][unit];
          for (let e = 0; e < residual.length; e++) total += residual[e] * experts[first + e][unit];
          return total;
        });
      };
      streams = {
        income: fused("income", 0),
        marital: fused("marital", 2),
        shared: level === 0 ? fused("shared", 4) : [],
      };
    }
    return streams[task];
  },

  snr: (x, p, task) => {
    const below = [0, 1].map((at) => expertOf(x, p, `levels/0/experts/${at}/0`));
    const open = [...p[`levels/1/gates/${task}/0/logAlpha`].data].map(opened);
    const ways = below.map((unit, at) => product(unit, p[`levels/1/experts/${at} to ${task}/0/0/kernel`]));
    return mixed(open, ways);
  },

  "snr average": (x, p, task) => {
    const open = (at: number, target: string) => [...p[`levels/${at}/gates/${target}/0/logAlpha`].data].map(opened);
    const below = [0, 1].map((at) => expertOf(x, p, `levels/0/experts/${at}/0`));
    const above = [0, 1].map((at) => expertOf(mixed(open(0, `${at}`), below), p, `levels/1/experts/${at}/0`));
    return mixed(open(1, task), above);
  },

  home: (x, p, task) => {
    const [group, other] = task === "income" ? ["work", "life"] : ["life", "work"];
    const expert = (x: readonly number[], path: string) => {
      const low = product(x, p[`${path}/0/kernel`]);
      const gate = product(low, p[`${path}/1/kernel`]).map((logit) => 2 / (1 + Math.exp(-logit)));
      const made = layer(x.map((unit, i) => unit * gate[i]), p, `${path}/2`);
      const mean = made.reduce((a, b) => a + b) / made.length;
      const variance = made.reduce((sum, unit) => sum + (unit - mean) ** 2, 0) / made.length;
      const [gain, bias] = ["gain", "bias"].map((name) => p[`${path}/3/${name}`].data);
      return made.map((unit, i) => gain[i] * (unit - mean) / Math.sqrt(variance + 1e-5) + bias[i])
        .map((unit) => unit / (1 + Math.exp(-unit)));
    };
    const weights = (x: readonly number[], path: string) => {
      const [all, self] = [softmaxOf(product(x, p[`${path}/0/kernel`])), product(x, p[`${path}/1/kernel`])];
      return all.map((weight, e) => e === 0 ? weight + 1 / (1 + Math.exp(-self[0])) : weight);
    };
    const [own, others, shared] = [group, other, "shared"].map((name) => expert(x, `levels/0/experts/${name}/0`));
    const z = mixed(weights(x, `levels/0/gates/${group}`), [own, shared]);
    const [work, life] = task === "income" ? [own, others] : [others, own];
    const zShared = mixed(weights(x, "levels/0/gates/shared"), [shared, work, life]);
    return mixed(weights(z, `levels/1/gates/${task}`), [
      expert(z, `levels/1/experts/${task}/0`),
      expert(z, `levels/1/experts/${group}/0`),
      expert(zShared, "levels/1/experts/shared/0"),
    ]);
  },

  "l2-constrained": (x, p, task) => expertOf(x, p, `levels/0/experts/${task}/0`),

  youtube: (x, p, task) => {
    const read = [x[0], x[2], x[3]];
    const experts = [0, 1].map((at) => expertOf(read, p, `levels/0/experts/shared/${at}`));
    return mixed(softmaxOf(product(read, p[`levels/0/gates/${task}/0/kernel`])), experts);
  },

  "tensor factorisation": (x, p, task) => {
    const [u1, u2] = ["levels/0/experts/shared/0", "levels/2/experts/income/0"].map((path) => p[`${path}/0/kernel`]);
    const u3 = p[`levels/1/gates/${task}/0/weights`].data;
    return Array.from({ length: 4 }, (_, unit) => {
      let total = 0;
      for (let i = 0; i < 5; i++) {
        let w = 0; // W_k[i, unit] of the Tucker form
        for (let a = 0; a < 3; a++) {
          for (let b = 0; b < 2; b++) {
            for (let c = 0; c < 3; c++) {
              const s = p[`levels/1/experts/shared/${c}/0/kernel`].data[a * 2 + b];
              w += s * u1.data[i * 3 + a] * u2.data[b * 4 + unit] * u3[c];
            }
          }
        }
        total += x[i] * w;
      }
      return Math.max(total, 0);
    });
  },
};

/** The weights of a hard-concrete gate in evaluation. */
function opened(logAlpha: number): number {
  const stretched = 1.2 / (1 + Math.exp(-logAlpha)) - 0.1;
  return stretched < 0 ? 0 : stretched > 1 ? 1 : stretched;
}

Deno.test("presets predict as plain loops written from the formulas of their papers", async () => {
  for (const [name, oracle] of Object.entries(oracles)) {
    const spec = architectures[name];
    const parameters = shaken(spec, name);
    const found = await predictions<string>(spec, data, { parameters });
    for (const task of names) {
      for (let row = 0; row < data.count; row++) {
        const x = [...data.inputs.input.slice(5 * row, 5 * row + 5)];
        const bias = parameters["tasks/income/adds/position/0/bias"];
        const position = name === "youtube" && task === "income" // what a shallow tower says of a missing position
          ? product(rectified([...bias.data]), parameters["tasks/income/adds/position/1/kernel"])[0]
          : 0;
        const wanted = headOf(oracle(x, parameters, task), parameters, task, position);
        assertAlmostEquals(found[task][row], wanted, 1e-6, `${name}: ${task} of row ${row}`);
      }
    }
  }
});

const [width, units, T, e0, e1] = [5, 4, 2, 5 * 6 + 6 + 6 * 4 + 4, 4 * 6 + 6 + 6 * 4 + 4];
const towers = T * (4 * 3 + 3 + 3 + 1);

/** An expert of `home` over some width, with its feature gate and its norm. */
const homely = (width: number) => width * 4 + 4 + 2 * width * 2 + 2 * units;

/** The number of parameters by the formula of each docstring. */
const counts: Readonly<Record<string, number>> = {
  cgc: (2 + T) * e0 + T * width * 3,
  ple: (1 + 2 * T) * e0 + T * width * 3 + width * (1 + 2 * T) + (1 + 2 * T) * e1 + T * units * 3,
  "multi-level mmoe": 2 * e0 + width * 2 ** 2 + 2 * e1 + width * 2 * T,
  "cross-stitch": T * e0 + T ** 2 + T * e1 + T ** 2,
  adatt: 5 * e0 + (3 * width * 5 + 2 * T + 1) + 5 * e1 + (2 * units * 5 + 2 * T),
  snr: 2 * e0 + 2 * T * (units ** 2 + 1),
  "snr average": 2 * e0 + 2 * 2 + 2 * e1 + 2 * T,
  "l2-constrained": T * e0,
  youtube: 2 * (3 * 6 + 6 + 6 * 4 + 4) + 3 * 2 * T + (2 * 3 + 3 + 3),
  "tensor factorisation": width * 3 + 3 * 2 * 3 + T * 3 + 2 * 4,
  home: (1 + 2) * homely(width) + width * 2 * (2 + 1) + width * (2 + 2) + (1 + 2 + T) * homely(units) +
    units * T * (3 + 1),
};

Deno.test("presets have as many parameters as their formulas say", () => {
  for (const [name, wanted] of Object.entries(counts)) {
    const sizes = parametersOf(architectures[name]).map(({ shape }) => shape.reduce((a, b) => a * b, 1));
    assertEquals(sizes.reduce((a, b) => a + b), wanted + towers, name);
  }
});

Deno.test("presets with renamed and reordered tasks predict the same, and have the same parameters by other names", async () => {
  const [rich, wed] = [tasks.income, tasks.marital];
  const groups = (one: string, other: string) => ({ groups: { work: [one], life: [other] }, expert: dense(4) });
  const all: readonly (readonly [name: string, of: (preset: never, one: string, other: string) => Table<string>])[] = [
    ["cgc", (preset) => cgc(preset)],
    ["ple", (preset) => ple(preset)],
    ["multi-level mmoe", (preset) => multiLevelMmoe(preset)],
    ["cross-stitch", (preset) => crossStitch(preset)],
    ["adatt", (preset) => adatt(preset)],
    ["snr", (preset) => snr(preset)],
    ["l2-constrained", (preset) => l2Constrained(preset)],
    ["youtube", (preset) => youtube({ ...preset as object, position: [1] } as never)],
    ["home", (preset, one, other) => home({ ...preset as object, ...groups(one, other) } as never)],
  ];
  const other: Record<string, string> = { income: "rich", marital: "wed" };
  const old = (name: string) => name.replaceAll(/\b(rich|wed)\b/g, (found) => found === "rich" ? "income" : "marital");
  for (const [name, preset] of all) {
    const spec = define(preset({ ...base } as never, "income", "marital"));
    const renamed = define(preset({ ...base, tasks: { wed, rich } } as never, "rich", "wed"));
    const parameters = shaken(spec, name);
    const swapped = Object.fromEntries(
      parametersOf(renamed).map(({ path, shape }) => {
        const { data } = parameters[old(path)];
        const [, at, stream] = /^levels\/(\d)\/gates\/([^/]+)\//.exec(path) ?? [];
        if (at === undefined) return [path, { shape, data }];
        const before = expertsOf(spec, Number(at), old(stream)); // the experts that a gate's columns are of
        const after = expertsOf(renamed, Number(at), stream).map(old);
        const columns = after.map((expert) => before.indexOf(expert));
        return [path, { shape, data: shape.at(-1) === columns.length ? inOrder(data, columns) : data }];
      }),
    );
    const [before, after] = [
      await predictions<string>(spec, data, { parameters }),
      await predictions<string>(renamed, data, { parameters: swapped }),
    ];
    for (const [task, to] of Object.entries(other)) {
      after[to].forEach((p, row) => assertAlmostEquals(p, before[task][row], 1e-6, `${name}: ${task}`));
    }
  }
});

Deno.test("ple() of one level is cgc(), and cgc() without own or shared experts is mmoe() or singleTask()", () => {
  for (const options of [{}, { shared: 3 }, { own: 2 }, { shared: 0, own: 2 }, { shared: 2, own: 0 }]) {
    assertEquals(define(ple({ ...base, ...options, levels: 1 })), define(cgc({ ...base, ...options })));
  }
  assertEquals(define(cgc({ ...base, shared: 3, own: 0 })), define(mmoe({ ...base, experts: 3 })));
  assertEquals(parametersOf(define(cgc({ ...base, own: 0 }))), parametersOf(define(sharedBottom(base))));
  assertEquals(define(cgc({ ...base, shared: 0 })), define(singleTask(base)));
});

Deno.test("ple() without shared experts keeps its tasks apart", async () => {
  const spec = define(ple({ ...base, shared: 0, own: 2, levels: 3 }));
  const parameters = shaken(spec, "apart");
  const before = await predictions(spec, data, { parameters });
  const changed = Object.entries(parameters).map(([path, { shape, data }]) => {
    return [path, { shape, data: path.includes("/income/") ? data.map((x) => -x) : data }] as const;
  });
  const after = await predictions(spec, data, { parameters: Object.fromEntries(changed) });
  assertEquals(after.marital, before.marital);
  assertEquals(after.income.some((p, row) => p !== before.income[row]), true);
});

Deno.test("multiLevelMmoe() of one level is mmoe(), and of one expert a chain of shared ones", async () => {
  assertEquals(define(multiLevelMmoe({ ...base, levels: 1 })), define(mmoe(base)));
  const one = define(multiLevelMmoe({ ...base, experts: 1, levels: 2 }));
  const chain = define(ple({ ...base, own: 0, levels: 2 }));
  const parameters = initialise(one, 3);
  const renamed = renamedBy(parameters, (path) => path.replace("levels/1/experts/0/", "levels/1/experts/shared/"));
  assertEquals(
    await predictions(one, data, { parameters }),
    await predictions(chain, data, { parameters: renamed }),
  );
});

Deno.test("crossStitch() with the identity as matrix is singleTask()", async () => {
  const spec = define(crossStitch({ ...base, levels: 1, same: 1 }));
  const alone = define(singleTask(base));
  assertEquals(parametersOf(spec).filter(({ path }) => !path.includes("gates")), parametersOf(alone));
  assertEquals(await predictions(spec, data, { seed: 3 }), await predictions(alone, data, { seed: 3 }));
});

Deno.test("crossStitch() with equal rows gives all tasks one stream", async () => {
  const spec = define(crossStitch({ ...base, same: 0.5 }));
  const parameters = initialise(spec, 3);
  const tied = Object.fromEntries(
    Object.keys(parameters).map((path) => [path, parameters[path.replace("tasks/marital", "tasks/income")]]),
  );
  const { income, marital } = await predictions(spec, data, { parameters: tied });
  assertEquals(income, marital);
});

Deno.test("adatt() learns the residual of every stream as soon as a bank has another number of experts than 1", () => {
  const residuals = (counts: { readonly own?: number; readonly shared?: number }) =>
    parametersOf(define(adatt({ ...base, ...counts }))).filter(({ path }) => path.endsWith("residual"))
      .map(({ path, shape }) => `${path.split("/").slice(1, 4).join("/")} [${shape}]`);
  for (const counts of [{}, { own: 1, shared: 1 }]) assertEquals(residuals(counts), []);
  assertEquals(residuals({ own: 2 }).length, 4);
  const of = (own: number, shared: number) => [
    ...[`0/gates/income [${own}]`, `0/gates/marital [${own}]`, `0/gates/shared [${shared}]`],
    ...[`1/gates/income [${own}]`, `1/gates/marital [${own}]`],
  ];
  for (const [own, shared] of [[2, 1], [1, 2], [3, 2]]) assertEquals(residuals({ own, shared }), of(own, shared));
});

Deno.test("adatt() without its residual is mmoe() over the experts of all tasks", async () => {
  const [fused, plain] = [define(adatt({ ...base, own: 2, levels: 1 })), define(mmoe({ ...base, experts: 4 }))];
  const parameters = Object.fromEntries(
    Object.entries(initialise(fused, 3)).map(([path, { shape, data }]) =>
      [path, { shape, data: path.endsWith("/residual") ? data.map(() => 0) : data }] as const
    ),
  );
  const renamed = renamedBy(
    parameters,
    (path) =>
      path.endsWith("/residual") ? undefined : path.replace(/experts\/(income|marital)\/(\d)/, (_, task, at) => {
        return `experts/shared/${Number(at) + (task === "income" ? 0 : 2)}`;
      }),
  );
  const [one, other] = [
    await predictions(fused, data, { parameters }),
    await predictions(plain, data, { parameters: renamed }),
  ];
  for (const task of ["income", "marital"] as const) {
    one[task].forEach((p, row) => assertAlmostEquals(p, other[task][row], 1e-7));
  }
});

Deno.test("adatt() without its residual and with equal gates is omoe()", async () => {
  const [fused, plain] = [define(adatt({ ...base, own: 2, levels: 1 })), define(omoe({ ...base, experts: 4 }))];
  const omoes = initialise(plain, 3);
  const parameters = Object.fromEntries(
    Object.entries(initialise(fused, 3)).map(([path, { shape, data }]) => {
      if (path.endsWith("/residual")) return [path, { shape, data: data.map(() => 0) }];
      const from = path.replace(/gates\/(income|marital)/, "gates/shared")
        .replace(/experts\/(income|marital)\/(\d)/, (_, task, at) => {
          return `experts/shared/${Number(at) + (task === "income" ? 0 : 2)}`;
        });
      return [path, omoes[from]];
    }),
  );
  const [one, other] = [
    await predictions(fused, data, { parameters }),
    await predictions(plain, data, { parameters: omoes }),
  ];
  for (const task of ["income", "marital"] as const) {
    one[task].forEach((p, row) => assertAlmostEquals(p, other[task][row], 1e-7));
  }
});

Deno.test("snr() with all ways open is crossStitch() with ones as matrix", async () => {
  const [routed, stitched] = [define(snr({ ...base, ways: "average" })), define(crossStitch(base))];
  const parameters = shaken(stitched, "ways");
  for (const [path, { data }] of Object.entries(parameters)) if (path.includes("/gates/")) data.fill(1);
  const renamed = Object.fromEntries(
    Object.entries(initialise(routed, 3)).map(([path, { shape, data }]) => {
      if (path.includes("/gates/")) return [path, { shape, data: data.map(() => 9) }];
      return [path, parameters[path.replace(/experts\/(\d)/, (_, at) => `experts/${names[at]}`)]];
    }),
  );
  assertEquals(
    await predictions(routed, data, { parameters: renamed }),
    await predictions(stitched, data, { parameters }),
  );
});

Deno.test("snr() with the identity for every matrix is the one that transforms nothing", async () => {
  const [one, other] = [define(snr({ ...base, levels: 1 })), define(snr({ ...base, levels: 1, ways: "average" }))];
  const parameters = shaken(other, "identity");
  const identity = { shape: [4, 4], data: Float32Array.from({ length: 16 }, (_, i) => i % 5 === 0 ? 1 : 0) };
  const more = Object.fromEntries(
    parametersOf(one).map(({ path }) => {
      if (path.includes(" to ")) return [path, identity];
      return [path, parameters[path.replace("levels/1/gates", "levels/0/gates")]];
    }),
  );
  assertEquals(await predictions(one, data, { parameters: more }), await predictions(other, data, { parameters }));
});

Deno.test("hardConcrete() draws what its formula says, and closes as often", async () => {
  const [count, beta, gamma, zeta] = [4001, 2 / 3, -0.1, 1.1];
  const spec = define({
    input: 5,
    levels: [level({ shared: bank(2, dense(3)) }, { shared: mix("shared", hardConcrete()) })],
    tasks,
  });
  const { gates, logits } = trace(spec, true);
  const graph = graphOf({ weights: gates["0/shared"], logits: logits.income });
  const [name] = graph.nodes.flatMap(({ op, attrs }) => op === "noise" ? [attrs.name as string] : []);
  const logAlpha = [-1.5, 0.7];
  const gate = { shape: [2], data: Float64Array.from(logAlpha) };
  const engine = reference();
  const store = engine.store({ ...initialise(spec, 0), "levels/0/gates/shared/0/logAlpha": gate });
  const program = engine.load(graph, store);
  const open = [0, 0];
  for (let at = 0; at < count; at++) {
    const u = (at + 0.5) / count;
    const noise = { shape: [2], data: Float64Array.of(u, u) };
    const { weights } = await program.run({ [name]: noise, input: { shape: [1, 5], data: new Float32Array(5) } });
    logAlpha.forEach((alpha, e) => {
      const s = 1 / (1 + Math.exp(-(Math.log(u) - Math.log(1 - u) + alpha) / beta));
      assertAlmostEquals(weights.data[e], Math.min(1, Math.max(0, s * (zeta - gamma) + gamma)), 1e-5);
      if (weights.data[e] > 0) open[e] += 1 / count;
    });
  }
  logAlpha.forEach((alpha, e) => {
    assertAlmostEquals(open[e], 1 / (1 + Math.exp(-(alpha - beta * Math.log(-gamma / zeta)))), 1e-3);
  });
});

Deno.test("home() without shared experts keeps groups apart", async () => {
  const three = { ...tasks, age: tasks.income };
  const groups = { work: ["income", "age"], life: ["marital"] } as const;
  const spec = define(home({ input: 5, expert: dense(4), tasks: three, groups, shared: 0, own: 2 }));
  const parameters = shaken(spec, "apart");
  const negated = (name: string) =>
    Object.fromEntries(
      Object.entries(parameters).map(([path, { shape, data }]) => {
        return [path, { shape, data: path.includes(`/${name}/`) ? data.map((x) => -x) : data }];
      }),
    );
  const before = await predictions(spec, data, { parameters });
  const [work, income] = [
    await predictions(spec, data, { parameters: negated("work") }),
    await predictions(spec, data, { parameters: negated("income") }),
  ];
  assertEquals([work.marital, income.marital, income.age], [before.marital, before.marital, before.age]);
  assertEquals([work.age, work.income, income.income].some((found) => found === before.age), false);
  for (const [found, task] of [[work, "age"], [work, "income"], [income, "income"]] as const) {
    assertNotEquals(found[task], before[task]);
  }
});

Deno.test("home() says which task is in no group, in two, or none", () => {
  const small = { input: 5, expert: dense(4), tasks };
  const cases: [Record<string, unknown>, string][] = [
    [{ a: ["income"] }, 'task "marital" is in no group: wanted one'],
    [{ a: ["income", "maritl"] }, 'groups.a names "maritl", which is not a task: did you mean "marital"?'],
    [{ a: ["income"], b: ["marital", "income"] }, 'groups.b names "income", which is in group "a" already'],
    [{ income: ["income", "marital"] }, 'a task is named "income"'],
    [{ a: "income" }, 'groups.a must be a list of tasks, found "income"'],
  ];
  for (const [groups, message] of cases) {
    assertThrows(() => home({ ...small, groups: groups as never }), TypeError, message);
  }
});

Deno.test("youtube() without positions is mmoe() over the other features, and adds them in training alone", async () => {
  const options = { input: 5, expert: base.expert, experts: 2, tasks };
  const spec = define(youtube({ ...options, position: [3, 4], drop: 0.25 }));
  const parameters = shaken(spec, "position");
  const plain = define(mmoe({ ...options, input: 3 }));
  const kept = renamedBy(parameters, (path) => path.includes("/adds/") ? undefined : path);
  const short = rows(
    Array.from({ length: data.count }, (_, row) => [...data.inputs.input.slice(5 * row, 5 * row + 3)]),
  );
  assertEquals(await predictions(spec, data, { parameters }), await predictions(plain, short, { parameters: kept }));

  const engine = reference();
  const { logits } = trace(spec, true);
  const graph = graphOf({ marital: logits.marital, without: trace(spec, false).logits.marital });
  const input = { shape: [data.count, 5], data: data.inputs.input };
  const names = graph.nodes.flatMap(({ op, attrs }) => op === "noise" ? [attrs.name as string] : []);
  const u = Float64Array.of(0, 0.2, 0.24, 0.26, 0.5, 0.9, 0.99);
  const noise = Object.fromEntries(names.map((name) => [name, { shape: [data.count, 1], data: u }]));
  const found = await engine.load(graph, engine.store(parameters)).run({ input, ...noise });
  const [w3, w4] = parameters["tasks/marital/adds/position/0/kernel"].data;
  u.forEach((draw, row) => {
    const [x3, x4] = input.data.slice(5 * row + 3, 5 * row + 5);
    const more = draw > 0.25 ? x3 * w3 + x4 * w4 : 0;
    assertAlmostEquals(found.marital.data[row] - found.without.data[row], more, 1e-6);
  });
});

Deno.test("youtube() keeps the features of a position out of the experts, and one-hot columns are gathered", async () => {
  const position = { kind: "category", words: ["first", "second"] } as const;
  const item = { kind: "category", words: Array.from({ length: 40 }, (_, at) => `item ${at}`) } as const;
  const age = { kind: "numeric", transform: "none", mean: 30, scale: 10 } as const;
  const spec = define(youtube({ input: { position, item, age }, position: ["position"], expert: base.expert, tasks }));
  assertEquals(spec.streams, { shared: ["item", "age"], position: ["position"] });
  assertEquals(columnsIn(spec.input)(spec.streams!.shared), [[5, 42], [0, 1]]);
  const plain = define(mmoe({ input: { age, item }, expert: base.expert, tasks }));
  const parameters = shaken(spec, "features");
  const kept = Object.fromEntries(
    Object.entries(parameters).filter(([path]) => !path.includes("/adds/")).map(([path, { shape, data }]) => {
      if (shape[0] !== 43) return [path, { shape, data }];
      const row = (at: number) => data.slice(at * shape[1], (at + 1) * shape[1]);
      return [path, { shape, data: Float32Array.from([42, ...Array(42).keys()].flatMap((at) => [...row(at)])) }];
    }),
  );
  const columns = { position: ["first", "second", "nowhere"], item: ["item 3", "item 39", "none"], age: [20, 30, 60] };
  const wanted = await predictions(plain, encode({ age, item }, columns), { parameters: kept });
  const { logits } = trace(spec, false);
  for (const least of [1, 1e9]) {
    const graph = graphOf(gather(logits, least));
    assertEquals(graph.nodes.some(({ op }) => op === "gatherSum"), least === 1);
    const engine = reference();
    const program = engine.load(graph, engine.store(parameters));
    const found = await program.run(inputTensors(encode(featuresOf(spec), columns), spec.input));
    for (const task of ["income", "marital"] as const) {
      wanted[task].forEach((p, row) => assertAlmostEquals(1 / (1 + Math.exp(-found[task].data[row])), p, 1e-6));
    }
  }
});

Deno.test("tensorFactorisation() with the identity for its factors is singleTask() of the core's matrices", async () => {
  const spec = define(tensorFactorisation({ input: 5, units: 4, ranks: [5, 4, 2], tasks }));
  const alone = define(singleTask({ input: 5, expert: pipe(dense(4, { bias: false }), relu), tasks }));
  const parameters = shaken(alone, "core");
  const identity = (size: number) => Float32Array.from({ length: size ** 2 }, (_, i) => i % (size + 1) === 0 ? 1 : 0);
  const factors = Object.fromEntries(
    parametersOf(spec).map(({ path, shape }) => {
      const core = /levels\/1\/experts\/shared\/(\d)/.exec(path);
      const row = /gates\/(\w+)/.exec(path);
      if (core !== null) return [path, parameters[`levels/0/experts/${names[Number(core[1])]}/0/0/kernel`]];
      if (row !== null) return [path, { shape, data: Float32Array.from(names, (name) => name === row[1] ? 1 : 0) }];
      return [
        path,
        parameters[path] !== undefined && path.startsWith("tasks")
          ? parameters[path]
          : { shape, data: identity(shape[0]) },
      ];
    }),
  );
  assertEquals(await predictions(spec, data, { parameters: factors }), await predictions(alone, data, { parameters }));
});

Deno.test("l2Constrained() adds the squared distances between the experts of every two tasks", async () => {
  const three = { ...tasks, age: tasks.income };
  const spec = define(l2Constrained({ ...base, tasks: three, near: 0.25 }));
  assertEquals(spec.levels[0].experts.age.near, { income: 0.25, marital: 0.25 });
  const parameters = shaken(spec, "distance");
  const model = await compile(spec, { engine: reference(), parameters });
  const { auxiliary } = await evaluate(model, data);
  const wanted = [["marital", "income"], ["age", "income"], ["age", "marital"]].map(([bank, other]) => {
    let total = 0;
    for (const [path, { data }] of Object.entries(parameters)) {
      if (!path.startsWith(`levels/0/experts/${bank}/`)) continue;
      const theirs = parameters[path.replace(bank, other)].data;
      data.forEach((number, i) => total += 0.25 * (number - theirs[i]) ** 2);
    }
    return [`levels/0/experts/${bank}/near/${other}`, total] as const;
  });
  assertEquals(Object.keys(auxiliary), wanted.map(([path]) => path));
  for (const [path, total] of wanted) assertAlmostEquals(auxiliary[path], total, 1e-5 * total);
  model.dispose();
});

Deno.test("l2Constrained() is singleTask() with no distance, and nears sharedBottom() in training", async () => {
  const alone = define(singleTask(base));
  assertEquals(define(l2Constrained({ ...base, near: 0 })), alone);
  const near = define(l2Constrained(base));
  assertEquals(await predictions(near, data, { seed: 3 }), await predictions(alone, data, { seed: 3 }));
  const distance = async (weight: number) => {
    const model = await compile(define(l2Constrained({ ...base, near: weight })), { engine: reference(), seed: 3 });
    for await (const _ of train(model, sample(64), { epochs: 30, batch: 64, optimiser: sgd(0.05) })) continue;
    const { auxiliary } = await evaluate(model, data);
    model.dispose();
    return weight === 0 ? Infinity : auxiliary["levels/0/experts/marital/near/income"] / weight;
  };
  const [loose, tight] = [await distance(1e-6), await distance(1)];
  assertEquals(tight < 1e-3 * loose, true, `${tight} of ${loose}`);
});

Deno.test("hardConcrete() counts its open ways as a loss", async () => {
  const spec = architectures.snr;
  const parameters = shaken(spec, "open");
  const model = await compile(spec, { engine: reference(), parameters });
  const { auxiliary } = await evaluate(model, data);
  for (const task of names) {
    let open = 0;
    for (const alpha of parameters[`levels/1/gates/${task}/0/logAlpha`].data) {
      open += 1 / (1 + Math.exp(-(alpha - 2 / 3 * Math.log(0.1 / 1.1))));
    }
    assertAlmostEquals(auxiliary[`levels/1/gates/${task}/open`], 0.1 * open, 1e-6);
  }
  model.dispose();
});

Deno.test("presets with levels take one net for all, or one for each", () => {
  const two = [dense(6), dense(3)];
  for (const preset of [ple, multiLevelMmoe, crossStitch, adatt]) {
    const spec = define(preset({ input: 5, expert: two, tasks }));
    assertEquals(spec.levels.length, 2);
    assertEquals(define(preset({ input: 5, expert: dense(6), tasks, levels: 2 })).levels[0], spec.levels[0]);
    assertThrows(
      () => preset({ input: 5, expert: two, levels: 3, tasks }),
      RangeError,
      "3 levels need as many nets, found 2",
    );
    for (const levels of [0, 1.5, -1, Infinity, NaN]) {
      assertThrows(
        () => preset({ input: 5, expert: dense(6), levels, tasks }),
        RangeError,
        "levels must be a whole number",
      );
    }
  }
});

Deno.test("describe() writes presets as tables", async () => {
  const text = await Deno.readTextFile(new URL("architectures.txt", import.meta.url));
  const golden = Object.fromEntries(
    text.split("\n\n").map((part) => {
      const [name, ...lines] = part.trimEnd().split("\n");
      return [name, lines.join("\n")];
    }),
  );
  assertEquals(Object.fromEntries(Object.keys(oracles).map((name) => [name, describe(architectures[name])])), golden);
});

/** A model's initial parameters, moved a little so that none is 0. */
function shaken(spec: Spec, seed: string): Record<string, Tensor> {
  const { normal } = random(seed);
  return Object.fromEntries(
    Object.entries(initialise(spec, 3)).map(([path, { shape, data }]) => {
      return [path, { shape, data: data.map((x) => x + 0.2 * normal()) }];
    }),
  );
}

/** The experts that the columns of a gate are of. */
function expertsOf(spec: Spec, at: number, stream: string): string[] {
  const { experts, gates } = spec.levels[at];
  return gates[stream].mix.flatMap((bank) => Array.from({ length: experts[bank].count }, (_, e) => `${bank}/${e}`));
}

/** Rows of numbers with their columns in another order. */
function inOrder(data: ArrayLike<number>, columns: readonly number[]): Float32Array {
  return Float32Array.from({ length: data.length }, (_, i) => {
    const column = i % columns.length;
    return data[i - column + columns[column]];
  });
}

function renamedBy(
  parameters: Parameters,
  name: (path: string) => string | undefined,
): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(parameters).flatMap(([path, tensor]) => {
      const to = name(path);
      return to === undefined ? [] : [[to, tensor]];
    }),
  );
}

/** `x W`. */
function product(x: readonly number[], { shape: [rows, columns], data }: Tensor): number[] {
  assertEquals(x.length, rows);
  return Array.from({ length: columns }, (_, j) => {
    let total = 0;
    for (let i = 0; i < rows; i++) total += x[i] * data[i * columns + j];
    return total;
  });
}

function layer(x: readonly number[], p: Parameters, path: string): number[] {
  return product(x, p[`${path}/kernel`]).map((unit, j) => unit + p[`${path}/bias`].data[j]);
}

function rectified(x: readonly number[]): number[] {
  return x.map((unit) => unit > 0 ? unit : 0);
}

/** The expert of the models: two layers with relu. */
function expertOf(x: readonly number[], p: Parameters, path: string): number[] {
  return rectified(layer(rectified(layer(x, p, `${path}/0`)), p, `${path}/1`));
}

function softmaxOf(logits: readonly number[]): number[] {
  const powers = logits.map((logit) => Math.exp(logit));
  const total = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / total);
}

function mixed(weights: readonly number[], experts: readonly (readonly number[])[]): number[] {
  assertEquals(weights.length, experts.length);
  return experts[0].map((_, unit) => {
    let total = 0;
    for (let e = 0; e < experts.length; e++) total += weights[e] * experts[e][unit];
    return total;
  });
}

/** A task's probability, from what its tower reads. */
function headOf(x: readonly number[], p: Parameters, task: string, more = 0): number {
  const [logit] = layer(rectified(layer(x, p, `tasks/${task}/tower/0`)), p, `tasks/${task}/head/0`);
  return 1 / (1 + Math.exp(-logit - more));
}
