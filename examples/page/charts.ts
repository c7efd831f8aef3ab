/// <reference lib="dom" />
import type { Chart } from "@gatehouse/gatehouse/svg";
import { WIDTH } from "../../lib/report/marks.ts";

/** Draws a chart in an element, in the place of the one before. Its colours are those of the page. */
export function drawChart(
  place: HTMLElement,
  { title, description, height, body }: Omit<Chart, "title"> & { title: string },
): void {
  const svg = place.querySelector("svg") ??
    place.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "svg"));
  place.querySelector(".empty")?.remove();
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${title}: ${description}`);
  svg.setAttribute("viewBox", `-2 -4 ${WIDTH + 4} ${Math.ceil(height) + 8}`);
  svg.innerHTML = body;
}

/** Says in an element why there is no chart yet. */
export function drawNothing(place: HTMLElement, why: string): void {
  const text = document.createElement("p");
  text.className = "empty";
  text.textContent = why;
  place.replaceChildren(text);
}
