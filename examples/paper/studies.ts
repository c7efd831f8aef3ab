import { figure3, figure4 } from "./curves.ts";
import { figure2 } from "./figure2.ts";
import { figure6 } from "./figure6.ts";
import { sensitivity } from "./sensitivity.ts";
import { table1, table2 } from "./census_tables.ts";
import type { Study } from "./study.ts";

/** All studies by name, in the order in which `all` makes them. */
export const studies: Readonly<Record<string, Study>> = {
  figure2,
  figure3,
  figure4,
  sensitivity,
  table1,
  table2,
  figure6,
};
