/** What a worker's process loads: each module costs memory for its life, and time when it has to be there again quickly. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const ENTRY = join(import.meta.dirname, "../../../src/cli/commands/mirror-run.ts");

/** Files that a process has loaded after it imported the worker's command, and Node's own modules. */
function loaded(): readonly string[] {
  const script = `
    const { registerHooks } = await import("node:module");
    const files = [];
    registerHooks({ load: (url, context, next) => (files.push(url), next(url, context)) });
    await import(${JSON.stringify(ENTRY)});
    console.log(JSON.stringify([...files, ...process.moduleLoadList]));`;
  const text = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  return JSON.parse(text) as readonly string[];
}

test("worker loads no module that only other commands need", () => {
  const unwanted = /\/deps\/undici\/|\/node_modules\/(kafkajs|@aws-sdk|prom-client|hyparquet|commander)/;
  const all = loaded();
  assert.ok(all.some((name) => name.endsWith("/runtime/worker.ts")));
  assert.deepEqual(
    all.filter((name) => unwanted.test(name)),
    [],
  );
});
