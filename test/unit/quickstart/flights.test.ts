/** The sample data, and the messages made of it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { flightMessage, flightsByRegion, loadFlights } from "../../../src/quickstart/flights.ts";
import { flightNumberIn } from "../../../src/quickstart/records.ts";

const flights = loadFlights();

test("flights are 20,000, numbered in order of departure, from three regions", () => {
  assert.deepEqual(
    flights.map(({ flight }) => flight),
    Array.from({ length: 20_000 }, (_, index) => index + 1),
  );
  const counts = [...flightsByRegion(flights)].map(([region, list]) => [region, list.length]);
  assert.deepEqual(Object.fromEntries(counts), { "us-west": 3_922, "us-mid": 5_156, "us-east": 10_922 });
});

test("flight becomes a message keyed by origin whose value still names it", () => {
  const flight = flights[0] ?? assert.fail();
  const message = flightMessage(flight, 1_700_000_000_123);
  assert.equal(message.key, "DTW");
  assert.equal(message.timestamp, "1700000000123");
  assert.equal(flightNumberIn(Buffer.from(message.value)), 1);
});

test("flights differ in their headers: none, one, several, and a key twice", () => {
  const headers = flights.map((flight) => flightMessage(flight, 0).headers);
  const shapes = new Set(headers.map((one) => Object.keys(one).length));
  assert.deepEqual([...shapes].sort(), [0, 1, 2, 3]);
  assert.ok(headers.some((one) => Array.isArray(one["airport"])));
});

test("flight number of a value that is no flight is undefined", () => {
  for (const value of [null, Buffer.from("{"), Buffer.from("null"), Buffer.from('{"flight":"1"}')]) {
    assert.equal(flightNumberIn(value), undefined);
  }
});
