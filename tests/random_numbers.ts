/** Prints random numbers of some seeds as JSON, for `random_numbers.py`, which computes them by the written rule. */
import { fillNormal, fillUniform, permutation, random } from "../lib/data/random.ts";

const seeds = ["", "7", "gatehouse", "7:order:1:0", "Zürich 🚲", "7:levels/0/experts/shared/0/kernel"];
const places = [0, 1, 2, 1000, 2 ** 33 - 4, 2 ** 40 + 7];

console.log(JSON.stringify({
  words: seeds.flatMap((seed) =>
    places.map((at) => {
      const source = random(seed, at);
      return { seed, at, words: Array.from({ length: 40 }, () => source.bits()) };
    })
  ),
  uniforms: seeds.map((seed) => {
    const source = random(seed);
    return { seed, uniforms: Array.from({ length: 100 }, () => source.uniform()) };
  }),
  filled: seeds.map((seed) => ({ seed, uniforms: [...fillUniform(new Float32Array(101), random(seed))] })),
  normals: seeds.map((seed) => ({ seed, normals: [...fillNormal(new Float64Array(10_001), random(seed))] })),
  permutations: seeds.map((seed) => ({ seed, order: [...permutation(1000, random(seed))] })),
}));
