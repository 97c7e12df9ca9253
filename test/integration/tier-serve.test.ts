/** `tributary tier serve` as a process: what it prints, and how it ends. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openFsStore } from "../../src/adapters/fs-store.ts";
import { kafkaAt, openArchiveSource, readInGroup, TOPIC, writeFlights } from "../support/archive-world.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const COMMITTED = 40;

interface Serving {
  readonly bootstrap: string;
  readonly topics: readonly { readonly name: string; readonly partitions: number }[];
  readonly cluster_id: string;
}

/** Resolves with what the command prints once it serves. */
function served(child: ChildProcess): Promise<Serving> {
  return new Promise((resolve, reject) => {
    let out = "";
    child.stdout?.on("data", (chunk) => {
      out += chunk;
      if (out.trimEnd().endsWith("}")) resolve(JSON.parse(out));
    });
    child.once("exit", (code) => reject(new Error(`ended with ${code}`)));
  });
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once("exit", resolve));
}

test("tier serve shows a directory's archive until it is told to stop, and its groups go on the next time", async () => {
  const root = mkdtempSync(join(tmpdir(), "tier-serve-"));
  using _removed = { [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) };
  const store = await openFsStore(join(root, "cold"));
  await using source = await openArchiveSource(store);
  await writeFlights(source, 0, 30);
  await source.archive();
  const options = ["--state", join(root, "state"), "-o", "json", "tier", "serve", "--port", "0"];
  const start = (...args: readonly string[]) =>
    spawn(process.execPath, [MAIN, ...options, "--store", store.location, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
  const seen = new Set<string>();
  for (let run = 0; run < 2; run++) {
    const child = start();
    const { bootstrap, topics, cluster_id } = await served(child);
    assert.deepEqual([topics, cluster_id], [[{ name: TOPIC, partitions: 2 }], "cluster-a"]);
    const [host = "", port] = bootstrap.split(":");
    const records = await readInGroup(kafkaAt({ host, port: Number(port) }), { groupId: "g", records: COMMITTED / 2 });
    for (const { partition, offset } of records) seen.add(`${partition}/${offset}`);
    child.kill("SIGTERM");
    assert.equal(await ended(child), 143);
  }
  assert.equal(seen.size, COMMITTED);
  const other = start("--topic", "nothing*");
  assert.deepEqual((await served(other)).topics, []);
  other.kill("SIGINT");
  assert.equal(await ended(other), 130);
});

test("tier serve ends with one line and a code of its own for what cannot be served", () => {
  const root = mkdtempSync(join(tmpdir(), "tier-serve-"));
  using _removed = { [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) };
  const run = (...args: readonly string[]) => {
    const command = [MAIN, "--state", join(root, "state"), "tier", "serve", ...args];
    const { status, stderr } = spawnSync(process.execPath, command, { encoding: "utf8", cwd: root });
    assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
    return status;
  };
  assert.equal(run("--store", `file://${join(root, "none")}`), 1);
  assert.equal(existsSync(join(root, "none")), false);
  assert.equal(run("--store", "ftp://somewhere"), 65);
  assert.equal(run("--store", `file://${root}`, "--topic", "a b"), 64);
});
