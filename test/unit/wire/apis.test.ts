/** Every API at every version: what is written is read back, and damaged bytes end in a `WireError` or in a value. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  correlationIdOf,
  decodeRequest,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from "../../../src/wire/api.ts";
import { produce } from "../../../src/wire/apis/00-produce.ts";
import { metadata } from "../../../src/wire/apis/03-metadata.ts";
import { ALL_APIS } from "../../../src/wire/apis.ts";
import { WireError } from "../../../src/wire/errors.ts";
import { API_VERSIONS, arbitraryDamage, arbitraryOf, completed } from "./message-arbitrary.ts";

/** Cases for each API at each version, of which there are about 150, with two messages each. */
const RUNS = { numRuns: 20 };

test("A request of every API at every version reads back as it was written", () => {
  for (const { api, version } of API_VERSIONS) {
    const property = fc.property(
      arbitraryOf(api.request.shape, version),
      fc.option(fc.string({ maxLength: 10 }), { nil: null }),
      fc.integer({ min: 0, max: 0x7fffffff }),
      (body, clientId, correlationId) => {
        const frame = payloadOf(encodeRequest(api, { apiVersion: version, correlationId, clientId }, body));
        const { header, bodyStart } = decodeRequestHeader(frame);
        assert.deepEqual(header, { apiKey: api.key, apiVersion: version, correlationId, clientId });
        const read = decodeRequest(api, version, frame, bodyStart);
        assert.deepEqual(read, completed(api.request.shape, version, body));
      },
    );
    fc.assert(property, RUNS);
  }
});

test("A response of every API at every version reads back as it was written", () => {
  for (const { api, version } of API_VERSIONS) {
    const property = fc.property(arbitraryOf(api.response.shape, version), fc.nat(), (body, correlationId) => {
      const frame = payloadOf(encodeResponse(api, { apiVersion: version, correlationId }, body));
      assert.equal(correlationIdOf(frame), correlationId);
      assert.deepEqual(decodeResponse(api, version, frame), completed(api.response.shape, version, body));
    });
    fc.assert(property, RUNS);
  }
});

test("A damaged message of any API is refused with a WireError or read, and nothing else", () => {
  for (const { api, version } of API_VERSIONS) {
    const requests = arbitraryOf(api.request.shape, version).chain((body) =>
      arbitraryDamage(payloadOf(encodeRequest(api, { apiVersion: version, correlationId: 7, clientId: "c" }, body))),
    );
    fc.assert(
      fc.property(requests, (frame) => {
        valueOrWireError(() => {
          const { bodyStart } = decodeRequestHeader(frame);
          decodeRequest(api, version, frame, bodyStart);
        });
      }),
      RUNS,
    );
    const responses = arbitraryOf(api.response.shape, version).chain((body) =>
      arbitraryDamage(payloadOf(encodeResponse(api, { apiVersion: version, correlationId: 7 }, body))),
    );
    fc.assert(
      fc.property(responses, (frame) => valueOrWireError(() => decodeResponse(api, version, frame))),
      RUNS,
    );
  }
});

test("A message cut anywhere is never taken for a whole one", () => {
  for (const { api, version } of API_VERSIONS) {
    const property = fc.property(arbitraryOf(api.response.shape, version), (body) => {
      const frame = payloadOf(encodeResponse(api, { apiVersion: version, correlationId: 7 }, body));
      for (let end = 0; end < Math.min(frame.length, 200); end++) {
        assert.throws(() => decodeResponse(api, version, frame.subarray(0, end)), WireError);
      }
      assert.throws(() => decodeResponse(api, version, Buffer.concat([frame, Buffer.alloc(1)])), {
        fault: { code: "WIRE_LEFTOVER", leftBytes: 1 },
      });
    });
    fc.assert(property, { numRuns: 3 });
  }
});

test("A list that claims more elements than bytes are left is refused before it is read", () => {
  const frame = Buffer.alloc(12);
  frame.writeInt32BE(0x7fffffff, 4);
  assert.throws(() => decodeResponse(metadata, 0, frame), {
    fault: { code: "WIRE_BAD_LENGTH", what: "array", length: 0x7fffffff, limit: 4 },
  });
});

test("A message of more elements than any sound one is refused before it is read", () => {
  const count = 5_000_000;
  const frame = Buffer.alloc(8 + count * 2);
  frame.writeInt32BE(count, 4);
  assert.throws(() => decodeRequest(metadata, 0, frame, 4), {
    fault: { code: "WIRE_BAD_LENGTH", what: "array", length: count, limit: 4 * 1024 * 1024 },
  });
});

test("A field that the version lacks is refused when it says something, and dropped when ignorable", () => {
  const header = { apiVersion: 3, correlationId: 1, clientId: null };
  assert.throws(() => encodeRequest(metadata, header, { topics: null, allowAutoTopicCreation: false }), {
    fault: { code: "WIRE_FIELD_DROPPED", field: "allowAutoTopicCreation", version: 3 },
  });
  assert.doesNotThrow(() => encodeRequest(metadata, header, { topics: null, allowAutoTopicCreation: true }));
  const partition = { index: 0, errorCode: 0, baseOffset: 1n, logAppendTimeMs: -1n, errorMessage: "too new" };
  const body = { topics: [{ name: "t", partitions: [partition] }], throttleMs: 0 };
  assert.doesNotThrow(() => encodeResponse(produce, { apiVersion: 3, correlationId: 1 }, body));
});

test("A version that is not defined is refused by name", () => {
  assert.throws(() => encodeRequest(metadata, { apiVersion: 14, correlationId: 1, clientId: null }, { topics: null }), {
    fault: { code: "WIRE_UNSUPPORTED_VERSION", api: "Metadata", version: 14, min: 0, max: 13 },
  });
});

test("The table of APIs holds each under its key", () => {
  for (const [key, api] of ALL_APIS) assert.equal(api.key, key);
  assert.equal(ALL_APIS.size, 37);
});

function payloadOf(parts: readonly Uint8Array[]): Buffer {
  const frame = Buffer.concat(parts);
  assert.equal(frame.readInt32BE(0), frame.length - 4);
  return frame.subarray(4);
}

function valueOrWireError(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof WireError, String(error));
  }
}

test("A request is read although bytes follow its fields, as librdkafka sends when it asks for all topics", () => {
  const frame = Buffer.from("0003000d00000003000772646b61666b610000000000010000", "hex");
  const { header, bodyStart } = decodeRequestHeader(frame);
  assert.equal(decodeRequest(metadata, header.apiVersion, frame, bodyStart).topics, null);
});
