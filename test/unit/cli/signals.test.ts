/** What a signal does to a command. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const SIGNALS = pathToFileURL(join(import.meta.dirname, "../../../src/cli/signals.ts")).href;

test("a command that may stop anywhere cleans up and ends with the signal's code", async () => {
  for (const [signal, code] of [["SIGINT", 130] as const, ["SIGTERM", 143] as const]) {
    const script = `import { cleanedWhenInterrupted } from ${JSON.stringify(SIGNALS)};
      cleanedWhenInterrupted(() => console.log("cleaned"));
      setInterval(() => {}, 1_000);
      console.log("ready");`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    child.stdout.on("data", (chunk) => {
      said += String(chunk);
      if (said === "ready\n") child.kill(signal);
    });
    const [exitCode] = await once(child, "close");
    assert.deepEqual([exitCode, said], [code, "ready\ncleaned\n"]);
  }
});
