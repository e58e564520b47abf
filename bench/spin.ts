/** CPU work of a known time. */
const CALIBRATION_SPINS = 2_000_000;

let sink = 0;

export function spin(spins: number): void {
  for (let i = 0; i < spins; i++) sink = (sink * 31 + i) | 0;
}

/** How many spins take a microsecond on this machine, right now. */
function measure(): number {
  const start = performance.now();
  spin(CALIBRATION_SPINS);
  return CALIBRATION_SPINS / ((performance.now() - start) * 1000);
}

// The first is not yet compiled.
measure();
export const SPINS_PER_MICROSECOND: number = Math.max(measure(), measure(), measure());
