/** Both storages keep the contract of their port; the one on files tells its failures apart. */

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { MemoryStorage } from "../../../src/adapters/memory-storage.ts";
import { nodeStorage } from "../../../src/adapters/node-storage.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import type { Storage } from "../../../src/core/storage.ts";

/** A storage and how to throw it away. */
interface StorageWorld extends Disposable {
  readonly storage: Storage;
}

const KINDS: Readonly<Record<string, () => StorageWorld>> = {
  "memory storage": () => ({ storage: new MemoryStorage(), [Symbol.dispose]: () => {} }),
  "node storage": () => {
    const root = mkdtempSync(join(tmpdir(), "tributary-storage-"));
    return { storage: nodeStorage(root), [Symbol.dispose]: () => rmSync(root, { recursive: true }) };
  },
};

const bytes = (text: string): Buffer => Buffer.from(text);

for (const [kind, open] of Object.entries(KINDS)) {
  test(`${kind} appends parts at the end and reads any range when a file is open`, async () => {
    using world = open();
    world.storage.makeDirectory("a/b");
    const file = world.storage.open("a/b/f", { create: true });
    file.append([bytes("hello "), bytes(""), bytes("wor")]);
    file.append([bytes("ld")]);
    await file.sync();
    assert.equal(file.sizeBytes, 11);
    assert.equal(file.read(6, 100).toString(), "world");
    assert.equal(file.read(0, 5).toString(), "hello");
    assert.equal(file.read(11, 5).length, 0);
    file.truncate(7);
    file.append([bytes("!")]);
    assert.equal(file.read(0, 100).toString(), "hello w!");
    file.close();
    file.close();
    assert.throws(
      () => file.append([bytes("x")]),
      (error) => hasFaultCode(error, "STORAGE_IO"),
    );
    assert.equal(world.storage.readFile("a/b/f").toString(), "hello w!");
    const again = world.storage.open("a/b/f", { create: false });
    assert.equal(again.sizeBytes, 8);
    again.close();
  });

  test(`${kind} replaces, creates once, renames, lists and removes files`, () => {
    using world = open();
    const { storage } = world;
    storage.makeDirectory("d/e");
    storage.makeDirectory("d/e");
    storage.writeFile("d/two", bytes("1"));
    storage.writeFile("d/two", bytes("2"));
    assert.equal(storage.createFile("d/one", bytes("first")), true);
    assert.equal(storage.createFile("d/one", bytes("second")), false);
    assert.equal(storage.readFile("d/one").toString(), "first");
    assert.deepEqual(storage.list("d"), ["e", "one", "two"]);
    storage.rename("d/one", "d/e/three");
    assert.deepEqual([storage.exists("d/one"), storage.exists("d/e/three"), storage.exists("d")], [false, true, true]);
    storage.remove("d/e");
    storage.remove("d/none");
    assert.deepEqual(storage.list("d"), ["two"]);
    assert.deepEqual(storage.list("nowhere"), []);
  });

  test(`${kind} answers STORAGE_MISSING when a file is not there`, () => {
    using world = open();
    const { storage } = world;
    for (const use of [
      () => storage.readFile("none"),
      () => storage.open("none", { create: false }),
      () => storage.rename("none", "other"),
    ]) {
      assert.throws(use, (error) => hasFaultCode(error, "STORAGE_MISSING"));
    }
  });
}

test("node storage answers STORAGE_FULL and keeps the file when the device has no room", () => {
  const file = nodeStorage("/").open("dev/full", { create: false });
  assert.throws(
    () => file.append([bytes("x")]),
    (error) => hasFaultCode(error, "STORAGE_FULL"),
  );
  assert.equal(file.sizeBytes, 0);
  file.close();
});

test("node storage answers STORAGE_DENIED when a directory is not writable", (t) => {
  if (process.getuid?.() === 0) return t.skip("root may write everywhere");
  const root = mkdtempSync(join(tmpdir(), "tributary-storage-"));
  chmodSync(root, 0o500);
  assert.throws(
    () => nodeStorage(root).writeFile("f", bytes("x")),
    (error) => hasFaultCode(error, "STORAGE_DENIED"),
  );
  chmodSync(root, 0o700);
  rmSync(root, { recursive: true });
});

test("node storage leaves no prepared file behind when it wrote or refused one", () => {
  using world = KINDS["node storage"]?.() ?? { storage: new MemoryStorage(), [Symbol.dispose]: () => {} };
  world.storage.writeFile("f", bytes("1"));
  world.storage.createFile("f", bytes("2"));
  assert.deepEqual(world.storage.list("."), ["f"]);
});

test("node storage lets a running sync end when the file is closed meanwhile", async () => {
  using world = KINDS["node storage"]?.() ?? { storage: new MemoryStorage(), [Symbol.dispose]: () => {} };
  const file = world.storage.open("f", { create: true });
  file.append([bytes("x")]);
  const synced = file.sync();
  file.close();
  await synced;
});

test("memory storage loses what was not synced when it crashes", async () => {
  const storage = new MemoryStorage();
  const file = storage.open("f", { create: true });
  file.append([bytes("kept")]);
  await file.sync();
  file.append([bytes("lost")]);
  storage.writeFile("g", bytes("whole"));
  storage.crash();
  assert.throws(
    () => file.read(0, 1),
    (error) => hasFaultCode(error, "STORAGE_IO"),
  );
  assert.equal(storage.readFile("f").toString(), "kept");
  assert.equal(storage.readFile("g").toString(), "whole");
});

test("memory storage tears a file where the test says when it crashes", async () => {
  const storage = new MemoryStorage();
  storage.open("f", { create: true }).append([bytes("torn apart")]);
  storage.crash(() => 4);
  assert.equal(storage.readFile("f").toString(), "torn");
});

test("memory storage answers STORAGE_FULL and changes nothing when its disk is full", () => {
  const storage = new MemoryStorage();
  const file = storage.open("f", { create: true });
  file.append([bytes("x")]);
  storage.fillDisk();
  for (const use of [
    () => file.append([bytes("y")]),
    () => storage.writeFile("g", bytes("y")),
    () => storage.createFile("h", bytes("y")),
  ]) {
    assert.throws(use, (error) => hasFaultCode(error, "STORAGE_FULL"));
  }
  assert.deepEqual([file.sizeBytes, storage.list("")], [1, ["f"]]);
  storage.freeDisk();
  file.append([bytes("y")]);
  assert.equal(file.sizeBytes, 2);
});
