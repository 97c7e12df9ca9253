/** Imports go downward only, siblings of the engine layer never import each other, and the engine touches the outside
 *  only through its ports. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";

const SRC = join(import.meta.dirname, "../../src");

/** What each folder of src may import from, besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  wire: ["core"],
  topology: ["core"],
  client: ["core", "wire"],
  broker: ["core", "wire"],
  mirror: ["core", "wire", "topology"],
  tier: ["core", "wire"],
  drill: ["core", "wire", "topology", "mirror"],
  adapters: ["core", "wire", "topology", "client", "broker", "mirror", "tier", "drill"],
  runtime: ["core", "wire", "topology", "client", "broker", "mirror", "tier", "drill", "adapters"],
  quickstart: ["core", "wire", "topology", "client", "broker", "mirror", "tier", "drill", "adapters", "runtime"],
  web: ["core", "runtime"],
  cli: [
    "core",
    "wire",
    "topology",
    "client",
    "broker",
    "mirror",
    "tier",
    "drill",
    "adapters",
    "runtime",
    "quickstart",
    "web",
  ],
};

/** Folders that see the outside only through ports. */
const PURE = new Set(["core", "wire", "topology", "client", "broker", "mirror", "tier", "drill"]);

const FORBIDDEN_MODULES =
  /^node:(net|tls|fs|fs\/promises|timers|timers\/promises|child_process|worker_threads|http|https|dgram|os)$/;
const FORBIDDEN_CALLS =
  /\b(Date\.now|new Date\(\)|setTimeout|setInterval|setImmediate|performance\.now|Math\.random|randomBytes|randomUUID|randomInt\(\)|process\.(hrtime|env|exit))\b/;
const IMPORT = /(?:from|import)\s*\(?\s*"([^"]+)"/g;

interface Source {
  readonly path: string;
  readonly folder: string;
  readonly text: string;
}

function sources(): readonly Source[] {
  return readdirSync(SRC, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => ({
      path,
      folder: path.includes("/") ? (path.split("/")[0] ?? "") : "",
      text: readFileSync(join(SRC, path), "utf8"),
    }));
}

/** Edges and uses that break the rules, as `file -> what`. */
export function violations(files: readonly Source[]): readonly string[] {
  const found: string[] = [];
  for (const { path, folder, text } of files) {
    if (folder === "") continue;
    const allowed = MAY_IMPORT[folder];
    if (allowed === undefined) found.push(`${path} -> folder ${folder} is in no layer`);
    for (const [, specifier = ""] of text.matchAll(IMPORT)) {
      if (PURE.has(folder) && FORBIDDEN_MODULES.test(specifier)) found.push(`${path} -> ${specifier}`);
      if (!specifier.startsWith(".")) continue;
      const target = relative(SRC, join(SRC, dirname(path), specifier)).split("/")[0] ?? "";
      if (target !== folder && allowed?.includes(target) !== true) found.push(`${path} -> ${specifier}`);
    }
    if (!PURE.has(folder)) continue;
    for (const [i, line] of text.split("\n").entries()) {
      const code = line
        .replace(/^\s*(\/\/|\*|\/\*\*).*$/, "")
        .replace(/\/\/.*$/, "")
        .replace(/\/\*\*.*?\*\//g, "");
      if (FORBIDDEN_CALLS.test(code)) found.push(`${path}:${i + 1} -> ${code.trim()}`);
    }
  }
  return found;
}

test("layers import downward only and engines use ports only", () => {
  assert.deepEqual(violations(sources()), []);
});

test("the layer check finds a forbidden import, a forbidden module and a forbidden call", () => {
  const file = (path: string, text: string): Source => ({ path, folder: path.split("/")[0] ?? "", text });
  const found = violations([
    file("mirror/a.ts", 'import { x } from "../client/b.ts";'),
    file("broker/b.ts", 'import { connect } from "node:net";'),
    file("client/c.ts", "const now = Date.now();"),
    file("wire/d.ts", 'const { x } = await import("../mirror/e.ts");'),
    file("cli/f.ts", 'import { y } from "../runtime/g.ts";\nsetTimeout(() => {}, 1);'),
  ]);
  assert.deepEqual(
    found.map((line) => line.split(" ")[0]),
    ["mirror/a.ts", "broker/b.ts", "client/c.ts:1", "wire/d.ts"],
  );
});
