/** ACLs that follow from source to target, over failures and several workers. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../../../src/core/clock.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import { AclSync } from "../../../../src/mirror/metadata/acl-sync.ts";
import { type Acl, aclKey } from "../../../../src/topology/acls.ts";
import { MemoryMade } from "./memory-made.ts";

const clock: Clock = { nowMs: () => 0, monotonicMs: () => 0, after: () => ({ cancel: () => undefined }) };

function rule(name: string): Acl {
  return {
    resource: "topic",
    name,
    pattern: "literal",
    principal: "User:a",
    host: "*",
    operation: "read",
    permission: "allow",
  };
}

/** A cluster with rules. */
class Cluster {
  rules: readonly Acl[] | undefined = [];
  failure: Error | undefined;

  async acls() {
    return this.rules;
  }

  async add(acls: readonly Acl[]): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    this.rules = [...new Map([...(this.rules ?? []), ...acls].map((acl) => [aclKey(acl), acl])).values()];
  }

  async remove(acls: readonly Acl[]): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    const gone = new Set(acls.map(aclKey));
    this.rules = this.rules?.filter((acl) => !gone.has(aclKey(acl)));
  }

  get topics(): readonly string[] {
    return (this.rules ?? []).map(({ name }) => name).toSorted();
  }
}

function world() {
  const [source, target, made] = [new Cluster(), new Cluster(), new MemoryMade()];
  const wanted = async (rules: readonly Acl[]) => rules.map((one) => ({ ...one, name: `w.${one.name}` }));
  const deps = { source, target, made, madeOnSource: undefined, wanted, clock, logger: silentLogger };
  const worker = (topology = "t") => new AclSync({ topology, sourceClusterId: "W" }, deps);
  return { source, target, made, worker };
}

test("acl sync adds what the source has and removes what another worker made, but never what others did", async () => {
  const { source, target, made, worker } = world();
  source.rules = [rule("a"), rule("b")];
  target.rules = [rule("w.b"), rule("own")];
  const first = worker();
  await first.round();
  assert.deepEqual(target.topics, ["own", "w.a", "w.b"]);
  assert.deepEqual(first.status, { wanted: 2, added: 1, removed: 0 });
  source.rules = [];
  await worker().round();
  assert.deepEqual(target.topics, ["own", "w.b"]);
  assert.deepEqual(await made.list(), []);
});

test("acl sync leaves no rule that nobody would take back when it fails half way", async () => {
  const { source, target, made, worker } = world();
  source.rules = [rule("a")];
  made.failure = new Error("record refused");
  const sync = worker();
  await sync.round();
  assert.deepEqual(target.topics, []);
  assert.match(sync.troubles[0]?.why ?? "", /record refused/);
  made.failure = undefined;
  target.failure = new Error("CLUSTER_AUTHORIZATION_FAILED");
  await sync.round();
  assert.match(sync.troubles[0]?.why ?? "", /CLUSTER_AUTHORIZATION_FAILED/);
  // The request was answered by nobody, and took effect after all.
  target.rules = [rule("w.a")];
  target.failure = undefined;
  source.rules = [];
  await sync.round();
  assert.deepEqual(target.topics, []);
  assert.deepEqual([sync.troubles, await made.list()], [[], []]);
});

test("acl sync removes nothing because an authorizer was switched off, and tells when the target has none", async () => {
  const { source, target, worker } = world();
  source.rules = [rule("a")];
  await worker().round();
  source.rules = undefined;
  await worker().round();
  assert.deepEqual(target.topics, ["w.a"]);
  source.rules = [rule("a")];
  target.rules = undefined;
  const sync = worker();
  await sync.round();
  assert.match(sync.troubles[0]?.why ?? "", /target has no authorizer/);
});

test("acl sync keeps a rule that is wanted for another source, too, until neither wants it", async () => {
  const { source, target, made, worker } = world();
  source.rules = [rule("a")];
  await worker("one").round();
  await worker("two").round();
  source.rules = [];
  await worker("one").round();
  assert.deepEqual(target.topics, ["w.a"]);
  await worker("two").round();
  assert.deepEqual([target.topics, await made.list()], [[], []]);
});
