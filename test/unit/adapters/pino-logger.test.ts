/** What a log line looks like on stderr, written by a process of its own. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

const MODULE = new URL("../../../src/adapters/pino-logger.ts", import.meta.url).href;

test("pino logger writes one JSON line per message to stderr with the fields of its ancestors", () => {
  const script = `
    const { openPinoLogger } = await import(${JSON.stringify(MODULE)});
    const logger = await openPinoLogger({ level: "info", fields: { role: "worker" } });
    logger.debug("hidden");
    logger.child({ lane: "a-0" }).warn("lane waits", { waitMs: 20 });
    process.exit(0);`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  assert.equal(stdout, "");
  const lines = stderr.trim().split("\n");
  assert.equal(lines.length, 1);
  const { level, message, role, lane, waitMs } = JSON.parse(lines[0] ?? "");
  assert.deepEqual(
    { level, message, role, lane, waitMs },
    {
      level: "warn",
      message: "lane waits",
      role: "worker",
      lane: "a-0",
      waitMs: 20,
    },
  );
});
