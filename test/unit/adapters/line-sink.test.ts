/** A log that cannot be written loses lines and says so; it never throws. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createLineSink } from "../../../src/adapters/line-sink.ts";

test("A log line is lost without an error when the disk is full, and counted once there is room", () => {
  let room = 5;
  let text = "";
  const sink = createLineSink((bytes) => {
    if (room === 0) throw Object.assign(new Error("no space"), { code: "ENOSPC" });
    const taken = Math.min(room, bytes.byteLength);
    room -= taken;
    text += Buffer.from(bytes.subarray(0, taken)).toString();
    return taken;
  });
  sink.write("first line\n");
  sink.write("second line\n");
  assert.equal(text, "first");
  room = 1_000;
  sink.write("third line\n");
  sink.write("fourth line\n");
  const note = { level: "warn", lines: 2, message: "log lines were lost: they could not be written" };
  assert.equal(text, `first\n${JSON.stringify(note)}\nthird line\nfourth line\n`);
});

test("A log line waits for a pipe that is full for a moment", () => {
  let refusals = 2;
  let text = "";
  const sink = createLineSink((bytes) => {
    if (refusals-- > 0) throw Object.assign(new Error("try again"), { code: "EAGAIN" });
    text += Buffer.from(bytes).toString();
    return bytes.byteLength;
  });
  sink.write("line\n");
  assert.equal(text, "line\n");
});

test("A log line is given up when the reader of the pipe is gone", () => {
  const sink = createLineSink(() => {
    throw Object.assign(new Error("closed"), { code: "EPIPE" });
  });
  sink.write("line\n");
});
