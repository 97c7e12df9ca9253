/** A child process: sends a number of bytes to whoever connects to its first port, counts what its second port receives. */

import { createServer, type Server } from "node:net";

const PIECE = Buffer.alloc(256 * 1024, 7);
const bytes = Number(process.argv[2]);

const sender = createServer((socket) => {
  let left = bytes;
  const pump = (): void => {
    while (left > 0) {
      const piece = left < PIECE.length ? PIECE.subarray(0, left) : PIECE;
      left -= piece.length;
      if (!socket.write(piece)) return;
    }
    socket.end();
  };
  socket.on("drain", pump);
  socket.on("error", () => socket.destroy());
  pump();
});
const sink = createServer((socket) => {
  let received = 0;
  socket.on("data", (chunk) => {
    received += chunk.length;
    if (received === bytes) process.send?.({ done: true });
  });
  socket.on("error", () => socket.destroy());
});

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}

process.send?.({ ports: [await listen(sender), await listen(sink)] });
process.on("disconnect", () => process.exit(0));
