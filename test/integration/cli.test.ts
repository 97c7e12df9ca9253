/** The commands of a mirror's day, as processes: up, produce, mirror run, consume, lag, status, offsets, down. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const TOPOLOGY = `version: 1
name: pair
regions: {west: {local: {brokers: 2, partitions: 3}}, hub: {local: {brokers: 2}}}
mirrors:
  - {name: in, from: west, to: hub, topics: "*", rename: "{source}.{topic}", groups: {include: "*", every: 100ms}}
`;

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A project directory and the command in it; everything is stopped and removed afterwards. */
class Project implements AsyncDisposable {
  readonly path = mkdtempSync(join(tmpdir(), "tributary-"));

  constructor() {
    writeFileSync(join(this.path, "pair.yaml"), TOPOLOGY);
  }

  start(...args: readonly string[]): ChildProcess {
    return spawn(process.execPath, [MAIN, "-t", "pair.yaml", ...args], { cwd: this.path });
  }

  async run(args: readonly string[], stdin = ""): Promise<Outcome> {
    const child = this.start(...args);
    const parts = { stdout: "", stderr: "" };
    child.stdout?.on("data", (chunk) => (parts.stdout += String(chunk)));
    child.stderr?.on("data", (chunk) => (parts.stderr += String(chunk)));
    child.stdin?.end(stdin);
    const [code] = (await once(child, "close")) as [number | null];
    return { code, ...parts };
  }

  async ok(args: readonly string[], stdin = ""): Promise<string> {
    const outcome = await this.run(args, stdin);
    assert.equal(outcome.code, 0, `${args.join(" ")}: ${outcome.stderr}`);
    return outcome.stdout;
  }

  /** Reads so many records of a topic that a mirror is about to make; the command waits for both. */
  mirrored(topic: string, count: number): Promise<string> {
    return this.ok(["consume", topic, "-r", "hub", "-n", String(count), "-f", "%p %o %k %s\\n"]);
  }

  async json<T>(...args: readonly string[]): Promise<T> {
    const value = JSON.parse(await this.ok([...args, "-o", "json"])) as T & { format_version: string };
    assert.equal(value.format_version, "1.0");
    return value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run(["down", "--wipe"]);
    rmSync(this.path, { recursive: true, force: true });
  }
}

interface StatusJson {
  readonly origin: string;
  readonly flows: readonly {
    readonly records: number;
    readonly lag_records: number;
    readonly lanes: readonly object[];
  }[];
}

interface UpJson {
  readonly regions: readonly {
    readonly region: string;
    readonly bootstrap: readonly string[];
    readonly started: boolean;
  }[];
}

test("commands mirror a topic from one region to another and tell where everything is", async () => {
  await using project = new Project();
  const up = await project.json<UpJson>("up", "--detach");
  assert.deepEqual(
    up.regions.map(({ region, bootstrap, started }) => [region, bootstrap.length, started]),
    [
      ["west", 2, true],
      ["hub", 2, true],
    ],
  );
  const again = await project.json<UpJson>("up", "--detach");
  assert.deepEqual(
    again.regions.map(({ started }) => started),
    [false, false],
  );

  await project.ok(["produce", "t", "-r", "west", "-k", ":", "-z", "zstd"], "a:1\nb:2\nc:3\na:4\nb:5\nc:6\n");
  const read = await project.ok(["consume", "t", "-r", "west", "--exit", "--group", "g", "-f", "%p %o %k %s\\n"]);
  const lines = read.trimEnd().split("\n").toSorted();
  assert.equal(lines.length, 6);

  const before = await project.json<StatusJson>("mirror", "status");
  assert.deepEqual([before.origin, before.flows[0]?.lag_records], ["stored", 6]);

  const worker = project.start("mirror", "run", "-q");
  const ended = once(worker, "exit");
  const mirrored = await project.mirrored("west.t", 6);
  assert.deepEqual(mirrored.trimEnd().split("\n").toSorted(), lines);

  const second = await project.run(["mirror", "run"]);
  assert.equal(second.code, 75, second.stderr);
  assert.match(second.stderr, /^tributary: in use by process \d+: a mirror worker of this topology /);
  const live = await project.json<StatusJson>("mirror", "status");
  assert.deepEqual([live.origin, live.flows[0]?.lanes.length], ["worker", 3]);

  worker.kill("SIGTERM");
  assert.deepEqual(await ended, [143, null]);
  const after = await project.json<StatusJson>("mirror", "status");
  assert.deepEqual([after.origin, after.flows[0]?.records, after.flows[0]?.lag_records], ["stored", 6, 0]);
  const lag = await project.json<{ lag_records: number; rows: readonly object[] }>("lag", "--by", "partition");
  assert.deepEqual([lag.lag_records, lag.rows.length], [0, 3]);

  const [partition = "", offset = ""] = lines[0]?.split(" ") ?? [];
  const where = ["--topic", "t", "--partition", partition, "--offset", offset];
  const there = await project.json<{ kind: string; translated: number }>("offsets", "translate", ...where);
  assert.deepEqual([there.kind, there.translated], ["exact", Number(offset)]);
  const beyond = await project.run([
    "offsets",
    "explain",
    "--topic",
    "west.t",
    "--partition",
    partition,
    "--offset",
    "99",
  ]);
  assert.equal(beyond.code, 2, beyond.stderr);
  assert.match(beyond.stdout, /clamped/);

  const plan = await project.json<{ flows: readonly { topics: readonly object[] }[] }>("topology", "plan");
  assert.deepEqual(plan.flows[0]?.topics, [{ source: "t", target: "west.t", partitions: 3, action: "keep" }]);

  await project.ok(["down", "--wipe"]);
  assert.equal(existsSync(join(project.path, ".tributary", "pair")), false);
});

test("up in the foreground keeps its regions until it is interrupted", async () => {
  await using project = new Project();
  const up = project.start("up", "west");
  const ended = once(up, "exit");
  const [first] = (await once(up.stdout ?? up, "data")) as [Buffer];
  assert.match(first.toString(), /^REGION /);
  await project.ok(["produce", "t", "-r", "west"], "x\n");
  up.kill("SIGINT");
  assert.deepEqual(await ended, [130, null]);
  const outcome = await project.run(["consume", "t", "-r", "west"]);
  assert.equal(outcome.code, 69, outcome.stderr);
});

test("mirror run waits for a region that is not up yet", async () => {
  await using project = new Project();
  const worker = project.start("mirror", "run", "-q");
  const ended = once(worker, "exit");
  await project.ok(["up", "--detach", "-q"]);
  await project.ok(["produce", "t", "-r", "west"], "x\n");
  assert.match(await project.mirrored("west.t", 1), /^\d 0 {2}x\n$/);
  worker.kill("SIGINT");
  assert.deepEqual(await ended, [130, null]);
});
