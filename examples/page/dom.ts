/// <reference lib="dom" />

/**
 * The element of an id.
 *
 * @throws {Error} if the page has none.
 */
export function byId<E extends HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`Cannot find element ${JSON.stringify(id)} of the page`);
  return found as E;
}

/** A new element with some properties, and what it holds. */
export function tag<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Partial<HTMLElementTagNameMap[Name]> = {},
  ...content: readonly (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...content);
  return made;
}

/** Shows a message, as an error or as news; none where it is empty. */
export function show(place: HTMLElement, text: string, isWrong = false): void {
  if (place.textContent !== text) place.textContent = text;
  place.classList.toggle("wrong", isWrong && text !== "");
}

/** A function that draws before the next frame of the screen, however often it is called until then. */
export function atFrame(draw: () => void): () => void {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      draw();
    });
  };
}

/** Returns true if the visitor wants little motion. */
export function isCalm(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
