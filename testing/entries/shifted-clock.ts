/** Loaded with --import before a program of ours: its clock is SHIFT_CLOCK_MS away from the machine's. */
const shift = Number(process.env["SHIFT_CLOCK_MS"]);
if (!Number.isSafeInteger(shift)) throw new Error("SHIFT_CLOCK_MS must be a whole number of milliseconds");

const RealDate = globalThis.Date;
const now = (): number => RealDate.now() + shift;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, values: unknown[], newTarget) => Reflect.construct(target, values.length === 0 ? [now()] : values, newTarget) as Date,
  apply: () => new RealDate(now()).toString(),
  get: (target, name, receiver) => (name === "now" ? now : (Reflect.get(target, name, receiver) as unknown)),
});
