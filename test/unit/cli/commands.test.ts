/** The command's words for what goes wrong, and its exit codes. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command in `directory` as a process. */
async function tributary(directory: string, ...args: readonly string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: directory, stdio: ["ignore", "pipe", "pipe"] });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}

/** An empty directory with the given files, gone afterwards. */
function project(files: Readonly<Record<string, string>> = {}): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "tributary-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

const PAIR = `version: 1
name: pair
regions: {a: {local: {}}, b: {brokers: "127.0.0.1:1"}}
mirrors: [{name: m, from: a, to: b, topics: "*", rename: "{topic}"}]
`;

/** The one line that every mistake of a user gets. */
function assertOneLine(outcome: Outcome, code: number, text: RegExp): void {
  assert.equal(outcome.code, code, outcome.stderr);
  assert.match(outcome.stderr, text);
  assert.equal(outcome.stderr.trimEnd().split("\n").length, 1, outcome.stderr);
  assert.equal(outcome.stdout, "");
}

test("command prints its version and help to stdout", async () => {
  using here = project();
  const manifest = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  const [version, help] = await Promise.all([
    tributary(here.path, "--version"),
    tributary(here.path, "mirror", "--help"),
  ]);
  assert.deepEqual(version, { code: 0, stdout: `${manifest.version}\n`, stderr: "" });
  assert.equal(help.code, 0);
  assert.match(help.stdout, /status \[mirror\.\.\.\]/);
});

test("command refuses what it does not know with 64 and a suggestion", async () => {
  using here = project({ "pair.yaml": PAIR });
  assertOneLine(
    await tributary(here.path, "topologie"),
    64,
    /^tributary: unknown command 'topologie' \(Did you mean topology\?\)/,
  );
  assertOneLine(
    await tributary(here.path, "up", "aa", "-t", "pair.yaml"),
    64,
    /^tributary: no region "aa" \(pair\.yaml\); did you mean "a"\?/,
  );
  assertOneLine(
    await tributary(here.path, "topology", "graph", "-t", "active-pasive"),
    64,
    /did you mean "active-passive"\?/,
  );
});

test("command reports every mistake of a topology with 65", async () => {
  using here = project({ "bad.yaml": PAIR.replace("from: a", "from: aa").replace("to: b", "to: bb") });
  const table = await tributary(here.path, "topology", "validate", "bad.yaml");
  assert.equal(table.code, 65);
  assert.deepEqual(table.stderr.trimEnd().split("\n"), [
    'bad.yaml:4:27 mirror source "aa" is no region; did you mean "a"?',
    'bad.yaml:4:35 mirror target "bb" is no region; did you mean "b"?',
  ]);
  const json = await tributary(here.path, "topology", "validate", "bad.yaml", "-o", "json");
  const { format_version, valid, issues } = JSON.parse(json.stdout) as {
    format_version: string;
    valid: boolean;
    issues: object[];
  };
  assert.deepEqual([json.code, format_version, valid], [65, "1.0", false]);
  assert.deepEqual(issues[0], {
    file: "bad.yaml",
    line: 4,
    column: 27,
    code: "unknown-region",
    fact: 'mirror source "aa" is no region',
    suggestion: "a",
  });
  const up = await tributary(here.path, "up", "-t", "bad.yaml");
  assert.equal(up.code, 65);
});

test("command says that a region does not run with 69", async () => {
  using here = project({ "pair.yaml": PAIR });
  assertOneLine(
    await tributary(here.path, "consume", "t", "-r", "a", "-t", "pair.yaml"),
    69,
    /^tributary: region "a" does not run \(pair\.yaml\); start it with tributary up/,
  );
});

test("command tells its failure as json too when that was asked for", async () => {
  using here = project({ "pair.yaml": PAIR });
  const outcome = await tributary(here.path, "lag", "nobody", "-t", "pair.yaml", "-o", "json");
  assert.equal(outcome.code, 64);
  assert.deepEqual(JSON.parse(outcome.stdout), {
    format_version: "1.0",
    error: { code: "MIRROR_UNKNOWN", exit_code: 64, lines: [outcome.stderr.trimEnd()] },
  });
});

test("command says that an address leads nowhere with 69", async () => {
  using here = project({ "pair.yaml": PAIR });
  const outcome = await tributary(here.path, "consume", "t", "-r", "b", "-t", "pair.yaml");
  assertOneLine(outcome, 69, /^tributary: region "b" cannot be reached \(127\.0\.0\.1:1\): .*\? Check that it runs/);
});

test("down with nothing running is well, and json says so", async () => {
  using here = project({ "pair.yaml": PAIR });
  const outcome = await tributary(here.path, "down", "-t", "pair.yaml", "-o", "json", "-q");
  assert.equal(outcome.code, 0);
  assert.deepEqual(JSON.parse(outcome.stdout), {
    format_version: "1.0",
    topology: "pair",
    stopped: [],
    worker_stopped: false,
    wiped: false,
  });
});
