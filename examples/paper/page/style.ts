/** The style of the page, on wide screens and on narrow ones. */
export const style: string = `
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1200px;margin:0 auto;padding:16px}
h1{font-size:26px;line-height:1.25;margin:8px 0 12px}
h2{font-size:21px;margin:40px 0 8px;padding-top:8px;border-top:1px solid var(--grid)}
h3{font-size:17px;margin:24px 0 4px}
p,li,figcaption{max-width:75ch}
a{color:var(--mmoe)}
nav{display:flex;flex-wrap:wrap;gap:4px 16px;margin:16px 0}
code{font-size:.9em;overflow-wrap:anywhere}
pre{background:var(--wash);padding:12px;overflow-x:auto;border-radius:6px}
.box{overflow-x:auto;margin:12px 0;background:linear-gradient(90deg,var(--paper) 40%,transparent) 0 0/24px 100%,linear-gradient(270deg,var(--paper) 40%,transparent) 100% 0/24px 100%,linear-gradient(90deg,var(--grid),transparent) 0 0/6px 100%,linear-gradient(270deg,var(--grid),transparent) 100% 0/6px 100%;background-repeat:no-repeat;background-attachment:local,local,scroll,scroll}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
.caption{color:var(--soft);margin:16px 0 -8px}
.wide{display:inline-block;min-width:16em}
th,td{padding:5px 14px 5px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--grid)}
thead th{color:var(--soft);font-weight:500;vertical-align:bottom}
.range{display:block}
tbody th{font-weight:500;min-width:6em}
@media (max-width:700px){
.cards table,.cards tbody,.cards tr{display:block}
.cards thead{display:none}
.cards tr{padding:8px 0;border-bottom:1px solid var(--grid)}
.cards th,.cards td{display:block;border:0;padding:0;text-align:left}
.cards td{display:flex;gap:8px}
.cards td:empty{display:none}
.cards td::before{content:attr(data-name);color:var(--soft);flex:0 1 13em}
}
.number{text-align:right;white-space:nowrap}
thead .number{white-space:normal;min-width:3em}
.claim thead .number + .number{min-width:7.5em}
figure{margin:16px 0}
figcaption{color:var(--soft);margin-top:6px}
.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));gap:16px}
.pictures svg{width:100%;max-width:460px!important;height:auto}
.key{display:flex;flex-wrap:wrap;gap:4px 20px;margin:8px 0;padding:0;list-style:none}
.key svg{vertical-align:middle;margin-right:6px}
.missing{border-left:4px solid var(--bottom);padding:4px 12px;background:var(--wash)}
.verdict{font-weight:600}
.holds{color:var(--good)}
.fails{color:var(--bad)}
.undecided{color:var(--soft)}
.soft{color:var(--soft)}
.nowrap{white-space:nowrap}
.best{font-weight:700}
.claims{display:grid;gap:0}
.claim{display:grid;grid-template-columns:minmax(0,1fr);gap:4px;padding:14px 0;border-bottom:1px solid var(--grid)}
.claim h3{margin:0}
.claim p{margin:0}
@media (min-width:900px){.claim{grid-template-columns:minmax(0,4fr) minmax(0,10fr);column-gap:28px}}
`;

/** The colours as variables, of light screens and of dark ones. */
export function colors(selector: string): string {
  const rule = (values: Colors) =>
    `${selector}{${Object.entries(values).map(([name, value]) => `--${name}:${value}`).join(";")}}`;
  return `${rule(light)}\n${onDark(rule(dark))}`;
}

/**
 * The rules that give what is drawn in the colours of light screens those of dark ones. A drawing has its colours as
 * attributes, so that a program that reads no style sheet draws it as on a light screen.
 */
export function darkened(selector: string): string {
  const pairs = new Map(Object.entries(light).map(([name, color]) => [color, dark[name as keyof Colors]]));
  const rules = [...pairs].flatMap(([from, to]) =>
    ["fill", "stroke"].map((paint) => `${selector} [${paint}="${from}"]{${paint}:${to}}`)
  );
  return onDark(rules.join(""));
}

function onDark(rules: string): string {
  return `@media (prefers-color-scheme: dark){${rules}}`;
}

/**
 * The colours of light screens, those of drawings too. The series are the hues of Okabe and Ito (Color Universal
 * Design, 2008), darkened until they contrast with the paper by 4.5 to 1.
 */
export const light = {
  paper: "#ffffff",
  ink: "#1f2328",
  soft: "#59636e",
  line: "#8c959f",
  grid: "#e3e7eb",
  wash: "#f4f6f8",
  mmoe: "#0072b2",
  bottom: "#b84a00",
  omoe: "#00785a",
  good: "#00785a",
  bad: "#b3261e",
} as const;

type Colors = Readonly<Record<keyof typeof light, string>>;

/** The colours of dark screens: the same hues, lightened. */
const dark: Colors = {
  paper: "#15181d",
  ink: "#e6e9ed",
  soft: "#a3adb8",
  line: "#6b7580",
  grid: "#2c333b",
  wash: "#1f242b",
  mmoe: "#56b4e9",
  bottom: "#f79044",
  omoe: "#2bc49a",
  good: "#2bc49a",
  bad: "#ff8f85",
};
