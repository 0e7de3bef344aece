/** Bodies of packets and HTTP requests of this process or page since it began to count, without headers and frames. */
export const traffic = { bytesUp: 0, bytesDown: 0, packetsUp: 0 };

/** From now on all sockets and requests of this process or page are counted. */
export function countTraffic(): void {
  const Plain = globalThis.WebSocket;
  globalThis.WebSocket = class extends Plain {
    constructor(url: string | URL) {
      super(url);
      this.addEventListener("message", ({ data }) => {
        traffic.bytesDown += (data as ArrayBuffer).byteLength;
      });
    }
    override send(packet: Parameters<WebSocket["send"]>[0]): void {
      traffic.bytesUp += (packet as Uint8Array).byteLength;
      traffic.packetsUp++;
      super.send(packet);
    }
  };
  const plainFetch = globalThis.fetch;
  globalThis.fetch = async (url, options) => {
    traffic.bytesUp += (options?.body as Uint8Array | undefined)?.byteLength ?? 0;
    const response = await plainFetch(url, options);
    traffic.bytesDown += Number(response.headers.get("content-length") ?? 0);
    return response;
  };
}
