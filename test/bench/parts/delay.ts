/** A child process: a long way to an address. Everything that comes in at its port goes out there after a delay, in either
 *  direction, at the full rate of the machine. */

import { connect, createServer, type Socket } from "node:net";

/** Bytes under way in one direction before the sender has to wait: more than any window of this program. */
const UNDER_WAY_BYTES_MAX = 256 * 1024 * 1024;

const [host = "", port = "", delay = ""] = process.argv.slice(2);
const delayMs = Number(delay);

/** Delivers what `from` sends to `to`, later. */
function delayed(from: Socket, to: Socket): void {
  const underWay: { readonly chunk: Buffer; readonly dueMs: number }[] = [];
  let bytes = 0;
  let isArmed = false;
  const arm = (): void => {
    const head = underWay[0];
    if (isArmed || head === undefined) return;
    isArmed = true;
    setTimeout(deliver, Math.max(0, head.dueMs - performance.now()));
  };
  const deliver = (): void => {
    isArmed = false;
    const nowMs = performance.now() + 0.5;
    for (let head = underWay[0]; head !== undefined && head.dueMs <= nowMs; head = underWay[0]) {
      underWay.shift();
      bytes -= head.chunk.length;
      if (head.chunk.length === 0) to.end();
      else to.write(head.chunk);
    }
    if (bytes < UNDER_WAY_BYTES_MAX) from.resume();
    arm();
  };
  const push = (chunk: Buffer): void => {
    underWay.push({ chunk, dueMs: performance.now() + delayMs });
    bytes += chunk.length;
    if (bytes >= UNDER_WAY_BYTES_MAX) from.pause();
    arm();
  };
  from.on("data", push);
  from.on("end", () => push(Buffer.alloc(0)));
  from.on("error", () => to.destroy());
}

const server = createServer({ allowHalfOpen: true }, (near) => {
  const far = connect({ host, port: Number(port), allowHalfOpen: true });
  near.setNoDelay(true);
  far.setNoDelay(true);
  delayed(near, far);
  delayed(far, near);
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.send?.({ port: typeof address === "object" && address !== null ? address.port : 0 });
});
process.on("disconnect", () => process.exit(0));
