import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { adam, cosineDecay, firstEpochs, lazyAdam, linearDecay, sgd, stepDecay, warmUp } from "../mod.ts";

/** The rates of steps 1 to 12 by the schedulers of PyTorch 2.15 over `SGD(lr=0.3)`, read before each step. */
const torch = {
  // CosineAnnealingLR(11, eta_min=0.05), LinearLR(1, 0.25, total_iters=8), StepLR(3, gamma=0.5), MultiStepLR([2, 7]),
  // SequentialLR([LinearLR(1 / 4, 1, total_iters=3), CosineAnnealingLR(8)], milestones=[4])
  cosine: [
    0.3,
    0.294936621701812,
    0.280156691603898,
    0.256857591743161,
    0.226926876625236,
    0.192789354784161,
    0.157210645215839,
    0.123073123374764,
    0.093142408256839,
    0.069843308396102,
    0.055063378298188,
    0.05,
  ],
  linear: [0.3, 0.271875, 0.24375, 0.215625, 0.1875, 0.159375, 0.13125, 0.103125, 0.075, 0.075, 0.075, 0.075],
  every: [0.3, 0.3, 0.3, 0.15, 0.15, 0.15, 0.075, 0.075, 0.075, 0.0375, 0.0375, 0.0375],
  listed: [0.3, 0.3, 0.03, 0.03, 0.03, 0.03, 0.03, 0.003, 0.003, 0.003, 0.003, 0.003],
  warm: [
    0.075,
    0.15,
    0.225,
    0.3,
    0.3,
    0.288581929876693,
    0.256066017177982,
    0.207402514854763,
    0.15,
    0.092597485145237,
    0.043933982822018,
    0.011418070123307,
  ],
};

const ours = {
  cosine: cosineDecay(0.3, 11, { end: 0.05 }),
  linear: linearDecay(0.3, 8, { end: 0.3 * 0.25 }),
  every: stepDecay(0.3, 3, { factor: 0.5 }),
  listed: stepDecay(0.3, [2, 7]),
  warm: warmUp(4, cosineDecay(0.3, 8)),
};

Deno.test("schedules are those of PyTorch", () => {
  for (const [name, schedule] of Object.entries(ours)) {
    const wanted = torch[name as keyof typeof torch];
    wanted.forEach((rate, at) => assertAlmostEquals(schedule(at + 1), rate, 1e-14, `${name}, step ${at + 1}`));
  }
});

Deno.test("schedules begin and end exactly, and stay at their end", () => {
  for (const rate of [0.1, 1e-3, 1 / 3]) {
    for (const steps of [1, 3, 7, 1000]) {
      for (const end of [0, 1e-7, 0.07, 1 / 3]) {
        for (const decay of [cosineDecay(rate, steps, { end }), linearDecay(rate, steps, { end })]) {
          assertEquals(
            [1, steps + 1, steps + 2, 2 * steps + 1, 1e9].map(decay),
            [rate, end, end, end, end],
            decay.name,
          );
          assertEquals(warmUp(steps, decay)(steps), rate);
          assertEquals(warmUp(steps, decay)(steps + 1), rate);
          assertEquals(warmUp(steps, decay)(2 * steps + 1), end);
        }
      }
    }
  }
});

Deno.test("schedules fall by their formulas between the ends, never below the end", () => {
  const [cosine, linear] = [cosineDecay(0.3, 500, { end: 0.1 }), linearDecay(0.3, 500, { end: 0.1 })];
  for (let before = 0; before <= 500; before++) {
    const half = Math.sin(Math.PI * before / 1000) ** 2; // (1 - cos a) / 2 = sin(a / 2)^2
    assertAlmostEquals(cosine(before + 1), 0.3 - 0.2 * half, 1e-15);
    assertAlmostEquals(linear(before + 1), 0.3 - 0.0004 * before, 1e-15);
    assert(cosine(before + 1) >= 0.1 && linear(before + 1) >= 0.1);
    assert(before === 0 || cosine(before + 1) < cosine(before) && linear(before + 1) < linear(before));
  }
});

Deno.test("a schedule of epochs is 0 after the first, within another too", () => {
  const rate = warmUp(4, firstEpochs(2, cosineDecay(1, 8)));
  assertEquals([rate(2, 1), rate(5, 2), rate(9, 2), rate(9, 3), rate(2, 3)], [0.5, 1, 0.5, 0, 0]);
});

Deno.test("schedules have the call as their name, optimisers that of their rate", () => {
  assertEquals(Object.values(ours).map(({ name }) => name), [
    "cosineDecay(0.3, 11, 0.05)",
    "linearDecay(0.3, 8, 0.075)",
    "stepDecay(0.3, 3, 0.5)",
    "stepDecay(0.3, [2, 7], 0.1)",
    "warmUp(4, cosineDecay(0.3, 8, 0))",
  ]);
  assertEquals(warmUp(2, 0.5).name, "warmUp(2, 0.5)");
  assertEquals([adam(1e-3), sgd(0.5), lazyAdam(ours.cosine)].map(({ rate }) => rate.name), [
    "0.001",
    "0.5",
    "cosineDecay(0.3, 11, 0.05)",
  ]);
});

Deno.test("schedules refuse what makes no rate, in words", () => {
  const refused = [
    [() => cosineDecay(0, 10), "Cannot make cosineDecay: the learning rate must be above 0, found 0"],
    [
      () => linearDecay(0.1, 0),
      "Cannot make linearDecay: steps must be a whole number of at least 1, found 0",
    ],
    [() => linearDecay(0.1, 10, { end: -1 }), "Cannot make linearDecay: end must be in [0, Infinity), found -1"],
    [
      () => stepDecay(0.1, [10, 0.5]),
      "Cannot make stepDecay: the steps before a fall must be a whole number of at least 1, found 0.5",
    ],
    [() => stepDecay(0.1, 3, { factor: 0 }), "Cannot make stepDecay: factor must be above 0, found 0"],
    [() => firstEpochs(0, 0.1), "Cannot make firstEpochs: epochs must be a whole number of at least 1, found 0"],
    [() => firstEpochs(1, 0), "Cannot make firstEpochs: the learning rate must be above 0, found 0"],
    [() => warmUp(1.5, 0.1), "Cannot make warmUp: steps must be a whole number of at least 1, found 1.5"],
    [() => warmUp(5, 0), "Cannot make warmUp: the learning rate must be above 0, found 0"],
  ] as const;
  for (const [call, message] of refused) assertThrows(call, RangeError, message);
});
