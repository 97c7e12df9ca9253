/** The HTTP side: addresses, pages, refusals, and an end in time. */

import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import type { WorkerStatus } from "../../../src/runtime/worker-status.ts";
import { statusJson } from "../../../src/runtime/worker-status-json.ts";
import { formatHttpAddress, parseHttpAddress } from "../../../src/web/http-address.ts";
import { HttpServer, textPage } from "../../../src/web/http-server.ts";
import { openWorkerHttp } from "../../../src/web/worker-http.ts";
import { flowOf, laneOf, workerOf } from "./snapshots.ts";

const ANY = { host: "127.0.0.1", port: 0 };

function get(server: HttpServer, path: string, method = "GET"): Promise<Response> {
  return fetch(`http://${formatHttpAddress(server.endpoint)}${path}`, { method });
}

test("address is this machine's unless a host is given", () => {
  assert.deepEqual(parseHttpAddress(":9464"), { host: "127.0.0.1", port: 9464 });
  assert.deepEqual(parseHttpAddress("9464"), { host: "127.0.0.1", port: 9464 });
  assert.deepEqual(parseHttpAddress("0.0.0.0:80"), { host: "0.0.0.0", port: 80 });
  assert.deepEqual(parseHttpAddress("[::1]:0"), { host: "::1", port: 0 });
  assert.equal(formatHttpAddress({ host: "::1", port: 1 }), "[::1]:1");
  for (const bad of ["", "host", "host:", ":70000", "a:b:1", "http://a:1", ":-1"])
    assert.equal(parseHttpAddress(bad), undefined, bad);
});

test("server answers its pages, to GET and HEAD only, and fails one page alone", async () => {
  await using server = await HttpServer.open(ANY, {
    "/": () => textPage(200, "hello\n"),
    "/broken": () => {
      throw new Error("no");
    },
  });
  assert.equal(await (await get(server, "/?x=1")).text(), "hello\n");
  const head = await get(server, "/", "HEAD");
  assert.deepEqual([head.headers.get("content-length"), await head.text()], ["6", ""]);
  assert.deepEqual(
    await Promise.all(
      [get(server, "/", "POST"), get(server, "/nowhere"), get(server, "/constructor"), get(server, "/broken")].map(
        async (response) => (await response).status,
      ),
    ),
    [405, 404, 404, 500],
  );
});

test("server says in one line that its port is taken", async () => {
  await using first = await HttpServer.open(ANY, {});
  const { host, port } = first.endpoint;
  await assert.rejects(HttpServer.open(first.endpoint, {}), {
    fault: { code: "NETWORK_PORT_TAKEN", host, port },
    message: `127.0.0.1:${port} is taken: stop the process that listens there or choose another port with --http`,
  });
  await assert.rejects(HttpServer.open({ host: "192.0.2.1", port: 0 }, {}), {
    fault: { code: "NETWORK_UNREACHABLE", host: "192.0.2.1", port: 0 },
  });
});

test("server closes although a reader holds its connection and says nothing", async () => {
  const server = await HttpServer.open(ANY, {});
  const socket = connect(server.endpoint.port, server.endpoint.host);
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.once("connect", resolve));
  socket.write("GET / HTTP/1.1\r\n");
  const ended = new Promise((resolve) => socket.once("close", resolve));
  await Promise.all([server.close(), server.close()]);
  await ended;
});

test("worker serves metrics, health, readiness and its status, and says so while it is starting", async () => {
  let status: WorkerStatus | undefined;
  await using server = await openWorkerHttp({ endpoint: ANY }, () => status);
  const codes = async (): Promise<readonly number[]> =>
    Promise.all(
      ["/", "/metrics", "/healthz", "/readyz", "/api/status"].map(async (path) => (await get(server, path)).status),
    );
  assert.deepEqual(await codes(), [200, 503, 200, 503, 503]);
  status = workerOf([flowOf([laneOf("orders", 0)])]);
  assert.deepEqual(await codes(), [200, 200, 200, 200, 200]);
  const metrics = await get(server, "/metrics");
  assert.equal(metrics.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  assert.match(await metrics.text(), /^tributary_mirror_lag_records\{.*topic="orders"\} 0$/m);
  const told = await (await get(server, "/api/status")).json();
  const { topology, atMs, flows } = status;
  const same = statusJson({ topology, origin: "worker", atMs, flows, worker: status });
  assert.deepEqual(told, { format_version: "1.0", ...same });
  status = { ...status, roundAgeMs: 60_000 };
  const sick = await get(server, "/healthz");
  assert.equal(sick.status, 503);
  assert.deepEqual(await sick.json(), {
    format_version: "1.0",
    ok: false,
    reasons: ["the worker has not looked around for 60 s"],
  });
});
