/** Connections that read into one buffer: bodies come over unchanged, however slowly they are taken. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, get, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { ReusingHttpAgent } from "../../../../src/adapters/s3/s3-agent.ts";
import { seededRandom } from "../../../support/seeded-random.ts";

const BODY_BYTES = 3 * 1024 * 1024 + 17;

test("an agent that reuses its read buffer brings bodies over unchanged when several are read at once and slowly", async () => {
  const random = seededRandom(1);
  const bodies = Array.from({ length: 8 }, () => Buffer.from(random.bytes(BODY_BYTES)));
  const server = createServer((request, response) => response.end(bodies[Number(request.url?.slice(1))]));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  using _closed = { [Symbol.dispose]: () => server.close() };
  const { port } = server.address() as AddressInfo;
  const agent = new ReusingHttpAgent({ keepAlive: true, maxSockets: 2 });
  using _destroyed = { [Symbol.dispose]: () => agent.destroy() };
  const read = await Promise.all(
    bodies.map(async (_, at) => {
      const [response] = (await once(get({ host: "127.0.0.1", port, path: `/${at}`, agent }), "response")) as [
        IncomingMessage,
      ];
      const chunks: Buffer[] = [];
      for await (const chunk of response) {
        chunks.push(chunk);
        // Longer than it takes the server to fill what lies between.
        for (let turn = 0; turn < 3; turn++) await setImmediate();
      }
      return Buffer.concat(chunks);
    }),
  );
  for (const [at, body] of bodies.entries()) assert.ok(read[at]?.equals(body), `body ${at} is the same`);
});
