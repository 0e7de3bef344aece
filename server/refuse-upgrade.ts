import type { Duplex } from "node:stream";

/**
 * Answers who asked for a socket and does not get one, and closes. Node has let go of the connection by then: what fails on it is nobody else's to hear, and
 * would end the process; and one that is never closed by the other side would stay for ever.
 */
export function refuseUpgrade(socket: Duplex, status: "401 Unauthorized" | "403 Forbidden" | "503 Service Unavailable"): void {
  socket.on("error", () => undefined);
  socket.once("finish", () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
