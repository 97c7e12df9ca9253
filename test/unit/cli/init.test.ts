/** `init` as a process. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadTopology } from "../../../src/runtime/topology-files.ts";

const MAIN = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));
const MM2 = `clusters = east, west, hub
east.bootstrap.servers = e:9092
west.bootstrap.servers = w:9092
hub.bootstrap.servers = h:9092
east->hub.enabled = true
east.sasl.jaas.config = geheim
`;

/** An empty directory, gone afterwards. */
function project(files: Readonly<Record<string, string>> = {}): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "tributary-init-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

function init(directory: string, ...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, "init", ...args], { cwd: directory });
  return { code: status, stdout: stdout.toString(), stderr: stderr.toString() };
}

test("init writes a topology that is valid as it is, and never over another", () => {
  using here = project();
  const first = init(here.path);
  assert.equal(first.code, 0, first.stderr);
  assert.equal(first.stdout, "topologies/mine.yaml: two regions and a mirror to begin with\n");
  assert.match(first.stderr, /^next: tributary topology plan -t topologies\/mine\.yaml /);
  assert.equal(loadTopology(join(here.path, "topologies/mine.yaml")).name, "mine");
  const again = init(here.path);
  assert.equal(again.code, 64);
  assert.match(
    again.stderr,
    /^tributary: topologies\/mine\.yaml is there already; name another file, or say --force\n$/,
  );
  assert.equal(init(here.path, "--force").code, 0);
  assert.equal(init(here.path, "other.yaml").code, 0);
  assert.equal(loadTopology(join(here.path, "other.yaml")).name, "other");
});

test("init imports a configuration of MirrorMaker 2 and tells what has no equivalent", () => {
  using here = project({ "mm2.properties": MM2 });
  const told = init(here.path, "--from", "mm2.properties", "-o", "json");
  assert.equal(told.code, 0, told.stderr);
  const { file, regions, mirrors, notes } = JSON.parse(told.stdout);
  assert.deepEqual([file, regions, mirrors], ["topologies/mm2.yaml", 3, 1]);
  assert.deepEqual(
    notes.map((note: { where: string; key: string }) => `${note.where} ${note.key}`),
    ["east sasl.jaas.config"],
  );
  const text = readFileSync(join(here.path, file), "utf8");
  assert.equal(loadTopology(join(here.path, file)).mirrors.length, 1);
  assert.doesNotMatch(text + told.stdout, /geheim/);
  const shown = init(here.path, "-", "--from", "mm2.properties");
  assert.deepEqual([shown.code, shown.stdout], [0, text]);
});

test("init writes what it imports even where that is not sound, and says what is wrong with it", () => {
  const identity = "west->hub.enabled = true\nreplication.policy.class = IdentityReplicationPolicy\n";
  using here = project({ "mm2.properties": MM2 + identity });
  const told = init(here.path, "--from", "mm2.properties");
  assert.equal(told.code, 65);
  assert.match(told.stderr, /topologies\/mm2\.yaml:\d+:\d+ mirrors "east-to-hub" and "west-to-hub" both write topic/);
});

test("init refuses what it cannot import in one line", () => {
  using here = project({ "mm2.properties": "x = 1\n" });
  const nothing = init(here.path, "--from", "mm2.properties");
  assert.equal(nothing.code, 65);
  assert.match(nothing.stderr, /^tributary: mm2\.properties names no clusters; .*\n$/);
  const missing = init(here.path, "--from", "nowhere");
  assert.equal(missing.code, 64);
  assert.match(missing.stderr, /^tributary: cannot read nowhere: .*\n$/);
});
