/** TLS of the network adapter against servers of Node's own. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer as createPlain, type Server } from "node:net";
import { test } from "node:test";
import { createServer, type TlsOptions as ServerOptions } from "node:tls";
import { nodeNetwork } from "../../../src/adapters/node-network.ts";
import type { Connection, TlsOptions } from "../../../src/core/network.ts";
import { makeCertificates, opensslMissing } from "../../support/certificates.ts";

const skip = opensslMissing() ?? false;
const { ca, cert, key } = skip === false ? makeCertificates() : { ca: "", cert: "", key: "" };

async function listening(server: Server): Promise<AsyncDisposable & { readonly port: number }> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const dispose = async () => {
    server.close();
  };
  return { port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: dispose };
}

/** Sends everything back. */
function echo(options: ServerOptions): Server {
  const server = createServer(options, (socket) => {
    socket.on("error", () => undefined);
    socket.pipe(socket);
  });
  return server.on("tlsClientError", () => undefined);
}

function connect(port: number, tls: TlsOptions, host = "127.0.0.1"): Promise<Connection> {
  return nodeNetwork().connect({ host, port }, { timeoutMs: 5_000, tls });
}

/** What comes back until there are as many bytes as were sent. */
function exchanged(connection: Connection, sent: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    connection.start({
      onData: (chunk) => {
        parts.push(Buffer.from(chunk));
        if (parts.reduce((sum, part) => sum + part.length, 0) >= sent.length) resolve(Buffer.concat(parts));
      },
      onDrain: () => undefined,
      onClose: (error) => reject(error ?? new Error("closed")),
    });
    connection.write([sent.subarray(0, 10), sent.subarray(10)]);
  });
}

test("connection with TLS carries bytes both ways, by address and by name", { skip }, async () => {
  await using server = await listening(echo({ cert, key }));
  const sent = Buffer.alloc(300_000, "0123456789");
  for (const host of ["127.0.0.1", "localhost"]) {
    const connection = await connect(server.port, { ca }, host);
    assert.ok((await exchanged(connection, sent)).equals(sent));
    connection.close();
  }
});

test("connection shows its own certificate where it is asked for one", { skip }, async () => {
  await using server = await listening(echo({ cert, key, ca, requestCert: true, rejectUnauthorized: true }));
  const connection = await connect(server.port, { ca, cert, key });
  assert.equal((await exchanged(connection, Buffer.from("hello, world"))).toString(), "hello, world");
  connection.close();
});

test("connection is refused with the reason when the server cannot be trusted", { skip }, async () => {
  await using server = await listening(echo({ cert, key }));
  const failure = (tls: TlsOptions) =>
    connect(server.port, tls).then(
      () => assert.fail("connected"),
      (error: Error) => error.message,
    );
  assert.match(await failure({}), /not trusted.*tls\.ca/);
  assert.match(await failure({ ca: makeCertificates().ca }), /not trusted/);
  assert.match(await failure({ ca, cert: "no PEM", key }), /tls\.ca, cert and key are PEM/);
  assert.match(await failure({ ca, cert, key: makeCertificates().key }), /belong together/);
  assert.match(await failure({ ca, serverName: "kafka.example" }), /certificate for other names than kafka\.example/);
});

test("connection says that a server speaks no TLS", { skip }, async () => {
  await using closing = await listening(createPlain((socket) => socket.once("data", () => socket.destroy())));
  await assert.rejects(connect(closing.port, { ca }), /during the TLS handshake: check that it is a TLS listener/);
  await using talking = await listening(createPlain((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")));
  await assert.rejects(connect(talking.port, { ca }), /does not agree on TLS/);
});
