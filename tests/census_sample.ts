import { type Random, random } from "../lib/data/random.ts";

/**
 * Invented rows in the format of Census-Income, whose labels depend on the inputs. None is of the data set; where the
 * words do not matter, they are few. `deno run --allow-write=examples tests/census_sample.ts` writes examples/sample.
 */
export function sampleText(rows: number, seed: string): string {
  const source = random(seed);
  return Array.from({ length: rows }, () => `${sampleRow(source).join(", ")}.\n`).join("");
}

/** The files of the sample, by name. */
export function sampleFiles(): Record<"census-income.data" | "census-income.test", string> {
  return { "census-income.data": sampleText(200, "sample data"), "census-income.test": sampleText(100, "sample test") };
}

const educations = [
  "Children",
  "10th grade",
  "High school graduate",
  "Some college but no degree",
  "Associates degree-academic program",
  "Bachelors degree(BA AB BS)",
  "Masters degree(MA MS MEng MEd MSW MBA)",
];

function sampleRow(source: Random): (string | number)[] {
  const pick = <T>(...list: readonly T[]): T => list[Math.floor(source.uniform() * list.length)];
  const chance = (logit: number): boolean => source.uniform() < 1 / (1 + Math.exp(-logit));
  const age = Math.floor(90 * source.uniform() ** 1.2);
  const grown = age >= 18;
  const education = grown ? 1 + Math.floor(6 * source.uniform()) : age < 15 ? 0 : 1;
  const works = grown && chance(2 - Math.max(0, age - 60) / 5);
  const single = !grown || chance(1.5 - (age - 20) / 8);
  const born = pick("United-States", "United-States", "United-States", "Mexico", "?", "Outlying-U S (Guam USVI etc)");
  const weeks = works ? pick(52, 52, 52, 40, 13) : 0;
  const gains = works && chance(-2) ? pick(2174, 5178, 15024, 99999) : 0;
  const rich = works && chance(education - 5 + (age - 45) / 20 + (gains > 0 ? 2 : 0));
  const outside = "Not in universe";
  return [
    age,
    works ? pick("Private", "Private", "Local government", "Self-employed-not incorporated") : outside,
    works ? pick(4, 33, 40, 43) : 0,
    works ? pick(2, 12, 26, 36) : 0,
    educations[education],
    works ? pick(0, 0, 0, 875, 1200) : 0,
    grown && age < 25 ? pick(outside, "College or university") : outside,
    single ? "Never married" : pick("Married-civilian spouse present", "Married-civilian spouse present", "Divorced"),
    works ? pick("Retail trade", "Construction", "Education") : "Not in universe or children",
    works ? pick("Sales", "Other service", "Handlers equip cleaners etc ") : outside,
    pick("White", "White", "Black", "Asian or Pacific Islander"),
    pick("All other", "All other", "Mexican-American", "NA", "Do not know"),
    pick("Female", "Male"),
    works ? pick(outside, "No", "Yes") : outside,
    works ? outside : pick(outside, "Re-entrant", "Job loser - on layoff"),
    works ? "Full-time schedules" : pick("Children or Armed Forces", "Not in labor force"),
    gains,
    works && chance(-3) ? 1902 : 0,
    works && chance(-1) ? Math.floor(2000 * source.uniform()) : 0,
    works ? single ? "Single" : "Joint both under 65" : "Nonfiler",
    pick(outside, outside, "South", "West"),
    pick(outside, outside, "Utah", "?"),
    !grown ? "Child <18 never marr not in subfamily" : single ? "Nonfamily householder" : "Householder",
    !grown ? "Child under 18 never married" : "Householder",
    (500 + 3000 * source.uniform()).toFixed(2),
    pick("?", "Nonmover", "MSA to MSA"),
    pick("?", "Nonmover", "Same county"),
    pick("?", "Nonmover", "Same county"),
    pick("Not in universe under 1 year old", "Yes", "No"),
    pick("?", outside, "No"),
    works ? pick(1, 2, 3, 4, 5, 6) : 0,
    grown ? outside : pick("Both parents present", "Mother only present"),
    born,
    born,
    born,
    born === "United-States" ? "Native- Born in the United States" : "Foreign born- Not a citizen of U S ",
    pick(0, 0, 2),
    outside,
    grown ? 2 : 0,
    weeks,
    pick(94, 95),
    rich ? "50000+" : "- 50000",
  ];
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(sampleFiles())) Deno.writeTextFileSync(`examples/sample/${name}`, text);
}
