import { assertEquals } from "@std/assert";
import { areFinite } from "../lib/ops/finite.ts";

Deno.test("areFinite() sees the one number that is not, wherever it is", () => {
  for (let length = 0; length < 10; length++) {
    const numbers = Float32Array.from({ length }, (_, at) => (at % 2 ? -1 : 1) * 3.4e38);
    assertEquals(areFinite(numbers), true, `${length} finite numbers`);
    for (let at = 0; at < length; at++) {
      for (const wrong of [NaN, Infinity, -Infinity]) {
        assertEquals(areFinite(numbers.with(at, wrong)), false, `${wrong} at ${at} of ${length}`);
      }
    }
  }
});
