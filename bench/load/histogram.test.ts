import fc from "fast-check";
import { expect, test } from "vitest";
import { Histogram } from "./histogram.ts";

const values = fc.array(fc.double({ min: 1, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 300 });

test("a quantile is that of the values themselves, up to 1.1 %, whatever was merged and taken in between", () => {
  fc.assert(
    fc.property(
      values,
      fc.array(fc.nat({ max: 300 }), { maxLength: 5 }),
      fc.double({ min: 0.001, max: 1, noNaN: true }),
      (all, cuts, share) => {
        const whole = new Histogram();
        const part = new Histogram();
        for (const [index, value] of all.entries()) {
          part.add(value);
          if (cuts.includes(index)) whole.merge(part.taken());
        }
        whole.merge(part.taken());
        expect(part.count).toBe(0);
        expect(whole.count).toBe(all.length);
        const exact = all.toSorted((one, other) => one - other)[Math.ceil(all.length * share) - 1]!;
        expect(Math.abs(whole.quantile(share) / exact - 1)).toBeLessThan(0.011);
      },
    ),
  );
});

test("of nothing there is no quantile", () => {
  expect(new Histogram().quantile(0.5)).toBeNaN();
});
