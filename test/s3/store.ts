/** The contract of object stores on real servers, with and without trouble on the way. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { hasFaultCode } from "../../src/core/errors.ts";
import { STORE_CASES } from "../support/store-contract.ts";
import { newBucket, openStore } from "./buckets.ts";
import { type HttpFault, startFaultProxy } from "./fault-proxy.ts";
import { SERVERS } from "./shared-servers.ts";

const timeout = 120_000;
const HOUR_MS = 3_600_000;

/** Fails every request once, and lets its repetition pass. */
function eachOnce(fault: HttpFault) {
  const failed = new Set<string>();
  return ({ method, url }: { readonly method: string; readonly url: string }): HttpFault | undefined => {
    const which = `${method} ${url}`;
    if (failed.has(which)) return undefined;
    failed.add(which);
    return fault;
  };
}

for (const { name, skip, get: server } of SERVERS) {
  for (const one of STORE_CASES) {
    test(`${name} store ${one.name}`, { skip, timeout }, async () => {
      const store = await openStore(await newBucket(await server()));
      await one.run(store);
      store.close();
    });
  }

  for (const fault of ["slow-down", "reset-request", "cut-answer", "lose-answer"] as const) {
    for (const one of STORE_CASES) {
      test(`${name} store ${one.name} although each request meets ${fault} once`, { skip, timeout }, async () => {
        const options = await newBucket(await server());
        await using proxy = await startFaultProxy((await server()).endpoint);
        const store = await openStore({ ...options, endpoint: proxy.endpoint });
        proxy.choose = eachOnce(fault);
        await one.run(store);
        store.close();
      });
    }
  }

  test(`${name} store learns the server's time from whatever it asks first, also from an answer without a body`, {
    skip,
    timeout,
  }, async () => {
    const store = await openStore(await newBucket(await server()));
    await store.put("a", Buffer.from("a"));
    const now = Date.now.bind(Date);
    mock.method(Date, "now", () => now() + HOUR_MS);
    try {
      assert.equal((await store.stat("a"))?.sizeBytes, 1);
    } finally {
      mock.restoreAll();
      store.close();
    }
  });

  test(`${name} store breaks off a read under way when its reader goes`, { skip, timeout }, async () => {
    const options = await newBucket(await server());
    await using proxy = await startFaultProxy((await server()).endpoint);
    const store = await openStore({ ...options, endpoint: proxy.endpoint });
    await store.put("a.log", Buffer.alloc(1024 * 1024, 7));
    const going = new AbortController();
    let reads = 0;
    proxy.choose = ({ method }) => {
      if (method !== "GET" || ++reads > 1) return undefined;
      queueMicrotask(() => going.abort(new Error("went home")));
      return "hang";
    };
    await assert.rejects(store.get("a.log", undefined, going.signal), /went home/);
    assert.equal((await store.get("a.log")).length, 1024 * 1024);
    assert.equal(reads, 2, "it was not tried again");
    store.close();
  });

  test(`${name} store says what is wrong with the keys, the bucket, the server`, { skip, timeout }, async () => {
    const options = await newBucket(await server());
    const credentials = { accessKeyId: options.credentials?.accessKeyId ?? "", secretAccessKey: "wrong" };
    await assert.rejects(openStore({ ...options, credentials }), (error) => hasFaultCode(error, "STORE_DENIED"));
    const bucket = "nowhere-to-be-found";
    await assert.rejects(openStore({ ...options, bucket }), (error) => hasFaultCode(error, "STORE_NO_BUCKET"));
    const endpoint = "http://127.0.0.1:1";
    await assert.rejects(openStore({ ...options, endpoint }), (error) => hasFaultCode(error, "STORE_UNAVAILABLE"));
  });
}
