import { isIPv4, isIPv6 } from "node:net";

/** Groups of 16 bits that name an IPv6 network; whoever has one has all addresses in it (RFC 6177). */
const NETWORK_GROUPS = 4;
const KEY_CHARACTERS = 64;

/** What an address is counted by: an IPv4 address by itself, IPv6 ones by their /64. At most 64 characters. */
export function addressKey(address: string): string {
  const [plain = ""] = address.split("%");
  if (!isIPv6(plain)) return address.slice(0, KEY_CHARACTERS);
  const groups = groupsOf(plain);
  // IPv4-mapped (RFC 4291, 2.5.5.2): what a socket that listens on both gives.
  const [high = 0, low = 0] = groups.slice(6);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
  const network = groups.slice(0, NETWORK_GROUPS).map((group) => group.toString(16));
  return `${network.join(":")}::/64`;
}

/** The eight groups of a valid IPv6 address. */
function groupsOf(address: string): number[] {
  const [before = "", after] = address.split("::");
  const head = parse(before);
  if (after === undefined) return head;
  const tail = parse(after);
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
}

function parse(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((part) => {
    if (!isIPv4(part)) return [Number.parseInt(part, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = part.split(".").map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}
