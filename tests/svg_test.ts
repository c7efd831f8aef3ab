import { assert, assertEquals, assertGreaterOrEqual, assertLess, assertStringIncludes } from "@std/assert";
import { random } from "../lib/data/random.ts";
import { lossAxis, stepAxis } from "../lib/report/axes.ts";
import { lookOf } from "../lib/report/looks.ts";
import { escape, WIDTH } from "../lib/report/marks.ts";
import { dashes, DENSEST, palette } from "../lib/report/palette.ts";
import { calibrationChart, gateChart, lossChart, page, type Series } from "../lib/svg.ts";

const models = ["shared-bottom", "omoe", "mmoe"];
const losses = ["income", "marital"].flatMap((task, t) =>
  models.map((name, m): Series => ({ name, task, points: curve(0.5 - 0.1 * m - 0.02 * t, 400) }))
);
const gates = [
  { name: "mmoe income", experts: [0.44, 0.165, 0.21, 0.185] },
  { name: "mmoe marital", experts: [0.14, 0.775, 0.07, 0.015] },
];

Deno.test("page() is well-formed XML with a name and a description, and loads nothing", () => {
  const svg = page([lossChart(losses, { scale: "log" }), gateChart(gates)], "Quickstart");
  const [root] = parse(svg);
  assertEquals([root.name, root.attributes.role, root.attributes.xmlns], ["svg", "img", "http://www.w3.org/2000/svg"]);
  assertEquals(root.children.slice(0, 2).map(({ name }) => name), ["title", "desc"]);
  assertEquals(root.children[0].text, "Quickstart");
  assertStringIncludes(root.children[1].text, "Loss by step: income: shared-bottom ends at 0.5");
  assertStringIncludes(root.children[1].text, "mmoe marital: most weight on expert 1 (0.78, 4 experts).");
  assert(!/href|url\(|@import|<script|<image|NaN|undefined|Infinity/.test(svg));
  assertEquals(page([lossChart(losses, { scale: "log" }), gateChart(gates)], "Quickstart"), svg);
});

Deno.test("page() draws by attributes what its style sheet says, for programs that read no style sheet", () => {
  const many = gateChart([{ name: "many", experts: Array.from({ length: 30 }, () => 1 / 30) }, ...gates]);
  const svg = page([lossChart(losses, { scale: "log" }), gateChart(gates), many]);
  const [root] = parse(svg);
  const rules = new Map(
    [...svg.split("@media")[0].matchAll(/^(\.gh.*) { (.*) }$/gm)].map(([, selector, text]) => {
      return [selector, Object.fromEntries(text.split("; ").map((rule) => rule.split(": ")))] as const;
    }),
  );
  assertEquals(rules.size, 1 + 5 + 5 + 2 * 6);
  const { "font-variant-numeric": _, ...font } = rules.get(".gh")!;
  for (const [key, value] of Object.entries(font)) assertEquals(root.attributes[key], value);
  const drawn = descendants(root).filter(({ name }) => /^(text|rect|path|line)$/.test(name));
  assertGreaterOrEqual(drawn.length, 100);
  for (const { name, attributes } of drawn) {
    const looks = attributes.class.split(" ").map((each) => rules.get(`.gh .${each}`)!);
    for (const [key, value] of Object.entries(Object.assign({}, ...looks))) assertEquals(attributes[key], value, key);
    const painted = name === "line" ? [attributes.stroke] : [attributes.fill, attributes.stroke];
    assert(painted.some((paint) => /^#[0-9a-f]{6}$/.test(paint)), `${name} ${attributes.class}`);
    if (name !== "line") assert(attributes.fill !== undefined, `${name} ${attributes.class} is filled black`);
  }
});

Deno.test("the pictures of the repository need no style sheet", () => {
  const report = [...Deno.readDirSync("examples/paper/report")].map(({ name }) => `examples/paper/report/${name}`);
  const files = ["tests/bench/growth.svg", ...report.filter((path) => path.endsWith(".svg"))];
  assertGreaterOrEqual(files.length, 11);
  for (const file of files) {
    const tags = Deno.readTextFileSync(file).match(/<(text|rect|path|line)\s[^>]*>/g)!;
    assertGreaterOrEqual(tags.length, 20, file);
    for (const tag of tags) {
      assert(!tag.includes("var("), `${file}: ${tag}`);
      const [, classes = ""] = /\sclass="([^"]*)"/.exec(tag) ?? [];
      for (const [key, value] of Object.entries(lookOf(classes))) {
        assert(tag.includes(` ${key}="${value}"`), `${file}: ${tag}`);
      }
    }
  }
});

Deno.test("page() keeps every text and rectangle inside the picture, and charts below one another", () => {
  const charts = [lossChart(losses), gateChart(gates), lossChart(losses.slice(0, 1))];
  const [root] = parse(page(charts));
  const [, , width, height] = root.attributes.viewBox.split(" ").map(Number);
  assert(Number(root.attributes.width) / Number(root.attributes.height) - width / height < 1e-9);
  assert(360 / width * 12 > 10, "the smallest text is over 10 px on a screen of 360 px");
  const placed = descendants(root).filter(({ name }) => name === "text" || name === "rect");
  assertGreaterOrEqual(placed.length, 40);
  for (const { attributes, top } of placed) {
    const [x, y] = [Number(attributes.x ?? 0) + top[0], Number(attributes.y ?? 0) + top[1]];
    assert(x >= 0 && x + Number(attributes.width ?? 0) <= width, `x is ${x}`);
    assert(y >= 0 && y + Number(attributes.height ?? 0) <= height, `y is ${y}`);
  }
  const starts = root.children.filter(({ name }) => name === "g").map(({ attributes }) => attributes.transform);
  assertEquals(starts.length, 3);
  assertEquals(page([]).match(/<g/), null);
});

Deno.test("charts write any text of a user as text", () => {
  const nasty = [
    `<script>alert("1")</script>`,
    "a & b",
    "it's",
    "]]>",
    "\u0000\u001b[31m\u0008",
    "\ud800",
    "\uffff",
    "ü𝄞",
  ];
  for (const name of nasty) {
    const svg = page([
      lossChart([{ name, task: name, points: curve(0.5, 20) }], { title: name }),
      gateChart([{ name, experts: [1] }], { title: name }),
    ], name);
    const [root] = parse(svg);
    assert(!descendants(root).some((node) => node.name === "script"));
    assertEquals(root.children[0].text, name.toWellFormed().replace(/[^\P{Cc}]|\uffff/gu, "\ufffd"));
  }
});

Deno.test("escape() leaves nothing that XML does not hold", () => {
  for (let code = 0; code < 0x300; code++) {
    const text = escape(String.fromCharCode(code));
    assert(!/[<>"']|&(?!(amp|lt|gt|quot|apos);)/.test(text) && !/[^\P{Cc}]/u.test(text), `${code}`);
  }
});

Deno.test("lossChart() has a panel for every task, and a line, markers and a name for every model", () => {
  const chart = lossChart(losses);
  const nodes = descendants(...parse(`<g>${chart.body}</g>`));
  const texts = nodes.filter(({ name }) => name === "text").map(({ text }) => text);
  assertEquals(texts.filter((text) => text.endsWith(" loss")), ["income loss", "marital loss"]);
  for (const model of models) assertEquals(texts.filter((text) => text === model).length, 2);
  const lines = nodes.filter(({ attributes }) => attributes.class?.startsWith("gh-line"));
  assertEquals(lines.length, 6);
  const looks = lines.map(({ attributes }) => `${attributes.class} ${attributes["stroke-dasharray"] ?? ""}`);
  assertEquals(looks.slice(0, 3), looks.slice(3));
  assertEquals(new Set(looks).size, 3);
  assertEquals(
    new Set(looks.map((look) => look.split(" ").slice(2).join(" "))).size,
    3,
    "dashes differ without colour",
  );
});

Deno.test("lossChart() draws 30 lines that differ, whose names do not overlap", () => {
  const many = Array.from({ length: 30 }, (_, i) => ({ name: `model ${i}`, points: curve(0.3, 30) }));
  const nodes = descendants(...parse(`<g>${lossChart(many).body}</g>`));
  const lines = nodes.filter(({ attributes }) => attributes.class?.startsWith("gh-line"));
  assertEquals(new Set(lines.map(({ attributes: a }) => `${a.class} ${a["stroke-dasharray"]}`)).size, 30);
  const labels = nodes.filter(({ name, text }) => name === "text" && text.startsWith("model "));
  const places = labels.map(({ attributes }) => Number(attributes.y)).sort((a, b) => a - b);
  assertEquals(places.length, 30);
  for (let i = 1; i < 30; i++) assertGreaterOrEqual(places[i] - places[i - 1], 15.8);
});

Deno.test("lossChart() draws lines where its axes say, for any number of points", () => {
  for (const count of [2, 50, 20_000]) {
    const points = Array.from({ length: count }, (_, i) => ({ step: i, loss: 1 - i / (count - 1) / 2 }));
    const { body } = lossChart([{ name: "m", points }]);
    const [path] = descendants(...parse(`<g>${body}</g>`)).filter(({ attributes: a }) =>
      a.class?.startsWith("gh-line")
    );
    const drawn = path.attributes.d.slice(1).split("L").map((pair) => pair.split(",").map(Number));
    assertLess(drawn.length, WIDTH);
    for (let i = 1; i < drawn.length; i++) assert(drawn[i][0] > drawn[i - 1][0] && drawn[i][1] > drawn[i - 1][1]);
    const across = stepAxis([0, count - 1], 46, WIDTH - 72);
    const down = lossAxis([0.5, 1], 174, 24, false);
    for (const [x, y] of drawn) {
      const step = (x - 46) / (across.end - 46) * (count - 1);
      assert(Math.abs(down.place(1 - step / (count - 1) / 2) - y) < 1.2, `${x}, ${y}`);
    }
  }
});

Deno.test("lossChart() leaves a gap where a loss cannot be drawn", () => {
  const at = (...losses: number[]) => losses.map((loss, step) => ({ step, loss }));
  const starts = (points: Series["points"], scale: "linear" | "log") => {
    const { body } = lossChart([{ name: "m", points }], { scale });
    const [path] = descendants(...parse(`<g>${body}</g>`)).filter(({ attributes: a }) =>
      a.class?.startsWith("gh-line")
    );
    return path?.attributes.d.split("M").length - 1;
  };
  assertEquals(starts(at(3, 2, 1, 2), "linear"), 1);
  assertEquals(starts(at(3, 2, NaN, 2, 1), "linear"), 2);
  assertEquals(starts(at(3, 2, Infinity, 2, NaN, 2, 1), "linear"), 3);
  assertEquals(starts(at(3, 2, 0, 2, -1, 2, 1), "log"), 3);
  assertEquals(starts(at(3, 2, 0, 2, -1, 2, 1), "linear"), 1);
  const { body, description } = lossChart([{ name: "m", points: at(NaN, Infinity) }]);
  assertStringIncludes(body, "no finite loss");
  assertEquals(description, "m has no finite loss.");
  assertEquals(lossChart([]).body, "");
});

Deno.test("lossChart() draws bands between their edges, beneath all lines, and within the axis", () => {
  const points = [0, 1, 2, 3].map((step) => ({
    step,
    loss: 1 - step / 10,
    low: 0.9 - step / 5,
    high: 1.2 + step / 10,
  }));
  const series = [{ name: "a", points }, { name: "b", points: points.map(({ step, loss }) => ({ step, loss })) }];
  const { body, description } = lossChart(series, { note: "range of 8 runs" });
  assertEquals(description, "a ends at 0.7 (0.3 to 1.5), b ends at 0.7.");
  const nodes = descendants(...parse(`<g>${body}</g>`));
  assertEquals(nodes.filter(({ text }) => text === "range of 8 runs").length, 1);
  const paths = nodes.filter(({ name }) => name === "path");
  const [shape, ...others] = paths.filter(({ attributes }) => attributes["fill-opacity"] !== undefined);
  assertEquals([others.length, paths[0] === shape, shape.attributes.class], [0, true, "gh-fill0"]);
  const corners = shape.attributes.d.replace("M", "").replace("Z", "").split("L").map((pair) =>
    pair.split(",").map(Number)
  );
  const down = lossAxis([0.3, 1.5], 174, 24, false);
  const edges = [...points.map(({ high }) => high), ...points.map(({ low }) => low).reverse()];
  assertEquals(corners.length, 8);
  corners.forEach(([, y], at) => assert(Math.abs(down.place(edges[at]) - y) < 0.06, `${y} is not ${edges[at]}`));
  for (let at = 0; at < 4; at++) assertEquals(corners[at][0], corners[7 - at][0]);
});

Deno.test("lossChart() averages bands with their losses, and leaves a gap where an edge cannot be drawn", () => {
  const many = Array.from({ length: 5000 }, (_, step) => ({ step, loss: 2, low: step % 2, high: 3 }));
  const band = (points: Series["points"], scale: "linear" | "log" = "linear") => {
    const { body } = lossChart([{ name: "m", points }], { scale });
    const [path] = descendants(...parse(`<g>${body}</g>`)).filter(({ attributes: a }) => a["fill-opacity"]);
    return path?.attributes.d.split("M").length - 1;
  };
  assertEquals(band(many), 1);
  assertStringIncludes(lossChart([{ name: "m", points: many.slice(0, 4999) }]).description, "m ends at 2 (0.");
  const at = (...lows: (number | undefined)[]) => lows.map((low, step) => ({ step, loss: 2, low, high: 3 }));
  assertEquals(band(at(1, 1, undefined, 1, 1)), 2);
  assertEquals(band(at(1, 1, 0, 1, 1)), 1);
  assertEquals(band(at(1, 1, 0, 1, 1), "log"), 2);
  assertEquals(band(at(undefined, NaN)), NaN);
});

Deno.test("lossAxis() writes two to eight numbers, in their places and apart", () => {
  const { uniform } = random("axis");
  for (let round = 0; round < 500; round++) {
    const low = 10 ** (uniform() * 8 - 5);
    const losses = round % 10 === 0 ? [low] : [low, low * 10 ** (uniform() * [0.02, 0.3, 1, 4][round % 4])];
    for (const log of [true, false]) {
      const { ticks, place } = lossAxis(losses, 174, 24, log);
      assert(ticks.length >= 2 && ticks.length <= 8, `${losses}: ${ticks.map(({ text }) => text)}`);
      ticks.forEach((tick, i) => {
        assert(tick.place <= 174 && tick.place >= 24);
        assert(Math.abs(place(Number(tick.text)) - tick.place) < 0.5, `${tick.text} of ${losses}`);
        if (i > 0) assertGreaterOrEqual(ticks[i - 1].place - tick.place, 14);
      });
      for (const loss of losses) assert(place(loss) <= 174 && place(loss) >= 24);
    }
  }
});

Deno.test("lossAxis() writes large and small numbers with an exponent, as there is room for few digits", () => {
  const texts = (losses: number[], log: boolean) => lossAxis(losses, 174, 24, log).ticks.map(({ text }) => text);
  assertEquals(texts([0.1, 200_000], true), ["0.1", "1", "10", "100", "1000", "10000", "1e5"]);
  assertEquals(texts([0, 600_000], false), ["0", "1e+5", "2e+5", "3e+5", "4e+5", "5e+5", "6e+5"]);
  assertEquals(texts([1000.5, 1000.51], false), [
    "1000.5",
    "1000.502",
    "1000.504",
    "1000.506",
    "1000.508",
    "1000.51",
  ]);
});

Deno.test("stepAxis() writes whole steps only", () => {
  const texts = (...steps: number[]) => stepAxis(steps, 0, 300).ticks.map(({ text }) => text);
  assertEquals(texts(0, 500), ["0", "100", "200", "300", "400", "500"]);
  assertEquals(texts(1, 1000), ["200", "400", "600", "800", "1,000"]);
  assertEquals(texts(1, 10_000), ["2k", "4k", "6k", "8k", "10k"]);
  assertEquals(texts(1, 3), ["1", "2", "3"]);
  assertEquals(texts(7), ["7", "8"]);
  assertEquals(texts(), ["0", "1"]);
});

Deno.test("gateChart() writes every weight, the largest in bold, and goes on below after eight experts", () => {
  const experts = Array.from({ length: 20 }, (_, i) => i === 13 ? 0.62 : 0.02);
  const nodes = nodesOf([{ name: "income", experts }, { name: "marital", experts: [0.25, 0.75] }]);
  const cells = nodes.filter(({ name, text }) => name === "text" && /^\d\.\d\d$/.test(text));
  assertEquals(cells.length, 22);
  assertEquals(cells.filter((cell) => cell.attributes.class.includes("strong")).map(({ text }) => text), [
    "0.75",
    "0.62",
  ]);
  const opacities = opacitiesOf(nodes);
  assertEquals(opacities.length, 22 + 6); // the legend's, too
  cells.forEach((cell, i) => assert(Math.abs(opacities[i] - DENSEST * Number(cell.text) / 0.8) < 1e-3));
  const heads = nodes.filter(({ name, text }) => name === "text" && /^\d+$/.test(text)).map(({ text }) => Number(text));
  assertEquals(heads, [...Array.from({ length: 20 }, (_, i) => i), 0]);
  assertEquals(gateChart([]).height, 0);
  assertStringIncludes(gateChart([{ name: "x", experts: [NaN, NaN] }]).description, "x: weights that are not numbers.");
  assertStringIncludes(gateChart([{ name: "x", experts: [] }]).description, "x: no expert.");
});

Deno.test("gateChart() says below what its colours mean: shades from 0 to the largest number, rounded up", () => {
  for (const [largest, end] of [[0.775, "0.8"], [0.3, "0.3"], [0.31, "0.4"], [0.013, "0.02"], [1, "1"], [1.5, "2"]]) {
    const nodes = nodesOf([{ name: "a", experts: [Number(largest), 0] }]);
    assert(nodes.some(({ text }) => text === `${end} weight`), `${largest}`);
    const opacities = opacitiesOf(nodes);
    assert(Math.abs(opacities[0] - DENSEST * Number(largest) / Number(end)) < 1e-3);
    assertEquals([opacities[1], ...opacities.slice(2)], [0, ...[0, 1, 2, 3, 4, 5].map((i) => round(DENSEST * i / 5))]);
  }
  const [zero] = opacitiesOf(nodesOf([{ name: "a", experts: [0, -1] }]));
  assertEquals(zero, 0);
  const fixed = opacitiesOf(
    descendants(...parse(`<g>${gateChart([{ name: "a", experts: [0.5] }], { most: 1 }).body}</g>`)),
  );
  assertEquals(fixed[0], DENSEST / 2);
});

Deno.test("gateChart() has a column for every expert by name, and no cell where a gate does not mix it", () => {
  const names = (...list: string[]) => list;
  const nodes = nodesOf([
    { name: "click", experts: [0.1, 0.2, 0.7], names: names("click/0", "shared/0", "shared/1") },
    { name: "like", experts: [0.3, 0.4, 0.3], names: names("shared/0", "shared/1", "like/0") },
  ]);
  const texts = nodes.filter(({ name }) => name === "text");
  assertEquals(texts.slice(0, 9).map(({ text }) => text), [
    "click",
    "shared",
    "like",
    "expert",
    "0",
    "0",
    "1",
    "0",
    "click",
  ]);
  const xOf = (text: string) =>
    texts.filter((node) => node.text === text).map(({ attributes }) => Number(attributes.x));
  assertEquals(xOf("·").length, 2);
  assertEquals([xOf("0.10").length, xOf("0.30").length], [1, 2]);
  assertEquals(xOf("0.20")[0], xOf("0.30")[0], "both of shared/0");
  assertEquals(xOf("0.70")[0], xOf("0.40")[0], "both of shared/1");
});

Deno.test("gateChart() draws gates without a common expert apart, and notes below names", () => {
  const line = (level: number) => {
    return { name: `gate ${level}`, note: "12 rows", experts: [0.5, 0.5], names: [`${level}/a/0`, `${level}/a/1`] };
  };
  const texts = nodesOf([line(0), line(1)]).filter(({ name }) => name === "text").map(({ text }) => text);
  assertEquals(texts.filter((text) => text === "expert").length, 2);
  assertEquals(texts.filter((text) => text === "·").length, 0);
  assertEquals(texts.indexOf("12 rows") - texts.indexOf("gate 0"), 1);
});

Deno.test("gateChart() of many experts has small cells, which keep their numbers", () => {
  const experts = Array.from({ length: 64 }, () => 1 / 64);
  const nodes = nodesOf([{ name: "a<b", experts, names: experts.map((_, at) => `shared/${at}`) }]);
  const cells = nodes.filter(({ name, children }) => name === "rect" && children.length > 0);
  assertEquals(cells.length, 64);
  assertEquals(cells[63].children[0].text, "a<b, expert shared/63: 0.016");
  for (const { attributes: { x, width } } of cells) assert(Number(x) + Number(width) <= WIDTH + 0.5);
});

Deno.test("gateChart() draws a small picture just so", () => {
  const { body, height } = gateChart([{ name: "a", experts: [0.25, 1], names: ["b&/0", "b&/1"] }]);
  assertEquals(height, 108);
  assertEquals(
    body,
    `<text x="58" y="12" class="gh-ink" fill="#1f2328">b&amp;</text>
<text x="0" y="30" class="gh-soft" fill="#59636e">expert</text>
<text x="85" y="30" class="gh-soft" text-anchor="middle" fill="#59636e">0</text>
<text x="141" y="30" class="gh-soft" text-anchor="middle" fill="#59636e">1</text>
<text x="0" y="57" class="gh-ink" fill="#1f2328">a</text>
<rect x="58" y="39" width="54" height="28" rx="3" class="gh-heat gh-grid" fill-opacity="0.163" fill="#0072b2" stroke="#d8dee4"/>` +
      `<text x="85" y="57" class="gh-ink gh-small" text-anchor="middle" fill="#1f2328" font-size="12px">0.25</text>
<rect x="114" y="39" width="54" height="28" rx="3" class="gh-heat gh-grid" fill-opacity="0.650" fill="#0072b2" stroke="#d8dee4"/>` +
      `<text x="141" y="57" class="gh-ink gh-small gh-strong" text-anchor="middle" fill="#1f2328" font-size="12px" font-weight="600">1.00</text>
<text x="51" y="96" class="gh-soft gh-small" text-anchor="end" fill="#59636e" font-size="12px">0</text>
<rect x="57" y="86" width="22" height="12" class="gh-heat gh-grid" fill-opacity="0.000" fill="#0072b2" stroke="#d8dee4"/>
<rect x="79" y="86" width="22" height="12" class="gh-heat gh-grid" fill-opacity="0.130" fill="#0072b2" stroke="#d8dee4"/>
<rect x="101" y="86" width="22" height="12" class="gh-heat gh-grid" fill-opacity="0.260" fill="#0072b2" stroke="#d8dee4"/>
<rect x="123" y="86" width="22" height="12" class="gh-heat gh-grid" fill-opacity="0.390" fill="#0072b2" stroke="#d8dee4"/>
<rect x="145" y="86" width="22" height="12" class="gh-heat gh-grid" fill-opacity="0.520" fill="#0072b2" stroke="#d8dee4"/>
<rect x="167" y="86" width="22" height="12" class="gh-heat gh-grid" fill-opacity="0.650" fill="#0072b2" stroke="#d8dee4"/>
<text x="195" y="96" class="gh-soft gh-small" fill="#59636e" font-size="12px">1 weight</text>`,
  );
});

for (const mode of ["light", "dark"] as const) {
  const { paper, ink, soft, heat, series } = palette[mode];

  Deno.test(`palette: text contrasts by 4.5 to 1 on ${mode} screens, on paper and on cells`, () => {
    for (const color of [ink, soft, ...series]) assertGreaterOrEqual(contrast(rgb(color), rgb(paper)), 4.5, color);
    for (let weight = 0; weight <= 1; weight += 0.1) {
      const opacity = weight * DENSEST;
      const cell = rgb(heat).map((part, i) => opacity * part + (1 - opacity) * rgb(paper)[i]);
      assertGreaterOrEqual(contrast(rgb(ink), cell), 4.5, `weight ${weight}`);
    }
    assertEquals([new Set(series).size, dashes.length], [6, 5]);
  });
}

Deno.test("palette: the style sheet has the same rules for light and dark screens", () => {
  const [, light, dark] = page([]).match(/([^]*)@media \(prefers-color-scheme: dark\) {([^]*)}/)!;
  const selectors = (css: string) =>
    [...css.matchAll(/^(\.gh [.\w-]+) { (?:fill|stroke): #/gm)].map(([, name]) => name);
  assertEquals(selectors(dark), selectors(light));
  assertEquals(selectors(dark).length, 5 + 2 * 6);
});

/** The elements of a heat map. */
function nodesOf(gates: Parameters<typeof gateChart>[0]): Node[] {
  return descendants(...parse(`<g>${gateChart(gates).body}</g>`));
}

/** The opacities of cells, then those of the legend. */
function opacitiesOf(nodes: readonly Node[]): number[] {
  return nodes.filter(({ name }) => name === "rect").map(({ attributes }) => Number(attributes["fill-opacity"]));
}

function round(number: number): number {
  return Math.round(1000 * number) / 1000;
}

/** A noisy curve that falls to a loss. */
function curve(end: number, steps: number): Series["points"] {
  return Array.from(
    { length: steps },
    (_, i) => ({ step: i + 1, loss: end + (1 - end) * Math.exp(-8 * i / (steps - 1)) }),
  );
}

/** An element, its text and that of its children, and the place of its parent. */
interface Node {
  readonly name: string;
  readonly attributes: Record<string, string>;
  readonly children: Node[];
  readonly top: [number, number];
  text: string;
}

/** Reads XML of elements, attributes and text, and throws where it is not well-formed. */
function parse(xml: string): Node[] {
  const root: Node = { name: "", attributes: {}, children: [], top: [0, 0], text: "" };
  const open = [root];
  const token = /<(\/?)([a-z]+)((?: [a-zA-Z][\w-]*="[^"<]*")*)(\/?)>|([^<]+)/gy;
  for (let at = 0; at < xml.length; at = token.lastIndex) {
    const found = token.exec(xml);
    if (found === null) throw new SyntaxError(`no XML: ${xml.slice(at, at + 80)}`);
    const [, close, name, words, empty, text] = found;
    const parent = open[open.length - 1];
    if (text !== undefined) open.filter((node) => node.name !== "g").forEach((node) => node.text += decoded(text));
    else if (close !== "") assertEquals(open.pop()!.name, name);
    else {
      const attributes: Record<string, string> = {};
      for (const [, key, value] of words.matchAll(/([a-zA-Z][\w-]*)="([^"]*)"/g)) {
        assert(!(key in attributes), `${key} twice`);
        attributes[key] = decoded(value);
      }
      const [x, y] = (parent.attributes.transform ?? "").match(/-?[\d.]+/g)?.map(Number) ?? [0, 0];
      const node: Node = { name, attributes, children: [], top: [parent.top[0] + x, parent.top[1] + y], text: "" };
      parent.children.push(node);
      if (empty === "") open.push(node);
    }
  }
  assertEquals(open.length, 1);
  return root.children;
}

function decoded(text: string): string {
  assert(!/&(?!(amp|lt|gt|quot|apos);)/.test(text), text);
  const letters: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  return text.replace(/&(\w+);/g, (_, name) => letters[name]);
}

function descendants(...nodes: Node[]): Node[] {
  return nodes.flatMap((node) => [node, ...descendants(...node.children)]);
}

function rgb(color: string): number[] {
  return [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16) / 255);
}

/** The contrast of two colours by WCAG 2.2. */
function contrast(a: readonly number[], b: readonly number[]): number {
  const luminance = (color: readonly number[]) => {
    const [r, g, b] = color.map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [dim, bright] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (bright + 0.05) / (dim + 0.05);
}

Deno.test("calibrationChart() has a diagram for each curve, whose dots are on the diagonal where bins are calibrated", () => {
  const bins = [0.01, 0.02, 0.05].map((share, at) => ({
    predicted: share,
    observed: share,
    rows: at + 1,
    weight: at + 1,
  }));
  const chart = calibrationChart([{ name: "click & buy", bins }, { name: "like", bins: [] }]);
  const svg = page([chart]);
  assert(!/href|url\(|NaN|undefined|Infinity/.test(svg));
  const nodes = descendants(...parse(svg));
  const [diagonal] = nodes.filter(({ attributes }) => attributes["stroke-dasharray"] !== undefined)
    .map(({ attributes: { x1, y1, x2, y2 } }) => [x1, y1, x2, y2].map(Number));
  const dots = nodes.filter(({ name }) => name === "circle").map(({ attributes: { cx, cy, r } }) =>
    [cx, cy, r].map(Number)
  );
  assertEquals(dots.length, 3);
  const slope = (diagonal[3] - diagonal[1]) / (diagonal[2] - diagonal[0]);
  for (const [x, y] of dots) assert(Math.abs(y - diagonal[1] - slope * (x - diagonal[0])) < 0.3);
  assert(dots[0][2] < dots[1][2] && dots[1][2] < dots[2][2]);
  assertStringIncludes(chart.description, "click & buy: 0.01 where 0.01 is predicted");
  assertStringIncludes(chart.description, "like: no rows.");
  assertEquals(calibrationChart([]).body, "");
});
