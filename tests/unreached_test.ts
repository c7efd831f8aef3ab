import { assertEquals, assertThrows } from "@std/assert";
import { unansweredReason } from "../lib/files/answered.ts";
import { listening } from "../lib/serve/listening.ts";

Deno.test("listening() says in words of its own why nothing listens", () => {
  const cases: readonly (readonly [Error, string])[] = [
    [new Deno.errors.AddrInUse("Address already in use (os error 98)"), "another program listens there"],
    [new Deno.errors.AddrNotAvailable("Cannot assign"), "this machine has no such address"],
    [new Deno.errors.PermissionDenied("Permission denied (os error 13)"), "wanted a port from 1024 on"],
    [new Deno.errors.NotCapable("Requires net access"), "Deno may not listen here: run with --allow-net=head:80"],
    [new Error("failed to lookup address information: Name or service not known"), "this machine has no such address"],
    [new URIError("invalid host 'a b'"), "this machine has no such address"],
    [new Error("another reason"), "another reason"],
  ];
  for (const [error, words] of cases) {
    const begin = () => {
      throw error;
    };
    const found = assertThrows(() => listening("serve models", { hostname: "head", port: 80 }, begin), Error, words);
    assertEquals([found.name, found.message.split("\n")[0]], [error.name, "Cannot serve models"]);
    assertEquals(found.message.split("\n")[1].startsWith("  at head:80: "), true);
  }
  const refuse = () => {
    throw new Deno.errors.NotCapable("Requires net access");
  };

  const anyPort = () => listening("serve models", { hostname: "head", port: 0 }, refuse);
  assertEquals(assertThrows(anyPort, Error).message.endsWith(" --allow-net=head"), true);
  assertEquals(listening("serve models", { hostname: "head", port: 80 }, ({ port }) => port), 80);
});

Deno.test("unansweredReason() has the same words for the failures that all runtimes know", () => {
  const failed = (cause?: Error) => new TypeError("fetch failed", { cause });
  const coded = (code: string) => Object.assign(new Error(""), { code });
  const cases: readonly (readonly [unknown, string])[] = [
    [
      failed(
        new Error("error sending request for url (http://a/): tcp connect error: Connection refused (os error 111)"),
      ),
      "nobody listens there (connection refused)",
    ],
    [failed(coded("ECONNREFUSED")), "nobody listens there (connection refused)"],
    [failed(new Error("client error (Connect): dns error: failed to lookup")), "no machine of this name is known"],
    [failed(new Error("getaddrinfo ENOTFOUND a.invalid")), "no machine of this name is known"],
    [failed(new Error("no route")), "fetch failed: no route"],
    [failed(), "fetch failed"],
    ["down", "down"],
  ];
  for (const [error, words] of cases) assertEquals(unansweredReason(error), words);
});
