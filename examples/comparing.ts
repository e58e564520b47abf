/**
 * Runs the ways to do a job, one after another, and prints the time that each takes beside that of the first.
 *
 * @param run - Does the job, and returns what to say of it.
 */
export async function compare<T>(
  ways: Record<string, () => T>,
  run: (way: T, name: string) => Promise<string>,
): Promise<void> {
  let first: number | undefined;
  for (const [name, way] of Object.entries(ways)) {
    const start = performance.now();
    const said = await run(way(), name);
    const seconds = (performance.now() - start) / 1000;
    const gain = first === undefined ? '' : `, ${(first / seconds).toFixed(1)} times as fast`;
    console.log(`${name}: ${seconds.toFixed(2)} s${gain}, ${said}`);
    first ??= seconds;
  }
}
