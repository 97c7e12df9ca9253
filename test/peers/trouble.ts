/** Trouble that only Apache Kafka can make: rules that take rights away under way, and transactions that nobody ends. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type Acl, addAcls, removeAcls } from "../../src/client/acls.ts";
import { namingOf } from "../../src/mirror/naming.ts";
import {
  contents,
  eventually,
  type MirrorWorker,
  MirrorWorld,
  type Side,
  selection,
} from "../integration/mirror-world.ts";
import { apacheKafkaMissing } from "./kafka/jars.ts";
import { ApacheKafka } from "./kafka.ts";
import { leaveTransactionOpen } from "./open-transaction.ts";

const skip = apacheKafkaMissing() ?? false;
const timeout = 180_000;
/** Whatever no rule is about is allowed, to brokers and clients alike. */
const AUTHORIZER = {
  "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
  "allow.everyone.if.no.acl.found": "true",
};
/** The topics of one cluster copied within it. */
const WITHIN = {
  topics: selection("orders"),
  naming: namingOf("copy.{topic}", { source: "west", target: "west", mirror: "test" }),
};

function laneOf(worker: MirrorWorker) {
  return worker.flow.status.lanes[0];
}

async function isCopied(world: MirrorWorld, side: Side): Promise<boolean> {
  const [read, copied] = [await world.read(side, "orders", 0), await world.read(side, "copy.orders", 0)];
  return read.length > 0 && contents(read).join() === contents(copied).join();
}

function denial(name: string, operation: number): Acl {
  return {
    resource: "topic",
    name,
    pattern: "literal",
    principal: "User:ANONYMOUS",
    host: "*",
    operation,
    permission: "deny",
  };
}

/** Takes a right away under way, waits for the lane to say so, gives it back. */
async function deniedUnderWay(
  { world, side, worker }: { readonly world: MirrorWorld; readonly side: Side; readonly worker: MirrorWorker },
  rule: Acl,
  code: string,
): Promise<void> {
  await addAcls(side.client, [rule]);
  await eventually(async () => {
    if (code === "TARGET_DENIED") await world.produce(side, "orders", 0, 1);
    return laneOf(worker)?.reason?.code === code;
  }, `the lane tells ${code}`);
  assert.notEqual(laneOf(worker)?.state, "stopped");
  await removeAcls(side.client, [rule]);
  await world.produce(side, "orders", 0, 5);
  await eventually(() => isCopied(world, side), "the lane goes on by itself", 60_000);
  assert.equal(laneOf(worker)?.reason, undefined);
}

test("lane waits while a right is missing, says which side denies it, and goes on by itself", {
  skip,
  timeout,
}, async () => {
  await using kafka = await ApacheKafka.start({ properties: AUTHORIZER });
  await using world = new MirrorWorld();
  const side = await world.foreignSide([...kafka.endpoints.values()]);
  await world.topic(side, "orders", 1);
  await world.produce(side, "orders", 0, 5);
  const worker = await world.worker(side, side, WITHIN);
  await eventually(() => isCopied(world, side), "it is copied");
  const [read, write] = [3, 4];
  await deniedUnderWay({ world, side, worker }, denial("orders", read), "SOURCE_DENIED");
  await deniedUnderWay({ world, side, worker }, denial("copy.orders", write), "TARGET_DENIED");
});

test("lane names the transaction that holds it, and goes on when it ends", {
  skip,
  timeout,
}, async (t: TestContext) => {
  await using kafka = await ApacheKafka.start();
  await using world = new MirrorWorld();
  const side = await world.foreignSide([...kafka.endpoints.values()]);
  await world.topic(side, "orders", 1);
  await world.produce(side, "orders", 0, 5);
  const worker = await world.worker(side, side, { ...WITHIN, checkEveryMs: 100, openTransactionMs: 500 });
  await eventually(() => isCopied(world, side), "it is copied");
  const open = await leaveTransactionOpen(kafka.bootstrap, "orders");
  await world.produce(side, "orders", 0, 5);
  await eventually(() => laneOf(worker)?.reason?.code === "SOURCE_TRANSACTION_OPEN", "the lane tells");
  const reason = laneOf(worker)?.reason;
  assert.ok(reason?.code === "SOURCE_TRANSACTION_OPEN");
  t.diagnostic(`held at ${reason.offset} by producer ${reason.producerId}`);
  assert.equal(reason.offset, 5n);
  assert.ok(reason.producerId >= 0n);
  assert.equal(laneOf(worker)?.heldOffsets, 6n);
  await open.commit();
  await eventually(() => laneOf(worker)?.reason === undefined, "the lane is free again");
  await eventually(() => isCopied(world, side), "what was held is copied");
});
