/** The numbers with which a parameter begins; see `inits`. */
export type Init =
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "values"; readonly values: readonly number[] }
  | { readonly kind: "normal"; readonly deviation: number }
  | { readonly kind: "uniform"; readonly limit: number }
  | { readonly kind: "glorotUniform" | "glorotNormal" | "heUniform" | "heNormal" | "lecunNormal" };
