import { SUBPROTOCOL } from "../../server/bus/direct-words.ts";
import type { Wire, WireControl } from "./tcp-proxy.ts";

/** Of what chat servers say to each other directly, through the proxies before their ports. */
export interface BetweenServers {
  /** While true every such connection is cut, and none is let through; clients' are. */
  apart: boolean;
}

const ASKS_TO_HEAR = new RegExp(`^sec-websocket-protocol: *${SUBPROTOCOL}\r$`, "im");

/** What one proxy does to the connections of which this says something. */
export function betweenServers(): { readonly faults: BetweenServers; readonly wire: (control: WireControl) => Wire } {
  const connections = new Set<WireControl>();
  let apart = false;
  return {
    faults: {
      get apart() {
        return apart;
      },
      set apart(wanted) {
        apart = wanted;
        if (!apart) return;
        for (const { cut } of connections) cut();
        connections.clear();
      },
    },
    wire: (control) => {
      let isFirst = true;
      return {
        up: (bytes) => {
          if (isFirst && ASKS_TO_HEAR.test(bytes.toString("latin1"))) {
            connections.add(control);
            if (apart) control.cut();
          }
          isFirst = false;
          return bytes;
        },
        down: (bytes) => bytes,
      };
    },
  };
}
