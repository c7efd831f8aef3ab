/** The colours of one kind of screen. */
export interface Colors {
  /** The ground of the picture. */
  readonly paper: string;
  /** Text. */
  readonly ink: string;
  /** Text of less weight. */
  readonly soft: string;
  /** Lines behind the data. */
  readonly grid: string;
  /** The cells of a heat map, laid over the paper at up to {@linkcode DENSEST}. */
  readonly heat: string;
  /** Series, in the order of their use. */
  readonly series: readonly string[];
}

/**
 * The colours of the charts, of light and of dark screens.
 *
 * The series are the hues of Okabe and Ito (Color Universal Design, 2008), which people who do not see red or green
 * can distinguish, each darkened or lightened until it contrasts with the paper by 4.5 to 1, so that it can colour text
 * too (WCAG 2.2, 1.4.3).
 */
export const palette: { readonly light: Colors; readonly dark: Colors } = {
  light: {
    paper: "#ffffff",
    ink: "#1f2328",
    soft: "#59636e",
    grid: "#d8dee4",
    heat: "#0072b2",
    series: ["#0072b2", "#b84a00", "#00785a", "#a8457f", "#7d6200", "#4d4d4d"],
  },
  dark: {
    paper: "#15181d",
    ink: "#e6e9ed",
    soft: "#a3adb8",
    grid: "#353c45",
    heat: "#2f8fd0",
    series: ["#56b4e9", "#f79044", "#2bc49a", "#ee9dcb", "#e3c44a", "#c4c4c4"],
  },
};

/** The opacity of a heat map's cell of weight 1: text in ink can still be read on it. */
export const DENSEST = 0.65;

/** The dashes of lines by place, which differ without colour. Their number and that of the colours have no divisor. */
export const dashes: readonly string[] = ["", "7 3", "2 3", "9 3 2 3", "14 4"];
