/** Runs the commands that the README shows: every fenced `sh` block, in order, as one bash script each.
 *
 *  Example topologies are checked first. Blocks share a state directory that is removed at the end, and `tributary` means this checkout's. Lines that set up or
 *  run whole suites are left out, because the rest of the run covers them; a block after `<!-- not run: reason -->` is
 *  left out as a whole, and said so. */

import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
/** A block takes some seconds; one that waits for input or for ever is cut. */
const BLOCK_TIMEOUT_MS = 180_000;
const COVERED = /^\s*(git clone|cd |npm (ci|install|i|start|test)\b|npm run (test:kafka|bench|types|lint|build)\b)/;
const FILE = /```yaml\n# (?<path>(regions|topologies)\/[a-z-]+\.yaml)\n(?<text>[\s\S]*?)```/g;
const BLOCK = /(?:<!-- not run: (?<reason>[^\n]*?) -->\s*)?```sh\n(?<text>[\s\S]*?)```/g;

/** Bash that ends the background jobs of a script which still run, whatever the script's own outcome. */
const END_JOBS = `trap 'for job in $(jobs -p); do if kill -0 $job 2> /dev/null; then kill $job; fi; done; wait' EXIT`;

const readme = readFileSync(join(ROOT, "README.md"), "utf8");
const scratch = mkdtempSync(join(tmpdir(), "readme-"));
const shim = join(scratch, "tributary");
writeFileSync(shim, `#!/bin/sh\nexec "${process.execPath}" "${join(ROOT, "src/cli/main.ts")}" "$@"\n`);
chmodSync(shim, 0o755);
const env = {
  ...process.env,
  TRIBUTARY_STATE: join(scratch, "state"),
  PATH: `${scratch}${delimiter}${process.env["PATH"] ?? ""}`,
};

function runScript(script: string): number {
  const { status } = spawnSync("bash", ["-euo", "pipefail", "-c", script], {
    cwd: ROOT,
    env,
    stdio: ["ignore", "inherit", "inherit"],
    timeout: BLOCK_TIMEOUT_MS,
  });
  return status ?? 1;
}

let failures = 0;
let runs = 0;

// The example files, beside the project's own regions, have to be a valid topology.
cpSync(join(ROOT, "regions"), join(scratch, "regions"), { recursive: true });
mkdirSync(join(scratch, "topologies"));
for (const { groups } of readme.matchAll(FILE)) {
  const path = groups?.["path"] ?? "";
  writeFileSync(join(scratch, path), groups?.["text"] ?? "");
  if (!path.startsWith("topologies/")) continue;
  console.log(`-- topology validate ${path}`);
  runs++;
  if (runScript(`tributary topology validate "${join(scratch, path)}"`) !== 0) failures++;
}

for (const { groups } of readme.matchAll(BLOCK)) {
  const lines = (groups?.["text"] ?? "").split("\n").filter((line) => !COVERED.test(line));
  const script = lines.join("\n").trim();
  if (script === "") continue;
  if (groups?.["reason"] !== undefined) {
    console.log(`-- not run (${groups["reason"]}):\n${script}`);
    continue;
  }
  console.log(`-- ${script.replaceAll("\n", "\n   ")}`);
  runs++;
  // What a block leaves in the background ends with it.
  if (runScript(`${END_JOBS}\n${script}`) !== 0) {
    console.error(`-- FAILED:\n${script}`);
    failures++;
  }
}
runScript("tributary down --wipe -q");
rmSync(scratch, { recursive: true, force: true });
console.log(`${runs} examples, ${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;
