/** Real sockets keep what the network's port promises: order, back pressure, orderly and disorderly ends. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeNetwork } from "../../../src/adapters/node-network.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import type { Connection, ConnectionHandlers, Listener } from "../../../src/core/network.ts";

const LOOPBACK = { host: "127.0.0.1", port: 0 };
const CONNECT = { timeoutMs: 5_000 };

/** Collects what a connection hears. */
function recorder(onData: (chunk: Uint8Array) => void = () => {}) {
  const closed = Promise.withResolvers<Error | undefined>();
  const drained = Promise.withResolvers<void>();
  const handlers: ConnectionHandlers = { onData, onDrain: () => drained.resolve(), onClose: closed.resolve };
  return { handlers, closed: closed.promise, drained: drained.promise };
}

async function listening(accept: (connection: Connection) => void): Promise<Listener & AsyncDisposable> {
  const listener = await nodeNetwork().listen(LOOPBACK, accept);
  return { ...listener, [Symbol.asyncDispose]: () => listener.close() };
}

/** Answers every chunk with the same bytes. */
function echo(connection: Connection): void {
  connection.start({
    onData: (chunk) => connection.write([Buffer.from(chunk)]),
    onDrain: () => {},
    onClose: () => {},
  });
}

test("node network carries 16 MiB both ways unchanged", async () => {
  await using listener = await listening(echo);
  const connection = await nodeNetwork().connect(listener.endpoint, CONNECT);
  const sent = Buffer.alloc(16 * 1024 * 1024);
  for (let i = 0; i < sent.length; i += 4) sent.writeUInt32BE(i, i);
  const received = Buffer.alloc(sent.length);
  const done = Promise.withResolvers<void>();
  let bytes = 0;
  const { handlers, closed } = recorder((chunk) => {
    received.set(chunk, bytes);
    bytes += chunk.byteLength;
    if (bytes === sent.length) done.resolve();
  });
  connection.start(handlers);
  for (let at = 0; at < sent.length; at += 64 * 1024) connection.write([sent.subarray(at, at + 64 * 1024)]);
  await done.promise;
  assert.ok(received.equals(sent));
  connection.close();
  assert.equal(await closed, undefined);
});

test("node network reads to where the owner wants the bytes, in order", async () => {
  await using listener = await listening(echo);
  const connection = await nodeNetwork().connect(listener.endpoint, CONNECT);
  const sent = Buffer.alloc(8 * 1024 * 1024);
  for (let i = 0; i < sent.length; i += 4) sent.writeUInt32BE(i, i);
  const received = Buffer.alloc(sent.length);
  const done = Promise.withResolvers<void>();
  let bytes = 0;
  let placed = 0;
  const { handlers } = recorder((chunk) => {
    if (chunk.buffer === received.buffer) {
      assert.equal(chunk.byteOffset, received.byteOffset + bytes);
      placed++;
    } else received.set(chunk, bytes);
    bytes += chunk.byteLength;
    if (bytes === sent.length) done.resolve();
  });
  // Every other MiB is left to the connection's own buffer.
  const readInto = () => (bytes % (2 << 20) < 1 << 20 && bytes > 0 ? received.subarray(bytes) : undefined);
  connection.start({ ...handlers, readInto });
  for (let at = 0; at < sent.length; at += 64 * 1024) connection.write([sent.subarray(at, at + 64 * 1024)]);
  await done.promise;
  assert.ok(placed > 0);
  assert.ok(received.equals(sent));
  connection.destroy();
});

test("node network keeps the order of parts and writes of one turn", async () => {
  await using listener = await listening(echo);
  const connection = await nodeNetwork().connect(listener.endpoint, CONNECT);
  const done = Promise.withResolvers<string>();
  let text = "";
  const { handlers } = recorder((chunk) => {
    text += Buffer.from(chunk).toString();
    if (text.length === 6) done.resolve(text);
  });
  connection.start(handlers);
  connection.write([Buffer.from("a"), Buffer.from("b")]);
  connection.write([Buffer.from("c")]);
  connection.write([Buffer.from("d"), Buffer.from("e"), Buffer.from("f")]);
  assert.equal(await done.promise, "abcdef");
  connection.destroy();
});

test("node network sends what is queued before an orderly close", async () => {
  const received = Promise.withResolvers<number>();
  let bytes = 0;
  await using listener = await listening((accepted) =>
    accepted.start({
      onData: (chunk) => {
        bytes += chunk.byteLength;
      },
      onDrain: () => {},
      onClose: () => received.resolve(bytes),
    }),
  );
  const connection = await nodeNetwork().connect(listener.endpoint, CONNECT);
  const { handlers, closed } = recorder();
  connection.start(handlers);
  connection.write([Buffer.alloc(8 * 1024 * 1024)]);
  connection.close();
  connection.close();
  assert.equal(connection.write([Buffer.alloc(10)]), true);
  assert.equal(await received.promise, 8 * 1024 * 1024);
  assert.equal(await closed, undefined);
});

test("node network answers false above the write mark and drains later", async () => {
  await using listener = await listening(echo);
  const connection = await nodeNetwork().connect(listener.endpoint, CONNECT);
  const { handlers, drained } = recorder();
  connection.start(handlers);
  assert.equal(connection.write([Buffer.alloc(5 * 1024 * 1024)]), false);
  await drained;
  connection.destroy();
});

test("node network delivers nothing while a connection is paused", async () => {
  const accepted = Promise.withResolvers<Connection>();
  await using listener = await listening((connection) => {
    echo(connection);
    accepted.resolve(connection);
  });
  const connection = await nodeNetwork().connect(listener.endpoint, CONNECT);
  let paused = true;
  const done = Promise.withResolvers<void>();
  const { handlers } = recorder(() => {
    assert.equal(paused, false);
    done.resolve();
  });
  connection.start(handlers);
  connection.pause();
  connection.write([Buffer.from("late")]);
  const other = await nodeNetwork().connect(listener.endpoint, CONNECT);
  const otherDone = Promise.withResolvers<void>();
  other.start(recorder(() => otherDone.resolve()).handlers);
  other.write([Buffer.from("x")]);
  await otherDone.promise;
  paused = false;
  connection.resume();
  await done.promise;
  connection.destroy();
  other.destroy();
});

test("node network keeps bytes and the end that come before start", async () => {
  await using listener = await listening((accepted) => {
    accepted.start(recorder().handlers);
    accepted.write([Buffer.from("hello")]);
    accepted.close();
  });
  const connection = await nodeNetwork().connect(listener.endpoint, CONNECT);
  // Another whole round trip passes before this connection is started.
  const other = await nodeNetwork().connect(listener.endpoint, CONNECT);
  const otherRecorder = recorder();
  other.start(otherRecorder.handlers);
  await otherRecorder.closed;
  const chunks: string[] = [];
  const { handlers, closed } = recorder((chunk) => chunks.push(Buffer.from(chunk).toString()));
  connection.start(handlers);
  await closed;
  assert.equal(chunks.join(""), "hello");
});

test("node network reports NETWORK_REFUSED with the place when nobody listens", async () => {
  const listener = await nodeNetwork().listen(LOOPBACK, echo);
  await listener.close();
  await assert.rejects(nodeNetwork().connect(listener.endpoint, CONNECT), (error: Error) => {
    assert.ok(hasFaultCode(error, "NETWORK_REFUSED"));
    assert.match(error.message, new RegExp(`127.0.0.1:${listener.endpoint.port}`));
    return true;
  });
});

test("node network reports NETWORK_REFUSED for every address of a name", async () => {
  const listener = await nodeNetwork().listen(LOOPBACK, echo);
  await listener.close();
  await assert.rejects(
    nodeNetwork().connect({ host: "localhost", port: listener.endpoint.port }, CONNECT),
    (error: Error) => hasFaultCode(error, "NETWORK_REFUSED"),
  );
});

test("node network reports NETWORK_PORT_TAKEN when the port is in use", async () => {
  await using listener = await listening(echo);
  await assert.rejects(nodeNetwork().listen(listener.endpoint, echo), (error: Error) =>
    hasFaultCode(error, "NETWORK_PORT_TAKEN"),
  );
});

test("node network reports a typed error when the address is not ours or the port is none", async () => {
  await assert.rejects(nodeNetwork().listen({ host: "192.0.2.1", port: 0 }, echo), (error: Error) =>
    hasFaultCode(error, "NETWORK_UNREACHABLE"),
  );
  await assert.rejects(nodeNetwork().listen({ host: "127.0.0.1", port: 70_000 }, echo), (error: Error) =>
    hasFaultCode(error, "NETWORK_UNREACHABLE"),
  );
});

test("node network gives up with the signal's reason when aborted", async () => {
  await using listener = await listening(echo);
  const reason = new Error("stop");
  const signal = AbortSignal.abort(reason);
  await assert.rejects(nodeNetwork().connect(listener.endpoint, { ...CONNECT, signal }), reason);
  const controller = new AbortController();
  const attempt = nodeNetwork().connect(listener.endpoint, { ...CONNECT, signal: controller.signal });
  controller.abort(reason);
  await assert.rejects(attempt, reason);
});

test("node network tells a reset from an orderly end", async () => {
  const accepted = Promise.withResolvers<Connection>();
  await using listener = await listening((connection) => {
    connection.start(recorder().handlers);
    accepted.resolve(connection);
  });
  const connection = await nodeNetwork().connect(listener.endpoint, CONNECT);
  const { handlers, closed } = recorder();
  connection.start(handlers);
  const peer = await accepted.promise;
  peer.pause();
  connection.write([Buffer.alloc(2 * 1024 * 1024)]);
  // Unread bytes make the kernel answer the end with a reset.
  peer.destroy();
  const error = await closed;
  assert.ok(error === undefined || hasFaultCode(error, "NETWORK_RESET"));
});

test("node network works by host name", async () => {
  await using listener = await listening(echo);
  const connection = await nodeNetwork().connect({ host: "localhost", port: listener.endpoint.port }, CONNECT);
  const done = Promise.withResolvers<string>();
  connection.start(recorder((chunk) => done.resolve(Buffer.from(chunk).toString())).handlers);
  connection.write([Buffer.from("named")]);
  assert.equal(await done.promise, "named");
  connection.destroy();
});
