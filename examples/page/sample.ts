import { random } from "@gatehouse/gatehouse/datasets";

/** The text of a CSV file of invented visitors of a shop: what they did follows from the rest, with some chance. */
export function sampleOf(count: number, seed: number): string {
  const source = random(seed);
  const one = (of: readonly string[]) => of[source.bits() % of.length];
  const lines = Array.from({ length: count }, () => {
    const age = 18 + Math.floor(60 * source.uniform());
    const [device, city] = [one(["phone", "desk", "tablet"]), one(["Basel", "Cologne", "Lyon", "Porto", "Turin"])];
    const [hour, visits] = [Math.floor(24 * source.uniform()), 1 + Math.floor(12 * source.uniform() ** 2)];
    const evening = hour > 17 ? 8 : 0;
    const clicked = age / 2 + (device === "phone" ? 14 : 0) - evening + 9 * source.normal() < 35;
    const bought = clicked && visits * 3 + (city === "Lyon" ? 9 : 0) + 6 * source.normal() > 12;
    const spent = bought ? (12 + 0.8 * age + 2 * visits + 6 * source.normal()).toFixed(2) : "";
    const known = source.uniform() < 0.05 ? "" : String(age);
    return `${known},${device},${city},${hour},${visits},${clicked ? "yes" : "no"},${bought ? "yes" : "no"},${spent}\n`;
  });
  return `age,device,city,hour,visits,clicked,bought,spent\n${lines.join("")}`;
}
