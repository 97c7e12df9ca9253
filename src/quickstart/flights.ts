/** The 20,000 real flights that ship with the project, and the Kafka message each of them becomes. */

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { QuickstartError } from "./errors.ts";

/** Beside `src/` in a checkout and beside `dist/` in the package, so the same step up serves both. */
const DATA_FILE = new URL("../../data/flights.ndjson.gz", import.meta.url);

/** The topic that every region keeps its own flights in. */
export const FLIGHTS_TOPIC = "flights";
/** Partitions of that topic. */
export const FLIGHTS_PARTITIONS = 6;
/** A flight this many minutes late carries the header `delayed`; about every fifth does. */
const LATE_FROM_MINUTES = 15;

/** One flight; `line` is the JSON text it came from and becomes the value as it is. */
export interface Flight {
  /** 1 to 20,000, in order of departure. */
  readonly flight: number;
  /** The region of the origin airport. */
  readonly region: string;
  readonly origin: string;
  readonly destination: string;
  readonly delayMinutes: number;
  readonly line: string;
}

/** A message as kafkajs takes it. */
export interface FlightMessage {
  readonly key: string;
  readonly value: string;
  readonly headers: Record<string, string | string[]>;
  /** Milliseconds since the epoch as a decimal string. */
  readonly timestamp: string;
}

/** All flights in order of departure. @throws {QuickstartError} `QUICKSTART_BAD_FLIGHT` when the file is damaged */
export function loadFlights(): readonly Flight[] {
  const text = gunzipSync(readFileSync(DATA_FILE)).toString("utf8");
  return text.trimEnd().split("\n").map(parseFlight);
}

/** The flights of each region, each list in order of departure. */
export function flightsByRegion(flights: readonly Flight[]): ReadonlyMap<string, readonly Flight[]> {
  return Map.groupBy(flights, ({ region }) => region);
}

/** Keyed by origin. Flights differ in their headers on purpose: none, one, several, and one key twice. */
export function flightMessage(flight: Flight, nowMs: number): FlightMessage {
  const headers: Record<string, string | string[]> = {};
  if (flight.flight % 2 === 0) headers["content-type"] = "application/json";
  if (flight.delayMinutes >= LATE_FROM_MINUTES) headers["delayed"] = String(flight.delayMinutes);
  if (flight.flight % 10 === 0) headers["airport"] = [flight.origin, flight.destination];
  return { key: flight.origin, value: flight.line, headers, timestamp: String(nowMs) };
}

function parseFlight(line: string, index: number): Flight {
  const parsed: unknown = JSON.parse(line);
  if (!isFlightObject(parsed)) throw new QuickstartError({ code: "QUICKSTART_BAD_FLIGHT", line: index + 1 });
  const { flight, region, origin, destination, delay } = parsed;
  return { flight, region, origin, destination, delayMinutes: delay, line };
}

interface FlightObject {
  readonly flight: number;
  readonly region: string;
  readonly origin: string;
  readonly destination: string;
  readonly delay: number;
}

function isFlightObject(value: unknown): value is FlightObject {
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  const texts = ["region", "origin", "destination"].every((name) => typeof fields[name] === "string");
  return texts && typeof fields["flight"] === "number" && typeof fields["delay"] === "number";
}
