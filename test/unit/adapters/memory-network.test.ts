/** The memory network is as slow, as lossy and as orderly as it is told to be. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryNetwork } from "../../../src/adapters/memory-network.ts";
import { nodeRandom } from "../../../src/adapters/node-random.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import type { Connection, NetworkError } from "../../../src/core/network.ts";
import { ManualClock } from "../client/manual-clock.ts";

const ENDPOINT = { host: "broker", port: 9092 };

/** One side of a connection that records what it hears. */
class Side {
  readonly connection: Connection;
  received = Buffer.alloc(0);
  kept: Uint8Array[] = [];
  drains = 0;
  closed: { readonly error: NetworkError | undefined } | undefined;

  constructor(connection: Connection) {
    this.connection = connection;
    connection.start({
      onData: (chunk) => {
        this.kept.push(chunk);
        this.received = Buffer.concat([this.received, chunk]);
      },
      onDrain: () => {
        this.drains++;
      },
      onClose: (error) => {
        assert.ok(this.closed === undefined, "closed twice");
        this.closed = { error };
      },
    });
  }
}

async function pair(options: ConstructorParameters<typeof MemoryNetwork>[0] = {}) {
  const clock = new ManualClock();
  const network = new MemoryNetwork(options, { clock, random: nodeRandom() });
  const accepted: Connection[] = [];
  await network.at("west").listen(ENDPOINT, (connection) => accepted.push(connection));
  const connecting = network.at("east").connect(ENDPOINT, { timeoutMs: 1_000 });
  await clock.run(0);
  const client = new Side(await connecting);
  const [first] = accepted;
  assert.ok(first !== undefined);
  return { clock, network, client, server: new Side(first) };
}

test("memory network delivers bytes in order after the latency of the direction", async () => {
  const { clock, network, client, server } = await pair();
  network.setLink("east", "west", { latencyMs: 30, jitterMs: 20 });
  for (let i = 0; i < 10; i++) client.connection.write([Buffer.from(String(i))]);
  await clock.run(29);
  assert.equal(server.received.toString(), "");
  await clock.run(21);
  assert.equal(server.received.toString(), "0123456789");
  server.connection.write([Buffer.from("back")]);
  await clock.run(0);
  assert.equal(client.received.toString(), "back");
});

test("memory network overwrites a chunk after its delivery", async () => {
  const { clock, client, server } = await pair();
  client.connection.write([Buffer.from("abc")]);
  await clock.run(0);
  assert.equal(server.received.toString(), "abc");
  assert.deepEqual(server.kept, [new Uint8Array([0xdb, 0xdb, 0xdb])]);
});

test("memory network cuts at random places without losing a byte", async () => {
  const { clock, client, server } = await pair({ randomPieces: true });
  const sent = Buffer.from(Array.from({ length: 2_000 }, (_, i) => i % 251));
  client.connection.write([sent.subarray(0, 700), sent.subarray(700)]);
  await clock.run(0);
  assert.ok(server.kept.length > 1);
  assert.deepEqual(server.received, sent);
});

test("memory network keeps what a held link carries and delivers it when opened", async () => {
  const { clock, network, client, server } = await pair();
  network.setLink("east", "west", { mode: "held" });
  client.connection.write([Buffer.from("kept")]);
  server.connection.write([Buffer.from("other way")]);
  await clock.run(10_000);
  assert.equal(server.received.toString(), "");
  assert.equal(client.received.toString(), "other way");
  network.setLink("east", "west", { mode: "open" });
  await clock.run(0);
  assert.equal(server.received.toString(), "kept");
});

test("memory network resets a connection that lost bytes once the link is healed", async () => {
  const { clock, network, client, server } = await pair();
  network.setLink("east", "west", { mode: "lost" });
  client.connection.write([Buffer.from("gone")]);
  await clock.run(10_000);
  assert.equal(server.received.toString(), "");
  assert.equal(Boolean(server.closed), false);
  network.setLink("east", "west", { mode: "open" });
  await clock.run(0);
  assert.ok(hasFaultCode(server.closed?.error, "NETWORK_RESET"));
  assert.ok(hasFaultCode(client.closed?.error, "NETWORK_RESET"));
});

test("memory network resets connections and refuses new ones over a cut link", async () => {
  const { clock, network, client, server } = await pair();
  network.setLinks("east", "west", { mode: "cut" });
  await clock.run(0);
  assert.ok(hasFaultCode(client.closed?.error, "NETWORK_RESET"));
  assert.ok(hasFaultCode(server.closed?.error, "NETWORK_RESET"));
  const attempt = network.at("east").connect(ENDPOINT, { timeoutMs: 100 });
  const refused = assert.rejects(attempt, (error) => hasFaultCode(error, "NETWORK_UNREACHABLE"));
  await clock.run(0);
  await refused;
  const local = network.at("west").connect(ENDPOINT, { timeoutMs: 100 });
  await clock.run(0);
  await local;
});

test("memory network times a connection attempt out over a held link", async () => {
  const { clock, network } = await pair();
  network.setLink("west", "east", { mode: "held" });
  const timedOut = assert.rejects(network.at("east").connect(ENDPOINT, { timeoutMs: 100 }), (error) =>
    hasFaultCode(error, "NETWORK_TIMEOUT"),
  );
  await clock.run(100);
  await timedOut;
});

test("memory network refuses where nobody listens and a port that is taken", async () => {
  const { clock, network } = await pair();
  const refused = assert.rejects(network.connect({ host: "broker", port: 1 }, { timeoutMs: 100 }), (error) =>
    hasFaultCode(error, "NETWORK_REFUSED"),
  );
  await clock.run(0);
  await refused;
  await assert.rejects(
    network.listen(ENDPOINT, () => {}),
    (error) => hasFaultCode(error, "NETWORK_PORT_TAKEN"),
  );
});

test("memory network answers false above the mark and drains when the receiver resumes", async () => {
  const { clock, client, server } = await pair({ bufferBytesMax: 100 });
  server.connection.pause();
  assert.equal(client.connection.write([Buffer.alloc(60)]), true);
  assert.equal(client.connection.write([Buffer.alloc(60)]), false);
  await clock.run(1_000);
  assert.equal(server.received.length, 0);
  assert.equal(client.drains, 0);
  server.connection.resume();
  await clock.run(0);
  assert.equal(server.received.length, 120);
  assert.equal(client.drains, 1);
});

test("memory network delivers what was written before an orderly close, then both sides close once", async () => {
  const { clock, network, client, server } = await pair();
  client.connection.write([Buffer.from("last words")]);
  client.connection.close();
  client.connection.close();
  client.connection.write([Buffer.from("never")]);
  await clock.run(0);
  assert.equal(server.received.toString(), "last words");
  assert.deepEqual(server.closed, { error: undefined });
  assert.deepEqual(client.closed, { error: undefined });
  assert.equal(network.connectionCount, 0);
});

test("memory network drops what is queued when a side is destroyed and resets the other", async () => {
  const { clock, network, client, server } = await pair();
  client.connection.write([Buffer.from("dropped")]);
  client.connection.destroy();
  client.connection.destroy();
  await clock.run(0);
  assert.equal(server.received.toString(), "");
  assert.ok(hasFaultCode(server.closed?.error, "NETWORK_RESET"));
  assert.deepEqual(client.closed, { error: undefined });
  assert.equal(network.connectionCount, 0);
});
