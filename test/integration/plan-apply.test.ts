/** `topology plan` and `topology apply` as processes on running regions. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const TOPOLOGY = `version: 1
name: pair
regions: {west: {local: {brokers: 1, partitions: 3}}, hub: {local: {brokers: 1}}}
mirrors:
  - {name: in, from: west, to: hub, topics: ["orders", "flight-*"], rename: "{source}.{topic}", filter: {dropHeaders: x-debug}}
`;

test("topology apply makes what a plan says, refuses a stale plan, and leaves nothing to plan", async () => {
  const cwd = mkdtempSync(join(tmpdir(), "tributary-plan-"));
  writeFileSync(join(cwd, "pair.yaml"), TOPOLOGY);
  const run = async (args: readonly string[], stdin = "") => {
    const child = spawn(process.execPath, [MAIN, "-t", "pair.yaml", ...args], { cwd });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += String(chunk)));
    child.stdin.end(stdin);
    const [code] = (await once(child, "close")) as [number | null];
    return { code, text };
  };
  try {
    assert.equal((await run(["up", "--detach"])).code, 0);
    assert.equal((await run(["produce", "orders", "-r", "west"], "x\n")).code, 0);
    const planned = await run(["topology", "plan", "--out", "plan.json", "-d"]);
    assert.equal(planned.code, 2, planned.text);
    assert.match(planned.text, /\+ orders -> west\.orders {3}3 partitions/);
    assert.match(planned.text, /"flight-\*" matches no topic/);
    assert.match(planned.text, /filter: without headers x-debug/);

    assert.equal((await run(["produce", "flight-1", "-r", "west"], "x\n")).code, 0);
    const stale = await run(["topology", "apply", "plan.json"]);
    assert.equal(stale.code, 1, stale.text);
    assert.match(stale.text, /nothing changed: .*not as plan\.json found them/);
    const unasked = await run(["topology", "apply"]);
    assert.equal(unasked.code, 64, unasked.text);

    assert.equal((await run(["topology", "plan", "--out", "plan.json"])).code, 0);
    const { changes } = JSON.parse(readFileSync(join(cwd, "plan.json"), "utf8")) as { changes: readonly object[] };
    assert.equal(changes.length, 2);
    const applied = await run(["topology", "apply", "plan.json"]);
    assert.equal(applied.code, 0, applied.text);
    assert.match(applied.text, /2 changes made, 0 failed/);
    assert.equal((await run(["topology", "plan", "-d"])).code, 0);
    assert.equal((await run(["topology", "apply", "plan.json"])).code, 1);
  } finally {
    await run(["down", "--wipe"]);
    rmSync(cwd, { recursive: true, force: true });
  }
});
