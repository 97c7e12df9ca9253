/** One connection: versions, order, time limits, and what is known of a request when it breaks. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BrokerConnection, type BrokerConnectionOptions } from "../../../src/client/connection.ts";
import { ClientError, hadNoEffect } from "../../../src/client/errors.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import type { Connection } from "../../../src/core/network.ts";
import { produce } from "../../../src/wire/apis/00-produce.ts";
import { metadata } from "../../../src/wire/apis/03-metadata.ts";
import { apiVersions } from "../../../src/wire/apis/18-api-versions.ts";
import { deleteGroups } from "../../../src/wire/apis/42-delete-groups.ts";
import { FakeBroker, openWorld, type Received } from "./fake-broker.ts";

const ENDPOINT = { host: "broker", port: 9092 };

/** A connection with a scripted broker that answers ApiVersions and holds back everything else. */
async function openPair(options: Partial<BrokerConnectionOptions> = {}, network = {}) {
  const world = openWorld(network);
  const broker = await FakeBroker.listen(ENDPOINT, world);
  const connection = await world.clock.until(
    BrokerConnection.open({ endpoint: ENDPOINT, clientId: "test", ...options }, world),
  );
  return { ...world, broker, connection };
}

/** Asks to delete a group of this name: small, and its answer carries the name back. */
function ask(connection: BrokerConnection, name: string, options = {}) {
  return connection.request(deleteGroups, { groupsNames: [name] }, options).then(({ results }) => results[0]?.groupId);
}

function answerTo(request: Received) {
  return { throttleMs: 0, results: [{ groupId: request.body.groupsNames[0], errorCode: 0 }] };
}

/** The rejection of a promise; an error when it resolves. */
async function failureOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => new Error("it succeeded"),
    (error: Error) => error,
  );
}

test("connection chooses for each API the highest version that both sides know", async () => {
  const world = openWorld();
  const broker = await FakeBroker.listen(ENDPOINT, world);
  broker.ranges = [
    [0, 0, 9],
    [3, 0, 99],
    [18, 0, 4],
  ];
  const connection = await world.clock.until(BrokerConnection.open({ endpoint: ENDPOINT, clientId: "test" }, world));
  assert.equal(connection.versionOf(produce), 9);
  assert.equal(connection.versionOf(metadata), metadata.versions[1]);
  assert.equal(connection.versionOf(metadata, 10), 10);
  assert.throws(
    () => connection.versionOf(deleteGroups),
    (error) => hasFaultCode(error, "CLIENT_NO_VERSION"),
  );
  assert.throws(
    () => connection.versionOf(produce, 2),
    (error) => hasFaultCode(error, "CLIENT_NO_VERSION"),
  );
});

test("connection tells the broker its software in a form that brokers accept", async () => {
  const { broker } = await openPair();
  const [request] = broker.received(apiVersions);
  assert.equal(request?.header.apiVersion, 3);
  assert.equal(request?.header.clientId, "test");
  for (const text of [request?.body.clientSoftwareName, request?.body.clientSoftwareVersion])
    assert.match(text, /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/);
});

test("connection falls back to the version that a broker names when it refuses ApiVersions", async () => {
  for (const [apiKeys, expected] of [
    [[{ apiKey: 18, minVersion: 0, maxVersion: 2 }], 2],
    [[], 0],
  ] as const) {
    const world = openWorld();
    const broker = await FakeBroker.listen(ENDPOINT, world);
    broker.on(apiVersions, (request) => {
      if (request.header.apiVersion <= 2)
        return { errorCode: 0, throttleMs: 0, apiKeys: [{ apiKey: 42, minVersion: 0, maxVersion: 1 }] };
      broker.reply(request, { errorCode: 35, apiKeys, throttleMs: 0 }, { apiVersion: 0 });
      return undefined;
    });
    const connection = await world.clock.until(
      BrokerConnection.open({ endpoint: ENDPOINT, clientId: null as never }, world),
    );
    assert.equal(connection.versionOf(deleteGroups), 1);
    assert.deepEqual(
      broker.received(apiVersions).map(({ header }) => header.apiVersion),
      [3, expected],
    );
  }
});

test("connection writes requests in the order of the calls and matches answers in any order", async () => {
  const { clock, broker, connection } = await openPair();
  const answers = Promise.all(["a", "b", "c"].map((name) => ask(connection, name)));
  await clock.run(0);
  const requests = broker.received(deleteGroups);
  assert.deepEqual(
    requests.map(({ body }) => body.groupsNames[0]),
    ["a", "b", "c"],
  );
  for (const request of requests.toReversed()) broker.reply(request, answerTo(request));
  assert.deepEqual(await clock.until(answers), ["a", "b", "c"]);
});

test("connection reads answers that arrive in pieces of any size", async () => {
  const { clock, broker, connection } = await openPair({}, { randomPieces: true });
  broker.on(deleteGroups, answerTo);
  const names = Array.from({ length: 50 }, (_, i) => `group-${"x".repeat(i * 7)}`);
  const answers = Promise.all(names.map((name) => ask(connection, name)));
  assert.deepEqual(await clock.until(answers), names);
});

test("connection drops a late answer and goes on", async () => {
  const { clock, broker, connection } = await openPair();
  const slow = failureOf(ask(connection, "slow", { timeoutMs: 100 }));
  await clock.run(100);
  const error = await slow;
  assert.ok(hasFaultCode(error, "CLIENT_TIMEOUT"));
  assert.equal(hadNoEffect(error), false);
  assert.equal(connection.load.orphans, 1);
  const [late] = broker.received(deleteGroups);
  assert.ok(late !== undefined);
  const next = ask(connection, "next");
  await clock.run(0);
  broker.reply(late, answerTo(late));
  const [, request] = broker.received(deleteGroups);
  assert.ok(request !== undefined);
  broker.reply(request, answerTo(request));
  assert.equal(await clock.until(next), "next");
  assert.deepEqual(connection.load, { waiting: 0, sent: 0, sentBytes: 0, orphans: 0 });
  assert.ok(connection.isOpen);
});

test("connection ends when the broker owes too many answers", async () => {
  const { clock, connection } = await openPair({ orphansMax: 3, inFlightMax: 10 });
  const outcomes = Array.from({ length: 4 }, (_, i) =>
    failureOf(ask(connection, `g${i}`, { timeoutMs: 100 + i, maxVersion: 2 })),
  );
  await clock.run(200);
  const errors = await Promise.all(outcomes);
  assert.ok(errors.every((error) => hasFaultCode(error, "CLIENT_TIMEOUT")));
  assert.equal(connection.isOpen, false);
  assert.ok(hasFaultCode(await connection.closed, "CLIENT_DISCONNECTED"));
});

test("connection ends when the peer was silent while requests timed out twice over", async () => {
  const { clock, connection } = await openPair();
  const first = failureOf(ask(connection, "first", { timeoutMs: 1_000 }));
  await clock.run(1_000);
  const second = failureOf(ask(connection, "second", { timeoutMs: 1_000 }));
  assert.ok(connection.isOpen);
  await clock.run(1_000);
  assert.ok(hasFaultCode(await first, "CLIENT_TIMEOUT") && hasFaultCode(await second, "CLIENT_TIMEOUT"));
  assert.equal(connection.isOpen, false);
});

test("connection counts a request that timed out while it waited as one without effect", async () => {
  const { clock, broker, connection } = await openPair({ inFlightMax: 1 });
  void failureOf(ask(connection, "sent"));
  const waiting = failureOf(ask(connection, "waiting", { timeoutMs: 100 }));
  await clock.run(100);
  const error = await waiting;
  assert.ok(hasFaultCode(error, "CLIENT_TIMEOUT"));
  assert.equal(hadNoEffect(error), true);
  assert.equal(broker.received(deleteGroups).length, 1);
  assert.equal(connection.load.orphans, 0);
  connection.close();
});

test("connection rejects with the signal's reason when aborted, waiting or sent", async () => {
  const { clock, connection } = await openPair({ inFlightMax: 1 });
  const controller = new AbortController();
  const reason = new Error("enough");
  const sent = failureOf(ask(connection, "sent", { signal: controller.signal }));
  const waiting = failureOf(ask(connection, "waiting", { signal: controller.signal }));
  await clock.run(0);
  controller.abort(reason);
  assert.equal(await sent, reason);
  assert.equal(await waiting, reason);
  assert.equal(await failureOf(ask(connection, "later", { signal: controller.signal })), reason);
  assert.deepEqual(connection.load, { waiting: 0, sent: 0, sentBytes: 0, orphans: 1 });
});

test("connection keeps requests in flight below its limit and their order", async () => {
  const { clock, broker, connection } = await openPair({ inFlightMax: 2 });
  const names = ["a", "b", "c", "d", "e"];
  const answers = Promise.all(names.map((name) => ask(connection, name)));
  for (let done = 0; done < names.length; done++) {
    await clock.run(0);
    assert.equal(broker.received(deleteGroups).length, Math.min(done + 2, names.length));
    assert.ok(connection.load.sent <= 2);
    const request = broker.received(deleteGroups)[done];
    assert.ok(request !== undefined);
    broker.reply(request, answerTo(request));
  }
  assert.deepEqual(await clock.until(answers), names);
});

test("connection keeps bytes in flight below its limit, except for a single larger request", async () => {
  const { clock, broker, connection } = await openPair({ inFlightBytesMax: 1_000 });
  const big = ask(connection, "x".repeat(5_000));
  const small = ask(connection, "small");
  await clock.run(0);
  assert.equal(broker.received(deleteGroups).length, 1);
  broker.on(deleteGroups, answerTo);
  const [first] = broker.received(deleteGroups);
  assert.ok(first !== undefined);
  broker.reply(first, answerTo(first));
  assert.equal((await clock.until(big))?.length, 5_000);
  assert.equal(await clock.until(small), "small");
});

test("connection sends nothing while the broker throttles it, keeps the order, and lets no request run out of time", async () => {
  const told: number[] = [];
  const { clock, broker, connection } = await openPair({ onThrottle: (forMs) => told.push(forMs) });
  broker.on(deleteGroups, (request) => ({ ...answerTo(request), throttleMs: told.length === 0 ? 3_000 : 0 }));
  await clock.until(ask(connection, "first"));
  const startMs = clock.monotonicMs();
  const names = ["a", "b", "c"];
  const answers = Promise.all(names.map((name) => ask(connection, name, { timeoutMs: 500 })));
  await clock.run(2_900);
  assert.equal(broker.received(deleteGroups).length, 1);
  assert.deepEqual(await clock.until(answers), names);
  const sent = broker.received(deleteGroups).slice(1);
  assert.deepEqual(
    sent.map(({ body }) => body.groupsNames[0]),
    names,
  );
  assert.ok(sent.every(({ atMs }) => atMs - startMs >= 3_000));
  assert.deepEqual(told, [3_000]);
});

test("connection gives up requests in time although it was throttled once", async () => {
  const { clock, broker, connection } = await openPair();
  broker.on(deleteGroups, (request) => ({ ...answerTo(request), throttleMs: 1_000 }));
  await clock.until(ask(connection, "first"));
  broker.on(deleteGroups, () => undefined);
  const startMs = clock.monotonicMs();
  const error = await clock.until(failureOf(ask(connection, "late", { timeoutMs: 500 })));
  assert.ok(hasFaultCode(error, "CLIENT_TIMEOUT"));
  assert.equal(clock.monotonicMs() - startMs, 1_500);
});

test("connection stops writing while the socket is full and goes on when it drains", async () => {
  const { clock, broker, connection } = await openPair({}, { bufferBytesMax: 2_000 });
  broker.on(deleteGroups, answerTo);
  const [accepted] = broker.connections;
  accepted?.pause();
  const names = Array.from({ length: 8 }, (_, i) => `${i}`.repeat(1_000));
  const answers = Promise.all(names.map((name) => ask(connection, name)));
  await clock.run(1_000);
  assert.ok(connection.load.waiting > 0);
  accepted?.resume();
  assert.deepEqual(await clock.until(answers), names);
});

test("connection refuses a request when too many wait", async () => {
  const { connection } = await openPair({ inFlightMax: 1, waitingMax: 2 });
  const rest = ["a", "b", "c"].map((name) => failureOf(ask(connection, name)));
  const error = await failureOf(ask(connection, "d"));
  assert.ok(hasFaultCode(error, "CLIENT_OVERLOADED"));
  assert.equal(hadNoEffect(error), true);
  connection.close();
  await Promise.all(rest);
});

test("connection rejects everything pending when closed and says what had been sent", async () => {
  const { clock, connection } = await openPair({ inFlightMax: 1 });
  const sent = failureOf(ask(connection, "sent"));
  const waiting = failureOf(ask(connection, "waiting"));
  await clock.run(0);
  connection.close();
  connection.close();
  const [sentError, waitingError] = [await sent, await waiting];
  assert.deepEqual((sentError as ClientError).fault, { code: "CLIENT_CLOSED", sent: true });
  assert.deepEqual((waitingError as ClientError).fault, { code: "CLIENT_CLOSED", sent: false });
  assert.ok(hasFaultCode(await failureOf(ask(connection, "later")), "CLIENT_CLOSED"));
  assert.equal(await clock.until(connection.closed), undefined);
  assert.equal(clock.pending, 0);
});

test("connection rejects everything pending when the broker goes away", async () => {
  const { clock, broker, connection } = await openPair({ inFlightMax: 1 });
  const sent = failureOf(ask(connection, "sent"));
  const waiting = failureOf(ask(connection, "waiting"));
  await clock.run(0);
  await broker.stop();
  await clock.run(0);
  const errors = [await sent, await waiting];
  assert.deepEqual(
    errors.map((error) => (error as ClientError).fault),
    [true, false].map((wasSent) => ({ code: "CLIENT_DISCONNECTED", endpoint: "broker:9092", sent: wasSent })),
  );
  assert.equal(clock.pending, 0);
});

test("connection sends Produce with acks 0 without waiting for an answer", async () => {
  const { clock, broker, connection } = await openPair();
  await connection.send(produce, { transactionalId: null, acks: 0, timeoutMs: 1_000, topics: [] });
  assert.deepEqual(connection.load, { waiting: 0, sent: 0, sentBytes: 0, orphans: 0 });
  broker.on(deleteGroups, answerTo);
  assert.equal(await clock.until(ask(connection, "after")), "after");
  assert.equal(broker.received(produce).length, 1);
});

test("connection wraps correlation ids around at the end of int32", async () => {
  const { clock, broker, connection } = await openPair({ firstCorrelationId: 2 ** 31 - 2 });
  const answers = Promise.all(["a", "b", "c"].map((name) => ask(connection, name)));
  await clock.run(0);
  assert.deepEqual(
    broker.requests.map(({ header }) => header.correlationId),
    [2 ** 31 - 2, 2 ** 31 - 1, 0, 1],
  );
  for (const request of broker.received(deleteGroups)) broker.reply(request, answerTo(request));
  assert.deepEqual(await clock.until(answers), ["a", "b", "c"]);
});

test("connection skips correlation ids that are still open after a wrap", async () => {
  const { clock, broker, connection } = await openPair({ lastCorrelationId: 3 });
  const held = ask(connection, "held");
  await clock.run(0);
  broker.on(deleteGroups, answerTo);
  for (const name of ["a", "b", "c", "d", "e"]) assert.equal(await clock.until(ask(connection, name)), name);
  assert.deepEqual(
    broker.requests.map(({ header }) => header.correlationId),
    [1, 2, 3, 0, 1, 3, 0],
  );
  const request = broker.received(deleteGroups)[0];
  assert.ok(request !== undefined);
  broker.reply(request, answerTo(request));
  assert.equal(await clock.until(held), "held");
});

test("connection settles every request, whatever bytes a broker sends", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 5 }),
      fc.nat({ max: 60 }),
      async (chunks, cutAt) => {
        const { clock, broker, connection } = await openPair({}, { randomPieces: true });
        const outcomes = Promise.allSettled(["a", "b"].map((name) => ask(connection, name, { timeoutMs: 500 })));
        await clock.run(0);
        const [first] = broker.received(deleteGroups);
        assert.ok(first !== undefined);
        const [header, body] = [Buffer.alloc(8), Buffer.concat(chunks)];
        header.writeInt32BE(4 + Math.min(cutAt, body.length), 0);
        header.writeInt32BE(first.header.correlationId, 4);
        // A frame for the first request with nonsense inside, then nonsense.
        first.connection.write([header, body]);
        const settled = await clock.until(outcomes);
        assert.equal(settled.length, 2);
        connection.close();
      },
    ),
    { numRuns: 200 },
  );
});

test("connection rejects one request when its answer cannot be read, and keeps the others", async () => {
  const { clock, broker, connection } = await openPair();
  const bad = failureOf(ask(connection, "bad"));
  const good = ask(connection, "good");
  await clock.run(0);
  const [first, second] = broker.received(deleteGroups);
  assert.ok(first !== undefined && second !== undefined);
  const frame = Buffer.alloc(4 + 4 + 3);
  frame.writeInt32BE(7, 0);
  frame.writeInt32BE(first.header.correlationId, 4);
  first.connection.write([frame]);
  broker.reply(second, answerTo(second));
  assert.equal(await clock.until(good), "good");
  const error = await bad;
  assert.ok(hasFaultCode(error, "CLIENT_BAD_RESPONSE"));
  assert.equal(hadNoEffect(error), false);
  assert.ok(connection.isOpen);
});

test("connection ends on an answer that nobody asked for", async () => {
  const { clock, broker, connection } = await openPair();
  const pending = failureOf(ask(connection, "pending"));
  await clock.run(0);
  const [request] = broker.received(deleteGroups);
  assert.ok(request !== undefined);
  broker.reply(request, answerTo(request), { correlationId: 77 });
  assert.ok(hasFaultCode(await clock.until(pending), "CLIENT_DISCONNECTED"));
  assert.equal(connection.isOpen, false);
});

test("connection refuses a hostile frame length without allocating it", async () => {
  for (const length of [2 ** 31 - 1, -1, 3]) {
    const { clock, broker, connection } = await openPair();
    const pending = failureOf(ask(connection, "pending"));
    await clock.run(0);
    const frame = Buffer.alloc(4);
    frame.writeInt32BE(length);
    const [accepted] = broker.connections;
    accepted?.write([frame]);
    const error = await clock.until(pending);
    assert.ok(hasFaultCode(error, "CLIENT_DISCONNECTED"), error.message);
    assert.equal(connection.isOpen, false);
  }
});

/** Opens against a peer that answers the first bytes with `answer`, or ends when there is none. */
async function openAgainst(answer: Buffer | undefined): Promise<Error> {
  const { clock, network, ...deps } = openWorld();
  await network.listen(ENDPOINT, (peer: Connection) =>
    peer.start({
      onData: () => {
        if (answer === undefined) peer.close();
        else peer.write([answer]);
      },
      onDrain: () => {},
      onClose: () => {},
    }),
  );
  return clock.until(
    failureOf(BrokerConnection.open({ endpoint: ENDPOINT, clientId: "test" }, { clock, network, ...deps })),
  );
}

test("connection names the place and the likely cause when the peer speaks no Kafka", async () => {
  for (const [answer, cause] of [
    [Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"), /HTTP server/],
    [Buffer.from("SSH-2.0-OpenSSH\r\n"), /SSH server/],
    [Buffer.from([21, 3, 3, 0, 2, 2, 70]), /TLS/],
    [Buffer.from("-ERR unknown command\r\n"), /"-ERR"/],
    [Buffer.from([0, 0, 0, 2, 1, 1]), /0x00000002/],
  ] as const) {
    const error = await openAgainst(answer);
    assert.ok(hasFaultCode(error, "CLIENT_NOT_KAFKA"), error.message);
    assert.match(error.message, cause);
    assert.match(error.message, /broker:9092/);
    assert.equal(error.message.split("\n").length, 1);
  }
});

test("connection hints at TLS and SASL when the peer hangs up at the first request", async () => {
  const error = await openAgainst(undefined);
  assert.ok(hasFaultCode(error, "CLIENT_DISCONNECTED"));
  assert.match(error.message, /TLS and SASL/);
});

test("connection gives up on a peer that accepts and stays silent", async () => {
  const error = await openAgainst(Buffer.alloc(0));
  assert.ok(hasFaultCode(error, "CLIENT_TIMEOUT"));
  assert.match(error.message, /does it speak Kafka/);
});

test("connection reports an answer of ApiVersions with another error as refused", async () => {
  const world = openWorld();
  const broker = await FakeBroker.listen(ENDPOINT, world);
  broker.on(apiVersions, () => ({ errorCode: 42, apiKeys: [], throttleMs: 0 }));
  const error = await world.clock.until(failureOf(BrokerConnection.open({ endpoint: ENDPOINT, clientId: "x" }, world)));
  assert.ok(error instanceof ClientError);
  assert.equal(error.fault.code === "CLIENT_BROKER_ERROR" && error.fault.error, "INVALID_REQUEST");
});
