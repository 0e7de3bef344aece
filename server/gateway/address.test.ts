import { expect, test } from "vitest";
import { addressKey } from "./address.ts";

test("[W5] an IPv6 network counts as one address, however it is written; an IPv4 address by itself", () => {
  const same = ["2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6", "2001:0DB8:0001:0002:ffff::", "2001:db8:1:2::%eth0", "2001:db8:1:2::192.0.2.1"];
  expect(new Set(same.map(addressKey))).toEqual(new Set(["2001:db8:1:2::/64"]));
  expect(addressKey("2001:db8:1:3::1")).toBe("2001:db8:1:3::/64");
  expect(addressKey("::1")).toBe("0:0:0:0::/64");
  expect(addressKey("fe80::1:2:3:4")).toBe("fe80:0:0:0::/64");
  expect(addressKey("192.0.2.1")).toBe("192.0.2.1");
  expect(addressKey("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(addressKey("::FFFF:c000:0201")).toBe("192.0.2.1");
});

test("[W5] what is no address, as a proxy may pass on, is one key of its own, of bounded length", () => {
  expect(addressKey("unknown")).toBe("unknown");
  expect(addressKey("x".repeat(5_000))).toHaveLength(64);
});
