import { mean } from "simple-statistics";
import type { Picture } from "./plot.ts";
import { light } from "./style.ts";

/** The final losses of a model, and the paper's mean. */
export interface Sample {
  readonly name: string;
  readonly color: string;
  readonly losses: readonly number[];
  readonly paper: number | undefined;
}

/** The distribution of final losses: a row for each model, a solid line at the mean, a dashed one at the paper's. */
export function histogram(title: string, samples: readonly Sample[], most: number): Picture {
  const width = most / bins;
  const values = samples.flatMap(({ name, losses }) => {
    const counts = new Array<number>(bins).fill(0);
    for (const loss of losses) counts[Math.min(bins - 1, Math.floor(loss / width))]++;
    return counts.flatMap((count, at) =>
      count === 0 ? [] : [{ name, from: at * width, to: (at + 1) * width, share: count / losses.length }]
    );
  });
  const lines = samples.flatMap(({ name, losses, paper }) => [
    ...losses.length === 0 ? [] : [{ name, at: Math.min(mean([...losses]), most), whose: "ours" }],
    ...paper === undefined ? [] : [{ name, at: Math.min(paper, most), whose: "paper" }],
  ]);
  const names = samples.map(({ name }) => name);
  const color = {
    field: "name",
    type: "nominal",
    scale: { domain: names, range: samples.map(({ color }) => color) },
    legend: null,
  };
  const x = { type: "quantitative", title: "final loss", scale: { domain: [0, most], nice: false } };
  return {
    title,
    data: { values: [...values, ...lines] },
    facet: {
      row: {
        field: "name",
        type: "nominal",
        sort: names,
        title: null,
        header: { labelOrient: "top", labelAnchor: "start", labelPadding: 2 },
      },
    },
    spacing: 8,
    spec: {
      width: 330,
      height: 62,
      layer: [
        {
          transform: [{ filter: "isValid(datum.share)" }],
          mark: { type: "bar", opacity: 0.75, binSpacing: 1 },
          encoding: {
            x: {
              ...x,
              field: "from",
              bin: { binned: true, step: width },
              axis: { values: [0, 1, 2, 3, 4, 5, 6, 7, 8].map((at) => at / 10), format: ".1f" },
            },
            x2: { field: "to" },
            y: { field: "share", type: "quantitative", title: "share", axis: { format: "%", tickCount: 3 } },
            color,
          },
        },
        {
          transform: [{ filter: "datum.whose == 'ours'" }],
          mark: { type: "rule", strokeWidth: 2, color: light.ink },
          encoding: { x: { ...x, field: "at" } },
        },
        {
          transform: [{ filter: "datum.whose == 'paper'" }],
          mark: { type: "rule", strokeWidth: 2, color: light.ink, strokeDash: [4, 3] },
          encoding: { x: { ...x, field: "at" } },
        },
      ],
    },
  };
}

const bins = 40;
