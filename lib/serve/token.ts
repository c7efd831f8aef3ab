import { sha256 } from "../files/sha256.ts";
import { Refusal } from "./refusal.ts";

/**
 * Makes sure that a request carries the token. Digests are compared, all bytes of them, so that time says nothing.
 *
 * @throws {Refusal} 401 if it does not.
 */
export function checkToken(request: Request, token: string): void {
  const [, found = ""] = /^bearer +(.+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
  const [given, wanted] = [found, token].map((text) => sha256(text));
  let differs = 0;
  for (let at = 0; at < wanted.length; at++) differs |= given.charCodeAt(at) ^ wanted.charCodeAt(at);
  if (differs === 0) return;
  const wrong = "Cannot answer: wanted the header Authorization: Bearer, with the token of this server";
  throw new Refusal(401, wrong, { "www-authenticate": "Bearer" });
}
