/// <reference lib="dom" />
/** The page: its tabs, its colours, and what each tab does. */
import { byId } from "./dom.ts";
import { ownCsv } from "./own_csv.ts";
import { twoTasks } from "./two_tasks.ts";

const { seed = "7", engine = "auto" } = document.documentElement.dataset;
byId<HTMLSelectElement>("engine").value = engine;
tabs();
colors();
twoTasks(Number(seed));
ownCsv(Number(seed));

/** Tabs by click and by arrow keys; the address says which is open. */
function tabs(): void {
  const all = [...document.querySelectorAll<HTMLButtonElement>('[role="tab"]')];
  const open = (tab: HTMLButtonElement) => {
    for (const one of all) {
      one.setAttribute("aria-selected", String(one === tab));
      one.tabIndex = one === tab ? 0 : -1;
      byId(one.getAttribute("aria-controls")!).hidden = one !== tab;
    }
    history.replaceState(null, "", `#${tab.id}`);
  };
  all.forEach((tab, at) => {
    tab.addEventListener("click", () => open(tab));
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const next = all[(to + all.length) % all.length];
      open(next);
      next.focus();
    });
  });
  const named = all.find(({ id }) => `#${id}` === location.hash);
  if (named !== undefined) open(named);
}

/** The colours of the system, or those chosen, which stay chosen. */
function colors(): void {
  const choice = byId<HTMLSelectElement>("theme");
  const apply = (theme: string) => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  };
  const kept = keptTheme();
  choice.value = ["light", "dark"].includes(kept) ? kept : "system";
  apply(choice.value);
  choice.addEventListener("change", () => {
    keepTheme(choice.value);
    apply(choice.value);
  });
}

/** The colours that were chosen before; those of the system where the browser keeps nothing. */
function keptTheme(): string {
  try {
    return localStorage.getItem("theme") ?? "system";
  } catch {
    return "system";
  }
}

function keepTheme(theme: string): void {
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // the choice lasts as long as the page
  }
}
