/** The state directory: locks, names and records of processes, also of dead ones. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { nodeRandom } from "../../../src/adapters/node-random.ts";
import { nodeStorage } from "../../../src/adapters/node-storage.ts";
import { control } from "../../../src/runtime/control-client.ts";
import { ControlServer } from "../../../src/runtime/control-server.ts";
import { lockDirectory, lockPath } from "../../../src/runtime/lock-file.ts";
import { identityOf, isAlive } from "../../../src/runtime/process-identity.ts";
import { StateDirectory } from "../../../src/runtime/state-directory.ts";
import { findTopologyFile, loadTopology } from "../../../src/runtime/topology-files.ts";

/** A directory that is gone afterwards. */
function scratch(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "tributary-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A process that has ended. */
async function deadProcess() {
  const child = spawn(process.execPath, ["-e", ""]);
  const identity = identityOf(child.pid);
  await once(child, "exit");
  return identity;
}

test("process is alive only while it exists and started when it says", async () => {
  assert.equal(isAlive(identityOf()), true);
  assert.equal(isAlive({ pid: process.pid, start: "1" }), false);
  assert.equal(isAlive(await deadProcess()), false);
});

test("worker keeps its name from start to start, and no two directories give the same", () => {
  using directory = scratch();
  const nameIn = (topology: string): string =>
    new StateDirectory({ root: directory.path, topology }, { storage: nodeStorage() }).workerName(nodeRandom());
  const name = nameIn("one");
  assert.match(name, /^[\w-]{22}$/);
  assert.equal(nameIn("one"), name);
  assert.notEqual(nameIn("two"), name);
});

test("lock is held by one and free after release", () => {
  using directory = scratch();
  const data = join(directory.path, "data");
  const storage = nodeStorage();
  const lock = lockDirectory(data, storage);
  assert.throws(() => lockDirectory(data, storage), {
    fault: { code: "STATE_LOCKED", path: `${data}.lock`, pid: process.pid },
  });
  lock.release();
  lock.release();
  lockDirectory(data, storage).release();
});

test("lock of a dead process is taken over, also when its taker died as well", async () => {
  using directory = scratch();
  const data = join(directory.path, "data");
  const storage = nodeStorage();
  const dead = await deadProcess();
  storage.createFile(`${data}.lock`, Buffer.from(JSON.stringify(dead)));
  storage.createFile(`${data}.lock.after-${dead.pid}-${dead.start}`, Buffer.from(JSON.stringify(await deadProcess())));
  lockDirectory(data, storage).release();
  assert.deepEqual(storage.list(directory.path), ["data"]);
});

test("state directory shows only processes that live", async () => {
  using directory = scratch();
  const state = new StateDirectory({ root: directory.path, topology: "t" }, { storage: nodeStorage() });
  assert.deepEqual(state.regions(), []);
  const record = { region: "a", process: identityOf(), clusterId: "c", brokers: [], socketPath: "s", startedMs: 1 };
  state.writeRegion(record);
  state.writeRegion({ ...record, region: "b", process: await deadProcess() });
  assert.deepEqual(state.regions(), [record]);
  assert.equal(state.region("b"), undefined);
  state.forget("region.a");
  state.forget("region.a");
  assert.deepEqual(state.regions(), []);
});

test("state file that is no JSON is named", () => {
  using directory = scratch();
  const state = new StateDirectory({ root: directory.path, topology: "t" }, { storage: nodeStorage() });
  const path = join(state.path, "region.a.json");
  state.create();
  nodeStorage().writeFile(path, Buffer.from("{"));
  assert.throws(() => state.region("a"), { fault: { code: "STATE_CORRUPT", path } });
});

test("state file and lock that hold something else are named as damaged", () => {
  using directory = scratch();
  const storage = nodeStorage();
  const state = new StateDirectory({ root: directory.path, topology: "t" }, { storage });
  state.create();
  for (const text of ["null", "{}", "[1]", '"worker"']) {
    writeFileSync(join(state.path, "worker.json"), text);
    assert.throws(() => state.worker(), { fault: { code: "STATE_CORRUPT", path: join(state.path, "worker.json") } });
    const path = join(state.path, "worker.lock");
    writeFileSync(path, text);
    assert.throws(() => lockPath(path, { what: "a worker" }, storage), { fault: { code: "STATE_CORRUPT", path } });
  }
});

test("topology that is no file of reasonable size is refused with the reason", () => {
  using directory = scratch();
  const path = join(directory.path, "t.yaml");
  mkdirSync(path);
  assert.throws(() => loadTopology(path), /cannot read the topology \(.*\): is a directory;/);
  rmSync(path, { recursive: true });
  writeFileSync(path, " ".repeat(1_048_577));
  assert.throws(() => loadTopology(path), /: 1048577 bytes are too many, at most 1048576;/);
});

test("socket path stays short enough for every system", () => {
  const state = new StateDirectory({ root: `/${"long/".repeat(40)}`, topology: "t" }, { storage: nodeStorage() });
  assert.ok(state.socketPath("worker").length < 100);
  assert.notEqual(state.socketPath("worker"), state.socketPath("region.a"));
});

test("control channel carries answers, parameters and failures", async () => {
  using directory = scratch();
  const socketPath = join(directory.path, "s.sock");
  await using _server = await ControlServer.open(socketPath, {
    "GET /status": () => ({ next: 5n }),
    "POST /brokers/:id/stop": ([id]) => ({ id }),
    "POST /fail": () => {
      throw new Error("no");
    },
  });
  assert.deepEqual(await control(socketPath, { method: "GET", path: "/status" }), { next: "5" });
  assert.deepEqual(await control(socketPath, { method: "POST", path: "/brokers/2/stop" }), { id: "2" });
  await assert.rejects(control(socketPath, { method: "POST", path: "/fail" }), /told: no /);
  await assert.rejects(control(socketPath, { method: "GET", path: "/nothing" }), /no command GET \/nothing/);
});

test("control channel that nobody serves is named", async () => {
  using directory = scratch();
  const socketPath = join(directory.path, "s.sock");
  await assert.rejects(
    control(socketPath, { method: "GET", path: "/status" }),
    (error: Error & { fault?: { code: string } }) => {
      assert.equal(error.fault?.code, "CONTROL_FAILED");
      return error.message.includes(socketPath);
    },
  );
});

test("control channel closes while a connection is open", async () => {
  using directory = scratch();
  const socketPath = join(directory.path, "s.sock");
  const server = await ControlServer.open(socketPath, { "GET /wait": () => new Promise(() => {}) });
  const waiting = request({ socketPath, path: "/wait" }).end();
  const ended = once(waiting, "error");
  await once(waiting, "socket");
  await new Promise((resolve) => setImmediate(resolve));
  await server.close();
  await server.close();
  await ended;
});

test("topology file is found by path, by name and by default, and a wrong name gets the nearest", () => {
  const root = new URL("../../../", import.meta.url).pathname;
  assert.ok(findTopologyFile(undefined, root).endsWith("topologies/hub-and-spoke.yaml"));
  assert.ok(findTopologyFile("active-passive", "/").endsWith("topologies/active-passive.yaml"));
  assert.equal(findTopologyFile("topologies/active-passive.yaml", root), "topologies/active-passive.yaml");
  assert.throws(() => findTopologyFile("hub-and-spok", root), /did you mean "hub-and-spoke"\?/);
  assert.throws(() => loadTopology("/nowhere.yaml"), { fault: { code: "TOPOLOGY_UNREADABLE", file: "/nowhere.yaml" } });
});
