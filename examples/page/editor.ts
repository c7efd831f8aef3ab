/// <reference lib="dom" />
import { tag } from "./dom.ts";
import { longest, tokensOf } from "./tokens.ts";

/** An editor of code: a text area whose words are coloured. */
export interface Editor {
  /** Replaces the code. */
  readonly set: (code: string) => void;
  /** Calls for a change of a moment ago now. */
  readonly flush: () => void;
  /** Marks the code as wrong, or as right. */
  readonly mark: (isWrong: boolean) => void;
}

/** Has a text area show its code in colours, and calls a function a moment after every change. */
export function editorOf(area: HTMLTextAreaElement, changed: (code: string) => void): Editor {
  const frame = area.parentElement!;
  const behind = frame.querySelector("pre")!;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const call = () => {
    timer = undefined;
    changed(area.value);
  };
  const paint = () => {
    behind.replaceChildren(...colored(area.value), "\n");
    area.rows = area.value.split("\n").length + 1;
    behind.scrollLeft = area.scrollLeft;
  };
  area.addEventListener("input", () => {
    paint();
    clearTimeout(timer);
    timer = setTimeout(call, 300);
  });
  area.addEventListener("scroll", () => {
    behind.scrollLeft = area.scrollLeft;
    behind.scrollTop = area.scrollTop;
  });
  return {
    set: (code) => {
      clearTimeout(timer);
      timer = undefined;
      area.value = code;
      paint();
    },
    flush: () => {
      if (timer === undefined) return;
      clearTimeout(timer);
      call();
    },
    mark: (isWrong) => {
      frame.classList.toggle("wrong", isWrong);
      area.setAttribute("aria-invalid", String(isWrong));
    },
  };
}

/** Code as pieces with the class of their kind. */
function colored(code: string): (Node | string)[] {
  if (code.length > longest) return [code];
  const tokens = tokensOf(code);
  return tokens.map(({ kind, text }, at) => {
    if (kind === "space" || kind === "mark" || kind === "other") return text;
    const next = tokens.slice(at + 1).find((token) => token.kind !== "space")?.text;
    const isKey = kind === "word" && next === ":";
    const isName = kind === "word" && (next === "(" || text === "const");
    if (kind === "word" && !isKey && !isName) return text;
    return tag("span", { className: `code-${isKey ? "key" : isName ? "name" : kind}` }, text);
  });
}
